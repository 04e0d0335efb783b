"""The port alone: compaction, epochs and backups."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from graph.store import Compacted, RecordPage, Store, StoreProblem
from graph.stores import store_for
from storekit.checks import all_commits, check_whole, loaded
from storekit.graphs import Chain, audit, created, head_of, region, sample_graph, write

Reopen = Callable[[Store], Awaitable[Store]]


async def filled(store: Store, commits: int) -> Chain:
    chain = Chain(await head_of(store))
    await write(store, [chain.commit(*created(region(f"r{n}")), counters={"c": n}) for n in range(commits)])
    return chain


async def test_compaction_keeps_the_newest_commits_and_says_what_it_dropped(store: Store, reopened: Reopen) -> None:
    await filled(store, 30)
    before = await loaded(store)
    assert await store.compact(keep_commits=10, keep_after=0) == 20
    assert await store.compact(keep_commits=10, keep_after=0) == 0
    store = await reopened(store)
    for asked in (0, 5, 19):
        with pytest.raises(Compacted) as problem:
            await store.commits_after(asked)
        assert (problem.value.asked, problem.value.oldest) == (asked, 20)
    assert [one.revision for one in await store.commits_after(20)] == list(range(21, 31))
    after = await loaded(store)
    assert (after.live, after.counters, after.revision) == (before.live, before.counters, 30)
    await store.close()


async def test_compaction_drops_what_is_too_old_even_when_it_is_among_the_newest(store: Store) -> None:
    chain = await filled(store, 30)
    assert await store.compact(keep_commits=1_000, keep_after=chain.at - 4) == 25
    assert [one.revision for one in await store.commits_after(25)] == [26, 27, 28, 29, 30]
    assert await store.compact(keep_commits=1_000, keep_after=0) == 0


async def test_a_log_that_is_compacted_away_still_has_its_head(store: Store, reopened: Reopen) -> None:
    chain = await filled(store, 5)
    head = await head_of(store)
    assert await store.compact(keep_commits=0, keep_after=chain.at + 1_000) == 5
    store = await reopened(store)
    assert await head_of(store) == head
    with pytest.raises(Compacted):
        await store.commits_after(4)
    assert list(await store.commits_after(5)) == []
    await write(store, [chain.commit(*created(region("next")))])
    assert [one.revision for one in await store.commits_after(5)] == [6]
    await store.close()


async def test_compaction_of_an_empty_log_does_nothing(store: Store) -> None:
    assert await store.compact(keep_commits=0, keep_after=10**15) == 0
    assert list(await store.commits_after(0)) == []


async def test_a_long_log_is_compacted_in_full(store: Store) -> None:
    chain = Chain(await head_of(store))
    for part in range(5):
        await write(store, [chain.commit(*created(region(f"r{part}-{n}"))) for n in range(1_000)])
    assert await store.compact(keep_commits=100, keep_after=0) == 4_900
    assert len(await all_commits(store, 4_900)) == 100


async def test_audit_outlives_compaction(store: Store) -> None:
    chain = Chain(await head_of(store))
    await write(store, [chain.commit(*created(region("one")))], records=[audit(1)])
    assert await store.compact(keep_commits=0, keep_after=10**15) == 1
    assert len(await store.records(RecordPage(collection="audit"))) == 1


async def test_a_new_epoch_stays_and_moves_nothing_else(store: Store, reopened: Reopen) -> None:
    await filled(store, 3)
    before = await head_of(store)
    epoch = await store.new_epoch()
    assert epoch != before.epoch
    after = await head_of(store)
    assert (after.epoch, after.revision, after.at) == (epoch, before.revision, before.at)
    store = await reopened(store)
    assert (await head_of(store)).epoch == epoch
    await store.close()


async def test_a_backup_is_the_graph_or_the_store_says_who_makes_it(store: Store, tmp_path: Path) -> None:
    chain = Chain(await head_of(store))
    await write(store, [chain.commit(*created(*sample_graph(9)))], records=[audit(1)], private={"k": b"v"})
    await store.put_ephemeral("session", b"x", expires_at=10**15)
    target = tmp_path / "copy.db"
    if store.shared:
        with pytest.raises(StoreProblem, match=r"backup|dump"):
            await store.backup(target)
        return
    await store.backup(target)
    state = await check_whole(store)
    copy = store_for(str(target))
    await copy.open()
    assert (await check_whole(copy)).live == state.live
    assert await copy.private("k") == b"v"
    assert await copy.ephemeral("session", now=0) is None, "sessions are not for whoever has the backup"
    await copy.close()
