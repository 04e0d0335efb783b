"""Filed records in the graph: `(:Record {collection, id, tenant_id, subject_id, at, body})`, written and read by page.

A page is read in the order of an index, whatever it asks for, so that a year of records costs no more than its first page.
Absent properties are in no index; a record of the installation therefore has the empty `tenant_id`, not none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from graph.change import Record
from graph.store import RecordPage

MOST_RECORDS = 10_000
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


def _page(*, ascending: bool, after: bool, subject: bool, tenants: str) -> str:
    """The statement of one sort of page; `tenants` is `all`, `each` (by its index) or `among` (by filter)."""
    direction, bound = ("ASC", ">") if ascending else ("DESC", "<")
    keys = ["collection"]
    where = ["n.collection = $collection"]
    if tenants == "each":
        where.append("n.tenant_id = tenant")
        keys.append("tenant_id")
    if subject:
        where.append("n.subject_id = $subject")
        keys.append("subject_id")
    where.append(f"n.id {bound} $after" if after else "n.id >= ''")
    if tenants == "among":
        where.append("n.tenant_id IN $tenants")
    order = ", ".join(f"n.{key} {direction}" for key in [*keys, "id"])
    found = f"MATCH (n:Record) WHERE {' AND '.join(where)} WITH n ORDER BY {order} LIMIT $limit"
    if tenants == "each":
        found = (
            f"UNWIND $tenants AS tenant CALL (tenant) {{ {found} RETURN n }}"
            f" WITH n ORDER BY n.id {direction} LIMIT $limit"
        )
    return f"{found} RETURN collect([n.id, n.tenant_id, n.subject_id, n.at, n.body]) AS page"


_PAGES = {
    (ascending, after, subject, tenants): _page(ascending=ascending, after=after, subject=subject, tenants=tenants)
    for ascending in (False, True)
    for after in (False, True)
    for subject, tenants in ((False, "all"), (False, "each"), (False, "among"), (True, "all"), (True, "among"))
}


def page_statement(page: RecordPage) -> tuple[str, dict[str, Any]]:
    """The statement that reads a page, and its parameters."""
    tenants = "all"
    parameters: dict[str, Any] = {
        "collection": page.collection,
        "limit": max(0, min(page.limit, MOST_RECORDS)),
    }
    if page.tenant_ids is not None:
        named = list(dict.fromkeys(one or "" for one in page.tenant_ids))
        tenants = "each" if page.subject_id is None and len(named) <= MOST_TENANT_PAGES else "among"
        parameters["tenants"] = named
    if page.subject_id is not None:
        parameters["subject"] = page.subject_id
    if page.after_id is not None:
        parameters["after"] = page.after_id
    return _PAGES[page.ascending, page.after_id is not None, page.subject_id is not None, tenants], parameters


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
