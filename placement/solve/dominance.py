"""Candidates that no choice needs: another does all that they do, and costs no more.

A site whose neighbour is cheaper, serves the same clients as cheaply, reaches whatever serves it and is reached by whatever
it serves can be left out: in any choice the neighbour can take its place, and what that costs is no more. A large part of a
model's candidates are such, and what is left out once is looked at by no search and no relaxation. Each unit that is made
smaller lets others be compared by less, so it goes round until nothing changes.

Only what a candidate does for clients, servings, budgets and cost is compared. Candidates of groups, spreads and totals, of
units that are kept apart, and the mandatory ones stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from placement.arrays import Ints, Mask
from placement.compiled import Flags, Numbers, Row, Small, Table, kernel, part
from placement.solve.entries import Listed, parts_of, turned
from placement.solve.model import Model
from placement.solve.program import pairs

MAX_ROUNDS = 6
MAX_PAIRS = 6_000_000
"""Pairs in reach of a model that is looked at, unless more are asked for."""


def needed(model: Model, *, keep: Sequence[Ints] | None = None, most_pairs: int = MAX_PAIRS) -> tuple[Ints, ...]:
    """By unit: the candidates that are left, ascending; among them there is a best choice of the model, where there is one.

    keep: by unit, candidates that stay in any case.
    """
    alive = [np.ones(unit.count, dtype=bool) for unit in model.units]
    if pairs(model) > most_pairs:
        return tuple(np.flatnonzero(one) for one in alive)
    held = [np.zeros(unit.count, dtype=bool) for unit in model.units]
    for mask, some in zip(held, keep or (), strict=False):
        mask[some] = True
    seen = {number: _reached(model, number) for number in reversed(range(len(model.units))) if _plain(model, number)}
    looked: dict[int, list[int]] = {}
    for _ in range(MAX_ROUNDS):
        again = False
        for number, reached in seen.items():
            # As long as none of those that it is compared by is left out, a second look finds what the first found.
            by = [int(alive[other].sum()) for other in reached.others]
            if by != looked.get(number):
                _leave_out(model, number, reached, alive, held[number])
                looked[number], again = by, True
        if not again:
            break
    return tuple(np.flatnonzero(one) for one in alive)


def _plain(model: Model, number: int) -> bool:
    """Whether a candidate may be replaced by another without a look at more than costs and reach."""
    unit = model.units[number]
    if unit.groups or unit.domains or unit.room is not None or (number == 0 and model.alternatives):
        return False
    if any(number in (one.one, one.other) for one in model.apart):
        return False
    return not any(one.reach.data.any() for one in model.serving if number in (one.client, one.server))


class Reached(NamedTuple):
    """What a unit's candidates reach: its own clients, then candidates of other units, numbered one after the other."""

    clients: int
    others: list[int]
    """The other units, in their order."""
    entries: Listed
    """By candidate what it reaches, and what that costs it."""


def _reached(model: Model, number: int) -> Reached:
    unit = model.units[number]
    others: list[int] = []
    parts: list[Listed] = []
    columns: list[int] = []
    if unit.clients is not None and unit.clients.count:
        parts.append(turned(Listed(*parts_of(unit.clients.cost)), columns=unit.count))
        columns.append(unit.clients.count)
    for one in model.serving:
        if number in (one.client, one.server):
            reach = Listed(*parts_of(one.reach))
            served = one.client == number
            parts.append(reach if served else turned(reach, columns=unit.count))
            columns.append(one.reach.shape[1 if served else 0])
            others.append(one.server if served else one.client)
    return Reached(sum(columns[: len(parts) - len(others)]), others, _joined(parts, columns, unit.count))


def _joined(parts: list[Listed], columns: list[int], count: int) -> Listed:
    """The entries of all, row by row. Of millions nothing is sorted, nor copied where there is one part."""
    if len(parts) == 1:
        return parts[0]
    start = np.zeros(count + 1, dtype=np.int64)
    for one in parts:
        start += one.start
    column, value = np.empty(int(start[-1]), dtype=np.int32), np.empty(int(start[-1]))
    free, offset = start[:-1].copy(), 0
    for one, more in zip(parts, columns, strict=True):
        _put(*one, offset, free, column, value)
        offset += more
    return Listed(start, column, value)


@kernel
def _put(begin: Numbers, entry: Small, cost: Row, offset: int, free: Numbers, column: Small, value: Row) -> None:
    """Puts the entries of each row where its next ones belong, which then is behind them."""
    for row in range(len(free)):
        for at in range(begin[row], begin[row + 1]):
            column[free[row]], value[free[row]] = entry[at] + offset, cost[at]
            free[row] += 1


def _leave_out(model: Model, number: int, reached: Reached, alive: list[Mask], held: Mask) -> None:
    """Marks candidates of a unit that others stand in for."""
    unit = model.units[number]
    rows = np.flatnonzero(alive[number])
    there = np.concatenate([np.ones(reached.clients, dtype=bool), *(alive[other] for other in reached.others)])
    begin, entry, cost = _left(*reached.entries, rows, there)
    opening = [unit.open_cost[:, rows], *(one.amounts[number][rows][None, :] for one in model.budgets)]
    paid = -1 if unit.clients is None else unit.clients.tier
    least = max(1, unit.min_open)
    left = survivors(begin, entry, cost, len(there), np.ascontiguousarray(np.vstack(opening)), paid, least)
    alive[number][rows[~left & ~held[rows]]] = False


@kernel
def _left(start: Numbers, column: Small, value: Row, rows: Numbers, there: Flags) -> tuple[Numbers, Numbers, Row]:
    """Of some rows the entries in columns that still are there."""
    begin, free = np.zeros(len(rows) + 1, dtype=np.int64), 0
    entry, cost = np.empty(len(column), dtype=np.int64), np.empty(len(column))
    for at in range(len(rows)):
        for place in range(start[rows[at]], start[rows[at] + 1]):
            if there[column[place]]:
                entry[free], cost[free] = column[place], value[place]
                free += 1
        begin[at + 1] = free
    return begin, entry[:free], cost[:free]


@kernel
def survivors(begin: Numbers, entry: Numbers, cost: Row, columns: int, opening: Table, paid: int, times: int) -> Flags:
    """(candidates,): those that fewer than so many others stand in for.

    begin, entry, cost: of each candidate what it reaches, numbered from 0 to `columns`, and what that costs it.
    opening: (what is counted, candidates) of which nothing may be more; in row `paid` what is reached is paid as well.
    """
    count = len(begin) - 1
    left = np.ones(count, dtype=np.bool_)
    rank = _ranks(begin, cost, opening)
    who_begin, who = _turned(begin, entry, columns)
    prices = np.full(columns, -1.0)
    every = np.arange(count)
    for one in range(count):
        first, end = begin[one], begin[one + 1]
        if opening[:, one].min() < 0.0:
            continue
        rare = -1
        for at in range(first, end):
            prices[entry[at]] = cost[at]
            size = who_begin[entry[at] + 1] - who_begin[entry[at]]
            if rare < 0 or size < who_begin[rare + 1] - who_begin[rare]:
                rare = entry[at]
        others = every if rare < 0 else who[who_begin[rare] : who_begin[rare + 1]]
        found = 0
        for at in range(len(others)):
            other = others[at]
            if rank[other] > rank[one] or other == one or begin[other + 1] - begin[other] < end - first:
                continue
            found += _stands_in(begin, entry, cost, opening, paid, prices, one, other)
            if found >= times:
                left[one] = False
                break
        for at in range(first, end):
            prices[entry[at]] = -1.0
    return left


@part
def _stands_in(
    begin: Numbers, entry: Numbers, cost: Row, opening: Table, paid: int, prices: Row, one: int, other: int
) -> bool:
    """Whether the other costs no more and reaches all that the one does; `prices` are what that pays, -1 elsewhere."""
    for row in range(len(opening)):
        if opening[row, other] > opening[row, one]:
            return False
    spare = opening[paid, one] - opening[paid, other] if paid >= 0 else 0.0
    missing = begin[one + 1] - begin[one]
    left = begin[other + 1] - begin[other]
    for at in range(begin[other], begin[other + 1]):
        price = prices[entry[at]]
        left -= 1
        if price >= 0.0:
            missing -= 1
            if cost[at] > price:
                spare -= cost[at] - price
                if spare < 0.0:
                    return False
        if missing > left:
            return False
    return bool(missing == 0)


@part
def _ranks(begin: Numbers, cost: Row, opening: Table) -> Numbers:
    """(candidates,): an order in which whoever stands in for another is before it."""
    count = len(begin) - 1
    reached = np.zeros(count)
    paid = np.zeros(count)
    for one in range(count):
        reached[one] = begin[one] - begin[one + 1]
        for at in range(begin[one], begin[one + 1]):
            paid[one] += cost[at]
    order = np.argsort(paid, kind="mergesort")
    for row in range(len(opening) - 1, -1, -1):
        order = order[np.argsort(opening[row][order], kind="mergesort")]
    order = order[np.argsort(reached[order], kind="mergesort")]
    rank = np.empty(count, dtype=np.int64)
    for place in range(count):
        rank[order[place]] = place
    return rank


@part
def _turned(begin: Numbers, entry: Numbers, columns: int) -> tuple[Numbers, Numbers]:
    """Who reaches each column: where they begin, and the candidates."""
    who_begin = np.zeros(columns + 1, dtype=np.int64)
    for at in range(len(entry)):
        who_begin[entry[at] + 1] += 1
    for column in range(columns):
        who_begin[column + 1] += who_begin[column]
    who = np.empty(len(entry), dtype=np.int64)
    free = who_begin[:-1].copy()
    for one in range(len(begin) - 1):
        for at in range(begin[one], begin[one + 1]):
            who[free[entry[at]]] = one
            free[entry[at]] += 1
    return who_begin, who
