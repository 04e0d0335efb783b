"""`auditLog`: who asked for what, and what came of it, for those who may read it."""

from __future__ import annotations

from typing import Any

import msgspec

from access.audit import COLLECTION
from access.permissions import Permission, declare_root
from graph.change import Record
from resolvers.context import Context
from resolvers.records import COUNTING, READING, Filed, request_of
from resolvers.revisions import AT_LEAST, reach, taken
from schema.audit_entries import (
    AUDIT_ENTRY,
    AuditAction,
    AuditChange,
    AuditEntry,
    AuditOutcome,
    define_audit_entry,
)
from schema.record_connections import RecordConnection, record_arguments, record_connection
from schema.vocabulary import Member, resolver_field


def _entry(context: Context, record: Record) -> AuditEntry:
    body: dict[str, Any] = msgspec.json.decode(record.body)
    return AuditEntry(
        id=record.id,
        at=record.at,
        author=body.get("author", ""),
        action=body.get("action", ""),
        outcome=AuditOutcome(body["outcome"]),
        code=body.get("code"),
        path=body.get("path"),
        revision=body.get("revision"),
        tenant_id=record.tenant_id,
        subject_id=record.subject_id,
        correlation_id=body.get("correlation_id", ""),
        address=body.get("address"),
        change_count=body.get("change_count", 0),
        changes=[AuditChange(one["id"], AuditAction(one["change"])) for one in body.get("changes", ())],
        count=body.get("count", 1),
    )


AUDIT = Filed(
    kind=AUDIT_ENTRY,
    collection=COLLECTION,
    subject="subject_id",
    time="at",
    tenants=lambda context: context.view.audited_tenants(),
    show=_entry,
    all_shown=lambda context: True,
)


async def _audit_log(source: Any, info: Any, **arguments: Any) -> RecordConnection:
    context: Context = info.context
    context.viewer.require_anywhere(Permission.READ_AUDIT)
    await reach(context, taken(arguments))
    request = request_of(context, AUDIT_ENTRY.prefix, arguments)
    return await AUDIT.list_of(context, arguments).page(request)


def audit_queries() -> dict[str, Member]:
    """The root field of this module."""
    define_audit_entry()
    connection = record_connection(AUDIT_ENTRY, time=AUDIT.time, counting=COUNTING)
    declare_root("Query", "auditLog", Permission.READ_AUDIT)
    return {
        "audit_log": (
            None,
            resolver_field(
                _audit_log,
                returns=connection,
                description=f"Who asked for what, and what came of it. {READING}",
                arguments={**record_arguments(AUDIT_ENTRY), **AT_LEAST},
            ),
        )
    }
