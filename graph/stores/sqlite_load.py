"""The live graph as a start reads it: kind by kind, so that one decoder takes a whole batch.

It is no snapshot. Entities are read in pages of their own while commits go on, and whoever loads replays the commits made
since `head` after them; changes hold whole values, so that gives the graph.
"""

from __future__ import annotations

import gc
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from graph.entity import KINDS, Entity
from graph.store import Head
from graph.stores.sqlite_rows import entities_after

ENTITIES_A_BATCH = 5_000
MANY_ENTITIES = 20_000

_Page = tuple[Sequence[Entity], str | None]


class SqliteLoaded:
    """A graph that is being read."""

    def __init__(
        self,
        head: Head,
        counters: dict[str, int],
        *,
        read: Callable[[Callable[[sqlite3.Connection], _Page]], Awaitable[_Page]],
    ) -> None:
        self.head = head
        self.counters = counters
        self._read = read

    async def batches(self) -> AsyncIterator[Sequence[Entity]]:
        """The live entities in batches of one kind each.

        The cyclic collector rests meanwhile, and what a large load made is put where it does not look: a start makes a
        million objects and no garbage, and looking through them again and again took a quarter of its time.
        """
        collecting = gc.isenabled()
        gc.disable()
        count = 0
        try:
            for kind in KINDS:
                after: str | None = ""
                while after is not None:
                    entities, after = await self._read(_page(kind, after))
                    if entities:
                        count += len(entities)
                        yield entities
        finally:
            if count >= MANY_ENTITIES:
                gc.freeze()
            if collecting:
                gc.enable()


def _page(kind: str, after: str) -> Callable[[sqlite3.Connection], _Page]:
    return lambda connection: entities_after(connection, kind, after, ENTITIES_A_BATCH)
