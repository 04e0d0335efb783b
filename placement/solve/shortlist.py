"""Which candidates of a unit are worth a search, read off all of them in a few passes.

A search looks at every column in every step, so of thousands of candidates it is given hundreds. Opening candidate j, which
n(j) clients reach, costs f(j), so that client i cannot be served for less than v(i) = min over j of c(ij) + f(j) / n(j).
These v are a feasible dual of the linear relaxation (Erlenkotter 1978, "A dual-based procedure for uncapacitated facility
location"), and f(j) - sum of max(0, v(i) - c(ij)) is what opening j falls short of paying for itself: its reduced cost. The
least are kept, with some that each rule of the unit needs, and some for each client that few of them serve.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from placement.arrays import Floats, Ints, Mask
from placement.compiled import Flags, Numbers, Row, Small, kernel
from placement.solve.entries import parts_of
from placement.solve.layout import Rows
from placement.solve.model import Group, Unit
from placement.solve.spreading import some_for_spread

_INSERTED = 96
"""So few of many are picked one after the other."""
STRETCH = 1.5
"""How far above the cheapest share a client is taken to pay, so that candidates that share clients with a better are told
apart."""
SPARE = 4
"""Candidates kept for a group, a domain or a client, beyond those that it needs."""


def promise(unit: Unit, rows: Sequence[Rows], weights: Floats) -> Floats:
    """(candidates,): the reduced cost of each, less is better; `rows` are all clients that it is wanted for."""
    own: Floats = weights @ unit.open_cost
    if not rows:
        return own
    parts = [parts_of(one.matrix) for one in rows]
    counts = np.zeros(unit.count)
    for (indptr, indices, _), one in zip(parts, rows, strict=True):
        count(indptr, indices, one.rows, counts)
    share = own / np.maximum(counts, 1.0)
    found = own.copy()
    for part, one in zip(parts, rows, strict=True):
        save(*part, one.rows, share, float(weights[one.tier]), found)
    return found


def shortlist(
    unit: Unit,
    promised: Floats,
    *,
    groups: Sequence[Group],
    rows: Sequence[Rows],
    keep: Ints,
    most: int,
    budgets: Sequence[Floats] = (),
) -> Ints:
    """About so many candidates, ascending, by what they promise; always those of `keep`."""
    chosen = listed(unit, promised, groups=groups, keep=keep, most=most, budgets=budgets)
    if unit.count > most:
        for one in rows:
            indptr, indices, _ = parts_of(one.matrix)
            some_for_each(indptr, indices, one.rows, promised, chosen)
    return np.flatnonzero(chosen)


def listed(
    unit: Unit,
    promised: Floats,
    *,
    groups: Sequence[Group],
    keep: Ints,
    most: int,
    budgets: Sequence[Floats] = (),
) -> Mask:
    """(candidates,): the same, but without any for clients that few of these serve."""
    if unit.count <= most:
        return np.ones(unit.count, dtype=bool)
    chosen = np.zeros(unit.count, dtype=bool)
    chosen[least(promised, max(most, 2 * unit.min_open))] = True
    chosen[keep] = True
    for group in groups:
        if group.at_least:
            members = group.members
            chosen[members[least(promised[members], group.at_least + SPARE)]] = True
    for spread in unit.domains:
        _some_of_each(spread.domain, promised, chosen, most=max(most // 2, spread.min_domains + SPARE))
        some_for_spread(spread, promised, chosen, min_open=unit.min_open)
    if unit.room is not None:
        _room(unit.room, unit.total, promised, chosen)
    for amounts in budgets:
        chosen[least(amounts, most // 8)] = True
    return chosen


def least(figures: Floats, count: int) -> Ints:
    """The places of so many least figures, ascending; of equal ones the first."""
    if count >= len(figures):
        return np.arange(len(figures))
    if count <= _INSERTED:
        return np.sort(_least(figures, count))
    limit = np.partition(figures, count - 1)[count - 1]
    below = np.flatnonzero(figures < limit)
    equal = np.flatnonzero(figures == limit)[: count - len(below)]
    return np.sort(np.concatenate((below, equal)))


@kernel
def put_in(places: Numbers, figures: Row, have: int, place: int, figure: float) -> int:
    """Puts a place among the `have` of least figure, which are in order: behind equal ones, and of too many the last goes.
    How many there are then."""
    most = len(figures)
    if have == most and not figure < figures[most - 1]:
        return have
    at = min(have, most - 1)
    while at and figure < figures[at - 1]:
        places[at], figures[at] = places[at - 1], figures[at - 1]
        at -= 1
    places[at], figures[at] = place, figure
    return min(have + 1, most)


@kernel
def _least(figures: Row, count: int) -> Numbers:
    """The places of so many least figures, of equal ones the first."""
    place, least = np.empty(count, dtype=np.int64), np.empty(count)
    have = 0
    for one in range(len(figures)):
        have = put_in(place, least, have, one, figures[one])
    return place


@kernel
def count(indptr: Numbers, indices: Small, rows: Numbers, counts: Row) -> None:
    """Adds to each candidate how many of the clients it reaches."""
    for row in rows:
        for entry in range(indptr[row], indptr[row + 1]):
            counts[indices[entry]] += 1.0


@kernel
def save(indptr: Numbers, indices: Small, cost: Row, rows: Numbers, share: Row, weight: float, found: Row) -> None:
    """Takes off each candidate what it saves the clients of what they pay."""
    for row in rows:
        pays, begin, end = np.inf, np.uint64(indptr[row]), np.uint64(indptr[row + 1])
        for entry in range(begin, end):
            pays = min(pays, share[np.uint32(indices[entry])] + weight * cost[entry])
        pays *= STRETCH
        for entry in range(begin, end):
            saved = pays - weight * cost[entry]
            if saved > 0.0:
                found[np.uint32(indices[entry])] -= saved


def _some_of_each(domain: Ints, promised: Floats, chosen: Mask, *, most: int) -> None:
    """Chooses the best of each domain, so many in all: as many of each as that has room for, and one at least."""
    order = np.lexsort((promised, domain))
    begin = np.flatnonzero(np.diff(domain[order], prepend=-1))
    rank = np.arange(len(order)) - np.repeat(begin, np.diff(begin, append=len(order)))
    each = max(1, most // len(begin))
    best = order[rank < each]
    chosen[best[least(promised[best], max(most, 1))]] = True


def _room(room: Ints, total: int, promised: Floats, chosen: Mask) -> None:
    """Chooses those with most room for what they promise, until there is room twice over."""
    ratio = (promised - min(float(promised.min()), 0.0) + 1e-12) / np.maximum(room, 1e-3)
    order = np.argsort(ratio, kind="stable")
    needed = int(np.searchsorted(np.cumsum(room[order]), 2 * total)) + SPARE
    chosen[order[:needed]] = True


@kernel
def some_for_each(indptr: Numbers, indices: Small, rows: Numbers, promised: Row, chosen: Flags) -> None:
    """Chooses the best for each client that few of the chosen serve."""
    before = chosen.copy()
    best = np.empty(SPARE, dtype=np.int64)
    for row in rows:
        begin, end = np.uint64(indptr[row]), np.uint64(indptr[row + 1])
        served = 0
        for entry in range(begin, end):
            served += before[np.uint32(indices[entry])]
            if served == SPARE:
                break
        if served == SPARE or served == indptr[row + 1] - indptr[row]:
            continue
        count = 0
        for entry in range(begin, end):
            candidate = np.uint32(indices[entry])
            if count == SPARE and not promised[candidate] < promised[best[count - 1]]:
                continue
            at = min(count, SPARE - 1)
            while at and promised[candidate] < promised[best[at - 1]]:
                best[at] = best[at - 1]
                at -= 1
            best[at] = candidate
            count = min(count + 1, SPARE)
        for at in range(count):
            chosen[best[at]] = True
