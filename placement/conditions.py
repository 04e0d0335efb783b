"""What keeps work off a node, a cluster or a site, asked of one at a time.

The columns that a decision filters by are filled from these same functions as the check under the store's lock calls, so
what placement chose and what the check accepts cannot come to differ in their meaning.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from graph.kinds import Cluster, Component, Node, NodeStatus, Region, Site
from graph.kinds.policy import Toleration
from graph.selectors import matches
from graph.taints import blocking_taint, taint_text
from graph.values import HealthStatus


def is_not_ready(node: Node) -> bool:
    """Whether its cluster reports it as not ready. A node that nothing has observed yet is given the chance."""
    return node.status is NodeStatus.NOT_READY


def is_down(thing: Site | Cluster) -> bool:
    """Whether its observer last found it down."""
    return thing.health.status is HealthStatus.DOWN


def is_seen_by(thing: Region | Site | Cluster | Node, tenant_id: str | None) -> bool:
    """Whether a tenant may use it: what is private to another tenant is as if it were not there. None asks as nobody's."""
    return tenant_id is None or thing.tenant_id is None or thing.tenant_id == tenant_id


def cluster_problem(cluster: Cluster, drivers: Collection[str] | None) -> str | None:
    """Why nothing can be placed through this cluster now, or None; `drivers` are those that can be called, None for any."""
    if not cluster.schedulable:
        return "is cordoned"
    if is_down(cluster):
        return "is down"
    if drivers is not None and cluster.driver not in drivers:
        return f"has driver {cluster.driver!r}, which is not installed here or does not take what is to run"
    return None


def node_problem(node: Node, component: Component, tolerations: Sequence[Toleration] = ()) -> str | None:
    """Why a component cannot run on this node whatever is free on it; None when it can."""
    if not node.schedulable:
        return "is cordoned"
    if is_not_ready(node):
        return "is not ready"
    taint = blocking_taint(node.taints, tolerations)
    if taint is not None:
        return f"has taint {taint_text(taint)}"
    if component.architectures and node.arch not in component.architectures:
        return f"is {node.arch}, and {component.name!r} needs {' or '.join(component.architectures)}"
    if component.node_selector and not matches(component.node_selector, node.labels):
        return f"does not match {component.node_selector!r} of {component.name!r}"
    return None
