"""Where a change goes in a store: among the live entities, or to the filed records.

Live entities are resident in every server process, filed ones are read by key and page. A kind may be filed from the start
(events, revision bodies), and an operation becomes filed when it ends. Every store asks this one module, for two stores
that drew the line differently would load two different graphs from the same commits.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from graph.change import Commit, Record, encode_entity
from graph.entity import Entity


class Filing(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The net effect of consecutive commits on what a store keeps; each id is in exactly one of the two live parts and in
    at most one of the two filed ones."""

    live: dict[str, Entity]
    """Live entities as they are after the commits, by id, in the order of their first change."""
    gone: dict[str, str]
    """Ids that are not among the live entities after the commits, with their kinds. They need not have been before."""
    records: dict[str, Record]
    """Filed records to put, by id; one that exists is replaced."""
    records_gone: dict[str, str]
    """Ids of filed records to remove, with their collections."""


def is_filed(entity: Entity) -> bool:
    """Whether this value is kept as a filed record and not among the live entities.

    Either its kind is filed, or it has come to an end: only kinds that end have `ended`.
    """
    return entity.SPEC.filed or bool(getattr(entity, "ended", False))


def record_of(entity: Entity) -> Record:
    """The filed record of an entity: its collection is the kind's name, its body the entity as JSON."""
    subject = getattr(entity, "deployment_id", None) or getattr(entity, "subject_id", None)
    return Record(
        collection=entity.SPEC.name,
        id=entity.id,
        tenant_id=getattr(entity, "tenant_id", None),
        subject_id=subject,
        at=entity.created_at,
        body=msgspec.Raw(encode_entity(entity)),
    )


def filing(commits: Iterable[Commit]) -> Filing:
    """The net effect of consecutive commits on a store's live entities and filed records."""
    live: dict[str, Entity] = {}
    gone: dict[str, str] = {}
    filed: dict[str, Entity] = {}
    unfiled: dict[str, str] = {}
    for commit in commits:
        for change in commit.changes:
            key, after, before = change.id, change.after, change.before
            if after is not None and not is_filed(after):
                live[key] = after
                gone.pop(key, None)
            else:
                live.pop(key, None)
                if not change.value.SPEC.filed:
                    gone[key] = change.kind
            if after is not None and is_filed(after):
                filed[key] = after
                unfiled.pop(key, None)
            elif before is not None and is_filed(before):
                filed.pop(key, None)
                unfiled[key] = change.kind
    return Filing(
        live=live,
        gone=gone,
        records={key: record_of(entity) for key, entity in filed.items()},
        records_gone=unfiled,
    )
