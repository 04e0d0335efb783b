"""First fit itself: bins that are filled, and what went where.

A component's share of a bin depends only on what of it is still missing and on what the components before it took there.
So bins are filled one of each group at a time, all components in their order, until nothing is missing; where more bins
must be looked at, or few of them can be used, running sums over the bins of a group do the same for one component at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from placement.arrays import Ints, Mask
from placement.bins import Bins, ComponentNeed

WAVES = 4
"""How many bins of each group are looked at one after the other, before the rest is done by running sums."""
FEW = 0.4
"""A component that may use a smaller share of the bins is packed by these alone."""
_NO_LIMIT = 2**31 - 1


class Taken:
    """Replicas by component and bin: kept as they were put there, for most bins have none."""

    def __init__(self, components: int, bins: int) -> None:
        self._bins = bins
        self._parts: list[list[tuple[Ints, Ints]]] = [[] for _ in range(components)]
        self._replaced: list[tuple[Ints, list[Ints]]] = []

    def add(self, component: int, rows: Ints, counts: Ints) -> None:
        """Puts replicas into bins, which ascend."""
        self._parts[component].append((rows, counts))

    def replace(self, rows: Ints, counts: Sequence[Ints]) -> None:
        """Puts others into whole groups instead: their bins, and how many of each component."""
        order = np.argsort(rows, kind="stable")
        self._replaced.append((rows[order], [one[order] for one in counts]))

    def of(self, component: int, start: int, stop: int) -> Ints:
        """How many of a component are in each of a range of bins."""
        found = np.zeros(stop - start, dtype=np.int64)
        for rows, counts in self._parts[component]:
            low, high = np.searchsorted(rows, [start, stop])
            found[rows[low:high] - start] += counts[low:high]
        for rows, by_component in self._replaced:
            low, high = np.searchsorted(rows, [start, stop])
            found[rows[low:high] - start] = by_component[component][low:high]
        return found

    def holds(self, component: int, rows: Ints) -> Mask:
        """Whether any of a component is in each of some bins."""
        return self.of(component, 0, self._bins)[rows] > 0


class Filling:
    """Bins that are being filled."""

    def __init__(
        self, bins: Bins, components: Sequence[ComponentNeed], eligible: Sequence[Mask], wanted: Ints, taken: Taken
    ) -> None:
        """eligible: for each component which bins it may use; wanted: (components, groups)."""
        self._bins, self._components, self._eligible, self._taken = bins, components, eligible, taken
        self._left = [bins.free[:, resource] for resource in range(len(bins.resources))]
        self._owned: set[int] = set()
        self._sole = any(one.alone for one in components)
        self._last = False
        self.missing = wanted.copy()
        """(components, groups): still to be placed."""

    def fill(self, order: Sequence[int]) -> None:
        """Fills components in this order."""
        steps: list[list[int]] = []
        for at in order:
            if self._is_choosy(at):
                steps.append([at])
            elif steps and not self._is_choosy(steps[-1][0]):
                steps[-1].append(at)
            else:
                steps.append([at])
        for n, step in enumerate(steps):
            self._last = n == len(steps) - 1  # what is left then is not looked at again
            if self._is_choosy(step[0]):
                self._by_sums(step[0])
            else:
                self._by_waves(step)

    def _is_choosy(self, at: int) -> bool:
        """Whether few bins can be used: it asks for an accelerator, or is kept out of most."""
        if self._components[at].need[3:].any():
            return True
        may = self._eligible[at]
        return int(np.count_nonzero(may)) < FEW * len(may)

    def _by_waves(self, order: Sequence[int]) -> None:
        """Fills components, in this order, bin by bin of all groups that lack some."""
        starts = self._bins.starts
        if len(starts) < 2:
            return
        sizes = np.diff(starts)
        groups = np.flatnonzero(self._lacking(order))
        for wave in range(WAVES):
            groups = groups[sizes[groups] > wave]
            if not len(groups):
                return
            self._fill_one(order, groups, starts[groups] + wave)
            groups = groups[self._lacking(order)[groups]]
        groups = groups[sizes[groups] > WAVES]
        if not len(groups):
            return
        counts = sizes[groups] - WAVES
        begins = np.concatenate(([0], np.cumsum(counts)))
        rows = np.repeat(starts[groups] + WAVES - begins[:-1], counts) + np.arange(begins[-1])
        left = [one[rows] for one in self._left]
        for at in order:
            self._fill_ranges(at, left, rows, groups, begins, all_eligible=False)
        self._write_back(rows, left)

    def _by_sums(self, at: int) -> None:
        """Fills one component by the bins that it may use alone."""
        bins, may = self._bins, self._eligible[at]
        for resource in np.flatnonzero(self._components[at].need[3:]).tolist():
            may = may & (self._left[3 + resource] > 0)
        rows = np.flatnonzero(may)
        of = bins.group[rows]
        wanted = self.missing[at, of] > 0
        rows, of = rows[wanted], of[wanted]
        if not len(rows):
            return
        begins = np.flatnonzero(np.diff(of, prepend=-1))
        left = [one[rows] for one in self._left]
        self._fill_ranges(at, left, rows, of[begins], np.append(begins, len(rows)), all_eligible=True)
        self._write_back(rows, left)

    def _fill_one(self, order: Sequence[int], groups: Ints, rows: Ints) -> None:
        """Fills components into one bin of each group."""
        left = [one[rows] for one in self._left]
        for at in order:
            component = self._components[at]
            missing = self.missing[at, groups]
            taken = self._usable(at, rows, np.minimum(fit_in(left, component), missing), all_eligible=False)
            for resource in np.flatnonzero(component.need).tolist():
                left[resource] -= taken * component.need[resource]
            self.missing[at, groups] = missing - taken
            self._taken.add(at, rows, taken)
        self._write_back(rows, left)

    def _fill_ranges(
        self, at: int, left: list[Ints], rows: Ints, groups: Ints, begins: Ints, *, all_eligible: bool
    ) -> None:
        """Fills a component into ranges of bins by running sums: `begins` has one more than there are groups."""
        component, counts = self._components[at], np.diff(begins)
        missing = self.missing[at, groups]
        most = np.repeat(missing, counts)
        fit = np.minimum(fit_in(left, component), most)
        fit = self._usable(at, rows, fit, all_eligible=all_eligible)
        before = np.cumsum(fit) - fit
        taken = np.clip(most - (before - np.repeat(before[begins[:-1]], counts)), 0, fit)
        for resource in np.flatnonzero(component.need).tolist():
            left[resource] -= taken * component.need[resource]
        self.missing[at, groups] = missing - np.add.reduceat(taken, begins[:-1])
        self._taken.add(at, rows, taken)

    def _lacking(self, order: Sequence[int]) -> Mask:
        """The groups that lack some of these components."""
        found: Mask = self.missing[order[0]] > 0
        for at in order[1:]:
            found |= self.missing[at] > 0
        return found

    def _usable(self, at: int, rows: Ints, fit: Ints, *, all_eligible: bool) -> Ints:
        """What fits, where the component may be at all."""
        if not all_eligible:
            fit = fit * self._eligible[at][rows]
        if self._sole:
            for other, one in enumerate(self._components):
                if other != at and (one.alone or self._components[at].alone):
                    fit = fit * ~self._taken.holds(other, rows)
        return fit

    def _write_back(self, rows: Ints, left: Sequence[Ints]) -> None:
        """Notes what is left in some bins, unless nobody looks at them again."""
        if self._last:
            return
        for resource, values in enumerate(left):
            if resource not in self._owned:
                self._left[resource] = self._left[resource].copy()
                self._owned.add(resource)
            self._left[resource][rows] = values


def fit_in(left: Sequence[Ints], component: ComponentNeed) -> Ints:
    """How many replicas of a component go into each bin, of which `left` has what is there by resource."""
    fit: Ints | None = None
    for resource in np.flatnonzero(component.need).tolist():
        here = left[resource] // component.need[resource]
        fit = here if fit is None else np.minimum(fit, here, out=here)
    if fit is None:
        fit = np.full(len(left[0]), _NO_LIMIT, dtype=np.int64)
    if component.most_per_node is not None:
        fit = np.minimum(fit, component.most_per_node)
    return fit
