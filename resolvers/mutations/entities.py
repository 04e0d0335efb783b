"""Create, update and delete of every kind that a user owns, derived from the kind's fields.

A kind whose making needs more than its fields (a password, a token's text, sealed values) has its own functions in
`access/changes.py`; here it only says which.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import strawberry

from access.changes import delete_entity, update_tenant
from access.permissions import Permission, declare_root, write_permission
from access.rights import check_write, check_write_of
from access.viewer import Viewer, at_head
from access.visible import VisibleView, require_seen
from graph.edit import Edit
from graph.entity import Entity, Kind
from graph.kinds import (
    App,
    AppVersion,
    Cluster,
    Component,
    Link,
    Node,
    Profile,
    Region,
    Service,
    Site,
    Tenant,
)
from graph.refusal import NotFound
from graph.request import Request
from resolvers.answers import entity_of, remember_entity, request_of, verb
from resolvers.context import Context
from schema.inputs import changeable, create_input, delete_input, fields_from, settable, update_input
from schema.results import Payload, payload_type, result_union
from schema.vocabulary import Member

UNSET = strawberry.UNSET


@dataclass(frozen=True, kw_only=True)
class Making:
    """What a hook is given: who asks, the edit, the input, and what was prepared before the store's lock was taken."""

    context: Context
    edit: Edit
    given: Any
    prepared: Any = None


@dataclass(frozen=True, kw_only=True)
class Editing:
    """How entities of a kind are made and changed, where that is not plainly by their fields."""

    prepare: Callable[[Context, Any], Awaitable[Any]] | None = None
    """Work that is slow or awaits, such as hashing a password; done before the change."""
    create: Callable[[Making, dict[str, Any]], Entity] | None = None
    update: Callable[[Making, Entity, dict[str, Any], int | None], Entity] | None = None
    creatable: bool = True
    updatable: bool = True
    create_extra: Mapping[str, Member] = field(default_factory=dict)
    update_extra: Mapping[str, Member] = field(default_factory=dict)
    create_answers: Mapping[str, Member] = field(default_factory=dict)
    """What the payload of its making has beside the entity."""
    without: frozenset[str] = frozenset()
    """Fields that the create input leaves out."""
    errors: tuple[str, ...] = ()
    """Errors that making and changing can meet beside the usual ones."""
    check: Callable[[Context, dict[str, Any]], None] | None = None
    """A check of the given fields that the graph cannot make, such as whether a driver knows a configuration."""


def _check_driver(context: Context, fields: dict[str, Any]) -> None:
    context.services.drivers.check(fields["driver"], fields.get("configuration") or {})


def _update_tenant(making: Making, entity: Entity, fields: dict[str, Any], expected: int | None) -> Entity:
    return update_tenant(making.edit, making.context.viewer, entity.id, expected_revision=expected, **fields)


EDITABLE: dict[type[Entity], Editing] = {
    Region: Editing(),
    Site: Editing(),
    Link: Editing(),
    Cluster: Editing(check=_check_driver, errors=("UnknownDriver", "DriverBroken", "InvalidConfiguration")),
    Node: Editing(),
    Tenant: Editing(update=_update_tenant),
    App: Editing(),
    AppVersion: Editing(),
    Component: Editing(),
    Profile: Editing(),
    Service: Editing(),
}
"""Kinds with derived mutations. Those of people, secrets and deployments are in modules of their own."""


def entity_mutations() -> dict[str, Member]:
    """The create, update and delete mutations of the editable kinds."""
    members: dict[str, Member] = {}
    for cls, editing in EDITABLE.items():
        members.update(mutations_of(cls.SPEC, editing))
    return members


def mutations_of(
    kind: Kind, editing: Editing, *, create_extra: Any = None, update_extra: Any = None
) -> dict[str, Member]:
    """The mutations of one kind."""
    single = kind.name[0].lower() + kind.name[1:]
    entity_field = {_snake(single): (kind.name, strawberry.field(description="As it is now."))}
    members: dict[str, Member] = {}
    inherited = frozenset({"tenant_id"}) if _inherits_tenant(kind) else frozenset()
    if editing.creatable:
        create_input(kind, without=inherited | editing.without, extra=editing.create_extra)
        payload_type(
            f"Create{kind.name}Payload",
            {**entity_field, **editing.create_answers},
            description=f"The {kind.name} that was made.",
        )
        result_union(
            f"Create{kind.name}Result",
            f"Create{kind.name}Payload",
            ("AlreadyExists", "Conflict", "InvalidState", *editing.errors),
        )
        members[f"create_{_snake(single)}"] = (
            None,
            verb(f"create{kind.name}", _creator(kind, editing), description=f"Makes {kind.one}."),
        )
    if editing.updatable:
        update_input(kind, extra=editing.update_extra)
        payload_type(f"Update{kind.name}Payload", entity_field, description=f"The {kind.name} as it is now.")
        result_union(
            f"Update{kind.name}Result",
            f"Update{kind.name}Payload",
            ("AlreadyExists", "Conflict", "InvalidState", *editing.errors),
        )
        members[f"update_{_snake(single)}"] = (
            None,
            verb(
                f"update{kind.name}",
                _updater(kind, editing),
                description=f"Changes {kind.one}: what is absent stays, null clears.",
            ),
        )
    delete_input(kind)
    deleted = {"deleted_ids": ("list[ID]", strawberry.field(description="What was deleted, the entity itself first."))}
    payload_type(f"Delete{kind.name}Payload", deleted, description="What was deleted.")
    result_union(f"Delete{kind.name}Result", f"Delete{kind.name}Payload", ("InUse", "Conflict", "InvalidState"))
    members[f"delete_{_snake(single)}"] = (
        None,
        verb(f"delete{kind.name}", _deleter(kind), description=f"Deletes {kind.one} that nothing depends on."),
    )
    for word in ("create", "update", "delete"):
        if f"{word}_{_snake(single)}" in members:
            declare_root("Mutation", f"{word}{kind.name}", _declared(kind, make=word != "update"))
    return members


def _declared(kind: Kind, *, make: bool) -> Permission:
    """What the root field takes; what the entity takes is checked in the change, in the entity's own tenant."""
    if kind.name in ("User", "ApiToken"):
        return Permission.SIGNED_IN  # everybody changes something of his own
    return write_permission(kind, owned=True, make=make)


def _inherits_tenant(kind: Kind) -> bool:
    field = kind.fields.get("tenant_id")
    return (
        field is not None
        and not field.optional
        and any(one.name != "tenant_id" and not one.optional for one in kind.refs)
    )


def _tenant_of(edit: Edit, kind: Kind, fields: dict[str, Any]) -> None:
    """Takes the tenant over from what the entity is part of."""
    if not _inherits_tenant(kind) or "tenant_id" in fields:
        return
    for ref in kind.refs:
        if ref.name == "tenant_id" or ref.optional:
            continue
        parent = edit.get(fields.get(ref.name, ""))
        tenant_id = getattr(parent, "tenant_id", None)
        if tenant_id is not None:
            fields["tenant_id"] = tenant_id
            return


def _creator(kind: Kind, editing: Editing) -> Callable[[Context, Any], Any]:
    async def create(context: Context, given: Any) -> Payload:
        fields = fields_from(kind, given, names=settable(kind), patch=False)
        if editing.check is not None:
            editing.check(context, fields)
        prepared = await editing.prepare(context, given) if editing.prepare is not None else None

        def change(edit: Edit) -> Entity:
            own = dict(fields)
            viewer = at_head(context.viewer, edit, at_ms=edit.at)
            require_seen(VisibleView(edit, viewer), kind.type, own)
            _tenant_of(edit, kind, own)
            if editing.create is not None:
                return editing.create(Making(context=context, edit=edit, given=given, prepared=prepared), own)
            check_write(viewer, kind, own.get("tenant_id"), make=True, path="input.tenantId")
            return edit.create(kind.type, **own)

        request = request_of(context, f"create{kind.name}", given, tenant_id=fields.get("tenant_id"))
        committed = await context.services.ledger.commit(change, request, remember=remember_entity)
        entity, revision = entity_of(committed, context.view)
        return Payload(f"Create{kind.name}Payload", revision=revision, **{_single_name(kind): entity})

    return create


def _updater(kind: Kind, editing: Editing) -> Callable[[Context, Any], Any]:
    async def update(context: Context, given: Any) -> Payload:
        fields = fields_from(kind, given, names=changeable(kind), patch=True)
        if editing.check is not None:
            editing.check(context, {**_present(context, kind, given.id), **fields})
        expected = None if given.expected_revision is UNSET else given.expected_revision

        def change(edit: Edit) -> Entity:
            viewer = at_head(context.viewer, edit, at_ms=edit.at)
            entity = visible(edit, viewer, kind, given.id)
            require_seen(VisibleView(edit, viewer), kind.type, fields)
            if editing.update is not None:
                return editing.update(Making(context=context, edit=edit, given=given), entity, fields, expected)
            check_write_of(viewer, entity)
            return edit.replace(entity, expected_revision=expected, **fields)

        action = f"update{kind.name}"
        committed = await context.services.ledger.commit(
            change, _request(context, action, given), remember=remember_entity
        )
        entity, revision = entity_of(committed, context.view)
        return Payload(f"Update{kind.name}Payload", revision=revision, **{_single_name(kind): entity})

    return update


def _present(context: Context, kind: Kind, entity_id: str) -> dict[str, Any]:
    found = context.view.get(entity_id)
    if found is None or found.SPEC is not kind:
        raise NotFound(kind.name, entity_id, path="input.id")
    return {name: getattr(found, name) for name in kind.fields}


def _deleter(kind: Kind) -> Callable[[Context, Any], Any]:
    async def delete(context: Context, given: Any) -> Payload:
        expected = None if given.expected_revision is UNSET else given.expected_revision

        def change(edit: Edit) -> list[str]:
            visible(edit, at_head(context.viewer, edit, at_ms=edit.at), kind, given.id)
            gone = delete_entity(edit, context.viewer, given.id, cascade=given.cascade, expected_revision=expected)
            return [one.id for one in gone]

        action = f"delete{kind.name}"
        committed = await context.services.ledger.commit(
            change, _request(context, action, given), remember=_remember_ids
        )
        if committed.replayed is not None:
            kept = msgspec.json.decode(committed.replayed, type=_RememberedIds)
            return Payload(f"Delete{kind.name}Payload", deleted_ids=kept.ids, revision=kept.revision)
        return Payload(f"Delete{kind.name}Payload", deleted_ids=committed.value, revision=committed.revision)

    return delete


class _RememberedIds(msgspec.Struct):
    ids: list[str]
    revision: int


def _remember_ids(ids: list[str], revision: int) -> bytes:
    return msgspec.json.encode(_RememberedIds(ids, revision))


def visible(edit: Edit, viewer: Viewer, kind: Kind, entity_id: str, *, path: str = "input.id") -> Entity:
    """The entity of a kind that the viewer sees within a change. Raises NotFound."""
    found = VisibleView(edit, viewer).get(entity_id)
    if found is None or found.SPEC is not kind:
        raise NotFound(kind.name, entity_id, path=path)
    # What is shown may have credentials blanked; what is changed is the whole value.
    whole = edit.get(entity_id)
    assert whole is not None
    return whole


def _request(context: Context, action: str, given: Any) -> Request:
    known = context.view.get(given.id)
    return request_of(context, action, given, tenant_id=getattr(known, "tenant_id", None))


def _single_name(kind: Kind) -> str:
    return _snake(kind.name[0].lower() + kind.name[1:])


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
