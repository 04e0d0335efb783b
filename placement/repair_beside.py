"""One site beside those that stay: the answer of nearly every failover, in one pass over arrays.

What stays is fixed. Units are looked at in the order of their servings; where one lacks something, the site is added that
makes up for most of it, and of those the one with the fewest moves and the least cost. What comes of it is a proposal, which
the caller holds against the model. Beside it stands what proves a number of moves: whatever the sites that stay lack cannot
be had without a site that is new.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array

from placement.arrays import Floats, Ints, Mask
from placement.compiled import Flags, Numbers, Row, Small, kernel
from placement.modelling import Modelled
from placement.scores.moves import moves
from placement.solve.board import order_of
from placement.solve.entries import cheapest, parts_of, rows_at
from placement.solve.model import Clients, Unit, mask_of, nobody

MAX_ADDED = 4
"""Sites of a unit that are added one after the other, before the whole model is searched."""
DEAR = 1e6
"""What a site costs that makes others necessary."""


def staying(made: Modelled) -> tuple[Ints, ...]:
    """By unit: the candidates at which all of it that runs somewhere runs now."""
    found = []
    for at, unit in enumerate(made.units):
        there = [unit.problem.current[one.id] for one in unit.problem.components if one.id in unit.problem.current]
        sites = made.rows(at)
        found.append(np.flatnonzero(np.any(there, axis=0)[sites]) if there else nobody())
    return tuple(found)


def beside(made: Modelled, now: Sequence[Ints]) -> tuple[Ints, ...] | None:
    """By unit: what stays and what is added; None when some unit lacks what no single sites make up for."""
    model, open = made.model, [one.copy() for one in now]
    for number in order_of(model):
        unit = model.units[number]
        lost = [one for one in model.serving if one.server == number]
        reached = _reached(made, number, now)
        for _ in range(MAX_ADDED + 1):
            mask = mask_of(open[number], unit.count)
            covers = np.zeros(unit.count, dtype=np.int64)
            cost = unit.open_cost.copy()
            missed = 0
            if unit.clients is not None:
                more, saved, lacking = covered(unit.clients, mask)
                covers, missed = covers + more, missed + lacking
                cost[unit.clients.tier] += saved
            for serving in lost:
                more, saved, lacking = covered(
                    Clients(rows_at(serving.reach, open[serving.client]), serving.tier), mask
                )
                covers, missed = covers + more, missed + lacking
                cost[serving.tier] += saved
            if not missed and len(open[number]) >= unit.min_open:
                break
            may = ~mask
            if missed:
                may &= covers > 0
            some = np.flatnonzero(may)
            if not len(some) or len(open[number]) == len(now[number]) + MAX_ADDED:
                return None
            new = moves(made.units[number].problem, unit.sites[some]) + DEAR * ~reached[some]
            order = np.lexsort((some, *cost[::-1, some], new, -covers[some]))
            open[number] = np.sort(np.append(open[number], some[order[0]]))
    return tuple(open)


def least_moves(made: Modelled, now: Sequence[Ints]) -> int:
    """No choice has fewer moves: what the sites that stay lack together takes sites that are new.

    A unit that lacks sites, or sites near its places, takes at least one, whatever the others do. Where it lacks one, and no
    single site does for it that what stays of the units that serve it is near, it takes another, or one of those units does;
    where it lacks several, one of those units does if what stays of them is near none at all. And of two units of which one
    no longer serves what stays of the other, one takes a site when the other cannot do without.
    """
    model, total = made.model, 0
    fewest = [_fewest(made, at, rows) for at, rows in enumerate(now)]
    lacking = [_lacking(unit, rows) for unit, rows in zip(model.units, now, strict=True)]
    counted = {at for at, count in enumerate(lacking) if count}
    for at in sorted(counted):
        total += lacking[at] * fewest[at]
    for at in sorted(counted):
        servers = {one.server for one in model.serving if one.client == at}
        if not servers or made.narrow or servers & counted:
            continue
        # Several that are lacking may do together what none of them does alone.
        if not (_near_servers(made, at, now) if lacking[at] > 1 else _alone_enough(made, at, now)).any():
            counted |= servers
            total += min(fewest[one] for one in {at, *servers})
    for serving in model.serving:
        pair = {serving.server, serving.client}
        if pair & counted:
            continue
        clients = now[serving.client]
        served = _any_open(rows_at(serving.reach, clients), mask_of(now[serving.server], serving.reach.shape[1]))
        if not served.all() and _lacking(model.units[serving.client], clients[served]):
            counted |= pair
            total += min(fewest[one] for one in pair)
    return total


def _alone_enough(made: Modelled, number: int, now: Sequence[Ints]) -> Mask:
    """Of a unit's candidates: those that serve all places which what stays does not, near what stays of the servers."""
    unit = made.model.units[number]
    found = _near_servers(made, number, now)
    if unit.clients is not None:
        covers, _, missed = covered(unit.clients, mask_of(now[number], unit.count))
        found &= covers == missed
    return found


def _near_servers(made: Modelled, number: int, now: Sequence[Ints]) -> Mask:
    """Of a unit's candidates: those that would be new, near what stays of all its servers."""
    found = _reached(made, number, now)
    found[now[number]] = False
    return found


def _lacking(unit: Unit, open: Ints) -> int:
    """How many more sites a unit needs at least, of any kind."""
    lacking = max(0, unit.min_open - len(open))
    mask = mask_of(open, unit.count)
    if not lacking and unit.clients is not None and not _any_open(unit.clients.cost, mask).all():
        lacking = 1
    if not lacking and any(int(np.count_nonzero(mask[one.members])) < one.at_least for one in unit.groups):
        lacking = 1
    if not lacking and unit.room is not None and int(unit.room[open].sum()) < unit.total:
        lacking = 1
    return lacking


def _fewest(made: Modelled, number: int, rows: Ints) -> int:
    """The fewest moves that a site of a unit takes which is not among those that stay."""
    problem = made.units[number].problem
    if not problem.current:
        return 0
    new = moves(problem, np.arange(len(problem)))
    new[made.rows(number)[rows]] = np.inf
    # Not where it was and may not be any more: a site that is down is still one of the problem's.
    new[~made.screenings[number].may_run] = np.inf
    least = float(new.min(initial=np.inf))
    return int(least) if np.isfinite(least) else 0


def _reached(made: Modelled, number: int, now: Sequence[Ints]) -> Mask:
    """Of a unit's candidates, those that what stays of its servers is in reach of, where nothing of these is lost."""
    model = made.model
    found = np.ones(model.units[number].count, dtype=bool)
    for serving in model.serving:
        if serving.client == number:
            found &= _any_open(serving.reach, mask_of(now[serving.server], serving.reach.shape[1]))
    return found


def covered(clients: Clients, open: Mask) -> tuple[Ints, Floats, int]:
    """By candidate: how many of those that nobody serves it would, and what it adds to or takes off the cost of serving.

    And how many nobody serves.
    """
    covers, change = np.zeros(clients.cost.shape[1], dtype=np.int64), np.zeros(clients.cost.shape[1])
    return covers, change, _cover(*parts_of(clients.cost), open, covers, change)


@kernel
def _cover(start: Numbers, column: Small, cost: Row, open: Flags, covers: Numbers, change: Row) -> int:
    missed = 0
    for row in range(len(start) - 1):
        now = np.inf
        for entry in range(start[row], start[row + 1]):
            if open[column[entry]]:
                now = min(now, cost[entry])
        if now == np.inf:
            missed += 1
            for entry in range(start[row], start[row + 1]):
                covers[column[entry]] += 1
                change[column[entry]] += cost[entry]
        else:
            for entry in range(start[row], start[row + 1]):
                change[column[entry]] += min(0.0, cost[entry] - now)
    return missed


def _any_open(matrix: csr_array, open: Mask) -> Mask:
    """(rows,): whether there is an open column in each."""
    found: Mask = np.isfinite(cheapest(matrix, open))
    return found
