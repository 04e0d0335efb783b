"""What replicas are put into: nodes, and the stated capacity of sites whose nodes are not observed, with their amounts.

Which rows of the inventory are bins, and in which order, is their layout (`placement.bin_layout`), which holds for long.
What is free in them is not: so bins are made for every decision, out of the inventory's own columns, or what was taken from
them once while they hold. The use of the deployment that is decided on is taken off what all take up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import numpy as np

from graph.view import Reader
from placement.arrays import Floats, Ints, Mask, places_of
from placement.bin_layout import Column, Layout
from placement.inventory import Inventory
from placement.needs import ComponentNeed
from placement.nodes import RESOURCES, NodeColumns
from placement.packed import Packed
from placement.shares import Use

T = TypeVar("T")


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
    packed: Packed | None = None
    """What was packed into these amounts already; None: no other decision has them."""

    def once(self, made_of: tuple[object, ...], make: Callable[[], T]) -> T:
        """What `make` gives of these amounts and of what else it is made of (see `Packed.get`): made once for all decisions
        that have the same."""
        packed = self.packed
        # With other amounts in the place of these it would be another's.
        if packed is None or packed.free is not self.free or packed.unplaced is not self.unplaced:
            return make()
        return packed.get(made_of, make)

    def of_site(self, site: int) -> slice:
        """The bins of a site."""
        return slice(int(self.first[site]), int(self.first[site + 1]))

    def of_sites(self, sites: Ints) -> Bins:
        """The bins of some sites (ascending), which are numbered anew, from 0; for packing, as `only`."""
        counts = self.first[sites + 1] - self.first[sites]
        rows, unplaced = self.rows_of(sites), self.unplaced[sites]
        group = self.group[rows]
        another = np.ones(len(rows), dtype=bool)
        another[1:] = group[1:] != group[:-1]
        begins = np.flatnonzero(another)
        groups = group[begins]
        return replace(
            self.only(rows, group=np.cumsum(another) - 1, starts=np.append(begins, len(rows)), groups=groups),
            site=np.repeat(np.arange(len(sites)), counts),
            group_site=np.searchsorted(sites, self.group_site[groups]),
            unplaced=unplaced,
            unsure=some_used(unplaced),
            first=np.concatenate(([0], np.cumsum(counts))),
        )

    def rows_of(self, sites: Ints) -> Ints:
        """The bins of some sites, one site after the other."""
        counts = self.first[sites + 1] - self.first[sites]
        ends = np.cumsum(counts)
        return np.repeat(self.first[sites] - ends + counts, counts) + np.arange(int(ends[-1]) if len(ends) else 0)

    def left_in_all(self, sites: Ints, resource: int, *, among: Mask) -> Ints:
        """(given sites,): what some bins of each have free of a resource, less what is in use on no particular node; it may
        be less than nothing."""
        rows = self.rows_of(sites)
        ends = np.cumsum(self.first[sites + 1] - self.first[sites])
        free = np.where(among[rows], self.free[rows, resource], 0)
        found: Ints = summed(free, np.concatenate(([0], ends))) - self.unplaced[sites, resource]
        return found

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
            packed=None,
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
    packed = None
    if without:
        free, unplaced = without.applied(layout, rows, free, unplaced)
        unsure = some_used(unplaced)
    else:
        packed = layout.packed_into(free, unplaced)
    return Bins(
        resources=(*RESOURCES, *models),
        site=layout.site,
        group=layout.group,
        starts=layout.starts,
        node=layout.node,
        node_ids=nodes.ids,
        free=free.T if packed is None else packed.free,
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
        packed=packed,
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
        bin_of = None if layout.rows is None else places_of(layout.rows, len(nodes.ids))
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
