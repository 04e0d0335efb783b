"""What a candidate costs along with those that come with it.

From a relaxation follows by how much more a choice costs at least with each candidate (its reduced cost). But whoever opens
a front end opens an API in its reach as well, and whoever opens an API has a front end that needs it. What all of these cost
beyond the relaxation adds up, and by that sum many more candidates can be left out, or ranked, than by their own part of it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from placement.arrays import Floats
from placement.compiled import Flags, Numbers, Row, Small, kernel
from placement.solve.entries import parts_of, reached
from placement.solve.model import Model


class Web(NamedTuple):
    """Who needs whom. Nodes are the candidates of all units, one unit after the other."""

    unit: Numbers
    """(nodes,)"""
    first: Numbers
    """(units + 1,): its first node."""
    serving_begin: Numbers
    """(units + 1,): where the servings begin that a unit is a client of."""
    serving_need: Numbers
    """(servings,): the first of its needs, one for each candidate of the client unit."""
    begin: Numbers
    """(needs + 1,): where the nodes begin that meet a need."""
    next: Small
    some: Flags
    """(nodes,): whether it is in reach of a client of its unit."""


def web_of(model: Model) -> Web:
    """The needs of all candidates."""
    sizes = [unit.count for unit in model.units]
    first = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
    starts, nexts, serving_need, serving_begin, needs = [np.zeros(1, dtype=np.int64)], [], [], [0], 0
    for number in range(len(sizes)):
        for one in model.serving:
            if one.client != number:
                continue
            indptr, indices, _ = parts_of(one.reach)
            serving_need.append(needs)
            needs += sizes[number]
            starts.append(indptr[1:] + starts[-1][-1])
            nexts.append(indices + np.int32(first[one.server]))
        serving_begin.append(len(serving_need))
    some = np.zeros(int(first[-1]), dtype=bool)
    for number, unit in enumerate(model.units):
        if unit.clients is not None:
            some[first[number] : first[number + 1]] = reached(unit.clients.cost)
    return Web(
        unit=np.repeat(np.arange(len(sizes)), sizes).astype(np.int64),
        first=first,
        serving_begin=np.array(serving_begin, dtype=np.int64),
        serving_need=np.array(serving_need, dtype=np.int64),
        begin=np.concatenate(starts),
        next=np.concatenate([np.empty(0, dtype=np.int32), *nexts]),
        some=some,
    )


def more_with(model: Model, web: Web, left: Floats) -> Floats:
    """(nodes,): by how much more than its bound a choice costs at least with each, if it needs all that it opens.

    left: (nodes,) the same of each alone, 0 or more. With a candidate come those that it needs, and one that needs it: there
    is no other reason to open it, unless the model asks for more of its unit.
    """
    order = _servers_first(model)
    if len(order) < len(model.units):
        return left
    used = np.array([_opened_for_use(model, number) for number in range(len(model.units))])
    served = np.bincount([one.server for one in model.serving], minlength=len(model.units))
    found = np.empty(len(left))
    _more_with(web, left, np.array(order, dtype=np.int64), used, bool((served <= 1).all()), found)
    return found


def _opened_for_use(model: Model, number: int) -> bool:
    """Whether a unit's candidates are opened for those that need them and nothing else."""
    unit = model.units[number]
    if (
        unit.min_open > 1
        or unit.groups
        or unit.domains
        or unit.room is not None
        or (number == 0 and model.alternatives)
    ):
        return False
    if float(unit.open_cost.min(initial=0.0)) < 0.0:
        return False
    return unit.min_open < 1 or _needed(model, number, ())


def _needed(model: Model, number: int, asked: tuple[int, ...]) -> bool:
    """Whether somebody needs a candidate of a unit in every choice."""
    clients = model.units[number].clients
    if clients is not None and clients.count:
        return True
    served = [one.client for one in model.serving if one.server == number and one.client not in asked]
    return any(model.units[one].min_open > 0 or _needed(model, one, (*asked, number)) for one in served)


def _servers_first(model: Model) -> list[int]:
    """The units, each after those that serve it; without those of a circle, and those before it."""
    order: list[int] = []
    while True:
        ready = [
            number
            for number in range(len(model.units))
            if number not in order and all(one.server in order for one in model.serving if one.client == number)
        ]
        if not ready:
            return order
        order += ready


@kernel
def _more_with(web: Web, left: Row, order: Numbers, used: Flags, tree: bool, found: Row) -> None:
    nodes = len(left)
    behind, before = left.copy(), np.zeros(nodes)
    meets = np.empty(len(web.begin))
    for place in range(len(order)):
        unit = order[place]
        for one in range(web.first[unit], web.first[unit + 1]):
            greatest, total = 0.0, 0.0
            for serving in range(web.serving_begin[unit], web.serving_begin[unit + 1]):
                need = web.serving_need[serving] + one - web.first[unit]
                meets[need] = np.inf
                for entry in range(web.begin[need], web.begin[need + 1]):
                    meets[need] = min(meets[need], behind[web.next[entry]])
                greatest = max(greatest, meets[need])
                total += meets[need]
            # Whoever serves two may be counted for both.
            behind[one] += total if tree else greatest
    for one in range(nodes):
        if used[web.unit[one]] and not web.some[one]:
            before[one] = np.inf
    for place in range(len(order) - 1, -1, -1):
        unit = order[place]
        for one in range(web.first[unit], web.first[unit + 1]):
            for serving in range(web.serving_begin[unit], web.serving_begin[unit + 1]):
                need = web.serving_need[serving] + one - web.first[unit]
                if meets[need] == np.inf:
                    continue
                with_it = before[one] + (behind[one] - meets[need] if tree else left[one])
                for entry in range(web.begin[need], web.begin[need + 1]):
                    after = web.next[entry]
                    before[after] = min(before[after], with_it)
    for one in range(nodes):
        found[one] = before[one] + behind[one]
