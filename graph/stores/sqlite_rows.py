"""Rows in and rows out, many in one step.

Every step of a statement costs the interpreter's lock (see `sqlite_thread`), so a table's rows of a whole group are written
by one statement with many VALUES, and a page of rows is read as one JSON text that SQLite puts together.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

import msgspec

from graph.change import Commit, IdempotencyRecord, Record, decode_commit, encode_commit, encode_entity
from graph.entity import KINDS, Entity
from graph.filing import filing
from graph.store import Compacted, RecordPage, StoreProblem, WriteBatch

ROWS_A_STATEMENT = 64
MANY_ROWS = 256
LOG_PAGE_BYTES = 32 * 1024 * 1024
"""The most bytes of commits that are read at once; a page has at least one commit."""
MOST_RECORDS = 10_000
MOST_TENANT_PAGES = 64
"""For so many tenants a page is merged from one index scan each; for more the collection is scanned."""

_LOG = ("INSERT INTO log (revision, draft_id, at, body) VALUES ", 4, "")
_LIVE = ("INSERT INTO live (kind, id, body) VALUES ", 3, " ON CONFLICT DO UPDATE SET body = excluded.body")
_COUNTERS = (
    "INSERT INTO counters (name, value) VALUES ",
    2,
    " ON CONFLICT DO UPDATE SET value = max(value, excluded.value)",
)
_RECORDS = (
    "INSERT INTO records (collection, id, tenant_id, subject_id, at, body) VALUES ",
    6,
    " ON CONFLICT DO UPDATE SET tenant_id = excluded.tenant_id, subject_id = excluded.subject_id,"
    " at = excluded.at, body = excluded.body",
)
_IDEMPOTENCY = ("INSERT INTO idempotency (key, body_digest, result, revision, at) VALUES ", 5, "")
_PRIVATE = ("INSERT INTO private (key, value) VALUES ", 2, " ON CONFLICT DO UPDATE SET value = excluded.value")
_GONE_LIVE = ("DELETE FROM live WHERE (kind, id) IN (VALUES ", 2, ")")
_GONE_RECORDS = ("DELETE FROM records WHERE (collection, id) IN (VALUES ", 2, ")")
_GONE_PRIVATE = ("DELETE FROM private WHERE key IN (VALUES ", 1, ")")

_RecordRow = tuple[str, str | None, str | None, int, msgspec.Raw]
_record_rows = msgspec.json.Decoder(list[_RecordRow])
_raw_list = msgspec.json.Decoder(list[msgspec.Raw])


# Writing


def write_batch(connection: sqlite3.Connection, batch: WriteBatch) -> None:
    """Writes a batch within the transaction that the connection is in. Raises sqlite3.Error."""
    if batch.commits:
        bodies = batch.bodies or [encode_commit(one) for one in batch.commits]
        log = zip(batch.commits, bodies, strict=True)
        _put(connection, _LOG, [(one.revision, one.draft_id, one.at, body) for one, body in log])
        filed = filing(batch.commits)
        if filed.live:
            _put(connection, _LIVE, [(one.SPEC.name, key, encode_entity(one)) for key, one in filed.live.items()])
        if filed.gone:
            _put(connection, _GONE_LIVE, [(kind, key) for key, kind in filed.gone.items()])
        if filed.records_gone:
            _put(connection, _GONE_RECORDS, [(kind, key) for key, kind in filed.records_gone.items()])
        if filed.records:
            _put_records(connection, filed.records.values())
        counters = {name: value for one in batch.commits for name, value in one.counters.items()}
        if counters:
            _put(connection, _COUNTERS, list(counters.items()))
    if batch.records:
        _put_records(connection, batch.records)
    if batch.idempotency:
        _put(
            connection,
            _IDEMPOTENCY,
            [(one.key, one.body_digest, bytes(one.result), one.revision, one.at) for one in batch.idempotency],
        )
    if batch.private:
        kept = [(key, value) for key, value in batch.private.items() if value is not None]
        gone = [(key,) for key, value in batch.private.items() if value is None]
        if kept:
            _put(connection, _PRIVATE, kept)
        if gone:
            _put(connection, _GONE_PRIVATE, gone)


def _put_records(connection: sqlite3.Connection, records: Iterable[Record]) -> None:
    # Should an id come twice, ON CONFLICT sees the statement's own earlier rows as well: the later one stays.
    _put(
        connection,
        _RECORDS,
        [(one.collection, one.id, one.tenant_id, one.subject_id, one.at, bytes(one.body)) for one in records],
    )


def _put(connection: sqlite3.Connection, into: tuple[str, int, str], rows: Sequence[tuple[Any, ...]]) -> None:
    for part in _parts(rows):
        connection.execute(_statement(into, len(part)), tuple(chain.from_iterable(part)))


def _parts(rows: Sequence[tuple[Any, ...]]) -> Iterator[Sequence[tuple[Any, ...]]]:
    """Parts of few different lengths, so that the statements of all lengths stay compiled."""
    if 0 < len(rows) <= ROWS_A_STATEMENT:
        yield rows
        return
    at = 0
    while at < len(rows):
        left = len(rows) - at
        size = MANY_ROWS if left >= MANY_ROWS else min(left, ROWS_A_STATEMENT)
        yield rows[at : at + size]
        at += size


@lru_cache(maxsize=1024)
def _statement(into: tuple[str, int, str], rows: int) -> str:
    before, columns, after = into
    row = "(" + ",".join("?" * columns) + ")"
    return before + ",".join([row] * rows) + after


# Reading


def commits_after(connection: sqlite3.Connection, revision: int, limit: int) -> list[Commit]:
    """Commits after a revision, gapless and in order: at most `limit`, and at most 32 MiB of them unless one is larger.

    Raises Compacted when they are no longer kept, StoreProblem when the log is damaged.
    """
    body, oldest = connection.execute(
        "SELECT CAST('[' || group_concat(body) || ']' AS BLOB), (SELECT oldest FROM meta) FROM ("
        "  SELECT body FROM ("
        "    SELECT revision, body, sum(length(body)) OVER (ORDER BY revision) - length(body) AS earlier FROM ("
        "      SELECT revision, body FROM log WHERE revision > ? ORDER BY revision LIMIT ?"
        "    )"
        "  ) WHERE earlier = 0 OR earlier < ? ORDER BY revision"
        ")",
        (revision, limit, LOG_PAGE_BYTES),
    ).fetchone()
    if revision < oldest:
        raise Compacted(asked=revision, oldest=oldest)
    if body is None:
        return []
    try:
        commits = [decode_commit(bytes(one)) for one in _raw_list.decode(body)]
    except (msgspec.DecodeError, KeyError) as problem:
        raise StoreProblem(f"a commit after revision {revision} cannot be read: {problem}") from problem
    for expected, one in enumerate(commits, revision + 1):
        if one.revision != expected:
            raise StoreProblem(f"the log has no commit {expected}: it is damaged; restore a backup")
    return commits


def entities_after(
    connection: sqlite3.Connection, kind: str, after_id: str, limit: int
) -> tuple[Sequence[Entity], str | None]:
    """The next live entities of a kind by id, and the id to go on from, or None when these were the last."""
    body, count, last = connection.execute(
        "SELECT CAST('[' || group_concat(body) || ']' AS BLOB), count(*), max(id) FROM ("
        "  SELECT id, body FROM live WHERE kind = ? AND id > ? ORDER BY id LIMIT ?"
        ")",
        (kind, after_id, limit),
    ).fetchone()
    if not count:
        return (), None
    try:
        entities: list[Entity] = _list_decoder(kind).decode(body)
    except msgspec.DecodeError as problem:
        raise StoreProblem(
            f"one of the entities of kind {kind} from {after_id or 'the first'} to {last} cannot be read: {problem}"
        ) from problem
    return entities, last if count == limit else None


@lru_cache(maxsize=256)
def _list_decoder(kind: str) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(list[KINDS[kind].type])  # type: ignore[misc]  # the class is known at run time only


def idempotency(connection: sqlite3.Connection, keys: Sequence[str]) -> dict[str, IdempotencyRecord]:
    """What the keys made before, by key."""
    found: dict[str, IdempotencyRecord] = {}
    for key in keys:
        row = connection.execute(
            "SELECT body_digest, result, revision, at FROM idempotency WHERE key = ?", (key,)
        ).fetchone()
        if row is not None:
            found[key] = IdempotencyRecord(
                key=key, body_digest=row[0], result=msgspec.Raw(row[1]), revision=row[2], at=row[3]
            )
    return found


def done_before(connection: sqlite3.Connection, draft_ids: Sequence[str]) -> dict[str, int]:
    """Revisions of those drafts that are in the log."""
    found: dict[str, int] = {}
    for part in _parts([(one,) for one in draft_ids]):
        statement = _statement(("SELECT draft_id, revision FROM log WHERE draft_id IN (VALUES ", 1, ")"), len(part))
        found.update(connection.execute(statement, tuple(chain.from_iterable(part))).fetchall())
    return found


def counters(connection: sqlite3.Connection) -> dict[str, int]:
    """All high-water marks."""
    (body,) = connection.execute("SELECT json_group_object(name, value) FROM counters").fetchone()
    return msgspec.json.decode(body, type=dict[str, int])


_ROW = "json_quote(id) || ',' || json_quote(tenant_id) || ',' || json_quote(subject_id) || ',' || at || ',' || body"


def records(connection: sqlite3.Connection, page: RecordPage) -> list[Record]:
    """A page of filed records."""
    if page.tenant_ids is not None and not page.tenant_ids:
        return []
    limit = max(0, min(page.limit, MOST_RECORDS))
    where, values = _asked(page)
    tenants = None if page.tenant_ids is None else list(dict.fromkeys(page.tenant_ids))
    parts: list[str]
    arguments: list[Any]
    tail = f" ORDER BY id {'ASC' if page.ascending else 'DESC'} LIMIT {limit}"
    chosen = "SELECT id, tenant_id, subject_id, at, body FROM records WHERE "
    if tenants is not None and page.subject_id is None and len(tenants) <= MOST_TENANT_PAGES:
        each = chosen + " AND ".join([*where, "tenant_id IS ?"]) + tail
        parts = [each] * len(tenants)
        arguments = list(chain.from_iterable([*values, tenant] for tenant in tenants))
    else:
        parts = [chosen + " AND ".join([*where, *_among(tenants, values)]) + tail]
        arguments = values
    # The statement is made of constants and of question marks; every value is bound.
    merged = " UNION ALL ".join(f"SELECT * FROM ({one})" for one in parts)  # noqa: S608
    statement = (
        f"SELECT CAST('[' || group_concat('[' || {_ROW} || ']') || ']' AS BLOB) FROM ("  # noqa: S608
        f"SELECT * FROM ({merged}){tail})"
    )
    (body,) = connection.execute(statement, arguments).fetchone()
    if body is None:
        return []
    return [
        Record(collection=page.collection, id=key, tenant_id=tenant, subject_id=subject, at=at, body=raw)
        for key, tenant, subject, at, raw in _record_rows.decode(body)
    ]


def count_records(connection: sqlite3.Connection, page: RecordPage) -> int:
    """How many filed records a page would hold, up to its limit; without times none of them is read, only an index."""
    if page.tenant_ids is not None and not page.tenant_ids:
        return 0
    where, values = _asked(page)
    where += _among(page.tenant_ids, values)
    # As above: constants and question marks.
    statement = f"SELECT count(*) FROM (SELECT 1 FROM records WHERE {' AND '.join(where)} LIMIT ?)"  # noqa: S608
    (counted,) = connection.execute(statement, (*values, max(0, page.limit))).fetchone()
    return int(counted)


def _asked(page: RecordPage) -> tuple[list[str], list[Any]]:
    """What a page asks of a row but for its tenant, and the values of its question marks."""
    where = ["collection = ?"]
    values: list[Any] = [page.collection]
    low, high = (page.after_id, page.before_id) if page.ascending else (page.before_id, page.after_id)
    for text, value in (
        ("id > ?", low),
        ("id < ?", high),
        ("subject_id = ?", page.subject_id),
        ("at >= ?", page.at_from),
        ("at < ?", page.at_until),
        ("id IN (SELECT value FROM json_each(?))", _listed(page.ids)),
        ("id NOT IN (SELECT value FROM json_each(?))", _listed(page.but_ids or None)),
    ):
        if value is not None:
            where.append(text)
            values.append(value)
    return where, values


def _among(tenants: Sequence[str | None] | None, values: list[Any]) -> list[str]:
    """What is asked of a row's tenant; its value is added to the others'."""
    if tenants is None:
        return []
    named = [one for one in dict.fromkeys(tenants) if one is not None]
    either = ["tenant_id IS NULL"] if None in tenants else []
    if named:
        either.append("tenant_id IN (SELECT value FROM json_each(?))")
        values.append(_listed(named))
    return ["(" + " OR ".join(either) + ")"]


def _listed(values: Sequence[str] | None) -> str | None:
    return None if values is None else msgspec.json.encode(list(values)).decode()


def record(connection: sqlite3.Connection, collection: str, record_id: str) -> Record | None:
    """One filed record."""
    row = connection.execute(
        "SELECT tenant_id, subject_id, at, body FROM records WHERE collection = ? AND id = ?", (collection, record_id)
    ).fetchone()
    if row is None:
        return None
    return Record(
        collection=collection, id=record_id, tenant_id=row[0], subject_id=row[1], at=row[2], body=msgspec.Raw(row[3])
    )


def private(connection: sqlite3.Connection, key: str) -> bytes | None:
    """A value kept outside the log."""
    row = connection.execute("SELECT value FROM private WHERE key = ?", (key,)).fetchone()
    return None if row is None else row[0]
