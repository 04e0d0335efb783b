"""Work in a thread that is given up together with whoever waits for it.

A thread cannot be cancelled. When the request that asked has gone, or its time is over, the work is asked to stop, and the
one who waited ends only when it has: what it holds meanwhile, such as a turn, is then given back when the thread is
really free, and no more work runs at once than may.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from contextvars import copy_context
from typing import TypeVar

from lifecycle.given_back import DECISIONS
from placement.stopping import Stop, look

T = TypeVar("T")


async def in_thread(work: Callable[[Stop], T]) -> T:
    """What `work` gives, in a thread; it is handed a `Stop` that is asked for when the caller is cancelled.

    Raises what `work` raises, and CancelledError when the work has ended after it was cancelled.
    """
    stop = Stop()

    def begun() -> T:
        look(stop)
        with DECISIONS.after():
            return work(stop)

    # Without a task around it: each turn of the loop that it takes to begin or to end is one behind others' work.
    running = asyncio.get_running_loop().run_in_executor(None, copy_context().run, begun)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        stop.ask()
        while not running.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([running])
        if not running.cancelled():
            running.exception()  # nobody is left to be told
        raise
