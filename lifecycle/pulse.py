"""Whether a backend that is connected to or observed says anything, and for how long it may say nothing.

What hangs is not told by an error: a connection stays open and no answer comes. So each attempt and each observation has a
time in which something is to be heard of it: its answer, or a part of one. That time begins anew with each part, for a
large backend that tells what it has page by page is alive for as long as that takes; only without an end it may not go on.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from drivers.clock import Clock
from drivers.port import Unreachable
from lifecycle.settings import LifecycleSettings


class Silent(Unreachable):
    """Nothing was heard of a backend for too long, or no end of what it had to say."""


class Pulse:
    """Of one connection, from the attempt to make it to its end. Times are monotonic seconds; one event loop owns it."""

    def __init__(self, *, settings: LifecycleSettings, clock: Clock, on_heard: Callable[[], None]) -> None:
        """`on_heard` is called whenever something is heard."""
        self._settings = settings
        self._clock = clock
        self._on_heard = on_heard
        self._limit: asyncio.Timeout | None = None
        self._ends_at = 0.0
        """When what is being waited for must have ended, by the loop's clock."""
        self.since = clock.monotonic()
        """Since when it has been silent: when something was heard last, or asked after that."""
        self.worked = False
        """Whether an observation has ended well: the connection alone says nothing of what runs there."""

    def heard(self) -> None:
        """The backend said something that is not yet all that was asked for."""
        self.since = self._clock.monotonic()
        self._on_heard()
        limit = self._limit
        if limit is not None and not limit.expired():
            limit.reschedule(min(asyncio.get_running_loop().time() + self._settings.silence_s, self._ends_at))

    def observed(self) -> None:
        """An observation has ended well."""
        self.worked = True
        self._on_heard()

    @contextlib.asynccontextmanager
    async def answering(self) -> AsyncIterator[None]:
        """Raises Silent when nothing is heard within the time for that while it is open."""
        self.since = asked = self._clock.monotonic()
        now = asyncio.get_running_loop().time()
        self._ends_at = now + self._settings.observation_s
        limit = asyncio.timeout_at(min(now + self._settings.silence_s, self._ends_at))
        try:
            async with limit:
                self._limit = limit
                yield
        except TimeoutError:
            if not limit.expired():
                raise
            if limit.when() == self._ends_at:
                self.since = asked
                raise Silent(f"what it has to say had no end within {self._settings.observation_s:g} s") from None
            raise Silent(f"nothing was heard of it for {self._settings.silence_s:g} s") from None
        finally:
            self._limit = None
