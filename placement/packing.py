"""Replicas into nodes: first fit decreasing, at all sites at once.

Replicas of a component are alike, so first fit puts as many as go into the first node, then into the next. A component's
share of a node depends only on what of it is still to be placed and on what the components before it took there: so all
sites are packed together, a node of each at a time, and a site is done when nothing is left, mostly after the first.
Where many nodes must be looked at, running sums over a site's nodes say the same in one pass. Either way the answer is
that of packing each site by itself, where a loop over 10,000 sites would take seconds.

A single component is packed exactly. With several, first fit may fail where another order would do, so sites at which each
component fits alone and the sum of all is there are tried again in other orders.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from placement.arrays import Floats, Ints, Mask
from placement.bins import Bins, ComponentNeed, summed

WAVES = 4
"""How many nodes of each site are looked at one after the other, before the rest is done by running sums."""
MOST_ROOM = 2**31 - 1
"""More room than this counts as this."""
FEW = 0.4
"""A component that may use a smaller share of the nodes is packed by these alone."""


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
    bins: Bins
    eligible: tuple[Mask, ...]

    @property
    def free(self) -> Floats:
        """(sites, resources): free in bins that any component may use, less what is in use on no particular node."""
        return free_in_all(self.bins, any_of(self.eligible))

    def free_of(self, resource: int) -> Floats:
        """(sites,): the same for one resource."""
        return _free_of(self.bins, any_of(self.eligible), resource)

    def free_at(self, site: int) -> Floats:
        """(resources,): the same at one site."""
        here = self.bins.of_site(site)
        may = any_of([one[here] for one in self.eligible])
        free: Floats = self.bins.free[here][may].sum(axis=0, dtype=np.float64) - self.bins.unplaced[site]
        return free


def pack(
    bins: Bins,
    components: Sequence[ComponentNeed],
    *,
    eligible: Sequence[Mask],
    sites: int,
    replicas: Ints | None = None,
    among: Mask | None = None,
) -> Packing:
    """Packs each group; `eligible` says for each component which bins it may use.

    replicas: (components, sites) how many are wanted; each component's own number everywhere when not given.
    among: the sites that are packed; nothing fits at others. None: all.
    """
    groups = len(bins.group_site)
    wanted = _wanted(components, replicas, sites)
    at_group = wanted[:, bins.group_site]
    if among is not None:
        at_group = np.where(among[bins.group_site], at_group, 0)
    orders = _orders(bins, components)
    take = np.zeros((len(components), len(bins.site)), dtype=np.int64)
    placed = _filled(bins, components, eligible, at_group, order=orders[0], take=take)
    whole = (placed == at_group).all(axis=0)
    if among is not None:
        whole &= among[bins.group_site]
    if len(components) > 1 and not whole.all():
        _try_again(bins, components, eligible, at_group, orders, take=take, placed=placed, whole=whole, among=among)
    group = _choose_groups(bins, placed, at_group, whole, sites)
    has = group >= 0
    at = np.where(has, group, 0)
    per_site = np.where(has, placed[:, at], 0) if groups else np.zeros((len(components), sites), dtype=np.int64)
    fits = has & whole[at] if groups else np.zeros(sites, dtype=bool)
    fits = _and_in_all(fits, bins, components, wanted, eligible)
    none_wanted = ~wanted.any(axis=0)
    if among is not None:
        none_wanted &= among
    return Packing(
        take=take, placed=per_site, fits=fits | none_wanted, group=group, bins=bins, eligible=tuple(eligible)
    )


def any_of(masks: Sequence[Mask]) -> Mask:
    """What any of some masks has."""
    found = masks[0]
    for one in masks[1:]:
        if one is not found:
            found = found | one
    return found


def free_in_all(bins: Bins, among: Mask) -> Floats:
    """(sites, resources): free in some bins, less what is in use on no particular node."""
    return np.column_stack([_free_of(bins, among, resource) for resource in range(len(bins.resources))])


def fit_of(bins: Bins, component: ComponentNeed, eligible: Mask) -> Ints:
    """(bins,): how many replicas of a component alone go into each bin."""
    rows = np.flatnonzero(eligible)
    fit = np.zeros(len(bins.site), dtype=np.int64)
    fit[rows] = _fit([bins.free[rows, r] for r in range(len(bins.resources))], component, None)
    return fit


def room_for(bins: Bins, component: ComponentNeed, eligible: Mask, *, sites: int) -> Ints:
    """(sites,) how many replicas of a component alone go into the group of each site that takes most."""
    fit = np.minimum(fit_of(bins, component, eligible), MOST_ROOM)
    room = np.zeros(sites)
    np.maximum.at(room, bins.group_site, summed(fit, bins.starts))
    return np.minimum(room, MOST_ROOM).astype(np.int64)


def _wanted(components: Sequence[ComponentNeed], replicas: Ints | None, sites: int) -> Ints:
    if replicas is not None:
        return replicas
    column = np.array([one.replicas for one in components], dtype=np.int64)[:, None]
    return np.broadcast_to(column, (len(components), sites))


def _fit(left: Sequence[Ints], component: ComponentNeed, most: Ints | None) -> Ints:
    """How many replicas go into each bin of what is left there, by resource."""
    fit: Ints | None = most
    for resource in np.flatnonzero(component.need).tolist():
        here = left[resource] // component.need[resource]
        fit = here if fit is None else np.minimum(fit, here, out=here)
    if fit is None:
        fit = np.full(len(left[0]), np.iinfo(np.int32).max, dtype=np.int64)
    if component.most_per_node is not None:
        fit = np.minimum(fit, component.most_per_node)
    return fit


def _filled(
    bins: Bins,
    components: Sequence[ComponentNeed],
    eligible: Sequence[Mask],
    wanted: Ints,
    *,
    order: Sequence[int],
    take: Ints,
) -> Ints:
    """Replicas by (component, group); `take` is overwritten. `wanted` is by (component, group)."""
    filling = _Filling(bins, components, eligible, wanted, take)
    waiting: list[int] = []
    for at in order:
        if not wanted[at].any():
            continue
        if np.count_nonzero(eligible[at]) < FEW * len(bins.site) or _is_rare(bins, components[at]):
            filling.by_waves(waiting)
            waiting = []
            filling.by_sums(at)
        else:
            waiting.append(at)
    filling.by_waves(waiting)
    return wanted - filling.missing


def _is_rare(bins: Bins, component: ComponentNeed) -> bool:
    """Whether it asks for an accelerator, which few nodes have."""
    return bool(component.need[3:].any())


class _Filling:
    """Bins that are being filled."""

    def __init__(
        self,
        bins: Bins,
        components: Sequence[ComponentNeed],
        eligible: Sequence[Mask],
        wanted: Ints,
        take: Ints,
    ) -> None:
        self._bins, self._components, self._eligible, self._take = bins, components, eligible, take
        self._resources = range(len(bins.resources))
        self._left = [bins.free[:, resource] for resource in self._resources]
        self._owned: set[int] = set()
        self._sole = any(one.alone for one in components)
        self.missing = wanted.copy()
        """(components, groups): still to be placed."""

    def by_waves(self, order: Sequence[int]) -> None:
        """Fills components, in this order, bin by bin of all groups that lack some."""
        starts = self._bins.starts
        if not order or len(starts) < 2:
            return
        sizes = np.diff(starts)
        groups = np.flatnonzero(self.missing[list(order)].any(axis=0))
        for wave in range(WAVES):
            groups = groups[sizes[groups] > wave]
            if not len(groups):
                return
            self._fill_one(order, groups, starts[groups] + wave)
            groups = groups[self.missing[list(order)][:, groups].any(axis=0)]
        groups = groups[sizes[groups] > WAVES]
        if len(groups):
            counts = sizes[groups] - WAVES
            begins = np.concatenate(([0], np.cumsum(counts)))
            rows = np.repeat(starts[groups] + WAVES - begins[:-1], counts) + np.arange(begins[-1])
            for at in order:
                self._fill_ranges(at, rows, groups, begins)

    def by_sums(self, at: int) -> None:
        """Fills one component by the bins that it may use alone."""
        bins = self._bins
        may = self._eligible[at]
        for resource in np.flatnonzero(self._components[at].need[3:]).tolist():
            may = may & (self._left[3 + resource] > 0)
        rows = np.flatnonzero(may)
        if not len(rows):
            return
        of = bins.group[rows]
        begins = np.flatnonzero(np.diff(of, prepend=-1))
        self._fill_ranges(at, rows, of[begins], np.append(begins, len(rows)), all_eligible=True)

    def _fill_one(self, order: Sequence[int], groups: Ints, rows: Ints) -> None:
        """Fills components into one bin of each group."""
        left = [one[rows] for one in self._left]
        for at in order:
            component = self._components[at]
            missing = self.missing[at, groups]
            taken = self._usable(at, rows, np.minimum(_fit(left, component, None), missing))
            for resource in np.flatnonzero(component.need).tolist():
                left[resource] -= taken * component.need[resource]
            self.missing[at, groups] = missing - taken
            self._take[at, rows] = taken
        for resource in self._resources:
            self._own(resource)[rows] = left[resource]

    def _fill_ranges(self, at: int, rows: Ints, groups: Ints, begins: Ints, *, all_eligible: bool = False) -> None:
        """Fills a component into ranges of bins by running sums: `begins` has one more than there are groups."""
        component, counts = self._components[at], np.diff(begins)
        missing = self.missing[at, groups]
        most = np.repeat(missing, counts)
        fit = np.minimum(_fit([one[rows] for one in self._left], component, None), most)
        fit = self._usable(at, rows, fit, all_eligible=all_eligible)
        before = np.cumsum(fit) - fit
        taken = np.clip(most - (before - np.repeat(before[begins[:-1]], counts)), 0, fit)
        for resource in np.flatnonzero(component.need).tolist():
            self._own(resource)[rows] -= taken * component.need[resource]
        self._take[at, rows] = taken
        self.missing[at, groups] = missing - np.add.reduceat(taken, begins[:-1])

    def _usable(self, at: int, rows: Ints, fit: Ints, *, all_eligible: bool = False) -> Ints:
        """What fits, where the component may be at all."""
        if not all_eligible:
            fit = fit * self._eligible[at][rows]
        if self._sole:
            others = [
                n for n, one in enumerate(self._components) if n != at and (one.alone or self._components[at].alone)
            ]
            if others:
                fit = fit * ~np.logical_or.reduce([self._take[n, rows] > 0 for n in others])
        return fit

    def _own(self, resource: int) -> Ints:
        """What is left of a resource, as a copy that may be written."""
        if resource not in self._owned:
            self._left[resource] = self._left[resource].copy()
            self._owned.add(resource)
        return self._left[resource]


def _try_again(
    bins: Bins,
    components: Sequence[ComponentNeed],
    eligible: Sequence[Mask],
    wanted: Ints,
    orders: Sequence[Sequence[int]],
    *,
    take: Ints,
    placed: Ints,
    whole: Mask,
    among: Mask | None,
) -> None:
    """Packs groups in which all may fit in other orders; overwrites `take`, `placed` and `whole`."""
    hopeful = ~whole
    if among is not None:
        hopeful &= among[bins.group_site]
    hopeful = _may_fit(bins, components, eligible, wanted, hopeful)
    if not hopeful.any():
        return
    part = _Part(bins, np.flatnonzero(hopeful))
    for order, arrangement in part.attempts(orders):
        chosen = part.rows[arrangement]
        found = np.zeros((len(components), len(chosen)), dtype=np.int64)
        smaller = part.arranged(chosen)
        count = _filled(
            smaller, components, [one[chosen] for one in eligible], wanted[:, part.groups], order=order, take=found
        )
        better = ~whole[part.groups] & (count == wanted[:, part.groups]).all(axis=0)
        moved = better[smaller.group]
        take[:, chosen[moved]] = found[:, moved]
        placed[:, part.groups[better]] = count[:, better]
        whole[part.groups[better]] = True
        if whole[part.groups].all():
            break


class _Part:
    """Some of the groups, by themselves."""

    def __init__(self, bins: Bins, groups: Ints) -> None:
        self._bins, self.groups = bins, groups
        counts = np.diff(bins.starts)[groups]
        self._starts = np.concatenate(([0], np.cumsum(counts)))
        self._group = np.repeat(np.arange(len(groups)), counts)
        self.rows = np.repeat(bins.starts[groups] - self._starts[:-1], counts) + np.arange(self._starts[-1])
        """The bins of these groups."""

    def attempts(self, orders: Sequence[Sequence[int]]) -> list[tuple[Sequence[int], Ints]]:
        """Orders of components, and of bins within their group: fullest first, then emptiest first."""
        usable = np.maximum(self._bins.usable[self.rows], 1)
        share = (self._bins.free[self.rows] / usable).min(axis=1) if len(self.rows) else np.zeros(0)
        bounds = np.arange(len(share))
        fullest = np.lexsort((bounds, share, self._group))
        emptiest = np.lexsort((bounds, -share, self._group))
        return [(order, arrangement) for arrangement in (fullest, emptiest) for order in orders]

    def arranged(self, rows: Ints) -> Bins:
        """The bins at some rows, which are these groups' in their order."""
        return self._bins.only(rows, group=self._group, starts=self._starts, groups=self.groups)


def _may_fit(
    bins: Bins, components: Sequence[ComponentNeed], eligible: Sequence[Mask], wanted: Ints, hopeful: Mask
) -> Mask:
    """Of some groups, those in which each component fits alone and the sum of all is there: what every packing needs."""
    may = hopeful.copy()
    among = any_of(eligible)
    for resource in range(len(bins.resources)):
        needed = sum(one.need[resource] * wanted[at].astype(np.float64) for at, one in enumerate(components))
        there = summed(np.where(among, bins.free[:, resource], 0).astype(np.float64), bins.starts)
        may &= there >= needed
    if not may.any():
        return may
    part = _Part(bins, np.flatnonzero(may))
    smaller = part.arranged(part.rows)
    alone = np.ones(len(part.groups), dtype=bool)
    for at, one in enumerate(components):
        fit = _fit([smaller.free[:, r] for r in range(len(bins.resources))], one, None) * eligible[at][part.rows]
        alone &= summed(np.minimum(fit, wanted[at].max()), smaller.starts) >= wanted[at, part.groups]
    may[part.groups] = alone
    return may


def _orders(bins: Bins, components: Sequence[ComponentNeed]) -> list[list[int]]:
    """Orders of the components: the largest first; the one that asks for most memory first; the longest list first."""
    typical = np.maximum(_typical(bins), 1.0)
    shares = [(one.need / typical) for one in components]
    rare = len(bins.resources) > 3

    def largest(at: int) -> tuple[bool, bool, float, str]:
        scarce = rare and bool(components[at].need[3:].any())
        return not components[at].alone, not scarce, -float(shares[at].max()), components[at].id

    def by_resource(resource: int) -> list[int]:
        return sorted(range(len(components)), key=lambda at: (-float(shares[at][resource]), components[at].id))

    return [sorted(range(len(components)), key=largest), by_resource(0), by_resource(1)]


def _typical(bins: Bins) -> Floats:
    """What a bin has of each resource on average."""
    if not len(bins.usable):
        return np.ones(len(bins.resources))
    mean: Floats = bins.usable.mean(axis=0)
    return mean


def _choose_groups(bins: Bins, placed: Ints, wanted: Ints, whole: Mask, sites: int) -> Ints:
    chosen = np.full(sites, -1, dtype=np.int64)
    at = bins.group_site
    if not len(at):
        return chosen
    repeated = np.flatnonzero(at[1:] == at[:-1])
    if not len(repeated):
        chosen[at] = np.arange(len(at))
        return chosen
    share = (placed / np.maximum(wanted, 1)).sum(axis=0) + np.where(whole, len(placed) + 1, 0)
    # By site, then by how much is placed, then by cluster id: the first of each site is its choice.
    order = np.lexsort((np.arange(len(share)), -share, at))
    found, first = np.unique(at[order], return_index=True)
    chosen[found] = order[first]
    return chosen


def _and_in_all(
    fits: Mask, bins: Bins, components: Sequence[ComponentNeed], wanted: Ints, eligible: Sequence[Mask]
) -> Mask:
    """Of the sites where all fits, those that have it in all too: what is in use on no particular node is not free."""
    unsure = np.flatnonzero(fits & bins.unplaced.any(axis=1))
    if not len(unsure):
        return fits
    fits = fits.copy()
    among = any_of(eligible)
    for site in unsure.tolist():
        here = bins.of_site(site)
        free = bins.free[here][among[here]].sum(axis=0, dtype=np.float64) - bins.unplaced[site]
        needed = sum(one.need.astype(np.float64) * float(wanted[at, site]) for at, one in enumerate(components))
        fits[site] = bool((free >= needed).all())
    return fits


def _free_of(bins: Bins, among: Mask, resource: int) -> Floats:
    free = bins.free[:, resource]
    if not among.all():
        free = free * among
    total: Floats = summed(free, bins.first) - bins.unplaced[:, resource].astype(np.float64)
    return total
