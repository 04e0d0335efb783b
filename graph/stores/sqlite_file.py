"""The database as a file: who owns it, the two threads that use it, and what one transaction on it is.

One thread writes and one reads (`sqlite_thread`). A transaction is one job of the writer's, and what its end means is told
apart with care: it has certainly not happened, or nobody knows.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from graph.store import SCHEMA_NUMBER, SchemaTooNew, StoreProblem, StoreUnavailable, UnknownOutcome
from graph.stores.ownership import Ownership
from graph.stores.sqlite_errors import at_commit, is_constraint
from graph.stores.sqlite_schema import READER_CACHE_KIB, WRITER_CACHE_KIB, connect, create_file, prepare_writer
from graph.stores.sqlite_thread import BrokenConnectionError, SqliteThread

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]


class SqliteFile:
    """One database file, owned while it is open."""

    def __init__(self, path: Path, *, max_bytes: int | None = None) -> None:
        self.path = path.absolute()
        self.schema = SCHEMA_NUMBER
        """The schema number that was found in it."""
        self._name = str(self.path)
        self._max_bytes = max_bytes
        self._owner = Ownership(self.path)
        self._writer: SqliteThread | None = None
        self._reader: SqliteThread | None = None
        self._inode: tuple[int, int] | None = None

    @property
    def is_open(self) -> bool:
        """Whether it was opened and not closed since."""
        return self._writer is not None

    @property
    def is_newer(self) -> bool:
        """Whether a newer version has made or migrated it: then it is only read."""
        return self.schema > SCHEMA_NUMBER

    def open(self) -> None:
        """Makes the threads. The first job of the writer's takes ownership and makes or migrates the database.

        Raises StoreProblem when it is open already.
        """
        if self._writer is not None:
            raise StoreProblem(f"the database {self.path} is open already")
        self._writer = SqliteThread(self._connect_writer, name="sqlite-writer", database=self.path)
        self._reader = SqliteThread(self._connect_reader, name="sqlite-reader", database=self.path)

    async def close(self) -> None:
        """Ends the threads when their work is done, and lets go of the file."""
        for thread in (self._reader, self._writer):
            if thread is not None:
                await thread.close()
        self._reader = self._writer = None
        self._inode = None
        self._owner.release()

    async def write(self, work: Work[T]) -> T:
        """Does the work on the writer's thread; a cancelled caller waits for its end.

        Raises StoreUnavailable when it is not open.
        """
        if self._writer is None:
            raise StoreUnavailable(f"the database {self.path} is not open")
        return await self._writer.run(work, to_the_end=True)

    async def read(self, work: Work[T]) -> T:
        """Does the work on the reader's thread. Raises StoreUnavailable when closed."""
        if self._reader is None:
            raise StoreUnavailable(f"the database {self.path} is not open")
        return await self._reader.run(work)

    async def change(self, work: Work[T]) -> T:
        """Does the work in a transaction of its own on the writer's thread. Raises SchemaTooNew."""
        self.check_schema()
        return await self.write(lambda connection: self.in_transaction(connection, work))

    def connect_reader(self) -> sqlite3.Connection:
        """A connection for another thread's reading. Raises sqlite3.Error."""
        return connect(self.path, cache_kib=READER_CACHE_KIB)

    def check_schema(self) -> None:
        """Raises SchemaTooNew when the file is of a newer version."""
        if self.is_newer:
            raise SchemaTooNew(
                f"the database {self.path} has schema {self.schema} and this version writes {SCHEMA_NUMBER}: upgrade it"
            )

    # In the writer's thread

    def in_transaction(self, connection: sqlite3.Connection, work: Work[T]) -> T:
        """Does the work between BEGIN and COMMIT."""
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
            self._raise_if_unknown(problem)
            _roll_back(connection)
            raise
        return result

    def by_itself(self, connection: sqlite3.Connection, work: Work[T]) -> T:
        """Does the work, which is one statement that is a transaction of its own: its errors may be those of a COMMIT."""
        self._check_file()
        try:
            return work(connection)
        except sqlite3.Error as problem:
            if not is_constraint(problem):
                self._raise_if_unknown(problem)
            raise

    def _raise_if_unknown(self, problem: sqlite3.Error) -> None:
        reason = at_commit(problem, database=self.path)
        if isinstance(reason, UnknownOutcome):
            raise BrokenConnectionError(reason) from problem

    def _check_file(self) -> None:
        """A file that was removed or replaced still takes writes, which nobody would find again."""
        try:
            found = os.stat(self._name)
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
            self.schema = prepare_writer(connection, self.path, max_bytes=self._max_bytes)
        except BaseException:
            connection.close()
            raise
        self._inode = (found.st_dev, found.st_ino)
        return connection

    def _connect_reader(self) -> sqlite3.Connection:
        connection = self.connect_reader()
        connection.execute("PRAGMA query_only = ON")
        return connection


def _roll_back(connection: sqlite3.Connection) -> None:
    """Ends a transaction that failed, which SQLite may have done itself (https://www.sqlite.org/lang_transaction.html)."""
    if connection.in_transaction:
        try:
            connection.execute("ROLLBACK")
        except sqlite3.Error as problem:
            raise BrokenConnectionError(StoreUnavailable(f"a transaction could not be undone: {problem}")) from problem
