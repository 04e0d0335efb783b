"""The object types of all kinds: their own fields, the entities that they refer to, and those that refer to them.

Everything here follows from the kinds. What a type has beyond that is in `schema/types`, a function a field.
"""

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import Any, cast

import msgspec
import strawberry

from graph.conditions import Equals
from graph.entity import BASE_FIELDS, HIDDEN, KINDS, Entity, ExternalId, Field, Kind, Source
from schema.connections import connection_field
from schema.filters import filter_name
from schema.vocabulary import NAMES, Member, is_big, object_type, optional, output, resolver_field, struct_type

UNSEEN_TARGETS = frozenset({"User", "ServiceAccount", "Secret"})
"""Kinds that a viewer who sees what refers to them may not see."""

F = typing.TypeVar("F", bound=Callable[..., Any])
_extras: dict[str, dict[str, Any]] = {}
_instead: set[tuple[str, str]] = set()
"""By kind, the fields that are not shown because a relation says as much."""


def field_of(
    kind: type[Entity],
    *,
    returns: str,
    description: str,
    arguments: dict[str, tuple[str, Any, str]] | None = None,
    instead_of: str = "",
) -> Callable[[F], F]:
    """Adds a field to a kind's object type: `function(entity, info, **arguments)` under the function's name.

    A derived field of the same name is replaced, and the one that it is `instead_of`, an id, is not shown.
    """

    def declare(function: F) -> F:
        add_field(
            kind,
            function.__name__,
            resolver_field(function, returns=returns, description=description, arguments=arguments),
        )
        _instead.add((kind.SPEC.name, instead_of))
        return function

    return declare


def add_field(kind: type[Entity], name: str, made: Any) -> None:
    """Adds a made field to a kind's object type. Raises TypeError when the types are defined already."""
    if "Entity" in NAMES:
        raise TypeError(f"{kind.__name__}.{name} comes after the types were defined")
    _extras.setdefault(kind.SPEC.name, {})[name] = made


def define_entities() -> None:
    """Derives the interfaces and the object types of all kinds; `schema.types` has been imported before."""
    if "Entity" in NAMES:
        return
    _define_interfaces()
    for kind in KINDS.values():
        _define(kind)


def _define_interfaces() -> None:
    pair = {"name": ("str", strawberry.field(description="What the number is for."))}
    object_type(
        "Label",
        {
            "key": ("str", strawberry.field(description="By the Kubernetes rules for label keys.")),
            "value": ("str", strawberry.field(description="By the Kubernetes rules for label values.")),
        },
        description="A label of an entity.",
    )
    object_type(
        "Count",
        pair | {"count": ("int", strawberry.field(description="How many."))},
        description="A number under a name.",
    )
    base = {name: _own_field(field) for name, field in _entity_fields().items()}
    interface = object_type("Entity", base, description="Whatever has an id in the graph.", interface=True)
    named = {"name": ("str", strawberry.field(description="Unique within its kind's scope. 1-253 characters."))}
    object_type(
        "Named",
        named,
        description="An entity whose name is unique within its kind's scope: a node in its cluster, an app "
        "in its tenant.",
        interface=True,
    )
    owned = {"tenant": (None, resolver_field(_tenant, returns="Tenant", description="The tenant that owns it."))}
    object_type("Owned", owned, description="An entity that belongs to a tenant.", interface=True)
    assert interface is NAMES["Entity"]


def _entity_fields() -> dict[str, Field]:
    some = next(iter(KINDS.values()))
    return {name: some.fields[name] for name in Entity.__struct_fields__}


def _tenant(entity: Any, info: Any) -> Any:
    return info.context.view.get(entity.tenant_id)


class LabelPair(msgspec.Struct, frozen=True, gc=False):
    """A label as the schema shows it."""

    key: str
    value: str


class NamedCount(msgspec.Struct, frozen=True, gc=False):
    """A number under a name."""

    name: str
    count: int


def _labels(entity: Entity, info: Any) -> list[LabelPair]:
    return [LabelPair(key, value) for key, value in entity.labels.items()]


def _own_field(field: Field) -> Member:
    if field.name == "id":
        return "ID", strawberry.field(description=field.description)
    if field.name.endswith("_id") and field.ref is None:
        return "Optional[ID]" if field.optional else "ID", strawberry.field(description=field.description)
    if field.name == "labels":
        return None, resolver_field(_labels, returns="list[Label]", description=field.description)
    if field.name == "source":
        return struct_type(Source), strawberry.field(description=field.description)
    if field.name == "external":
        return optional(struct_type(ExternalId)), strawberry.field(description=field.description)
    kind = output(field.type, big=is_big(field.meta))
    if kind == "list[Count]":
        return None, resolver_field(counts_in(field.name), returns=kind, description=field.description)
    return kind, strawberry.field(description=field.description)


def counts_in(name: str) -> Callable[[Any, Any], list[NamedCount]]:
    """Answers with a value's numbers under names, which it has in that field."""

    def resolve(entity: Any, info: Any) -> list[NamedCount]:
        return [NamedCount(key, value) for key, value in getattr(entity, name).items()]

    return resolve


def _define(kind: Kind) -> None:
    members: dict[str, Member] = {}
    extras = _extras.get(kind.name, {})
    owned = "tenant_id" in kind.fields and not kind.fields["tenant_id"].optional
    bases = [NAMES["Entity"]]
    if kind.named:
        bases.append(NAMES["Named"])
    if owned:
        bases.append(NAMES["Owned"])
    for field in kind.fields.values():
        if field.name in BASE_FIELDS or HIDDEN in field.marks or (kind.named and field.name == "name"):
            continue
        if (field.name == "tenant_id" and owned) or (kind.name, field.name) in _instead:
            continue
        name, member = _reference(field) if field.ref is not None else (field.name, _own_field(field))
        if field.name == "tenant_id" and field.ref is None:
            name, member = "tenant", (None, _tenant_field(field))
        if name not in extras and member is not None:
            members[name] = member
    for name, member in _referrers(kind).items():
        if name not in extras and name not in members:
            members[name] = member
    members.update({name: (None, made) for name, made in extras.items()})
    object_type(kind.name, members, description=kind.description, bases=bases)


def _tenant_field(field: Field) -> Any:
    return resolver_field(_tenant, returns="Optional[Tenant]", description=field.description)


def _reference(field: Field) -> tuple[str, Member | None]:
    """The field for what a reference points to: the entity, or the list of entities."""
    assert field.ref is not None
    name = filter_name(field)
    target = field.ref.kinds[0] if len(field.ref.kinds) == 1 else "Entity"
    stored = field.name
    origin = typing.get_origin(field.type)
    if origin is dict:
        return name, None
    if origin is list:

        def several(entity: Any, info: Any) -> list[Entity]:
            view = info.context.view
            return [found for one in getattr(entity, stored) if (found := view.get(one)) is not None]

        plural = name if name.endswith("s") else f"{name}s"
        return plural, (None, resolver_field(several, returns=f"list[{target}]", description=field.description))

    def one(entity: Any, info: Any) -> Entity | None:
        target_id = getattr(entity, stored)
        return cast("Entity | None", info.context.view.get(target_id)) if target_id else None

    always = not field.optional and not UNSEEN_TARGETS.intersection(field.ref.kinds)
    returns = target if always else f"Optional[{target}]"
    return name, (None, resolver_field(one, returns=returns, description=field.description))


def _referrers(kind: Kind) -> dict[str, Member]:
    """Connections to the entities that refer to those of this kind."""
    members: dict[str, Member] = {}
    for other in KINDS.values():
        for field in other.refs:
            assert field.ref is not None
            if kind.name not in field.ref.kinds or field.ref.reverse == "":
                continue
            name = _snake(field.ref.reverse or other.plural)
            members.setdefault(name, (None, _referrer_field(other, field, kind)))
    return members


def _referrer_field(other: Kind, field: Field, kind: Kind) -> Any:
    stored = field.name
    return connection_field(
        other,
        description=f"The {other.spoken} whose {filter_name(field).replace('_', ' ')} it is.",
        within=lambda entity: Equals(stored, [entity.id], indexed=True),
    )


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
