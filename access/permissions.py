"""What may be done at all, which role may do it, and where each field, mutation and kind says what it needs.

Three tables and no rule elsewhere: `ROLE_PERMISSIONS` (role to permissions), `KIND_ACCESS` (kind to the permissions that
reading and writing it takes) and the declarations of root fields (`requires`, `declare_root`). Tests fail for a kind, a
root field or a type that is in none of them, for what nobody thought about is shown to everybody.

A permission is held in one tenant or in all of them. What belongs to no tenant takes a permission held in all, with one
exception: shared infrastructure is read by whoever may read infrastructure anywhere.
"""

from __future__ import annotations

import enum
import typing
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import msgspec
from graphql import GraphQLField, GraphQLObjectType, GraphQLSchema, GraphQLUnionType, get_named_type

from graph.entity import KINDS, Kind
from graph.kinds import Role

F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C", bound=type)


class Permission(enum.Enum):
    """What a caller may do; the value is its description."""

    SIGNED_IN = "Ask who one is and what the server is; everything else in the answer is what one may see."
    READ_INFRASTRUCTURE = "Read regions, sites, links, clusters (without credentials), nodes and what happens to them."
    WRITE_INFRASTRUCTURE = "Make, change, cordon, drain and delete infrastructure; see and set clusters' credentials."
    READ_WORKLOADS = "Read apps, deployments, releases, instances, their operations and their events."
    WRITE_WORKLOADS = "Make, deploy, scale, move and delete apps and deployments; cancel and retry their operations."
    APPROVE_WORKLOADS = "Approve changes of deployments that wait for it, and do without approval for single ones."
    READ_SECRETS = "Read the names, labels and keys of secrets; never their values."
    WRITE_SECRETS = "Make, set and delete secrets."
    READ_PEOPLE = "Read the users, service accounts and role bindings of a tenant."
    MANAGE_TENANT = "Make and change a tenant's users, service accounts, tokens and role bindings."
    READ_AUDIT = "Read who did what, and what was refused."
    MANAGE_INSTALLATION = "Make and delete tenants; everything about people in every tenant."


_GUEST = frozenset({Permission.SIGNED_IN, Permission.READ_INFRASTRUCTURE})
_VIEWER = _GUEST | {Permission.READ_WORKLOADS}
_DEVELOPER = _VIEWER | {Permission.WRITE_WORKLOADS, Permission.READ_SECRETS}

ROLE_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.ADMIN: frozenset(Permission),
    Role.OPERATOR: _DEVELOPER | {Permission.APPROVE_WORKLOADS, Permission.WRITE_INFRASTRUCTURE, Permission.READ_AUDIT},
    Role.TENANT_ADMIN: _DEVELOPER
    | {
        Permission.APPROVE_WORKLOADS,
        Permission.WRITE_SECRETS,
        Permission.READ_PEOPLE,
        Permission.MANAGE_TENANT,
        Permission.READ_AUDIT,
    },
    Role.DEVELOPER: _DEVELOPER,
    Role.VIEWER: _VIEWER,
    Role.GUEST: _GUEST,
}

SHARED = frozenset({Permission.SIGNED_IN, Permission.READ_INFRASTRUCTURE})
"""Permissions that count for what belongs to no tenant wherever they are held."""


def meet(one: Role, other: Role) -> Role:
    """The greatest role that may nothing but what both may; a token's role narrows its owner's to this."""
    both = ROLE_PERMISSIONS[one] & ROLE_PERMISSIONS[other]
    return max(
        (role for role, permissions in ROLE_PERMISSIONS.items() if permissions <= both),
        key=lambda role: len(ROLE_PERMISSIONS[role]),
    )


class KindAccess(msgspec.Struct, frozen=True, kw_only=True):
    """What reading and writing entities of a kind takes, in the tenant that they belong to."""

    read: Permission
    write: Permission
    make: Permission
    """To create and to delete; the same as `write` for most."""
    unowned_read: Permission
    """To read those that belong to no tenant; held in all tenants unless it is SHARED."""
    unowned_write: Permission
    """To create, change and delete those that belong to no tenant; held in all tenants."""


def _access(
    read: Permission,
    write: Permission,
    *,
    make: Permission | None = None,
    unowned_read: Permission | None = None,
    unowned_write: Permission | None = None,
) -> KindAccess:
    return KindAccess(
        read=read,
        write=write,
        make=make or write,
        unowned_read=unowned_read or read,
        unowned_write=unowned_write or make or write,
    )


_INFRASTRUCTURE = _access(Permission.READ_INFRASTRUCTURE, Permission.WRITE_INFRASTRUCTURE)
_WORKLOAD = _access(Permission.READ_WORKLOADS, Permission.WRITE_WORKLOADS)
_PEOPLE = _access(Permission.READ_PEOPLE, Permission.MANAGE_TENANT, unowned_write=Permission.MANAGE_INSTALLATION)

KIND_ACCESS: dict[str, KindAccess] = {
    "Region": _INFRASTRUCTURE,
    "Site": _INFRASTRUCTURE,
    "Link": _INFRASTRUCTURE,
    "Cluster": _INFRASTRUCTURE,
    "Node": _INFRASTRUCTURE,
    # Members see the tenants that they are in, whatever their role; `access.visible` has the rule.
    "Tenant": _access(Permission.SIGNED_IN, Permission.MANAGE_TENANT, make=Permission.MANAGE_INSTALLATION),
    # Everybody sees himself, his own tokens and bindings besides.
    "User": _PEOPLE,
    "ServiceAccount": _PEOPLE,
    "RoleBinding": _PEOPLE,
    "ApiToken": _access(
        Permission.MANAGE_TENANT,
        Permission.MANAGE_TENANT,
        unowned_read=Permission.MANAGE_INSTALLATION,
        unowned_write=Permission.MANAGE_INSTALLATION,
    ),
    # The operators' secrets open the clusters: they are part of the infrastructure.
    "Secret": _access(
        Permission.READ_SECRETS,
        Permission.WRITE_SECRETS,
        unowned_read=Permission.WRITE_INFRASTRUCTURE,
        unowned_write=Permission.WRITE_INFRASTRUCTURE,
    ),
    # How much of the network is lost is the operators' to know and to answer for.
    "FailoverHold": _INFRASTRUCTURE,
    "Package": _WORKLOAD,
    "App": _WORKLOAD,
    "AppVersion": _WORKLOAD,
    "Component": _WORKLOAD,
    "Profile": _WORKLOAD,
    # What a site's platform offers is seen with the site.
    "Service": _access(
        Permission.READ_WORKLOADS,
        Permission.WRITE_WORKLOADS,
        unowned_read=Permission.READ_INFRASTRUCTURE,
        unowned_write=Permission.WRITE_INFRASTRUCTURE,
    ),
    "Deployment": _WORKLOAD,
    "DeploymentRevision": _WORKLOAD,
    "Release": _WORKLOAD,
    "Instance": _WORKLOAD,
    "ScalingPolicy": _WORKLOAD,
    "SiteScaling": _WORKLOAD,
    # An operation on shared infrastructure counts the releases of every tenant.
    "Operation": _access(
        Permission.READ_WORKLOADS,
        Permission.WRITE_WORKLOADS,
        unowned_read=Permission.WRITE_INFRASTRUCTURE,
        unowned_write=Permission.WRITE_INFRASTRUCTURE,
    ),
    # A plan to drain shared infrastructure says where every tenant's releases go.
    "Plan": _access(
        Permission.READ_WORKLOADS,
        Permission.WRITE_WORKLOADS,
        unowned_read=Permission.WRITE_INFRASTRUCTURE,
        unowned_write=Permission.WRITE_INFRASTRUCTURE,
    ),
    # The kind of what it happened to decides besides; `access.visible` has the rule.
    "Event": _access(
        Permission.READ_WORKLOADS,
        Permission.MANAGE_INSTALLATION,
        unowned_read=Permission.READ_INFRASTRUCTURE,
    ),
}


def undeclared_kinds() -> list[str]:
    """Names of kinds without an entry in KIND_ACCESS, and of entries without a kind."""
    return sorted(set(KINDS) ^ set(KIND_ACCESS))


# Declarations of the API's root fields and types

_MARK = "__permission__"
_roots: dict[tuple[str, str], Permission] = {}
_value_types: set[str] = set()


def requires(permission: Permission) -> Callable[[F], F]:
    """Declares on a resolver of a root field what calling the field takes, in at least one tenant."""

    def mark(function: F) -> F:
        setattr(function, _MARK, permission)
        return function

    return mark


def declare_root(root: str, field: str, permission: Permission) -> None:
    """Declares what a root field takes that has no resolver function of its own: `declare_root("Query", "sites", …)`.

    Raises ValueError when it was declared otherwise before.
    """
    if _roots.setdefault((root, field), permission) is not permission:
        raise ValueError(f"{root}.{field} is declared twice, and differently")


def value_type(cls: C) -> C:
    """Declares (as a class decorator) an API type that holds only what the field returning it was allowed to show."""
    _value_types.add(cls.__name__)
    return cls


def declare_value_types(*names: str) -> None:
    """Declares API types by name, as `value_type` does."""
    _value_types.update(names)


def permission_of(root: str, name: str, field: GraphQLField | None = None) -> Permission | None:
    """What a root field takes: as declared by name, else on its resolver; None when nothing is declared."""
    found = _roots.get((root, name))
    if found is not None or field is None:
        return found
    for function in _functions_of(field):
        marked = getattr(function, _MARK, None)
        if isinstance(marked, Permission):
            return marked
    return None


def undeclared(schema: GraphQLSchema) -> list[str]:
    """Root fields (`Mutation.createSite`) and object types (`Quota`) of a schema that nothing was declared for.

    Types need no declaration when they are a kind (KIND_ACCESS has it), a value within a kind, a connection or edge of a
    declared type, an error, or what a mutation answers with.
    """
    roots = [one for one in (schema.query_type, schema.mutation_type, schema.subscription_type) if one is not None]
    missing = [
        f"{root.name}.{name}"
        for root in roots
        for name, field in root.fields.items()
        if permission_of(root.name, name, field) is None
    ]
    known = set(KIND_ACCESS) | _value_types | _kind_values() | _answers(schema.mutation_type)
    for name, api_type in schema.type_map.items():
        if not isinstance(api_type, GraphQLObjectType) or api_type in roots or name.startswith("__"):
            continue
        stem = name.removesuffix("Connection").removesuffix("Edge")
        if stem in known or any(one.name == "Error" for one in api_type.interfaces):
            continue
        missing.append(name)
    return missing


def _functions_of(field: GraphQLField) -> Iterator[object]:
    """The functions that may carry the mark: graphql-core's own, or the one that strawberry wrapped."""
    yield field.resolve
    yield field.subscribe
    definition = (field.extensions or {}).get("strawberry-definition")
    resolver = getattr(definition, "base_resolver", None)
    yield getattr(resolver, "wrapped_func", None)


def _answers(mutation: GraphQLObjectType | None) -> set[str]:
    found: set[str] = set()
    for field in mutation.fields.values() if mutation is not None else ():
        answer = get_named_type(field.type)
        found.update(one.name for one in answer.types) if isinstance(answer, GraphQLUnionType) else found.add(
            answer.name
        )
    return found


def _kind_values() -> set[str]:
    """Names of the structs that the fields of kinds hold."""
    found: set[str] = set()

    def walk(annotation: Any) -> None:
        name = getattr(annotation, "__name__", "")
        if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct) and name not in found:
            found.add(name)
            for hint in typing.get_type_hints(annotation).values():
                walk(hint)
        for inner in typing.get_args(annotation):
            walk(inner)

    for kind in KINDS.values():
        for field in kind.fields.values():
            walk(field.type)
    return found


def write_permission(kind: Kind, *, owned: bool, make: bool = False) -> Permission:
    """What writing an entity of a kind takes: one that belongs to a tenant, or one that belongs to none."""
    access = KIND_ACCESS[kind.name]
    if not owned:
        return access.unowned_write
    return access.make if make else access.write
