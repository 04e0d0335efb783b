"""The embedded database's tables, how a connection is set, and how an older database becomes a current one.

`application_id` and `user_version` are fields of the file's own header (https://www.sqlite.org/fileformat.html section 1.3):
they tell our databases from others before anything is read or changed.

The head is the last arrival or else the log's last row, so that a commit does not write it twice; `meta.oldest` stands in
for a log that compaction has emptied. Bodies are JSON kept as BLOBs: their length is known without reading them. Each tree
costs a commit a page or more of the write-ahead log, so commits arrive in a table of their own (`sqlite_arrivals`); records
have no index by time, for their ids rise with it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

from graph.identifiers import new_ulid
from graph.store import SCHEMA_NUMBER, Head, StoreProblem
from graph.stores.sqlite_errors import foreign

APPLICATION_ID = 0x45644174
"""`EdAt` in ASCII."""
MAGIC = b"SQLite format 3\x00"
UNFINISHED_RESTORE = ".restored"
"""What follows the database's name in that of a copy that is to take its place."""
PAGE_BYTES = 4096
BUSY_S = 5.0
CHECKPOINT_PAGES = 8_000
"""The write-ahead log is brought into the database when it has so many pages (32 MiB): a page that many commits change is
then written once for all of them."""
WAL_KEPT_BYTES = 64 * 1024 * 1024
WRITER_CACHE_KIB = 16 * 1024
READER_CACHE_KIB = 8 * 1024

_TABLES = """
CREATE TABLE meta (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    epoch TEXT NOT NULL,
    oldest INTEGER NOT NULL,      -- commits after this revision are in the log
    oldest_at INTEGER NOT NULL,   -- that revision's time, UTC ms
    placed INTEGER NOT NULL       -- arrivals up to this number are in their places
) STRICT;
CREATE TABLE arrivals (           -- what was committed last, in rows that are used again and again
    slot INTEGER PRIMARY KEY,
    number INTEGER NOT NULL,      -- rises by one with each
    revision INTEGER NOT NULL,    -- where the graph stands with it
    at INTEGER NOT NULL,          -- that revision's time, UTC ms
    size INTEGER NOT NULL,        -- of the body, the rest is filling
    body BLOB NOT NULL            -- MessagePack
) STRICT;
CREATE TABLE live (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE log (
    revision INTEGER PRIMARY KEY,
    draft_id TEXT NOT NULL UNIQUE,
    at INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE records (
    collection TEXT NOT NULL,
    id TEXT NOT NULL,
    tenant_id TEXT,
    subject_id TEXT,
    at INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (collection, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX records_by_tenant ON records (collection, tenant_id, id);
CREATE INDEX records_by_subject ON records (collection, subject_id, id) WHERE subject_id IS NOT NULL;
CREATE TABLE idempotency (
    key TEXT PRIMARY KEY,
    body_digest TEXT NOT NULL,
    result BLOB NOT NULL,
    revision INTEGER NOT NULL,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_time ON idempotency (at);
CREATE TABLE private (
    key TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE ephemeral (
    key TEXT PRIMARY KEY,
    value BLOB NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX ephemeral_by_time ON ephemeral (expires_at);
"""


def _create(connection: sqlite3.Connection) -> None:
    for statement in _TABLES.split(";\n"):
        if statement.strip():
            connection.execute(statement)
    connection.execute("INSERT INTO meta VALUES (1, ?, 0, 0, 0)", (new_ulid(),))


MIGRATIONS: dict[int, Callable[[sqlite3.Connection], None]] = {0: _create}
"""What makes a database of each number one of the next; 0 is an empty file."""


def create_file(path: Path) -> None:
    """Makes an empty database file that only its owner can read, unless it exists.

    Raises OSError, and StoreProblem for a file that is no database: SQLite would overwrite one of less than 512 bytes.
    So too where a restore was cut short before the file was in its place: nobody is to take an empty graph for it.
    Not called while a connection of this process is open on the file, for closing it here would end that one's locks.
    """
    unfinished = path.with_name(path.name + UNFINISHED_RESTORE)
    if unfinished.exists() and not path.exists():
        raise StoreProblem(
            f"a restore of {path} was cut short: run it again, or remove {unfinished.name} to begin with an empty graph"
        )
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        begin = os.pread(descriptor, len(MAGIC), 0)
    finally:
        os.close(descriptor)
    if begin not in (b"", MAGIC):
        raise foreign(path)


def connect(path: Path, *, cache_kib: int, statements: int = 128) -> sqlite3.Connection:
    """A connection to an existing file, for one thread at a time. Raises sqlite3.Error."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        isolation_level=None,
        timeout=BUSY_S,
        check_same_thread=False,
        cached_statements=statements,
    )
    try:
        connection.execute(f"PRAGMA cache_size = {-cache_kib}")
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA synchronous = FULL")
        # Freed space is overwritten where it costs no further write; what is secret in here is encrypted as well.
        connection.execute("PRAGMA secure_delete = FAST").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def prepare_writer(connection: sqlite3.Connection, path: Path, *, max_bytes: int | None) -> int:
    """Checks that the file is ours, migrates it and sets it up for writing; says which schema number it has.

    A file of a newer number is left as it is. Raises StoreProblem for a foreign file and sqlite3.Error.
    """
    application, number = _identity(connection)
    if application != APPLICATION_ID:
        tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        if application != 0 or number != 0 or tables:
            raise foreign(path)
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    if number > SCHEMA_NUMBER:
        return number
    connection.execute("PRAGMA journal_mode = WAL").fetchone()
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}").fetchone()
    connection.execute(f"PRAGMA journal_size_limit = {WAL_KEPT_BYTES}").fetchone()
    if max_bytes is not None:
        connection.execute(f"PRAGMA max_page_count = {max(1, max_bytes // PAGE_BYTES)}").fetchone()
    if number < SCHEMA_NUMBER:
        _migrate(connection)
    return SCHEMA_NUMBER


def _identity(connection: sqlite3.Connection) -> tuple[int, int]:
    application: int = connection.execute("PRAGMA application_id").fetchone()[0]
    number: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return application, number


def _migrate(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        number = _identity(connection)[1]
        while number < SCHEMA_NUMBER:
            MIGRATIONS[number](connection)
            number += 1
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_NUMBER}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def read_head(connection: sqlite3.Connection, *, schema: int) -> Head:
    """Where the graph stands. Raises sqlite3.Error."""
    placed = read_placed(connection, schema=schema)
    row = connection.execute(
        "SELECT revision, at FROM arrivals WHERE number > (SELECT placed FROM meta) ORDER BY number DESC LIMIT 1"
    ).fetchone()
    return placed if row is None else Head(revision=row[0], at=row[1], epoch=placed.epoch, schema=schema)


def read_placed(connection: sqlite3.Connection, *, schema: int) -> Head:
    """Where the tables stand without what has arrived since. Raises sqlite3.Error."""
    epoch, revision, at = connection.execute(
        "SELECT epoch, coalesce(newest.revision, oldest), coalesce(newest.at, oldest_at) FROM meta"
        " LEFT JOIN (SELECT revision, at FROM log ORDER BY revision DESC LIMIT 1) AS newest"
    ).fetchone()
    return Head(revision=revision, at=at, epoch=epoch, schema=schema)
