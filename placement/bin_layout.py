"""Which rows of the inventory are bins, and how they are grouped: what holds while sites, nodes and clusters stay.

A bin belongs to one group, a cluster at a site, because all components of a deployment at a site go through one control
plane. A node that is under no cluster is under the first of its site that can be called. Bins are ordered by group, then
those without accelerators first, so that ordinary work does not fill the machines that have them, then by node id. That
is the order of the inventory's own rows, so bins are its columns, or what was taken from them once while they hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from placement.arrays import Floats, Ints, Mask, places_of
from placement.clusters import ClusterState
from placement.inventory import Inventory
from placement.kept import Kept, Shelf
from placement.packed import Packed
from placement.visibility import Visible

Column: TypeAlias = np.ndarray[Any, Any]
"""A column of any type."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Which rows of the inventory are bins, and how they are grouped; without amounts, so that it holds for long."""

    rows: Ints | None
    """The inventory's row of each bin; None: all of them in their order."""
    site: Ints
    group: Ints
    starts: Ints
    """(groups + 1): where each group's bins begin."""
    node: Ints
    group_site: Ints
    group_cluster: tuple[str | None, ...]
    withheld: Ints
    observed: Mask
    """For each site: whether it has nodes that are seen."""
    first: Ints
    taken: Kept
    """What was taken from columns of the inventory."""
    stacked: Kept
    """Amounts with those of accelerator models, of which few are asked for."""
    masks: Kept
    """What few words leave out, and many components have."""
    packed: Kept
    """By amounts that are free: what was packed into them."""
    shelf: Shelf
    """Where all of it is kept."""

    def of(self, column: Column) -> Column:
        """A column of the inventory by bin; its last axis is the inventory's rows."""
        if self.rows is None:
            return column
        found: Column = self.taken.get((column,), lambda: self.picked(column))
        return found

    def mean(self, usable: Column) -> Floats:
        """(resources,): the mean over the bins."""

        def make() -> Floats:
            here = self.of(usable)
            return here.mean(axis=1) if here.shape[1] else np.ones(len(here))

        return self.taken.get(("mean", usable), make)

    def other_archs(self, arch: Column, archs: Sequence[str], wanted: tuple[str, ...]) -> Mask | None:
        """The bins with none of the wanted processors; `arch` is the inventory's column: numbers of `archs`, -1: unknown."""
        if not wanted:
            return None
        # The last one stands for what is not known.
        other = np.array([*(one not in wanted for one in archs), True], dtype=bool)
        found: Mask = self.masks.get((arch, wanted), lambda: other[self.of(arch)])
        return found

    def without(self, matching: Mask) -> Mask:
        """The bins that are not among those of the inventory's nodes that match something."""
        found: Mask = self.masks.get((matching,), lambda: ~self.picked(matching))
        return found

    def packed_into(self, free: Ints, unplaced: Ints) -> Packed:
        """What was packed into these amounts, which are never written to; free: (resources, bins)."""
        return self.packed.get((free, unplaced), lambda: Packed(free.T, unplaced, self.shelf))

    def picked(self, column: Column) -> Column:
        """The same, for a column that is not there again."""
        return column if self.rows is None else np.ascontiguousarray(column[..., self.rows])


def layout_of(
    inventory: Inventory, visible: Visible, *, rows: Ints, state: ClusterState, shelf: Shelf | None = None
) -> Layout:
    """The bins of the sites at these rows of the inventory. shelf: where it keeps what is taken from columns."""
    shelf = Shelf() if shelf is None else shelf
    nodes, clusters = inventory.nodes, inventory.clusters
    local = places_of(rows, len(inventory.sites.sites))
    at_site = local[nodes.site] if len(rows) else np.full(len(nodes.ids), -1, dtype=np.int64)
    there = visible.nodes & (at_site >= 0)
    observed = np.zeros(len(rows), dtype=bool)
    observed[at_site[there]] = True
    # Sites whose nodes are not observed have one bin: their stated capacity.
    own = there | (nodes.stated & (at_site >= 0) & ~_at(observed, at_site))
    first = _at(state.first_callable, at_site)
    under = nodes.cluster
    can = np.append(state.can_be_called & visible.clusters, True)
    left_out = own & ~can[under] & (first >= 0)
    withheld = np.bincount(at_site[left_out], minlength=len(rows)).astype(np.int64)
    own &= ~left_out
    chosen = np.flatnonzero(own)
    site = at_site[chosen]
    via = np.where(first < 0, -1, np.where(under >= 0, under, first))[chosen]
    span = len(clusters.clusters) + 1
    keys = site * span + via + 1
    if len(keys) and np.any(keys[1:] < keys[:-1]):
        # Rows are in the order of bins within a site, which a stable sort by cluster keeps.
        order = np.argsort(keys, kind="stable")
        chosen, site, keys = chosen[order], site[order], keys[order]
    begins = np.flatnonzero(np.diff(keys, prepend=-1))
    group_keys = keys[begins]
    everything = len(chosen) == len(nodes.ids) and bool(np.array_equal(chosen, np.arange(len(chosen))))
    cluster_ids = [None, *(one.id for one in clusters.clusters)]
    starts = np.append(begins, len(keys))
    return Layout(
        rows=None if everything else chosen,
        site=site,
        group=np.repeat(np.arange(len(begins)), np.diff(starts)),
        starts=starts,
        node=np.where(nodes.stated[chosen], -1, chosen),
        group_site=group_keys // span,
        group_cluster=tuple(cluster_ids[one] for one in (group_keys % span).tolist()),
        withheld=withheld,
        observed=observed,
        first=np.searchsorted(site, np.arange(len(rows) + 1)),
        taken=Kept(shelf, most=12),
        stacked=Kept(shelf, most=8),
        masks=Kept(shelf, most=32),
        packed=Kept(shelf, most=8),
        shelf=shelf,
    )


def _at(values: Column, at_site: Ints) -> Column:
    """Values of sites by row of the inventory, where -1 is no site that is looked at: any value."""
    return values[at_site] if len(values) else np.full(len(at_site), -1, dtype=np.int64).astype(values.dtype)
