"""Cursor connections: a page of entities with its cursors, and a total that is counted only when it is selected."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import strawberry

from graph.conditions import EVERYTHING, All, Condition
from graph.entity import HIDDEN, Kind, without_none
from graph.listing import Order, Page, PageRequest, page_of
from graph.refusal import InvalidInput
from schema.context import ReadContext
from schema.filters import condition_of, filter_type
from schema.vocabulary import NAMES, Member, described_enum, input_type, member_docs, object_type, peel, resolver_field

UNSET = strawberry.UNSET


class DefaultSize(int):
    """A size that nobody asked for: told from the same number by its type, so that `first` and `last` together are seen."""


PAGE_SIZE = DefaultSize(50)
"""A page that is not asked to be of another size."""
FIRST = "The first so many. Not together with `last`."
LAST = "The last so many. Not together with `first`."
INDEXED_ORDERS = "NAME, ID and CREATED_AT are indexed and hold at any size."


LONGEST_CURSOR = 100


def id_cursor(prefix: str, cursor: str | None, *, path: str = "after") -> str | None:
    """The cursor of a list that goes by ids of such a prefix. Raises InvalidInput for what none of its pages has given."""
    if cursor is None:
        return None
    if not (cursor.startswith(f"{prefix}_") and cursor.isascii() and len(cursor) <= LONGEST_CURSOR):
        raise InvalidInput("this is no cursor of this list", remedy="begin again without a cursor", path=path)
    return cursor


class Direction(enum.Enum):
    """The direction of an order."""

    ASC = "ASC"
    """The least first."""
    DESC = "DESC"
    """The greatest first."""


class Edge(msgspec.Struct, frozen=True):
    """An entity in a page, with the cursor to go on from it."""

    cursor: str
    node: Any


class PageInfo(msgspec.Struct, frozen=True):
    """What lies around a page."""

    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


class Connection:
    """A page as the schema shows it; edges, cursors and the count are made when they are asked for."""

    __slots__ = ("_page",)

    def __init__(self, page: Page) -> None:
        self._page = page

    @property
    def nodes(self) -> list[Any]:
        """The entities of the page."""
        return list(self._page.items)

    @property
    def edges(self) -> list[Edge]:
        """The entities with their cursors."""
        return [Edge(self._page.cursor(one), one) for one in self._page.items]

    @property
    def page_info(self) -> PageInfo:
        """What lies around the page."""
        page = self._page
        return PageInfo(
            page.has_next,
            page.has_previous,
            page.cursor(page.items[0]) if page.items else None,
            page.cursor(page.items[-1]) if page.items else None,
        )

    @property
    def total_count(self) -> int:
        """All that satisfy the filter, counted now."""
        return self._page.count()


def page_info_type() -> None:
    """Defines what lies around a page, at its first use."""
    if "PageInfo" in NAMES:
        return
    members = {
        "has_next_page": ("bool", strawberry.field(description="Whether there is more after it.")),
        "has_previous_page": ("bool", strawberry.field(description="Whether there is more before it.")),
        "start_cursor": (
            "Optional[str]",
            strawberry.field(description="The first entity's cursor; null on an empty page."),
        ),
        "end_cursor": ("Optional[str]", strawberry.field(description="The last entity's cursor: give it as `after`.")),
    }
    object_type("PageInfo", members, description="What lies around a page (Relay cursor connections).")
    described_enum(
        Direction, description="The direction of an order; null comes last in both.", members=member_docs(Direction)
    )


COUNTED: dict[str, Member] = {
    "total_count": ("int", strawberry.field(description="All that satisfy the filter. Counted only when selected."))
}


def connection_type(kind: Kind, *, counted: Mapping[str, Member] = COUNTED) -> str:
    """The GraphQL name of a kind's connection, derived at its first use; `counted` is how it tells its total."""
    name = f"{kind.name}Connection"
    if name in NAMES:
        return name
    page_info_type()
    edge = {
        "cursor": ("str", strawberry.field(description="Give it as `after` or `before` to go on from here.")),
        "node": (kind.name, strawberry.field(description="The entity.")),
    }
    object_type(f"{kind.name}Edge", edge, description=f"{kind.one_first} in a page, with its cursor.")
    members = {
        "nodes": (f"list[{kind.name}]", strawberry.field(description="The entities of the page.")),
        "edges": (f"list[{kind.name}Edge]", strawberry.field(description="The entities with their cursors.")),
        "page_info": ("PageInfo", strawberry.field(description="What lies around the page.")),
        **counted,
    }
    object_type(name, members, description=f"A page of {kind.spoken}.")
    return name


def order_type(kind: Kind, *, fields: Sequence[str] | None = None, note: str = INDEXED_ORDERS) -> str:
    """The GraphQL name of a kind's order input, derived at its first use; by default any orderable field will do."""
    name = f"{kind.name}Order"
    if name in NAMES:
        return name
    page_info_type()
    names = {one.upper(): one for one in (fields if fields is not None else orderable(kind))}
    enum_name = f"{kind.name}OrderField"
    values = enum.Enum(enum_name, names)  # type: ignore[misc]  # the names are the kind's, known only at run time
    described_enum(
        values,
        description=f"What {kind.spoken} can be ordered by. {note}",
        members={key: kind.fields[field].description for key, field in names.items()},
    )
    members = {
        "field": (enum_name, strawberry.field(description="What to order by.")),
        "direction": ("Direction", strawberry.field(description="Default: ASC.", default=Direction.ASC)),
    }
    input_type(name, members, description=f"One term of an order of {kind.spoken}.")
    return name


def orderable(kind: Kind) -> list[str]:
    """Fields of a kind that have a natural order."""
    names = []
    for field in kind.fields.values():
        inner, _ = peel(without_none(peel(field.type)[0]))
        plain = inner in (str, int, float, bool) or (isinstance(inner, type) and issubclass(inner, enum.Enum))
        if plain and field.ref is None and HIDDEN not in field.marks:
            names.append(field.name)
    return names


def connection_arguments(kind: Kind) -> dict[str, tuple[str, Any, str]]:
    """The arguments of a connection field."""
    return {
        "first": ("Optional[int]", PAGE_SIZE, FIRST),
        "after": ("Optional[str]", UNSET, "After this cursor."),
        "last": ("Optional[int]", UNSET, LAST),
        "before": ("Optional[str]", UNSET, "Before this cursor."),
        "filter": (f"Optional[{filter_type(kind)}]", UNSET, "Only these."),
        "order_by": (f"Optional[list[{order_type(kind)}]]", UNSET, "By name, else by id, when not given."),
    }


def resolve_connection(
    context: ReadContext, kind: Kind, arguments: dict[str, Any], *, within: Condition | None = None
) -> Connection:
    """A page of a kind as the viewer sees it. Raises InvalidInput or LimitExceeded for bad arguments."""
    where = condition_of(kind, arguments.get("filter"), reader=context.view, work=context.work)
    if within is not None:
        where = within if where is EVERYTHING else All([within, where])
    order = [Order(term.field.value, term.direction is Direction.DESC) for term in _given(arguments, "order_by") or []]
    first, last = sizes_of(arguments)
    request = PageRequest(
        first=first,
        after=_given(arguments, "after"),
        last=last,
        before=_given(arguments, "before"),
    )
    return Connection(
        page_of(context.view, kind.name, where=where, order=order, request=request, page_size_max=context.page_size_max)
    )


def sizes_of(arguments: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """What `first` and `last` ask for; the default of `first` gives way. Raises InvalidInput when both are given."""
    first, last = _given(arguments, "first"), _given(arguments, "last")
    if last is None:
        return first, None
    if first is not None and not isinstance(first, DefaultSize):
        raise InvalidInput("give first or last, not both", remedy="leave one out", path="last")
    return None, last


def connection_field(kind: Kind, *, description: str, within: Any = None) -> Any:
    """A field that is a connection of a kind; `within(source)` gives the condition that relates it to its source."""

    def resolve(source: Any, info: Any, **arguments: Any) -> Connection:
        condition = within(source) if within is not None else None
        return resolve_connection(info.context, kind, arguments, within=condition)

    return resolver_field(
        resolve, returns=connection_type(kind), description=description, arguments=connection_arguments(kind)
    )


def _given(arguments: Mapping[str, Any], name: str) -> Any:
    value = arguments.get(name, UNSET)
    return None if value is UNSET else value
