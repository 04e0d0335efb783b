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

import msgspec

from graph.identifiers import new_ulid
from graph.store import SCHEMA_NUMBER, Head, SchemaTooNew, StoreProblem, StoreUnavailable
from graph.stores.ownership import Ownership
from graph.stores.sqlite_errors import foreign, translated
from graph.stores.sqlite_schema import (
    APPLICATION_ID,
    MAGIC,
    READER_CACHE_KIB,
    UNFINISHED_RESTORE,
    connect,
    read_head,
)

PAGES_A_STEP = 256
ROOM_KEPT_BYTES = 64 * 2**20
"""Free space that a backup leaves on its disk, which may be the one that commits are written to."""


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
            _check_room(source, target)
            with contextlib.closing(sqlite3.connect(partial, isolation_level=None)) as copy:
                source.backup(copy, pages=PAGES_A_STEP, progress=check)
                copy.execute("PRAGMA journal_mode = DELETE").fetchone()
                copy.execute("PRAGMA secure_delete = ON").fetchone()
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


def _check_room(source: sqlite3.Connection, target: Path) -> None:
    """Raises StoreUnavailable when the copy would leave too little of the disk. What is written meanwhile is not counted."""
    pages, size = (source.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    needed, free = pages * size + ROOM_KEPT_BYTES, shutil.disk_usage(target.parent).free
    if free < needed:
        raise StoreUnavailable(
            f"a copy of the graph takes {needed >> 20} MiB in {target.parent} with what must stay free, and there are"
            f" {free >> 20} MiB: make room"
        )


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What a restore made."""

    head: Head
    """Where the graph stands now."""
    previous: Path | None
    """Where the database that was there before is; None when there was none."""


def restore(backup: Path, database: Path) -> Restored:
    """Puts a backup in a database's place, with a new epoch, and says where it stands. The server must be stopped.

    What was there before is kept beside it as `.before-restore`, or with a number when there is such a file already. Until
    the last step, a rename, everything is as it was. Raises StoreOwned when the database is in use, StoreProblem when the
    backup is damaged or no backup or cannot be written here, SchemaTooNew when it is of a newer version.
    """
    partial = database.with_name(database.name + UNFINISHED_RESTORE)
    previous: Path | None = None
    try:
        database.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as problem:
        raise StoreProblem(f"the folder of {database} cannot be made: {problem}") from problem
    owner = Ownership(database)
    owner.take()
    try:
        _check_readable(backup)
        _remove(partial)
        for ending in ("", "-wal"):  # what was copied from a folder may have the newest commits in its write-ahead log
            source = backup.with_name(backup.name + ending)
            if source.exists():
                shutil.copyfile(source, partial.with_name(partial.name + ending))
        partial.chmod(0o600)
        head = _made_ours(partial, backup)
        _to_disk(partial)
        previous = _put_aside(database)
        partial.replace(database)
        _to_disk(database.parent)
    except OSError as problem:
        raise StoreProblem(f"{backup} cannot be restored to {database}: {problem}") from problem
    except sqlite3.Error as problem:
        raise translated(problem, database=backup) from problem
    finally:
        # Should there be no database any more, the copy says so to the next start, which would make an empty one.
        if previous is None or database.exists():
            with contextlib.suppress(OSError):
                _remove(partial)
        owner.release()
    return Restored(head=head, previous=previous)


def look_into(backup: Path) -> Head:
    """Where the graph of a backup stands. Nothing is written. Raises StoreProblem when it is no backup, OSError."""
    _check_readable(backup)
    try:
        with contextlib.closing(sqlite3.connect(f"{backup.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
                raise foreign(backup)
            return read_head(connection, schema=connection.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.Error as problem:
        raise translated(problem, database=backup) from problem


def _check_readable(backup: Path) -> None:
    """Raises OSError when there is no such file, StoreProblem when it is no database."""
    with backup.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise foreign(backup)


def _made_ours(partial: Path, backup: Path) -> Head:
    """Checks the copy from end to end and gives it a new epoch."""
    with contextlib.closing(connect(partial, cache_kib=READER_CACHE_KIB)) as connection:
        if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            raise foreign(backup)
        schema: int = connection.execute("PRAGMA user_version").fetchone()[0]
        if schema > SCHEMA_NUMBER:
            raise SchemaTooNew(f"the backup {backup} has schema {schema}, this version has {SCHEMA_NUMBER}: upgrade")
        findings = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if findings != "ok":
            raise StoreProblem(f"the backup {backup} is damaged: {findings}")
        connection.execute("PRAGMA journal_mode = DELETE").fetchone()
        connection.execute("UPDATE meta SET epoch = ?", (new_ulid(),))
        connection.execute("DELETE FROM ephemeral")
        return read_head(connection, schema=schema)


def _put_aside(database: Path) -> Path | None:
    """Gives the database a second name, under which it stays when another takes its place; None when there is none.

    Its write-ahead log is brought into it first, so that it is one file and there is no moment without a database. Of one
    that is too damaged for that all files are moved.
    """
    if not database.exists():
        return None
    aside = _free_name(database)
    try:
        _check_readable(database)  # SQLite would throw the log of what is no database away
        with contextlib.closing(connect(database, cache_kib=READER_CACHE_KIB)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE").fetchone()
    except (sqlite3.Error, StoreProblem):
        for ending in ("", "-wal", "-shm"):
            old = database.with_name(database.name + ending)
            if old.exists():
                old.rename(aside.with_name(aside.name + ending))
    else:
        try:
            os.link(database, aside)
        except OSError:  # this file system has one name for a file
            database.rename(aside)
    return aside


def _free_name(database: Path) -> Path:
    number, name = 1, f"{database.name}.before-restore"
    while any(database.with_name(name + ending).exists() for ending in ("", "-wal", "-shm")):
        number += 1
        name = f"{database.name}.before-restore-{number}"
    return database.with_name(name)


def _remove(partial: Path) -> None:
    for ending in ("", "-wal", "-shm", "-journal"):
        partial.with_name(partial.name + ending).unlink(missing_ok=True)


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
