"""Subscribers who are not where their group is: who come late, come back with a cursor, or lag behind."""

from __future__ import annotations

import asyncio
import math

import pytest

import server.catching_up
from endpointkit.served import reached, served
from endpointkit.subscriptions import CHANGES, SITES
from endpointkit.world import World
from server.endpoint_limits import EndpointLimits


@pytest.fixture
def world() -> World:
    world = World()
    world.add(3)
    return world


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
    monkeypatch.setattr(server.catching_up, "AHEAD_S", 2.0)
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


async def test_a_reader_that_pauses_costs_bounded_memory_holds_up_nobody_and_catches_up(world: World) -> None:
    limits = EndpointLimits(max_queued_bytes=64 * 1024, max_behind_s=600, max_rate_hz=math.inf)
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
        await reached(lambda: endpoint.endpoint.websocket.connections == 0, what="the end of the connection")
        assert ("closed", 1013) in endpoint.events
        slow.connection.transport.abort()
