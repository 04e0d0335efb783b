"""What was done to a simulated cluster, by whom and in which order: what fault tests prove their promises with.

A lifecycle that applies something twice, or an older state over a newer one, can end in the right state all the same.
So the backend itself writes down every call that reached it and what came of it. What changed something is in the
journal with the change, and so survives the process; what changed nothing is kept in memory only, for it may come
without end.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Iterator
from typing import Protocol

import msgspec

EFFECTS_KEPT = 50_000
"""Effects beyond so many push out the oldest, unless more are asked for."""


class Outcome(enum.Enum):
    """What came of a call."""

    DONE = "DONE"
    """It changed something."""
    NOTHING = "NOTHING"
    """All was as asked already."""
    REFUSED = "REFUSED"
    """The fence, a quota or the object's owner forbade it."""


class Effect(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """One call's effect, or that of somebody's hand."""

    number: int
    """Rises with each one, over restarts too."""
    at_ms: int
    """UTC milliseconds by the backend's clock."""
    what: str
    """`applied`, `removed`; by hand: `vanished`, `changed`, `made`, `crashed`."""
    outcome: Outcome
    name: str
    by: str = ""
    """The connection that called; empty for one inside the server, `hand` for a hand."""
    owner: str = ""
    site_id: str = ""
    generation: int = 0
    replicas: int = 0
    """How many it asked for; of a hand's, how many were left. None of what goes."""
    reason: str = ""
    """Why it was refused."""


class Subject(Protocol):
    """What an effect was of: a work, or an object."""

    @property
    def name(self) -> str:
        """The object's name."""
        ...

    @property
    def owner(self) -> str:
        """Whose it is."""
        ...

    @property
    def site_id(self) -> str:
        """Where."""
        ...

    @property
    def generation(self) -> int:
        """Of the object, or of the wish."""
        ...


class EffectLog:
    """The last effects in their order, so many at most."""

    def __init__(self, kept: int) -> None:
        self._effects: deque[Effect] = deque(maxlen=kept)
        self.pushed_out = 0
        """The number of the last one that was pushed out; 0: none was."""
        self._number = 0

    def begin(self, number: int) -> None:
        """Numbers what comes from here on; the number is above all that came before."""
        self._number = number

    def note(
        self,
        what: str,
        subject: Subject,
        *,
        now: int,
        by: str,
        replicas: int = 0,
        outcome: Outcome = Outcome.DONE,
        reason: str = "",
    ) -> Effect:
        """Writes down what came of a call just now; `replicas` are those that it asked for."""
        self._number += 1
        effect = Effect(
            number=self._number,
            at_ms=now,
            what=what,
            outcome=outcome,
            name=subject.name,
            by=by,
            owner=subject.owner,
            site_id=subject.site_id,
            generation=subject.generation,
            replicas=replicas,
            reason=reason,
        )
        self.add(effect)
        return effect

    def add(self, effect: Effect) -> None:
        """Takes one of an earlier life in; its number is above all others."""
        if len(self._effects) == self._effects.maxlen:
            self.pushed_out = self._effects[0].number
        self._effects.append(effect)

    def after(self, number: int) -> Iterator[Effect]:
        """Those above a number, oldest first. Costs as much as there are."""
        newer = []
        for one in reversed(self._effects):
            if one.number <= number:
                break
            newer.append(one)
        return reversed(newer)

    def lasting(self) -> Iterator[Effect]:
        """Those that changed something, oldest first."""
        return (one for one in self._effects if one.outcome is Outcome.DONE)
