"""Whether a change of what a node offers can matter: what others use there differs at every look, and hardly ever does.

What runs on a node that bears it all may stay. What wants a site and has no place there gains only by a node that has come
to have room for one replica of it.
"""

from __future__ import annotations

from graph.kinds import AppVersion, Component, Deployment, Node, Release
from graph.values import Resources
from graph.view import Reader, each, get_as
from placement.capacity import free_at_node, instances_by_node, node_use, placed_replicas, replicas_of


def offered(node: Node) -> Resources:
    """What a node has for our work."""
    return node.usable.minus(node.foreign_use)


def may_lack_room(reader: Reader, node: Node) -> bool:
    """Whether a node may not bear what runs on it, or its site what runs on no node that is known."""
    if not offered(node).covers(node_use(reader, node.id)):
        return True
    return any(
        replicas_of(one) > sum(placed_replicas(one, instances_by_node(reader, one.id)).values())
        for one in each(reader, Release, "site_id", node.site_id)
    )


def may_take(reader: Reader, node: Node, deployment_id: str) -> bool:
    """Whether a node has room for one replica of a component of a deployment."""
    deployment = get_as(reader, Deployment, deployment_id)
    version = get_as(reader, AppVersion, deployment.app_version_id) if deployment is not None else None
    if version is None:
        return False
    free = free_at_node(reader, node, excluding_deployment_id=deployment_id)
    return any(free.covers(one.resources) for one in each(reader, Component, "app_version_id", version.id))
