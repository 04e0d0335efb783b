"""What is wanted of a deployment, wherever it is kept: by itself, by its revisions, and by a proposal that waits.

The same fields are written in three places, for each of them outlives the others: what is wanted now is changed in place, a
revision is never changed, and what is proposed is wanted by nobody yet. `INTENTS` names them once, for whoever copies them.
"""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec

from graph.entity import TimestampMs, doc
from graph.kinds.failover import FailoverPolicy
from graph.kinds.operations import OperationKind
from graph.kinds.overrides import Override
from graph.kinds.policy import PlacementPolicy
from graph.values import Count

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
"""What is wanted of a deployment: the fields that its revisions keep and its proposals hold."""


class DriftPolicy(enum.Enum):
    """What happens when a backend has something else than was applied to it."""

    CORRECT = "CORRECT"
    """It is put right, and an event tells of it."""
    REPORT = "REPORT"
    """It is left as it is; the release is DRIFTED, the deployment DEGRADED, and an event tells of it."""


class SiteReplicas(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """How many replicas of a component run at one site, where that is not as at the others."""

    site_id: Annotated[str, doc("The site.")]
    component: Annotated[str, doc("The component's name.")]
    replicas: Annotated[Count, doc("Replicas there.")]


class Proposal(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A change of a deployment that waits to be approved."""

    number: Annotated[Count, doc("Its revision number: who approves names it.")]
    revision_id: Annotated[str, doc("Its revision.")]
    operation_id: Annotated[str, doc("What was begun when it was asked for.")]
    decision_id: Annotated[str | None, doc("The decision that shows where it would run.")] = None
    kind: Annotated[OperationKind, doc("What it does.")]
    author: Annotated[str, doc("Who asked for it, by id.")]
    authors: Annotated[
        list[str], doc("Who asked for something of it that nobody has approved, by id: its author and those before.")
    ] = []
    app_version_id: Annotated[str, doc("What is to run.")]
    policy: Annotated[PlacementPolicy, doc("Where it is to run.")] = PlacementPolicy()
    replicas: Annotated[dict[str, int], doc("Replicas at each site by component name.")] = {}
    adjustments: Annotated[list[SiteReplicas], doc("Replicas at single sites.")] = []
    failover: Annotated[FailoverPolicy, doc("What is done when it cannot stay as it is.")] = FailoverPolicy()
    profile_id: Annotated[str | None, doc("The profile of its version that it is to run with.")] = None
    overrides: Annotated[list[Override], doc("Values that are to override those of its components and profile.")] = []
    drift_policy: Annotated[
        DriftPolicy | None,
        doc(
            "What is to happen when a backend has something else than was applied to it; none: as its deployment has it, "
            "for it was asked for before this was kept."
        ),
    ] = None
    requires_approval: Annotated[
        bool | None,
        doc(
            "Whether its changes are to wait to be approved; none: as its deployment has it, for it was asked for before "
            "this was kept."
        ),
    ] = None


class Approval(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """The last approval of a deployment."""

    revision_number: Annotated[Count, doc("What was approved.")]
    by: Annotated[str, doc("Who approved it, by id.")]
    at: Annotated[TimestampMs, doc("When.")]
