"""Operations, events and the audit: what happens and what happened.

Operations that run are in the view, those that have ended are filed; the list joins both, newest first. Pages of records are
by id, which sorts by the time of making.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import strawberry

from access.permissions import Permission, declare_root, declare_value_types
from graph.entity import Entity, Kind, kind_by_id
from graph.kinds import Deployment, DeploymentRevision, Event, EventType, Node, Operation, OperationStatus, Site
from graph.kinds.operations import ENDED
from graph.refusal import InvalidInput
from graph.store import RecordPage, StoreUnavailable
from lifecycle.deployments import DECISIONS
from placement.decision import Decision
from resolvers.context import Context
from resolvers.problems import StoreAway
from resolvers.records import filed_entity, filed_page, page_size
from schema.connections import PAGE_SIZE, Edge, PageInfo
from schema.entities import field_of
from schema.vocabulary import Member, enum_type, object_type, resolver_field

UNSET = strawberry.UNSET


class RecordConnection:
    """A page of records; its cursors are the records' ids."""

    def __init__(self, nodes: list[Any], *, more: bool, after: str | None, end: str | None = None) -> None:
        """`end` is where to go on when that is not after the last of the nodes."""
        self.nodes = nodes
        self._more = more
        self._after = after
        self._end = end

    @property
    def edges(self) -> list[Edge]:
        """The records with their cursors."""
        return [Edge(one.id, one) for one in self.nodes]

    @property
    def page_info(self) -> PageInfo:
        """What lies around the page."""
        return PageInfo(
            self._more,
            self._after is not None,
            self.nodes[0].id if self.nodes else None,
            self._end or (self.nodes[-1].id if self.nodes else None),
        )


def _record_connection(kind_name: str, plural: str) -> str:
    name = f"{kind_name}Page"
    object_type(
        f"{kind_name}PageEdge",
        {
            "cursor": ("str", strawberry.field(description="Give it as `after` to go on from here.")),
            "node": (kind_name, strawberry.field(description="The record.")),
        },
        description="A record in a page, with its cursor.",
    )
    object_type(
        name,
        {
            "nodes": (f"list[{kind_name}]", strawberry.field(description="The records, newest first.")),
            "edges": (f"list[{kind_name}PageEdge]", strawberry.field(description="The records with their cursors.")),
            "page_info": ("PageInfo", strawberry.field(description="What lies around the page.")),
        },
        description=f"A page of {plural}, newest first. Filed records are not counted.",
    )
    declare_value_types(name, f"{kind_name}PageEdge")
    return name


PAGE_ARGUMENTS = {
    "first": ("Optional[int]", PAGE_SIZE, "At most so many."),
    "after": ("Optional[str]", UNSET, "After this cursor."),
}


def _cursor(kind: Kind, after: Any) -> str | None:
    if after is UNSET or after is None:
        return None
    if kind_by_id(after) is not kind:
        raise InvalidInput("this is no cursor of this list", remedy="begin again without a cursor", path="after")
    return str(after)


async def _filed(
    context: Context,
    kind: Kind,
    arguments: dict[str, Any],
    *,
    subject_id: str | None,
    holds: Callable[[Entity], bool] = lambda _: True,
) -> RecordConnection:
    after = _cursor(kind, arguments.get("after"))
    size = page_size(context, arguments.get("first"))
    page = await filed_page(context, kind, subject_id=subject_id, after_id=after, limit=size, holds=holds)
    return RecordConnection(page.entities, more=page.more, after=after, end=page.end)


async def _operations(source: Any, info: Any, *, first: Any, after: Any, subject: Any, status: Any) -> RecordConnection:
    context: Context = info.context
    position = _cursor(Operation.SPEC, after)
    size = page_size(context, first)
    subject_id = None if subject is UNSET else subject
    wanted: set[OperationStatus] | None = None if status is UNSET or status is None else set(status)

    def holds(entity: Entity) -> bool:
        return wanted is None or (isinstance(entity, Operation) and entity.status in wanted)

    live = [one for one in _live_operations(context, subject_id) if position is None or one.id < position]
    found = [one for one in live if holds(one)]
    more, end = False, None
    if wanted is None or wanted & ENDED:
        page = await filed_page(
            context, Operation.SPEC, subject_id=subject_id, after_id=position, limit=size + 1, holds=holds
        )
        # One that ends just now is in both: as it was when this began.
        known = {one.id for one in live}
        found.extend(one for one in page.entities if one.id not in known)
        more = page.more
        if more and len(page.entities) <= size:
            # Reading stopped early: only what is newer than that is complete.
            end = page.end
            found = [one for one in found if end is None or one.id >= end]
    found.sort(key=lambda one: one.id, reverse=True)
    more = more or len(found) > size
    return RecordConnection(found[:size], more=more, after=position, end=end if len(found) <= size else None)


def _live_operations(context: Context, subject_id: str | None) -> list[Entity]:
    view = context.view
    ids = view.ids("Operation", "subject_id", subject_id) if subject_id else view.ids("Operation")
    return [found for one in ids if (found := view.get(one)) is not None]


async def operation_by_id(context: Context, operation_id: str | None) -> Entity | None:
    """An operation, running or ended."""
    if operation_id is None:
        return None
    found = context.view.get(operation_id)
    if found is None and kind_by_id(operation_id) is Operation.SPEC:
        return await filed_entity(context, operation_id)
    return found if isinstance(found, Operation) else None


async def _operation(source: Any, info: Any, *, id: str) -> Entity | None:
    return await operation_by_id(info.context, id)


async def _events(source: Any, info: Any, *, subject: Any, type: Any, **arguments: Any) -> RecordConnection:
    context: Context = info.context
    wanted = None if type is UNSET else type
    return await _filed(
        context,
        Event.SPEC,
        arguments,
        subject_id=None if subject is UNSET else subject,
        holds=lambda one: wanted is None or (isinstance(one, Event) and one.type is wanted),
    )


async def _own_events(entity: Entity, info: Any, **arguments: Any) -> RecordConnection:
    return await _filed(info.context, Event.SPEC, arguments, subject_id=entity.id)


async def _revisions(deployment: Deployment, info: Any, **arguments: Any) -> RecordConnection:
    return await _filed(info.context, DeploymentRevision.SPEC, arguments, subject_id=deployment.id)


async def _decision(deployment: Deployment | DeploymentRevision, info: Any) -> Decision | None:
    context: Context = info.context
    if deployment.decision_id is None:
        return None
    try:
        record = await context.services.ledger.store.record(DECISIONS, deployment.decision_id)
    except StoreUnavailable as problem:
        raise StoreAway(str(problem)) from problem
    return msgspec.json.decode(record.body, type=Decision) if record is not None else None


def _revision_deployment(revision: DeploymentRevision, info: Any) -> Entity | None:
    found: Entity | None = info.context.view.get(revision.deployment_id)
    return found


def _revision_version(revision: DeploymentRevision, info: Any) -> Entity | None:
    found: Entity | None = info.context.view.get(revision.app_version_id)
    return found


async def _all_revisions(source: Any, info: Any, *, deployment: str, **arguments: Any) -> RecordConnection:
    return await _filed(info.context, DeploymentRevision.SPEC, arguments, subject_id=deployment)


def _single(kind: Kind) -> Any:
    async def resolve(source: Any, info: Any, *, id: str) -> Entity | None:
        return await filed_entity(info.context, id) if kind_by_id(id) is kind else None

    return resolver_field(
        resolve,
        returns=f"Optional[{kind.name}]",
        description=f"{kind.one_first} by its id; null when there is none that you may see.",
        arguments={"id": ("ID", UNSET, "Its id.")},
    )


async def _deployment_operation(deployment: Deployment, info: Any) -> Entity | None:
    return await operation_by_id(info.context, deployment.operation_id)


class AuditEntry(msgspec.Struct, kw_only=True):
    """One audit record as the schema shows it."""

    id: str
    at: int
    author: str
    action: str
    outcome: str
    revision: int | None
    correlation_id: str
    change_count: int
    detail: Any


async def _audit(source: Any, info: Any, *, first: Any, after: Any, subject: Any) -> RecordConnection:
    context: Context = info.context
    context.viewer.require_anywhere(Permission.READ_AUDIT)
    size = page_size(context, first)
    position = None if after is UNSET else after
    page = RecordPage(
        collection="audit",
        tenant_ids=context.view.audited_tenants(),
        subject_id=None if subject is UNSET else subject,
        after_id=position,
        limit=size + 1,
    )
    try:
        records = await context.services.ledger.store.records(page)
    except StoreUnavailable as problem:
        raise StoreAway(str(problem)) from problem
    entries = []
    for record in records[:size]:
        body = msgspec.json.decode(record.body)
        entries.append(
            AuditEntry(
                id=record.id,
                at=record.at,
                author=body.get("author", ""),
                action=body.get("action", ""),
                outcome=body.get("outcome", ""),
                revision=body.get("revision"),
                correlation_id=body.get("correlation_id", ""),
                change_count=body.get("change_count", 0),
                detail=body,
            )
        )
    return RecordConnection(entries, more=len(records) > size, after=position)


def record_queries() -> dict[str, Member]:
    """The root fields of this module, and the fields of kinds that are answered from filed records."""
    operations = _record_connection("Operation", "operations")
    events = _record_connection("Event", "events")
    revisions = _record_connection("DeploymentRevision", "revisions")
    texts = {
        "id": ("ID", "The record's id."),
        "at": ("DateTime", "When."),
        "author": ("str", "The id of who asked."),
        "action": ("str", "What was asked."),
        "outcome": ("str", "COMMITTED, or why it was refused."),
        "revision": ("Optional[BigInt]", "The revision that it made."),
        "correlation_id": ("str", "The request's correlation id, as in the log."),
        "change_count": ("int", "How many entities it changed."),
        "detail": ("JSON", "The whole record."),
    }
    object_type(
        "AuditEntry",
        {name: (kind, strawberry.field(description=text)) for name, (kind, text) in texts.items()},
        description="Who asked for what, and what came of it.",
    )
    audit = _record_connection("AuditEntry", "audit records")
    declare_value_types("AuditEntry")
    events_text = "What happened to it, newest first."
    for cls in (Site, Node, Deployment, Operation):
        field_of(cls, returns=events, description=events_text, arguments=dict(PAGE_ARGUMENTS))(
            _renamed(_own_events, "events")
        )
    field_of(
        Deployment,
        returns=revisions,
        description="What it wanted at each number of its past, newest first.",
        arguments=dict(PAGE_ARGUMENTS),
    )(_renamed(_revisions, "revisions"))
    field_of(
        Deployment, returns="Optional[Operation]", description="The operation that works on it now, or worked last."
    )(_renamed(_deployment_operation, "operation"))
    field_of(
        Deployment, returns="Optional[PlacementPlan]", description="The decision that chose its sites, as it was made."
    )(_renamed(_decision, "decision"))
    field_of(DeploymentRevision, returns="Optional[PlacementPlan]", description="The decision that chose its sites.")(
        _renamed(_decision, "decision")
    )
    field_of(DeploymentRevision, returns="Optional[Deployment]", description="The deployment; null when it is gone.")(
        _named(_revision_deployment, "deployment")
    )
    field_of(DeploymentRevision, returns="Optional[AppVersion]", description="What was to run; null when it is gone.")(
        _named(_revision_version, "app_version")
    )
    subject = ("Optional[ID]", UNSET, "Only those about this entity.")
    for name in ("operation", "operations", "event", "events", "deploymentRevision", "deploymentRevisions", "auditLog"):
        declare_root("Query", name, Permission.READ_AUDIT if name == "auditLog" else Permission.SIGNED_IN)
    return {
        "operation": (
            None,
            resolver_field(
                _operation,
                returns="Optional[Operation]",
                description="An operation, running or ended.",
                arguments={"id": ("ID", UNSET, "Its id.")},
            ),
        ),
        "operations": (
            None,
            resolver_field(
                _operations,
                returns=operations,
                description="Operations that run or have ended, newest first.",
                arguments={
                    **PAGE_ARGUMENTS,
                    "subject": subject,
                    "status": (f"Optional[list[{enum_type(OperationStatus)}]]", UNSET, "Only those that stand so."),
                },
            ),
        ),
        "event": (None, _single(Event.SPEC)),
        "deployment_revision": (None, _single(DeploymentRevision.SPEC)),
        "deployment_revisions": (
            None,
            resolver_field(
                _all_revisions,
                returns=revisions,
                description="What a deployment wanted at each number of its past, newest first.",
                arguments={"deployment": ("ID", UNSET, "The deployment."), **PAGE_ARGUMENTS},
            ),
        ),
        "events": (
            None,
            resolver_field(
                _events,
                returns=events,
                description="What happened, newest first.",
                arguments={
                    **PAGE_ARGUMENTS,
                    "subject": subject,
                    "type": (f"Optional[{enum_type(EventType)}]", UNSET, "Only normal ones, or only warnings."),
                },
            ),
        ),
        "audit_log": (
            None,
            resolver_field(
                _audit,
                returns=audit,
                description="Who asked for what, and what came of it, newest first.",
                arguments={**PAGE_ARGUMENTS, "subject": subject},
            ),
        ),
    }


def _named(function: Any, name: str) -> Any:
    function.__name__ = name
    return function


def _renamed(function: Any, name: str) -> Any:
    async def renamed(entity: Any, info: Any, **arguments: Any) -> Any:
        return await function(entity, info, **arguments)

    renamed.__name__ = name
    return renamed
