"""A deployment's numbered past: what it wanted at each number, and what became of that.

A revision is filed and never changed, so that going back to it means today what it meant then. A field that came later is
none in the revisions from before it, and going back to one of those leaves that field as it is.
"""

from __future__ import annotations

import enum
from typing import Annotated

from graph.entity import IMMUTABLE, INDEXED, Area, Entity, doc, kind
from graph.kinds.failover import FailoverPolicy
from graph.kinds.intents import DriftPolicy, SiteReplicas
from graph.kinds.overrides import Override
from graph.kinds.policy import PlacementPolicy
from graph.values import Count


class RevisionOutcome(enum.Enum):
    """What became of a revision of a deployment."""

    WAITING = "WAITING"
    """It waits to be approved."""
    NEVER_APPROVED = "NEVER_APPROVED"
    """It was withdrawn, or a later change took its place, before it was approved: it never was wanted."""
    UNDER_WAY = "UNDER_WAY"
    """It is wanted now, and was not observed as a whole yet."""
    READY = "READY"
    """All of it was observed as wanted, at least once."""
    OVERTAKEN = "OVERTAKEN"
    """A later revision took its place before all of it was observed."""


@kind(prefix="deploymentrevision", area=Area.WORKLOAD, filed=True)
class DeploymentRevision(Entity, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What a deployment wanted at one number of its past; never changed."""

    tenant_id: Annotated[str, doc("The tenant that owns it."), IMMUTABLE]
    deployment_id: Annotated[str, doc("The deployment."), IMMUTABLE, INDEXED]
    number: Annotated[Count, doc("From 1, rising."), IMMUTABLE]
    app_version_id: Annotated[str, doc("What was to run."), IMMUTABLE]
    policy: Annotated[PlacementPolicy, doc("Where it was to run."), IMMUTABLE]
    replicas: Annotated[dict[str, int], doc("Replicas at each site by component name."), IMMUTABLE] = {}
    adjustments: Annotated[list[SiteReplicas], doc("Replicas at single sites."), IMMUTABLE] = []
    failover: Annotated[FailoverPolicy, doc("What was done when it could not stay as it was."), IMMUTABLE] = (
        FailoverPolicy()
    )
    profile_id: Annotated[str | None, doc("The profile that it was to run with."), IMMUTABLE] = None
    overrides: Annotated[
        list[Override], doc("Values that were to override those of its components and profile."), IMMUTABLE
    ] = []
    drift_policy: Annotated[
        DriftPolicy | None,
        doc(
            "What happened when a backend had something else than was applied to it; none: it is not known, and going back "
            "to this leaves it as it is."
        ),
        IMMUTABLE,
    ] = None
    requires_approval: Annotated[
        bool | None,
        doc(
            "Whether its changes waited to be approved, also where its tenant did not ask for that; none: it is not known, "
            "and going back to this leaves it as it is."
        ),
        IMMUTABLE,
    ] = None
    decision_id: Annotated[str | None, doc("The decision that chose its sites."), IMMUTABLE] = None
    author: Annotated[str, doc("Who asked for it, by id."), IMMUTABLE] = ""
    authors: Annotated[
        list[str], doc("Who asked for something of it that nobody had approved before, by id."), IMMUTABLE
    ] = []
