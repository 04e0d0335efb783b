"""What replicas are put into: nodes, and the stated capacity of sites whose nodes are not observed.

A bin belongs to one group, a cluster at a site, because all components of a deployment at a site go through one control
plane. A node that is under no cluster is under the first of its site that can be called. Bins are ordered by group, then
those without accelerators first, so that ordinary work does not fill the machines that have them, then by node id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from graph.kinds import Component, Release
from graph.selectors import LabelSelector, ids_matching
from graph.view import Reader, each
from placement.arrays import Floats, Ints, Mask
from placement.capacity import instances_by_node, node_use, use_at_site
from placement.clusters import ClusterState
from placement.inventory import LARGEST, RESOURCES, Inventory, amounts_of
from placement.visibility import Visible


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


@dataclass(frozen=True, slots=True)
class Bins:
    """Bins of the sites that are looked at, ordered by (site, cluster)."""

    resources: tuple[str, ...]
    """What the columns of `free` and `usable` are: those of every amount, then each accelerator model that is asked for."""
    site: Ints
    """The site, as an index into the problem's sites."""
    group: Ints
    node: Ints
    """The node's row in the inventory; -1 for a site's stated capacity."""
    node_ids: list[str]
    """By row in the inventory."""
    free: Ints
    usable: Ints
    cordoned: Mask
    not_ready: Mask
    tainted: Mask
    arch: Ints
    """An index into `archs`; -1 where it is not known."""
    archs: tuple[str, ...]
    selector_match: tuple[Mask | None, ...]
    """For each component: whether the node matches its selector; None when it has none."""
    group_site: Ints
    group_cluster: tuple[str | None, ...]
    """The cluster's id; None where no cluster can be called."""
    withheld: Ints
    """For each site: nodes that are left out since their cluster cannot be called while another can."""
    unplaced: Ints
    """(sites, resources): in use at the site, but not known on which node."""
    first: Ints
    """(sites + 1): where each site's bins begin."""

    def of_site(self, site: int) -> slice:
        """The bins of a site."""
        return slice(int(self.first[site]), int(self.first[site + 1]))


def bins_of(
    inventory: Inventory,
    visible: Visible,
    *,
    rows: Ints,
    state: ClusterState,
    components: Sequence[ComponentNeed],
    models: tuple[str, ...],
    uses: Reader,
    reader: Reader,
    excluding_deployment_id: str | None,
) -> Bins:
    """The bins of the sites at these rows of the inventory, without the use of one deployment if one is named."""
    nodes, clusters = inventory.nodes, inventory.clusters
    local = np.full(len(inventory.sites.sites), -1, dtype=np.int64)
    local[rows] = np.arange(len(rows))
    own = np.flatnonzero(visible.nodes)
    own = own[local[nodes.site[own]] >= 0]
    at_site = local[nodes.site[own]]
    observed = np.zeros(len(rows), dtype=bool)
    observed[at_site] = True
    can = state.can_be_called & visible.clusters
    under = nodes.cluster[own]
    first = state.first_callable[at_site]
    dead = (under >= 0) & ~(can[under] if len(can) else np.zeros(len(under), dtype=bool))
    left_out = dead & (first >= 0)
    withheld = np.bincount(at_site[left_out], minlength=len(rows)).astype(np.int64)
    via = np.where(first < 0, -1, np.where(under >= 0, under, first))[~left_out]
    own, at_site = own[~left_out], at_site[~left_out]
    # Sites whose nodes are not observed have one bin: their stated capacity.
    stated = [
        row
        for row, inv in enumerate(rows.tolist())
        if not observed[row] and inventory.sites.sites[inv].capacity is not None
    ]
    stated_rows = np.array(stated, dtype=np.int64)
    node = np.concatenate((own, np.full(len(stated), -1, dtype=np.int64)))
    site = np.concatenate((at_site, stated_rows))
    via = np.concatenate((via, state.first_callable[stated_rows]))
    has_accelerators = np.zeros(len(nodes.ids) + 1, dtype=np.int64)
    has_accelerators[list(nodes.accelerators)] = 1
    span = len(clusters.clusters) + 1
    order = np.argsort((site * span + via + 1) * 2 + has_accelerators[node], kind="stable")
    node, site, via = node[order], site[order], via[order]
    keys, group = np.unique(site * span + via + 1, return_inverse=True)
    amounts = _Amounts(
        inventory,
        rows=rows,
        models=models,
        uses=uses,
        excluding_deployment_id=excluding_deployment_id,
    )
    free, usable = amounts.of(node, site)
    unknown = node < 0
    flag = {
        name: np.where(unknown, False, column[node]) if len(column) else np.zeros(len(node), dtype=bool)
        for name, column in (
            ("cordoned", nodes.cordoned),
            ("not_ready", nodes.not_ready),
            ("tainted", nodes.tainted),
        )
    }
    return Bins(
        resources=(*RESOURCES, *models),
        site=site,
        group=group.astype(np.int64),
        node=node,
        node_ids=nodes.ids,
        free=free,
        usable=usable,
        arch=np.where(unknown, -1, nodes.arch[node]) if len(nodes.ids) else np.full(len(node), -1, dtype=np.int64),
        archs=inventory.archs,
        selector_match=tuple(_matching(reader, inventory, node, one.node_selector) for one in components),
        group_site=keys // span,
        group_cluster=tuple(None if one == 0 else clusters.clusters[one - 1].id for one in (keys % span).tolist()),
        withheld=withheld,
        unplaced=amounts.unplaced(observed),
        first=np.searchsorted(site, np.arange(len(rows) + 1)),
        **flag,
    )


def _matching(reader: Reader, inventory: Inventory, node: Ints, selector: LabelSelector) -> Mask | None:
    if not selector.requirements:
        return None
    # One more than there are nodes: a stated capacity, whose labels nobody knows, matches nothing.
    matched = np.zeros(len(inventory.nodes.ids) + 1, dtype=bool)
    row_of = inventory.nodes.row_of
    matched[[row for one in ids_matching(reader, "Node", selector) if (row := row_of.get(one)) is not None]] = True
    return matched[node]


class _Amounts:
    """Free and usable amounts of bins, with the columns of the accelerator models that are asked for."""

    def __init__(
        self,
        inventory: Inventory,
        *,
        rows: Ints,
        models: tuple[str, ...],
        uses: Reader,
        excluding_deployment_id: str | None,
    ) -> None:
        self._inventory, self._rows, self._models, self._uses = inventory, rows, models, uses
        self._excluded = excluding_deployment_id
        releases = (
            []
            if excluding_deployment_id is None
            else list(each(uses, Release, "deployment_id", excluding_deployment_id))
        )
        self._node_rows = [
            row
            for node_id in dict.fromkeys(
                one for release in releases for one in (*release.assignments, *instances_by_node(uses, release.id))
            )
            if (row := inventory.nodes.row_of.get(node_id)) is not None
        ]
        row_of = inventory.sites.row_of
        self._site_rows = [
            row
            for one in dict.fromkeys(release.site_id for release in releases)
            if (row := row_of.get(one)) is not None
        ]

    def of(self, node: Ints, site: Ints) -> tuple[Ints, Ints]:
        """(bins, resources) twice: free, and usable."""
        nodes, use, width = self._inventory.nodes, self._inventory.use, len(RESOURCES)
        free = np.zeros((len(node), width + len(self._models)), dtype=np.int64)
        usable = np.zeros_like(free)
        real = node >= 0
        rows = node[real]
        usable[real, :width] = nodes.usable[rows]
        free[real, :width] = nodes.available[rows] - use.nodes[rows]
        bin_of = dict(zip(rows.tolist(), np.flatnonzero(real).tolist(), strict=True)) if self._needs_lookup() else {}
        for column, model in enumerate(self._models, start=width):
            for row, counts in nodes.accelerators.items():
                at = bin_of.get(row)
                if at is not None and model in counts:
                    usable[at, column] = counts[model]
                    free[at, column] = counts[model] - use.node_accelerators.get(row, {}).get(model, 0)
        for row in self._node_rows:
            at = bin_of.get(row)
            if at is not None:
                used = node_use(self._uses, nodes.ids[row], excluding_deployment_id=self._excluded)
                counts = used.accelerator_counts()
                free[at, :width] = nodes.available[row] - amounts_of(used)
                for column, model in enumerate(self._models, start=width):
                    free[at, column] = usable[at, column] - counts.get(model, 0)
        for at in np.flatnonzero(~real).tolist():
            self._stated(free, usable, at, int(self._rows[site[at]]))
        return np.maximum(free, 0), usable

    def unplaced(self, observed: Mask) -> Ints:
        """(sites, resources): in use at sites with nodes, but not known on which."""
        use = self._inventory.use
        found = self._with_models(use.unplaced[self._rows], use.unplaced_accelerators)
        local = {row: at for at, row in enumerate(self._rows.tolist())} if self._site_rows else {}
        for row in self._site_rows:
            at = local.get(row)
            if at is not None:
                found[at] = self._site_use(row, nodes_observed=True)
        found[~observed] = 0
        return found

    def _stated(self, free: Ints, usable: Ints, at: int, row: int) -> None:
        site, use = self._inventory.sites.sites[row], self._inventory.use
        capacity = site.capacity
        assert capacity is not None, "only stated capacities are bins"
        counts = capacity.accelerator_counts()
        usable[at] = [*amounts_of(capacity), *(counts.get(model, 0) for model in self._models)]
        if row in self._site_rows:
            taken = self._site_use(row, nodes_observed=False)
        else:
            models = use.site_accelerators.get(row, {})
            taken = [*use.sites[row].tolist(), *(models.get(model, 0) for model in self._models)]
        free[at] = usable[at] - np.array(taken, dtype=np.int64)

    def _site_use(self, row: int, *, nodes_observed: bool) -> list[int]:
        site = self._inventory.sites.sites[row]
        used = use_at_site(self._uses, site.id, nodes_observed=nodes_observed, excluding_deployment_id=self._excluded)
        counts = used.accelerator_counts()
        amounts = (*amounts_of(used), *(counts.get(model, 0) for model in self._models))
        return [min(one, LARGEST) for one in amounts]

    def _with_models(self, amounts: Ints, accelerators: Mapping[int, Mapping[str, int]]) -> Ints:
        found = np.zeros((len(amounts), len(RESOURCES) + len(self._models)), dtype=np.int64)
        found[:, : len(RESOURCES)] = amounts
        if self._models and accelerators:
            local = {row: at for at, row in enumerate(self._rows.tolist())}
            for row, counts in accelerators.items():
                at = local.get(row)
                if at is not None:
                    for column, model in enumerate(self._models, start=len(RESOURCES)):
                        found[at, column] = counts.get(model, 0)
        return found

    def _needs_lookup(self) -> bool:
        return bool(self._models or self._node_rows)


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
