"""Small graphs of what runs, for functions of a graph: no process, no backend."""

from __future__ import annotations

from typing import Any

from graph.kinds import Deployment, FailoverMode, FailoverPolicy, Site
from graph.kinds.policy import PlacementPolicy
from graph.values import Health, HealthStatus
from tests.placement.placement_graphs import Builder

APPLY = FailoverPolicy(mode=FailoverMode.APPLY, toleration_seconds=60)


def down(at: int) -> Health:
    """Of what was found down at a time."""
    return Health(status=HealthStatus.DOWN, reasons=["gone"], observed_at=at)


def deployed(build: Builder, *sites: Site, policy: PlacementPolicy | None = None, **fields: Any) -> Deployment:
    """A deployment of one component, with a replica at each of the sites."""
    known = build.view.ids("Component")
    web = build.view.get(known[0]) if known else build.component()
    given = {"failover": APPLY, **fields}
    one = build.make(
        Deployment,
        tenant_id=build.tenant.id,
        app_version_id=build.version.id,
        policy=policy or PlacementPolicy(),
        **given,
    )
    for site in sites:
        node_id = build.view.ids("Node", "site_id", site.id)[0]
        [cluster_id] = build.view.ids("Cluster", "site_ids", site.id)
        build.release(web, site, {node_id: 1}, deployment_id=one.id, cluster_id=cluster_id)
    return one
