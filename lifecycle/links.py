"""One connection of a driver, made, held and ended in a task of its own.

A driver's context is to be left where it was entered, and leaving it may hang. So whoever uses the connection tells it to
end and goes on: that the control plane is down is written while its connection is still being closed. Only the next
attempt waits for that, and not without a bound either (`lifecycle.lingering`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import structlog

from drivers.port import Backend
from lifecycle.lingering import Lingering, result_of
from lifecycle.settings import LifecycleSettings

log = structlog.get_logger(__name__)


class Link:
    """A connection that is made at most once. As a context it has ended, or was left behind, when the context ends."""

    def __init__(self, cluster_id: str, *, lingering: Lingering, settings: LifecycleSettings) -> None:
        self._cluster_id = cluster_id
        self._lingering = lingering
        self._settings = settings
        self._over = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._made: asyncio.Future[Backend] = asyncio.get_running_loop().create_future()

    async def make(self, connect: Callable[[], AbstractAsyncContextManager[Backend]]) -> Backend:
        """Connects. Raises what the driver raises, or StillEnding."""
        self._lingering.check(self._cluster_id)
        name = f"lifecycle-connection-{self._cluster_id}"
        self._task = asyncio.create_task(self._held(connect), name=name)
        await asyncio.wait((self._task, self._made), return_when=asyncio.FIRST_COMPLETED)
        if not self._made.done():
            result_of(self._task)
        return self._made.result()

    def let_go(self) -> None:
        """Tells the connection to end, or not to be made any more, without waiting for that."""
        if self._over.is_set():
            return
        self._over.set()
        if self._task is not None and not self._made.done():
            self._task.cancel()

    async def __aenter__(self) -> Link:
        """Makes nothing yet."""
        return self

    async def __aexit__(self, *_problem: object) -> None:
        """Ends the connection: it has `disconnect_s` to be closed until that is given up too."""
        self.let_go()
        task = self._task
        if task is None:
            return
        try:
            await asyncio.wait((task,), timeout=self._settings.disconnect_s)
        finally:
            await self._lingering.end(self._cluster_id, task)
        if self._made.done() and task.done() and not task.cancelled() and (problem := task.exception()) is not None:
            log.warning("cluster.not_disconnected", cluster=self._cluster_id, problem=str(problem))

    async def _held(self, connect: Callable[[], AbstractAsyncContextManager[Backend]]) -> None:
        async with connect() as backend:
            self._made.set_result(backend)
            await self._over.wait()
