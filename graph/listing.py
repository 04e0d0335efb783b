"""Pages of entities: filtered, ordered, by keyset.

A page begins after a key, never at an offset, so that what is added or removed before it moves nothing. Orders that an index
holds (name, id) are walked from the key on and cost what the page costs, also where a filter leaves only some entries of
an index: those are kept in the order of names (`graph.name_orders`) and merged as they are walked. Any other order sorts
the candidates, which is refused beyond `MAX_SORTED`, for its cost would be the whole graph's.
"""

from __future__ import annotations

import base64
import binascii
import enum
import typing
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from graph.conditions import EVERYTHING, Condition, Equals
from graph.entity import KINDS, Entity, without_none
from graph.name_walk import walk_by_name
from graph.refusal import InvalidInput, LimitExceeded
from graph.view import Reader

MAX_SORTED = 25_000


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
    after = _decode(request.after, reader.epoch, kind, terms, "after")
    before = _decode(request.before, reader.epoch, kind, terms, "before")
    walk = _walk(reader, kind, where, terms, after=after, before=before, backwards=backwards)
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
    for at, term in enumerate(terms):
        if term.field == "id":
            return tuple(terms[: at + 1])  # nothing is left to be ordered after it
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
            remedy=f"ask for 0 to {page_size_max}, and follow the cursor",
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
) -> Iterator[Entity]:
    """What satisfies the condition, from the cursor on."""
    fields = [term.field for term in terms]
    descending = terms[0].descending
    if fields == ["name", "id"] and KINDS[kind].named:
        # Ids of one name may go the other way than the names do.
        turned = terms[1].descending != descending
        low, high = (before, after) if descending else (after, before)
        found = walk_by_name(reader, kind, where, low=low, high=high, reverse=descending != backwards, turned=turned)
        return found if not turned else (one for one in found if not _beyond(one, terms, after, before))
    pool = where.candidates(reader, kind)
    ids = pool if pool is not None else reader.ids(kind)
    if fields == ["id"] or (fields == ["created_at", "id"] and terms[1].descending == descending):
        return _along(reader, kind, ids, where, terms, after, before, descending != backwards)
    if len(ids) > MAX_SORTED:
        raise LimitExceeded(
            f"ordering by {fields[0]} would sort {len(ids)} entities, the most is {MAX_SORTED}",
            remedy="filter by an indexed field, or order by NAME or CREATED_AT",
            path="orderBy",
        )
    asked = not (isinstance(where, Equals) and where.exact)
    chosen = [
        entity
        for one in ids
        if (entity := reader.get(one)) is not None and (not asked or (entity.SPEC.name == kind and where.holds(entity)))
    ]
    for term in reversed(terms):  # the sort is stable, also when it is reversed
        chosen.sort(key=_sort_key(term), reverse=term.descending)
    begin = 0 if after is None else _first(chosen, lambda one: _compare(_key(one, terms), after, terms) > 0)
    end = len(chosen) if before is None else _first(chosen, lambda one: _compare(_key(one, terms), before, terms) >= 0)
    chosen = chosen[begin:end]
    return reversed(chosen) if backwards else iter(chosen)


def _sort_key(term: Order) -> Callable[[Entity], tuple[Any, ...]]:
    """What sorts entities by a term with null last, in either direction."""
    field = term.field
    null, present = ((0,), 1) if term.descending else ((1,), 0)

    def key(entity: Entity) -> tuple[Any, ...]:
        value = _plain(getattr(entity, field))
        return null if value is None else (present, value)

    return key


def _first(entities: Sequence[Entity], beyond: Callable[[Entity], bool]) -> int:
    """The position of the first of ordered entities that is beyond a cursor."""
    return bisect_left(entities, True, key=beyond)


def _beyond(entity: Entity, terms: Sequence[Order], after: Key | None, before: Key | None) -> bool:
    own = _key(entity, terms)
    return (after is not None and _compare(own, after, terms) <= 0) or (
        before is not None and _compare(own, before, terms) >= 0
    )


def _along(
    reader: Reader,
    kind: str,
    ids: Sequence[str],
    where: Condition,
    terms: tuple[Order, ...],
    after: Key | None,
    before: Key | None,
    reverse: bool,
) -> Iterator[Entity]:
    """Walks ids that are in the order's ascending sense, from the cursor on."""
    descending = terms[0].descending
    low, high = (before, after) if descending else (after, before)
    begin = 0 if low is None else bisect_right(ids, low[-1])
    end = len(ids) if high is None else bisect_left(ids, high[-1])
    get, holds = reader.get, where.holds
    unfiltered = where is EVERYTHING
    for at in range(end - 1, begin - 1, -1) if reverse else range(begin, end):
        entity = get(ids[at])
        if entity is not None and (unfiltered or (entity.SPEC.name == kind and holds(entity))):
            yield entity


def _fits(kind: str, name: str, value: Any) -> bool:
    """Whether a cursor's value can be one of the field's: what cannot would be compared in vain."""
    field = KINDS[kind].fields[name]
    if value is None:
        return field.optional
    declared = without_none(field.type)
    while typing.get_origin(declared) is typing.Annotated:
        declared = declared.__origin__
    if isinstance(declared, type) and issubclass(declared, enum.Enum):
        return value in declared.__members__
    if declared is float:
        return type(value) in (int, float)
    return type(value) is declared


def encode_cursor(epoch: str, order: Sequence[Order], entity: Entity) -> str:
    """An opaque cursor: the graph's epoch, the order and the entity's key in it."""
    spec = [("-" if term.descending else "") + term.field for term in order]
    body = msgspec.json.encode([epoch, spec, _key(entity, order)])
    return base64.urlsafe_b64encode(body).decode().rstrip("=")


_cursor = msgspec.json.Decoder(tuple[str, list[str], list[str | int | float | bool | None]])


def _decode(cursor: str | None, epoch: str, kind: str, terms: Sequence[Order], path: str) -> Key | None:
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
    if not all(_fits(kind, term.field, value) for term, value in zip(terms, key, strict=True)):
        raise InvalidInput("this is no cursor of this API", remedy=remedy, path=path)
    return tuple(key)
