"""Fields of deployments, releases and operations that follow from others."""

from __future__ import annotations

from typing import Any

import msgspec
import strawberry

from access.permissions import declare_value_types
from graph.conditions import Equals
from graph.entity import Entity
from graph.kinds import (
    Approval,
    AppVersion,
    Deployment,
    DeploymentRevision,
    Displacement,
    Fence,
    Loss,
    Operation,
    Override,
    Plan,
    Profile,
    Proposal,
    Release,
    RevisionOutcome,
    Site,
    SiteReplicas,
)
from graph.view import get_as
from lifecycle.effective import effective_of
from lifecycle.proposing import authors_of
from lifecycle.revision_outcomes import KNOWN, outcome_of
from schema.connections import connection_field
from schema.entities import add_field, counts_in, field_of
from schema.types.actors import Actor
from schema.vocabulary import enum_type, object_type, resolver_field, value_field


class NodeAssignment(msgspec.Struct, frozen=True):
    """Replicas of a release that are reserved on a node."""

    node_id: str
    replicas: int


def _node(assignment: NodeAssignment, info: Any) -> Entity | None:
    found: Entity | None = info.context.view.get(assignment.node_id)
    return found


object_type(
    "NodeAssignment",
    {
        "node": (None, resolver_field(_node, returns="Optional[Node]", description="The node.")),
        "replicas": ("int", strawberry.field(description="How many replicas are reserved on it.")),
    },
    description="Replicas of a release that are reserved on a node.",
)
declare_value_types("NodeAssignment")


@field_of(
    Release,
    returns="list[NodeAssignment]",
    description="Replicas reserved on nodes; empty where nodes are not observed.",
)
def assignments(release: Release, info: Any) -> list[NodeAssignment]:
    """By ascending node id."""
    return [NodeAssignment(one, count) for one, count in sorted(release.assignments.items())]


def _release_profile(release: Release, info: Any) -> Profile | None:
    return get_as(info.context.view, Profile, release.profile_id)


_release_profile.__name__ = "profile"
field_of(
    Release,
    returns="Optional[Profile]",
    description="The profile that its values come from, besides its component; null when there is none, or it is gone.",
    instead_of="profile_id",
)(_release_profile)


@field_of(
    Release,
    returns="JSON",
    description="The values that it runs with, or is to run with at its generation: its component's, over those its "
    "profile's, over those what overrides them here. A secret is shown as the reference that it is.",
)
def values(release: Release, info: Any) -> dict[str, Any]:
    """Component and profile are as the viewer sees them: they are of the same tenant."""
    return dict(effective_of(info.context.view, release))


def _adjusted_site(one: SiteReplicas, info: Any) -> Site | None:
    return get_as(info.context.view, Site, one.site_id)


value_field(
    SiteReplicas,
    "site",
    _adjusted_site,
    returns="Optional[Site]",
    description="The site; null when it is gone, or you may not see it.",
)


def _proposed_version(proposal: Proposal, info: Any) -> AppVersion | None:
    return get_as(info.context.view, AppVersion, proposal.app_version_id)


value_field(
    Proposal,
    "app_version",
    _proposed_version,
    returns="Optional[AppVersion]",
    description="What is to run; null when it is gone.",
    instead_of="app_version_id",
)


def _proposed_profile(proposal: Proposal, info: Any) -> Profile | None:
    return get_as(info.context.view, Profile, proposal.profile_id)


value_field(
    Proposal,
    "profile",
    _proposed_profile,
    returns="Optional[Profile]",
    description="The profile that it is to run with; null when there is none, or it is gone.",
    instead_of="profile_id",
)


def _overridden_sites(override: Override, info: Any) -> list[Site]:
    found = (get_as(info.context.view, Site, one) for one in override.site_ids)
    return [one for one in found if one is not None]


value_field(
    Override,
    "sites",
    _overridden_sites,
    returns="list[Site]",
    description="The sites of `siteIds` that are there and that you see.",
)
value_field(
    Proposal,
    "replicas",
    counts_in("replicas"),
    returns="list[Count]",
    description="Replicas at each site by component name.",
    instead_of="replicas",
)
value_field(
    Proposal,
    "authors",
    lambda proposal, info: [Actor(one) for one in authors_of(proposal)],
    returns="list[Actor]",
    description="Everybody who asked for something of it that nobody has approved: where the author may not approve, none "
    "of these may.",
    instead_of="authors",
)


@field_of(
    DeploymentRevision,
    returns="list[Actor]",
    description="Everybody who asked for something of it that nobody had approved before.",
)
def authors(revision: DeploymentRevision, info: Any) -> list[Actor]:
    """In the order in which they asked."""
    return [Actor(one) for one in authors_of(revision)]


enum_type(RevisionOutcome)


@field_of(
    DeploymentRevision,
    returns="Optional[RevisionOutcome]",
    description=f"What became of it; null when its deployment is gone, or has had {KNOWN} revisions since, "
    "or when it is from before that was kept.",
)
def outcome(revision: DeploymentRevision, info: Any) -> RevisionOutcome | None:
    """By what its deployment knows now."""
    deployment = get_as(info.context.view, Deployment, revision.deployment_id)
    return None if deployment is None else outcome_of(deployment, revision.number)


value_field(
    Proposal,
    "author",
    lambda proposal, info: Actor(proposal.author),
    returns="Actor",
    description="Who asked for it.",
    instead_of="author",
)
value_field(
    Approval,
    "by",
    lambda approval, info: Actor(approval.by),
    returns="Actor",
    description="Who approved it.",
    instead_of="by",
)


def _lost_thing(loss: Loss, info: Any) -> Entity | None:
    found: Entity | None = info.context.view.get(loss.subject_id) if loss.subject_id else None
    return found


value_field(
    Loss,
    "subject",
    _lost_thing,
    returns="Optional[Entity]",
    description="The site, node or cluster; null of the policy as a whole, when it is gone, or you may not see it.",
    instead_of="subject_id",
)
value_field(
    Displacement,
    "plan",
    lambda displacement, info: get_as(info.context.view, Plan, displacement.plan_id),
    returns="Optional[Plan]",
    description="The plan that was made; null when there is none, or it has expired.",
    instead_of="plan_id",
)
value_field(Fence, "by", lambda fence, info: Actor(fence.by), returns="Actor", description="By whom.", instead_of="by")


@field_of(
    Operation,
    returns="Optional[Entity]",
    description="The deployment, node or site that it works on; null when it is gone.",
)
def subject(operation: Operation, info: Any) -> Entity | None:
    """As the viewer sees it."""
    found: Entity | None = info.context.view.get(operation.subject_id) if operation.subject_id else None
    return found


add_field(
    Operation,
    "releases",
    connection_field(
        Release.SPEC,
        description="The releases that are worked on for it.",
        within=lambda operation: Equals("operation_id", [operation.id], indexed=True),
    ),
)
