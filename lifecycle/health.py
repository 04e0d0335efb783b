"""A site's health from what its clusters report: pure functions, for several observers write the same value.

Each cluster's observer owns the reasons that begin with its cluster's name and leaves the others as they are, so that no
observer needs to know what another one saw.
"""

from __future__ import annotations

from collections.abc import Sequence

from drivers.port import Condition
from graph.values import Health, HealthStatus

AWAY = "away"


def site_health(
    current: Health,
    *,
    cluster: str,
    serving: Sequence[str],
    condition: Condition,
    nodes: int,
    nodes_ready: int,
    at: int,
) -> Health:
    """The health of a site after one cluster's report.

    `serving` are the names of all clusters that serve the site; reasons of any other cluster are dropped. A site is DOWN
    when all of them find it away or without a ready node, DEGRADED when some do or some nodes are not ready.
    """
    own = _reason(cluster, condition, nodes=nodes, nodes_ready=nodes_ready)
    others = [one for one in current.reasons if any(one.startswith(f"{name}: ") for name in serving if name != cluster)]
    reasons = sorted([*others, *([own] if own else [])])
    away = sum(one.partition(": ")[2].startswith(AWAY) for one in reasons)
    if not reasons:
        status = HealthStatus.READY
    else:
        status = HealthStatus.DOWN if away >= max(len(serving), 1) else HealthStatus.DEGRADED
    if (status, reasons) == (current.status, current.reasons):
        return current
    changed_at = at if status is not current.status else current.observed_at
    return Health(status=status, reasons=reasons, observed_at=changed_at)


def _reason(cluster: str, condition: Condition, *, nodes: int, nodes_ready: int) -> str | None:
    if not condition.ready:
        return f"{cluster}: {AWAY}: {condition.reason or 'it does not answer'}"
    if nodes and not nodes_ready:
        return f"{cluster}: {AWAY}: none of its {nodes} nodes is ready"
    if nodes_ready < nodes:
        return f"{cluster}: {nodes - nodes_ready} of its {nodes} nodes are not ready"
    return None


def cluster_health(current: Health, condition: Condition, *, at: int) -> Health:
    """The health of a cluster after a look at it."""
    status = HealthStatus.READY if condition.ready else HealthStatus.DOWN
    reasons = [] if condition.ready else [condition.reason or "it does not answer"]
    if (status, reasons) == (current.status, current.reasons):
        return current
    return Health(
        status=status, reasons=reasons, observed_at=at if status is not current.status else current.observed_at
    )
