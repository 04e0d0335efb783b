"""`changes`: every change of the kinds and by the filter that a subscriber asks for, in order, resumable.

A filter decides with the value before and the value after: what begins to match is ADDED, what ceases to is DELETED, so a
client that keeps what it is told always has just what matches.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any

import msgspec
import strawberry

from access.permissions import Permission, declare_root, declare_value_types
from graph.change import Change, Commit, coalesced
from graph.conditions import Equals
from graph.entity import KINDS, Entity, SourceKind
from resolvers.context import Context
from resolvers.live import LiveEvent, as_stream
from resolvers.subscriptions.resuming import GraphQuery, parts
from schema.filters import label_condition
from schema.results import EPOCH, Payload
from schema.vocabulary import Member, described_enum, enum_type, input_type, object_type, subscription_field, union_type

UNSET = strawberry.UNSET


class ChangeType(enum.Enum):
    """What a change is to the subscriber."""

    ADDED = "ADDED"
    """It is new to the subscriber: made, or seen from now on."""
    MODIFIED = "MODIFIED"
    """It was changed."""
    DELETED = "DELETED"
    """It is gone for the subscriber: deleted, or not seen any more."""


class EntityChange(msgspec.Struct, frozen=True):
    """One entity's change as the schema shows it."""

    type: ChangeType
    kind: str
    id: str
    entity: Entity | None


class ChangesQuery(GraphQuery):
    """The live query of `changes`."""

    def __init__(self, context: Context, *, kinds: Any, filter: Any, after: Any, max_rate_hz: float) -> None:
        super().__init__(context, after=after, max_rate_hz=max_rate_hz)
        self._kinds = frozenset(one.value for one in kinds) if kinds not in (UNSET, None) else frozenset(KINDS)
        self._conditions = [] if filter in (UNSET, None) else _conditions(filter)
        self.key = ("changes",)

    def snapshot(self) -> tuple[object | None, int]:
        """Nothing: it begins from now, and the server's first heartbeat tells where that is."""
        return None, self.services.ledger.view.revision

    def delta(self, commits: Sequence[Commit], *, follows: int) -> Sequence[LiveEvent]:
        """The changes of these commits that the group may see and asked for."""
        events: list[LiveEvent] = []
        for part in parts(commits):
            shown = [one for change in coalesced(part).values() if (one := self._shown(change)) is not None]
            revision = part[-1].revision
            if shown:
                event = Payload(
                    "ChangeSet",
                    revision=revision,
                    follows=follows,
                    epoch=self.epoch,
                    cursor=self.cursor(revision),
                    changes=shown,
                    at=part[-1].at,
                )
                events.append((event, revision))
                follows = revision
        return events

    def heartbeat(self, revision: int) -> object | None:
        """Complete up to a revision."""
        return Payload("ChangeHeartbeat", revision=revision, epoch=self.epoch, cursor=self.cursor(revision))

    def resync(self, reason: str, *, revision: int) -> object | None:
        """Begin anew: read what you need, then go on from the cursor."""
        cursor = self.cursor(revision)
        return Payload("ChangeResync", reason=reason, revision=revision, epoch=self.epoch, cursor=cursor)

    def _shown(self, change: Change) -> EntityChange | None:
        if change.kind not in self._kinds:
            return None
        before, after = self._matching(change.before), self._matching(change.after)
        if after is not None:
            kind = ChangeType.MODIFIED if before is not None else ChangeType.ADDED
            return EntityChange(kind, change.kind, change.id, after)
        if before is not None:
            return EntityChange(ChangeType.DELETED, change.kind, change.id, None)
        return None

    def _matching(self, entity: Entity | None) -> Entity | None:
        shown = self.view.shown(entity) if entity is not None else None
        if shown is None or not all(one.holds(shown) for one in self._conditions):
            return None
        return shown


def _conditions(given: Any) -> list[Any]:
    found: list[Any] = []
    if given.ids not in (UNSET, None):
        found.append(Equals("id", list(given.ids), indexed=False))
    if given.labels not in (UNSET, None):
        found.append(label_condition(given.labels, path="filter.labels"))
    if given.source_kind not in (UNSET, None):
        found.append(_BySource(given.source_kind))
    if given.tenant not in (UNSET, None):
        found.append(_ByTenant(given.tenant))
    return found


class _BySource:
    def __init__(self, kind: SourceKind) -> None:
        self._kind = kind

    def holds(self, entity: Entity) -> bool:
        return entity.source.kind is self._kind


class _ByTenant:
    def __init__(self, tenant_id: str) -> None:
        self._tenant_id = tenant_id

    def holds(self, entity: Entity) -> bool:
        return getattr(entity, "tenant_id", None) == self._tenant_id


def changes_field() -> Member:
    """The subscription field and its types."""
    kinds = enum.Enum("EntityKind", {name: name for name in KINDS})  # type: ignore[misc]  # the kinds, known at run time
    described_enum(
        kinds, description="The kinds of entities.", members={name: one.description for name, one in KINDS.items()}
    )
    input_type(
        "ChangeFilter",
        {
            "ids": ("Optional[list[ID]]", strawberry.field(description="Only these entities.", default=UNSET)),
            "labels": ("Optional[str]", strawberry.field(description="A label selector.", default=UNSET)),
            "source_kind": (
                f"Optional[{enum_type(SourceKind)}]",
                strawberry.field(description="Only what such a source made.", default=UNSET),
            ),
            "tenant": (
                "Optional[ID]",
                strawberry.field(description="Only what belongs to this tenant.", default=UNSET),
            ),
        },
        description="Which changes: all of what is given must hold.",
    )
    object_type(
        "EntityChange",
        {
            "type": (enum_type(ChangeType), strawberry.field(description="What it is to you.")),
            "kind": ("EntityKind", strawberry.field(description="The entity's kind.")),
            "id": ("ID", strawberry.field(description="The entity's id.")),
            "entity": ("Optional[Entity]", strawberry.field(description="Its whole new value; null when it is gone.")),
        },
        description="A change of one entity.",
    )
    at = {
        "revision": ("BigInt", strawberry.field(description="Complete up to this revision.")),
        "epoch": EPOCH,
        "cursor": ("str", strawberry.field(description="Give it as `after` to resume from here.")),
    }
    object_type(
        "ChangeSet",
        {
            **at,
            "follows": ("BigInt", strawberry.field(description="It holds all changes after this revision.")),
            "at": ("DateTime", strawberry.field(description="When the last of them was committed.")),
            "changes": ("list[EntityChange]", strawberry.field(description="The changes, each entity once.")),
        },
        description="Changes of one or several commits, never part of one.",
    )
    object_type("ChangeHeartbeat", dict(at), description="Nothing for you up to this revision; the stream is alive.")
    object_type(
        "ChangeResync",
        {**at, "reason": ("str", strawberry.field(description="Why."))},
        description="The cursor could not be resumed from: read anew what you keep; what follows goes on from here.",
    )
    union_type(
        "ChangeEvent", ("ChangeSet", "ChangeHeartbeat", "ChangeResync"), description="An event of the feed of changes."
    )
    declare_value_types("EntityChange", "ChangeSet", "ChangeHeartbeat", "ChangeResync")
    declare_root("Subscription", "changes", Permission.SIGNED_IN)

    async def subscribe(source: Any, info: Any, **arguments: Any) -> Any:
        return as_stream(ChangesQuery(info.context, **arguments))

    return (
        None,
        subscription_field(
            subscribe,
            yields="ChangeEvent",
            description="Every change that you may see, in order; begins from now, or after a cursor.",
            arguments={
                "kinds": ("Optional[list[EntityKind]]", UNSET, "Only these kinds."),
                "filter": ("Optional[ChangeFilter]", UNSET, "Only these changes."),
                "after": ("Optional[str]", UNSET, "Resume after this cursor."),
                "max_rate_hz": ("float", 10.0, "At most so many events a second; changes between are joined."),
            },
        ),
    )
