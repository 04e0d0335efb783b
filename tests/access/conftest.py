"""A real ledger over the embedded store, and a clock that moves when it is told to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from graph.ledger import Ledger
from graph.stores.sqlite import SqliteStore

START = 1_800_000_000_000


class Clock:
    """UTC milliseconds, as set."""

    def __init__(self, now: int = START) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now

    def forward(self, *, ms: int) -> None:
        self.now += ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def ledger(tmp_path: Path, clock: Clock) -> AsyncIterator[Ledger]:
    async with Ledger(SqliteStore(tmp_path / "data" / "graph.sqlite"), clock_ms=clock).running() as running:
        yield running
