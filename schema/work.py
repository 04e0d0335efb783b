"""What one request may have the server look at, counted while it is answered.

The cost of a query (`server/cost.py`) is how much it may answer, known beforehand. How much must be looked at for that
cannot be known from the document: a filter that no index answers looks at every entity of a kind to find none, and does so
again in each alias of it. All of that runs on the event loop that serves everybody, so each request has one budget for
it, in evaluations of one term for one entity (some 0.5 us each).
"""

from __future__ import annotations

from collections.abc import Sequence

from graph.conditions import EVERYTHING, Condition, Narrowing, narrowing_of
from graph.entity import Entity
from graph.refusal import LimitExceeded
from graph.view import Reader

MAX_WORK = 5_000_000
"""Of one request: 20 filters of two terms each over 100,000 entities, and a second or two of one processor."""
SEARCHED_SHARE = 4
"""Making a list from an index takes so many times less than asking each entity."""


class Work:
    """A request's budget."""

    __slots__ = ("_left",)

    def __init__(self, most: int = MAX_WORK) -> None:
        self._left = most

    @property
    def left(self) -> int:
        """How many evaluations there still are."""
        return max(self._left, 0)

    def spend(self, amount: int, *, path: str) -> None:
        """Takes so many evaluations out of it. Raises LimitExceeded when there are no more."""
        self._left -= amount
        if self._left < 0:
            raise LimitExceeded(
                "the request would look at too much",
                remedy="filter by id, name, label, a reference or another indexed field, or ask in several requests",
                path=path,
            )


class Metered:
    """A condition that is paid for: each entity that is asked costs `terms`."""

    __slots__ = ("_part", "_path", "_terms", "_work")

    def __init__(self, part: Condition, *, terms: int, work: Work, path: str) -> None:
        self._part = part
        self._terms = terms
        self._work = work
        self._path = path

    def holds(self, entity: Entity) -> bool:
        """What the condition says."""
        self._work.spend(self._terms, path=self._path)
        return self._part.holds(entity)

    def candidates(self, reader: Reader, kind: str) -> Sequence[str] | None:
        """What the condition narrows to."""
        return self._part.candidates(reader, kind)

    def narrowing(self, reader: Reader, kind: str) -> Narrowing | None:
        """The condition's own, of which what is still to be asked is paid for."""
        found = narrowing_of(self._part, reader, kind)
        if found is None or found.rest is EVERYTHING:
            return found
        return found._replace(rest=Metered(found.rest, terms=self._terms, work=self._work, path=self._path))


class Searched:
    """A condition whose candidates are made anew from long lists of an index: looking for them is paid for."""

    __slots__ = ("_part", "_path", "_work", "holds")

    def __init__(self, part: Condition, *, work: Work, path: str) -> None:
        self._part = part
        self._work = work
        self._path = path
        self.holds = part.holds

    def candidates(self, reader: Reader, kind: str) -> Sequence[str] | None:
        """What the condition narrows to."""
        self._work.spend(reader.count(kind) // SEARCHED_SHARE, path=self._path)
        return self._part.candidates(reader, kind)

    def narrowing(self, reader: Reader, kind: str) -> Narrowing | None:
        """The condition's own."""
        return narrowing_of(self._part, reader, kind)
