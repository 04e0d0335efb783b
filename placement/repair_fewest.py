"""The fewest moves that put one deployment right, by counts alone: searched, and proved.

How many sites must be new does not depend on what they cost. So what stays is open for nothing, and where no word of the
policy says that something is too many it is of no harm: what it serves needs nothing more, and is left out. Of the sites
that would be new only those are looked at that may be in a choice of fewer moves than are known already, and that do what no
other does that needs as little. What is left of a thousand sites are some dozens, which the exact search has done with in
milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from placement.arrays import Floats, Ints, Mask
from placement.solve.board import order_of
from placement.solve.entries import cheapest, least_of, rows_at
from placement.solve.highs import solved
from placement.solve.model import Budget, Clients, Model, mask_of
from placement.solve.program import program
from placement.solve.restriction import restricted

MAX_PATTERNS = 1_000_000
"""Pairs of candidates that are held against each other at most."""
NEVER = 2**31
"""Moves of what cannot be."""
ROUNDING = 1e-4
"""Moves are whole: a bound this little above a number is that number."""


@dataclass(frozen=True, slots=True)
class Fewest:
    """What is known of the fewest moves."""

    least: int
    """No choice has fewer."""
    open: tuple[Ints, ...] | None = None
    """By unit: a choice of fewer moves than were asked below, where one was found."""
    iterations: int = 0
    """Nodes of the exact search."""


def fewest(model: Model, new: Sequence[Floats], *, below: int) -> Fewest:
    """Whether a choice has fewer moves than `below`: one with the fewest, or the proof that there is none.

    new: by unit, (candidates,) the moves that opening each takes. Of a model that was cut to its best candidates it proves
    nothing of the others. Without a core (`Limits.core_candidates`) only the least moves of single words are counted.
    """
    order = order_of(model)
    needs = _needs(model, order, new)
    free = [one == 0.0 for one in needs]
    least = _least(model, needs, free)
    if least >= below or not model.limits.core_candidates:
        return Fewest(min(least, below))
    if _says_too_many(model):
        among = [one < below for one in needs]
        asked = model
    else:
        asked, among = _useful(model, order, new, needs, free, below)
    return _searched(model, asked, new, among, free, below=below, least=least)


def can_be(model: Model, new: Sequence[Floats]) -> bool:
    """Whether each word by itself can be kept at all; where one cannot there is no choice.

    new: as in `fewest`.
    """
    needs = _needs(model, order_of(model), new)
    return _least(model, needs, [one == 0.0 for one in needs]) < NEVER


def _needs(model: Model, order: Sequence[int], new: Sequence[Floats]) -> list[Floats]:
    """By unit: (candidates,) how many moves it takes at least that each is open and served; infinite where it cannot be."""
    found = [one.copy() for one in new]
    for number in reversed(order):
        servers = [one for one in model.serving if one.client == number]
        if servers:
            found[number] += np.max([least_of(one.reach, found[one.server]) for one in servers], axis=0)
    return found


def _least(model: Model, needs: Sequence[Floats], free: Sequence[Mask]) -> int:
    """The fewest moves of what any one word asks for."""
    least = 0.0
    for unit, figures, there in zip(model.units, needs, free, strict=True):
        if unit.clients is not None and unit.clients.count:
            least = max(least, float(least_of(unit.clients.cost, figures).max()))
        for members, asked in [(np.arange(unit.count), unit.min_open)] + [
            (one.members, one.at_least) for one in unit.groups
        ]:
            lacking = asked - int(np.count_nonzero(there[members]))
            if lacking > 0:
                others = np.sort(figures[members][~there[members]])[:lacking]
                # Those that are opened may share what serves them, so that each costs no more than the dearest.
                least = max(least, float(others[-1]) if len(others) == lacking else np.inf)
    return int(least) if np.isfinite(least) else NEVER


def _says_too_many(model: Model) -> bool:
    """Whether what stays may be too much, so that it is not open for nothing."""
    groups = [one for unit in model.units for one in unit.groups]
    domains = [one for unit in model.units for one in unit.domains]
    alternatives = [one for entry in model.alternatives for groups_of in entry for one in groups_of]
    return bool(
        model.budgets
        or model.apart
        or any(one.max_open is not None for one in model.units)
        or any(one.at_most is not None for one in (*groups, *alternatives))
        or any(one.max_domains is not None or one.max_each is not None for one in domains)
    )


def _useful(
    model: Model,
    order: Sequence[int],
    new: Sequence[Floats],
    needs: Sequence[Floats],
    free: Sequence[Mask],
    below: int,
) -> tuple[Model, list[Mask]]:
    """The model with no more places than what stays does not serve, and by unit the candidates that may be of use.

    What is free stays among them. A unit comes after those that it serves.
    """
    units, useful = list(model.units), [one.copy() for one in free]
    for number in order:
        unit = model.units[number]
        asked = []
        if unit.clients is not None:
            lacking = np.flatnonzero(np.isinf(cheapest(unit.clients.cost, free[number])))
            matrix = rows_at(unit.clients.cost, lacking)
            asked.append(matrix)
            units[number] = replace(unit, clients=Clients(matrix, unit.clients.tier))
        for serving in model.serving:
            if serving.server == number:
                waiting = np.flatnonzero(useful[serving.client] & ~free[serving.client])
                unserved = np.isinf(cheapest(serving.reach, free[number], rows=waiting))
                asked.append(rows_at(serving.reach, waiting[unserved]))
        may = ~free[number] & (needs[number] < below)
        if not _lacks_others(model, number, free[number]):
            columns = np.flatnonzero(may)
            does = np.zeros((sum(one.shape[0] for one in asked), unit.count), dtype=np.float32)
            first = 0
            for one in asked:
                does[first + np.repeat(np.arange(one.shape[0]), np.diff(one.indptr)), one.indices] = 1.0
                first += one.shape[0]
            does = does[:, columns]
            unneeding = needs[number][columns] == new[number][columns]
            may[columns[~_apart_from(does, new[number][columns], unneeding)]] = False
        useful[number] |= may
    return replace(model, units=tuple(units)), useful


def _lacks_others(model: Model, number: int, free: Mask) -> bool:
    """Whether a unit lacks sites of some kind, and not only near somebody."""
    unit = model.units[number]
    if not number and model.alternatives:
        return True
    return (
        int(np.count_nonzero(free)) < unit.min_open
        or any(int(np.count_nonzero(free[one.members])) < one.at_least for one in unit.groups)
        or any(len(np.unique(one.domain[free])) < one.min_domains for one in unit.domains)
        or (unit.room is not None and int(unit.room[free].sum()) < unit.total)
    )


def _apart_from(does: NDArray[np.float32], new: Floats, unneeding: Mask) -> Mask:
    """(columns,): those that do something, and that no other stands in for that does as much, takes no more moves and needs
    nobody else.

    does: (rows, columns) of 1.0 and 0.0.
    """
    found: Mask = np.asarray(does.any(axis=0))
    some = np.flatnonzero(found & unneeding)
    if not len(some):
        return found
    patterns = np.packbits(does[:, some] > 0, axis=0)
    _, first = np.unique(np.vstack([patterns, new[some].astype(np.uint8)[None, :]]), axis=1, return_index=True)
    some = some[np.sort(first)]
    kept: Mask = np.asarray(found & ~unneeding)
    kept[some] = True
    columns = np.flatnonzero(kept)
    if len(columns) * len(some) > MAX_PATTERNS:
        return kept
    size = does.sum(axis=0)
    common = does[:, columns].T @ does[:, some]
    stands_in = (common == size[columns][:, None]) & (new[some][None, :] <= new[columns][:, None])
    # Of those that do the same each is itself; a smaller one never stands in for a larger.
    same = (size[columns][:, None] == size[some][None, :]) & (new[columns][:, None] == new[some][None, :])
    stands_in &= ~(same & unneeding[columns][:, None])
    kept[columns[stands_in.any(axis=1)]] = False
    return kept


def _searched(
    model: Model,
    asked: Model,
    new: Sequence[Floats],
    among: Sequence[Mask],
    free: Sequence[Mask],
    *,
    below: int,
    least: int,
) -> Fewest:
    kept = tuple(np.flatnonzero(one) for one in among)
    units = tuple(
        replace(
            one,
            open_cost=amounts[None, :],
            clients=None if one.clients is None else replace(one.clients, tier=0),
        )
        for one, amounts in zip(asked.units, new, strict=True)
    )
    serving = tuple(replace(one, tier=0) for one in asked.serving)
    fewer = Budget(tuple(new), float(below - 1), label="moves")
    whole = replace(asked, units=units, serving=serving, tiers=1, budgets=(*asked.budgets, fewer))
    part = restricted(whole, kept)
    limits = model.limits
    rows = program(part, served=0)
    found = solved(rows, rows.costs[0], nodes=limits.mip_nodes, looks=limits.mip_looks, stop=limits.stop)
    if found.status == "infeasible":
        return Fewest(below, iterations=found.nodes)
    if np.isfinite(found.bound):
        least = max(least, math.ceil(found.bound - ROUNDING))
    if found.values is None:
        return Fewest(min(least, below), iterations=found.nodes)
    open = [one[opened] for one, opened in zip(kept, rows.opened(found.values), strict=True)]
    if asked is not model:
        open = _with_all_that_stays(model, open, new)
    return Fewest(least, tuple(open), found.nodes)


def _with_all_that_stays(model: Model, open: Sequence[Ints], new: Sequence[Floats]) -> list[Ints]:
    """The choice, with everything that runs now and is served by it."""
    masks = [
        mask_of(one, unit.count) | (amounts == 0.0) for one, unit, amounts in zip(open, model.units, new, strict=True)
    ]
    for number in reversed(order_of(model)):
        for one in model.serving:
            if one.client == number:
                masks[number] &= np.isfinite(cheapest(one.reach, masks[one.server]))
    return [np.flatnonzero(one) for one in masks]
