"""A control plane that hangs: it takes whatever comes and answers nothing, until it goes on.

As when its process is stopped: what was sent to it meanwhile waits in its socket, and is done when it goes on, also what
whoever asked has long given up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Hanging:
    """What stands between the processes of an installation and its clusters."""

    def __init__(self) -> None:
        self._goes_on = asyncio.Event()
        self._goes_on.set()
        self._sent: set[asyncio.Task[Any]] = set()
        self.late = 0
        """How many calls were done that nobody waited for any more."""

    @property
    def hangs(self) -> bool:
        """Whether it does now."""
        return not self._goes_on.is_set()

    def begin(self) -> None:
        """Nothing is done or answered from now on."""
        self._goes_on.clear()

    def end(self) -> None:
        """It goes on, with what was sent to it meanwhile first."""
        self._goes_on.set()

    async def settled(self) -> None:
        """Returns when what was sent to it while it hung has been done."""
        if self._sent:
            await asyncio.wait(self._sent)

    async def answers(self) -> None:
        """Returns as soon as it does not hang."""
        await self._goes_on.wait()

    async def looked(self, look: Callable[[], Awaitable[T]]) -> T:
        """What a question gives, which changes nothing and is forgotten when it is given up."""
        await self.answers()
        found = await look()
        await self.answers()
        return found

    async def called(self, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What a call gives, which is done once it was sent, whoever waits for it."""

        async def done() -> T:
            await self.answers()
            return await call()

        if not self.hangs:
            found = await call()
            await self.answers()
            return found
        task = asyncio.create_task(done(), name="hanging-call")
        self._sent.add(task)
        task.add_done_callback(self._ended)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self.late += not task.done()
            raise

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._sent.discard(task)
        if not task.cancelled():
            task.exception()  # whoever asked may be gone
