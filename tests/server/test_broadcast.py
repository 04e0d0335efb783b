"""Groups of subscribers: who is in one, and what all of it is sent, once encoded, and when."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from endpointkit.served import Served, reached, served
from endpointkit.subscriptions import CHANGES, SITES
from endpointkit.world import World
from server.endpoint_limits import EndpointLimits


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
        await reached(lambda: endpoint.endpoint.broadcast.groups == 0, what="the end of all groups")


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
        served(world, limits=EndpointLimits(heartbeat_s=1.0)) as endpoint,
        endpoint.client() as client,
    ):
        await client.subscribe(SITES)
        await client.event()
        world.touch()
        world.touch()
        assert await client.event() == {"__typename": "Heartbeat", "revision": 2}
        for number in range(30):  # for longer than a heartbeat, each of them well within one
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
