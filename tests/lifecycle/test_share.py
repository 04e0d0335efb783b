"""Shares of the work: each partition is one worker's, fairly, and little moves when workers come and go."""

from __future__ import annotations

import asyncio
import contextlib
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lifecycle.held import while_held
from lifecycle.share import ALL, PARTITIONS, Share, partition_of, shares_of

WORKERS = st.sets(st.text("abcdefgh0123", min_size=1, max_size=8), min_size=1, max_size=80)


@settings(deadline=None)
@given(workers=WORKERS)
def test_each_partition_is_one_workers_and_nobody_has_more_than_his_part(workers: set[str]) -> None:
    shares = shares_of(workers)
    assert shares.keys() == workers
    assert sorted(one for share in shares.values() for one in share) == sorted(ALL)
    assert max(len(share) for share in shares.values()) <= math.ceil(PARTITIONS / len(workers))


@settings(deadline=None)
@given(workers=st.sets(st.text("abcdefgh0123", min_size=1, max_size=8), min_size=2, max_size=12), data=st.data())
def test_when_a_worker_goes_most_of_what_the_others_have_stays(workers: set[str], data: st.DataObject) -> None:
    gone = data.draw(st.sampled_from(sorted(workers)))
    before, after = shares_of(workers), shares_of(workers - {gone})
    stayed = sum(len(before[one] & after[one]) for one in after)
    assert stayed >= (PARTITIONS - len(before[gone])) * 0.6


def test_shares_do_not_depend_on_the_order_in_which_workers_are_named() -> None:
    assert shares_of(["b", "a", "c", "a"]) == shares_of(["c", "a", "b"])


def test_keys_spread_over_the_partitions() -> None:
    counts = [0] * PARTITIONS
    for number in range(6_400):
        counts[partition_of(f"site_{number}")] += 1
    assert min(counts) > 50
    assert max(counts) < 150


def test_the_partition_of_a_key_is_the_same_in_every_version() -> None:
    assert [partition_of(one) for one in ("placer", "drainer", "site_01J0000000000000000000000")] == [10, 39, 21]


def test_a_share_holds_what_falls_into_its_partitions() -> None:
    share = Share("a", partitions=frozenset({partition_of("placer")}))
    assert share.holds("placer")
    assert not share.holds("drainer")
    assert share.part == 1 / PARTITIONS


def test_a_worker_is_gone_only_when_that_is_known() -> None:
    share = Share("a")
    assert not share.is_gone("b")
    share.become(ALL, workers=frozenset({"a"}))
    assert share.is_gone("b")
    assert not share.is_gone("a")
    assert not share.is_gone(None)


async def test_who_follows_is_told_of_changes_alone() -> None:
    share, told = Share("a"), []
    end = share.follow(lambda: told.append(share.part))
    share.become(ALL, workers=None)
    share.become(frozenset(), workers=None)
    share.become(frozenset(), workers=None)
    end()
    share.become(ALL, workers=None)
    assert told == [0.0]


async def test_work_runs_while_its_key_is_held_and_is_ended_when_it_goes() -> None:
    share, running = Share("a", partitions=frozenset()), []

    async def work() -> None:
        running.append("begun")
        try:
            await asyncio.Event().wait()
        finally:
            running.append("ended")

    task = asyncio.create_task(while_held(work, key="placer", share=share))
    await asyncio.sleep(0.01)
    assert running == []
    for partitions, expected in ((ALL, ["begun"]), (frozenset[int](), ["begun", "ended"])):
        share.become(partitions, workers=None)
        await asyncio.sleep(0.01)
        assert running == expected
    share.become(ALL, workers=None)
    await asyncio.sleep(0.01)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert running == ["begun", "ended"] * 2


async def test_work_that_fails_fails_whoever_runs_it() -> None:
    async def work() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await while_held(work, key="placer", share=Share("a"))
