"""Which clusters serve which sites, and which of them can be called."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from graph.kinds import Cluster
from placement.arrays import Ints, Mask, places_of
from placement.conditions import cluster_problem
from placement.inventory import Inventory
from placement.visibility import Visible


@dataclass(frozen=True, slots=True)
class Serving:
    """The clusters of each site, whether they can be called or not: pairs by ascending site and then cluster id."""

    site: Ints
    """As an index into the sites that are looked at."""
    cluster: Ints
    """The cluster's row."""
    first: Ints
    """(sites + 1): where each site's pairs begin."""


class Problems:
    """Why nothing can be placed through a cluster now, by its row; None where something can. Told as it is asked for."""

    __slots__ = ("_clusters", "_drivers")

    def __init__(self, clusters: Sequence[Cluster], drivers: Collection[str] | None) -> None:
        self._clusters, self._drivers = clusters, drivers

    def __getitem__(self, row: int) -> str | None:
        return cluster_problem(self._clusters[row], self._drivers)


@dataclass(frozen=True, slots=True)
class ClusterState:
    """How the sites that are looked at stand with their clusters."""

    clusters: Sequence[Cluster]
    problems: Problems
    can_be_called: Mask
    cordoned: Mask
    first_callable: Ints
    """For each site: the first cluster by id that can be called; -1: none."""
    pair_cluster: Ints
    """The clusters of each site, by ascending site and then id."""
    first_pair: Ints
    """(sites + 1): where each site's pairs begin."""

    def of_site(self, site: int) -> list[int]:
        """The clusters of a site, by ascending id."""
        serving: list[int] = self.pair_cluster[self.first_pair[site] : self.first_pair[site + 1]].tolist()
        return serving

    def callable_id(self, site: int) -> str | None:
        """The id of the site's first cluster that can be called."""
        row = int(self.first_callable[site])
        return None if row < 0 else self.clusters[row].id

    def all_cordoned(self) -> Mask:
        """The sites that have clusters, all of which are cordoned."""
        if not self.cordoned.any():
            return np.zeros(len(self.first_pair) - 1, dtype=bool)
        count = np.diff(self.first_pair)
        held = np.concatenate(([0], np.cumsum(self.cordoned[self.pair_cluster])))
        mask: Mask = (count > 0) & (held[self.first_pair[1:]] - held[self.first_pair[:-1]] == count)
        return mask


def serving_of(inventory: Inventory, visible: Visible, *, rows: Ints) -> Serving:
    """Which clusters serve the sites at these rows, by their own word or by a node there."""
    clusters, nodes = inventory.clusters, inventory.nodes
    local = places_of(rows, len(inventory.sites.sites) + 1)
    span = max(1, len(clusters.clusters))
    under = np.where(visible.nodes & (nodes.cluster >= 0), nodes.site * span + nodes.cluster, -1)
    # Most nodes are under the same cluster as the one before: what repeats is left out before it is sorted.
    under = under[np.flatnonzero(np.diff(under, prepend=-1))]
    under = under[under >= 0]
    keys = np.concatenate((local[clusters.serves_site] * span + clusters.serves_cluster, _local(under, local, span)))
    keys = np.unique(keys[keys >= 0])
    site, cluster = keys // span, keys % span
    if len(cluster):
        seen = visible.clusters[cluster]
        site, cluster = site[seen], cluster[seen]
    return Serving(site=site, cluster=cluster, first=np.searchsorted(site, np.arange(len(rows) + 1)))


def cluster_state(inventory: Inventory, serving: Serving, *, drivers: Collection[str] | None) -> ClusterState:
    """Which of the clusters that serve sites can be called."""
    columns = inventory.clusters
    can = ~columns.cordoned & ~columns.down
    if drivers is not None:
        can &= np.array([one in drivers for one in columns.drivers.values], dtype=bool)[columns.driver]
    sites = len(serving.first) - 1
    first = np.full(sites, -1, dtype=np.int64)
    if len(serving.cluster):
        callable_pair = np.flatnonzero(can[serving.cluster])
        site = serving.site[callable_pair]
        # Pairs ascend by (site, cluster): the first that can be called has the smallest id.
        leading = np.flatnonzero(np.diff(site, prepend=-1))
        first[site[leading]] = serving.cluster[callable_pair[leading]]
    return ClusterState(
        clusters=columns.clusters,
        problems=Problems(columns.clusters, drivers),
        can_be_called=can,
        cordoned=columns.cordoned,
        first_callable=first,
        pair_cluster=serving.cluster,
        first_pair=serving.first,
    )


def _local(keys: Ints, local: Ints, span: int) -> Ints:
    site = local[keys // span]
    return np.where(site < 0, -1, site * span + keys % span)
