"""The exact answer over a core: the candidates that a better choice would be made of.

A model of some hundred candidates is solved whole. Of ten thousand only a core is: what is open, and of each unit the most
promising others. Promise is a reduced cost (as in Erlenkotter 1978, "A dual-based procedure for uncapacitated facility
location"): each client is taken to pay no more than its cheapest share v(i) = min over j of c(ij) + f(j) / n(j), and a
candidate is worth f(j) - sum of max(0, v(i) - c(ij)), less being better. The most promising by that alone would be
neighbours of each other, so half of a core is dealt out over the clients, a candidate counting for the client it serves
best. Every client, group and domain has some. What serves another unit is ranked by what it does for that unit's core.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.sparse import csr_array

from placement.arrays import Floats, Ints, Mask, places_of
from placement.solve.dominance import needed
from placement.solve.entries import rows_at, stacked_rows
from placement.solve.evaluation import better, evaluate
from placement.solve.mip import exact, guide_of_whole
from placement.solve.model import Choice, Group, Model
from placement.solve.program import pairs
from placement.solve.restriction import numbered_among, restricted
from placement.solve.spreading import some_for_spread, turns_of

SPARE = 3
"""Candidates of each client, group and domain beyond those it needs."""
DEALT = 600
"""The most promising candidates, which are dealt out over the clients."""
MAX_WHOLE_ENTRIES = 90_000
"""Pairs in reach of a model that is solved whole."""


def improve(model: Model, incumbent: Choice) -> Choice:
    """The incumbent or a better choice; with bound and proof when the model is small enough to be solved whole.

    Where all candidates must be open there is but one choice. An incumbent that is not feasible is better than none: it
    comes back, proved when nothing is feasible. `iterations` are the nodes of this search alone, except in an incumbent that
    comes back as it was.
    """
    limits = model.limits
    if not limits.core_candidates:
        return incumbent
    if incumbent.feasible and all(
        unit.min_open >= unit.count == len(one) for unit, one in zip(model.units, incumbent.open, strict=True)
    ):
        return replace(incumbent, bound=incumbent.cost.copy(), bound_kind="EXACT", proved=True)  # there is no other
    left = needed(model, keep=incumbent.open)
    part = restricted(model, left)
    inside = numbered_among(incumbent, left)
    if part.candidates <= limits.exact_candidates and pairs(part) <= MAX_WHOLE_ENTRIES:
        found = exact(part, incumbent=inside)
    else:
        found = exact(part, among=core(part, inside), incumbent=inside)
    if found is None:
        return incumbent
    opened = tuple(kept[one] for kept, one in zip(left, found.open, strict=True))
    guide = None if found.guide is None else guide_of_whole(found.guide, left)
    found = replace(found, open=opened, broken=evaluate(model, opened).broken, guide=guide)
    if incumbent.feasible and (not found.feasible or better(incumbent.cost, found.cost)):
        return replace(incumbent, iterations=found.iterations, guide=guide)
    return found


def core(model: Model, incumbent: Choice) -> tuple[Ints, ...]:
    """By unit: the open candidates and about `limits.core_candidates` promising others, ascending."""
    weights = tier_weights(model)
    kept: list[Ints | None] = [None] * len(model.units)
    waiting = list(range(len(model.units)))
    while waiting:
        # Those first whose clients are all known; of a circle the first.
        ready = [
            number
            for number in waiting
            if all(kept[one.client] is not None for one in model.serving if one.server == number)
        ]
        number = ready[0] if ready else waiting[0]
        waiting.remove(number)
        unit = model.units[number]
        demands = []
        if unit.clients is not None and unit.clients.count:
            demands.append(_weighted(unit.clients.cost, weights[unit.clients.tier]))
        for serving in model.serving:
            clients = kept[serving.client]
            if serving.server == number and clients is not None:
                demands.append(_weighted(rows_at(serving.reach, clients), weights[serving.tier]))
        groups = [*unit.groups]
        if number == 0:
            groups += [group for entry in model.alternatives for alternative in entry for group in alternative]
        demand = stacked_rows(demands) if demands else csr_array((0, unit.count), dtype=np.float64)
        kept[number] = _kept(model, number, weights @ unit.open_cost, demand, groups, incumbent.open[number])
    return tuple(one for one in kept if one is not None)


def tier_weights(model: Model) -> Floats:
    """(tiers,) what makes one sum of the tiers, in which one open candidate more in a tier outweighs all later ones."""
    weights = np.ones(model.tiers)
    reach = 1.0
    for tier in range(model.tiers - 1, -1, -1):
        greatest = max((float(np.abs(unit.open_cost[tier]).max(initial=0.0)) for unit in model.units), default=0.0)
        if greatest > 0.0:
            weights[tier] = reach / greatest
            reach *= 10.0
    return weights


def _kept(model: Model, number: int, cost: Floats, demand: csr_array, groups: list[Group], opened: Ints) -> Ints:
    unit, wanted = model.units[number], model.limits.core_candidates
    most = wanted + len(opened)
    if unit.count <= most:
        return np.arange(unit.count)
    worth = _worth(cost, demand)
    kept = np.zeros(unit.count, dtype=bool)
    kept[opened] = True
    order = np.argsort(worth, kind="stable")
    kept[order[: wanted // 2]] = True
    better = order[: max(DEALT, 2 * wanted)]
    dealt = better[np.argsort(turns_of(_home(demand, better, unit.count)), kind="stable")]
    left = dealt[~kept[dealt]]
    kept[left[: max(0, most - int(kept.sum()))]] = True
    rank = np.empty(unit.count, dtype=np.int64)
    rank[order] = np.arange(unit.count)
    _some_for_each_client(demand, rank, kept)
    for group in groups:
        if group.at_least:
            members = group.members[np.argsort(rank[group.members], kind="stable")]
            kept[members[: group.at_least + SPARE]] = True
    if unit.min_open > np.count_nonzero(kept):
        kept[order[: unit.min_open + SPARE]] = True
    for domains in unit.domains:
        spread = order[np.argsort(turns_of(domains.domain[order]), kind="stable")]
        kept[spread[: wanted // 2]] = True
        some_for_spread(domains, worth, kept, min_open=unit.min_open)
    for budget in model.budgets:
        kept[np.argsort(budget.amounts[number], kind="stable")[: wanted // 8]] = True
    if unit.room is not None:
        roomy = np.argsort(-np.minimum(unit.room, unit.total), kind="stable")
        kept[roomy[: wanted // 4]] = True
    return np.flatnonzero(kept)


def _worth(cost: Floats, demand: csr_array) -> Floats:
    """(candidates,) the reduced cost of each."""
    count = len(cost)
    lengths = np.diff(demand.indptr)
    some = np.flatnonzero(lengths)
    if not len(some):
        return cost
    served = np.bincount(demand.indices, minlength=count)
    share = (cost / np.maximum(served, 1)).take(demand.indices) + demand.data
    pays = np.minimum.reduceat(share, demand.indptr[some])
    saved = np.maximum(np.repeat(pays, lengths[some]) - demand.data, 0.0)
    worth: Floats = cost - np.bincount(demand.indices, saved, count)
    return worth


def _home(demand: csr_array, candidates: Ints, count: int) -> Ints:
    """(candidates,) for which client each counts; -1: for none.

    For that which it serves most cheaply, or where nothing costs anything, for that with the fewest in reach.
    """
    place = places_of(candidates, count)
    column = place.take(demand.indices)
    there = np.flatnonzero(column >= 0)
    lengths = np.diff(demand.indptr)
    client = np.repeat(np.arange(len(lengths)), np.diff(np.searchsorted(there, demand.indptr)))
    price = demand.data.take(there)
    if not price.any():
        price = lengths[client].astype(np.float64)
    order = np.lexsort((client, price, column[there]))
    some, first = np.unique(column[there][order], return_index=True)
    home = np.full(len(candidates), -1, dtype=np.int64)
    home[some] = client[order][first]
    return home


def _some_for_each_client(demand: csr_array, rank: Ints, kept: Mask) -> None:
    """Keeps the best for each client that fewer than `SPARE` of the kept can serve."""
    lengths = np.diff(demand.indptr)
    inside = np.flatnonzero(kept[demand.indices])
    have = np.diff(np.searchsorted(inside, demand.indptr))
    for client in np.flatnonzero((have < SPARE) & (have < lengths)).tolist():
        reached = demand.indices[demand.indptr[client] : demand.indptr[client + 1]]
        if int(kept[reached].sum()) < SPARE:
            kept[reached[np.argsort(rank[reached], kind="stable")[:SPARE]]] = True


def _weighted(cost: csr_array, weight: float) -> csr_array:
    return csr_array((cost.data * weight, cost.indices, cost.indptr), shape=cost.shape)
