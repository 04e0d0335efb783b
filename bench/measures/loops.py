"""An event loop like the server's, for what a benchmark itself does in one."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import uvloop

T = TypeVar("T")


def on_loop(work: Coroutine[Any, Any, T]) -> T:
    """Runs it to its end and gives what it gives."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)
