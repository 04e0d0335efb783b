"""Which clusters serve which sites, and which of them can be called."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from graph.kinds import Cluster
from placement.arrays import Ints, Mask
from placement.conditions import cluster_problem
from placement.inventory import Inventory
from placement.visibility import Visible


@dataclass(frozen=True, slots=True)
class ClusterState:
    """How the sites that are looked at stand with their clusters."""

    clusters: list[Cluster]
    problems: tuple[str | None, ...]
    """For each cluster: why nothing can be placed through it now."""
    can_be_called: Mask
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
        sites = len(self.first_pair) - 1
        of_pair = np.repeat(np.arange(sites), np.diff(self.first_pair))
        cordoned = np.array([not one.schedulable for one in self.clusters], dtype=bool)
        count = np.bincount(of_pair, minlength=sites)
        held = cordoned[self.pair_cluster] if len(cordoned) else np.zeros(0, dtype=bool)
        mask: Mask = (count > 0) & (np.bincount(of_pair[held], minlength=sites) == count)
        return mask


def cluster_state(
    inventory: Inventory, visible: Visible, *, rows: Ints, drivers: Collection[str] | None
) -> ClusterState:
    """Which clusters serve the sites at these rows, by their own word or by a node there, and which can be called."""
    clusters, nodes = inventory.clusters, inventory.nodes
    problems = tuple(cluster_problem(one, drivers) for one in clusters.clusters)
    can = np.array([one is None for one in problems], dtype=bool)
    local = np.full(len(inventory.sites.sites) + 1, -1, dtype=np.int64)
    local[rows] = np.arange(len(rows))
    span = max(1, len(problems))
    under = visible.nodes & (nodes.cluster >= 0)
    keys = np.concatenate(
        (
            local[clusters.serves_site] * span + clusters.serves_cluster,
            local[nodes.site[under]] * span + nodes.cluster[under],
        )
    )
    keys = np.unique(keys[keys >= 0])
    site, cluster = keys // span, keys % span
    if len(cluster):
        seen = visible.clusters[cluster]
        site, cluster = site[seen], cluster[seen]
    first = np.full(len(rows), -1, dtype=np.int64)
    if len(cluster):
        # Pairs ascend by (site, cluster): the first that can be called has the smallest id.
        callable_pair = can[cluster]
        sites, at = np.unique(site[callable_pair], return_index=True)
        first[sites] = cluster[callable_pair][at]
    return ClusterState(
        clusters=clusters.clusters,
        problems=problems,
        can_be_called=can,
        first_callable=first,
        pair_cluster=cluster,
        first_pair=np.searchsorted(site, np.arange(len(rows) + 1)),
    )
