"""A unit on a few of its candidates, before the other units are known: what a search may open and what it must keep.

A layout is made once for a shortlist of candidates. What the other units mean for it changes with every choice of theirs,
and is folded into it by `ground`, which copies nothing that stayed the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from placement.arrays import Floats, Ints, Mask
from placement.solve.evaluation import entries_of
from placement.solve.ground import Demand, Ground, Spread, Sums
from placement.solve.model import Group, Unit, nobody

FIXED, ELSEWHERE = -2, -1
"""In `Layout.column_of`: a fixed candidate, and one that is no column."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Clients to add to a unit's own: rows of a matrix whose columns are the unit's candidates."""

    matrix: csr_array
    rows: Ints
    tier: int


@dataclass(frozen=True, slots=True)
class Layout:
    """A unit on its columns."""

    unit: Unit
    columns: Ints
    fixed: Ints
    column_of: Ints
    """(candidates,): which column it is, or `FIXED`, or `ELSEWHERE`."""
    opening: Floats
    """(tiers, columns)."""
    sums: Sums
    """Without budgets, which are shared with other units."""
    spreads: tuple[Spread, ...]
    own: Demand
    """The unit's own clients."""
    weights: Floats

    def ground(
        self,
        *,
        rows: Sequence[Rows] = (),
        charge: Floats | None = None,
        barred: Floats | None = None,
        budgets: Sequence[tuple[Floats, float]] = (),
    ) -> Ground:
        """The layout with what other units mean for it.

        `charge` (tiers, candidates) and `barred` (candidates,) are what opening costs and breaks besides; `budgets` are
        the amounts by candidate and what the other units leave of each.
        """
        unit, columns, fixed = self.unit, self.columns, self.fixed
        opening = self.opening if charge is None else self.opening + charge[:, columns]
        levels = np.zeros(1 + len(self.weights))
        if len(fixed):
            levels[1:] = unit.open_cost[:, fixed].sum(axis=1)
            if charge is not None:
                levels[1:] += charge[:, fixed].sum(axis=1)
            if barred is not None:
                levels[0] = barred[fixed].sum()
        return Ground(
            columns=columns,
            fixed=fixed,
            opening=opening,
            barred=np.zeros(len(columns)) if barred is None else barred[columns],
            sums=_with_budgets(self, budgets) if budgets else self.sums,
            spreads=self.spreads,
            demand=_joined(self.own, [_demand(one, self) for one in rows]) if rows else self.own,
            fixed_levels=levels,
            weights=self.weights,
        )


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
    column_of = np.full(unit.count, ELSEWHERE, dtype=np.int64)
    column_of[held] = FIXED
    column_of[columns] = np.arange(len(columns))
    spreads = []
    for one in unit.domains:
        count = int(one.domain.max(initial=-1)) + 1
        inside = np.bincount(one.domain[held], minlength=count)
        spreads.append(Spread(one.domain[columns], inside, one.min_domains, one.max_domains, one.max_each))
    found = Layout(
        unit=unit,
        columns=columns,
        fixed=held,
        column_of=column_of,
        opening=unit.open_cost[:, columns],
        sums=_sums(unit, columns, held, groups),
        spreads=tuple(spreads),
        own=_NO_DEMAND,
        weights=weights,
    )
    if unit.clients is None:
        return found
    matrix = unit.clients.cost
    own = _demand(Rows(matrix, np.arange(matrix.shape[0]), unit.clients.tier), found)
    return Layout(unit, columns, held, column_of, found.opening, found.sums, found.spreads, own, weights)


_NO_DEMAND = Demand(
    client=nobody(),
    column=nobody(),
    cost=np.empty(0),
    start=np.zeros(1, dtype=np.int64),
    tier=nobody(),
    first=np.empty(0),
    second=np.empty(0),
)


def _demand(rows: Rows, layout: Layout) -> Demand:
    """Clients on the layout's columns."""
    matrix, count = rows.matrix, len(rows.rows)
    if count == matrix.shape[0]:
        candidates, cost, ends = matrix.indices, matrix.data, matrix.indptr[1:].astype(np.int64)
    else:
        entries, lengths = entries_of(matrix, rows.rows)
        candidates, cost, ends = matrix.indices.take(entries), matrix.data.take(entries), np.cumsum(lengths)
    column = layout.column_of.take(candidates)
    inside = np.flatnonzero(column >= 0)
    start = np.zeros(count + 1, dtype=np.int64)
    start[1:] = np.searchsorted(inside, ends)
    first, second = np.full(count, np.inf), np.full(count, np.inf)
    if len(layout.fixed):
        _hold(np.flatnonzero(column == FIXED), ends, cost, first, second)
    return Demand(
        client=np.repeat(np.arange(count), np.diff(start)),
        column=column.take(inside),
        cost=cost.take(inside),
        start=start,
        tier=np.full(count, rows.tier, dtype=np.int64),
        first=first,
        second=second,
    )


def _hold(entries: Ints, ends: Ints, cost: Floats, first: Floats, second: Floats) -> None:
    """Puts the two cheapest of each client's entries into `first` and `second`."""
    client = np.searchsorted(ends, entries, side="right")
    price = cost[entries]
    np.minimum.at(first, client, price)
    equal = np.flatnonzero(price == first[client])[::-1]
    place = np.full(len(first), -1, dtype=np.int64)
    place[client[equal]] = equal
    rest = np.ones(len(entries), dtype=bool)
    rest[place[place >= 0]] = False
    np.minimum.at(second, client[rest], price[rest])


def _joined(own: Demand, more: Sequence[Demand]) -> Demand:
    """The clients of all, one after the other."""
    parts = [own, *more] if own.count else list(more)
    if len(parts) == 1:
        return parts[0]
    clients = np.cumsum([0] + [one.count for one in parts])
    entries = np.cumsum([0] + [len(one.client) for one in parts])
    return Demand(
        client=np.concatenate([one.client + at for one, at in zip(parts, clients, strict=False)]),
        column=np.concatenate([one.column for one in parts]),
        cost=np.concatenate([one.cost for one in parts]),
        start=np.concatenate([[0], *(one.start[1:] + at for one, at in zip(parts, entries, strict=False))]),
        tier=np.concatenate([one.tier for one in parts]),
        first=np.concatenate([one.first for one in parts]),
        second=np.concatenate([one.second for one in parts]),
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
        rows.append((room[columns], unit.total - float(room[held].sum()), np.inf, _weight(room)))
    return _stacked(rows, len(columns))


def _with_budgets(layout: Layout, budgets: Sequence[tuple[Floats, float]]) -> Sums:
    rows = []
    for amounts, left in budgets:
        most = left - float(amounts[layout.fixed].sum())
        rows.append((amounts[layout.columns], -np.inf, most, _weight(amounts)))
    more, sums = _stacked(rows, len(layout.columns)), layout.sums
    return Sums(
        np.concatenate((sums.amounts, more.amounts)),
        np.concatenate((sums.low, more.low)),
        np.concatenate((sums.high, more.high)),
        np.concatenate((sums.weight, more.weight)),
    )


def _stacked(rows: Sequence[tuple[Floats, float, float, float]], columns: int) -> Sums:
    return Sums(
        np.array([one[0] for one in rows]).reshape(len(rows), columns),
        np.array([one[1] for one in rows], dtype=np.float64),
        np.array([one[2] for one in rows], dtype=np.float64),
        np.array([one[3] for one in rows], dtype=np.float64),
    )


def _weight(amounts: Floats) -> float:
    """One over the mean of what is not nothing: what a shortage of 1 weighs, in candidates."""
    some = amounts[amounts > 0.0]
    return 1.0 / float(some.mean()) if len(some) else 1.0
