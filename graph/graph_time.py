"""The graph's own time, which goes on when the clock of the machine is set back.

Commits have times that rise. A clock that was an hour ahead and is set right would leave them standing for an hour, and with
them whatever waits for a time that is written in the graph. So the graph's time is slewed, as clocks are by NTP: while it is
ahead of the machine's it goes at half its rate, until both are the same. Each process slews its own readings: were what
passed for it added to what another has written, each would add to what the others have added.
"""

from __future__ import annotations

import time
from collections.abc import Callable

RATE = 0.5
"""How fast the graph's time goes while it is ahead."""


class GraphTime:
    """Readings that never fall, and rise with time."""

    def __init__(self, clock_ms: Callable[[], int], *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`clock_ms`: UTC milliseconds by the machine's clock, which may be set at any time; `monotonic`: seconds that
        nobody sets, by which it is known how much time has passed."""
        self._clock_ms = clock_ms
        self._monotonic = monotonic
        self._read_s: float | None = None
        self._time_ms = 0.0

    def now_ms(self, *, least_ms: int) -> int:
        """UTC milliseconds; `least_ms` is the newest time that the graph holds."""
        read_s = self._monotonic()
        passed_ms = 0.0 if self._read_s is None else (read_s - self._read_s) * 1000
        self._read_s = read_s
        self._time_ms = max(float(self._clock_ms()), self._time_ms + passed_ms * RATE, least_ms)
        return int(self._time_ms)
