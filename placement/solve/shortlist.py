"""Which candidates of a unit are worth a search, read off all of them in a few passes.

A search looks at every column in every step, so of thousands of candidates it is given hundreds. Opening candidate j, which
n(j) clients reach, costs f(j), so that client i cannot be served for less than v(i) = min over j of c(ij) + f(j) / n(j).
These v are a feasible dual of the linear relaxation (Erlenkotter 1978, "A dual-based procedure for uncapacitated facility
location"), and f(j) - sum of max(0, v(i) - c(ij)) is what opening j falls short of paying for itself: its reduced cost. The
least are kept, with some that each rule of the unit needs, and some for each client that few of them serve.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from placement.arrays import Floats, Ints, Mask
from placement.solve.evaluation import entries_of
from placement.solve.layout import Rows
from placement.solve.model import Group, Unit

_STRETCH = 1.5
"""How far above the cheapest share a client is taken to pay, so that candidates that share clients with a better are told
apart."""
_SPARE = 4
"""Candidates kept for a group, a domain or a client, beyond those that it needs."""


def promise(unit: Unit, rows: Sequence[Rows], weights: Floats) -> Floats:
    """(candidates,): the reduced cost of each, less is better; `rows` are all clients that it is wanted for."""
    own: Floats = weights @ unit.open_cost
    if not rows:
        return own
    parts = [_part(one) for one in rows]
    counts = np.zeros(unit.count)
    for indices, _, _ in parts:
        counts += np.bincount(indices, minlength=unit.count)
    share = own / np.maximum(counts, 1.0)
    found = own.copy()
    for (indices, cost, lengths), one in zip(parts, rows, strict=True):
        if not len(indices):
            continue
        weight = float(weights[one.tier])
        price = cost if weight == 1.0 else cost * weight
        shared = share.take(indices)
        shared += price
        some = np.flatnonzero(lengths)
        begin = (np.cumsum(lengths) - lengths)[some]
        pays = np.minimum.reduceat(shared, begin) * _STRETCH
        saved = np.repeat(pays, lengths[some])
        saved -= price
        np.maximum(saved, 0.0, out=saved)
        found -= np.bincount(indices, saved, unit.count)
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
    if unit.count <= most:
        return np.arange(unit.count)
    chosen = np.zeros(unit.count, dtype=bool)
    chosen[least(promised, max(most, 2 * unit.min_open))] = True
    chosen[keep] = True
    for group in groups:
        if group.at_least:
            members = group.members
            chosen[members[least(promised[members], group.at_least + _SPARE)]] = True
    for spread in unit.domains:
        _some_of_each(spread.domain, promised, chosen, most=most)
    if unit.room is not None:
        _room(unit.room, unit.total, promised, chosen)
    for amounts in budgets:
        chosen[least(amounts, most // 8)] = True
    for one in rows:
        _some_for_each(one, promised, chosen)
    return np.flatnonzero(chosen)


def least(figures: Floats, count: int) -> Ints:
    """The places of so many least figures, ascending; of equal ones the first."""
    if count >= len(figures):
        return np.arange(len(figures))
    limit = np.partition(figures, count - 1)[count - 1]
    below = np.flatnonzero(figures < limit)
    equal = np.flatnonzero(figures == limit)[: count - len(below)]
    return np.sort(np.concatenate((below, equal)))


def _part(one: Rows) -> tuple[NDArray[np.signedinteger[Any]], Floats, Ints]:
    """The candidates and costs of the entries, and how many each client has."""
    matrix = one.matrix
    if len(one.rows) == matrix.shape[0]:
        return matrix.indices, matrix.data, np.diff(matrix.indptr).astype(np.int64)
    entries, lengths = entries_of(matrix, one.rows)
    return matrix.indices.take(entries), matrix.data.take(entries), lengths


def _some_of_each(domain: Ints, promised: Floats, chosen: Mask, *, most: int) -> None:
    """Chooses the best of each domain, as many of each as half the list has room for."""
    order = np.lexsort((promised, domain))
    begin = np.flatnonzero(np.diff(domain[order], prepend=-1))
    rank = np.arange(len(order)) - np.repeat(begin, np.diff(begin, append=len(order)))
    each = max(1, most // 2 // len(begin))
    best = order[rank < each]
    chosen[best[least(promised[best], max(most // 2, 1))]] = True


def _room(room: Ints, total: int, promised: Floats, chosen: Mask) -> None:
    """Chooses those with most room for what they promise, until there is room twice over."""
    ratio = (promised - min(float(promised.min()), 0.0) + 1e-12) / np.maximum(room, 1e-3)
    order = np.argsort(ratio, kind="stable")
    needed = int(np.searchsorted(np.cumsum(room[order]), 2 * total)) + _SPARE
    chosen[order[:needed]] = True


def _some_for_each(one: Rows, promised: Floats, chosen: Mask) -> None:
    """Chooses the best for each client that few of the chosen serve."""
    indices, _, lengths = _part(one)
    inside = np.flatnonzero(chosen.take(indices))
    ends = np.cumsum(lengths)
    served = np.diff(np.searchsorted(inside, ends), prepend=0)
    lacking = np.flatnonzero((served < _SPARE) & (served < lengths))
    if not len(lacking):
        return
    count = lengths[lacking]
    begin = np.cumsum(count) - count
    entries = np.arange(int(count.sum())) + np.repeat(ends[lacking] - count - begin, count)
    candidates = indices.take(entries)
    client = np.repeat(np.arange(len(lacking)), count)
    # Taken out one by one: so many passes cost far less than to sort them all.
    figures = promised.take(candidates)
    for _ in range(_SPARE):
        lowest = np.minimum.reduceat(figures, begin)
        equal = np.flatnonzero(figures == np.repeat(lowest, count))
        first = equal[np.flatnonzero(np.diff(client.take(equal), prepend=-1))]
        chosen[candidates.take(first)] = True
        figures[first] = np.inf
