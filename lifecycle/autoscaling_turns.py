"""Turns at a source of samples that several parties ask: so many calls at once, and nobody's slow ones keep out another's.

A queue by arrival would give one tenant's hanging queries every place there is. Here the next turn is that of whoever has
the fewest calls under way, of equals of whoever had a turn longest ago; and each may have only so many at once. Who was
last is remembered from round to round, so what was not reached in one comes first in the next.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from collections import Counter, deque
from collections.abc import AsyncIterator, Collection


class Turns:
    """The turns at one source."""

    def __init__(self, *, at_once: int, each: int) -> None:
        """`at_once`: calls of all together, `each`: of one party."""
        self._at_once = at_once
        self._each = each
        self._under_way: Counter[str] = Counter()
        self._total = 0
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._served: dict[str, int] = {}
        """By party the number of its last turn."""
        self._given = 0
        self._ready: list[list[tuple[int, str]]] = [[] for _ in range(each)]
        """Parties that may have a turn, by how many they have, as heaps; what does not hold any more is passed over."""

    @contextlib.asynccontextmanager
    async def turn(self, party: str) -> AsyncIterator[None]:
        """Waits for a turn of a party, which ends with the context."""
        await self._have(party)
        try:
            yield
        finally:
            self._give_back(party)

    def keep(self, parties: Collection[str]) -> None:
        """Forgets when parties that are not among these had their turns."""
        self._served = {one: number for one, number in self._served.items() if one in parties}

    async def _have(self, party: str) -> None:
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(party, deque()).append(granted)
        self._offer(party)
        self._grant()
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self._give_back(party)
            else:
                self._leave(party, granted)
            raise

    def _give_back(self, party: str) -> None:
        self._under_way[party] -= 1
        self._total -= 1
        if not self._under_way[party]:
            del self._under_way[party]
        self._offer(party)
        self._grant()

    def _leave(self, party: str, granted: asyncio.Future[None]) -> None:
        waiting = self._waiting.get(party)
        if waiting is not None and granted in waiting:
            waiting.remove(granted)
            if not waiting:
                del self._waiting[party]

    def _offer(self, party: str) -> None:
        has = self._under_way[party]
        if party in self._waiting and has < self._each:
            heapq.heappush(self._ready[has], (self._served.get(party, 0), party))

    def _grant(self) -> None:
        while self._total < self._at_once:
            party = self._next()
            if party is None:
                return
            waiting = self._waiting[party]
            granted = waiting.popleft()
            if not waiting:
                del self._waiting[party]
            if granted.cancelled():
                self._offer(party)
                continue
            self._given += 1
            self._served[party] = self._given
            self._under_way[party] += 1
            self._total += 1
            granted.set_result(None)
            self._offer(party)

    def _next(self) -> str | None:
        for has, heap in enumerate(self._ready):
            while heap:
                served, party = heapq.heappop(heap)
                holds = self._under_way[party] == has and self._served.get(party, 0) == served
                if holds and party in self._waiting:
                    return party
        return None
