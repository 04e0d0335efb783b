"""Dedicated nodes: which nodes others have to themselves, and which are free of others.

What a cluster runs of its own on every node is no app and does not count. Whose nodes they are is never told: they may be
another tenant's.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from graph.kinds import Component, Deployment, Release
from graph.values import NO_RESOURCES
from graph.view import Reader, each, get_as
from placement.arrays import Mask
from placement.capacity import instances_by_node, node_use
from placement.inventory import Inventory


def taken_nodes(
    inventory: Inventory, uses: Reader, claimants: Iterable[str], *, excluding_deployment_id: str | None
) -> Mask | None:
    """(nodes + 1,) by row of the inventory: nodes that components of other deployments have to themselves; None: none.

    `claimants`: ids of deployments whose words bind others; `uses`: sees those of all tenants.
    """
    row_of = inventory.nodes.row_of
    rows = set()
    for deployment_id in claimants:
        deployment = get_as(uses, Deployment, deployment_id)
        if deployment is None or deployment.id == excluding_deployment_id:
            continue
        names = {one.component for one in deployment.policy.components if one.dedicated_nodes}
        if not names:
            continue
        for release in each(uses, Release, "deployment_id", deployment.id):
            component = get_as(uses, Component, release.component_id)
            if component is not None and component.name in names:
                for node_id in (*release.assignments, *instances_by_node(uses, release.id)):
                    rows.add(row_of.get(node_id, -1))
    rows.discard(-1)
    if not rows:
        return None
    mask = np.zeros(len(row_of) + 1, dtype=bool)
    mask[sorted(rows)] = True
    return mask


def busy_nodes(inventory: Inventory, uses: Reader, *, excluding_deployment_id: str | None) -> Mask:
    """(nodes + 1,) by row of the inventory: nodes on which other deployments run.

    The last stands for what is no node, of which nobody knows what else it runs: as if others did.
    """
    nodes, use = inventory.nodes, inventory.use
    mask = np.ones(len(nodes.ids) + 1, dtype=bool)
    mask[:-1] = use.nodes.any(axis=1)
    if excluding_deployment_id is not None:
        own = {
            row
            for release in each(uses, Release, "deployment_id", excluding_deployment_id)
            for node_id in (*release.assignments, *instances_by_node(uses, release.id))
            if (row := nodes.row_of.get(node_id)) is not None
        }
        for row in own:
            used = node_use(uses, nodes.ids[row], excluding_deployment_id=excluding_deployment_id)
            mask[row] = used != NO_RESOURCES
    return mask
