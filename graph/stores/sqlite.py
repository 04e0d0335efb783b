"""The embedded store: one SQLite file in WAL mode, owned by one process, with nothing to set up.

One thread writes and one reads (`sqlite_thread`); a group of commits is one job, so what it costs beside the flush is a hop
there and back. Because one process owns the file, where it stands is known without asking it: `begin` and `head` touch
memory only. Every commit is flushed (`synchronous = FULL`) before it is answered.

Commits of one process are made one after another; the lock that `Transaction.head` takes is this object's own.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import msgspec
import structlog

from graph.change import Commit, IdempotencyRecord, Record
from graph.identifiers import new_ulid
from graph.store import (
    SCHEMA_NUMBER,
    Head,
    Loaded,
    RecordPage,
    SchemaTooNew,
    StoreProblem,
    StoreUnavailable,
    Transaction,
    UnknownOutcome,
    WriteBatch,
)
from graph.stores import sqlite_rows as rows
from graph.stores.ownership import Ownership
from graph.stores.sqlite_backup import BackupStoppedError, back_up
from graph.stores.sqlite_errors import at_commit
from graph.stores.sqlite_load import SqliteLoaded
from graph.stores.sqlite_retention import compact_step, prune_step, prune_subject_step, subjects
from graph.stores.sqlite_schema import (
    READER_CACHE_KIB,
    WRITER_CACHE_KIB,
    connect,
    create_file,
    prepare_writer,
    read_head,
)
from graph.stores.sqlite_thread import BrokenConnectionError, SqliteThread

T = TypeVar("T")
LOCK_WAIT_S = 30.0

log = structlog.get_logger(__name__)


class SqliteStore:
    """The graph in one SQLite file.

    `max_bytes` bounds the database file (not its write-ahead log); a commit that does not fit is refused as retryable.
    """

    name = "sqlite"
    shared = False

    def __init__(self, path: Path, *, max_bytes: int | None = None) -> None:
        self.path = path.absolute()
        self._max_bytes = max_bytes
        self._owner = Ownership(self.path)
        self._lock = asyncio.Lock()
        self._writer: SqliteThread | None = None
        self._reader: SqliteThread | None = None
        self._inode: tuple[int, int] | None = None
        self._schema = SCHEMA_NUMBER
        self._head: Head | None = None
        """Where the graph stands; None when it must be read again."""

    async def open(self) -> Head:
        """Takes ownership, makes or migrates the database and says where it stands.

        Raises StoreOwned when another process owns it, StoreProblem when the file is damaged or not ours.
        """
        if self._writer is not None:
            raise StoreProblem(f"the database {self.path} is open already")
        self._writer = SqliteThread(self._connect_writer, name="sqlite-writer", database=self.path)
        self._reader = SqliteThread(self._connect_reader, name="sqlite-reader", database=self.path)
        try:
            head = await self._current_head()
        except BaseException:
            await self.close()
            raise
        if head.schema > SCHEMA_NUMBER:
            log.warning("store.schema_newer", database=str(self.path), schema=head.schema, own=SCHEMA_NUMBER)
        return head

    async def close(self) -> None:
        """Ends the threads when their work is done, and lets go of the file."""
        for thread in (self._reader, self._writer):
            if thread is not None:
                await thread.close()
        self._reader = self._writer = None
        self._head = None
        self._inode = None
        self._owner.release()

    # Writing

    def begin(self) -> _SqliteTransaction:
        """A transaction. Its writes are sent, as one job, when its context ends."""
        return _SqliteTransaction(self)

    async def _current_head(self) -> Head:
        head = self._head
        if head is None:
            head = self._head = await self._write(lambda connection: read_head(connection, schema=self._schema))
        return head

    async def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._writer is None:
            raise StoreUnavailable(f"the database {self.path} is not open")
        return await self._writer.run(work, to_the_end=True)

    async def _change(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Does the work in a transaction of its own on the writer's thread."""
        self._check_schema()
        return await self._write(lambda connection: self._in_transaction(connection, work))

    async def _commit(self, batch: WriteBatch, head: Head) -> None:
        newest = batch.commits[-1] if batch.commits else None
        after = head if newest is None else msgspec.structs.replace(head, revision=newest.revision, at=newest.at)

        def work(connection: sqlite3.Connection) -> None:
            self._in_transaction(connection, lambda same: rows.write_batch(same, batch))
            self._head = after

        try:
            await self._write(work)
        except UnknownOutcome as problem:
            self._head = None
            log.warning("store.outcome_unknown", database=str(self.path), problem=str(problem))
            raise

    def _in_transaction(self, connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
        self._check_file()
        connection.execute("BEGIN IMMEDIATE")
        try:
            result = work(connection)
        except BaseException:
            _roll_back(connection)
            raise
        try:
            connection.execute("COMMIT")
        except sqlite3.Error as problem:
            reason = at_commit(problem, database=self.path)
            if isinstance(reason, UnknownOutcome):
                raise BrokenConnectionError(reason) from problem
            _roll_back(connection)
            raise
        return result

    def _check_schema(self) -> None:
        if self._schema > SCHEMA_NUMBER:
            raise SchemaTooNew(
                f"the database {self.path} has schema {self._schema} and this version writes {SCHEMA_NUMBER}: upgrade it"
            )

    def _check_file(self) -> None:
        """A file that was removed or replaced still takes writes, which nobody would find again."""
        try:
            found = self.path.stat()
        except OSError as problem:
            raise StoreUnavailable(f"the database {self.path} is gone ({problem.strerror}): put it back") from problem
        if self._inode != (found.st_dev, found.st_ino):
            raise StoreUnavailable(f"the database {self.path} was replaced while in use: restart the server")

    # Connections, in their threads

    def _connect_writer(self) -> sqlite3.Connection:
        try:
            if not self._owner.held:
                self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._owner.take()
                create_file(self.path)
            found = self.path.stat()
        except OSError as problem:
            raise StoreUnavailable(f"the database {self.path} cannot be opened: {problem}") from problem
        connection = connect(self.path, cache_kib=WRITER_CACHE_KIB, statements=512)
        try:
            self._schema = prepare_writer(connection, self.path, max_bytes=self._max_bytes)
        except BaseException:
            connection.close()
            raise
        self._inode = (found.st_dev, found.st_ino)
        return connection

    def _connect_reader(self) -> sqlite3.Connection:
        connection = connect(self.path, cache_kib=READER_CACHE_KIB)
        connection.execute("PRAGMA query_only = ON")
        return connection

    # Reading

    async def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._reader is None:
            raise StoreUnavailable(f"the database {self.path} is not open")
        return await self._reader.run(work)

    async def load(self) -> Loaded:
        """Begins to read the live graph. What is committed while its batches are read must be replayed after it."""
        head = await self._current_head()
        return SqliteLoaded(head, await self._read(rows.counters), read=self._read)

    async def commits_after(self, revision: int, *, limit: int = 1_000) -> Sequence[Commit]:
        """Commits after a revision, gapless and in order; a page also ends at 32 MiB. Raises Compacted."""
        head = self._head
        if head is not None and revision >= head.revision:
            return ()
        return await self._read(lambda connection: rows.commits_after(connection, revision, limit))

    async def records(self, page: RecordPage) -> Sequence[Record]:
        """A page of filed records, at most 10,000."""
        return await self._read(lambda connection: rows.records(connection, page))

    async def count_records(self, page: RecordPage) -> int:
        """How many filed records the page would hold, up to its limit."""
        return await self._read(lambda connection: rows.count_records(connection, page))

    async def record(self, collection: str, record_id: str) -> Record | None:
        """One filed record."""
        return await self._read(lambda connection: rows.record(connection, collection, record_id))

    async def private(self, key: str) -> bytes | None:
        """A value kept outside the log."""
        return await self._read(
            lambda connection: _value(connection.execute("SELECT value FROM private WHERE key = ?", (key,)))
        )

    async def _done_before(self, draft_ids: Sequence[str]) -> dict[str, int]:
        return await self._read(lambda connection: rows.done_before(connection, draft_ids))

    async def _idempotency(self, keys: Sequence[str]) -> dict[str, IdempotencyRecord]:
        return await self._read(lambda connection: rows.idempotency(connection, keys))

    # What is never a commit

    async def put_ephemeral(self, key: str, value: bytes, *, expires_at: int) -> None:
        """Keeps a value until a time in UTC milliseconds; one that exists is replaced."""
        await self._change(
            lambda connection: connection.execute(
                "INSERT INTO ephemeral VALUES (?, ?, ?)"
                " ON CONFLICT DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at",
                (key, value, expires_at),
            )
        )

    async def ephemeral(self, key: str, *, now: int) -> bytes | None:
        """Such a value, unless it has expired by `now`."""
        return await self._read(
            lambda connection: _value(
                connection.execute("SELECT value FROM ephemeral WHERE key = ? AND expires_at > ?", (key, now))
            )
        )

    async def take_ephemeral(self, key: str, *, now: int) -> bytes | None:
        """Reads and removes it in one step: of several takers one gets it."""

        def take(connection: sqlite3.Connection) -> bytes | None:
            found = connection.execute("DELETE FROM ephemeral WHERE key = ? RETURNING value, expires_at", (key,))
            row = found.fetchone()
            found.close()
            return row[0] if row is not None and row[1] > now else None

        return await self._change(take)

    async def drop_ephemeral(self, *, prefix: str) -> None:
        """Removes every such value whose key begins so."""
        await self._change(
            lambda connection: connection.execute(
                "DELETE FROM ephemeral WHERE key >= ?1 AND substr(key, 1, length(?1)) = ?1", (prefix,)
            )
        )

    # Housekeeping

    async def compact(self, *, keep_commits: int, keep_after: int) -> int:
        """Drops commits that are older than `keep_after` (UTC ms) or beyond the newest `keep_commits`; says how many."""
        dropped = 0
        while True:
            step = await self._change(
                lambda connection: compact_step(connection, keep_commits=keep_commits, keep_after=keep_after)
            )
            if not step:
                return dropped
            dropped += step

    async def prune(self, collection: str, *, before: int) -> int:
        """Drops filed records (or, for `idempotency` and `ephemeral`, those) that are older than UTC ms; says how many."""
        dropped = 0
        while True:
            step = await self._change(lambda connection: prune_step(connection, collection, before))
            if not step:
                return dropped
            dropped += step

    async def subjects(self, collection: str, *, after: str = "", limit: int = 1_000) -> Sequence[str]:
        """What the records of a collection are about: subjects that sort behind `after`, ascending, each once."""
        return await self._read(lambda connection: subjects(connection, collection, after, limit))

    async def prune_subject(
        self,
        collection: str,
        subject_id: str,
        *,
        newest: int = 0,
        before_id: str | None = None,
        keep_ids: Sequence[str] = (),
    ) -> int:
        """Drops filed records about one subject, but for its `newest` newest ones, those whose id is not below
        `before_id`, and `keep_ids`; says how many."""
        dropped = 0
        while True:
            step = await self._change(
                lambda connection: prune_subject_step(
                    connection, collection, subject_id, newest=newest, before_id=before_id, keep_ids=keep_ids
                )
            )
            if not step:
                return dropped
            dropped += step

    async def backup(self, target: Path) -> None:
        """Streams a consistent copy into a new file while the store is in use.

        Raises StoreProblem when the file exists, StoreUnavailable when it cannot be written.
        """
        if self._reader is None:
            raise StoreUnavailable(f"the database {self.path} is not open")
        stop = threading.Event()
        thread = SqliteThread(self._connect_reader_for_backup, name="sqlite-backup", database=self.path)
        try:
            await thread.run(lambda connection: back_up(connection, target.absolute(), stopped=stop.is_set))
        except asyncio.CancelledError:
            stop.set()
            raise
        except BackupStoppedError:
            raise StoreUnavailable(f"the backup {target} was stopped") from None
        finally:
            await thread.close()

    def _connect_reader_for_backup(self) -> sqlite3.Connection:
        return connect(self.path, cache_kib=READER_CACHE_KIB)

    async def new_epoch(self) -> str:
        """Gives the graph a new epoch: older cursors and minimum revisions are refused."""
        epoch = new_ulid()

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("UPDATE meta SET epoch = ?", (epoch,))

        async with self._lock:
            await self._change(work)
            self._head = None
        return epoch


class _SqliteTransaction:
    """One attempt to write. The store's lock is held from `head` to the end of the context."""

    __slots__ = ("_batch", "_head", "_store")

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self._head: Head | None = None
        self._batch: WriteBatch | None = None

    async def __aenter__(self) -> Transaction:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._head is None:
            return
        try:
            if kind is None and self._batch is not None:
                await self._store._commit(self._batch, self._head)
        finally:
            self._head = None
            self._store._lock.release()

    async def head(self) -> Head:
        """Takes the store's lock and says where it stands. Raises StoreUnavailable when the lock is held for 30 s."""
        if self._head is not None:
            return self._head
        lock = self._store._lock
        if lock.locked():
            try:
                async with asyncio.timeout(LOCK_WAIT_S):
                    await lock.acquire()
            except TimeoutError:
                raise StoreUnavailable(f"another transaction has held the store for {LOCK_WAIT_S:.0f} s") from None
        else:
            await lock.acquire()
        try:
            self._head = await self._store._current_head()
        except BaseException:
            lock.release()
            raise
        return self._head

    async def commits_after(self, revision: int) -> Sequence[Commit]:
        """Commits since; there are none unless the caller's view is behind its own process."""
        return await self._store.commits_after(revision)

    async def done_before(self, draft_ids: Sequence[str]) -> dict[str, int]:
        """Revisions of those drafts that were committed already."""
        return await self._store._done_before(draft_ids)

    async def idempotency(self, keys: Sequence[str]) -> dict[str, IdempotencyRecord]:
        """What the keys made before."""
        return await self._store._idempotency(keys)

    async def write(self, batch: WriteBatch) -> None:
        """Takes the batch, which is written when the context ends. Raises StoreProblem when it does not follow the head."""
        if self._head is None:
            raise StoreProblem("a transaction asks for the head before it writes")
        if self._batch is not None:
            raise StoreProblem("a transaction writes one batch")
        self._store._check_schema()
        for expected, commit in enumerate(batch.commits, self._head.revision + 1):
            if commit.revision != expected:
                raise StoreProblem(f"commit {commit.revision} does not follow; the next is {expected}")
        self._batch = batch


def _value(found: sqlite3.Cursor) -> bytes | None:
    row = found.fetchone()
    return None if row is None else row[0]


def _roll_back(connection: sqlite3.Connection) -> None:
    """Ends a transaction that failed, which SQLite may have done itself (https://www.sqlite.org/lang_transaction.html)."""
    if connection.in_transaction:
        try:
            connection.execute("ROLLBACK")
        except sqlite3.Error as problem:
            raise BrokenConnectionError(StoreUnavailable(f"a transaction could not be undone: {problem}")) from problem
