"""Replicas into nodes: first fit decreasing, at all sites at once.

Replicas of a component are alike, so first fit puts as many as go into the first node, then into the next
(placement/filling.py).

A single component is packed exactly (placement/lone_packing.py). With several, first fit may fail where another order would
do, so sites at which each component fits alone and the sum of all is there are tried again in other orders. Where components
share nodes the orders do not help, for what goes with another comes after it in all of them: those sites are searched
(placement/arranging.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from placement.arranging import arranged
from placement.arrays import Floats, Ints, Mask
from placement.bins import Bins, summed
from placement.filling import Taken, filled, fit_in
from placement.lone_packing import TakenByOne, packed_alone
from placement.needs import ComponentNeed


@dataclass(frozen=True, slots=True)
class Packing:
    """How far the components go into the nodes they may use."""

    taken: Taken | TakenByOne
    """Replicas by component and bin."""
    placed: Ints
    """(components, sites): replicas in the site's chosen group."""
    fits: Mask
    """For each site: whether all replicas of all components fit in one group, and in what the site has in all."""
    group: Ints
    """For each site: the first group in which all fit, else the one that takes most; -1 where there is none."""
    bins: Bins
    eligible: tuple[Mask, ...]

    @property
    def take(self) -> Ints:
        """(components, bins): replicas. As a table of all bins, for tests; `taken` has those of some."""
        return np.stack([self.taken.of(at, 0, len(self.bins.site)) for at in range(len(self.placed))])

    @property
    def free(self) -> Floats:
        """(sites, resources): free in bins that any component may use, less what is in use on no particular node."""
        return np.column_stack([self.free_of(resource) for resource in range(len(self.bins.resources))])

    def free_of(self, resource: int) -> Floats:
        """(sites,): the same for one resource."""
        bins, among = self.bins, any_of(self.eligible)
        free = bins.free[:, resource]
        if not among.all():
            free = free * among
        total: Floats = summed(free, bins.first) - bins.unplaced[:, resource].astype(np.float64)
        return total

    def free_at(self, site: int) -> Floats:
        """(resources,): the same at one site."""
        here = self.bins.of_site(site)
        may = any_of([one[here] for one in self.eligible])
        free: Floats = self.bins.free[here][may].sum(axis=0, dtype=np.float64) - self.bins.unplaced[site]
        return free

    def or_else(self, other: Packing, among: Mask) -> Packing:
        """This packing, and at some sites another, which counts by the bins that the other may use."""
        return Packing(
            taken=other.taken,
            placed=np.where(among, other.placed, self.placed),
            fits=self.fits | other.fits,
            group=np.where(among, other.group, self.group),
            bins=self.bins,
            eligible=other.eligible,
        )


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
    if len(components) == 1:
        return _pack_one(bins, components[0], eligible=eligible[0], sites=sites, replicas=replicas, among=among)
    groups = len(bins.group_site)
    wanted = _wanted(components, replicas, bins.group_site)
    if among is not None:
        wanted *= among[bins.group_site]
    orders = _orders(bins, components)
    taken = Taken(len(components), len(bins.site))
    placed = wanted - filled(bins, components, eligible, wanted, order=orders[0], taken=taken)
    whole = _equal(placed, wanted)
    if among is not None:
        whole &= among[bins.group_site]
    if not whole.all():
        _try_again(bins, components, eligible, wanted, orders, taken=taken, placed=placed, whole=whole, among=among)
    group = _choose_groups(bins, placed, wanted, whole, sites)
    has = group >= 0
    at = np.where(has, group, 0)
    per_site = placed[:, at] * has if groups else np.zeros((len(components), sites), dtype=np.int64)
    fits = has & whole[at] if groups else np.zeros(sites, dtype=bool)
    everywhere = _wanted(components, replicas, np.arange(sites))
    fits = _and_in_all(fits, bins, components, everywhere, eligible)
    none_wanted = ~_any(everywhere)
    if among is not None:
        none_wanted &= among
    return Packing(
        taken=taken, placed=per_site, fits=fits | none_wanted, group=group, bins=bins, eligible=tuple(eligible)
    )


def _pack_one(
    bins: Bins,
    component: ComponentNeed,
    *,
    eligible: Mask,
    sites: int,
    replicas: Ints | None,
    among: Mask | None,
) -> Packing:
    wanted = np.full(sites, component.replicas, dtype=np.int64) if replicas is None else replicas[0].copy()
    packed = np.ones(sites, dtype=bool) if among is None else among
    placed, fits, group = packed_alone(bins, component, eligible=eligible, wanted=wanted, among=packed)
    fits = _and_in_all(fits, bins, [component], wanted[None, :], [eligible])
    if not component.replicas or (wanted == 0).any():
        none_wanted = wanted == 0
        fits = fits | (none_wanted if among is None else none_wanted & among)
    taken = TakenByOne(bins, component, eligible=eligible, wanted=wanted if among is None else wanted * among)
    return Packing(taken=taken, placed=placed[None, :], fits=fits, group=group, bins=bins, eligible=(eligible,))


def packing_of_one(
    bins: Bins, component: ComponentNeed, figures: tuple[Ints, Mask, Ints], *, eligible: Mask, sites: int
) -> Packing:
    """The packing of a single component at all sites, of which `placed`, `fits` and `group` are known."""
    placed, fits, group = figures
    wanted = np.full(sites, component.replicas, dtype=np.int64)
    taken = TakenByOne(bins, component, eligible=eligible, wanted=wanted)
    return Packing(taken=taken, placed=placed, fits=fits, group=group, bins=bins, eligible=(eligible,))


def any_of(masks: Sequence[Mask]) -> Mask:
    """What any of some masks has."""
    found = masks[0]
    for one in masks[1:]:
        if one is not found:
            found = found | one
    return found


def _wanted(components: Sequence[ComponentNeed], replicas: Ints | None, sites: Ints) -> Ints:
    """(components, given sites): how many are wanted; an array of its own."""
    if replicas is not None:
        return replicas[:, sites]
    wanted = np.empty((len(components), len(sites)), dtype=np.int64)
    for at, one in enumerate(components):
        wanted[at] = one.replicas
    return wanted


def _try_again(
    bins: Bins,
    components: Sequence[ComponentNeed],
    eligible: Sequence[Mask],
    wanted: Ints,
    orders: Sequence[Sequence[int]],
    *,
    taken: Taken,
    placed: Ints,
    whole: Mask,
    among: Mask | None,
) -> None:
    """Packs groups in which all may fit in other orders; overwrites `placed` and `whole`, and adds to `taken`."""
    hopeful = ~whole
    if among is not None:
        hopeful &= among[bins.group_site]
    # What comes first has all bins to itself: where that does not fit no order helps.
    first = orders[0][0]
    hopeful &= placed[first] == wanted[first]
    hopeful = _may_fit(bins, components, eligible, wanted, hopeful)
    if not hopeful.any():
        return
    part = _Part(bins, np.flatnonzero(hopeful))
    needed = wanted[:, part.groups]
    for order, arrangement in part.attempts(orders):
        rows = part.rows[arrangement]
        found = Taken(len(components), len(rows))
        missing = filled(
            part.arranged(rows), components, [one[rows] for one in eligible], needed, order=order, taken=found
        )
        better = ~whole[part.groups] & ~_any(missing)
        if better.any():
            moved = better[part.group]
            taken.replace(rows[moved], [found.of(at, 0, len(rows))[moved] for at in range(len(components))])
            placed[:, part.groups[better]] = needed[:, better]
            whole[part.groups[better]] = True
        if whole[part.groups].all():
            return
    if any(_companions(components)):
        _arrange(bins, components, eligible, wanted, taken=taken, placed=placed, whole=whole, hopeful=hopeful & ~whole)


def _arrange(
    bins: Bins,
    components: Sequence[ComponentNeed],
    eligible: Sequence[Mask],
    wanted: Ints,
    *,
    taken: Taken,
    placed: Ints,
    whole: Mask,
    hopeful: Mask,
) -> None:
    """Searches some groups for an arrangement of components that share nodes; overwrites `placed` and `whole`."""
    part = _Part(bins, np.flatnonzero(hopeful))
    found, counts = arranged(
        part.arranged(part.rows),
        components,
        [one[part.rows] for one in eligible],
        wanted[:, part.groups],
        order=_after_others(components, range(len(components))),
    )
    moved = found[part.group]
    if not moved.any():
        return
    taken.replace(part.rows[moved], list(counts[:, moved]))
    placed[:, part.groups[found]] = wanted[:, part.groups[found]]
    whole[part.groups[found]] = True


class _Part:
    """Some of the groups, by themselves."""

    def __init__(self, bins: Bins, groups: Ints) -> None:
        self._bins, self.groups = bins, groups
        counts = np.diff(bins.starts)[groups]
        self._starts = np.concatenate(([0], np.cumsum(counts)))
        self.group = np.repeat(np.arange(len(groups)), counts)
        """Of each bin of the part."""
        self.rows = np.repeat(bins.starts[groups] - self._starts[:-1], counts) + np.arange(self._starts[-1])
        """The bins of these groups."""

    def attempts(self, orders: Sequence[Sequence[int]]) -> list[tuple[Sequence[int], Ints]]:
        """Orders of components, and of bins within their group: fullest first, then emptiest first."""
        usable = np.maximum(self._bins.usable[self.rows], 1)
        share = (self._bins.free[self.rows] / usable).min(axis=1) if len(self.rows) else np.zeros(0)
        bounds = np.arange(len(share))
        fullest = np.lexsort((bounds, share, self.group))
        emptiest = np.lexsort((bounds, -share, self.group))
        return [(order, arrangement) for arrangement in (fullest, emptiest) for order in orders]

    def arranged(self, rows: Ints) -> Bins:
        """The bins at some rows, which are these groups' in their order."""
        return self._bins.only(rows, group=self.group, starts=self._starts, groups=self.groups)


def _may_fit(
    bins: Bins, components: Sequence[ComponentNeed], eligible: Sequence[Mask], wanted: Ints, hopeful: Mask
) -> Mask:
    """Of some groups, those in which each component fits alone and the sum of all is there: what every packing needs."""
    if not hopeful.any():
        return hopeful
    part = _Part(bins, np.flatnonzero(hopeful))
    smaller = part.arranged(part.rows)
    may = np.ones(len(part.groups), dtype=bool)
    among = any_of(eligible)[part.rows]
    for resource in range(len(bins.resources)):
        needed = sum(
            float(one.need[resource]) * wanted[at, part.groups].astype(np.float64) for at, one in enumerate(components)
        )
        may &= summed((smaller.free[:, resource] * among).astype(np.float64), smaller.starts) >= needed
    for at, one in enumerate(components):
        most = int(wanted[at].max())
        fit = np.minimum(fit_in([smaller.free[:, r] for r in range(len(bins.resources))], one), most)
        may &= summed(fit * eligible[at][part.rows], smaller.starts) >= wanted[at, part.groups]
    found = np.zeros(len(hopeful), dtype=bool)
    found[part.groups[may]] = True
    return found


def first_order(bins: Bins, components: Sequence[ComponentNeed]) -> list[int]:
    """The order of the components that is tried first: the largest before others, and what goes with others after them."""
    return _after_others(components, _largest_first(_shares(bins, components), bins, components))


def _shares(bins: Bins, components: Sequence[ComponentNeed]) -> list[Floats]:
    """Of each component what a replica needs of each resource, as a share of what a bin has on average."""
    typical = np.maximum(bins.typical, 1.0)
    return [one.need / typical for one in components]


def _largest_first(shares: Sequence[Floats], bins: Bins, components: Sequence[ComponentNeed]) -> list[int]:
    rare = len(bins.resources) > 3

    def largest(at: int) -> tuple[bool, bool, float, str]:
        scarce = rare and bool(components[at].need[3:].any())
        return not components[at].alone, not scarce, -float(shares[at].max()), components[at].id

    return sorted(range(len(components)), key=largest)


def _orders(bins: Bins, components: Sequence[ComponentNeed]) -> list[list[int]]:
    """Orders of the components: the largest first; the one that asks for most memory first; the longest list first."""
    shares = _shares(bins, components)

    def by_resource(resource: int) -> list[int]:
        return sorted(range(len(components)), key=lambda at: (-float(shares[at][resource]), components[at].id))

    orders = [_largest_first(shares, bins, components), by_resource(0), by_resource(1)]
    if any(one.away_from for one in components):
        # Which is first decides who is left without a node: the other way round is another answer.
        orders += [one[::-1] for one in orders[:1]]
    return [_after_others(components, one) for one in orders]


def _after_others(components: Sequence[ComponentNeed], order: Sequence[int]) -> list[int]:
    """The order, with whatever goes with others after them."""
    beside = _companions(components)
    if not any(beside):
        return list(order)
    waiting, found = list(order), list[int]()
    while waiting:
        ready = next((one for one in waiting if not any(each in waiting for each in beside[one])), waiting[0])
        waiting.remove(ready)
        found.append(ready)
    return found


def _companions(components: Sequence[ComponentNeed]) -> list[list[int]]:
    """By component: the places of those that it goes with."""
    return [[at for at, other in enumerate(components) if other.name in one.beside] for one in components]


def _choose_groups(bins: Bins, placed: Ints, wanted: Ints, whole: Mask, sites: int) -> Ints:
    chosen = np.full(sites, -1, dtype=np.int64)
    at = bins.group_site
    if not len(at):
        return chosen
    if not np.any(at[1:] == at[:-1]):
        chosen[at] = np.arange(len(at))
        return chosen
    share = (placed / np.maximum(wanted, 1)).sum(axis=0) + np.where(whole, len(placed) + 1, 0)
    # By site, then by how much is placed, then by cluster id: the first of each site is its choice.
    order = np.lexsort((np.arange(len(share)), -share, at))
    found, first = np.unique(at[order], return_index=True)
    chosen[found] = order[first]
    return chosen


def _and_in_all(
    fits: Mask,
    bins: Bins,
    components: Sequence[ComponentNeed],
    wanted: Ints,
    eligible: Sequence[Mask],
) -> Mask:
    """Of the sites where all fits, those that have it in all too: what is in use on no particular node is not free."""
    unsure = bins.unsure[fits[bins.unsure]]
    if not len(unsure):
        return fits
    among, enough = any_of(eligible), np.ones(len(unsure), dtype=bool)
    for resource in range(len(bins.resources)):
        needed = np.zeros(len(unsure))
        for at, one in enumerate(components):
            needed += float(one.need[resource]) * wanted[at, unsure]
        # What is not asked for may be used by others to any extent.
        if needed.any():
            enough &= (needed == 0.0) | (bins.left_in_all(unsure, resource, among=among) >= needed)
    fits = fits.copy()
    fits[unsure] = enough
    return fits


def _equal(one: Ints, other: Ints) -> Mask:
    """Of two tables, the columns that are equal."""
    return ~_any(one != other)


def _any(table: Ints | Mask) -> Mask:
    """Of a table of a few rows, the columns in which something is not zero."""
    found: Mask = table[0] != 0
    for row in table[1:]:
        found |= row != 0
    return found
