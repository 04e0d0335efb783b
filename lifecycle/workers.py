"""The workers of a process: what sees through that which was asked, each in a task of its own.

A worker needs nothing but the graph to go on. So one that fails is run again after a pause, while the others work on; and
at a stop all of them are given up as they are, for the next start finds out what became of what was under way.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import structlog

from drivers.clock import Clock

log = structlog.get_logger(__name__)
RESTART_PAUSE_S = 1.0


class Worker(Protocol):
    """A task that runs until it is cancelled."""

    async def run(self) -> None:
        """Works."""
        ...


@contextlib.asynccontextmanager
async def at_work(workers: Sequence[Worker], *, clock: Clock) -> AsyncIterator[None]:
    """Has the workers running until the context ends; by then they have ended."""
    owner = asyncio.create_task(_all(workers, clock=clock), name="lifecycle")
    try:
        yield
    finally:
        owner.cancel()
        await asyncio.wait([owner])


async def _all(workers: Sequence[Worker], *, clock: Clock) -> None:
    async with asyncio.TaskGroup() as group:
        for worker in workers:
            group.create_task(_kept(worker, clock=clock), name=f"lifecycle-{type(worker).__name__}")


async def _kept(worker: Worker, *, clock: Clock) -> None:
    """Runs a worker and, should it fail, runs it again."""
    while True:
        try:
            await worker.run()
        except Exception:
            log.exception("lifecycle.worker_failed", worker=type(worker).__name__)
        await clock.sleep(RESTART_PAUSE_S)
