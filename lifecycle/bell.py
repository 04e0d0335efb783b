"""Waiting for a bell or a time, whichever comes first, by the clock that one was handed."""

from __future__ import annotations

import asyncio

from drivers.clock import Clock


async def ring_or_sleep(bell: asyncio.Event, clock: Clock, seconds: float) -> None:
    """Returns when the bell rings or so many seconds have passed; the other tasks have had their turn by then."""
    if bell.is_set() or seconds <= 0:
        await asyncio.sleep(0)
        return
    waits = [asyncio.ensure_future(bell.wait()), asyncio.ensure_future(clock.sleep(seconds))]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waits:
            one.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
