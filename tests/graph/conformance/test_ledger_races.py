"""Through the ledger: many writers at once, in one process over every store and in two where the store is shared."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from graph.kinds import Region, Release
from graph.ledger import Ledger
from graph.store import StoreOwned
from graph.view import get_as
from storekit import races
from storekit.checks import all_commits, check_whole
from storekit.places import Place
from storekit.processes import Lines, spawn


@pytest.fixture
async def ledger(place: Place) -> AsyncIterator[Ledger]:
    async with Ledger(place.handle()).running() as running:
        yield running


async def raced(ledger: Ledger, place: Place, race: str, *arguments: str) -> list[str]:
    """The answers of a race among 64 writers of this process and, where the store is shared, 64 of another."""
    if not place.shared:
        return await races.RACES[race](ledger, *arguments)
    process = await asyncio.to_thread(spawn, place.url, "race", race, *arguments)
    lines = Lines(process)
    try:
        await asyncio.to_thread(lines.expect, "ready")
        await races.warm(ledger)
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
        mine = await races.RACES[race](ledger, *arguments)
        theirs = json.loads(await asyncio.to_thread(lines.expect, "["))
        assert await asyncio.to_thread(process.wait, 60) == 0
    finally:
        process.kill()
        process.wait()
        assert process.stdin is not None
        process.stdin.close()
        assert process.stdout is not None
        process.stdout.close()
    await caught_up(ledger, place)
    return [*mine, *theirs]


async def caught_up(ledger: Ledger, place: Place) -> None:
    newest = (await all_commits(ledger.store, ledger.view.revision) or [None])[-1]
    if newest is not None:
        assert await ledger.wait_for(newest.revision, timeout_s=120)


async def check(ledger: Ledger) -> None:
    """The store is what its log says, and the view is what the store is."""
    state = await check_whole(ledger.store)
    assert ledger.view.revision == state.revision
    assert len(ledger.view) == len(state.live)
    assert all(ledger.view.get(key) == entity for key, entity in state.live.items())
    assert ledger.view.counters == state.counters


async def test_of_all_who_want_a_name_one_gets_it(ledger: Ledger, place: Place) -> None:
    answers = await raced(ledger, place, "one_name", "the-name")
    assert Counter(answers) == {"ok": 1, "ALREADY_EXISTS": len(answers) - 1}
    assert len(ledger.view.ids("Region")) == 1
    await check(ledger)


async def test_the_last_room_on_a_node_is_given_once(ledger: Ledger, place: Place) -> None:
    ids = await races.make_workload(ledger)
    answers = await raced(ledger, place, "last_room", *(text for pair in ids.items() for text in pair))
    room = races.NODE_MILLICORES // races.REPLICA_MILLICORES
    assert Counter(answers) == {"ok": room, "CAPACITY_GONE": len(answers) - room}
    assert ledger.view.count("Release", "assignments", ids["node_id"]) == room
    await check(ledger)


async def test_an_idempotency_key_makes_one_thing_however_often_it_comes(ledger: Ledger, place: Place) -> None:
    answers = await raced(ledger, place, "one_key", "the-key")
    assert len(set(answers)) == 1
    assert list(ledger.view.ids("Region")) == [answers[0]]
    await check(ledger)


async def test_no_update_is_lost(ledger: Ledger, place: Place) -> None:
    region = (await ledger.commit(lambda edit: edit.create(Region, name="counted"), races.REQUEST)).value
    answers = await raced(ledger, place, "tally", region.id)
    assert Counter(answers) == {"ok": len(answers)}
    found = get_as(ledger.view, Region, region.id)
    assert found is not None
    assert found.demand == len(answers)
    await check(ledger)


async def test_the_check_of_lost_updates_finds_them_when_the_head_is_not_read(ledger: Ledger) -> None:
    region = (await ledger.commit(lambda edit: edit.create(Region, name="counted"), races.REQUEST)).value

    async def careless() -> None:
        for _ in range(4):
            seen = get_as(ledger.view, Region, region.id)
            assert seen is not None
            await ledger.commit(lambda edit, seen=seen: edit.replace(seen, demand=seen.demand + 1), races.REQUEST)

    await asyncio.gather(*(careless() for _ in range(races.WRITERS)))
    found = get_as(ledger.view, Region, region.id)
    assert found is not None
    assert found.demand < 4 * races.WRITERS


async def test_no_reference_is_broken_while_all_make_and_delete(ledger: Ledger, place: Place) -> None:
    answers = await raced(ledger, place, "making_and_deleting", "seed")
    counted = Counter(answers)
    assert counted["ok"] > 50
    assert counted["IN_USE"] > 0, "the race must meet entities that others refer to"
    await check(ledger)


async def test_commits_are_numbered_without_a_gap_in_the_order_of_their_times(ledger: Ledger, place: Place) -> None:
    await raced(ledger, place, "making_and_deleting", "other")
    commits = await all_commits(ledger.store)
    assert [one.revision for one in commits] == list(range(1, len(commits) + 1))
    times = [one.at for one in commits]
    assert all(earlier < later for earlier, later in itertools.pairwise(times))
    assert len({one.draft_id for one in commits}) == len(commits)


async def test_a_second_process_shares_the_store_or_is_refused_by_name(ledger: Ledger, place: Place) -> None:
    if place.shared:
        async with Ledger(place.handle()).running() as other:
            made = await other.commit(lambda edit: edit.create(Region, name="from-the-other"), races.REQUEST)
            assert await ledger.wait_for(made.revision, timeout_s=120)
            assert ledger.view.find("Region", "from-the-other") == made.value
        return
    with pytest.raises(StoreOwned, match=r"in use by process \d+ on .*; stop it first"):
        await place.handle().open()


async def test_followers_see_every_commit_of_every_process_in_order(ledger: Ledger, place: Place) -> None:
    seen: list[int] = []

    async def follow(until: int) -> None:
        async with asyncio.timeout(120):
            while not seen or seen[-1] < until:
                await ledger.feed.wait(seen[-1] if seen else 0)
                seen.extend(one.revision for one in ledger.feed.since(seen[-1] if seen else 0))

    follower = asyncio.create_task(follow(40))
    for number in range(40):
        await ledger.commit(lambda edit, number=number: edit.create(Region, name=f"r{number}"), races.REQUEST)
    await follower
    assert seen == list(range(1, 41))


async def test_releases_of_the_race_refer_to_what_is_there(ledger: Ledger) -> None:
    ids = await races.make_workload(ledger)
    await ledger.commit(races.reserve(ids), races.REQUEST)
    release = ledger.view.get(ledger.view.ids("Release")[0])
    assert isinstance(release, Release)
    assert release.assignments == {ids["node_id"]: 1}
