"""A lifecycle with nothing to do waits: it takes no time of the machine but to look again now and then."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from faultkit.lives import Installation
from faultkit.logical_time import LogicalClock, LogicalLoop, run, until_next_look_s
from graph.ledger import Ledger
from graph.stores.sqlite import SqliteStore

TURNS_A_MINUTE = 2_000
MOST_TURNS_OF_A_LEDGER = 400
"""In an hour."""


@pytest.mark.parametrize("sites", [0, 3])
def test_an_hour_without_deployments_costs_little(tmp_path: Path, sites: int) -> None:
    async def hour() -> int:
        async with Installation(tmp_path).life() as edge:
            await edge.network(sites=sites, clusters=min(sites, 1), observeEveryMs=60_000)
            loop = asyncio.get_running_loop()
            assert isinstance(loop, LogicalLoop)
            before = loop.turns
            await asyncio.sleep(3_600)
            return loop.turns - before

    assert run(hour()) < 60 * TURNS_A_MINUTE


def test_a_ledger_of_one_process_that_nobody_asks_does_nothing(tmp_path: Path) -> None:
    async def hour() -> int:
        store = SqliteStore(tmp_path / "graph.db")
        clock = LogicalClock()
        async with Ledger(store, clock_ms=clock.now_ms, monotonic=clock.monotonic).running() as ledger:
            loop = asyncio.get_running_loop()
            assert isinstance(loop, LogicalLoop)
            await asyncio.sleep(1.0)
            before = loop.turns
            await asyncio.sleep(3_600)
            assert ledger.writable
            return loop.turns - before

    assert run(hour()) < MOST_TURNS_OF_A_LEDGER


def test_who_looks_every_so_often_in_logical_time_looks_when_something_may_have_happened() -> None:
    async def looks() -> tuple[int, float]:
        loop, happened, count = asyncio.get_running_loop(), asyncio.Event(), 0
        loop.call_later(60.0, happened.set)
        while not happened.is_set():
            count += 1
            await asyncio.sleep(until_next_look_s(0.005))
        return count, loop.time()

    count, at = run(looks())
    assert count <= 3
    assert at == pytest.approx(60.0, abs=0.011)
