"""The end of a process whose work is done: what goes on all the same, in a task or a thread, does not keep it.

A driver's call that keeps every cancellation to itself, or a client that is being closed in a thread and hangs there, cannot
be ended from outside. When all that is the server's own has ended, its store is closed and its part of the work is the
others', there is nothing left to wait for: after a grace the process ends all the same. One that failed does so too, for
else nobody would start it again; what it failed of is logged then.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import structlog

log = structlog.get_logger(__name__)
LEAST_S = 1.0
"""The least grace: what ends by itself takes a moment for that."""


def run_to_the_end(
    work: Coroutine[Any, Any, None], *, loop_factory: Callable[[], asyncio.AbstractEventLoop], grace_s: float
) -> None:
    """Runs it on an event loop, whose own end then takes at most `grace_s` seconds and a little. Raises what it raises."""
    failed: list[BaseException] = []
    last = threading.Timer(max(grace_s, LEAST_S), _end, (failed,))
    last.daemon = True
    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            try:
                runner.run(work)
            except BaseException as problem:
                failed.append(problem)
                raise
            finally:
                last.start()
    finally:
        last.cancel()


def _end(failed: Sequence[BaseException]) -> None:
    if failed:
        log.error("process.failed", exc_info=failed[0])
    log.warning("process.left_behind", threads=threading.active_count())
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1 if failed else 0)
