"""A single component into nodes: what most apps are, and nearly every component with sites of its own.

There is nothing to order then and first fit is exact, so one pass over the groups tells for each site which group takes it.
What goes on which node is told of the few sites that are chosen, and found out for these.
"""

from __future__ import annotations

import numpy as np

from placement.arrays import Ints, Mask
from placement.bins import Bins
from placement.compiled import Flags, Numbers, NumberTable, kernel, part
from placement.filling import NO_LIMIT
from placement.needs import ComponentNeed


class TakenByOne:
    """How many replicas go into each bin; `placement.filling.Taken` of a single component."""

    def __init__(self, bins: Bins, component: ComponentNeed, *, eligible: Mask, wanted: Ints) -> None:
        """`wanted`: (sites,), 0 at those that are not packed."""
        self._bins, self._component = bins, component
        self._eligible, self._wanted = eligible, wanted

    def of(self, component: int, start: int, stop: int) -> Ints:
        """How many are in each of a range of bins. `component` is 0, there being no other."""
        bins = self._bins
        groups = np.arange(bins.group[start], bins.group[stop - 1] + 1) if stop > start else np.empty(0, dtype=np.int64)
        if not len(groups):
            return np.zeros(0, dtype=np.int64)
        # Whole groups, for what goes into a bin depends on those before it.
        begins = bins.starts[groups[0] : groups[-1] + 2]
        begin, end = int(begins[0]), int(begins[-1])
        found = np.zeros(end - begin, dtype=np.int64)
        _fill(
            np.ascontiguousarray(bins.free[begin:end].T),
            begins - begin,
            self._component.need[None, :],
            most_on_one(self._component),
            self._eligible[begin:end],
            self._wanted[bins.group_site[groups]],
            found,
        )
        return found[start - begin : stop - begin]


def most_on_one(component: ComponentNeed) -> int:
    """How many of its replicas a node takes at most."""
    return NO_LIMIT if component.most_per_node is None else component.most_per_node


def packed_alone(
    bins: Bins, component: ComponentNeed, *, eligible: Mask, wanted: Ints, among: Mask
) -> tuple[Ints, Mask, Ints]:
    """Of each site how many replicas go into its chosen group, whether that is all, and the group; see `Packing`.

    wanted, among: (sites,); of sites that are not among these no group takes all.
    """
    return _packed(
        np.ascontiguousarray(bins.free.T),
        bins.starts,
        bins.group_site,
        component.need[None, :],
        most_on_one(component),
        eligible,
        wanted,
        among,
    )


@kernel
def _packed(
    free: NumberTable,
    starts: Numbers,
    group_site: Numbers,
    need: NumberTable,
    most: int,
    eligible: Flags,
    wanted: Numbers,
    among: Flags,
) -> tuple[Numbers, Flags, Numbers]:
    sites = len(wanted)
    placed, fits = np.zeros(sites, dtype=np.int64), np.zeros(sites, dtype=np.bool_)
    chosen = np.full(sites, -1, dtype=np.int64)
    for group in range(len(group_site)):
        site = np.uint64(group_site[group])
        if fits[site]:
            continue
        count, lacking = 0, wanted[site]
        if among[site]:
            for row in range(np.uint64(starts[group]), np.uint64(starts[group + 1])):
                if lacking <= 0:
                    break
                if eligible[row]:
                    some = _fit(free, need, 0, row, min(lacking, most))
                    count, lacking = count + some, lacking - some
        whole = among[site] and lacking <= 0
        # The first group that takes all, else the first of those that take most.
        if chosen[site] < 0 or count > placed[site] or whole:
            chosen[site], placed[site], fits[site] = group, count, whole
    return placed, fits, chosen


@kernel
def _fill(
    free: NumberTable, starts: Numbers, need: NumberTable, most: int, eligible: Flags, wanted: Numbers, found: Numbers
) -> None:
    """Writes how many go into each bin."""
    for group in range(len(wanted)):
        lacking = wanted[group]
        for row in range(starts[group], starts[group + 1]):
            if lacking <= 0:
                break
            if eligible[row]:
                found[row] = _fit(free, need, 0, row, min(lacking, most))
                lacking -= found[row]


@part
def _fit(free: NumberTable, need: NumberTable, component: int, row: int, wanted: int) -> int:
    """How many of so many replicas of a component go into a bin."""
    # What is rare is asked for first: of most bins nothing else is read then.
    for resource in range(need.shape[1] - 1, -1, -1):
        each = need[component, resource]
        if each:
            left = free[resource, row]
            # All of them mostly do, and a product is told far sooner than a quotient.
            if left < wanted * each:
                if left < each:
                    return 0
                wanted = left // each
    return wanted
