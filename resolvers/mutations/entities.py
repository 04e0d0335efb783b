"""Create, update and delete of every kind that a user owns, derived from the kind's fields.

A kind whose making needs more than its fields (a password, a token's text, sealed values) has its own functions in
`access/changes.py`; here it only says which.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import strawberry

from access.permissions import declare_root, write_permission
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
    Region,
    Service,
    Site,
    Tenant,
)
from graph.refusal import Forbidden, NotFound
from resolvers.answers import answer, entity_of, idempotency_of, remember_entity
from resolvers.context import Context
from schema.inputs import changeable, create_input, delete_input, fields_from, settable, update_input
from schema.results import Payload, payload_type, result_union
from schema.vocabulary import Member, resolver_field

UNSET = strawberry.UNSET


@dataclass(frozen=True, kw_only=True)
class Editing:
    """How entities of a kind are made, changed and deleted, where that is not plainly by their fields."""

    create: Callable[[Edit, Any, dict[str, Any]], Entity] | None = None
    update: Callable[[Edit, Any, Any, dict[str, Any], int | None], Entity] | None = None
    delete: Callable[[Edit, Any, Any, bool, int | None], Any] | None = None
    updatable: bool = True


EDITABLE: dict[type[Entity], Editing] = {
    Region: Editing(),
    Site: Editing(),
    Link: Editing(),
    Cluster: Editing(),
    Node: Editing(),
    Tenant: Editing(),
    App: Editing(),
    AppVersion: Editing(),
    Component: Editing(),
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
    create_input(kind, without=inherited, extra=create_extra)
    payload_type(f"Create{kind.name}Payload", entity_field, description=f"The {kind.name} that was made.")
    result_union(f"Create{kind.name}Result", f"Create{kind.name}Payload", ("AlreadyExists", "Conflict", "InvalidState"))
    members[f"create_{_snake(single)}"] = (
        None,
        _mutation(kind, "create", _creator(kind, editing), f"Makes a {kind.name}."),
    )
    if editing.updatable:
        update_input(kind, extra=update_extra)
        payload_type(f"Update{kind.name}Payload", entity_field, description=f"The {kind.name} as it is now.")
        result_union(
            f"Update{kind.name}Result", f"Update{kind.name}Payload", ("AlreadyExists", "Conflict", "InvalidState")
        )
        members[f"update_{_snake(single)}"] = (
            None,
            _mutation(
                kind, "update", _updater(kind, editing), f"Changes a {kind.name}: what is absent stays, null clears."
            ),
        )
    delete_input(kind)
    deleted = {"deleted_ids": ("list[ID]", strawberry.field(description="What was deleted, the entity itself first."))}
    payload_type(f"Delete{kind.name}Payload", deleted, description="What was deleted.")
    result_union(f"Delete{kind.name}Result", f"Delete{kind.name}Payload", ("InUse", "Conflict", "InvalidState"))
    members[f"delete_{_snake(single)}"] = (
        None,
        _mutation(kind, "delete", _deleter(kind, editing), f"Deletes a {kind.name} that nothing depends on."),
    )
    for verb in ("create", "update", "delete"):
        if f"{verb}_{_snake(single)}" in members:
            declare_root("Mutation", f"{verb}{kind.name}", write_permission(kind, owned=True, make=verb != "update"))
    return members


def _mutation(kind: Kind, verb: str, make: Callable[[Context, Any], Any], description: str) -> Any:
    action = f"{verb}{kind.name}"

    async def resolve(source: Any, info: Any, *, input: Any) -> Any:
        context: Context = info.context
        return await answer(context, action, lambda: make(context, input))

    name = action[0].upper() + action[1:]
    return resolver_field(
        resolve,
        returns=f"{name}Result",
        description=description,
        arguments={"input": (f"{name}Input", UNSET, "What to do.")},
    )


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
    for field in kind.refs:
        if field.name == "tenant_id" or field.optional:
            continue
        parent = edit.get(fields.get(field.name, ""))
        tenant_id = getattr(parent, "tenant_id", None)
        if tenant_id is not None:
            fields["tenant_id"] = tenant_id
            return


def require_write(context: Context, entity: Entity, *, make: bool = False) -> None:
    """Raises Forbidden unless the viewer may change (or make and delete) this entity."""
    tenant_id = getattr(entity, "tenant_id", None)
    context.viewer.require(write_permission(entity.SPEC, owned=tenant_id is not None, make=make), tenant_id)


def _creator(kind: Kind, editing: Editing) -> Callable[[Context, Any], Any]:
    async def create(context: Context, given: Any) -> Payload:
        fields = fields_from(kind, given, names=settable(kind), patch=False)

        def change(edit: Edit) -> Entity:
            view = VisibleView(edit, context.viewer)
            own = dict(fields)
            require_seen(view, kind.type, own)
            _tenant_of(edit, kind, own)
            tenant_id = own.get("tenant_id")
            context.viewer.require(
                write_permission(kind, owned=tenant_id is not None, make=True), tenant_id, path="input.tenantId"
            )
            if editing.create is not None:
                return editing.create(edit, given, own)
            return edit.create(kind.type, **own)

        action = f"create{kind.name}"
        request = context.request(
            action, tenant_id=fields.get("tenant_id"), idempotency=idempotency_of(context, action, given)
        )
        committed = await context.services.ledger.commit(change, request, remember=remember_entity)
        entity, revision = entity_of(committed)
        return Payload(f"Create{kind.name}Payload", revision=revision, **{_single_name(kind): entity})

    return create


def _updater(kind: Kind, editing: Editing) -> Callable[[Context, Any], Any]:
    async def update(context: Context, given: Any) -> Payload:
        fields = fields_from(kind, given, names=changeable(kind), patch=True)
        expected = None if given.expected_revision is UNSET else given.expected_revision

        def change(edit: Edit) -> Entity:
            entity = visible(edit, context, kind, given.id)
            require_write(context, entity)
            require_seen(VisibleView(edit, context.viewer), kind.type, fields)
            if editing.update is not None:
                return editing.update(edit, entity, given, fields, expected)
            return edit.replace(entity, expected_revision=expected, **fields)

        action = f"update{kind.name}"
        committed = await context.services.ledger.commit(
            change,
            _request(context, action, kind, given),
            remember=remember_entity,
        )
        entity, revision = entity_of(committed)
        return Payload(f"Update{kind.name}Payload", revision=revision, **{_single_name(kind): entity})

    return update


def _deleter(kind: Kind, editing: Editing) -> Callable[[Context, Any], Any]:
    async def delete(context: Context, given: Any) -> Payload:
        expected = None if given.expected_revision is UNSET else given.expected_revision

        def change(edit: Edit) -> list[str]:
            entity = visible(edit, context, kind, given.id)
            require_write(context, entity, make=True)
            if editing.delete is not None:
                deleted = editing.delete(edit, entity, given, given.cascade, expected)
            else:
                deleted = edit.delete(entity, cascade=given.cascade, expected_revision=expected)
            for one in deleted:
                if one.id != entity.id and not VisibleView(edit.base, context.viewer).sees(one):
                    raise Forbidden(
                        "others depend on it whom you may not see", remedy="ask an administrator", path="input.cascade"
                    )
            return [one.id for one in deleted]

        action = f"delete{kind.name}"
        committed = await context.services.ledger.commit(
            change, _request(context, action, kind, given), remember=_remember_ids
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


def visible(edit: Edit, context: Context, kind: Kind, entity_id: str, *, path: str = "input.id") -> Entity:
    """The entity of a kind that the viewer sees within a change. Raises NotFound."""
    found = VisibleView(edit, context.viewer).get(entity_id)
    if found is None or found.SPEC is not kind:
        raise NotFound(kind.name, entity_id, path=path)
    # What is shown may have credentials blanked; what is changed is the whole value.
    whole = edit.get(entity_id)
    assert whole is not None
    return whole


def _request(context: Context, action: str, kind: Kind, given: Any) -> Any:
    known = context.view.get(given.id)
    return context.request(
        action,
        tenant_id=getattr(known, "tenant_id", None),
        idempotency=idempotency_of(context, action, given),
    )


def _single_name(kind: Kind) -> str:
    return _snake(kind.name[0].lower() + kind.name[1:])


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
