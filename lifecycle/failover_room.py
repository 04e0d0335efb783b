"""Whether a change of what a node offers can matter: what others use there differs at every look, and hardly ever does.

What runs on a node that bears it all may stay. What wants a site and has no place there gains only by a node that has come
to have room for more replicas of it.
"""

from __future__ import annotations

from graph.kinds import AppVersion, Component, Deployment, Node, Release
from graph.values import Resources
from graph.view import Reader, each, get_as
from placement.capacity import instances_by_node, node_use, placed_replicas, replicas_of


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


def left_on(reader: Reader, before: Node, after: Node) -> tuple[Resources, Resources]:
    """What a node that has changed had left for our work, and has left by now, with what runs on it now."""
    used = node_use(reader, after.id)
    return offered(before).minus(used), offered(after).minus(used)


def may_take_more(reader: Reader, was: Resources, now: Resources, deployment_id: str) -> bool:
    """Whether a node that had `was` left and has `now` has come to have room for more replicas of a component of a
    deployment that is not there, up to as many as it wants.
    """
    deployment = get_as(reader, Deployment, deployment_id)
    version = get_as(reader, AppVersion, deployment.app_version_id) if deployment is not None else None
    if deployment is None or version is None:
        return False
    for one in each(reader, Component, "app_version_id", version.id):
        most = deployment.replicas.get(one.name, one.replicas)
        if _fitting(now, one.resources, most) > _fitting(was, one.resources, most):
            return True
    return False


def _fitting(free: Resources, need: Resources, most: int) -> int:
    """How many times a need fits into what is free, `most` at most: by halves, for `most` may be large."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if free.covers(need.times(middle)) else (low, middle - 1)
    return low
