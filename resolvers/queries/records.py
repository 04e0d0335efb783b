"""Operations, events and revisions of deployments: what happens and what happened.

Operations that run are in the view, those that have ended are filed; the list joins both. Pages of records are by id, which
sorts by the time of making.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import strawberry

from access.permissions import Permission, declare_root
from graph.entity import Entity, Kind, kind_by_id
from graph.kinds import Deployment, DeploymentRevision, Event, Node, Operation, Profile, Proposal, Release, Site, Tenant
from graph.kinds.deployments import GoodState
from graph.store import StoreUnavailable
from graph.view import get_as
from lifecycle.deployments import DECISIONS
from placement.decision import Decision
from placement.filed_decision import decision_filed
from resolvers.context import Context
from resolvers.problems import StoreAway
from resolvers.record_filters import Narrowing
from resolvers.records import COUNTING, READING, Filed, filed_entity, filed_kind, request_of
from resolvers.revisions import AT_LEAST, reach, taken
from schema.entities import field_of
from schema.record_connections import RecordConnection, record_arguments, record_connection
from schema.vocabulary import Member, resolver_field, value_field

UNSET = strawberry.UNSET
OPERATIONS = filed_kind(Operation, subject="subject_id")
EVENTS = filed_kind(Event, subject="subject_id")
REVISIONS = filed_kind(DeploymentRevision, subject="deployment_id")
LISTS = (OPERATIONS, EVENTS, REVISIONS)

Within = Callable[[Any], Narrowing]
"""What of a list belongs to an entity."""


def _about(entity: Entity) -> Narrowing:
    return Narrowing(subjects=frozenset([entity.id]))


def _owned(tenant: Tenant) -> Narrowing:
    return Narrowing(tenants=frozenset([tenant.id]))


async def _page(
    filed: Filed, context: Context, arguments: dict[str, Any], within: Narrowing | None = None
) -> RecordConnection:
    request = request_of(context, filed.kind.prefix, arguments)
    return await filed.list_of(context, arguments, within=within).page(request)


def _root_list(filed: Filed, *, description: str) -> Any:
    async def resolve(source: Any, info: Any, **arguments: Any) -> RecordConnection:
        await reach(info.context, taken(arguments))
        return await _page(filed, info.context, arguments)

    return resolver_field(
        resolve,
        returns=f"{filed.kind.name}Connection",
        description=f"{description} {READING}",
        arguments={**record_arguments(filed.kind), **AT_LEAST},
    )


def _list_on(cls: type[Entity], filed: Filed, within: Within, *, description: str) -> None:
    """Adds the part of a list that belongs to an entity to the entity's type."""

    async def resolve(entity: Any, info: Any, **arguments: Any) -> RecordConnection:
        return await _page(filed, info.context, arguments, within(entity))

    name = "revisions" if filed is REVISIONS else filed.kind.plural
    field_of(
        cls,
        returns=f"{filed.kind.name}Connection",
        description=f"{description} {READING}",
        arguments=record_arguments(filed.kind),
    )(_named(resolve, name))


async def operation_by_id(context: Context, operation_id: str | None) -> Entity | None:
    """An operation, running or ended."""
    if operation_id is None:
        return None
    found = context.view.get(operation_id)
    if found is None and kind_by_id(operation_id) is Operation.SPEC:
        return await filed_entity(context, operation_id)
    return found if isinstance(found, Operation) else None


async def _decision(deployment: Deployment | DeploymentRevision | GoodState | Proposal, info: Any) -> Decision | None:
    context: Context = info.context
    if deployment.decision_id is None:
        return None
    try:
        record = await context.services.ledger.store.record(DECISIONS, deployment.decision_id)
    except StoreUnavailable as problem:
        raise StoreAway(str(problem)) from problem
    return decision_filed(record.body) if record is not None else None


async def _revision(of: Deployment | GoodState | Proposal, info: Any) -> Entity | None:
    if of.revision_id is None:
        return None
    found = await filed_entity(info.context, of.revision_id)
    return found if isinstance(found, DeploymentRevision) else None


async def _proposed_operation(proposal: Proposal, info: Any) -> Entity | None:
    return await operation_by_id(info.context, proposal.operation_id)


async def _subject(event: Event, info: Any) -> Entity | None:
    context: Context = info.context
    if event.subject_id is None:
        return None
    # An operation may have ended, and be filed, since.
    return context.view.get(event.subject_id) or await operation_by_id(context, event.subject_id)


def _revision_deployment(revision: DeploymentRevision, info: Any) -> Entity | None:
    found: Entity | None = info.context.view.get(revision.deployment_id)
    return found


def _revision_version(revision: DeploymentRevision, info: Any) -> Entity | None:
    found: Entity | None = info.context.view.get(revision.app_version_id)
    return found


def _revision_profile(revision: DeploymentRevision, info: Any) -> Entity | None:
    return get_as(info.context.view, Profile, revision.profile_id)


def _single(kind: Kind, *, description: str) -> Any:
    async def resolve(source: Any, info: Any, *, id: str, **at_least: Any) -> Entity | None:
        await reach(info.context, taken(at_least))
        if kind is Operation.SPEC:
            return await operation_by_id(info.context, id)
        return await filed_entity(info.context, id) if kind_by_id(id) is kind else None

    return resolver_field(
        resolve,
        returns=f"Optional[{kind.name}]",
        description=f"{description}; null when there is none that you may see.",
        arguments={"id": ("ID", UNSET, "Its id."), **AT_LEAST},
    )


async def _operation(of: Deployment | Release, info: Any) -> Entity | None:
    return await operation_by_id(info.context, of.operation_id)


def _decisions_and_revisions() -> None:
    """What deployments, their revisions and their good states say of a decision and a revision."""
    decision, as_made = "Optional[PlacementPlan]", "The decision that chose its sites, as it was made."
    waits = f"{as_made[:-1]}; of one that waits, the one that found none, null before it was decided."
    for cls, text in ((Deployment, waits), (DeploymentRevision, as_made)):
        field_of(cls, returns=decision, description=text, instead_of="decision_id")(_named(_decision, "decision"))
    value_field(GoodState, "decision", _decision, returns=decision, description=as_made, instead_of="decision_id")
    value_field(
        Proposal,
        "decision",
        _decision,
        returns=decision,
        description="The decision that shows where it would run; null while it waits for room.",
        instead_of="decision_id",
    )
    value_field(
        Proposal,
        "operation",
        _proposed_operation,
        returns="Optional[Operation]",
        description="What was begun when it was asked for, and goes on when it is approved.",
        instead_of="operation_id",
    )
    revision = "Optional[DeploymentRevision]"
    value_field(
        Proposal,
        "revision",
        _revision,
        returns=revision,
        description="Its revision; null when that is no longer kept.",
        instead_of="revision_id",
    )
    field_of(
        Deployment,
        returns=revision,
        description="What it wants now, under its number; null when that is no longer kept.",
        instead_of="revision_id",
    )(_named(_revision, "current_revision"))
    value_field(
        GoodState,
        "revision",
        _revision,
        returns=revision,
        description="The deployment's revision of that state; null when it is no longer kept.",
        instead_of="revision_id",
    )


def record_queries() -> dict[str, Member]:
    """The root fields of this module, and the fields of kinds that are answered from filed records."""
    for filed in LISTS:
        record_connection(filed.kind, time=filed.time, counting=COUNTING)
    for cls in (Site, Node, Deployment, Release, Operation):
        _list_on(cls, EVENTS, _about, description="What happened to it.")
    for cls in (Site, Node, Deployment):
        _list_on(cls, OPERATIONS, _about, description="The operations on it, running or ended.")
    _list_on(Tenant, OPERATIONS, _owned, description="Its operations, running or ended.")
    _list_on(Deployment, REVISIONS, _about, description="What it wanted at each number of its past.")
    works = "The operation that works on it now, or worked last; null when that is no longer kept."
    for worked_on in (Deployment, Release):
        field_of(worked_on, returns="Optional[Operation]", description=works, instead_of="operation_id")(
            _named(_operation, "operation")
        )
    field_of(
        Event,
        returns="Optional[Entity]",
        description="What it happened to; null when it is gone, or you may not see it.",
    )(_named(_subject, "subject"))
    _decisions_and_revisions()
    field_of(DeploymentRevision, returns="Optional[Deployment]", description="The deployment; null when it is gone.")(
        _named(_revision_deployment, "deployment")
    )
    field_of(DeploymentRevision, returns="Optional[AppVersion]", description="What was to run; null when it is gone.")(
        _named(_revision_version, "app_version")
    )
    with_profile = "The profile that it was to run with; null when there was none, or it is gone."
    field_of(DeploymentRevision, returns="Optional[Profile]", description=with_profile)(
        _named(_revision_profile, "profile")
    )
    for filed in LISTS:
        singular = filed.kind.name[0].lower() + filed.kind.name[1:]
        for name in (singular, filed.kind.plural):
            declare_root("Query", name, Permission.SIGNED_IN)
    return {
        "operation": (None, _single(Operation.SPEC, description="An operation, running or ended, by its id")),
        "operations": (None, _root_list(OPERATIONS, description="Operations that run or have ended.")),
        "event": (None, _single(Event.SPEC, description="An event by its id")),
        "events": (None, _root_list(EVENTS, description="What happened.")),
        "deployment_revision": (
            None,
            _single(DeploymentRevision.SPEC, description="A deployment's revision by its id"),
        ),
        "deployment_revisions": (
            None,
            _root_list(REVISIONS, description="What deployments wanted at each number of their past."),
        ),
    }


def _named(function: Any, name: str) -> Any:
    function.__name__ = name
    return function
