"""What replicas are put into: nodes, and the stated capacity of sites whose nodes are not observed.

A bin belongs to one group, a cluster at a site, because all components of a deployment at a site go through one control
plane. A node that is under no cluster is under the first of its site that can be called. Bins are ordered by group, then
those without accelerators first, so that ordinary work does not fill the machines that have them, then by node id. That
is the order of the inventory's own rows, so bins are its columns, or what was taken from them once while they hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from graph.kinds import Component
from graph.selectors import LabelSelector
from graph.view import Reader
from placement.arrays import Floats, Ints, Mask
from placement.clusters import ClusterState
from placement.inventory import Inventory, amounts_of
from placement.kept import Kept, Shelf
from placement.nodes import RESOURCES, NodeColumns
from placement.shares import Use
from placement.visibility import Visible

Column: TypeAlias = np.ndarray[Any, Any]
"""A column of any type."""


@dataclass(frozen=True, slots=True)
class ComponentNeed:
    """A component, and what each of its replicas needs."""

    id: str
    name: str
    replicas: int
    """At each site."""
    need: Ints
    """Of each resource for one replica, in the order of `Bins.resources`."""
    architectures: tuple[str, ...]
    node_selector: LabelSelector
    most_per_node: int | None = None
    """At most so many of its replicas on one node."""
    alone: bool = False
    """Whether its nodes run no other component."""
    away_from: frozenset[str] = frozenset()
    """Names of components with whose replicas its own share no node."""
    beside: frozenset[str] = frozenset()
    """Names of components of each of which a replica is on every node that it uses, as far as they are packed with it."""

    def may_share_with(self, other: ComponentNeed) -> bool:
        """Whether replicas of both may be on one node; it goes both ways."""
        away = other.name in self.away_from or self.name in other.away_from
        return not (away or self.alone or other.alone)


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

    def picked(self, column: Column) -> Column:
        """The same, for a column that is not there again."""
        return column if self.rows is None else np.ascontiguousarray(column[..., self.rows])


@dataclass(frozen=True, slots=True)
class Bins:
    """Bins of the sites that are looked at, ordered by (site, cluster)."""

    resources: tuple[str, ...]
    """What the columns of `free` and `usable` are: those of every amount, then each accelerator model that is asked for."""
    site: Ints
    """The site, as an index into the problem's sites."""
    group: Ints
    starts: Ints
    """(groups + 1): where each group's bins begin."""
    node: Ints
    """The node's row in the inventory; -1 for a site's stated capacity."""
    node_ids: Sequence[str]
    """By row in the inventory."""
    free: Ints
    """(bins, resources), each column contiguous."""
    usable: Ints
    """The same."""
    cordoned: Mask
    not_ready: Mask
    tainted: Mask
    arch: Ints
    """An index into `archs`; -1 where it is not known."""
    archs: tuple[str, ...]
    other_archs: tuple[Mask | None, ...]
    """For each component: whether the node has a processor that it does not run on, or an unknown one; None: runs on any."""
    other_labels: tuple[Mask | None, ...]
    """For each component: whether the node does not match its selector; None when it has none."""
    group_site: Ints
    group_cluster: tuple[str | None, ...]
    """The cluster's id; None where no cluster can be called."""
    withheld: Ints
    """For each site: nodes that are left out since their cluster cannot be called while another can."""
    unplaced: Ints
    """(sites, resources): in use at the site, but not known on which node."""
    unsure: Ints
    """The sites of which that is not nothing, ascending."""
    first: Ints
    """(sites + 1): where each site's bins begin."""
    typical: Floats
    """(resources,): what a bin has on average."""

    def of_site(self, site: int) -> slice:
        """The bins of a site."""
        return slice(int(self.first[site]), int(self.first[site + 1]))

    def of_sites(self, sites: Ints) -> Bins:
        """The bins of some sites (ascending), which are numbered anew, from 0."""
        counts = self.first[sites + 1] - self.first[sites]
        rows, unplaced = self.rows_of(sites), self.unplaced[sites]
        groups, begins, group = np.unique(self.group[rows], return_index=True, return_inverse=True)
        return replace(
            self.only(rows, group=group, starts=np.append(begins, len(rows)), groups=groups),
            site=np.repeat(np.arange(len(sites)), counts),
            cordoned=self.cordoned[rows],
            not_ready=self.not_ready[rows],
            tainted=self.tainted[rows],
            arch=self.arch[rows],
            other_archs=tuple(None if one is None else one[rows] for one in self.other_archs),
            other_labels=tuple(None if one is None else one[rows] for one in self.other_labels),
            group_site=np.searchsorted(sites, self.group_site[groups]),
            withheld=self.withheld[sites],
            unplaced=unplaced,
            unsure=some_used(unplaced),
            first=np.concatenate(([0], np.cumsum(counts))),
        )

    def rows_of(self, sites: Ints) -> Ints:
        """The bins of some sites, one site after the other."""
        counts = self.first[sites + 1] - self.first[sites]
        ends = np.cumsum(counts)
        return np.repeat(self.first[sites] - ends + counts, counts) + np.arange(int(ends[-1]) if len(ends) else 0)

    def only(self, rows: Ints, *, group: Ints, starts: Ints, groups: Ints) -> Bins:
        """Some bins in some order, for packing: numbered anew by group, where `groups` are what these are here."""
        return replace(
            self,
            site=self.site[rows],
            group=group,
            starts=starts,
            node=self.node[rows],
            free=np.asfortranarray(self.free[rows]),
            usable=self.usable[rows],
            group_site=self.group_site[groups],
            group_cluster=tuple(self.group_cluster[one] for one in groups.tolist()),
        )


def summed(values: Column, bounds: Ints) -> Column:
    """Sums of values over the ranges between ascending bounds; an empty range sums to zero."""
    totals = np.zeros(len(bounds) - 1, dtype=values.dtype)
    filled = np.flatnonzero(np.diff(bounds))
    if len(filled):
        totals[filled] = np.add.reduceat(values, bounds[filled])
    return totals


def layout_of(
    inventory: Inventory, visible: Visible, *, rows: Ints, state: ClusterState, shelf: Shelf | None = None
) -> Layout:
    """The bins of the sites at these rows of the inventory. shelf: where it keeps what is taken from columns."""
    shelf = Shelf() if shelf is None else shelf
    nodes, clusters = inventory.nodes, inventory.clusters
    local = np.full(len(inventory.sites.sites), -1, dtype=np.int64)
    local[rows] = np.arange(len(rows))
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
    )


def bins_of(
    inventory: Inventory,
    layout: Layout,
    *,
    rows: Ints,
    models: tuple[str, ...],
    needs: Sequence[ComponentNeed],
    selector_match: tuple[Mask | None, ...],
    uses: Reader,
    excluding_deployment_id: str | None,
) -> Bins:
    """The bins with their amounts, without the use of one deployment if one is named.

    rows: the inventory's rows of the sites that are looked at, for which the layout was made.
    needs: of each component; selector_match: whether the inventory's nodes match its selector.
    uses: sees the releases of all tenants.
    """
    nodes = inventory.nodes
    free, usable, typical = layout.of(nodes.free), layout.of(nodes.usable), layout.mean(nodes.usable)
    if models:
        made_of = (free, usable, nodes.accelerators, nodes.row_of_slot, models)
        make = partial(_with_models, layout, nodes, free, usable, typical, models)
        free, usable, typical = layout.stacked.get(made_of, make)
    unplaced, unsure = _unplaced(inventory, layout, rows, models)
    without = _Without(uses, inventory, models, excluding_deployment_id)
    if without:
        free, unplaced = without.applied(layout, rows, free, unplaced)
        unsure = some_used(unplaced)
    return Bins(
        resources=(*RESOURCES, *models),
        site=layout.site,
        group=layout.group,
        starts=layout.starts,
        node=layout.node,
        node_ids=nodes.ids,
        free=free.T,
        usable=usable.T,
        cordoned=layout.of(nodes.cordoned),
        not_ready=layout.of(nodes.not_ready),
        tainted=layout.of(nodes.tainted),
        arch=layout.of(nodes.arch),
        archs=inventory.archs,
        other_archs=tuple(layout.other_archs(nodes.arch, inventory.archs, one.architectures) for one in needs),
        other_labels=tuple(None if one is None else layout.without(one) for one in selector_match),
        group_site=layout.group_site,
        group_cluster=layout.group_cluster,
        withheld=layout.withheld,
        unplaced=unplaced,
        unsure=unsure,
        first=layout.first,
        typical=typical,
    )


def _with_models(
    layout: Layout, nodes: NodeColumns, free: Ints, usable: Ints, typical: Floats, models: tuple[str, ...]
) -> tuple[Ints, Ints, Floats]:
    """Free and usable amounts with a row more for each accelerator model, and their means."""
    columns = [nodes.accelerator_columns(one) for one in models]
    left, offered = [layout.picked(one) for _, one in columns], [layout.picked(one) for one, _ in columns]
    means = [one.mean() if len(one) else 0.0 for one in offered]
    return np.vstack([free, *left]), np.vstack([usable, *offered]), np.concatenate((typical, means))


def some_used(unplaced: Ints) -> Ints:
    """The sites at which something is in use on no particular node, ascending; unplaced: (sites, resources)."""
    used = np.flatnonzero(unplaced)
    return np.unique(used // unplaced.shape[1]) if len(used) else used


def _unplaced(inventory: Inventory, layout: Layout, rows: Ints, models: tuple[str, ...]) -> tuple[Ints, Ints]:
    """(sites, resources) and the sites of which that is not nothing; not to be written to."""
    use = inventory.use
    made_of = (use.unplaced, use.unplaced_accelerators, models)
    found: tuple[Ints, Ints] = layout.stacked.get(made_of, partial(_used, inventory, layout, rows, models))
    return found


def _used(inventory: Inventory, layout: Layout, rows: Ints, models: tuple[str, ...]) -> tuple[Ints, Ints]:
    use = inventory.use
    found = np.zeros((len(rows), len(RESOURCES) + len(models)), dtype=np.int64)
    found[layout.observed, : len(RESOURCES)] = use.unplaced[rows[layout.observed]]
    row_of = inventory.sites.row_of
    for column, model in enumerate(models, start=len(RESOURCES)):
        for site_id, count in use.unplaced_accelerators.get(model, {}).items():
            at = int(np.searchsorted(rows, row_of[site_id]))
            if at < len(rows) and rows[at] == row_of[site_id] and layout.observed[at]:
                found[at, column] = count
    return found, some_used(found)


class _Without:
    """Amounts without the use of one deployment, which is taken off what all take up: others are not looked at."""

    def __init__(self, uses: Reader, inventory: Inventory, models: tuple[str, ...], deployment_id: str | None) -> None:
        self._inventory, self._models = inventory, models
        self._own = Use.nothing() if deployment_id is None else Use.of_deployment(uses, deployment_id)

    def __bool__(self) -> bool:
        return bool(self._own.holders.amounts)

    def applied(self, layout: Layout, rows: Ints, free: Ints, unplaced: Ints) -> tuple[Ints, Ints]:
        """Free and unplaced amounts without it."""
        nodes, width = self._inventory.nodes, len(RESOURCES)
        free = free.copy()
        bin_of = None if layout.rows is None else _numbers(layout.rows, len(nodes.ids))
        for holder_id, amount in self._own.holders.amounts.items():
            row = nodes.row(holder_id)
            at = row if row is None or bin_of is None else int(bin_of[row])
            if row is None or at is None or at < 0:
                continue
            free[:width, at] = np.maximum(nodes.available[:, row] - (nodes.used[:, row] - np.array(amount)), 0)
            for column, model in enumerate(self._models, start=width):
                own = self._own.holders.accelerators[model][holder_id]
                free[column, at] = max(0, self._unused(model, row) + own)
        return free, self._unplaced_without(layout, rows, unplaced)

    def _unused(self, model: str, row: int) -> int:
        """What a node has of a model less foreign use and ours."""
        found = self._inventory.nodes.accelerators.get(model)
        if found is None:
            return 0
        slot = int(self._inventory.nodes.slot[row])
        at = int(np.searchsorted(found.slots, slot))
        there = at < len(found.slots) and found.slots[at] == slot
        return int(found.available[at] - found.used[at]) if there else 0

    def _unplaced_without(self, layout: Layout, rows: Ints, unplaced: Ints) -> Ints:
        found, row_of = unplaced, self._inventory.sites.row_of
        for site_id, amount in self._own.unplaced.amounts.items():
            row = row_of.get(site_id)
            site = len(rows) if row is None else int(np.searchsorted(rows, row))
            if site >= len(rows) or rows[site] != row or not layout.observed[site]:
                continue
            found = unplaced.copy() if found is unplaced else found
            models = [self._own.unplaced.accelerators[model][site_id] for model in self._models]
            found[site] = np.maximum(found[site] - np.array([*amount, *models]), 0)
        return found


def _numbers(rows: Ints, count: int) -> Ints:
    """(count,): the place of each number among some; -1: it is none of them."""
    found = np.full(count, -1, dtype=np.int64)
    found[rows] = np.arange(len(rows))
    return found


def needs_of(
    components: Sequence[Component], *, replicas: Mapping[str, int], selectors: Sequence[LabelSelector]
) -> tuple[tuple[ComponentNeed, ...], tuple[str, ...]]:
    """What the components need, and the accelerator models that any of them asks for, sorted."""
    models = tuple(
        sorted({model for one in components for model, n in one.resources.accelerator_counts().items() if n > 0})
    )
    needs = []
    for one, selector in zip(components, selectors, strict=True):
        counts = one.resources.accelerator_counts()
        amounts = (*amounts_of(one.resources), *(counts.get(model, 0) for model in models))
        needs.append(
            ComponentNeed(
                id=one.id,
                name=one.name,
                replicas=replicas.get(one.name, one.replicas),
                need=np.array(amounts, dtype=np.int64),
                architectures=tuple(one.architectures),
                node_selector=selector,
            )
        )
    return tuple(needs), models


def needed_in_all(components: Sequence[ComponentNeed]) -> Floats:
    """What all replicas of all components need together, of each resource. As floats: sums may pass 64 bits."""
    total: Floats = np.sum([one.need.astype(np.float64) * one.replicas for one in components], axis=0)
    return total


def _at(values: Column, at_site: Ints) -> Column:
    """Values of sites by row of the inventory, where -1 is no site that is looked at: any value."""
    return values[at_site] if len(values) else np.full(len(at_site), -1, dtype=np.int64).astype(values.dtype)
