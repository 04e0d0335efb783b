"""What is committed, written as it arrives and read as if it were in its places already.

Because one process owns the file, where it stands is known without asking it: `current_head` and all that has arrived lately
are answered from memory. Both are changed by the writer's thread, before anyone is told, so that a caller who no longer
waits changes nothing about them.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence

import structlog

from graph.change import Commit, IdempotencyRecord, Record
from graph.store import Head, RecordPage, StoreUnavailable, UnknownOutcome, WriteBatch
from graph.stores import sqlite_rows as rows
from graph.stores.sqlite_arrivals import (
    LARGE_BYTES,
    Arrivals,
    append_arrival,
    encode_arrival,
    has_room,
    may_arrive,
    put_in_place,
    read_arrivals,
)
from graph.stores.sqlite_file import SqliteFile, Work
from graph.stores.sqlite_schema import read_head, read_placed
from graph.stores.sqlite_thread import BrokenConnectionError

log = structlog.get_logger(__name__)
NOWHERE = Head(revision=0, at=0, epoch="", schema=0)


class Commits:
    """The commits and filed records of one database file."""

    def __init__(self, file: SqliteFile) -> None:
        self.lock = asyncio.Lock()
        """Held by whoever writes, from the reading of the head to the end."""
        self._file = file
        self._head: Head | None = None
        """Where the graph stands; None when it must be read again, and the arrivals with it."""
        self._arrivals = Arrivals(NOWHERE)
        self._roomy = False
        """Whether the database may grow by so much that what arrives is sure to find its places."""

    def forget(self) -> None:
        """Where the graph stands is read again before it is next needed."""
        self._head = None

    async def current_head(self) -> Head:
        """Where the graph stands."""
        head = self._head
        return await self._file.write(self._known) if head is None else head

    async def placed_head(self) -> Head:
        """Where the tables stand without what has arrived since."""
        await self.current_head()
        return self._arrivals.placed

    def check_writable(self) -> None:
        """Raises SchemaTooNew when the file is of a newer version."""
        self._file.check_schema()

    # Writing

    async def commit(self, batch: WriteBatch, head: Head) -> None:
        """Writes a batch that follows the head; it is flushed when this returns.

        Raises UnknownOutcome when nobody knows whether it was, StoreProblem when it certainly was not.
        """
        try:
            await self._file.write(self._writing(batch, head))
        except UnknownOutcome as problem:
            self.forget()
            log.warning("store.outcome_unknown", database=str(self._file.path), problem=str(problem))
            raise

    def _writing(self, batch: WriteBatch, head: Head) -> Work[None]:
        """The writer's job for a batch. It is encoded here, where it was made a moment ago."""
        newest = batch.commits[-1] if batch.commits else None
        to = head if newest is None else Head(newest.revision, newest.at, head.epoch, head.schema)
        body = encode_arrival(batch) if may_arrive(batch) else b""
        return lambda connection: self._keep(connection, batch, body, to)

    async def settle(self) -> None:
        """Puts what has arrived in its places. Where there is no room for that it stays as it is."""
        if not self._arrivals.batches:
            return
        try:
            await self._file.write(self._place)
        except (StoreUnavailable, UnknownOutcome) as problem:
            log.warning("store.arrivals_wait", database=str(self._file.path), problem=str(problem))

    # In the writer's thread

    def _known(self, connection: sqlite3.Connection) -> Head:
        if self._head is None:
            schema = self._file.schema
            self._arrivals = read_arrivals(connection, read_placed(connection, schema=schema))
            self._roomy = has_room(connection)
            self._head = read_head(connection, schema=schema)
        return self._head

    def _keep(self, connection: sqlite3.Connection, batch: WriteBatch, body: bytes, to: Head) -> None:
        self._known(connection)
        size = len(body)
        if not 0 < size <= LARGE_BYTES or not self._roomy:
            self._place(connection, batch, to=to)
            return
        if not self._arrivals.has_room_for(size):
            self._place(connection)
        arrivals = self._arrivals
        self._file.by_itself(connection, lambda same: append_arrival(same, arrivals, batch, body, to))
        self._arrivals = arrivals.and_one(batch, size_bytes=size)
        self._head = to

    def _place(
        self, connection: sqlite3.Connection, batch: WriteBatch | None = None, *, to: Head | None = None
    ) -> None:
        """Puts what has arrived in its places, and a batch that follows it, after which the graph stands at `to`."""
        head = to or self._known(connection)
        arrivals = self._arrivals

        def work(same: sqlite3.Connection) -> None:
            put_in_place(same, arrivals)
            if batch is not None:
                rows.write_batch(same, batch)

        try:
            self._file.in_transaction(connection, work)
        except BrokenConnectionError:
            self.forget()
            raise
        self._arrivals = Arrivals(head, after_number=arrivals.last_number)
        self._head = head
        self._roomy = has_room(connection)

    # Reading

    async def after(self, revision: int, *, limit: int = 1_000) -> Sequence[Commit]:
        """Commits after a revision, gapless and in order; a page also ends at 32 MiB. Raises Compacted."""
        head, arrivals = self._head, self._arrivals
        if head is not None and revision >= head.revision:
            return ()
        if head is not None and revision >= arrivals.placed.revision:
            return arrivals.commits_after(revision)[:limit]
        found = await self._file.read(lambda connection: rows.commits_after(connection, revision, limit))
        last = found[-1].revision if found else revision
        if len(found) < limit and arrivals.batches and last >= arrivals.placed.revision:
            found = (found + arrivals.commits_after(last))[:limit]
        return found

    async def records(self, page: RecordPage) -> Sequence[Record]:
        """A page of filed records, at most 10,000."""
        arrivals = self._arrivals
        asked = arrivals.asked_of_tables(page)
        found = await self._file.read(lambda connection: rows.records(connection, asked))
        return arrivals.with_page(page, found)

    async def count_records(self, page: RecordPage) -> int:
        """How many filed records the page would hold, up to its limit."""
        arrivals = self._arrivals
        asked = arrivals.asked_of_tables(page)
        found = await self._file.read(lambda connection: rows.count_records(connection, asked))
        return min(max(0, page.limit), found + len(arrivals.on_page(page)))

    async def record(self, collection: str, record_id: str) -> Record | None:
        """One filed record."""
        arrived = self._arrivals.filed(collection)
        if record_id in arrived:
            return arrived[record_id]
        return await self._file.read(lambda connection: rows.record(connection, collection, record_id))

    async def private(self, key: str) -> bytes | None:
        """A value kept outside the log."""
        arrived, value = self._arrivals.private(key)
        return value if arrived else await self._file.read(lambda connection: rows.private(connection, key))

    async def done_before(self, draft_ids: Sequence[str]) -> dict[str, int]:
        """Revisions of those drafts that were committed."""
        arrived = self._arrivals.done_before(draft_ids)
        return await self._file.read(lambda connection: rows.done_before(connection, draft_ids)) | arrived

    async def idempotency(self, keys: Sequence[str]) -> dict[str, IdempotencyRecord]:
        """What the keys made before, by key."""
        arrived = self._arrivals.idempotency(keys)
        rest = [one for one in keys if one not in arrived]
        return (
            await self._file.read(lambda connection: rows.idempotency(connection, rest)) | arrived if rest else arrived
        )
