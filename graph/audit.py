"""The record that each commit leaves of who did what, apart from the log and outliving its compaction."""

from __future__ import annotations

import msgspec

from graph.change import Commit, Record
from graph.entity import Entity
from graph.identifiers import new_id
from graph.request import Request

AUDITED_CHANGES = 100
"""How many of a commit's changes its audit record lists; all of them are counted."""


class AuditedChange(msgspec.Struct, frozen=True, gc=False):
    """What became of one entity."""

    id: str
    change: str


class AuditBody(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An audit record's body."""

    author: str
    action: str
    outcome: str
    revision: int
    correlation_id: str
    change_count: int
    changes: list[AuditedChange]
    """The first 100."""


_encode = msgspec.json.Encoder().encode


def audit_record(request: Request, commit: Commit) -> Record:
    """The audit record of a commit; its subject is the one entity that was changed, if it was one."""
    changes = commit.changes
    body = AuditBody(
        author=request.author,
        action=request.action,
        outcome="COMMITTED",
        revision=commit.revision,
        correlation_id=request.correlation_id,
        change_count=len(changes),
        changes=[AuditedChange(one.id, change_word(one.before, one.after)) for one in changes[:AUDITED_CHANGES]],
    )
    return Record(
        collection="audit",
        id=new_id("audit", at_ms=commit.at),
        tenant_id=request.tenant_id,
        subject_id=changes[0].id if len(changes) == 1 else None,
        at=commit.at,
        body=msgspec.Raw(_encode(body)),
    )


def change_word(before: Entity | None, after: Entity | None) -> str:
    """What a change is called: CREATED, UPDATED or DELETED."""
    if before is None:
        return "CREATED"
    return "UPDATED" if after is not None else "DELETED"
