"""Pages of entities: filtered, ordered, by keyset.

A page begins after a key, never at an offset, so that what is added or removed before it moves nothing. Orders that an index
holds (name, id) are walked from the key on and cost what the page costs; any other order sorts the candidates, which is
refused beyond `MAX_SORTED`, for its cost would be the whole graph's.
"""

from __future__ import annotations

import base64
import binascii
import heapq
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import cmp_to_key
from typing import Any

import msgspec

from graph.conditions import EVERYTHING, Condition, Equals
from graph.entity import KINDS, Entity, Named
from graph.refusal import InvalidInput, LimitExceeded
from graph.view import Reader

MAX_SORTED = 25_000
_SORT_SHORT = 2_048
"""Candidates up to which sorting them beats walking the whole kind in order."""


class Order(msgspec.Struct, frozen=True):
    """One term of an order: a field, ascending unless `descending`. Null comes last in either direction."""

    field: str
    descending: bool = False


class PageRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Which page: the first after a cursor, or the last before one."""

    first: int | None = None
    after: str | None = None
    last: int | None = None
    before: str | None = None


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A page of entities and what lies around it."""

    items: list[Entity]
    has_next: bool
    has_previous: bool
    order: tuple[Order, ...]
    epoch: str
    count: Callable[[], int]
    """Counts all that satisfy the filter; asked only when it is wanted."""

    def cursor(self, entity: Entity) -> str:
        """The cursor of one of the items."""
        return encode_cursor(self.epoch, self.order, entity)


def page_of(
    reader: Reader,
    kind: str,
    *,
    where: Condition = EVERYTHING,
    order: Sequence[Order] = (),
    request: PageRequest,
    page_size_max: int = 500,
    page_size_default: int = 50,
) -> Page:
    """A page of the entities of a kind that satisfy a condition.

    Without an order, named kinds go by name and others by id. Raises InvalidInput for a bad cursor or size,
    LimitExceeded when the order would sort too many.
    """
    terms = _complete(kind, order)
    backwards = request.last is not None
    size = _size(request, page_size_max=page_size_max, page_size_default=page_size_default)
    after = _decode(request.after, reader.epoch, terms, "after")
    before = _decode(request.before, reader.epoch, terms, "before")
    walk = _walk(reader, kind, where, terms, after=after, before=before, backwards=backwards, wanted=size + 1)
    items = []
    for entity in walk:
        items.append(entity)
        if len(items) > size:
            break
    more = len(items) > size
    items = items[:size]
    if backwards:
        items.reverse()
    return Page(
        items=items,
        has_next=before is not None if backwards else more,
        has_previous=more if backwards else after is not None,
        order=terms,
        epoch=reader.epoch,
        count=lambda: count_of(reader, kind, where=where),
    )


def count_of(reader: Reader, kind: str, *, where: Condition = EVERYTHING) -> int:
    """How many entities of a kind satisfy a condition."""
    if where is EVERYTHING:
        return reader.count(kind)
    ids = where.candidates(reader, kind)
    pool = reader.ids(kind) if ids is None else ids
    found = (reader.get(one) for one in pool)
    return sum(1 for one in found if one is not None and one.SPEC.name == kind and where.holds(one))


def matching(reader: Reader, kind: str, where: Condition) -> Iterator[Entity]:
    """All entities of a kind that satisfy a condition, by ascending id."""
    ids = where.candidates(reader, kind)
    for one in reader.ids(kind) if ids is None else ids:
        entity = reader.get(one)
        if entity is not None and entity.SPEC.name == kind and where.holds(entity):
            yield entity


def _complete(kind: str, order: Sequence[Order]) -> tuple[Order, ...]:
    terms = list(order) or ([Order("name")] if KINDS[kind].named else [])
    if not any(term.field == "id" for term in terms):
        terms.append(Order("id", terms[0].descending if len(terms) == 1 and terms[0].field == "created_at" else False))
    return tuple(terms)


def _size(request: PageRequest, *, page_size_max: int, page_size_default: int) -> int:
    if request.first is not None and request.last is not None:
        raise InvalidInput("give first or last, not both", remedy="leave one out", path="last")
    name, size = ("last", request.last) if request.last is not None else ("first", request.first)
    if size is None:
        return page_size_default
    if not 0 <= size <= page_size_max:
        raise InvalidInput(
            f"{name} is {size}, a page has 0 to {page_size_max}",
            remedy="ask for smaller pages and follow the cursor",
            path=name,
        )
    return size


Key = tuple[Any, ...]


def _key(entity: Entity, terms: Sequence[Order]) -> Key:
    return tuple(_plain(getattr(entity, term.field)) for term in terms)


def _plain(value: Any) -> Any:
    name = getattr(value, "name", None)
    return name if name is not None and hasattr(value, "value") else value


def _compare(one: Key, other: Key, terms: Sequence[Order]) -> int:
    for mine, theirs, term in zip(one, other, terms, strict=True):
        if mine == theirs:
            continue
        if mine is None:
            return 1
        if theirs is None:
            return -1
        less = mine < theirs
        return (1 if less else -1) if term.descending else (-1 if less else 1)
    return 0


def _walk(
    reader: Reader,
    kind: str,
    where: Condition,
    terms: tuple[Order, ...],
    *,
    after: Key | None,
    before: Key | None,
    backwards: bool,
    wanted: int,
) -> Iterator[Entity]:
    candidates = where.candidates(reader, kind)
    total = reader.count(kind)
    fields = [term.field for term in terms]
    descending = terms[0].descending
    by_name = fields == ["name", "id"] and terms[1].descending == descending and KINDS[kind].named
    by_id = fields[0] == "id" or fields == ["created_at", "id"]
    pool = candidates if candidates is not None else None
    if by_id and (pool is None or len(terms) == 1 or fields == ["created_at", "id"]):
        ids = pool if pool is not None else reader.ids(kind)
        yield from _along(reader, kind, ids, None, where, terms, after, before, descending != backwards)
        return
    if by_name and (pool is None or len(pool) > max(_SORT_SHORT, total // 8)):
        names = reader.ids_by_name(kind)
        yield from _along(reader, kind, names, _name_key(reader), where, terms, after, before, descending != backwards)
        return
    sorted_count = len(pool) if pool is not None else total
    if sorted_count > MAX_SORTED:
        raise LimitExceeded(
            f"ordering by {fields[0]} would sort {sorted_count} entities, the most is {MAX_SORTED}",
            remedy="filter by an indexed field, or order by NAME or CREATED_AT",
            path="orderBy",
        )
    get, holds = reader.get, where.holds
    asked = not (isinstance(where, Equals) and where.exact)
    if by_name:
        keys = sorted(
            (entity.name, one)
            for one in (pool if pool is not None else reader.ids(kind))
            if isinstance(entity := get(one), Named) and (not asked or (entity.SPEC.name == kind and holds(entity)))
        )
        names = [one for _, one in keys]
        key = dict(zip(names, keys, strict=True)).__getitem__
        yield from _along(reader, kind, names, key, EVERYTHING, terms, after, before, descending != backwards)
        return
    keyed = [
        (_key(entity, terms), entity)
        for one in (pool if pool is not None else reader.ids(kind))
        if (entity := get(one)) is not None and (not asked or (entity.SPEC.name == kind and holds(entity)))
    ]
    if after is not None:
        keyed = [one for one in keyed if _compare(one[0], after, terms) > 0]
    if before is not None:
        keyed = [one for one in keyed if _compare(one[0], before, terms) < 0]
    sign = -1 if backwards else 1

    def compare(one: tuple[Key, Entity], other: tuple[Key, Entity]) -> int:
        return sign * _compare(one[0], other[0], terms)

    chosen = heapq.nsmallest(wanted, keyed, key=cmp_to_key(compare))
    yield from (entity for _, entity in chosen)


def _name_key(reader: Reader) -> Callable[[str], tuple[str, str]]:
    def key(entity_id: str) -> tuple[str, str]:
        entity = reader.get(entity_id)
        assert isinstance(entity, Named)
        return entity.name, entity_id

    return key


def _along(
    reader: Reader,
    kind: str,
    ids: Sequence[str],
    key: Callable[[str], tuple[str, str]] | None,
    where: Condition,
    terms: tuple[Order, ...],
    after: Key | None,
    before: Key | None,
    reverse: bool,
) -> Iterator[Entity]:
    """Walks an index that is in the order's ascending sense, from the cursor on."""
    descending = terms[0].descending
    low, high = (before, after) if descending else (after, before)
    begin, end = 0, len(ids)
    if low is not None:
        begin = bisect_right(ids, _position(low, key), key=key) if key else bisect_right(ids, low[-1])
    if high is not None:
        end = bisect_left(ids, _position(high, key), key=key) if key else bisect_left(ids, high[-1])
    steps = range(end - 1, begin - 1, -1) if reverse else range(begin, end)
    get, holds = reader.get, where.holds
    unfiltered = where is EVERYTHING
    for at in steps:
        entity = get(ids[at])
        if entity is not None and (unfiltered or (entity.SPEC.name == kind and holds(entity))):
            yield entity


def _position(cursor: Key, key: Callable[[str], tuple[str, str]]) -> tuple[str, str]:
    return cursor[0], cursor[1]


def encode_cursor(epoch: str, order: Sequence[Order], entity: Entity) -> str:
    """An opaque cursor: the graph's epoch, the order and the entity's key in it."""
    spec = [("-" if term.descending else "") + term.field for term in order]
    body = msgspec.json.encode([epoch, spec, _key(entity, order)])
    return base64.urlsafe_b64encode(body).decode().rstrip("=")


_cursor = msgspec.json.Decoder(tuple[str, list[str], list[str | int | float | bool | None]])


def _decode(cursor: str | None, epoch: str, terms: Sequence[Order], path: str) -> Key | None:
    if cursor is None:
        return None
    remedy = "begin again without a cursor"
    try:
        made_in, spec, key = _cursor.decode(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (msgspec.DecodeError, binascii.Error, ValueError):
        raise InvalidInput("this is no cursor of this API", remedy=remedy, path=path) from None
    if made_in != epoch:
        raise InvalidInput("this cursor is from before the graph was restored", remedy=remedy, path=path)
    if spec != [("-" if term.descending else "") + term.field for term in terms] or len(key) != len(terms):
        raise InvalidInput("this cursor is of another order", remedy=remedy, path=path)
    if not isinstance(key[-1], str) or (terms[0].field == "name" and not isinstance(key[0], str)):
        raise InvalidInput("this is no cursor of this API", remedy=remedy, path=path)
    return tuple(key)
