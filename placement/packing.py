"""Replicas into nodes: first fit decreasing, at all sites at once.

Replicas of a component are alike, so first fit puts as many as go into the first node, then into the next: a running sum
over the nodes of a site. One pass of array operations a component therefore packs every site, where a loop over 10,000 sites
would take seconds. A single component is packed exactly. With several, first fit may fail where another order would do, so
sites at which each component fits alone and the sum of all is there are tried again in other orders.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from placement.arrays import Floats, Ints, Mask
from placement.bins import Bins, ComponentNeed, needed_in_all

MOST_ROOM = 2**31 - 1
"""More room than this counts as this."""


@dataclass(frozen=True, slots=True)
class Packing:
    """How far the components go into the nodes they may use."""

    take: Ints
    """(components, bins): replicas."""
    placed: Ints
    """(components, sites): replicas in the site's chosen group."""
    fits: Mask
    """For each site: whether all replicas of all components fit in one group, and in what the site has in all."""
    group: Ints
    """For each site: the first group in which all fit, else the one that takes most; -1 where there is none."""
    free: Floats
    """(sites, resources): free in bins that any component may use, less what is in use on no particular node."""


def pack(bins: Bins, components: Sequence[ComponentNeed], *, eligible: Sequence[Mask], sites: int) -> Packing:
    """Packs each group; `eligible` says for each component which bins it may use."""
    groups = len(bins.group_site)
    orders = _orders(bins, components)
    take, placed = _fill(bins.free, bins.group, groups, components, eligible, order=orders[0])
    wanted = np.array([one.replicas for one in components], dtype=np.int64)[:, None]
    whole = (placed == wanted).all(axis=0)
    if len(components) > 1 and not whole.all():
        hopeful = ~whole & _may_fit(bins, components, eligible, groups)
        for order, arrangement in _attempts(bins, orders):
            chosen = arrangement[hopeful[bins.group[arrangement]]]
            if not len(chosen):
                break
            again, count = _fill(
                bins.free[chosen],
                bins.group[chosen],
                groups,
                components,
                [one[chosen] for one in eligible],
                order=order,
            )
            better = hopeful & (count == wanted).all(axis=0)
            moved = better[bins.group[chosen]]
            take[:, chosen[moved]] = again[:, moved]
            placed[:, better] = count[:, better]
            whole |= better
            hopeful &= ~better
    group = _choose_groups(bins, placed, wanted, whole, sites)
    at = np.where(group < 0, 0, group)
    has = group >= 0
    per_site = np.where(has, placed[:, at], 0) if groups else np.zeros((len(components), sites), dtype=np.int64)
    usable_by_any = np.logical_or.reduce(list(eligible))
    free = _summed(bins, usable_by_any, sites) - bins.unplaced
    enough = (free >= needed_in_all(components)).all(axis=1) | ~bins.unplaced.any(axis=1)
    none_wanted = not wanted.any()
    fits = (has & whole[at] if groups else np.zeros(sites, dtype=bool)) & enough
    return Packing(take=take, placed=per_site, fits=fits | none_wanted, group=group, free=free)


def room_for(bins: Bins, component: ComponentNeed, eligible: Mask, *, sites: int) -> Ints:
    """(sites,) how many replicas of a component alone go into the group of each site that takes most."""
    fit = np.where(eligible, MOST_ROOM, 0)
    for resource in np.flatnonzero(component.need):
        np.minimum(fit, bins.free[:, resource] // component.need[resource], out=fit)
    fit[~eligible] = 0
    by_group = np.bincount(bins.group, weights=fit.astype(np.float64), minlength=len(bins.group_site))
    room = np.zeros(sites)
    np.maximum.at(room, bins.group_site, by_group)
    return np.minimum(room, MOST_ROOM).astype(np.int64)


def _fill(
    free: Ints,
    group: Ints,
    groups: int,
    components: Sequence[ComponentNeed],
    eligible: Sequence[Mask],
    *,
    order: Sequence[int],
) -> tuple[Ints, Ints]:
    """Replicas by (component, bin) and by (component, group); `group` ascends, and bins are filled as they come."""
    left = free.copy()
    take = np.zeros((len(components), len(group)), dtype=np.int64)
    placed = np.zeros((len(components), groups), dtype=np.int64)
    if not len(group):
        return take, placed
    starts = np.flatnonzero(np.r_[True, group[1:] != group[:-1]])
    begins = np.repeat(starts, np.diff(np.r_[starts, len(group)]))
    for at in order:
        one = components[at]
        if not one.replicas:
            continue
        fit = np.full(len(group), one.replicas, dtype=np.int64)
        for resource in np.flatnonzero(one.need):
            np.minimum(fit, left[:, resource] // one.need[resource], out=fit)
        fit[~eligible[at]] = 0
        before = np.cumsum(fit) - fit
        taken = np.clip(one.replicas - (before - before[begins]), 0, fit)
        left -= taken[:, None] * one.need
        take[at] = taken
        placed[at, group[starts]] = np.add.reduceat(taken, starts)
    return take, placed


def _may_fit(bins: Bins, components: Sequence[ComponentNeed], eligible: Sequence[Mask], groups: int) -> Mask:
    """Groups in which each component fits alone and the sum of all is there: what every packing needs."""
    may = np.ones(groups, dtype=bool)
    for at, one in enumerate(components):
        _, placed = _fill(bins.free, bins.group, groups, [one], [eligible[at]], order=[0])
        may &= placed[0] == one.replicas
    any_of = np.logical_or.reduce(list(eligible))
    needed = needed_in_all(components)
    for resource in range(len(bins.resources)):
        there = np.bincount(
            bins.group[any_of], weights=bins.free[any_of, resource].astype(np.float64), minlength=groups
        )
        may &= there >= needed[resource]
    return may


def _orders(bins: Bins, components: Sequence[ComponentNeed]) -> list[list[int]]:
    """Orders of the components: the largest first; the one that asks for most memory first; the longest list first."""
    typical = np.maximum(bins.usable.mean(axis=0), 1.0) if len(bins.usable) else np.ones(len(bins.resources))
    shares = [(one.need / typical) for one in components]
    rare = len(bins.resources) > 3

    def largest(at: int) -> tuple[bool, float, str]:
        scarce = rare and bool(components[at].need[3:].any())
        return not scarce, -float(shares[at].max()), components[at].id

    def by_resource(resource: int) -> list[int]:
        return sorted(range(len(components)), key=lambda at: (-float(shares[at][resource]), components[at].id))

    return [sorted(range(len(components)), key=largest), by_resource(0), by_resource(1)]


def _attempts(bins: Bins, orders: Sequence[Sequence[int]]) -> list[tuple[Sequence[int], Ints]]:
    """Other orders of components and of bins within their group: fullest first, then emptiest first."""
    usable = np.maximum(bins.usable, 1)
    share = (bins.free / usable).min(axis=1) if len(usable) else np.zeros(0)
    bounds = np.arange(len(share))
    fullest = np.lexsort((bounds, share, bins.group))
    emptiest = np.lexsort((bounds, -share, bins.group))
    return [(order, arrangement) for arrangement in (fullest, emptiest) for order in orders]


def _choose_groups(bins: Bins, placed: Ints, wanted: Ints, whole: Mask, sites: int) -> Ints:
    chosen = np.full(sites, -1, dtype=np.int64)
    if not len(bins.group_site):
        return chosen
    share = (placed / np.maximum(wanted, 1)).sum(axis=0) + np.where(whole, len(placed) + 1, 0)
    # By site, then by how much is placed, then by cluster id: the first of each site is its choice.
    order = np.lexsort((np.arange(len(share)), -share, bins.group_site))
    found, first = np.unique(bins.group_site[order], return_index=True)
    chosen[found] = order[first]
    return chosen


def _summed(bins: Bins, among: Mask, sites: int) -> Floats:
    total = np.empty((sites, len(bins.resources)))
    for resource in range(len(bins.resources)):
        weights = bins.free[among, resource].astype(np.float64)
        total[:, resource] = np.bincount(bins.site[among], weights=weights, minlength=sites)
    return total
