"""The embedded store: one SQLite file in WAL mode, owned by one process, with nothing to set up.

One thread writes and one reads (`sqlite_file`); a group of commits is one job, so what it costs beside the flush is a hop
there and back, and a small group is one row (`sqlite_arrivals`). `begin` and `head` touch memory only. Every commit is
flushed (`synchronous = FULL`) before it is answered.

Commits of one process are made one after another; the lock that `Transaction.head` takes is in `sqlite_commits`.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from graph.change import Commit, Record
from graph.identifiers import new_ulid
from graph.store import SCHEMA_NUMBER, Head, Loaded, RecordPage, StoreProblem, StoreUnavailable, Transaction
from graph.stores import sqlite_rows as rows
from graph.stores.sqlite_backup import BackupStoppedError, back_up
from graph.stores.sqlite_commits import Commits
from graph.stores.sqlite_file import SqliteFile
from graph.stores.sqlite_load import SqliteLoaded
from graph.stores.sqlite_retention import compact_step, prune_step, prune_subject_step, subjects
from graph.stores.sqlite_thread import SqliteThread
from graph.stores.sqlite_transaction import SqliteTransaction

log = structlog.get_logger(__name__)


class SqliteStore:
    """The graph in one SQLite file.

    `max_bytes` bounds the database file (not its write-ahead log); a commit that does not fit is refused as retryable.
    """

    name = "sqlite"
    shared = False

    def __init__(self, path: Path, *, max_bytes: int | None = None) -> None:
        self._file = SqliteFile(path, max_bytes=max_bytes)
        self._commits = Commits(self._file)
        self.path = self._file.path

    async def open(self) -> Head:
        """Takes ownership, makes or migrates the database and says where it stands.

        Raises StoreOwned when another process owns it, StoreProblem when the file is damaged or not ours.
        """
        self._file.open()
        try:
            head = await self._commits.current_head()
        except BaseException:
            await self._close()
            raise
        if head.schema > SCHEMA_NUMBER:
            log.warning("store.schema_newer", database=str(self.path), schema=head.schema, own=SCHEMA_NUMBER)
        return head

    async def close(self) -> None:
        """Puts what has arrived in its places, ends the threads when their work is done, and lets go of the file."""
        if self._file.is_open and not self._file.is_newer:
            try:
                await self._commits.settle()
            except StoreProblem as problem:  # it stays among the arrivals, from which the next start has it
                log.warning("store.arrivals_wait", database=str(self.path), problem=str(problem))
        await self._close()

    async def _close(self) -> None:
        await self._file.close()
        self._commits.forget()

    def begin(self) -> SqliteTransaction:
        """A transaction. Its writes are sent, as one job, when its context ends."""
        return SqliteTransaction(self._commits)

    # Reading

    async def load(self, *, within: Transaction | None = None) -> Loaded:
        """Begins to read the live graph. What is committed while its batches are read must be replayed after it."""
        head = await self._commits.placed_head()
        return SqliteLoaded(head, await self._file.read(rows.counters), read=self._file.read)

    async def commits_after(self, revision: int, *, limit: int = 1_000) -> Sequence[Commit]:
        """Commits after a revision, gapless and in order; a page also ends at 32 MiB. Raises Compacted."""
        return await self._commits.after(revision, limit=limit)

    async def records(self, page: RecordPage) -> Sequence[Record]:
        """A page of filed records, at most 10,000."""
        return await self._commits.records(page)

    async def count_records(self, page: RecordPage) -> int:
        """How many filed records the page would hold, up to its limit."""
        return await self._commits.count_records(page)

    async def record(self, collection: str, record_id: str) -> Record | None:
        """One filed record."""
        return await self._commits.record(collection, record_id)

    async def private(self, key: str) -> bytes | None:
        """A value kept outside the log."""
        return await self._commits.private(key)

    # What is never a commit

    async def put_ephemeral(self, key: str, value: bytes, *, expires_at: int) -> None:
        """Keeps a value until a time in UTC milliseconds; one that exists is replaced."""
        await self._file.change(
            lambda connection: connection.execute(
                "INSERT INTO ephemeral VALUES (?, ?, ?)"
                " ON CONFLICT DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at",
                (key, value, expires_at),
            )
        )

    async def ephemeral(self, key: str, *, now: int) -> bytes | None:
        """Such a value, unless it has expired by `now`."""
        return await self._file.read(
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

        return await self._file.change(take)

    async def drop_ephemeral(self, *, prefix: str) -> None:
        """Removes every such value whose key begins so."""
        await self._file.change(
            lambda connection: connection.execute(
                "DELETE FROM ephemeral WHERE key >= ?1 AND substr(key, 1, length(?1)) = ?1", (prefix,)
            )
        )

    # Housekeeping

    async def compact(self, *, keep_commits: int, keep_after: int) -> int:
        """Drops commits that are older than `keep_after` (UTC ms) or beyond the newest `keep_commits`; says how many."""
        return await self._drop(
            lambda connection: compact_step(connection, keep_commits=keep_commits, keep_after=keep_after)
        )

    async def prune(self, collection: str, *, before: int) -> int:
        """Drops filed records (or, for `idempotency` and `ephemeral`, those) that are older than UTC ms; says how many."""
        return await self._drop(lambda connection: prune_step(connection, collection, before))

    async def subjects(self, collection: str, *, after: str = "", limit: int = 1_000) -> Sequence[str]:
        """What the records of a collection are about: subjects that sort behind `after`, ascending, each once."""
        if not self._file.is_newer:
            await self._commits.settle()
        return await self._file.read(lambda connection: subjects(connection, collection, after, limit))

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
        return await self._drop(
            lambda connection: prune_subject_step(
                connection, collection, subject_id, newest=newest, before_id=before_id, keep_ids=keep_ids
            )
        )

    async def _drop(self, step: Callable[[sqlite3.Connection], int]) -> int:
        """Repeats a step until it drops nothing, each in a transaction of its own; what has arrived may be dropped too."""
        self._file.check_schema()
        await self._commits.settle()
        dropped = 0
        while now := await self._file.change(step):
            dropped += now
        return dropped

    async def backup(self, target: Path) -> None:
        """Streams a consistent copy into a new file while the store is in use.

        Raises StoreProblem when the file exists, StoreUnavailable when it cannot be written.
        """
        if not self._file.is_open:
            raise StoreUnavailable(f"the database {self.path} is not open")
        stop = threading.Event()
        thread = SqliteThread(self._file.connect_reader, name="sqlite-backup", database=self.path)
        try:
            await thread.run(lambda connection: back_up(connection, target.absolute(), stopped=stop.is_set))
        except asyncio.CancelledError:
            stop.set()
            raise
        except BackupStoppedError:
            raise StoreUnavailable(f"the backup {target} was stopped") from None
        finally:
            await thread.close()

    async def new_epoch(self) -> str:
        """Gives the graph a new epoch: older cursors and minimum revisions are refused."""
        epoch = new_ulid()

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("UPDATE meta SET epoch = ?", (epoch,))

        async with self._commits.lock:
            await self._file.change(work)
            self._commits.forget()
        return epoch


def _value(found: sqlite3.Cursor) -> bytes | None:
    row = found.fetchone()
    return None if row is None else row[0]
