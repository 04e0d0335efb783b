"""Memory that decisions have let go of, given back to the system.

A decision on a large graph makes and drops arrays of some tens of megabytes, in whichever thread it runs. The allocator of
the C library keeps what was let go of for each thread apart, so that a process comes to hold several hundred megabytes that
nobody uses. Asking it to give that back takes some milliseconds, so it is asked once in a second of deciding, and not after
each.
"""

from __future__ import annotations

import contextlib
import ctypes
import threading
import time
from collections.abc import Callable, Iterator

EVERY_S = 1.0
"""Seconds of deciding, in CPU, after which memory is given back."""


class GivenBack:
    """Counts what threads work, and gives memory back once in a while."""

    def __init__(self, trim: Callable[[], object] | None = None) -> None:
        """trim: gives back what is not used; that of the C library when not given, where it has one."""
        self._trim = trim or _trim()
        self._worked_s = 0.0
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def after(self) -> Iterator[None]:
        """What is done in it counts, however it ends."""
        began = time.thread_time()
        try:
            yield
        finally:
            self.worked(time.thread_time() - began)

    def worked(self, seconds: float) -> None:
        """So much was worked; gives memory back when that makes a second since it was last given back."""
        with self._lock:
            self._worked_s += seconds
            due = self._worked_s >= EVERY_S
            if due:
                self._worked_s = 0.0
        if due:
            self._trim()


def _trim() -> Callable[[], object]:
    """What the C library has for it: that of GNU does."""
    found = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return (lambda: None) if found is None else (lambda: found(0))


DECISIONS = GivenBack()
"""Of this process."""
