"""Time as drivers and the lifecycle are handed it, so that a test can own it.

No decision of correctness reads a clock: it times back-off, polling and the simulated backend's delays, nothing else.
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


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
