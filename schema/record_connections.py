"""Connections of filed records: what the lists of live kinds have, as far as a store that is read by key can give it.

Filters, cursors and edges are those of every kind. Two things differ. The only order is that of the key: ids rise with the
time of making, so that by id and by time are one order, and the type has no other. And records are not counted without
bound: a total is exact, or says that it is not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

import strawberry

from graph.entity import Kind
from schema.connections import FIRST, LAST, PAGE_SIZE, Edge, PageInfo, connection_type, order_type
from schema.filters import filter_type
from schema.vocabulary import Member, resolver_field

UNSET = strawberry.UNSET
ORDER_NOTE = "Ids rise with the time of making: both are one order, that of the store's key."


class Counted(NamedTuple):
    """How many records there are, or with `exact` false at least are."""

    total: int
    exact: bool


class RecordConnection:
    """A page of records; its cursors are their ids. The total is counted when it is asked for, and once."""

    __slots__ = ("_count", "_counted", "_counting", "nodes", "page_info")

    def __init__(self, nodes: Sequence[Any], page_info: PageInfo, *, count: Callable[[], Awaitable[Counted]]) -> None:
        self.nodes = nodes
        self.page_info = page_info
        self._count = count
        self._counted: Counted | None = None
        self._counting = asyncio.Lock()

    @property
    def edges(self) -> list[Edge]:
        """The records with their cursors."""
        return [Edge(one.id, one) for one in self.nodes]

    async def counted(self) -> Counted:
        """All that satisfy the filter, as far as they are counted."""
        async with self._counting:
            if self._counted is None:
                self._counted = await self._count()
            return self._counted


async def _total(connection: RecordConnection, info: Any) -> int:
    return (await connection.counted()).total


async def _exact(connection: RecordConnection, info: Any) -> bool:
    return (await connection.counted()).exact


def record_connection(kind: Kind, *, time: str, counting: str) -> str:
    """The GraphQL name of the connection of a filed kind, made with its filter and its order.

    `time` is the field that says when a record was made; `counting` says how far totals are exact.
    """
    order_type(kind, fields=("id", time), note=ORDER_NOTE)
    counted: dict[str, Member] = {
        "total_count": (
            None,
            resolver_field(
                _total,
                returns="int",
                description=f"All that satisfy the filter. Counted only when selected. {counting}",
            ),
        ),
        "total_count_is_exact": (
            None,
            resolver_field(
                _exact,
                returns="bool",
                description="Whether `totalCount` is all of them; else there are at least so many.",
            ),
        ),
    }
    return connection_type(kind, counted=counted)


def record_arguments(kind: Kind) -> dict[str, tuple[str, Any, str]]:
    """The arguments of a connection of records."""
    return {
        "first": ("Optional[int]", PAGE_SIZE, FIRST),
        "after": ("Optional[str]", UNSET, "After this cursor."),
        "last": ("Optional[int]", UNSET, LAST),
        "before": ("Optional[str]", UNSET, "Before this cursor."),
        "filter": (f"Optional[{filter_type(kind)}]", UNSET, "Only these."),
        "order_by": (f"Optional[list[{order_type(kind)}]]", UNSET, "Newest first when not given."),
    }
