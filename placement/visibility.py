"""Which rows of the inventory a decision may use.

The inventory has all tenants' sites and nodes, since their releases take up room whoever looks. What a tenant may place on
is less: what its reader lists, and nothing that is private to another tenant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graph.kinds import Node
from graph.view import Reader, get_as
from placement.arrays import Ints, Mask
from placement.codes import Codes
from placement.inventory import Inventory
from placement.kept import Kept
from placement.sites import NO_TENANT


@dataclass(frozen=True, slots=True)
class Visible:
    """Masks over the inventory's rows."""

    sites: Mask
    clusters: Mask
    nodes: Mask
    """Nodes alone: stated capacities are the site's own."""


def visible_to(
    inventory: Inventory, reader: Reader, *, tenant_id: str | None, lists_all: bool, kept: Kept | None = None
) -> Visible:
    """What `reader` lists and `tenant_id` may use; `lists_all` when the inventory was made from that very reader.

    Sites and clusters are those that the reader lists. Nodes without a tenant are seen wherever their site is, as the model
    has it; private ones are asked for one by one. `kept` keeps the answer while there is the same to see: readers give the
    same sequence of ids for as long.
    """
    sites, clusters, nodes = inventory.sites, inventory.clusters, inventory.nodes
    site_ids = None if lists_all else reader.ids("Site")
    cluster_ids = None if lists_all else reader.ids("Cluster")
    private = None if lists_all or not nodes.tenant.any() else reader.ids("Node")

    def make() -> Visible:
        seen = _listed(site_ids, sites.row_of) & _owned(sites.tenant, sites.tenants, tenant_id)
        seen_clusters = _listed(cluster_ids, clusters.row_of) & _owned(clusters.tenant, clusters.tenants, tenant_id)
        seen_nodes = seen[nodes.site] & ~nodes.stated if len(seen) else np.zeros(len(nodes.ids), dtype=bool)
        seen_nodes &= _owned(nodes.tenant, nodes.tenants, tenant_id)
        if private is not None:
            for row in np.flatnonzero(seen_nodes & (nodes.tenant != NO_TENANT)).tolist():
                seen_nodes[row] = get_as(reader, Node, nodes.ids[row]) is not None
        return Visible(sites=seen, clusters=seen_clusters, nodes=seen_nodes)

    made_of = (sites.structure, clusters.structure, nodes.structure, tenant_id, site_ids, cluster_ids, private)
    return make() if kept is None else kept.get(made_of, make)


def _listed(ids: Sequence[str] | None, row_of: dict[str, int]) -> Mask:
    """The rows of some ids; None: all."""
    if ids is None:
        return np.ones(len(row_of), dtype=bool)
    seen = np.zeros(len(row_of), dtype=bool)
    seen[[row for one in ids if (row := row_of.get(one)) is not None]] = True
    return seen


def _owned(tenant: Ints, tenants: Codes[str | None], tenant_id: str | None) -> Mask:
    """What is nobody's or the tenant's own; everything when it is asked as nobody's."""
    if tenant_id is None:
        return np.ones(len(tenant), dtype=bool)
    mask: Mask = (tenant == NO_TENANT) | (tenant == tenants.get(tenant_id))
    return mask
