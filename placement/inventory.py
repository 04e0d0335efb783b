"""Sites, clusters and nodes as columns: what a decision filters, one array operation a rule instead of one look a site.

An inventory is a value: whoever holds one may read it in any thread while the graph goes on. `Projection` (projection.py)
keeps the current one; `inventory_of` makes one from any reader. Rows ascend by id.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from graph.kinds import Cluster, Instance, Node, Release, Site, SiteRole
from graph.values import Resources
from graph.view import Reader, each
from placement.arrays import Floats, Ints, Mask
from placement.capacity import holds_resources, placed_replicas, replicas_of
from placement.conditions import blocking_taint, is_not_ready

RESOURCES = ("cpu_millicores", "memory_bytes", "storage_bytes")
"""The columns of every amount; accelerators are kept apart, for few nodes have any."""
LARGEST = 2**53 - 1
"""The largest amount of the model; more in use than that is as much, and sums stay within 64 bits."""


@dataclass(frozen=True, slots=True)
class SiteColumns:
    """Sites by row."""

    sites: list[Site]
    row_of: dict[str, int]
    compute: Mask
    private: Mask
    """Private to a tenant."""
    degrees: Floats
    """(sites, 2): longitude and latitude, not a number where there is no position."""

    @property
    def ids(self) -> list[str]:
        """The ids by row."""
        return list(self.row_of)


@dataclass(frozen=True, slots=True)
class ClusterColumns:
    """Clusters, and which serve which sites by what they state of themselves."""

    clusters: list[Cluster]
    row_of: dict[str, int]
    serves_site: Ints
    """Pairs (site row, cluster row), as two arrays."""
    serves_cluster: Ints


@dataclass(frozen=True, slots=True)
class NodeColumns:
    """Nodes by row."""

    ids: list[str]
    row_of: dict[str, int]
    site: Ints
    cluster: Ints
    """-1: under none."""
    arch: Ints
    """An index into `Inventory.archs`."""
    cordoned: Mask
    not_ready: Mask
    tainted: Mask
    """Has a taint that keeps work away."""
    private: Mask
    usable: Ints
    """(nodes, resources): allocatable."""
    available: Ints
    """(nodes, resources): allocatable less foreign use, never below zero."""
    accelerators: dict[int, dict[str, int]]
    """By row and model, for nodes that have any."""

    def merged(self, gone: Collection[str], others: NodeColumns) -> NodeColumns:
        """These columns without some nodes and with others, whose ids these no longer have; no argument is changed."""
        keep = np.ones(len(self.ids), dtype=bool)
        keep[[row for node_id in gone if (row := self.row_of.get(node_id)) is not None]] = False
        left = [self.ids[row] for row in np.flatnonzero(keep).tolist()]
        before = np.array([bisect_left(left, one) for one in others.ids], dtype=np.int64)
        old_rows = np.arange(len(left)) + np.searchsorted(before, np.arange(len(left)), side="right")
        new_rows = before + np.arange(len(others.ids))
        columns = {}
        for name in _COLUMNS:
            column, other = getattr(self, name)[keep], getattr(others, name)
            columns[name] = np.empty((len(column) + len(other), *column.shape[1:]), dtype=column.dtype)
            columns[name][old_rows] = column
            columns[name][new_rows] = other
        moved = np.full(len(self.ids), -1, dtype=np.int64)
        moved[keep] = old_rows
        accelerators = {at: one for row, one in self.accelerators.items() if (at := int(moved[row])) >= 0}
        accelerators |= {int(new_rows[row]): one for row, one in others.accelerators.items()}
        ids = sorted([*left, *others.ids])
        row_of = dict(zip(ids, range(len(ids)), strict=True))
        return NodeColumns(ids=ids, row_of=row_of, accelerators=accelerators, **columns)

    def replaced(self, rows: Ints, others: NodeColumns) -> NodeColumns:
        """These columns with some rows taken from others, which are not changed."""
        columns = {}
        for name in _COLUMNS:
            column = getattr(self, name).copy()
            column[rows] = getattr(others, name)
            columns[name] = column
        accelerators = dict(self.accelerators)
        for at, row in enumerate(rows.tolist()):
            accelerators.pop(row, None)
            if at in others.accelerators:
                accelerators[row] = others.accelerators[at]
        return NodeColumns(ids=self.ids, row_of=self.row_of, accelerators=accelerators, **columns)


_COLUMNS = ("site", "cluster", "arch", "cordoned", "not_ready", "tainted", "private", "usable", "available")
"""The columns of `NodeColumns` that are arrays."""


@dataclass(frozen=True, slots=True)
class UseColumns:
    """What our releases take up."""

    nodes: Ints
    """(nodes, resources)."""
    node_accelerators: dict[int, dict[str, int]]
    unplaced: Ints
    """(sites, resources): known to exist, but not on which node."""
    unplaced_accelerators: dict[int, dict[str, int]]
    sites: Ints
    """(sites, resources): all at the site, for where nodes are not observed."""
    site_accelerators: dict[int, dict[str, int]]


@dataclass(frozen=True, slots=True)
class Inventory:
    """All that the graph has to place on, at one revision."""

    revision: int
    sites: SiteColumns
    clusters: ClusterColumns
    nodes: NodeColumns
    use: UseColumns
    archs: tuple[str, ...]


def inventory_of(reader: Reader) -> Inventory:
    """The inventory of all that a reader lists; releases included, so ask with one that sees all tenants'."""
    sites = site_columns(reader)
    clusters = cluster_columns(reader, sites)
    archs: dict[str, int] = {}
    listed = [one for node_id in reader.ids("Node") if type(one := reader.get(node_id)) is Node]
    nodes = node_columns(listed, sites=sites, clusters=clusters, archs=archs)
    return Inventory(
        revision=reader.revision,
        sites=sites,
        clusters=clusters,
        nodes=nodes,
        use=use_columns(reader, sites=sites, nodes=nodes),
        archs=tuple(archs),
    )


def site_columns(reader: Reader) -> SiteColumns:
    """The columns of all sites."""
    sites = list(each(reader, Site))
    count = len(sites)
    nowhere = (np.nan, np.nan)
    degrees = chain.from_iterable(
        nowhere if (at := one.position) is None else (at.longitude, at.latitude) for one in sites
    )
    return SiteColumns(
        sites=sites,
        row_of={one.id: row for row, one in enumerate(sites)},
        compute=np.fromiter((one.role is SiteRole.COMPUTE for one in sites), dtype=bool, count=count),
        private=np.fromiter((one.tenant_id is not None for one in sites), dtype=bool, count=count),
        degrees=np.fromiter(degrees, dtype=np.float64, count=2 * count).reshape(count, 2),
    )


def cluster_columns(reader: Reader, sites: SiteColumns) -> ClusterColumns:
    """The columns of all clusters."""
    clusters = list(each(reader, Cluster))
    pairs = [
        (sites.row_of[site_id], row)
        for row, one in enumerate(clusters)
        for site_id in one.site_ids
        if site_id in sites.row_of
    ]
    return ClusterColumns(
        clusters=clusters,
        row_of={one.id: row for row, one in enumerate(clusters)},
        serves_site=np.array([one[0] for one in pairs], dtype=np.int64),
        serves_cluster=np.array([one[1] for one in pairs], dtype=np.int64),
    )


def node_columns(
    nodes: Sequence[Node], *, sites: SiteColumns, clusters: ClusterColumns, archs: dict[str, int]
) -> NodeColumns:
    """The columns of some nodes; new architectures are added to `archs`. Nodes of sites that are not listed get site -1."""
    count = len(nodes)
    usable = [one.usable for one in nodes]
    foreign = [one.foreign_use for one in nodes]
    arch = [one.arch for one in nodes]
    for one in dict.fromkeys(arch):
        archs.setdefault(one, len(archs))
    site_row, cluster_row = sites.row_of.get, clusters.row_of.get
    offered = _amounts(usable)
    accelerators = {}
    for row in [row for row, one in enumerate(usable) if one.accelerators]:
        counts = usable[row].accelerator_counts()
        for model, taken in foreign[row].accelerator_counts().items():
            if model in counts:
                counts[model] = max(0, counts[model] - taken)
        accelerators[row] = counts
    tainted = np.zeros(count, dtype=bool)
    tainted[[row for row, one in enumerate(nodes) if one.taints and blocking_taint(one) is not None]] = True
    private = np.zeros(count, dtype=bool)
    private[[row for row, one in enumerate(nodes) if one.tenant_id is not None]] = True
    ids = [one.id for one in nodes]
    return NodeColumns(
        ids=ids,
        row_of=dict(zip(ids, range(count), strict=True)),
        site=np.array([site_row(one.site_id, -1) for one in nodes], dtype=np.int64),
        cluster=np.array([cluster_row(one.cluster_id or "", -1) for one in nodes], dtype=np.int64),
        arch=np.array([archs[one] for one in arch], dtype=np.int64),
        cordoned=np.fromiter((not one.schedulable for one in nodes), dtype=bool, count=count),
        not_ready=np.fromiter((is_not_ready(one) for one in nodes), dtype=bool, count=count),
        tainted=tainted,
        private=private,
        usable=offered,
        available=np.maximum(offered - _amounts(foreign), 0),
        accelerators=accelerators,
    )


def use_columns(reader: Reader, *, sites: SiteColumns, nodes: NodeColumns) -> UseColumns:
    """What all releases take up; the same sums as placement/capacity.py makes for one node or site."""
    seen: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for instance in each(reader, Instance):
        if instance.node_id is not None and holds_resources(instance):
            seen[instance.release_id][instance.node_id] += 1
    on_nodes = _Sums(len(nodes.ids))
    unplaced, at_sites = _Sums(len(sites.sites)), _Sums(len(sites.sites))
    nothing: Counter[str] = Counter()
    for release in each(reader, Release):
        placed = placed_replicas(release, seen.get(release.id, nothing))
        for node_id, count in placed.items():
            row = nodes.row_of.get(node_id)
            if row is not None:
                on_nodes.add(row, release.resources, count)
        site = sites.row_of.get(release.site_id)
        if site is not None:
            count = replicas_of(release)
            at_sites.add(site, release.resources, count)
            unplaced.add(site, release.resources, count - sum(placed.values()))
    return UseColumns(
        nodes=on_nodes.total(),
        node_accelerators=on_nodes.accelerators,
        unplaced=unplaced.total(),
        unplaced_accelerators=unplaced.accelerators,
        sites=at_sites.total(),
        site_accelerators=at_sites.accelerators,
    )


def amounts_of(resources: Resources) -> tuple[int, int, int]:
    """An amount in the order of `RESOURCES`."""
    return resources.cpu_millicores, resources.memory_bytes, resources.storage_bytes


class _Sums:
    """Adds amounts up by row."""

    def __init__(self, rows: int) -> None:
        self.accelerators: dict[int, dict[str, int]] = {}
        self._size = rows
        self._rows: list[int] = []
        self._amounts: list[int] = []

    def add(self, row: int, resources: Resources, count: int) -> None:
        if count <= 0:
            return
        self._rows.append(row)
        self._amounts += (min(one * count, LARGEST) for one in amounts_of(resources))
        if resources.accelerators:
            models = self.accelerators.setdefault(row, {})
            for model, each_replica in resources.accelerator_counts().items():
                models[model] = models.get(model, 0) + each_replica * count

    def total(self) -> Ints:
        total = np.zeros((self._size, len(RESOURCES)), dtype=np.int64)
        amounts = np.array(self._amounts, dtype=np.int64).reshape(-1, len(RESOURCES))
        np.add.at(total, np.array(self._rows, dtype=np.int64), amounts)
        return total


def _amounts(resources: Sequence[Resources]) -> Ints:
    count = len(resources)
    amounts = np.empty((count, len(RESOURCES)), dtype=np.int64)
    amounts[:, 0] = np.fromiter((one.cpu_millicores for one in resources), dtype=np.int64, count=count)
    amounts[:, 1] = np.fromiter((one.memory_bytes for one in resources), dtype=np.int64, count=count)
    amounts[:, 2] = np.fromiter((one.storage_bytes for one in resources), dtype=np.int64, count=count)
    return amounts
