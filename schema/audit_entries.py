"""The audit's records as the schema shows and filters them.

An audit record is no kind of the graph: it has no labels, no source and no revision of its own, and it outlives whatever it
tells of. It is described as one all the same, by a class whose annotations say everything, so that its type, its filter and
its pages come from the same code as those of every kind.
"""

from __future__ import annotations

import enum
import typing
from typing import Annotated, Any, cast

import msgspec
import strawberry

from access.permissions import declare_value_types
from graph.entity import Area, Entity, Field, Kind, Timestamp, TimestampMs, doc
from schema.types.actors import Actor
from schema.vocabulary import Member, enum_type, is_big, object_type, output, peel, resolver_field


class AuditOutcome(enum.Enum):
    """What came of what was asked."""

    COMMITTED = "COMMITTED"
    """It was done, in a commit."""
    REFUSED = "REFUSED"
    """It was refused; nothing was changed."""
    SUCCEEDED = "SUCCEEDED"
    """It was done and makes no commit, such as a sign-in."""
    FAILED = "FAILED"
    """It was tried and makes no commit, such as a sign-in with a wrong password."""


class AuditAction(enum.Enum):
    """What became of an entity."""

    CREATED = "CREATED"
    """It was made."""
    UPDATED = "UPDATED"
    """It was changed."""
    DELETED = "DELETED"
    """It was deleted."""


class AuditChange(msgspec.Struct, frozen=True):
    """One entity that was changed, and what became of it."""

    entity_id: str
    change: AuditAction


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Who asked for what, and what came of it."""

    id: Annotated[str, doc("The record's id.")]
    at: Annotated[TimestampMs, doc("When.")]
    author: Annotated[str, doc("Who asked, by id; `anonymous` before anybody is signed in.")]
    action: Annotated[str, doc("What was asked, such as `createSite`.")]
    outcome: Annotated[AuditOutcome, doc("What came of it.")]
    code: Annotated[str | None, doc("The code of the refusal.")] = None
    path: Annotated[str | None, doc("The input field that it was refused for.")] = None
    revision: Annotated[int | None, doc("The revision that it made.")] = None
    tenant_id: Annotated[str | None, doc("The tenant that it concerns; none: the installation.")] = None
    subject_id: Annotated[str | None, doc("What it was about, when that was a single entity.")] = None
    correlation_id: Annotated[str, doc("The request's correlation id, as in the log.")] = ""
    address: Annotated[str | None, doc("From where, of a sign-in.")] = None
    change_count: Annotated[int, doc("How many entities it changed."), msgspec.Meta(ge=0, le=2**31 - 1)] = 0
    changes: Annotated[list[AuditChange], doc("The first 100 of the entities that it changed.")] = []
    count: Annotated[
        int,
        doc("More than 1: so many refusals in one minute that have no records of their own."),
        msgspec.Meta(ge=1, le=2**31 - 1),
    ] = 1


def _fields() -> dict[str, Field]:
    hints = typing.get_type_hints(AuditEntry, include_extras=True)
    found = {}
    for info in msgspec.structs.fields(AuditEntry):
        declared, metadata = peel(hints[info.name])
        meta = tuple(one for one in metadata if isinstance(one, msgspec.Meta))
        found[info.name] = Field(
            name=info.name,
            type=Annotated[declared, Timestamp] if Timestamp in metadata else declared,
            meta=meta,
            description=next(one.description for one in meta if one.description),
            required=info.required,
            marks=frozenset(),
            ref=None,
        )
    return found


AUDIT_ENTRY = Kind(
    name="AuditEntry",
    prefix="audit",
    area=Area.RECORD,
    # It has what filters and pages read of an entity: an id and its fields.
    type=cast("type[Entity]", AuditEntry),
    fields=_fields(),
    scope=(),
    named=False,
    refs=(),
    indexed=(),
    ordinal_scope=None,
    filed=True,
    plural="auditEntries",
    description=(AuditEntry.__doc__ or "").strip(),
)
"""The audit's records described as a kind is; not one of `KINDS`, for the graph has no such entities."""


def define_audit_entry() -> None:
    """Derives the object type."""
    described = {
        "entity_id": ("ID", strawberry.field(description="The entity's id; it may be gone.")),
        "change": (enum_type(AuditAction), strawberry.field(description="What became of it.")),
    }
    object_type("AuditChange", described, description=(AuditChange.__doc__ or "").strip())
    members: dict[str, Member] = {}
    for name, field in AUDIT_ENTRY.fields.items():
        if name == "tenant_id":
            tenant = resolver_field(_tenant, returns="Optional[Tenant]", description=field.description)
            members["tenant"] = None, tenant
        elif name == "changes":
            members[name] = "list[AuditChange]", strawberry.field(description=field.description)
        elif name == "author":
            described = resolver_field(_author, returns="Actor", description="Who asked.")
            members[name] = None, described
        elif name in ("id", "subject_id"):
            shown = "Optional[ID]" if field.optional else "ID"
            members[name] = shown, strawberry.field(description=field.description)
        else:
            shown = output(field.type, big=is_big(field.meta))
            members[name] = shown, strawberry.field(description=field.description)
    object_type("AuditEntry", members, description=AUDIT_ENTRY.description)
    declare_value_types("AuditEntry", "AuditChange")


def _author(entry: AuditEntry, info: Any) -> Actor:
    return Actor(entry.author)


def _tenant(entry: AuditEntry, info: Any) -> Entity | None:
    found: Entity | None = info.context.view.get(entry.tenant_id) if entry.tenant_id is not None else None
    return found
