"""Changes and commits: the ordered list that everything else follows from.

A change holds the whole value before and the whole value after. With both, whoever follows the commits (indexes, the
property graph's relationships, a subscription's filter, a deletion seen by a tenant) needs nothing but the commit itself,
however late it reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from graph.entity import KINDS, Entity

MAX_CHANGES = 5_000
"""The most changes in one commit; larger work is an operation of several commits."""
MAX_COMMIT_BYTES = 8 * 1024 * 1024
"""The most bytes of one commit as it is written to the log."""


class Change(msgspec.Struct, frozen=True, gc=False):
    """One entity's change: created when there is no `before`, deleted when there is no `after`."""

    kind: str
    id: str
    before: Entity | None
    after: Entity | None

    @property
    def value(self) -> Entity:
        """The newest value that there is: after the change, or the last one of a deleted entity."""
        value = self.after if self.after is not None else self.before
        assert value is not None, "a change has at least one value"
        return value


class Record(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A filed record: kept by the store, read by key and page, never resident.

    Pages are by `id`, which is a ULID with a prefix and therefore sorts by time. `body` is JSON of at most a few MiB.
    """

    collection: str
    """What sort of record it is: a filed kind's name, `audit`, `decision`, …"""
    id: str
    tenant_id: str | None
    """Whom it concerns; None: the installation."""
    subject_id: str | None
    """What it is about, for lookups."""
    at: int
    """UTC milliseconds; retention counts from here."""
    body: msgspec.Raw


class IdempotencyRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an idempotency key made the first time."""

    key: str
    """The caller's key under the caller's own scope, so that no caller meets another's."""
    body_digest: str
    """SHA-256 of the request's canonical body."""
    result: msgspec.Raw
    """What the caller was answered, as JSON."""
    revision: int
    at: int


class Commit(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A set of changes that was applied atomically, numbered with the next revision."""

    revision: int
    draft_id: str
    """The id under which it was asked for: sent again, it is not done again."""
    at: int
    """max(the writer's UTC milliseconds, the previous commit's + 1)."""
    author: str
    """The id of who asked for it."""
    action: str
    """What was asked, such as `createSite`."""
    changes: list[Change]
    counters: dict[str, int] = {}
    """High-water marks that this commit raised, such as the ordinals of a region's sites."""


class _WireChange(msgspec.Struct, gc=False):
    kind: str
    id: str
    before: msgspec.Raw = msgspec.Raw(b"null")
    after: msgspec.Raw = msgspec.Raw(b"null")


class _WireCommit(msgspec.Struct, gc=False):
    revision: int
    draft_id: str
    at: int
    author: str
    action: str
    changes: list[_WireChange]
    counters: dict[str, int] = {}


_encoder = msgspec.json.Encoder()
_commit_decoder = msgspec.json.Decoder(_WireCommit)
_decoders: dict[str, msgspec.json.Decoder[Any]] = {}


def encode_entity(entity: Entity) -> bytes:
    """An entity as JSON, defaults left out."""
    return _encoder.encode(entity)


def decode_entity(kind: str, body: bytes | str | msgspec.Raw) -> Entity:
    """An entity of the named kind from JSON.

    Raises msgspec.ValidationError when the body is not of that kind, KeyError when the kind is not known.
    """
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.json.Decoder(KINDS[kind].type)
    entity: Entity = decoder.decode(body)
    return entity


def encode_commit(commit: Commit) -> bytes:
    """A commit as one JSON document."""
    return _encoder.encode(commit)


def decode_commit(body: bytes | str) -> Commit:
    """A commit from its JSON document. Raises msgspec.ValidationError when it is none."""
    wire = _commit_decoder.decode(body)
    return Commit(
        revision=wire.revision,
        draft_id=wire.draft_id,
        at=wire.at,
        author=wire.author,
        action=wire.action,
        counters=wire.counters,
        changes=[
            Change(
                one.kind,
                one.id,
                None if bytes(one.before) == b"null" else decode_entity(one.kind, one.before),
                None if bytes(one.after) == b"null" else decode_entity(one.kind, one.after),
            )
            for one in wire.changes
        ],
    )


def coalesced(commits: Iterable[Commit]) -> dict[str, Change]:
    """The net change of each entity over consecutive commits, in order of first change.

    An entity that was made and deleted within them is left out.
    """
    net: dict[str, Change] = {}
    for commit in commits:
        for change in commit.changes:
            earlier = net.get(change.id)
            net[change.id] = change if earlier is None else Change(change.kind, change.id, earlier.before, change.after)
    return {key: change for key, change in net.items() if change.before is not None or change.after is not None}


def total_changes(commits: Sequence[Commit]) -> int:
    """How many changes the commits have together."""
    return sum(len(commit.changes) for commit in commits)
