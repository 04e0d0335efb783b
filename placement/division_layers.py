"""Totals divided over groups of sites first, and within each group then.

Two ways to take groups: in an order of preference, each up to its room before the next has any; or by weights of
their own at each level (regions, zones, sites). Both only ever call `divide`, and a total that grows gives no group
less, so that no site shrinks. Within its group each site has its share rounded down or up; of the whole total it may
be farther from its share, which is what weights by level ask for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from graph.refusal import InvalidInput
from placement.arrays import Ints
from placement.division import Bounds, Indivisible, bounds_of, divide, divide_again


def divide_with_preference(
    total: int,
    weights: Ints,
    *,
    rank: Ints,
    room: Ints,
    ids: Sequence[str],
    salt: str,
    at_least: Ints | None = None,
    current: Ints | None = None,
    levels: Sequence[Level] = (),
) -> Ints | Indivisible:
    """Replicas of each site, (sites,): sites of a smaller `rank` are filled up to their `room` before others have any.

    `at_least` is given first, at every rank. What then goes to the one group that is neither full nor empty is
    divided by weights, around what its sites have now when `current` is given (`divide_again`), and level by level
    when `levels` are given, the last of which is the sites. A smaller total is taken from the last group first.
    Raises `InvalidInput` as `divide` does.
    """
    bounds = bounds_of(total, weights, ids=ids, at_least=at_least, at_most=room)
    if isinstance(bounds, Indivisible):
        return bounds
    ranks, group = np.unique(rank, return_inverse=True)
    wanted = _summed(bounds.most - bounds.least, group, count=len(ranks))
    before = np.cumsum(wanted) - wanted
    taken = np.clip(total - int(bounds.least.sum()) - before, 0, wanted)
    replicas = np.where(taken[group] < wanted[group], bounds.least, bounds.most)
    for part in np.flatnonzero((taken > 0) & (taken < wanted)).tolist():
        rows = np.flatnonzero(group == part)
        whole = int(taken[part] + bounds.least[rows].sum())
        inside = (
            _levelled(whole, bounds, rows, levels, salt=salt, current=current)
            if levels
            else _part(whole, bounds, rows, ids=ids, salt=salt, current=current)
        )
        if isinstance(inside, Indivisible):
            return inside
        replicas[rows] = inside
    return replicas


@dataclass(frozen=True, slots=True)
class Level:
    """Groups that a total is divided over, or, in the last level, sites."""

    ids: Sequence[str]
    weights: Ints
    """(groups,) each group's weight among those with the same parent."""
    parents: Ints
    """(groups,) the group of the level before that each is in; in the first level 0."""
    keeps: bool = False
    """Whether what each has now is kept as far as can be (`divide_again`): for weights that drift."""


def divide_in_levels(
    total: int,
    levels: Sequence[Level],
    *,
    salt: str,
    at_least: Ints | None = None,
    at_most: Ints | None = None,
    current: Ints | None = None,
) -> Ints | Indivisible:
    """Replicas of each site of the last level, (sites,): the total by the first level's weights, each part by the next's.

    `at_least`, `at_most` and `current`, what runs now, are the sites'; a group takes what its sites take together, and
    with weight 0 only their least. Raises `InvalidInput` as `divide` does, and when a parent is not in the level before.
    """
    if not levels:
        raise InvalidInput("there is no level to divide over", remedy="give at least one", path="levels")
    bounds, runs = list[Bounds](), list[Ints | None]()
    for place in range(len(levels) - 1, -1, -1):
        level = levels[place]
        groups = len(levels[place - 1].ids) if place else 1
        if len(level.parents) != len(level.ids) or np.any((level.parents < 0) | (level.parents >= groups)):
            raise InvalidInput("a parent is not in the level before", remedy="give its place there", path="levels")
        inside = bounds_of(total, level.weights, ids=level.ids, at_least=at_least, at_most=at_most)
        if isinstance(inside, Indivisible):
            return inside
        bounds.append(inside)
        runs.append(current if level.keeps else None)
        current = None if current is None else _summed(current, level.parents, count=groups)
        at_least = _summed(inside.least, level.parents, count=groups)
        at_most = _summed(inside.most, level.parents, count=groups)
    replicas = np.array([total])
    for level, taken, now in zip(levels, reversed(bounds), reversed(runs), strict=True):
        below = taken.least.copy()
        order = np.argsort(level.parents, kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(level.parents[order])) + 1) if len(order) else ():
            whole = int(replicas[level.parents[rows[0]]])
            part = _part(whole, taken, rows, ids=level.ids, salt=salt, current=now)
            if isinstance(part, Indivisible):
                return part
            below[rows] = part
        replicas = below
    return replicas


def _levelled(
    total: int, bounds: Bounds, rows: Ints, levels: Sequence[Level], *, salt: str, current: Ints | None
) -> Ints | Indivisible:
    """A total divided level by level over some of the sites alone, (rows,)."""
    sites = levels[-1]
    some = replace(
        sites,
        ids=[sites.ids[row] for row in rows.tolist()],
        weights=sites.weights[rows],
        parents=sites.parents[rows],
    )
    return divide_in_levels(
        total,
        [*levels[:-1], some],
        salt=salt,
        at_least=bounds.least[rows],
        at_most=bounds.most[rows],
        current=None if current is None else current[rows],
    )


def _part(
    total: int, bounds: Bounds, rows: Ints, *, ids: Sequence[str], salt: str, current: Ints | None = None
) -> Ints | Indivisible:
    """A total divided over some of the sites alone, (rows,)."""
    names = [ids[row] for row in rows.tolist()]
    weights, least, most = bounds.weights[rows], bounds.least[rows], bounds.most[rows]
    if current is None:
        return divide(total, weights, ids=names, salt=salt, at_least=least, at_most=most)
    return divide_again(total, weights, current=current[rows], ids=names, salt=salt, at_least=least, at_most=most)


def _summed(values: Ints, group: Ints, *, count: int) -> Ints:
    """(groups,) the sum over each group's members, in whole numbers."""
    sums = np.zeros(count, dtype=np.int64)
    np.add.at(sums, group, values)
    return sums
