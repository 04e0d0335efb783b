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

import numpy as np
from scipy.sparse import csr_array

from placement.arrays import Floats, Ints, Mask
from placement.compiled import Flags, Numbers, Row, Table, kernel, part
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
    seen = [_relations(model, number) for number in range(len(model.units))]
    for _ in range(MAX_ROUNDS):
        before = sum(int(one.sum()) for one in alive)
        for number in reversed(range(len(model.units))):
            if _plain(model, number):
                _leave_out(model, number, seen[number], alive, held[number])
        if sum(int(one.sum()) for one in alive) == before:
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


def _relations(model: Model, number: int) -> list[tuple[int, csr_array]]:
    """What a unit's candidates reach: the other unit and (candidates, its candidates); -1: its own clients, with costs."""
    found = []
    clients = model.units[number].clients
    if clients is not None and clients.count:
        found.append((-1, csr_array(clients.cost.T)))
    for one in model.serving:
        if one.client == number:
            found.append((one.server, one.reach))
        elif one.server == number:
            found.append((one.client, csr_array(one.reach.T)))
    for _, matrix in found:
        matrix.sort_indices()
    return found


def _leave_out(
    model: Model, number: int, relations: list[tuple[int, csr_array]], alive: list[Mask], held: Mask
) -> None:
    """Marks candidates of a unit that others stand in for."""
    unit = model.units[number]
    rows = np.flatnonzero(alive[number])
    parts, offset = [], 0
    for other, matrix in relations:
        starts, entries, costs = _among(matrix, rows, None if other < 0 else alive[other])
        entries += offset
        parts.append((starts, entries, costs if other < 0 else np.zeros(len(entries))))
        offset += matrix.shape[1]
    begin, entry, cost = _joined(parts, len(rows))
    opening = [unit.open_cost[:, rows], *(one.amounts[number][rows][None, :] for one in model.budgets)]
    paid = -1 if unit.clients is None else unit.clients.tier
    left = survivors(begin, entry, cost, offset, np.ascontiguousarray(np.vstack(opening)), paid, max(1, unit.min_open))
    alive[number][rows[~left & ~held[rows]]] = False


def _among(matrix: csr_array, rows: Ints, inside: Mask | None) -> tuple[Ints, Ints, Floats]:
    """Of some rows where each begins, and their entries among some columns: column and cost. None: all columns."""
    part = matrix if len(rows) == matrix.shape[0] else csr_array(matrix[rows])
    if inside is None or inside.all():
        return part.indptr.astype(np.int64), part.indices.astype(np.int64), part.data.astype(np.float64, copy=False)
    there = inside[part.indices]
    starts = np.concatenate(([0], np.cumsum(there)))[part.indptr]
    return starts, part.indices[there].astype(np.int64), part.data[there]


def _joined(parts: Sequence[tuple[Ints, Ints, Floats]], count: int) -> tuple[Ints, Ints, Floats]:
    """The entries of all relations, row by row. Of millions nothing is sorted, nor copied where there is one relation."""
    if len(parts) == 1:
        return parts[0]
    begin = sum((starts for starts, _, _ in parts), start=np.zeros(count + 1, dtype=np.int64))
    entry, cost = np.empty(begin[-1], dtype=np.int64), np.empty(begin[-1])
    ahead = begin[:-1].copy()
    for starts, columns, costs in parts:
        sizes = np.diff(starts)
        at = np.arange(len(columns)) + np.repeat(ahead - starts[:-1], sizes)
        entry[at], cost[at] = columns, costs
        ahead += sizes
    return begin, entry, cost


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
