"""How long real processes take from the end of the last fault until all is as wanted, and how long they may.

The clock starts when the fault is over: when what was killed answers again, or, where only what works was killed, when the
last of those that were begun anew is ready. How long a database takes to start is its own matter, and not measured here.

The limit is the same as in logical time, 30 s, on a machine with as much to spare as the one on which targets were set. Here
other work may have the machine meanwhile. So who is late has its limit eased by how slow the machine then is, by the fixed
loop of the benchmarks (`bench.harness`), and never by more than `MOST_EASED`; on time nothing is eased, nor measured.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from bench.harness import calibrated

CONVERGED_WITHIN_S = 30.0
"""After the last fault, by the clock of the loop and with the settings that a server has by default."""
MOST_EASED = 4.0
HANGS_AFTER_S = MOST_EASED * CONVERGED_WITHIN_S
"""What has not come by then is not late but never comes: a wait for it may end."""


class Took:
    """Seconds from the end of the last fault until all was as wanted, once that is so."""

    seconds = 0.0


@contextlib.contextmanager
def converging() -> Iterator[Took]:
    """Around the waits for all that is wanted, from the end of the last fault on. Raises AssertionError when it is late."""
    took, began = Took(), time.monotonic()
    yield took
    took.seconds = time.monotonic() - began
    if took.seconds > CONVERGED_WITHIN_S:
        check_late(took.seconds, slowness=calibrated(repeats=3))


def check_late(seconds: float, *, slowness: float) -> None:
    """Raises AssertionError when it took longer than it may on a machine that is so many times slower than the reference."""
    eased = min(max(slowness, 1.0), MOST_EASED)
    assert seconds <= CONVERGED_WITHIN_S * eased, (
        f"all was as wanted {seconds:.1f} s after the last fault; allowed are {CONVERGED_WITHIN_S:g} s, on a machine "
        f"that is {slowness:.1f} times slower than the reference {CONVERGED_WITHIN_S * eased:g} s"
    )
