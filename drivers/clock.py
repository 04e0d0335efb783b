"""Time as drivers and the lifecycle are handed it, so that a test can own it.

No decision of correctness reads a clock: it times back-off, polling and the simulated backend's delays, nothing else.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import Any, Protocol


class Clock(Protocol):
    """Two readings and a sleep."""

    def now_ms(self) -> int:
        """UTC milliseconds; may jump."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back, from an arbitrary start."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Returns after so many seconds."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now_ms(self) -> int:
        """UTC milliseconds by the system's clock."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds by the system's monotonic clock."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleeps on the running event loop."""
        await asyncio.sleep(seconds)


async def first_of(*waits: Awaitable[Any]) -> None:
    """Returns when one of them is over; the others are cancelled, and have ended by then."""
    waiting = [asyncio.ensure_future(one) for one in waits]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
