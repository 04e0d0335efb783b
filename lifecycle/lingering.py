"""What drivers were told to end and have not: nobody waits long for it, and there is never more of it than a bound.

A call or a connection may hang while it is being given up: in the closing of a client, or since a library keeps the
cancellation to itself. Whoever gave it up would wait for that with all that depends on it: the slot of a call, the word
that a control plane is down, the part of the work that another process is to take over, the stop of this one. So what a
driver does runs in tasks of its own, and one that does not end in time is left behind. While a cluster has left as many as
may be, nothing more is asked of it: what hangs again and again would else hold more and more.

What is left behind may still reach its backend, as a call of a process that died may: the fence is there for both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import structlog

from drivers.port import BackendUnreachable, Unreachable

log = structlog.get_logger(__name__)
T = TypeVar("T")
MOST_LEFT = 16
"""With so many calls and connections of a cluster left behind no other is begun; those under way by then may be left too."""
CANCELLED_S = 1.0
"""How long what was cancelled may take to end until it is left behind."""


class StillEnding(BackendUnreachable):
    """As many calls and connections as may be were told to end and have not: no more is asked."""


class Lingering:
    """What was left behind, by cluster. One event loop owns it."""

    def __init__(self) -> None:
        self._left: dict[str, set[asyncio.Task[Any]]] = {}

    def __len__(self) -> int:
        """How many were left behind and have not ended since, of all clusters."""
        return sum(len(some) for some in self._left.values())

    def count(self, cluster_id: str) -> int:
        """How many calls and connections of a cluster were left behind and have not ended since."""
        return len(self._left.get(cluster_id, ()))

    def check(self, cluster_id: str) -> None:
        """Raises StillEnding when nothing more may be asked of a cluster."""
        if self.count(cluster_id) >= MOST_LEFT:
            raise StillEnding(
                f"{MOST_LEFT} calls and connections that were given up have not ended: nothing more is asked until one has"
            )

    async def answer(self, cluster_id: str, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What a call of a driver gives. When it is given up it has ended on return, or was left behind.

        Raises what the call raises, StillEnding, and Unreachable when the call ended itself without an answer.
        """
        self.check(cluster_id)
        task = asyncio.create_task(call(), name=f"lifecycle-driver-{cluster_id}")
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError:
            await self.end(cluster_id, task)
            raise
        return result_of(task)

    async def end(self, cluster_id: str, task: asyncio.Task[Any]) -> None:
        """Cancels a task and waits until it has ended, for a moment at most: then it is left behind."""
        task.cancel()
        try:
            await asyncio.wait((task,), timeout=CANCELLED_S)
        finally:
            if not task.done():
                log.warning("cluster.left_behind", cluster=cluster_id, task=task.get_name())
                self._left.setdefault(cluster_id, set()).add(task)
            task.add_done_callback(lambda ended: self._ended(cluster_id, ended))

    def _ended(self, cluster_id: str, task: asyncio.Task[Any]) -> None:
        if not task.cancelled():
            task.exception()  # nobody is left to be told
        left = self._left.get(cluster_id)
        if left is not None and task in left:
            log.info("cluster.left_has_ended", cluster=cluster_id, task=task.get_name())
            left.discard(task)
            if not left:
                del self._left[cluster_id]


def result_of(task: asyncio.Task[T]) -> T:
    """What a task of a driver gave. Raises Unreachable when nobody but the driver has cancelled it."""
    if task.cancelled():
        raise Unreachable("the driver gave up its own call")
    return task.result()
