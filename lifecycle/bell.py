"""Waiting for a bell or a time, whichever comes first, by the clock that one was handed."""

from __future__ import annotations

import asyncio

from drivers.clock import Clock, first_of


async def ring_or_sleep(bell: asyncio.Event, clock: Clock, seconds: float) -> None:
    """Returns when the bell rings or so many seconds have passed; the other tasks have had their turn by then."""
    end_if_cancelled()
    if bell.is_set() or seconds <= 0:
        await asyncio.sleep(0)
        return
    await first_of(bell.wait(), clock.sleep(seconds))


def end_if_cancelled() -> None:
    """Raises CancelledError when the running task was told to end and a library has kept that to itself.

    `asyncio.wait_for` of Python 3.11 does, when what it waits for is done in the same turn.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
