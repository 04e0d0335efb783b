"""The audit's records as the schema shows and filters them.

An audit record is no kind of the graph: it has no labels, no source and no revision of its own, and it outlives whatever it
tells of. It is described as one all the same, by a class whose annotations say everything, so that its type, its filter and
its pages come from the same code as those of every kind.
"""

from __future__ import annotations

import typing
from typing import Annotated, Any, cast

import msgspec
import strawberry

from access.permissions import declare_value_types
from graph.entity import Area, Entity, Field, Kind, Timestamp, TimestampMs, doc
from schema.vocabulary import Member, is_big, object_type, output, peel, resolver_field


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Who asked for what, and what came of it."""

    id: Annotated[str, doc("The record's id.")]
    at: Annotated[TimestampMs, doc("When.")]
    author: Annotated[str, doc("The id of who asked.")]
    action: Annotated[str, doc("What was asked, such as `createSite`.")]
    outcome: Annotated[str, doc("COMMITTED; REFUSED; of what makes no commit, such as a sign-in, SUCCEEDED or FAILED.")]
    code: Annotated[str | None, doc("The code of the refusal.")] = None
    revision: Annotated[int | None, doc("The revision that it made.")] = None
    tenant_id: Annotated[str | None, doc("The tenant that it concerns; none: the installation.")] = None
    subject_id: Annotated[str | None, doc("What it was about, when that was a single entity.")] = None
    correlation_id: Annotated[str, doc("The request's correlation id, as in the log.")] = ""
    address: Annotated[str | None, doc("From where, of a sign-in.")] = None
    change_count: Annotated[int, doc("How many entities it changed."), msgspec.Meta(ge=0, le=2**31 - 1)] = 0
    detail: Annotated[dict[str, Any], doc("The whole record.")] = {}


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
    members: dict[str, Member] = {}
    for name, field in AUDIT_ENTRY.fields.items():
        if name == "tenant_id":
            described = resolver_field(_tenant, returns="Optional[Tenant]", description=field.description)
            members["tenant"] = None, described
        elif name in ("id", "subject_id"):
            shown = "Optional[ID]" if field.optional else "ID"
            members[name] = shown, strawberry.field(description=field.description)
        else:
            shown = output(field.type, big=is_big(field.meta))
            members[name] = shown, strawberry.field(description=field.description)
    object_type("AuditEntry", members, description=AUDIT_ENTRY.description)
    declare_value_types("AuditEntry")


def _tenant(entry: AuditEntry, info: Any) -> Entity | None:
    found: Entity | None = info.context.view.get(entry.tenant_id) if entry.tenant_id is not None else None
    return found
