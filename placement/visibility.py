"""Which rows of the inventory a decision may use.

The inventory has all tenants' sites and nodes, since their releases take up room whoever looks. What a tenant may place on
is less: what its reader lists, and nothing that is private to another tenant.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from graph.kinds import Node
from graph.view import Reader, get_as
from placement.arrays import Mask
from placement.conditions import is_seen_by
from placement.inventory import Inventory


@dataclass(frozen=True, slots=True)
class Visible:
    """Masks over the inventory's rows."""

    sites: Mask
    clusters: Mask
    nodes: Mask


def visible_to(inventory: Inventory, reader: Reader, *, tenant_id: str | None, lists_all: bool) -> Visible:
    """What `reader` lists and `tenant_id` may use; `lists_all` when the inventory was made from that very reader.

    Sites and clusters are those that the reader lists. Nodes without a tenant are seen wherever their site is, as the model
    has it; private ones are asked for one by one.
    """
    sites = inventory.sites
    seen = np.ones(len(sites.sites), dtype=bool) if lists_all else _listed(reader, "Site", sites.row_of)
    for row in np.flatnonzero(sites.private & seen).tolist():
        seen[row] = is_seen_by(sites.sites[row], tenant_id)
    clusters = inventory.clusters
    seen_clusters = (
        np.ones(len(clusters.clusters), dtype=bool) if lists_all else _listed(reader, "Cluster", clusters.row_of)
    )
    for row, cluster in enumerate(clusters.clusters):
        if cluster.tenant_id is not None and not is_seen_by(cluster, tenant_id):
            seen_clusters[row] = False
    nodes = inventory.nodes
    placed = nodes.site >= 0
    seen_nodes = placed & seen[np.where(placed, nodes.site, 0)] if len(seen) else np.zeros(len(nodes.ids), dtype=bool)
    for row in np.flatnonzero(nodes.private & seen_nodes).tolist():
        node = get_as(reader, Node, nodes.ids[row])
        seen_nodes[row] = node is not None and is_seen_by(node, tenant_id)
    return Visible(sites=seen, clusters=seen_clusters, nodes=seen_nodes)


def _listed(reader: Reader, kind: str, row_of: dict[str, int]) -> Mask:
    seen = np.zeros(len(row_of), dtype=bool)
    rows = [row for one in reader.ids(kind) if (row := row_of.get(one)) is not None]
    seen[rows] = True
    return seen
