"""Filed records as entities: read from the store by key and page, and shown only to those whom they concern."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from graph.change import Record, decode_entity
from graph.entity import Entity, Kind, kind_by_id
from graph.refusal import InvalidInput
from graph.store import RecordPage, StoreUnavailable
from resolvers.context import Context
from resolvers.problems import StoreAway

MOST_READ = 2_000
"""Records that are read for one page, however few of them it shows: a filter that none meets must not read them all."""


async def filed_entity(context: Context, entity_id: str) -> Entity | None:
    """A filed entity by its id, if the viewer may see it. Raises StoreAway."""
    kind = kind_by_id(entity_id)
    if kind is None:
        return None
    try:
        record = await context.services.ledger.store.record(kind.name, entity_id)
    except StoreUnavailable as problem:
        raise StoreAway(str(problem)) from problem
    return _shown(context, record) if record is not None else None


class FiledPage(NamedTuple):
    """A page of filed entities."""

    entities: list[Entity]
    more: bool
    end: str | None
    """The id to go on after; None when nothing was read."""


async def filed_page(
    context: Context,
    kind: Kind,
    *,
    subject_id: str | None,
    after_id: str | None,
    limit: int,
    tenant_id: str | None = None,
    holds: Callable[[Entity], bool] = lambda _: True,
) -> FiledPage:
    """Filed entities of a kind for which `holds` does, newest first, after an id. Raises StoreAway.

    What does not hold, and records whose tenant the viewer may read but whose subject it may not see, are left out and
    others read in their place, up to MOST_READ: then the page is short, and goes on where reading stopped.
    """
    tenants: Sequence[str | None] | None = context.view.record_tenants(kind.name)
    if tenant_id is not None:
        if tenants is not None and tenant_id not in tenants:
            return FiledPage([], False, None)
        tenants = [tenant_id]
    found: list[Entity] = []
    read = 0
    while True:
        page = RecordPage(
            collection=kind.name, tenant_ids=tenants, subject_id=subject_id, after_id=after_id, limit=limit + 1
        )
        try:
            records = await context.services.ledger.store.records(page)
        except StoreUnavailable as problem:
            raise StoreAway(str(problem)) from problem
        found.extend(one for record in records if (one := _shown(context, record)) is not None and holds(one))
        read += len(records)
        if len(found) > limit:
            return FiledPage(found[:limit], True, found[limit - 1].id if limit else None)
        if len(records) <= limit:
            return FiledPage(found, False, found[-1].id if found else None)
        after_id = records[-1].id
        if read >= MOST_READ:
            return FiledPage(found, True, after_id)


def _shown(context: Context, record: Record) -> Entity | None:
    return context.view.shown(decode_entity(record.collection, record.body))


def page_size(context: Context, first: Any, *, default: int = 50) -> int:
    """The size of a page of records. Raises InvalidInput."""
    if first is None or not isinstance(first, int):
        return default
    if not 0 <= first <= context.page_size_max:
        raise InvalidInput(
            f"first is {first}, a page has 0 to {context.page_size_max}", remedy="ask for smaller pages", path="first"
        )
    return first
