"""What the embedded store drops when it is old: commits beyond the log's bounds, filed records, expired values.

Each step is one short transaction, for commits wait behind it; the caller repeats it until there is nothing left to drop.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from graph.store import SCHEMA_NUMBER
from graph.stores.sqlite_schema import read_placed

ROWS_A_DELETION = 2_000
"""The most rows that one step drops."""
RECORDS_LOOKED_AT = 5_000
"""How many of a collection's first records a step looks at; where none of them is old, none behind them is."""
SUBJECT_ROWS_A_DELETION = 100
"""The most rows of one subject that a step drops: a decision may be megabytes."""


def compact_step(connection: sqlite3.Connection, *, keep_commits: int, keep_after: int) -> int:
    """Drops the oldest commits that are older than a time (UTC ms) or beyond the newest `keep_commits`; says how many.

    Raises sqlite3.Error.
    """
    oldest: int = connection.execute("SELECT oldest FROM meta").fetchone()[0]
    newest: int = read_placed(connection, schema=SCHEMA_NUMBER).revision
    to = max(newest - max(0, keep_commits), _newest_before(connection, oldest, newest, keep_after))
    to = min(to, oldest + ROWS_A_DELETION)
    if to <= oldest:
        return 0
    connection.execute("UPDATE meta SET oldest = ?1, oldest_at = (SELECT at FROM log WHERE revision = ?1)", (to,))
    connection.execute("DELETE FROM log WHERE revision <= ?", (to,))
    return to - oldest


def _newest_before(connection: sqlite3.Connection, oldest: int, newest: int, at: int) -> int:
    """The newest revision that is older than a time; times rise with revisions, so it is found by halving."""
    while oldest < newest:
        middle = (oldest + newest + 1) // 2
        found: int = connection.execute("SELECT at FROM log WHERE revision = ?", (middle,)).fetchone()[0]
        if found < at:
            oldest = middle
        else:
            newest = middle - 1
    return oldest


def prune_step(connection: sqlite3.Connection, collection: str, before: int) -> int:
    """Drops rows of a collection that are older than a time (UTC ms); says how many: 0 when there are no more.

    Records are looked at from the lowest id, which is the oldest. Raises sqlite3.Error.
    """
    if collection == "idempotency":
        statement = "DELETE FROM idempotency WHERE key IN (SELECT key FROM idempotency WHERE at < ? LIMIT ?)"
        values: tuple[str | int, ...] = (before, ROWS_A_DELETION)
    elif collection == "ephemeral":
        statement = "DELETE FROM ephemeral WHERE key IN (SELECT key FROM ephemeral WHERE expires_at < ? LIMIT ?)"
        values = (before, ROWS_A_DELETION)
    else:
        statement = (
            "DELETE FROM records WHERE (collection, id) IN (SELECT collection, id FROM"
            " (SELECT collection, id, at FROM records WHERE collection = ? ORDER BY id LIMIT ?) WHERE at < ? LIMIT ?)"
        )
        values = (collection, RECORDS_LOOKED_AT, before, ROWS_A_DELETION)
    return connection.execute(statement, values).rowcount


def subjects(connection: sqlite3.Connection, collection: str, after: str, limit: int) -> list[str]:
    """The subjects of a collection's records behind `after`, each found by one look into the index. Raises sqlite3.Error."""
    rows = connection.execute(
        "WITH RECURSIVE found (subject) AS ("
        " SELECT min(subject_id) FROM records WHERE collection = ?1 AND subject_id > ?2"
        " UNION ALL"
        " SELECT (SELECT min(subject_id) FROM records WHERE collection = ?1 AND subject_id > found.subject)"
        " FROM found WHERE found.subject IS NOT NULL LIMIT ?3"
        ") SELECT subject FROM found WHERE subject IS NOT NULL",
        (collection, after, max(0, limit)),
    )
    return [subject for (subject,) in rows]


def prune_subject_step(
    connection: sqlite3.Connection,
    collection: str,
    subject_id: str,
    *,
    newest: int,
    before_id: str | None,
    keep_ids: Sequence[str],
) -> int:
    """Drops records about a subject but for those that `Store.prune_subject` keeps; says how many: 0 when there are no
    more. Raises sqlite3.Error."""
    where = "collection = ?1 AND subject_id = ?2 AND id NOT IN (SELECT value FROM json_each(?3))"
    if before_id is not None:
        where += " AND id < ?4"
    if newest > 0:
        where += (
            " AND id < (SELECT id FROM records WHERE collection = ?1 AND subject_id = ?2"
            " ORDER BY id DESC LIMIT 1 OFFSET ?5)"
        )
    # Made of constants; every value is bound.
    statement = (
        "DELETE FROM records WHERE (collection, id) IN"  # noqa: S608
        f" (SELECT collection, id FROM records WHERE {where} LIMIT ?6)"
    )
    kept = msgspec.json.encode(list(keep_ids)).decode()
    values = (collection, subject_id, kept, before_id, newest - 1, SUBJECT_ROWS_A_DELETION)
    return connection.execute(statement, values).rowcount
