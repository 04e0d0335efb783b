"""First fit itself: bins that are filled, and what went where.

A component's share of a bin depends only on what of it is still missing and on what the components before it took there. So
each group's bins are looked at once, one after the other, until nothing is missing: mostly that is the first of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from placement.arrays import Ints, Mask
from placement.bins import Bins
from placement.compiled import FlagTable, Numbers, NumberTable, kernel, part
from placement.needs import ComponentNeed

NO_LIMIT = 2**31 - 1
"""More replicas than any component has on a node."""


class Taken:
    """Replicas by component and bin: kept as they were put there, for most bins have none."""

    def __init__(self, components: int, bins: int) -> None:
        self._bins = bins
        nothing = np.empty(0, dtype=np.int64)
        self._parts: list[tuple[Ints, Ints]] = [(nothing, nothing)] * components
        self._replaced: list[tuple[Ints, list[Ints]]] = []

    def put(self, component: int, rows: Ints, counts: Ints) -> None:
        """Puts replicas into bins, which ascend, and has none of the component anywhere else."""
        self._parts[component] = rows, counts

    def replace(self, rows: Ints, counts: Sequence[Ints]) -> None:
        """Puts others into whole groups instead: their bins, and how many of each component."""
        order = np.argsort(rows, kind="stable")
        self._replaced.append((rows[order], [one[order] for one in counts]))

    def of(self, component: int, start: int, stop: int) -> Ints:
        """How many of a component are in each of a range of bins."""
        found = np.zeros(stop - start, dtype=np.int64)
        rows, counts = self._parts[component]
        low, high = np.searchsorted(rows, [start, stop])
        found[rows[low:high] - start] = counts[low:high]
        for rows, by_component in self._replaced:
            low, high = np.searchsorted(rows, [start, stop])
            found[rows[low:high] - start] = by_component[component][low:high]
        return found


def in_arrays(
    components: Sequence[ComponentNeed], eligible: Sequence[Mask], order: Sequence[int]
) -> tuple[Ints, Ints, Mask, Mask, Mask, Ints]:
    """What kernels that fill bins are told of components: (components, resources) what a replica needs; (components,) how
    many of its replicas a bin takes at most; twice (components, components) which others are kept off its bins, and which
    it goes with; (components, bins) which bins it may use; (components,) the order.
    """
    return (
        np.array([one.need for one in components], dtype=np.int64),
        np.array([NO_LIMIT if one.most_per_node is None else one.most_per_node for one in components]),
        np.array([[not one.may_share_with(other) for other in components] for one in components]),
        np.array([[other.name in one.beside for other in components] for one in components]),
        np.array(eligible),
        np.array(order),
    )


def filled(
    bins: Bins,
    components: Sequence[ComponentNeed],
    eligible: Sequence[Mask],
    wanted: Ints,
    *,
    order: Sequence[int],
    taken: Taken,
) -> Ints:
    """What is missing by (component, group) after first fit in this order; what goes where is put into `taken`.

    eligible: for each component which bins it may use; wanted: (components, groups). What goes with others comes after them.
    """
    missing = np.ascontiguousarray(wanted).copy()
    rows, counts, ends = _fill(
        np.ascontiguousarray(bins.free.T),
        bins.starts,
        *in_arrays(components, eligible, order),
        missing,
    )
    for at, end in enumerate(ends.tolist()):
        taken.put(at, rows[at, :end].copy(), counts[at, :end].copy())
    return missing


@kernel
def _fill(
    free: NumberTable,
    starts: Numbers,
    need: NumberTable,
    most: Numbers,
    apart: FlagTable,
    beside: FlagTable,
    eligible: FlagTable,
    order: Numbers,
    missing: NumberTable,
) -> tuple[NumberTable, NumberTable, Numbers]:
    """Fills all groups and takes what is placed off `missing`, (components, groups).

    By component its bins, (components, bins), how many each has, and how many bins that are.
    """
    components, resources = need.shape
    rows = np.empty((components, free.shape[1]), dtype=np.int64)
    counts = np.empty((components, free.shape[1]), dtype=np.int64)
    ends = np.zeros(components, dtype=np.int64)
    left, here = np.empty(resources, dtype=np.int64), np.empty(components, dtype=np.int64)
    for group in range(len(starts) - 1):
        lacking = 0
        for at in range(components):
            lacking += missing[at, group]
        for row in range(starts[group], starts[group + 1]):
            if lacking <= 0:
                break
            here[:] = 0
            fresh = True
            for at in order:
                if missing[at, group] <= 0 or not eligible[at, row]:
                    continue
                if kept_off(at, apart, here) or lacks(at, beside, here):
                    continue
                if fresh:
                    fresh = False
                    for resource in range(resources):
                        left[resource] = free[resource, row]
                fit = fit_of(left, need, at, min(missing[at, group], most[at]))
                if fit <= 0:
                    continue
                for resource in range(resources):
                    left[resource] -= fit * need[at, resource]
                missing[at, group] -= fit
                lacking -= fit
                here[at] = fit
                rows[at, ends[at]], counts[at, ends[at]] = row, fit
                ends[at] += 1
    return rows, counts, ends


@part
def lacks(at: int, beside: FlagTable, here: Numbers) -> bool:
    """Whether a bin has no replica of some component that one goes with."""
    found = False
    for other in range(len(here)):
        found |= beside[at, other] and here[other] <= 0
    return found


@part
def kept_off(at: int, apart: FlagTable, here: Numbers) -> bool:
    """Whether a component may not be in a bin with what is there already."""
    found = False
    for other in range(len(here)):
        found |= here[other] > 0 and other != at and apart[at, other]
    return found


@part
def fit_of(left: Numbers, need: NumberTable, at: int, wanted: int) -> int:
    """How many of so many replicas go into what is left of a bin."""
    for resource in range(len(left)):
        # All of them mostly do, and a product is told far sooner than a quotient.
        if need[at, resource] and left[resource] < wanted * need[at, resource]:
            wanted = max(left[resource], 0) // need[at, resource]
    return wanted


def fit_in(left: Sequence[Ints], component: ComponentNeed) -> Ints:
    """How many replicas of a component go into each bin, of which `left` has what is there by resource."""
    fit: Ints | None = None
    for resource in np.flatnonzero(component.need).tolist():
        here = left[resource] // component.need[resource]
        fit = here if fit is None else np.minimum(fit, here, out=here)
    if fit is None:
        fit = np.full(len(left[0]), NO_LIMIT, dtype=np.int64)
    if component.most_per_node is not None:
        fit = np.minimum(fit, component.most_per_node)
    return fit
