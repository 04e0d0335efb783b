"""Weights for a division, made from what is known of the sites.

Weights are whole numbers, so that shares are exact. A weight must not move because replicas are placed: a site that
counts its free room alone looks the smaller the more it already has, and one that is read late looks free although it
was just filled, so that every next replica goes to it. Hence free capacity counts the room that the replicas being
divided take now.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graph.refusal import InvalidInput
from placement.arrays import Floats, Ints, Mask

GREATEST = 2**30
"""The largest weight made from demand: shares are then right to one part in a thousand million."""
MOST_ROOM = 2**31 - 1
"""Room above this counts as this."""


def given_weights(count: int, *, selected: Sequence[Mask], weights: Sequence[int]) -> Ints:
    """(sites,) the weight of the first entry that selects each site; 0 when none does, and 1 for all without any entry.

    `selected` has a mask of (sites,) for each entry.
    """
    found = np.full(count, 0 if weights else 1, dtype=np.int64)
    for mask, weight in zip(reversed(selected), reversed(weights), strict=True):
        found[mask] = weight
    return found


def room_weights(room: Ints, *, current: Ints | None = None) -> Ints:
    """(sites,) for how many replicas there would be room if none of these were placed.

    `room` is how many more fit at each site. `current` is how many of these run there now, when they count as used in
    `room`; None when they do not.
    """
    in_all: Ints = np.maximum(room, 0)
    if current is not None:
        in_all = in_all + np.maximum(current, 0)
    return np.minimum(in_all, np.int64(MOST_ROOM))


def demand_weights(demand: Floats, *, nearest: Ints, count: int) -> Ints:
    """(sites,) the demand of the places that each site is the nearest chosen one of, as whole numbers up to 2^30.

    `demand` and `nearest` are (places,): a weight of users, and the site's row, or -1 for a place that none serves. A
    site with any demand has at least 1. Without demand anywhere all sites are alike: 1. Raises `InvalidInput` on a
    demand that is negative or not finite.
    """
    if not np.all(np.isfinite(demand) & (demand >= 0)):
        raise InvalidInput("a demand is not a number from 0", remedy="give 0 or more", path="latency.demand")
    served = nearest >= 0
    sums = np.bincount(nearest[served], weights=demand[served], minlength=count)
    top = float(sums.max()) if count else 0.0
    if top <= 0:
        return np.ones(count, dtype=np.int64)
    scaled = np.rint(sums / top * GREATEST).astype(np.int64)
    return np.where(sums > 0, np.maximum(scaled, 1), 0)
