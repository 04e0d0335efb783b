"""For how much there is room at each site: what a total of replicas is divided by.

A component alone is counted exactly; what several have room for together is found out when they are packed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from placement.arrays import Ints, Mask
from placement.bins import Bins, summed
from placement.filling import fit_in
from placement.needs import ComponentNeed

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


def _less_unplaced(found: Ints, bins: Bins, component: ComponentNeed, eligible: Mask) -> None:
    """Takes off what does not fit beside what is in use on no particular node; overwrites `found`."""
    for resource in np.flatnonzero(component.need).tolist():
        left = bins.left_in_all(bins.unsure, resource, among=eligible) // component.need[resource]
        found[bins.unsure] = np.clip(left, 0, found[bins.unsure])
