"""Filed records as the API lists them: read from the store by key and page, shown only to those whom they concern.

The store narrows by what it has an index for; the rest of a filter, and whether the viewer sees a record at all, is asked of
each record that was read. So a page may be short: at most MOST_READ records are read for it, and it then goes on where
reading stopped, with a cursor of its own. What all lists of a request read comes out of its one budget. A list may have live
members besides (operations that run); they are taken before the first record is read, and a record of one of them is left
out, so that whatever ends meanwhile is in the list once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import strawberry

from access.permissions import Permission
from access.visibility import held_everywhere
from graph.change import Record, decode_entity
from graph.conditions import All, Condition, Equals
from graph.entity import Entity, Kind, kind_by_id
from graph.kinds import Event, Operation
from graph.kinds.operations import ENDED
from graph.listing import matching
from graph.refusal import InvalidInput
from graph.store import RecordPage, Store, StoreUnavailable
from resolvers.context import Context
from resolvers.problems import StoreAway
from resolvers.record_filters import Narrowing, narrowing_of
from schema.connections import PAGE_SIZE, Direction, PageInfo, id_cursor, sizes_of
from schema.filters import condition_of
from schema.record_connections import Counted, RecordConnection
from schema.work import Work

UNSET = strawberry.UNSET
MOST_READ = 2_000
"""Records that are read for one page, however few of them it shows: a filter that none meets must not read them all."""
MOST_READ_TO_COUNT = 10_000
"""Records that are read to count those that a filter holds for, where the store alone cannot tell."""
MOST_COUNTED = 100_000
"""Records that the store counts; a total beyond it is given as this, and as not exact."""
READ_AT_ONCE = 250
"""Records that are read in one step where some will be left out: other requests are answered between the steps."""
WORK_A_RECORD = 40
"""What reading a record costs of the request's budget (`schema.work`), besides what its filter costs: some 20 us."""
COUNTED_FOR_ONE = 4
"""Records that the store counts for one of that budget."""
COUNTING = (
    f"Exact up to {MOST_COUNTED:,} where the filter asks for ids, a tenant, a subject or times alone (and of events for"
    f" administrators alone); else {MOST_READ_TO_COUNT:,} records are looked at, and there may be more."
)
"""How far totals are exact, for the schema."""
READING = (
    f"Newest first. At most {MOST_READ:,} records are looked at for a page: where a filter leaves few of them, a page may be"
    " short or empty and still have a next one, and its cursor goes on where looking stopped."
)
"""What a reader of pages must know, for the schema."""


async def filed_entity(context: Context, entity_id: str) -> Entity | None:
    """A filed entity by its id, if the viewer may see it. Raises StoreAway."""
    kind = kind_by_id(entity_id)
    if kind is None:
        return None
    with _away():
        record = await context.services.ledger.store.record(kind.name, entity_id)
    return context.view.shown(decode_entity(record.collection, record.body)) if record is not None else None


@dataclass(frozen=True, kw_only=True)
class RecordRequest:
    """Which page of a list of records: the first after a cursor, or the last before one."""

    size: int
    backwards: bool
    ascending: bool
    after: str | None
    before: str | None


def request_of(context: Context, prefix: str, arguments: dict[str, Any]) -> RecordRequest:
    """The page that a connection's arguments ask for. Raises InvalidInput."""
    first, last = sizes_of(arguments)
    name, size = ("last", last) if last is not None else ("first", first)
    if size is None:
        size = min(PAGE_SIZE, context.page_size_max)
    if not 0 <= size <= context.page_size_max:
        raise InvalidInput(
            f"{name} is {size}, a page has 0 to {context.page_size_max}",
            remedy=f"ask for 0 to {context.page_size_max}, and follow the cursor",
            path=name,
        )
    directions = {one.direction for one in _given(arguments, "order_by") or ()}
    if len(directions) > 1:
        raise InvalidInput(
            "filed records have one order, by time: it cannot go both ways", remedy="give one term", path="orderBy"
        )
    return RecordRequest(
        size=size,
        backwards=last is not None,
        ascending=directions == {Direction.ASC},
        after=id_cursor(prefix, _given(arguments, "after"), path="after"),
        before=id_cursor(prefix, _given(arguments, "before"), path="before"),
    )


def _given(arguments: dict[str, Any], name: str) -> Any:
    value = arguments.get(name, UNSET)
    return None if value is UNSET else value


@dataclass(frozen=True, kw_only=True)
class RecordList:
    """The records of one list as one viewer asks for them, whatever the page."""

    store: Store
    work: Work
    """What the request may still look at."""
    asked: RecordPage | None
    """What the store is asked for, newest first, its limit apart; None: none of its records can be in the list."""
    show: Callable[[Record], Any]
    """The record as the viewer sees it; None when it does not, or when the filter does not hold."""
    all_shown: bool
    """Whether every record that the store is asked for is shown: then the store may count them."""
    live: Sequence[Entity] = ()
    """Members of the list that are not filed yet, in any order."""

    async def page(self, request: RecordRequest) -> RecordConnection:
        """A page of the list. Raises StoreAway."""
        forwards = request.ascending != request.backwards
        low, high = (request.after, request.before) if request.ascending else (request.before, request.after)
        found = [one for one in self.live if (low is None or one.id > low) and (high is None or one.id < high)]
        filed, stopped = await self._walk(low, high, ascending=forwards, enough=request.size + 1)
        if stopped is not None:
            # Only what lies before the place where reading stopped is complete.
            found = [one for one in found if (one.id <= stopped if forwards else one.id >= stopped)]
        found = sorted([*found, *filed], key=lambda one: one.id, reverse=not forwards)
        more = stopped is not None or len(found) > request.size
        goes_on_at = stopped if len(found) <= request.size else None
        nodes = found[: request.size]
        if request.backwards:
            nodes.reverse()
        first, last = (nodes[0].id, nodes[-1].id) if nodes else (None, None)
        return RecordConnection(
            nodes,
            PageInfo(
                request.before is not None if request.backwards else more,
                more if request.backwards else request.after is not None,
                (goes_on_at or first) if request.backwards else first,
                last if request.backwards else (goes_on_at or last),
            ),
            count=self.count,
        )

    async def _walk(
        self, low: str | None, high: str | None, *, ascending: bool, enough: int
    ) -> tuple[list[Any], str | None]:
        """Shown records between two ids from one end, and the id where reading stopped before the other end."""
        if self.asked is None:
            return [], None
        low = max((one for one in (low, self.asked.before_id) if one is not None), default=None)
        high = min((one for one in (high, self.asked.after_id) if one is not None), default=None)
        position, end = (low, high) if ascending else (high, low)
        known = {one.id for one in self.live}
        found: list[Any] = []
        read, at_once = 0, enough
        while True:
            limit = min(at_once, MOST_READ - read)
            records = await self._records(
                self.asked, after_id=position, before_id=end, ascending=ascending, limit=limit
            )
            for record in records:
                one = self.show(record)
                if one is None or one.id in known:
                    continue
                found.append(one)
                if len(found) >= enough:
                    return found, None
            read += len(records)
            if len(records) < limit:
                return found, None
            position = records[-1].id
            if read >= MOST_READ:
                return found, position
            at_once = max(enough, min(at_once * 4, READ_AT_ONCE))

    async def count(self) -> Counted:
        """How many are in the list, all pages together. Raises StoreAway."""
        total = len(self.live)
        if self.asked is None:
            return Counted(total, True)
        known = [one.id for one in self.live]
        if self.all_shown:
            page = msgspec.structs.replace(self.asked, but_ids=known, limit=MOST_COUNTED + 1)
            with _away():
                filed = await self.store.count_records(page)
            self.work.spend(filed // COUNTED_FOR_ONE, path="filter")
            return Counted(total + min(filed, MOST_COUNTED), filed <= MOST_COUNTED)
        position, left = self.asked.after_id, MOST_READ_TO_COUNT
        while left > 0:
            limit = min(READ_AT_ONCE, left)
            records = await self._records(self.asked, after_id=position, limit=limit, but_ids=known)
            total += sum(self.show(one) is not None for one in records)
            if len(records) < limit:
                return Counted(total, True)
            position = records[-1].id
            left -= len(records)
        return Counted(total, False)

    async def _records(self, page: RecordPage, **changed: Any) -> Sequence[Record]:
        with _away():
            records = await self.store.records(msgspec.structs.replace(page, **changed))
        self.work.spend(len(records) * WORK_A_RECORD, path="filter")
        return records


@contextlib.contextmanager
def _away() -> Iterator[None]:
    try:
        yield
    except StoreUnavailable as problem:
        raise StoreAway(str(problem)) from problem


@dataclass(frozen=True, kw_only=True)
class Filed:
    """A sort of filed records: where they are, and who is shown which of them."""

    kind: Kind
    """What filters and cursors know of them."""
    collection: str
    subject: str | None
    """The field that the store keeps as the subject."""
    time: str
    """The field that says when one was made."""
    tenants: Callable[[Context], Sequence[str | None] | None]
    """Whose records the viewer may read, as `RecordPage.tenant_ids`."""
    show: Callable[[Context, Record], Any]
    """A record as the viewer sees it, or None."""
    all_shown: Callable[[Context], bool]
    """Whether the viewer sees all records of those tenants."""

    def list_of(self, context: Context, arguments: dict[str, Any], *, within: Narrowing | None = None) -> RecordList:
        """The list that a connection's arguments ask for, within what the field belongs to.

        Raises InvalidInput or LimitExceeded for a bad filter.
        """
        wanted = _given(arguments, "filter")
        condition = condition_of(self.kind, wanted, reader=context.view, work=context.work)
        narrowing = narrowing_of(wanted, subject=self.subject, time=self.time)
        if within is not None:
            narrowing = narrowing.both(within)
        asked, whole = self._asked(narrowing, self.tenants(context))

        def show(record: Record) -> Any:
            shown = self.show(context, record)
            return shown if shown is not None and (whole or condition.holds(shown)) else None

        return RecordList(
            store=context.services.ledger.store,
            work=context.work,
            asked=asked,
            show=show,
            all_shown=whole and self.all_shown(context),
            live=self._live(context, condition, narrowing),
        )

    def _asked(self, narrowing: Narrowing, tenants: Sequence[str | None] | None) -> tuple[RecordPage | None, bool]:
        """What to ask the store for, None for nothing, and whether that is all that is asked of a record."""
        if narrowing.tenants is not None:
            tenants = [one for one in narrowing.tenants if tenants is None or one in tenants]
        running = self.kind is Operation.SPEC and narrowing.statuses is not None and not narrowing.statuses & ENDED
        if narrowing.nothing or running or (tenants is not None and not tenants):
            return None, True
        subjects = narrowing.subjects or frozenset()
        low, high = narrowing.id_bounds(self.kind.prefix)
        page = RecordPage(
            collection=self.collection,
            tenant_ids=tenants,
            subject_id=next(iter(subjects)) if len(subjects) == 1 else None,
            after_id=high,
            before_id=low,
            at_from=narrowing.at_from,
            at_until=narrowing.at_until,
            ids=sorted(narrowing.ids) if narrowing.ids is not None else None,
        )
        return page, narrowing.whole and len(subjects) < 2

    def _live(self, context: Context, condition: Condition, narrowing: Narrowing) -> Sequence[Entity]:
        if self.kind.filed or narrowing.nothing:
            return ()
        parts = [condition]
        for name, values in ((self.subject, narrowing.subjects), ("tenant_id", narrowing.tenants)):
            if name is not None and values is not None:
                parts.append(Equals(name, list(values), indexed=True))
        return list(matching(context.view, self.kind.name, All(parts)))


def filed_kind(cls: type[Entity], *, subject: str) -> Filed:
    """The records of a kind, shown as the view shows entities of it."""
    kind = cls.SPEC
    return Filed(
        kind=kind,
        collection=kind.name,
        subject=subject,
        time="created_at",
        tenants=lambda context: context.view.record_tenants(kind.name),
        show=lambda context, record: context.view.shown(decode_entity(record.collection, record.body)),
        all_shown=lambda context: cls is not Event or _holds_everything(context),
    )


def _holds_everything(context: Context) -> bool:
    """An event is seen with what it happened to, asked one by one; from an administrator nothing is hidden."""
    return held_everywhere(context.viewer.permission_key) == frozenset(Permission)
