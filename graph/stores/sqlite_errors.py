"""What SQLite's result codes mean to whoever asked the store.

The codes are those of https://www.sqlite.org/rescode.html; the low byte is the sort of problem, the rest says where.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from graph.store import StoreProblem, StoreUnavailable, UnknownOutcome

_AWAY = {
    sqlite3.SQLITE_BUSY: "another program holds it locked; close what else has the file open",
    sqlite3.SQLITE_LOCKED: "another program holds it locked; close what else has the file open",
    sqlite3.SQLITE_READONLY: "it cannot be written; check the rights of the file and its folder",
    sqlite3.SQLITE_PERM: "it cannot be written; check the rights of the file and its folder",
    sqlite3.SQLITE_INTERRUPT: "it was interrupted",
    sqlite3.SQLITE_IOERR: "the disk failed or has a limit; check the system's log and the file size limit",
    sqlite3.SQLITE_FULL: "the disk or the database's size limit is full; free some space or raise the limit",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check that its folder exists and the rights of both",
    sqlite3.SQLITE_PROTOCOL: "its lock could not be taken; close what else has the file open",
    sqlite3.SQLITE_NOMEM: "there is no memory left",
}
_NOT_WRITTEN = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_IOERR_WRITE})
"""Codes with which a COMMIT has certainly not happened. In WAL mode the commit is the last frame that is written: when a
write failed there is none. A failed fsync is different: the frame may be found whole after a crash."""


def translated(problem: sqlite3.Error, *, database: Path) -> StoreProblem:
    """The store's error for one of SQLite's."""
    code = getattr(problem, "sqlite_errorcode", None)
    primary = None if code is None else code & 0xFF
    if primary in _AWAY:
        return StoreUnavailable(f"the database {database} is not available ({problem}): {_AWAY[primary]}")
    if primary == sqlite3.SQLITE_NOTADB:
        return foreign(database)
    if primary == sqlite3.SQLITE_CORRUPT:
        return StoreProblem(
            f"the database {database} is damaged ({problem}); stop the server, keep a copy and restore a backup"
        )
    if primary == sqlite3.SQLITE_CONSTRAINT:
        return StoreProblem(f"the database {database} refused a value that contradicts what it holds ({problem})")
    return StoreProblem(f"the database {database} could not do it: {problem}")


def at_commit(problem: sqlite3.Error, *, database: Path) -> StoreProblem:
    """The store's error for one that COMMIT raised: UnknownOutcome unless it has certainly not happened."""
    code = getattr(problem, "sqlite_errorcode", None)
    if code is None or (code in _NOT_WRITTEN or (code & 0xFF) in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY}):
        return translated(problem, database=database)
    return UnknownOutcome(f"the database {database} failed at the end of a commit ({problem})")


def is_constraint(problem: sqlite3.Error) -> bool:
    """Whether a value contradicts what the database holds: found before anything is written."""
    code = getattr(problem, "sqlite_errorcode", None)
    return code is not None and (code & 0xFF) == sqlite3.SQLITE_CONSTRAINT


def foreign(database: Path) -> StoreProblem:
    """The error for a file that is not ours."""
    return StoreProblem(f"the file {database} is not an EdgeAtlas database; name another file, or move this one away")


def breaks_connection(problem: sqlite3.Error) -> bool:
    """Whether the connection should be opened anew before it is used again."""
    code = getattr(problem, "sqlite_errorcode", None)
    return code is not None and (code & 0xFF) in {
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_MISUSE,
    }
