"""Walks in the order of names: over the entries of indexes that a condition narrows to, merged, from a cursor on.

What is kept in this order (the kinds themselves, and the entries that were asked for: `graph.name_orders`) is not copied
nor looked at as a whole: a page costs what is walked for it.
"""

from __future__ import annotations

import heapq
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any

from graph.conditions import EVERYTHING, Condition, narrowing_of
from graph.entity import Entity
from graph.view import Reader

SORT_SHORT = 2_048
"""Candidates that no index has in order are sorted up to so many; beyond, the whole kind is walked in order."""

Position = tuple[Any, ...]
"""A name and an id."""
Run = tuple[Sequence[str], int, int]
"""Ids in the order of names, of which those from one position up to another are meant."""
NameKey = Callable[[str], tuple[str, str]]
Get = Callable[[str], Entity | None]


def walk_by_name(
    reader: Reader,
    kind: str,
    where: Condition,
    *,
    low: Position | None,
    high: Position | None,
    reverse: bool,
    turned: bool,
) -> Iterator[Entity]:
    """The entities of a named kind that satisfy a condition, between two positions, by name and id, ascending or reversed.

    With `turned` the ids of one name go the other way than the names do, and those of the positions' own names are among
    what is given.
    """
    key = _name_key(reader)
    runs, rest = _runs(reader, kind, where, key)
    parts = [part for run in runs if (part := _between(run, low, high, key, whole_names=turned))[1] < part[2]]
    found = _each_of(parts[0], reader.get, reverse) if len(parts) == 1 else _merged(parts, reader.get, reverse)
    if turned:
        found = (one for _, same in groupby(found, key=_name) for one in reversed(list(same)))
    return found if rest is EVERYTHING else filter(rest.holds, found)


def _each_of(run: Run, get: Get, reverse: bool) -> Iterator[Entity]:
    ids, begin, end = run
    for at in range(end - 1, begin - 1, -1) if reverse else range(begin, end):
        entity = get(ids[at])
        if entity is not None:
            yield entity


def _merged(runs: Sequence[Run], get: Get, reverse: bool) -> Iterator[Entity]:
    """Several runs as one in the order of names, each entity once."""
    # The run's number decides between two that have the same entity: entities are not compared.
    keyed = [
        ((_name(entity), entity.id, number, entity) for entity in _each_of(run, get, reverse))
        for number, run in enumerate(runs)
    ]
    last = ""
    for _, entity_id, _, entity in heapq.merge(*keyed, reverse=reverse):
        if entity_id != last:
            last = entity_id
            yield entity


def _name(entity: Entity) -> str:
    name: str = entity.name  # type: ignore[attr-defined]  # only named kinds are walked by name
    return name


def _runs(reader: Reader, kind: str, where: Condition, key: NameKey) -> tuple[list[Run], Condition]:
    """Where to walk for what satisfies a condition, and what must be asked of each there."""
    narrowing = narrowing_of(where, reader, kind)
    if narrowing is not None:
        names = reader.ids_by_name(kind)
        runs = [(ids, 0, len(ids)) for ids in _entries_by_name(reader, kind, narrowing.entries, key)]
        return [*runs, *((names, begin, end) for begin, end in narrowing.stretches)], narrowing.rest
    pool = where.candidates(reader, kind)
    if pool is None or len(pool) > max(SORT_SHORT, reader.count(kind) // 8):
        names = reader.ids_by_name(kind)
    else:
        names = sorted((one for one in pool if _is_of(reader.get(one), kind)), key=key)
    return [(names, 0, len(names))], where


def _entries_by_name(
    reader: Reader, kind: str, entries: Sequence[tuple[str, str]], key: NameKey
) -> Sequence[Sequence[str]]:
    """Entries of an index in the order of names: kept so by readers that can, ordered now for the others."""
    kept: Callable[[str, Sequence[tuple[str, str]]], list[Sequence[str]]] | None = getattr(
        reader, "entries_by_name", None
    )
    if kept is None:
        return [sorted(reader.ids(kind, field, value), key=key) for field, value in entries]
    return kept(kind, entries)


def _is_of(entity: Entity | None, kind: str) -> bool:
    return entity is not None and entity.SPEC.name == kind


def _between(run: Run, low: Position | None, high: Position | None, key: NameKey, *, whole_names: bool) -> Run:
    """The part of a run between two positions, both left out; with `whole_names` all of the positions' names are in it."""
    ids, begin, end = run
    if whole_names:
        begin = begin if low is None else bisect_left(ids, (low[0], ""), begin, end, key=key)
        # No id is an infinite text, but none begins with the last character of Unicode.
        end = end if high is None else bisect_left(ids, (high[0], chr(sys.maxunicode)), begin, end, key=key)
    else:
        begin = begin if low is None else bisect_right(ids, (low[0], low[1]), begin, end, key=key)
        end = end if high is None else bisect_left(ids, (high[0], high[1]), begin, end, key=key)
    return ids, begin, end


def _name_key(reader: Reader) -> NameKey:
    get = reader.get
    return lambda entity_id: (get(entity_id).name, entity_id)  # type: ignore[union-attr]  # of a named kind, and there
