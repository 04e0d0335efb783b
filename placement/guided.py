"""Candidates that a better choice would be made of, of thousands, as a relaxation of some of them tells.

What a relaxation of some hundred candidates has the places pay (`Guide.prices`) judges all the others too, without distances
between them: a front end site by what it would save, and a site of what serves front ends by the star that it would be the
middle of (`solve.stars`). Kept are the best stars with their members, what is open, what the relaxation opens in part or
nearly, and of what serves the middles in turn a few in reach of each. A relaxation of these tells better prices, and so on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array

from placement.arrays import Floats, Ints
from placement.narrowing import NEAR, clients_first
from placement.reaches import Reaches
from placement.solve.entries import Listed, empty_rows, kept_columns, matrix_of, parts_of, turned
from placement.solve.model import Guide, Unit
from placement.solve.shortlist import least, some_for_each
from placement.solve.stars import NOBODY, first_few, picked, stars, worths
from placement.units import UnitWords

STRETCH = 1.02
"""By how much more than their prices clients are taken to pay, so that what just pays for itself is looked at as well."""
MEMBERS = 400
"""Candidates of the first unit that stars may have as members, by what each would save."""
ALONE = 60
"""Of these, those that are kept in no star as well."""
STARS, EACH, ALIKE = 300, 12, 3
"""Stars that are kept: so many of the best, so many with each member, and so many with the same members."""
MANY = 10
"""Of either, so many for each that is open, where that is more."""
FEW = 3
"""Kept of those that serve a middle: with the least cost, and with the least for each that they would serve."""
SHARED, HALF = 0.25, 0.5
"""Where a server is near already, the part of its cost that counts: of another kind for a member, and of a middle's own."""


def guided(
    units: Sequence[Unit], words: Sequence[UnitWords], reach: Reaches, opened: Sequence[Ints], guide: Guide
) -> list[Ints] | None:
    """By unit: the candidates that are kept, ascending. None where the first unit has no places, or nobody serves it.

    opened: by unit, what is open. guide: of these units.
    """
    clients = units[0].clients
    middles = [at for at, one in enumerate(words) if one.within_ms is not None and 0 in one.serves]
    if clients is None or not middles:
        return None
    known = [np.union1d(one, near) for one, near in zip(opened, guide.near, strict=True)]
    own = [unit.open_cost[0] for unit in units]
    whole = _with_servers(own, words, opened)
    prices = guide.prices * STRETCH
    entries = Listed(*parts_of(clients.cost))
    weight = 1.0 if clients.tier == 0 else 0.0
    worth = worths(*entries, weight, prices, own[0])
    listed = np.zeros(units[0].count, dtype=bool)
    listed[known[0]] = True
    listed[least(worth, max(MEMBERS, MANY * len(opened[0])))] = True
    some_for_each(entries.start, entries.column, np.arange(clients.count), worth, listed)
    members = np.flatnonzero(listed)
    rank = np.argsort(worth[members], kind="stable")
    served = turned(kept_columns(entries, members, columns=units[0].count), columns=len(members))
    serves = Listed(*parts_of(csr_array(matrix_of(served, columns=clients.count)[rank])))
    near = {
        at: Listed(
            *parts_of(
                csr_array(
                    matrix_of(reach(units[0].sites[members], units[at].sites, words[at]), columns=units[at].count)[rank]
                )
            )
        )
        for at in middles
    }
    lacking = {at: empty_rows(kept_columns(near[at], known[at], columns=units[at].count)) for at in middles}
    chosen = [np.zeros(unit.count, dtype=bool) for unit in units]
    for mask, some in zip(chosen, known, strict=True):
        mask[some] = True
    chosen[0][members[rank[:ALONE]]] = True
    for at in middles:
        costs = own[0][members[rank]]
        for other in middles:
            if other != at:
                costs = costs + np.where(lacking[other], 1.0, SHARED) * whole[other]
        by_middle = turned(near[at], columns=units[at].count)
        middle = own[at] + _served(at, units, words, reach, known, whole, opened)
        figures, inside = stars(
            by_middle.start,
            by_middle.column,
            serves.start,
            serves.column,
            serves.value * weight,
            prices,
            costs,
            middle,
        )
        most = max(STARS, MANY * len(opened[at]))
        best = picked(figures, inside, len(members), most, EACH, ALIKE)
        chosen[at][best] = True
        used = np.unique(inside[best])
        chosen[0][members[rank[used[used != NOBODY]]]] = True
    for at in clients_first(words):
        if at and at not in middles:
            _serve(chosen, at, units, words, reach)
    return [np.flatnonzero(mask) for mask in chosen]


def _with_servers(own: Sequence[Floats], words: Sequence[UnitWords], opened: Sequence[Ints]) -> list[float]:
    """By unit: what one that is open costs in the mean, with its share of those that serve it."""
    found = [float(cost[one].mean()) if len(one) else 0.0 for cost, one in zip(own, opened, strict=True)]
    for server in reversed(clients_first(words)):
        for client in words[server].serves:
            found[client] += found[server] * len(opened[server]) / max(1, len(opened[client]))
    return found


def _served(
    at: int,
    units: Sequence[Unit],
    words: Sequence[UnitWords],
    reach: Reaches,
    known: Sequence[Ints],
    whole: Sequence[float],
    opened: Sequence[Ints],
) -> Floats:
    """(candidates,): what each of a unit is taken to pay for those that serve it."""
    found = np.zeros(units[at].count)
    for server, one in enumerate(words):
        if at not in one.serves or one.within_ms is None:
            continue
        near = reach(units[at].sites, units[server].sites[known[server]], one)
        share = HALF * len(opened[server]) / max(1, len(opened[at]))
        found += whole[server] * np.where(empty_rows(near), 1.0, min(1.0, share))
    return found


def _serve(
    chosen: Sequence[np.ndarray], at: int, units: Sequence[Unit], words: Sequence[UnitWords], reach: Reaches
) -> None:
    """Chooses those of a unit that serve what is chosen of others: few for each; of one that serves nobody the cheapest."""
    unit, cost = units[at], units[at].open_cost[0]
    if words[at].within_ms is None or not words[at].serves:
        chosen[at][least(cost, NEAR)] = True
        return
    marks = np.zeros(unit.count, dtype=np.int64)
    for client in words[at].serves:
        near = reach(units[client].sites[chosen[client]], unit.sites, words[at])
        times = np.bincount(near.column, minlength=unit.count)
        first_few(near.start, near.column, cost, cost / np.maximum(times, 1), FEW, marks)
        chosen[at][marks > 0] = True
        marks[:] = 0
