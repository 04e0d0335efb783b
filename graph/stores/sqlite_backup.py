"""Copies of the embedded database: made while it is in use, put back while it is stopped.

The copy is read in one transaction, so it is one moment's graph however long it takes; the write-ahead log keeps what is
written meanwhile. It holds no sessions and no sign-in links. A graph that is put back gets a new epoch, for its revisions
will name other commits than those that clients remember.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

from graph.identifiers import new_ulid
from graph.store import SCHEMA_NUMBER, Head, SchemaTooNew, StoreProblem, StoreUnavailable
from graph.stores.ownership import Ownership
from graph.stores.sqlite_errors import foreign, translated
from graph.stores.sqlite_schema import APPLICATION_ID, READER_CACHE_KIB, connect, read_head

PAGES_A_STEP = 256


class BackupStoppedError(Exception):
    """Raised within a backup whose caller no longer wants it."""


def back_up(source: sqlite3.Connection, target: Path, *, stopped: Callable[[], bool]) -> None:
    """Copies the source's graph as it is now into a new file, which appears under its name when it is whole and on disk.

    Raises StoreProblem when the target exists, StoreUnavailable when it cannot be written, BackupStoppedError.
    """
    if target.exists():
        raise StoreProblem(f"{target} exists; name a file that does not")
    partial = target.with_name(target.name + ".partial")

    def check(_status: int, _remaining: int, _total: int) -> None:
        if stopped():
            raise BackupStoppedError

    try:
        partial.unlink(missing_ok=True)
        os.close(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        source.execute("BEGIN")
        try:
            source.execute("SELECT epoch FROM meta").fetchone()
            with contextlib.closing(sqlite3.connect(partial, isolation_level=None)) as copy:
                source.backup(copy, pages=PAGES_A_STEP, progress=check)
                copy.execute("PRAGMA journal_mode = DELETE").fetchone()
                copy.execute("DELETE FROM ephemeral")
        finally:
            source.execute("ROLLBACK")
        _to_disk(partial)
        partial.rename(target)
        _to_disk(target.parent)
    except OSError as problem:
        raise StoreUnavailable(f"the backup {target} cannot be written: {problem}; choose another place") from problem
    except sqlite3.Error as problem:
        raise translated(problem, database=target) from problem
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def restore(backup: Path, database: Path) -> Head:
    """Puts a backup in a database's place, with a new epoch, and says where it stands. The server must be stopped.

    What was there before is kept beside it as `.before-restore`. Raises StoreOwned when the database is in use,
    StoreProblem when the backup is damaged or no backup, SchemaTooNew when it is of a newer version.
    """
    owner = Ownership(database)
    owner.take()
    partial = database.with_name(database.name + ".restored")
    try:
        shutil.copyfile(backup, partial)
        partial.chmod(0o600)
        with contextlib.closing(connect(partial, cache_kib=READER_CACHE_KIB)) as connection:
            if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
                raise foreign(backup)
            schema: int = connection.execute("PRAGMA user_version").fetchone()[0]
            if schema > SCHEMA_NUMBER:
                raise SchemaTooNew(
                    f"the backup {backup} has schema {schema}, this version has {SCHEMA_NUMBER}: upgrade"
                )
            findings = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if findings != "ok":
                raise StoreProblem(f"the backup {backup} is damaged: {findings}")
            connection.execute("PRAGMA journal_mode = DELETE").fetchone()
            connection.execute("UPDATE meta SET epoch = ?", (new_ulid(),))
            head = read_head(connection, schema=schema)
        _to_disk(partial)
        # The old log goes with the old database: beside a new one SQLite would take it for the new one's.
        for ending in ("", "-wal", "-shm"):
            old = database.with_name(database.name + ending)
            if old.exists():
                old.rename(database.with_name(f"{database.name}.before-restore{ending}"))
        partial.rename(database)
        _to_disk(database.parent)
    except OSError as problem:
        raise StoreProblem(f"{backup} cannot be restored to {database}: {problem}") from problem
    except sqlite3.Error as problem:
        raise translated(problem, database=backup) from problem
    finally:
        partial.unlink(missing_ok=True)
        owner.release()
    return head


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
