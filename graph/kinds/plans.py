"""A decision that is kept to be applied: what was planned, on which graph, and until when.

What a plan would do deployment by deployment, with each decision as it was made, is filed under it (`lifecycle.plans`): a
plan for a hundred deployments would else be megabytes in every process's memory. The entity has what lists show.
"""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec

from graph.entity import IMMUTABLE, INDEXED, MANAGED, Area, Entity, Ref, TimestampMs, doc, kind
from graph.kinds.failover import FailoverPolicy
from graph.kinds.intents import DriftPolicy
from graph.kinds.overrides import Override
from graph.kinds.policy import PlacementPolicy
from graph.kinds.what_if import Change
from graph.values import Count


class PlanKind(enum.Enum):
    """What a plan is for."""

    DEPLOYMENT = "DEPLOYMENT"
    """Where one deployment, new or there, is to run."""
    DRAIN = "DRAIN"
    """Where what runs on a site or node goes when that is drained."""
    REBALANCE = "REBALANCE"
    """Which deployments of a tenant would gain by being moved."""
    FAILOVER = "FAILOVER"
    """Where a deployment goes that cannot stay as it is: made by itself, as its failover policy says."""


class PlanStatus(enum.Enum):
    """Where a plan stands."""

    OPEN = "OPEN"
    """It can be applied until it expires."""
    APPLIED = "APPLIED"
    """It was applied; it is kept until a day after it expires."""


class PlanCost(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What a choice of sites costs by the policy's objective, less is better: each term is weight x value / scale."""

    sites: Annotated[float, doc("SITES: weight x chosen sites.")] = 0.0
    latency: Annotated[float, doc("LATENCY: weight x mean latency to the places / 10 ms; 0 without places.")] = 0.0
    headroom: Annotated[
        float, doc("HEADROOM: weight x the share in use of the scarcest resource asked for, summed over the sites.")
    ] = 0.0
    price: Annotated[float, doc("PRICE: weight x price units an hour.")] = 0.0
    moves: Annotated[float, doc("MOVES: weight x sites of a component that it did not run at before.")] = 0.0


@kind(prefix="plan", area=Area.WORKLOAD)
class Plan(Entity, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A decision kept to be applied, with an expiry."""

    tenant_id: Annotated[
        str | None,
        doc("The tenant that it is for; none: the infrastructure that all share."),
        IMMUTABLE,
        MANAGED,
        Ref("Tenant", relation="BELONGS_TO", owner=True),
    ] = None
    kind: Annotated[PlanKind, doc("What it is for."), IMMUTABLE, MANAGED, INDEXED]
    status: Annotated[PlanStatus, doc("Where it stands."), MANAGED, INDEXED] = PlanStatus.OPEN
    subject_id: Annotated[
        str | None,
        doc(
            "The site or node that is drained, or the deployment that is placed anew or moved; none: nothing that is there."
        ),
        IMMUTABLE,
        MANAGED,
        INDEXED,
    ] = None
    deployment_name: Annotated[str | None, doc("With DEPLOYMENT: the deployment's name."), IMMUTABLE, MANAGED] = None
    deployment_display_name: Annotated[
        str | None, doc("With DEPLOYMENT: the deployment's name for people."), IMMUTABLE, MANAGED
    ] = None
    deployment_labels: Annotated[
        dict[str, str], doc("With DEPLOYMENT: the deployment's labels."), IMMUTABLE, MANAGED
    ] = {}
    app_version_id: Annotated[str | None, doc("With DEPLOYMENT: what is to run."), IMMUTABLE, MANAGED] = None
    policy: Annotated[PlacementPolicy | None, doc("With DEPLOYMENT: where it is to run."), IMMUTABLE, MANAGED] = None
    replicas: Annotated[
        dict[str, int],
        doc("With DEPLOYMENT: replicas at each site by component name; a component's own number when absent."),
        IMMUTABLE,
        MANAGED,
    ] = {}
    failover: Annotated[
        FailoverPolicy | None,
        doc("With DEPLOYMENT: what is done when it cannot stay as it is."),
        IMMUTABLE,
        MANAGED,
    ] = None
    profile_id: Annotated[
        str | None, doc("With DEPLOYMENT: the profile of its version that it is to run with."), IMMUTABLE, MANAGED
    ] = None
    overrides: Annotated[
        list[Override],
        doc("With DEPLOYMENT: values that are to override those of its components and profile."),
        IMMUTABLE,
        MANAGED,
    ] = []
    drift_policy: Annotated[
        DriftPolicy | None,
        doc("With DEPLOYMENT: what is to happen when a backend has something else than was applied to it."),
        IMMUTABLE,
        MANAGED,
    ] = None
    requires_approval: Annotated[
        bool, doc("With DEPLOYMENT: whether it and its changes are to wait to be approved."), IMMUTABLE, MANAGED
    ] = False
    move_penalty: Annotated[
        float | None,
        doc("With REBALANCE: what a move costs instead of each policy's own weight."),
        IMMUTABLE,
        MANAGED,
    ] = None
    max_moves: Annotated[
        Count | None, doc("With REBALANCE: the most moves over all deployments."), IMMUTABLE, MANAGED
    ] = None
    what_if: Annotated[list[Change], doc("What it supposes of the graph, in order."), IMMUTABLE, MANAGED] = []
    planned_at_revision: Annotated[int, doc("The revision of the graph that it was made at."), IMMUTABLE, MANAGED] = 0
    expires_at: Annotated[TimestampMs, doc("When it ends; it cannot be applied then."), IMMUTABLE, MANAGED] = 0
    author: Annotated[str, doc("Who made it, by id."), IMMUTABLE, MANAGED] = ""
    feasible: Annotated[bool, doc("Whether all that it is for can be done."), IMMUTABLE, MANAGED] = True
    step_count: Annotated[Count, doc("Deployments that it looked at."), IMMUTABLE, MANAGED] = 0
    moves: Annotated[Count, doc("Sites of a component that it would newly run at."), IMMUTABLE, MANAGED] = 0
    stuck: Annotated[Count, doc("Deployments that cannot go where they would have to."), IMMUTABLE, MANAGED] = 0
    cost_before: Annotated[PlanCost | None, doc("What it costs now, over all."), IMMUTABLE, MANAGED] = None
    cost_after: Annotated[PlanCost | None, doc("What it would cost, over all."), IMMUTABLE, MANAGED] = None
    applied_at: Annotated[TimestampMs | None, doc("When it was applied; none: it was not."), MANAGED] = None
    operation_ids: Annotated[list[str], doc("What applying it began."), MANAGED] = []


__all__ = ["Plan", "PlanCost", "PlanKind", "PlanStatus"]
