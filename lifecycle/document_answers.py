"""What an applied set is answered with, now and when the same idempotency key comes again.

An answer is kept as JSON with its first outcomes and all of its counts: a set of 100,000 documents would make the key's
record as large as the set.
"""

from __future__ import annotations

import msgspec

from graph.applying import Action, Outcome
from graph.change import decode_entity
from graph.kinds import Operation

MOST_OUTCOMES = 2_000
"""Outcomes that an answer shows, and that an idempotency key keeps."""
_WEIGHT = {Action.REFUSED: 0, Action.DELETED: 1, Action.CREATED: 2, Action.UPDATED: 3, Action.UNCHANGED: 4}


class Applied(msgspec.Struct, kw_only=True):
    """What became of a set."""

    applied: bool
    """False for a dry run and for a set with refused documents: nothing was changed then."""
    outcomes: list[Outcome]
    """Of all; of an answer that is repeated, of those that `shown` gives."""
    revision: int
    operation: Operation | None = None
    """The operation that applies it, when one commit cannot hold it."""
    counts: dict[Action, int] | None = None
    """Of an answer that is repeated: how many came to what."""

    def count(self, action: Action) -> int:
        """How many came to this."""
        if self.counts is not None:
            return self.counts.get(action, 0)
        return sum(1 for one in self.outcomes if one.action is action)

    @property
    def shown(self) -> list[Outcome]:
        """What is worth showing: refusals first, then deletions and changes, at most MOST_OUTCOMES."""
        return sorted(self.outcomes, key=lambda one: _WEIGHT[one.action])[:MOST_OUTCOMES]


class _KeptOutcome(msgspec.Struct):
    kind: str
    name: str
    where: str
    action: Action
    id: str | None
    changed: list[str]


class _Kept(msgspec.Struct):
    """An answer in which nothing was refused."""

    outcomes: list[_KeptOutcome]
    counts: dict[str, int]
    revision: int
    operation: msgspec.Raw


def kept(applied: Applied) -> bytes:
    """An answer as an idempotency key keeps it."""
    shown = [_KeptOutcome(one.kind, one.name, one.where, one.action, one.id, one.changed) for one in applied.shown]
    return msgspec.json.encode(
        _Kept(
            outcomes=shown,
            counts={action.name: applied.count(action) for action in Action},
            revision=applied.revision,
            operation=msgspec.Raw(msgspec.json.encode(applied.operation)),
        )
    )


def again(body: bytes) -> Applied:
    """The answer as it was given the first time."""
    found = msgspec.json.decode(body, type=_Kept)
    operation = None if bytes(found.operation) == b"null" else decode_entity("Operation", found.operation)
    assert operation is None or isinstance(operation, Operation)
    return Applied(
        applied=True,
        outcomes=[
            Outcome(kind=one.kind, name=one.name, where=one.where, action=one.action, id=one.id, changed=one.changed)
            for one in found.outcomes
        ],
        revision=found.revision,
        operation=operation,
        counts={Action[name]: count for name, count in found.counts.items()},
    )
