"""What is wanted of a deployment: the fields that a revision keeps, named once.

A revision, a rollback to it and a cancellation that goes back to it all mean the same fields. Were one of them left out
somewhere, the next change would start from half of a past; so none of them names a field by itself.
"""

from __future__ import annotations

from typing import Any

from graph.kinds import Deployment, DeploymentRevision, Proposal

INTENTS = (
    "app_version_id",
    "policy",
    "replicas",
    "adjustments",
    "failover",
    "profile_id",
    "overrides",
    "drift_policy",
    "requires_approval",
)
"""Fields that a deployment and its revisions have in common."""


def intents_of(wanted: Deployment | DeploymentRevision | Proposal) -> dict[str, Any]:
    """What is wanted, by field."""
    return {name: getattr(wanted, name) for name in INTENTS}
