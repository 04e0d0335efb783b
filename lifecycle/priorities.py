"""How much a deployment's priority counts, and the bound that its tenant has.

Priorities order deployments of all tenants, so a tenant cannot be left to give itself the highest: what its policies state
counts at most as `Tenant.max_priority`, which is set by those who manage the installation. A policy that states more is
refused when it is given; one that was given before the bound was lowered is kept, and counts as the bound.
"""

from __future__ import annotations

from graph.kinds import Deployment, Tenant
from graph.kinds.policy import PlacementPolicy
from graph.refusal import LimitExceeded
from graph.view import Reader, get_as


def check_priority(
    reader: Reader, policy: PlacementPolicy, *, tenant_id: str, before: PlacementPolicy | None = None, path: str
) -> None:
    """Raises LimitExceeded for a priority above the tenant's bound; that of `before` may stay.

    path: the field of the policy.
    """
    most = _bound(reader, tenant_id)
    if policy.priority <= most or (before is not None and policy.priority <= before.priority):
        return
    raise LimitExceeded(
        f"priority {policy.priority:,} is above {most:,}, the highest that deployments of this tenant may have",
        remedy="give a lower one, or ask an administrator of the installation to raise the tenant's maxPriority",
        path=f"{path}.priority",
    )


def priority_of(reader: Reader, deployment: Deployment) -> int:
    """What a deployment's priority counts. `reader` sees its tenant."""
    return min(deployment.policy.priority, _bound(reader, deployment.tenant_id))


def _bound(reader: Reader, tenant_id: str) -> int:
    tenant = get_as(reader, Tenant, tenant_id)
    return tenant.max_priority if tenant is not None else 0
