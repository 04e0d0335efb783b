"""A unit on a few of its candidates, before the other units are known: what a search may open and what it must keep.

A layout is made once for a shortlist of candidates. What the other units mean for it changes with every choice of theirs,
and is folded into it by placement/solve/coupling.py, which copies nothing that stayed the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from placement.arrays import Floats, Ints, Mask
from placement.compiled import Numbers, Row, Small, kernel
from placement.solve.entries import parts_of
from placement.solve.ground import NO_LIMIT
from placement.solve.model import Domains, Group, Unit

HELD, ELSEWHERE = -2, -1
"""In `Layout.column_of`: a fixed candidate, and one that is no column."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Clients of a unit: rows of a matrix whose columns are the unit's candidates."""

    matrix: csr_array
    rows: Ints
    tier: int


class Demand(NamedTuple):
    """Rows of clients on the columns of a layout; see the fields of `Ground`."""

    start: Numbers
    column: Small
    cost: Row
    floor: Row
    tier: Numbers
    first: Row
    second: Row


class Sums(NamedTuple):
    """What the open columns must add up to, one row for each sum; see the fields of `Ground`."""

    amounts: Floats
    low: Floats
    high: Floats
    weight: Floats


class Spreads(NamedTuple):
    """Domains of the columns; see the fields of `Ground`."""

    domain: Ints
    inside: Ints
    inside_at: Ints
    least: Ints
    most: Ints
    each: Ints


@dataclass(frozen=True, slots=True)
class Layout:
    """A unit on its columns."""

    unit: Unit
    columns: Ints
    """(columns,) ascending: candidates of the unit."""
    fixed: Ints
    """Candidates that are open in every choice, ascending."""
    column_of: Small
    """(candidates,): which column it is, or `HELD`, or `ELSEWHERE`."""
    sums: Sums
    """Without budgets, which are shared with other units."""
    spreads: Spreads
    own: Demand
    """The unit's own clients."""
    weights: Floats

    def demand(self, rows: Rows) -> Demand:
        """Clients on the columns."""
        return _demand(*parts_of(rows.matrix), rows.rows, self.column_of, rows.tier)

    def candidates(self, open: Ints) -> Ints:
        """The open candidates of the unit, ascending, from the open columns."""
        chosen = self.columns[open]
        return np.sort(np.concatenate((self.fixed, chosen))) if len(self.fixed) else chosen

    def open_columns(self, candidates: Ints) -> Ints:
        """The columns of those candidates that are one, ascending."""
        found = self.column_of[candidates].astype(np.int64)
        return found[found >= 0]


def mandatory(unit: Unit, groups: Sequence[Group]) -> Mask:
    """(candidates,): those that every choice opens, for some group asks for all its members."""
    found = np.zeros(unit.count, dtype=bool)
    if unit.min_open >= unit.count:
        found[:] = True
    for group in groups:
        if group.at_least and group.at_least >= len(group.members):
            found[group.members] = True
    return found


def layout(unit: Unit, columns: Ints, *, groups: Sequence[Group], fixed: Mask, weights: Floats) -> Layout:
    """The unit on these columns (ascending); those that are fixed are left out of them."""
    held = np.flatnonzero(fixed)
    if len(held):
        columns = columns[~fixed[columns]]
    column_of = np.full(unit.count, ELSEWHERE, dtype=np.int32)
    column_of[held] = HELD
    column_of[columns] = np.arange(len(columns))
    if unit.clients is None:
        own = _NO_DEMAND
    else:
        matrix = unit.clients.cost
        rows = Rows(matrix, np.arange(matrix.shape[0]), unit.clients.tier)
        own = _demand(*parts_of(rows.matrix), rows.rows, column_of, rows.tier)
    return Layout(
        unit=unit,
        columns=columns,
        fixed=held,
        column_of=column_of,
        sums=_sums(unit, columns, held, groups),
        spreads=_spreads(unit.domains, columns, held),
        own=own,
        weights=weights,
    )


def joined(parts: Sequence[Demand]) -> Demand:
    """The rows of all, one after the other."""
    parts = [one for one in parts if len(one.tier)]
    if not parts:
        return _NO_DEMAND
    if len(parts) == 1:
        return parts[0]
    entries = np.cumsum([0] + [len(one.cost) for one in parts])
    starts = [one.start[1:] + at for one, at in zip(parts, entries.tolist(), strict=False)]
    return Demand(
        start=np.concatenate([entries[:1], *starts]),
        column=np.concatenate([one.column for one in parts]),
        cost=np.concatenate([one.cost for one in parts]),
        floor=np.concatenate([one.floor for one in parts]),
        tier=np.concatenate([one.tier for one in parts]),
        first=np.concatenate([one.first for one in parts]),
        second=np.concatenate([one.second for one in parts]),
    )


_NO_DEMAND = Demand(
    start=np.zeros(1, dtype=np.int64),
    column=np.empty(0, dtype=np.int32),
    cost=np.empty(0),
    floor=np.empty(0),
    tier=np.empty(0, dtype=np.int64),
    first=np.empty(0),
    second=np.empty(0),
)


@kernel
def _demand(indptr: Numbers, indices: Small, data: Row, rows: Numbers, column_of: Small, tier: int) -> Demand:
    """These rows of a matrix on the columns of a layout."""
    count, size = len(rows), 0
    for row in rows:
        size += indptr[row + 1] - indptr[row]
    start = np.zeros(count + 1, dtype=np.int64)
    column, cost = np.empty(size, dtype=np.int32), np.empty(size)
    floor, first, second = np.full(count, np.inf), np.full(count, np.inf), np.full(count, np.inf)
    free = 0
    for client in range(count):
        for entry in range(indptr[rows[client]], indptr[rows[client] + 1]):
            at, price = column_of[indices[entry]], data[entry]
            if at >= 0:
                column[free], cost[free] = at, price
                free += 1
                floor[client] = min(floor[client], price)
            elif at == HELD:
                if price < first[client]:
                    first[client], second[client] = price, first[client]
                elif price < second[client]:
                    second[client] = price
        start[client + 1] = free
    tiers = np.full(count, tier, dtype=np.int64)
    return Demand(start, column[:free].copy(), cost[:free].copy(), floor, tiers, first, second)


def _spreads(domains: Sequence[Domains], columns: Ints, held: Ints) -> Spreads:
    if not domains:
        nothing = np.empty(0, dtype=np.int64)
        none = np.empty((0, len(columns)), dtype=np.int64)
        return Spreads(none, nothing, np.zeros(1, dtype=np.int64), nothing, nothing, nothing)
    counts = [int(one.domain.max(initial=-1)) + 1 for one in domains]
    inside = [np.bincount(one.domain[held], minlength=count) for one, count in zip(domains, counts, strict=True)]
    return Spreads(
        domain=np.array([one.domain[columns] for one in domains], dtype=np.int64).reshape(len(domains), len(columns)),
        inside=np.concatenate([np.empty(0, dtype=np.int64), *inside]),
        inside_at=np.cumsum([0, *counts]),
        least=np.array([one.min_domains for one in domains], dtype=np.int64),
        most=np.array([NO_LIMIT if one.max_domains is None else one.max_domains for one in domains], dtype=np.int64),
        each=np.array([NO_LIMIT if one.max_each is None else one.max_each for one in domains], dtype=np.int64),
    )


def _sums(unit: Unit, columns: Ints, held: Ints, groups: Sequence[Group]) -> Sums:
    """The unit's numbers of sites, groups and room as sums over the columns."""
    rows: list[tuple[Floats, float, float, float]] = []
    most = np.inf if unit.max_open is None else float(unit.max_open)
    rows.append((np.ones(len(columns)), unit.min_open - len(held), most - len(held), 1.0))
    for group in groups:
        member = np.zeros(unit.count)
        member[group.members] = 1.0
        inside = float(member[held].sum())
        most = np.inf if group.at_most is None else group.at_most - inside
        rows.append((member[columns], group.at_least - inside, most, 1.0))
    if unit.room is not None:
        room = unit.room.astype(np.float64)
        rows.append((room[columns], unit.total - float(room[held].sum()), np.inf, weight_of(room)))
    return _stacked(rows, len(columns))


def _stacked(rows: Sequence[tuple[Floats, float, float, float]], columns: int) -> Sums:
    return Sums(
        np.array([one[0] for one in rows], dtype=np.float64).reshape(len(rows), columns),
        np.array([one[1] for one in rows], dtype=np.float64),
        np.array([one[2] for one in rows], dtype=np.float64),
        np.array([one[3] for one in rows], dtype=np.float64),
    )


def weight_of(amounts: Floats) -> float:
    """One over the mean of what is not nothing: what a shortage of 1 weighs, in candidates."""
    some = amounts[amounts > 0.0]
    return 1.0 / float(some.mean()) if len(some) else 1.0
