"""Bins of some of the sites: so that what was chosen is packed again without looking at all that was not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from placement.arrays import Ints
from placement.bins import Bins


def excerpt(bins: Bins, sites: Ints) -> tuple[Bins, Ints]:
    """The bins of these sites, rows that ascend, numbered from 0; and which of all bins they are."""
    counts = bins.first[sites + 1] - bins.first[sites]
    ends = np.cumsum(counts)
    index: Ints = np.arange(int(counts.sum())) - np.repeat(ends - counts, counts) + np.repeat(bins.first[sites], counts)
    groups, group = np.unique(bins.group[index], return_inverse=True)
    place = np.full(len(bins.first) - 1, -1, dtype=np.int64)
    place[sites] = np.arange(len(sites))
    return (
        replace(
            bins,
            site=place[bins.site[index]],
            group=group.astype(np.int64),
            node=bins.node[index],
            free=bins.free[index],
            usable=bins.usable[index],
            cordoned=bins.cordoned[index],
            not_ready=bins.not_ready[index],
            tainted=bins.tainted[index],
            arch=bins.arch[index],
            selector_match=tuple(None if one is None else one[index] for one in bins.selector_match),
            group_site=place[bins.group_site[groups]],
            group_cluster=tuple(bins.group_cluster[one] for one in groups.tolist()),
            withheld=bins.withheld[sites],
            unplaced=bins.unplaced[sites],
            first=np.concatenate(([0], ends)),
        ),
        index,
    )
