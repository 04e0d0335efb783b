"""What the embedded store drops when it is old: commits beyond the log's bounds, filed records, expired values.

Each step is one short transaction, for commits wait behind it; the caller repeats it until there is nothing left to drop.
"""

from __future__ import annotations

import sqlite3

from graph.store import SCHEMA_NUMBER
from graph.stores.sqlite_schema import read_head

ROWS_A_DELETION = 2_000
"""The most rows that one step drops."""
RECORDS_LOOKED_AT = 5_000
"""How many of a collection's first records a step looks at; where none of them is old, none behind them is."""


def compact_step(connection: sqlite3.Connection, *, keep_commits: int, keep_after: int) -> int:
    """Drops the oldest commits that are older than a time (UTC ms) or beyond the newest `keep_commits`; says how many.

    Raises sqlite3.Error.
    """
    oldest: int = connection.execute("SELECT oldest FROM meta").fetchone()[0]
    newest: int = read_head(connection, schema=SCHEMA_NUMBER).revision
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
