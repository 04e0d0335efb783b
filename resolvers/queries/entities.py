"""`entity`, `entities`, and for every kind the single field and the connection.

A live entity is answered from the view without awaiting. Filed kinds have no single field or connection here: their lists
are in `resolvers/queries/records.py`.
"""

from __future__ import annotations

from typing import Any

import strawberry

from access.permissions import KIND_ACCESS, Permission, declare_root, requires
from graph.entity import KINDS, Entity, Kind, Named, kind_by_id
from graph.kinds import Operation
from graph.refusal import InvalidInput
from resolvers.context import Context
from resolvers.records import filed_entity
from resolvers.revisions import AT_LEAST, AtLeast, reach, taken
from schema.connections import connection_arguments, connection_type, resolve_connection
from schema.vocabulary import Member, resolver_field

MAX_IDS = 500
UNSET = strawberry.UNSET


@requires(Permission.SIGNED_IN)
async def _entity(self: Any, info: Any, *, id: str, **at_least: Any) -> Entity | None:
    context: Context = info.context
    await reach(context, taken(at_least))
    return await _any(context, id)


async def _any(context: Context, id: str) -> Entity | None:
    found = context.view.get(id)
    if found is None and _may_be_filed(id):
        return await filed_entity(context, id)
    return found


@requires(Permission.SIGNED_IN)
async def _entities(self: Any, info: Any, *, ids: list[str], **at_least: Any) -> list[Entity | None]:
    context: Context = info.context
    if len(ids) > MAX_IDS:
        raise InvalidInput(f"at most {MAX_IDS} ids", remedy="ask in parts", path="ids")
    await reach(context, taken(at_least))
    return [await _any(context, one) for one in ids]


def _may_be_filed(entity_id: str) -> bool:
    kind = kind_by_id(entity_id)
    return kind is not None and (kind.filed or kind.type is Operation)


def entity_queries() -> dict[str, Member]:
    """The root fields of this module."""
    members: dict[str, Member] = {
        "entity": (
            None,
            resolver_field(
                _entity,
                returns="Optional[Entity]",
                description="Any entity by its id; null when there is none that you may see.",
                arguments={"id": ("ID", UNSET, "The entity's id."), **AT_LEAST},
            ),
        ),
        "entities": (
            None,
            resolver_field(
                _entities,
                returns="list[Optional[Entity]]",
                description="Entities by their ids, in the same order; null for one that you may not see. At most 500.",
                arguments={"ids": ("list[ID]", UNSET, "The ids."), **AT_LEAST},
            ),
        ),
    }
    declare_root("Query", "entity", Permission.SIGNED_IN)
    declare_root("Query", "entities", Permission.SIGNED_IN)
    for kind in KINDS.values():
        if kind.filed or kind.type is Operation:
            continue
        name = _snake(kind.name[0].lower() + kind.name[1:])
        plural = _snake(kind.plural)
        members[name] = (None, _single(kind))
        members[plural] = (None, _connection(kind))
        for field in (kind.name[0].lower() + kind.name[1:], kind.plural):
            declare_root("Query", field, _read_permission(kind))
    return members


def _read_permission(kind: Kind) -> Permission:
    access = KIND_ACCESS[kind.name]
    # Lists of what a caller may not see are empty; refusing the field as well would only tell less clearly.
    return Permission.SIGNED_IN if access.read is not Permission.READ_INFRASTRUCTURE else Permission.READ_INFRASTRUCTURE


def _single(kind: Kind) -> Any:
    async def find_when(context: Context, wanted: AtLeast, arguments: dict[str, Any]) -> Entity | None:
        await reach(context, wanted)
        return _find(kind, context, arguments)

    arguments: dict[str, tuple[str, Any, str]] = {"id": ("Optional[ID]", UNSET, "Its id.")}
    if kind.named:
        arguments["name"] = ("Optional[str]", UNSET, "Its name, when no id is given.")
        if kind.scope:
            scopes = " or ".join(one.removesuffix("_id").replace("_", " ") for one in kind.scope)
            arguments["within"] = ("Optional[ID]", UNSET, f"The {scopes} within which the name is unique.")
    arguments |= AT_LEAST
    description = (
        f"{kind.one_first} by id{' or by name' if kind.named else ''}; null when there is none that you may see."
    )

    def resolve(source: Any, info: Any, **arguments: Any) -> Any:
        wanted = taken(arguments)
        if wanted is None:
            return _find(kind, info.context, arguments)
        return find_when(info.context, wanted, arguments)

    return resolver_field(resolve, returns=f"Optional[{kind.name}]", description=description, arguments=arguments)


def _find(kind: Kind, context: Context, arguments: dict[str, Any]) -> Entity | None:
    view = context.view
    given = {key: value for key, value in arguments.items() if value is not UNSET and value is not None}
    if "id" in given:
        found = view.get(given["id"])
        if (
            found is None
            or found.SPEC is not kind
            or given.get("name", getattr(found, "name", None)) != getattr(found, "name", None)
        ):
            return None
        return found
    if "name" not in given:
        raise InvalidInput("give an id or a name", remedy="give one of them", path="id")
    if "within" in given:
        return view.find(kind.name, given["name"], given["within"])
    unscoped = view.find(kind.name, given["name"])
    if unscoped is not None or not kind.scope:
        return unscoped
    candidates = _named(kind, view, given["name"])
    if len(candidates) > 1:
        raise InvalidInput(
            f"{len(candidates)} {kind.spoken} are named {given['name']!r}", remedy="say within which", path="within"
        )
    return candidates[0] if candidates else None


def _named(kind: Kind, view: Any, name: str) -> list[Named]:
    from graph.conditions import NameIs

    ids = NameIs([name]).candidates(view, kind.name) or ()
    return [found for one in ids if isinstance(found := view.get(one), Named)]


def _connection(kind: Kind) -> Any:
    async def page_when(context: Context, wanted: AtLeast, arguments: dict[str, Any]) -> Any:
        await reach(context, wanted)
        return resolve_connection(context, kind, arguments)

    def resolve(source: Any, info: Any, **arguments: Any) -> Any:
        wanted = taken(arguments)
        if wanted is None:
            return resolve_connection(info.context, kind, arguments)
        return page_when(info.context, wanted, arguments)

    return resolver_field(
        resolve,
        returns=connection_type(kind),
        description=f"The {kind.spoken} that you may see, filtered, ordered and in pages.",
        arguments={**connection_arguments(kind), **AT_LEAST},
    )


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
