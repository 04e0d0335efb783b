"""Filed records in the graph: `(:Record {collection, id, tenant_id, subject_id, at, body})`, written and read by page.

A page is read in the order of an index, whatever it asks for, so that a year of records costs no more than its first page.
Absent properties are in no index; a record of the installation therefore has the empty `tenant_id`, not none.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple

import msgspec

from graph.change import Record
from graph.store import RecordPage

MOST_RECORDS = 10_000
FIRST, LAST = "", "\uffff"
"""Texts between which all ids are."""
EARLIEST, LATEST = -(2**62), 2**62
"""Between which all times are, UTC milliseconds."""
MOST_TENANT_PAGES = 100
"""With more tenants than this in a page, the collection is read in order and filtered."""
ROWS_A_DELETION = 2_000

ONE = (
    "MATCH (n:Record {collection: $collection, id: $id})"
    " RETURN [n.id, n.tenant_id, n.subject_id, n.at, n.body] AS record"
)
PRUNE = {
    "idempotency": (
        "MATCH (n:Idempotency) WHERE n.at < $before WITH n LIMIT $size DELETE n RETURN count(*) AS removed"
    ),
    "ephemeral": (
        "MATCH (n:Ephemeral) WHERE n.expires_at < $before WITH n LIMIT $size DELETE n RETURN count(*) AS removed"
    ),
}
PRUNE_RECORDS = (
    "MATCH (n:Record) WHERE n.collection = $collection AND n.at < $before WITH n LIMIT $size"
    " DELETE n RETURN count(*) AS removed"
)
SUBJECT_ROWS_A_DELETION = 100
"""The most records of one subject that a statement drops: a decision may be megabytes."""
SUBJECTS = (
    "MATCH (n:Record) USING INDEX n:Record(collection, subject_id, id)"
    " WHERE n.collection = $collection AND n.subject_id > $after AND n.id >= ''"
    " WITH DISTINCT n.collection AS collection, n.subject_id AS subject ORDER BY collection, subject LIMIT $limit"
    " RETURN collect(subject) AS subjects"
)
PRUNE_SUBJECT = (
    "MATCH (n:Record) WHERE n.collection = $collection AND n.subject_id = $subject AND n.id >= ''"
    " WITH n ORDER BY n.collection DESC, n.subject_id DESC, n.id DESC SKIP $newest"
    " WITH n WHERE ($before_id IS NULL OR n.id < $before_id) AND NOT n.id IN $keep_ids"
    " WITH n LIMIT $size DELETE n RETURN count(*) AS removed"
)


class _Shape(NamedTuple):
    """What a statement asks of records, whatever the values; few, for the server plans each of them once."""

    ascending: bool = False
    subject: bool = False
    times: bool = False
    ids: bool = False
    but: bool = False
    tenants: str = "all"
    """`all`, `each` (by its index) or `among` (by filter)."""

    def found(self, *, ordered: bool) -> str:
        """The part that finds them, at most `$limit`, as `n`; in the order of an index where they are to be ordered."""
        keys = ["collection"]
        where = ["n.collection = $collection"]
        if self.tenants == "each":
            where.append("n.tenant_id = tenant")
            keys.append("tenant_id")
        if self.subject:
            where.append("n.subject_id = $subject")
            keys.append("subject_id")
        where.append("n.id > $above AND n.id < $below")
        if self.tenants == "among":
            where.append("n.tenant_id IN $tenants")
        if self.times:
            # Compared as expressions, so that no plan takes the index of times, which has another order.
            where.append("coalesce(n.at, 0) >= $since AND coalesce(n.at, 0) < $until")
        if self.ids:
            where.append("n.id IN $ids")
        if self.but:
            where.append("NOT n.id IN $but")
        order = self._order(*keys, "id") if ordered else ""
        found = f"MATCH (n:Record) WHERE {' AND '.join(where)} WITH n{order} LIMIT $limit"
        if self.tenants == "each":
            order = self._order("id") if ordered else ""
            found = f"UNWIND $tenants AS tenant CALL (tenant) {{ {found} RETURN n }} WITH n{order} LIMIT $limit"
        return found

    def _order(self, *keys: str) -> str:
        direction = "ASC" if self.ascending else "DESC"
        return f" ORDER BY {', '.join(f'n.{key} {direction}' for key in keys)}"


@lru_cache(maxsize=1024)
def page_text(shape: _Shape) -> str:
    """The statement that reads a page of this shape."""
    return f"{shape.found(ordered=True)} RETURN collect([n.id, n.tenant_id, n.subject_id, n.at, n.body]) AS page"


@lru_cache(maxsize=1024)
def count_text(shape: _Shape) -> str:
    """The statement that counts what a page of this shape would hold."""
    return f"{shape.found(ordered=False)} RETURN count(n) AS counted"


def shapes() -> list[_Shape]:
    """The shapes of pages that are read in the order of an index: those that name no ids."""
    either = (False, True)
    return [
        _Shape(ascending=ascending, subject=subject, times=times, tenants=tenants)
        for ascending, times in product(either, repeat=2)
        for subject, tenants in ((False, "all"), (False, "each"), (False, "among"), (True, "all"), (True, "among"))
    ]


def page_statement(page: RecordPage) -> tuple[str, dict[str, Any]]:
    """The statement that reads a page, and its parameters."""
    shape, parameters = _asked(page)
    return page_text(shape), parameters | {"limit": max(0, min(page.limit, MOST_RECORDS))}


def count_statement(page: RecordPage) -> tuple[str, dict[str, Any]]:
    """The statement that counts what a page would hold, and its parameters."""
    shape, parameters = _asked(page)
    return count_text(shape._replace(ascending=False)), parameters | {"limit": max(0, page.limit)}


def _asked(page: RecordPage) -> tuple[_Shape, dict[str, Any]]:
    tenants = "all"
    parameters: dict[str, Any] = {"collection": page.collection}
    if page.tenant_ids is not None:
        named = list(dict.fromkeys(one or "" for one in page.tenant_ids))
        tenants = "each" if page.subject_id is None and len(named) <= MOST_TENANT_PAGES else "among"
        parameters["tenants"] = named
    low, high = (page.after_id, page.before_id) if page.ascending else (page.before_id, page.after_id)
    parameters |= {"above": FIRST if low is None else low, "below": LAST if high is None else high}
    times = page.at_from is not None or page.at_until is not None
    if times:
        parameters["since"] = EARLIEST if page.at_from is None else page.at_from
        parameters["until"] = LATEST if page.at_until is None else page.at_until
    if page.subject_id is not None:
        parameters["subject"] = page.subject_id
    if page.ids is not None:
        parameters["ids"] = list(page.ids)
    if page.but_ids:
        parameters["but"] = list(page.but_ids)
    shape = _Shape(
        ascending=page.ascending,
        subject=page.subject_id is not None,
        times=times,
        ids=page.ids is not None,
        but=bool(page.but_ids),
        tenants=tenants,
    )
    return shape, parameters


def row_of(record: Record) -> dict[str, Any]:
    """A record as the properties of its node."""
    return {
        "collection": record.collection,
        "id": record.id,
        "tenant_id": record.tenant_id or "",
        "subject_id": record.subject_id,
        "at": record.at,
        "body": bytes(record.body).decode(),
    }


def record_of(collection: str, row: Sequence[Any]) -> Record:
    """The record that was read as [id, tenant, subject, at, body]."""
    key, tenant, subject, at, body = row
    return Record(
        collection=collection,
        id=key,
        tenant_id=tenant or None,
        subject_id=subject,
        at=at,
        body=msgspec.Raw(body.encode()),
    )
