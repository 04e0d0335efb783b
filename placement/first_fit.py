"""All that was chosen for a few sites into their nodes at once: first fit, where that is all that there is to it.

Nearly always everything goes into the first group of each site in the first order that packing tries, and then no other
group and no other order is looked at. Where it does not, packing finds out what does (placement/packing.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from placement.arrays import Ints, Mask
from placement.bins import Bins
from placement.compiled import FlagTable, Numbers, NumberTable, kernel
from placement.filling import fit_of, in_arrays, kept_off, lacks
from placement.needs import ComponentNeed


class Fitted(NamedTuple):
    """What went where: by component, then by bin."""

    component: Numbers
    place: Numbers
    """The site, as a place among those that were given."""
    row: Numbers
    """The bin."""
    replicas: Numbers


def first_fitted(
    bins: Bins,
    components: Sequence[ComponentNeed],
    sites: Ints,
    *,
    rows: Ints,
    eligible: Sequence[Mask],
    wanted: Ints,
    order: Sequence[int],
) -> Fitted | None:
    """All replicas in the first group of each of some sites, which ascend; None: they do not go there so simply.

    rows: the bins of the sites; eligible: for each component which of these it may use; wanted: (components, sites).
    """
    if not wanted.any(axis=0).all() or (len(bins.unsure) and np.isin(bins.unsure, sites).any()):
        return None
    found = _fit(
        np.ascontiguousarray(bins.free.T),
        bins.group,
        bins.first[sites + 1] - bins.first[sites],
        rows,
        *in_arrays(components, eligible, order),
        wanted,
    )
    return None if found[-1] else Fitted(*found[:-1])


@kernel
def _fit(
    free: NumberTable,
    group: Numbers,
    counts: Numbers,
    rows: Numbers,
    need: NumberTable,
    most: Numbers,
    apart: FlagTable,
    beside: FlagTable,
    eligible: FlagTable,
    order: Numbers,
    wanted: NumberTable,
) -> tuple[Numbers, Numbers, Numbers, Numbers, bool]:
    """See `Fitted`; and whether something is left over."""
    components, resources = need.shape
    taken = np.zeros((components, len(rows)), dtype=np.int64)
    place_of = np.empty(len(rows), dtype=np.int64)
    left, here = np.empty(resources, dtype=np.int64), np.empty(components, dtype=np.int64)
    missing, begin, some = np.empty(components, dtype=np.int64), 0, 0
    for place in range(len(counts)):
        end, lacking = begin + counts[place], 0
        for at in range(components):
            missing[at] = wanted[at, place]
            lacking += missing[at]
        for entry in range(begin, end):
            if lacking <= 0 or group[rows[entry]] != group[rows[begin]]:
                break
            here[:] = 0
            place_of[entry] = place
            for resource in range(resources):
                left[resource] = free[resource, rows[entry]]
            for at in order:
                if missing[at] <= 0 or not eligible[at, entry]:
                    continue
                if kept_off(at, apart, here) or lacks(at, beside, here):
                    continue
                fit = fit_of(left, need, at, min(missing[at], most[at]))
                if fit <= 0:
                    continue
                for resource in range(resources):
                    left[resource] -= fit * need[at, resource]
                missing[at] -= fit
                lacking -= fit
                here[at], taken[at, entry] = fit, fit
                some += 1
        begin = end
        if lacking > 0:
            nothing = np.empty(0, dtype=np.int64)
            return nothing, nothing, nothing, nothing, True
    component, site = np.empty(some, dtype=np.int64), np.empty(some, dtype=np.int64)
    row, count = np.empty(some, dtype=np.int64), np.empty(some, dtype=np.int64)
    some = 0
    for at in range(components):
        for entry in range(len(rows)):
            if taken[at, entry]:
                component[some], site[some] = at, place_of[entry]
                row[some], count[some] = rows[entry], taken[at, entry]
                some += 1
    return component, site, row, count, False
