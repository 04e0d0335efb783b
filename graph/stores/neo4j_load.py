"""Reading the whole live graph at start: pages by id, several kinds at a time, a page in one record.

No isolation is needed. Entities hold whole values and each commit the whole value after it, so it is enough to read the
counter first and to replay the commits made since over whatever the pages show. A record of the driver costs some
50-130 us of Python whatever is in it, and a name of a property as much as its value; pages of values in a fixed order
brought the client's time for 90,000 nodes from 12 s to 0.6 s.

Only kinds of which there are some are asked for: to plan the pages of all kinds took a server that had just started 9 s of
CPU, to count all kinds takes it 0.7 s.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence

import msgspec

from graph.entity import Entity
from graph.store import Head, StoreProblem
from graph.stores.neo4j_client import Client
from graph.stores.neo4j_mapping import Row
from graph.stores.neo4j_statements import STATEMENTS, KindStatements

PAGE_SIZE = 2_000
READERS = 3
REREADS = 4
"""How often a page is read in all."""
_COUNTERS = "MATCH (n:Counter) RETURN collect([n.key, n.value]) AS counters"
_HOW_MANY = f"RETURN [{', '.join(f'COUNT {{ {one.any} }}' for one in STATEMENTS.values())}] AS counts"
"""Of each kind, in the order of `STATEMENTS`."""


class Loading:
    """A graph as it is read at start."""

    def __init__(
        self, client: Client, *, head: Head, counters: dict[str, int], present: Sequence[KindStatements]
    ) -> None:
        self._client = client
        self._present = present
        self.head = head
        self.counters = counters

    @classmethod
    async def begin(cls, client: Client, head: Head) -> Loading:
        """Reads the counters, and of which kinds there are some; `head` was read before them."""
        counters = dict(await client.ask(_COUNTERS))
        how_many = await client.ask(_HOW_MANY)
        present = [one for one, count in zip(STATEMENTS.values(), how_many, strict=True) if count]
        return cls(client, head=head, counters=counters, present=present)

    async def batches(self) -> AsyncIterator[Sequence[Entity]]:
        """The live entities, in no order of kinds. Raises StoreUnavailable, or StoreProblem when one cannot be read."""
        waiting = deque(self._present)
        asked: set[asyncio.Task[_Page]] = set()

        def ask(statements: KindStatements, after: str) -> None:
            asked.add(asyncio.create_task(self._page(statements, after), name=f"neo4j-load-{statements.kind.name}"))

        try:
            while waiting or asked:
                while waiting and len(asked) < READERS:
                    ask(waiting.popleft(), "")
                done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    asked.discard(task)
                    page = task.result()
                    if len(page.rows) == PAGE_SIZE:  # the server reads the next page while this one is decoded
                        ask(page.statements, page.rows[-1][0])
                        await asyncio.sleep(0)
                    if page.rows:
                        yield await self._read(page)
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)

    async def _read(self, page: _Page) -> Sequence[Entity]:
        """The entities of a page. What another process writes at this moment may be seen in part, so it is read again.

        Raises StoreProblem when one cannot be read all the same.
        """
        last = page.rows[-1][0]
        for attempt in range(1, REREADS + 1):
            try:
                return page.entities()
            except StoreProblem:
                if attempt == REREADS:
                    raise
            await asyncio.sleep(0.1 * attempt)
            again = await self._page(page.statements, page.after)
            page = _Page(page.statements, page.after, [row for row in again.rows if row[0] <= last])
        raise AssertionError("the last attempt returns or raises")

    async def _page(self, statements: KindStatements, after: str) -> _Page:
        rows = await self._client.ask(statements.page, after=after, size=PAGE_SIZE)
        return _Page(statements, after, rows)


class _Page(msgspec.Struct, frozen=True):
    statements: KindStatements
    after: str
    rows: Sequence[Row]

    def entities(self) -> Sequence[Entity]:
        decode = self.statements.codec.entity
        try:
            return [decode(row) for row in self.rows]
        except (TypeError, ValueError, KeyError) as problem:
            raise StoreProblem(
                f"one of the {len(self.rows)} entities of kind {self.statements.kind.name} after"
                f" {self.after or 'the first'} cannot be read ({problem}): something else has written to the database"
            ) from problem
