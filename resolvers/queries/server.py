"""`viewer` and `serverInfo`: who one is, and what answers."""

from __future__ import annotations

from typing import Any

import msgspec
import strawberry

from access.permissions import Permission, declare_root, declare_value_types
from access.viewer import Grant
from graph.entity import KINDS
from graph.kinds import Role
from graph.store import SCHEMA_NUMBER
from resolvers.context import Context
from schema.vocabulary import Member, enum_type, object_type, resolver_field


class ViewerValue(msgspec.Struct, frozen=True):
    """The viewer as the schema shows it."""

    id: str
    name: str
    roles: list[Grant]
    expires_at: int | None


class KindCount(msgspec.Struct, frozen=True):
    """How many entities of a kind the viewer sees."""

    kind: str
    count: int


class ServerValue(msgspec.Struct, frozen=True, kw_only=True):
    """The server as the schema shows it."""

    version: str
    store: str
    schema_number: int
    revision: int
    epoch: str
    stale: bool
    writable: bool
    demo: bool
    started_at: int
    kinds: list[KindCount]
    drivers: list[str]


def _viewer(source: Any, info: Any) -> ViewerValue:
    viewer = info.context.viewer
    grants = sorted(viewer.grants, key=lambda one: (one.tenant_id or "", one.role.name))
    return ViewerValue(viewer.id, viewer.name, grants, viewer.expires_at)


def _tenant(grant: Grant, info: Any) -> Any:
    return info.context.view.get(grant.tenant_id) if grant.tenant_id else None


def _subject(value: ViewerValue, info: Any) -> Any:
    return info.context.view.get(value.id)


def _permissions(value: ViewerValue, info: Any) -> list[str]:
    viewer = info.context.viewer
    return [one.name for one in Permission if viewer.may_anywhere(one)]


def _server(source: Any, info: Any) -> ServerValue:
    context: Context = info.context
    services = context.services
    view = services.ledger.view
    return ServerValue(
        version=services.facts.version,
        store=services.facts.store,
        schema_number=SCHEMA_NUMBER,
        revision=view.revision,
        epoch=view.epoch,
        stale=services.ledger.stale,
        writable=services.ledger.writable,
        demo=services.facts.demo,
        started_at=services.facts.started_at,
        kinds=[KindCount(name, context.view.count(name)) for name, kind in KINDS.items() if not kind.filed],
        drivers=services.drivers.names,
    )


def server_queries() -> dict[str, Member]:
    """The root fields of this module."""
    object_type(
        "RoleGrant",
        {
            "role": (enum_type(Role), strawberry.field(description="The role.")),
            "tenant": (
                None,
                resolver_field(_tenant, returns="Optional[Tenant]", description="Where; null: in every tenant."),
            ),
        },
        description="A role that the viewer has.",
    )
    object_type(
        "Viewer",
        {
            "id": ("ID", strawberry.field(description="The user's or service account's id.")),
            "name": ("str", strawberry.field(description="Its name.")),
            "roles": ("list[RoleGrant]", strawberry.field(description="What it is, and where.")),
            "permissions": (
                None,
                resolver_field(_permissions, returns="list[str]", description="What it may do in at least one tenant."),
            ),
            "expires_at": ("Optional[DateTime]", strawberry.field(description="When the session or token ends.")),
            "subject": (
                None,
                resolver_field(_subject, returns="Optional[Entity]", description="The user or service account."),
            ),
        },
        description="Who is asking.",
    )
    object_type(
        "KindCount",
        {
            "kind": ("str", strawberry.field(description="The kind's name.")),
            "count": ("int", strawberry.field(description="How many of it you may see.")),
        },
        description="A kind and its number of entities.",
    )
    texts = {
        "version": ("str", "The server's version."),
        "store": ("str", "What keeps the graph: `sqlite` or `neo4j`."),
        "schema_number": ("int", "The number of the stored form that it writes."),
        "revision": ("BigInt", "The newest revision that this server has applied."),
        "epoch": ("str", "The graph's epoch: new after every restore."),
        "stale": ("bool", "Whether the store is away, so that reads may be behind."),
        "writable": ("bool", "Whether it accepts mutations now."),
        "demo": ("bool", "Whether it keeps changing things by itself for show."),
        "started_at": ("DateTime", "When it started."),
        "kinds": ("list[KindCount]", "What is in the graph, as far as you may see."),
        "drivers": ("list[str]", "The drivers that clusters can name."),
    }
    object_type(
        "ServerInfo",
        {name: (kind, strawberry.field(description=text)) for name, (kind, text) in texts.items()},
        description="The server that answers.",
    )
    declare_value_types("RoleGrant", "Viewer", "KindCount", "ServerInfo")
    declare_root("Query", "viewer", Permission.SIGNED_IN)
    declare_root("Query", "serverInfo", Permission.SIGNED_IN)
    return {
        "viewer": (None, resolver_field(_viewer, returns="Viewer", description="Who you are.")),
        "server_info": (None, resolver_field(_server, returns="ServerInfo", description="What answers you.")),
    }
