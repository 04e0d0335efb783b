"""For how much there is room at each site: what a total of replicas is divided by.

A component alone is counted exactly. Sets of several, so many of each, are found by packing ever more of them at all sites
at once, a few times; what is told has been packed, and one set more was not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from placement.arrays import Ints, Mask
from placement.bins import Bins, summed
from placement.filling import fit_in
from placement.needs import ComponentNeed
from placement.packing import pack

MOST = 10**9
"""More replicas at a site than that are as many."""


def room(bins: Bins, components: Sequence[ComponentNeed], *, eligible: Sequence[Mask]) -> Ints:
    """(components, sites): how many replicas of each component fit at a site when it is alone there, in one group.

    eligible: for each component which bins it may use. What is in use at a site on no particular node takes its room too.
    """
    sites = len(bins.first) - 1
    found = np.zeros((len(components), sites), dtype=np.int64)
    for at, one in enumerate(components):
        rows = np.flatnonzero(eligible[at])
        fit = np.zeros(len(bins.site), dtype=np.int64)
        fit[rows] = np.minimum(
            fit_in([bins.free[rows, resource] for resource in range(len(bins.resources))], one), MOST
        )
        by_group = np.minimum(summed(fit, bins.starts), MOST)
        np.maximum.at(found[at], bins.group_site, by_group)
        _less_unplaced(found[at], bins, one, eligible[at])
    return found


def sets_of(bins: Bins, components: Sequence[ComponentNeed], *, eligible: Sequence[Mask], most: int) -> Ints:
    """(sites,): how many sets fit at a site, each of the components' numbers of replicas; at most `most`."""
    replicas = np.array([one.replicas for one in components], dtype=np.int64)[:, None]
    alone = room(bins, components, eligible=eligible)
    asked = np.flatnonzero(replicas[:, 0])
    if not len(asked):
        return np.full(alone.shape[1], most, dtype=np.int64)
    high: Ints = np.minimum((alone[asked] // replicas[asked]).min(axis=0), most)
    low = np.zeros_like(high)
    if len(asked) == 1:
        return high
    sure = False
    while (low < high).any():
        # First whether all of it fits, as it mostly does; then by halves.
        middle = (low + high + 1) // 2 if sure else high
        packing = pack(
            bins, components, eligible=eligible, sites=len(high), replicas=replicas * middle, among=low < high
        )
        fits = packing.fits | (low >= high)
        low = np.where(fits & (low < high), middle, low)
        high = np.where(fits, high, middle - 1)
        sure = True
    return low


def _less_unplaced(found: Ints, bins: Bins, component: ComponentNeed, eligible: Mask) -> None:
    """Takes off what does not fit beside what is in use on no particular node; overwrites `found`."""
    for site in bins.unsure.tolist():
        here = bins.of_site(site)
        free = bins.free[here][eligible[here]].sum(axis=0) - bins.unplaced[site]
        needed = np.flatnonzero(component.need)
        left = min((int(free[one]) // int(component.need[one]) for one in needed.tolist()), default=MOST)
        if (free < 0).any():
            left = 0
        found[site] = max(0, min(int(found[site]), left))
