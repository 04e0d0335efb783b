"""For how many replicas of a component there is room at each site: what totals are divided by."""

from __future__ import annotations

import numpy as np

from placement.arrays import Ints, Mask
from placement.bins import Bins, ComponentNeed, summed
from placement.filling import fit_in

MOST_ROOM = 2**31 - 1
"""More room than this counts as this."""


def room_for(bins: Bins, component: ComponentNeed, eligible: Mask, *, sites: int) -> Ints:
    """(sites,) how many replicas of a component alone go into the group of each site that takes most."""
    rows = np.flatnonzero(eligible)
    fit = np.zeros(len(bins.site), dtype=np.int64)
    fit[rows] = np.minimum(fit_in([bins.free[rows, r] for r in range(len(bins.resources))], component), MOST_ROOM)
    room = np.zeros(sites)
    np.maximum.at(room, bins.group_site, summed(fit, bins.starts))
    return np.minimum(room, MOST_ROOM).astype(np.int64)
