"""Through the ledger: a log that is compacted while someone is behind it."""

from __future__ import annotations

import asyncio

import pytest

from graph.kinds import Region
from graph.ledger import Ledger
from graph.store import Compacted
from storekit import races
from storekit.places import Place
from storekit.wrappers import Deaf


async def make(ledger: Ledger, *names: str) -> None:
    await asyncio.gather(
        *(ledger.commit(lambda edit, name=name: edit.create(Region, name=name), races.REQUEST) for name in names)
    )


async def test_who_asks_for_commits_that_are_compacted_is_told_from_where_there_are_some(place: Place) -> None:
    async with Ledger(place.handle()).running() as ledger:
        await make(ledger, *(f"r{number}" for number in range(20)))
    async with Ledger(place.handle()).running() as ledger:
        assert [one.revision for one in await ledger.commits_after(0)] == list(range(1, 21))
        assert await ledger.store.compact(keep_commits=5, keep_after=0) == 15
        for asked in (0, 14):
            with pytest.raises(Compacted) as problem:
                await ledger.commits_after(asked)
            assert (problem.value.asked, problem.value.oldest) == (asked, 15)
        assert [one.revision for one in await ledger.commits_after(15)] == list(range(16, 21))
        await make(ledger, "next")
        assert [one.revision for one in await ledger.commits_after(15)] == list(range(16, 22))
    async with Ledger(place.handle()).running() as ledger:
        assert len(ledger.view.ids("Region")) == 21


@pytest.mark.parametrize("writes", [False, True], ids=["and follows", "and writes"])
async def test_a_server_that_fell_behind_a_compacted_log_has_the_whole_graph_again(place: Place, writes: bool) -> None:
    if not place.shared:
        pytest.skip("one process owns this store, none can fall behind")
    behind = Deaf(place.handle())
    async with Ledger(place.handle()).running() as ahead, Ledger(behind).running() as late:
        await make(ahead, "first", "second")
        assert await late.wait_for(2, timeout_s=120)
        behind.deaf = True
        await make(ahead, *(f"r{number}" for number in range(20)))
        region = ahead.view.find("Region", "first")
        assert region is not None
        await ahead.commit(lambda edit: edit.delete(region), races.REQUEST)
        assert await ahead.store.compact(keep_commits=5, keep_after=0) == 18
        assert late.view.revision == 2
        behind.deaf = False
        if writes:
            await make(late, "third")
        assert await late.wait_for(ahead.view.revision, timeout_s=120)
        with pytest.raises(Compacted):
            late.feed.since(2)  # its subscribers begin anew
        assert await ahead.wait_for(late.view.revision, timeout_s=120)
        state = await load_of(place)
        assert {key: late.view.get(key) for key in late.view.ids("Region")} == state
        assert {key: ahead.view.get(key) for key in ahead.view.ids("Region")} == state
        assert len(state) == 21 + writes


async def load_of(place: Place) -> dict[str, object]:
    """What a server that starts now would have."""
    async with Ledger(place.handle()).running() as ledger:
        return {key: ledger.view.get(key) for key in ledger.view.ids("Region")}


async def test_what_is_committed_while_the_log_is_compacted_is_whole(place: Place) -> None:
    async with Ledger(place.handle(), group_size=4).running() as ledger:
        region = (await ledger.commit(lambda edit: edit.create(Region, name="counted"), races.REQUEST)).value
        done = asyncio.Event()

        async def compact() -> int:
            dropped = 0
            while not done.is_set():
                dropped += await ledger.store.compact(keep_commits=3, keep_after=0)
            return dropped

        compacting = asyncio.create_task(compact())
        answers = await races.tally(ledger, region.id)
        done.set()
        assert await compacting > 0
        assert answers == ["ok"] * len(answers)
        found = ledger.view.get(region.id)
        assert isinstance(found, Region)
        assert found.demand == len(answers)
        kept = await ledger.store.commits_after(ledger.view.revision - 3)
        assert [one.revision for one in kept] == [ledger.view.revision - step for step in (2, 1, 0)]
    assert await load_of(place) == {region.id: found}
