"""Sites, clusters and nodes as columns: what a decision filters, one array operation a rule instead of one look a site.

An inventory is a value: whoever holds one may read it in any thread while the graph goes on. `Projection` (projection.py)
keeps the current one; `inventory_of` makes one from any reader. `brought_up` gives the next one from what has changed: its
cost follows the change, and the columns that did not change are the same ones.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np

from graph.kinds import Cluster, Node, Site
from graph.values import Resources
from graph.view import Reader, get_as
from placement.arrays import Ints
from placement.node_changes import Holder, columns_of, moved_to, with_holders, with_use
from placement.nodes import RESOURCES, NodeColumns
from placement.shares import Shares, Sums
from placement.sites import ClusterColumns, SiteColumns, cluster_columns, site_columns


@dataclass(frozen=True, slots=True)
class UseColumns:
    """What our releases take up that is on no particular node."""

    unplaced: Ints
    """(sites, resources): known to exist, but not on which node."""
    unplaced_accelerators: Mapping[str, Mapping[str, int]]
    """By model and site id."""
    nodes: Ints
    """(nodes, resources): all that is in use on each; the nodes' own column, turned."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """All that the graph has to place on, at one revision."""

    revision: int
    sites: SiteColumns
    clusters: ClusterColumns
    nodes: NodeColumns
    use: UseColumns
    archs: tuple[str, ...]
    """Architectures by number."""


@dataclass(slots=True)
class Noted:
    """What may differ since an inventory was made, by id."""

    sites: dict[str, None] = field(default_factory=dict)
    clusters: dict[str, None] = field(default_factory=dict)
    nodes: dict[str, None] = field(default_factory=dict)
    releases: dict[str, None] = field(default_factory=dict)
    relabelled: bool = False
    """Whether the labels of a node differ."""

    def __len__(self) -> int:
        """How many: none is false."""
        return len(self.sites) + len(self.clusters) + len(self.nodes) + len(self.releases)


def inventory_of(reader: Reader, *, shares: Shares | None = None) -> Inventory:
    """The inventory of all that a reader lists; releases included, so ask with one that sees all tenants'.

    `shares` are those of the reader's releases; they are read when not given.
    """
    sites = site_columns(reader)
    clusters = cluster_columns(reader, sites)
    listed = [one for node_id in reader.ids("Node") if type(one := reader.get(node_id)) is Node]
    nodes = columns_of(listed, sites=sites, cluster_row_of=clusters.row_of)
    use = (shares or Shares.of(reader)).total()
    nodes = with_use(nodes, use.holders.amounts, use.holders.accelerators)
    nothing = np.zeros((len(sites.sites), len(RESOURCES)), dtype=np.int64)
    unplaced, models = _with_unplaced(nothing, {}, use.unplaced, sites)
    return _inventory(reader.revision, sites, clusters, nodes, unplaced, models)


def brought_up(old: Inventory, reader: Reader, noted: Noted, shares: Shares) -> Inventory:
    """The inventory of the reader, which differs from that of `old` in what was noted; takes the releases into `shares`."""
    sites, moved = _next_sites(old.sites, reader, noted.sites)
    clusters, cluster_rows = _next_clusters(old.clusters, reader, noted.clusters, sites, moved)
    nodes, unplaced, models = old.nodes, old.use.unplaced, old.use.unplaced_accelerators
    if moved is not None or cluster_rows is not None:
        nodes = moved_to(nodes, site_rows=moved, cluster_rows=cluster_rows, sites=len(sites.sites))
    if moved is not None:
        unplaced, models = _moved_unplaced(unplaced, models, moved, sites)
    use = shares.changed(reader, noted.releases)
    come = [one for one in noted.sites if one in sites.row_of and one not in old.sites.row_of]
    use.unplaced.forget(come)  # all of it is added below
    nodes = with_use(nodes, use.holders.amounts, use.holders.accelerators)
    unplaced, models = _with_unplaced(unplaced, models, use.unplaced, sites)
    holders: dict[str, Holder | None] = {one: get_as(reader, Node, one) for one in noted.nodes}
    holders |= {one: get_as(reader, Site, one) for one in noted.sites}
    new: list[str] = []
    if holders:
        nodes, new = with_holders(
            nodes, holders, sites=sites, cluster_row_of=clusters.row_of, relabelled=noted.relabelled
        )
    if new or come:
        there = shares.on(reader, new, come)
        nodes = with_use(nodes, there.holders.amounts, there.holders.accelerators)
        unplaced, models = _with_unplaced(unplaced, models, there.unplaced, sites)
    return _inventory(reader.revision, sites, clusters, nodes, unplaced, models)


def amounts_of(resources: Resources) -> tuple[int, int, int]:
    """An amount in the order of `RESOURCES`."""
    return resources.cpu_millicores, resources.memory_bytes, resources.storage_bytes


def _inventory(
    revision: int,
    sites: SiteColumns,
    clusters: ClusterColumns,
    nodes: NodeColumns,
    unplaced: Ints,
    models: Mapping[str, Mapping[str, int]],
) -> Inventory:
    return Inventory(
        revision=revision,
        sites=sites,
        clusters=clusters,
        nodes=nodes,
        use=UseColumns(unplaced=unplaced, unplaced_accelerators=models, nodes=nodes.used.T),
        archs=nodes.archs.values,
    )


def _next_sites(old: SiteColumns, reader: Reader, changed: Collection[str]) -> tuple[SiteColumns, Ints | None]:
    """The sites now, and for each row before its row now (-1: gone) when some came or went."""
    if not changed:
        return old, None
    found = {one: get_as(reader, Site, one) for one in changed}
    if all((site is not None) == (one in old.row_of) for one, site in found.items()):
        return old.replaced([one for one in found.values() if one is not None]), None
    sites = site_columns(reader, before=old)
    return sites, np.array([sites.row_of.get(one, -1) for one in old.row_of], dtype=np.int64)


def _next_clusters(
    old: ClusterColumns, reader: Reader, changed: Collection[str], sites: SiteColumns, moved: Ints | None
) -> tuple[ClusterColumns, Ints | None]:
    if not changed and moved is None:
        return old, None
    found = {one: get_as(reader, Cluster, one) for one in changed}
    same = moved is None and all(
        cluster is not None
        and (row := old.row_of.get(one)) is not None
        and cluster.site_ids == old.clusters[row].site_ids
        and cluster.driver == old.clusters[row].driver
        for one, cluster in found.items()
    )
    if same:
        return old.replaced([one for one in found.values() if one is not None]), None
    clusters = cluster_columns(reader, sites)
    if clusters.row_of == old.row_of:
        return clusters, None
    return clusters, np.array([clusters.row_of.get(one, -1) for one in old.row_of], dtype=np.int64)


def _moved_unplaced(
    unplaced: Ints, models: Mapping[str, Mapping[str, int]], moved: Ints, sites: SiteColumns
) -> tuple[Ints, Mapping[str, Mapping[str, int]]]:
    there = moved >= 0
    found = np.zeros((len(sites.sites), len(RESOURCES)), dtype=np.int64)
    found[moved[there]] = unplaced[there]
    kept = {model: {one: n for one, n in by_site.items() if one in sites.row_of} for model, by_site in models.items()}
    return found, kept


def _with_unplaced(
    unplaced: Ints, models: Mapping[str, Mapping[str, int]], more: Sums, sites: SiteColumns
) -> tuple[Ints, Mapping[str, Mapping[str, int]]]:
    changes = [
        (row, one) for key, one in more.amounts.items() if (row := sites.row_of.get(key)) is not None and any(one)
    ]
    if changes:
        unplaced = unplaced.copy()
        unplaced[[row for row, _ in changes]] += np.array([one for _, one in changes], dtype=np.int64)
    if not any(more.accelerators.values()):
        return unplaced, models
    found = {model: dict(by_site) for model, by_site in models.items()}
    for model, by_site in more.accelerators.items():
        column = found.setdefault(model, {})
        for site_id, count in by_site.items():
            if site_id in sites.row_of:
                column[site_id] = column.get(site_id, 0) + count
                if not column[site_id]:
                    del column[site_id]
    return unplaced, {model: by_site for model, by_site in found.items() if by_site}
