"""Groups of subscribers: what each of them is sent, however it came, left, lagged behind or came back."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

import server.catching_up
from endpointkit.served import Person, Served, served
from endpointkit.world import Context, World, schema
from server.broadcast import Broadcast
from server.endpoint_limits import EndpointLimits
from server.execution import Engine, Parameters
from server.groups import Member
from server.outbox import Outbox

SITES = """
subscription Sites($after: String, $rate: Float! = 1000.0, $only: String) {
  sites(after: $after, maxRateHz: $rate, only: $only) {
    __typename
    ... on Snapshot { revision sites { id name } }
    ... on Delta { revision follows sites { id name } }
    ... on Heartbeat { revision }
    ... on Restart { revision reason }
  }
}
"""
CHANGES = """
subscription Changes($after: String) {
  changes(after: $after) {
    __typename
    ... on Delta { revision follows sites { id name } }
    ... on Heartbeat { revision }
    ... on Restart { revision reason }
  }
}
"""


@pytest.fixture
def world() -> World:
    world = World()
    world.add(3)
    return world


def encoded(endpoint: Served) -> list[int]:
    """For how many members each event was encoded."""
    return [event[2] for event in endpoint.events if event[0] == "event"]


async def test_a_snapshot_comes_first_then_deltas_that_follow_one_another(world: World) -> None:
    async with served(world) as endpoint, endpoint.client() as client:
        await client.subscribe(SITES)
        first = await client.event()
        assert (first["__typename"], first["revision"]) == ("Snapshot", 0)
        assert [site["name"] for site in first["sites"]] == ["n0", "n1", "n2"]
        for name in ("a", "b"):
            world.rename("site_1", name)
            delta = await client.event()
            assert delta["sites"] == [{"id": "site_1", "name": name}]
            assert (delta["revision"], delta["follows"]) == (world.feed.revision, world.feed.revision - 1)
        world.touch()
        world.touch()
        await asyncio.sleep(0.05)
        world.rename("site_2", "c")
        delta = await client.event()
        assert delta["follows"] == 2, "commits between that have nothing for it are no gap"
        assert delta["revision"] == world.feed.revision


async def test_one_event_is_executed_and_encoded_once_for_all_of_a_group(world: World) -> None:
    async with served(world) as endpoint:
        async with endpoint.client(token="ann") as ann, endpoint.client(token="bob") as bob:
            for number in range(20):
                for client in (ann, bob):
                    await client.subscribe(SITES, id=str(number))
            for client in (ann, bob):
                for _ in range(20):
                    assert (await client.event())["__typename"] == "Snapshot"
            assert endpoint.endpoint.broadcast.groups == 1
            assert world.calls["snapshot"] == 1
            world.rename("site_0", "once")
            for client in (ann, bob):
                assert {(await client.next())["id"] for _ in range(20)} == {str(number) for number in range(20)}
        assert encoded(endpoint) == [40]
        assert world.calls["delta"] == 1


async def test_groups_are_divided_by_permissions_variables_and_documents_but_not_by_the_cursor(world: World) -> None:
    async with served(world) as endpoint:
        async with (
            endpoint.client(token="ann/all") as ann,
            endpoint.client(token="bob/all") as bob,
            endpoint.client(token="eve/some") as eve,
        ):
            await ann.subscribe(SITES)
            await ann.event()
            await bob.subscribe(SITES, variables={"after": "0"})
            await asyncio.sleep(0.05)
            assert endpoint.endpoint.broadcast.groups == 1
            await bob.subscribe(SITES, id="2", variables={"only": "site_1"})
            await bob.event()
            assert endpoint.endpoint.broadcast.groups == 2
            await eve.subscribe(SITES)
            await eve.event()
            assert endpoint.endpoint.broadcast.groups == 3
            await ann.subscribe(SITES + " # another text", id="2")
            await ann.event()
            assert endpoint.endpoint.broadcast.groups == 4
        await asyncio.sleep(0.05)
        assert endpoint.endpoint.broadcast.groups == 0


async def test_a_late_joiner_gets_the_same_encoded_snapshot_brought_forward(world: World) -> None:
    async with served(world) as endpoint, endpoint.client() as first, endpoint.client() as late:
        await first.subscribe(SITES)
        await first.event()
        for name in ("a", "b"):
            world.rename("site_1", name)
            await first.event()
        await late.subscribe(SITES)
        events = [await late.event() for _ in range(3)]
        assert [event["__typename"] for event in events] == ["Snapshot", "Delta", "Delta"]
        assert events[-1]["sites"] == [{"id": "site_1", "name": "b"}]
        assert world.calls["snapshot"] == 1
        world.rename("site_2", "c")
        assert (await first.event()) == (await late.event())


async def test_a_snapshot_is_made_anew_when_what_follows_it_has_become_long(world: World) -> None:
    limits = EndpointLimits(max_tail_events=3)
    async with served(world, limits=limits) as endpoint, endpoint.client() as first, endpoint.client() as late:
        await first.subscribe(SITES)
        await first.event()
        for number in range(5):
            world.rename("site_1", f"a{number}")
            await first.event()
        await late.subscribe(SITES)
        event = await late.event()
        assert (event["__typename"], event["revision"]) == ("Snapshot", 5)
        assert await late.quiet()
        assert world.calls["snapshot"] == 2


async def test_a_client_that_comes_back_is_sent_what_it_missed_and_no_more(world: World) -> None:
    async with served(world) as endpoint, endpoint.client() as other:
        await other.subscribe(SITES)
        await other.event()
        for number in range(4):
            world.rename("site_1", f"a{number}")
        async with endpoint.client() as client:
            await client.subscribe(SITES, variables={"after": "2"})
            delta = await client.event()
            assert (delta["follows"], delta["revision"]) == (2, 4)
            world.rename("site_2", "live")
            delta = await client.event()
            assert delta["sites"] == [{"id": "site_2", "name": "live"}]
            assert endpoint.endpoint.broadcast.groups == 1


async def test_many_that_come_back_from_the_same_place_are_caught_up_by_one_reading(world: World) -> None:
    async with served(world) as endpoint, endpoint.client() as other, endpoint.client() as client:
        world.rename("site_1", "a")
        world.rename("site_1", "b")
        await other.subscribe(SITES)
        await other.event()
        for number in range(30):
            await client.subscribe(SITES, id=str(number), variables={"after": "1"})
        for _ in range(30):
            assert (await client.event())["revision"] == 2
        assert world.calls["catch_up"] == 1


@pytest.mark.parametrize("query", [SITES, CHANGES])
async def test_a_cursor_that_is_too_old_is_told_so_and_begins_anew(query: str) -> None:
    world = World(kept=2)
    world.add(2)
    for number in range(5):
        world.rename("site_1", f"a{number}")
    async with served(world) as endpoint, endpoint.client() as client:
        await client.subscribe(query, variables={"after": "1"})
        told = await client.event()
        assert (told["__typename"], told["revision"]) == ("Restart", 5)
        assert "no longer kept" in told["reason"]
        if query is SITES:
            assert (await client.event())["__typename"] == "Snapshot"
        world.rename("site_0", "on")
        assert (await client.event())["sites"] == [{"id": "site_0", "name": "on"}]
        assert ("resync", told["reason"]) in endpoint.events


async def test_a_cursor_of_another_epoch_is_told_so_and_begins_anew(world: World) -> None:
    async with served(world) as endpoint, endpoint.client() as client:
        await client.subscribe(SITES, variables={"after": "-1"})
        assert (await client.event())["reason"] == "the cursor is of another epoch"
        assert (await client.event())["__typename"] == "Snapshot"


async def test_a_cursor_ahead_of_this_process_is_waited_for_then_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.catching_up, "AHEAD_S", 0.3)
    async with served(world) as endpoint, endpoint.client() as client:
        await client.subscribe(CHANGES, variables={"after": "2"})
        assert await client.quiet(0.1)
        for name in ("a", "b", "c"):
            world.rename("site_0", name)
        delta = await client.event()
        assert (delta["revision"], delta["sites"]) == (3, [{"id": "site_0", "name": "c"}])
        await client.send({"type": "complete", "id": "1"})
        await client.subscribe(CHANGES, id="2", variables={"after": "1000"})
        assert "ahead" in (await client.event())["reason"]


async def test_a_subscription_without_a_snapshot_says_at_once_where_it_stands(world: World) -> None:
    async with served(world) as endpoint, endpoint.client() as client:
        world.touch()
        await client.subscribe(CHANGES)
        assert await client.event() == {"__typename": "Heartbeat", "revision": 1}
        world.rename("site_0", "a")
        assert (await client.event())["follows"] == 1


async def test_the_first_event_after_quiet_goes_at_once_and_then_no_more_than_the_rate(world: World) -> None:
    async with served(world) as endpoint, endpoint.client() as client:
        await client.subscribe(SITES, variables={"rate": 4.0})
        await client.event()
        loop = asyncio.get_running_loop()
        begun = loop.time()
        world.rename("site_0", "at once")
        assert (await client.event())["revision"] == 1
        for number in range(5):
            world.rename("site_0", f"later {number}")
            world.rename("site_1", f"later {number}")
        delta = await client.event()
        assert loop.time() - begun >= 0.24, "two events within the interval"
        assert (delta["follows"], delta["revision"]) == (1, 11)
        assert {site["name"] for site in delta["sites"]} == {"later 4"}
        assert encoded(endpoint) == [1, 1]


async def test_who_begins_from_now_is_not_sent_what_the_group_still_holds_back(world: World) -> None:
    query = CHANGES.replace("changes(after: $after)", "changes(after: $after, maxRateHz: 4.0)")
    async with served(world) as endpoint, endpoint.client() as first, endpoint.client() as late:
        await first.subscribe(query)
        await first.event()
        world.rename("site_0", "at once")
        assert (await first.event())["revision"] == 1
        world.rename("site_0", "held back")
        await late.subscribe(query)
        assert await late.event() == {"__typename": "Heartbeat", "revision": 2}
        assert (await first.event())["revision"] == 2
        world.rename("site_0", "for both")
        assert (await late.event())["sites"][0]["name"] == "for both"


async def test_a_heartbeat_carries_the_revision_and_does_not_come_while_there_are_events(world: World) -> None:
    async with (
        served(world, limits=EndpointLimits(heartbeat_s=0.15)) as endpoint,
        endpoint.client() as client,
    ):
        await client.subscribe(SITES)
        await client.event()
        world.touch()
        world.touch()
        assert await client.event() == {"__typename": "Heartbeat", "revision": 2}
        for number in range(6):
            await asyncio.sleep(0.05)
            world.rename("site_0", f"{number}")
            assert (await client.event())["__typename"] == "Delta"


async def test_a_subscription_that_ends_is_completed_for_all_and_again_for_who_comes_later(world: World) -> None:
    query = 'subscription { operation(id: "op_1") }'
    async with served(world) as endpoint, endpoint.client() as one, endpoint.client() as two:
        for client in (one, two):
            await client.subscribe(query)
            assert await client.event() == "RUNNING"
        world.finish("op_1")
        for client in (one, two):
            assert await client.event() == "DONE"
            assert await client.next() == {"id": "1", "type": "complete"}
        await one.subscribe(query, id="again")
        assert await one.event() == "DONE"
        assert await one.next() == {"id": "again", "type": "complete"}
        assert endpoint.endpoint.broadcast.groups == 0


async def test_a_group_that_the_feed_has_overtaken_begins_anew_for_all_its_members() -> None:
    world = World(kept=2)
    world.add(3)
    async with served(world) as endpoint, endpoint.client() as one, endpoint.client() as two:
        for client in (one, two):
            await client.subscribe(SITES)
            await client.event()
        for number in range(5):
            world.rename("site_1", f"a{number}")
        for client in (one, two):
            assert (await client.event())["__typename"] == "Restart"
            snapshot = await client.event()
            assert (snapshot["revision"], snapshot["sites"][1]["name"]) == (5, "a4")
        assert world.calls["snapshot"] == 2
        world.rename("site_1", "on")
        assert (await one.event()) == (await two.event())


async def test_a_bug_in_one_groups_query_ends_that_group_alone_and_is_masked(world: World) -> None:
    async with served(world) as endpoint, endpoint.client() as client:
        await client.subscribe("subscription { bug }", id="bug")
        await client.event()
        await client.subscribe(SITES, id="sites")
        await client.event()
        with capture_logs() as logs:
            world.rename("site_0", "on")
            messages = [await client.next() for _ in range(3)]
        by_id = {message["id"]: message for message in messages if message["type"] == "next"}
        (error,) = by_id["bug"]["payload"]["errors"]
        assert error["extensions"]["code"] == "INTERNAL"
        assert "secret" not in str(messages)
        assert by_id["sites"]["payload"]["data"]["sites"]["__typename"] == "Delta"
        assert {"id": "bug", "type": "complete"} in messages
        (logged,) = [entry for entry in logs if entry["event"] == "graphql.internal_error"]
        assert logged["correlation_id"] == error["extensions"]["correlationId"]
        assert "secret" in str(logged["exc_info"][1])
        world.rename("site_0", "still")
        assert (await client.event())["__typename"] == "Delta"


async def test_events_whose_fields_are_awaited_are_delivered_in_order(world: World) -> None:
    query = "subscription { sites { ... on Delta { revision sites { awaited } } ... on Snapshot { revision } } }"
    async with served(world) as endpoint, endpoint.client() as client:
        await client.subscribe(query)
        await client.event()
        for number in range(20):
            world.rename("site_0", f"a{number}")
            await asyncio.sleep(0)
        revisions = []
        while not revisions or revisions[-1] < 20:
            revisions.append((await client.event())["revision"])
        assert revisions == sorted(set(revisions))


async def test_a_group_beyond_the_limit_is_refused_and_may_be_asked_for_again(world: World) -> None:
    async with served(world, limits=EndpointLimits(max_groups=1)) as endpoint, endpoint.client() as client:
        await client.subscribe(SITES)
        await client.event()
        await client.subscribe(CHANGES, id="2")
        refused = await client.next()
        assert refused["type"] == "error"
        assert refused["payload"][0]["extensions"]["limit"] == "subscription groups"
        await client.send({"type": "complete", "id": "1"})
        await client.subscribe(CHANGES, id="3")
        assert (await client.event())["__typename"] == "Heartbeat"


# --- slow readers ---------------------------------------------------------------------------------------------------


async def test_a_reader_that_pauses_costs_bounded_memory_holds_up_nobody_and_catches_up(world: World) -> None:
    limits = EndpointLimits(max_queued_bytes=64 * 1024, max_behind_s=30, max_rate_hz=math.inf)
    query = SITES.replace("sites { id name } }\n    ... on Heart", "sites { id name note } }\n    ... on Heart")
    async with served(world, limits=limits) as endpoint, endpoint.client() as slow, endpoint.client() as quick:
        for client in (slow, quick):
            await client.subscribe(query)
            await client.event()
        slow.connection.transport.pause_reading()
        outboxes = [connection.outbox for connection in endpoint.endpoint.websocket._connections]
        note = "x" * 20_000
        for number in range(600):
            world.rename(f"site_{number % 3}", f"a{number}", note=note)
            assert (await quick.event())["revision"] == number + 1
            assert max(outbox.queued_bytes for outbox in outboxes) <= limits.max_queued_bytes + len(note) + 500
        assert ("behind",) in endpoint.events
        slow.connection.transport.resume_reading()
        state: dict[str, str] = {}
        revision = 0
        while revision < 600:
            event = await slow.event()
            assert event["__typename"] != "Delta" or event["follows"] <= revision < event["revision"]
            revision = event["revision"]
            state.update({site["id"]: site["name"] for site in event.get("sites", [])})
        assert state == {key: site.name for key, site in world.sites.items()}
        world.rename("site_0", "live again")
        assert (await slow.event())["sites"][0]["name"] == "live again"


async def test_a_reader_that_takes_nothing_is_disconnected_with_a_code_to_come_back(world: World) -> None:
    limits = EndpointLimits(max_queued_bytes=16 * 1024, max_behind_s=0.3, close_s=0.2, max_rate_hz=math.inf)
    async with served(world, limits=limits) as endpoint, endpoint.client() as slow:
        await slow.subscribe(SITES.replace("sites { id name }", "sites { id name note }"))
        await slow.event()
        slow.connection.transport.pause_reading()
        for number in range(400):
            world.rename("site_0", f"a{number}", note="x" * 50_000)
            await asyncio.sleep(0.001)
        for _ in range(100):
            if endpoint.endpoint.websocket.connections == 0:
                break
            await asyncio.sleep(0.05)
        assert endpoint.endpoint.websocket.connections == 0
        assert ("closed", 1013) in endpoint.events
        slow.connection.transport.abort()


# --- the invariant --------------------------------------------------------------------------------------------------


@dataclass
class Subscriber:
    """A client without a network: it reads when it is told to, and checks what it reads."""

    broadcast: Broadcast[Person]
    engine: Engine[Person]
    world: World
    query: str
    state: dict[str, str] = field(default_factory=dict)
    revision: int = -1
    since: int = -1
    """It must know of all that changed after this revision."""
    reading: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def knows_all(self) -> bool:
        """Whether it knows the newest name of every site that it must know of."""
        wanted = {str(site.id) for revision, site in self.world.history if revision > self.since}
        if self.query is SITES:
            wanted = set(self.world.sites)
        return self.revision >= 0 and all(self.state.get(key) == self.world.sites[key].name for key in wanted)

    async def send(self, message: Any) -> None:
        await self.reading.wait()
        (event,) = orjson.loads(message["text"])["payload"]["data"].values()
        kind = event["__typename"]
        if kind == "Delta":
            assert event["follows"] <= self.revision, "a gap"
            assert event["revision"] > self.revision, "twice, or backwards"
        elif kind == "Heartbeat":
            assert event["revision"] >= self.revision, "backwards"
        if kind in ("Restart", "Snapshot"):
            self.state = {}
        if kind == "Restart" or self.revision < 0:
            self.since = event["revision"]
        self.state.update({site["id"]: site["name"] for site in event.get("sites", [])})
        self.revision = event["revision"]

    async def connect(self) -> None:
        after = str(self.revision) if self.revision >= 0 else None
        prepared = self.engine.prepare(Parameters(self.query, None, {"after": after}))
        viewer = Person("ann")
        executor, query = await self.engine.subscribe(prepared, viewer, "c")
        outbox = Outbox(self.send, limit_bytes=400)
        member = Member(
            head='{"id":"1","type":"next","payload":', outbox=outbox, viewer=viewer, query=query, correlation_id="c"
        )
        self.tasks = [
            asyncio.create_task(outbox.write()),
            asyncio.create_task(self.broadcast.serve(prepared, executor, member)),
        ]

    async def disconnect(self) -> None:
        for task in self.tasks:
            task.cancel()
        for result in await asyncio.gather(*self.tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result
        self.tasks = []


@asynccontextmanager
async def groups(world: World) -> AsyncIterator[tuple[Broadcast[Person], Engine[Person]]]:
    engine: Engine[Person] = Engine(
        schema._schema,
        context_factory=lambda viewer, correlation_id: Context(world, viewer, correlation_id),
        limits=EndpointLimits(max_rate_hz=500.0, heartbeat_s=0.01, max_tail_events=4),
    )
    broadcast = Broadcast(engine, world.feed)
    pump = asyncio.create_task(broadcast.run())
    try:
        yield broadcast, engine
    finally:
        pump.cancel()
        await asyncio.gather(pump, return_exceptions=True)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("rename"), st.integers(0, 3)),
        st.tuples(st.just("burst"), st.integers(2, 12)),
        st.tuples(st.just("touch"), st.just(0)),
        st.tuples(st.just("connect"), st.integers(0, 3)),
        st.tuples(st.just("disconnect"), st.integers(0, 3)),
        st.tuples(st.just("pause"), st.integers(0, 3)),
        st.tuples(st.just("read"), st.integers(0, 3)),
        st.tuples(st.just("yield"), st.integers(1, 6)),
        st.tuples(st.just("rest"), st.just(0)),
    ),
    min_size=5,
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS, kept=st.sampled_from([3, 8, 1_000]))
def test_whatever_happens_each_client_ends_with_the_truth_and_never_sees_a_gap_or_a_step_back(
    steps: list[tuple[str, int]], kept: int
) -> None:
    async def play() -> None:
        world = World(kept=kept, catch_up_limit=6)
        world.add(4)
        names = iter(range(100_000))
        async with groups(world) as (broadcast, engine):
            clients = [Subscriber(broadcast, engine, world, query) for query in (SITES, SITES, CHANGES, CHANGES)]
            for client in clients:
                client.reading.set()
            for step, number in steps:
                match step:
                    case "rename":
                        world.rename(f"site_{number}", f"name {next(names)}")
                    case "burst":
                        for _ in range(number):
                            world.rename(f"site_{number % 4}", f"name {next(names)}")
                    case "touch":
                        world.touch()
                    case "connect":
                        if not clients[number].tasks:
                            await clients[number].connect()
                    case "disconnect":
                        await clients[number].disconnect()
                    case "pause":
                        clients[number].reading.clear()
                    case "read":
                        clients[number].reading.set()
                    case "yield":
                        for _ in range(number):
                            await asyncio.sleep(0)
                    case "rest":
                        await asyncio.sleep(0.004)
            for client in clients:
                client.reading.set()
                if not client.tasks:
                    await client.connect()
            async with asyncio.timeout(5):
                while not all(client.knows_all() for client in clients):
                    for client in clients:
                        for task in client.tasks:
                            if task.done():
                                task.result()
                    await asyncio.sleep(0.002)
            for client in clients:
                await client.disconnect()
            assert broadcast.groups == 0

    asyncio.run(play())
