"""The feed: the newest commits in memory, within bounds, and a bell for the next."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.change import Change, Commit
from graph.feed import Feed
from graph.kinds import Region
from graph.store import Compacted


def commit(revision: int, changes: int = 1) -> Commit:
    region = Region(id="region_1", name="r")
    made = [Change("Region", "region_1", None, region)] * changes
    return Commit(revision=revision, draft_id=str(revision), at=revision, author="", action="", changes=made)


@settings(deadline=None)
@given(st.lists(st.integers(0, 12), max_size=40), st.integers(1, 10), st.integers(1, 30), st.integers(-2, 45))
def test_it_gives_all_commits_after_a_revision_or_says_that_they_are_gone(
    sizes: list[int], kept_commits: int, kept_changes: int, asked: int
) -> None:
    feed = Feed(revision=3, kept_commits=kept_commits, kept_changes=kept_changes)
    published = []
    for number, size in enumerate(sizes, start=4):
        published.append(commit(number, size))
        feed.publish(published[-1])
    assert feed.revision == 3 + len(sizes)
    expected = [one for one in published if one.revision > asked]
    gone: Compacted | None = None
    try:
        assert list(feed.since(asked)) == expected
    except Compacted as problem:
        gone = problem
    if gone is not None:
        assert gone.asked == asked < gone.oldest
        assert list(feed.since(gone.oldest)) == published[gone.oldest - 3 :]
    # Never more is kept than may be, but for one commit that is larger than that by itself.
    kept = next(n for n in range(len(published) + 1) if n == len(published) or _there(feed, published[n].revision - 1))
    held = published[kept:]
    assert len(held) <= kept_commits
    assert sum(len(one.changes) for one in held) <= kept_changes or len(held) == 1


def _there(feed: Feed, revision: int) -> bool:
    try:
        feed.since(revision)
    except Compacted:
        return False
    return True


async def test_whoever_waits_is_woken_by_the_next_commit_and_not_before() -> None:
    feed = Feed(revision=5)
    assert await feed.wait(4) == 5
    waiters = [asyncio.create_task(feed.wait(5)) for _ in range(3)]
    late = asyncio.create_task(feed.wait(6))
    await asyncio.sleep(0)
    assert not any(one.done() for one in waiters)
    feed.publish(commit(6))
    assert await asyncio.gather(*waiters) == [6, 6, 6]
    await asyncio.sleep(0)
    assert not late.done()
    feed.publish(commit(7))
    assert await late == 7


async def test_a_waiter_that_gives_up_leaves_the_others_waiting() -> None:
    feed = Feed()
    first, second = asyncio.create_task(feed.wait(0)), asyncio.create_task(feed.wait(0))
    await asyncio.sleep(0)
    first.cancel()
    feed.publish(commit(1))
    assert await second == 1


def test_after_a_restart_those_who_are_behind_begin_anew() -> None:
    feed = Feed()
    for number in range(1, 5):
        feed.publish(commit(number))
    feed.restart(9)
    assert feed.revision == 9
    assert feed.since(9) == ()
    with pytest.raises(Compacted):
        feed.since(4)
    feed.publish(commit(10))
    assert [one.revision for one in feed.since(9)] == [10]


async def test_a_restart_wakes_whoever_waits() -> None:
    feed = Feed()
    waiting = asyncio.create_task(feed.wait(3))
    await asyncio.sleep(0)
    feed.restart(9)
    assert await waiting == 9


def test_what_was_given_is_the_askers_own() -> None:
    feed = Feed()
    feed.publish(commit(1))
    found = feed.since(0)
    feed.publish(commit(2))
    assert len(found) == 1
