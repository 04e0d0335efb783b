"""What a filter asks of an entity, as values: evaluated one entity at a time, and narrowed by the view's indexes first.

The API's filter inputs, `entities`, and the filters of subscriptions all become conditions, so that a list and a live feed
of the same filter can never disagree.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from graph.entity import Entity
from graph.view import NOTHING, Reader, index_text


class Condition(Protocol):
    """One question about an entity of a kind."""

    def holds(self, entity: Entity) -> bool:
        """Whether the entity satisfies it."""
        ...

    def candidates(self, reader: Reader, kind: str) -> Sequence[str] | None:
        """Ids, ascending, among which all that satisfy it are; None when no index narrows it."""
        ...


class All:
    """Every one of several conditions; of none, everything."""

    __slots__ = ("parts",)

    def __init__(self, parts: Sequence[Condition]) -> None:
        self.parts = parts

    def holds(self, entity: Entity) -> bool:
        """Whether every part holds."""
        return all(part.holds(entity) for part in self.parts)

    def candidates(self, reader: Reader, kind: str) -> Sequence[str] | None:
        """The shortest of what the parts narrow it to."""
        best: Sequence[str] | None = None
        for part in self.parts:
            found = part.candidates(reader, kind)
            if found is not None and (best is None or len(found) < len(best)):
                best = found
        return best


class AnyOf:
    """At least one of several conditions; of none, nothing."""

    __slots__ = ("parts",)

    def __init__(self, parts: Sequence[Condition]) -> None:
        self.parts = parts

    def holds(self, entity: Entity) -> bool:
        """Whether one part holds."""
        return any(part.holds(entity) for part in self.parts)

    def candidates(self, reader: Reader, kind: str) -> Sequence[str] | None:
        """All that any part narrows to, when every part narrows."""
        united: set[str] = set()
        for part in self.parts:
            found = part.candidates(reader, kind)
            if found is None:
                return None
            united.update(found)
        return sorted(united)


class Not:
    """The opposite of a condition."""

    __slots__ = ("part",)

    def __init__(self, part: Condition) -> None:
        self.part = part

    def holds(self, entity: Entity) -> bool:
        """Whether the part does not hold."""
        return not self.part.holds(entity)

    def candidates(self, reader: Reader, kind: str) -> Sequence[str] | None:
        """No index says what something is not."""
        return None


class Equals:
    """A field has one of some values; answered from the field's index when it has one."""

    __slots__ = ("field", "indexed", "values")

    def __init__(self, field: str, values: Sequence[Any], *, indexed: bool) -> None:
        self.field = field
        self.values = values
        self.indexed = indexed

    def holds(self, entity: Entity) -> bool:
        """Whether the field's value, or one of them where it has several, is among the values."""
        value = getattr(entity, self.field)
        if isinstance(value, (list, dict)):
            return any(one in value for one in self.values)
        return value in self.values

    @property
    def exact(self) -> bool:
        """Whether its candidates are just those that satisfy it, so that none need be asked."""
        return self.indexed and not any(value is None or value == "" for value in self.values)

    def candidates(self, reader: Reader, kind: str) -> Sequence[str] | None:
        """The index's entry for the value, or the union of several; None where null is asked for."""
        if not self.indexed or any(value is None or value == "" for value in self.values):
            return None
        if len(self.values) == 1:
            return reader.ids(kind, self.field, index_text(self.values[0]))
        united: set[str] = set()
        for value in self.values:
            united.update(reader.ids(kind, self.field, index_text(value)))
        return sorted(united)


class NameIs:
    """The name is one of some names, in any scope; answered from the order by name."""

    __slots__ = ("names",)

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names

    def holds(self, entity: Entity) -> bool:
        """Whether its name is among them."""
        return getattr(entity, "name", None) in self.names

    def candidates(self, reader: Reader, kind: str) -> Sequence[str] | None:
        """Those of these names: one stretch of the order by name for each."""
        ids = reader.ids_by_name(kind)
        found: list[str] = []
        for name in set(self.names):
            at = bisect_left(ids, name, key=lambda one: getattr(reader.get(one), "name", ""))
            while at < len(ids) and getattr(reader.get(ids[at]), "name", None) == name:
                found.append(ids[at])
                at += 1
        return sorted(found)


class Test:
    """Any question, given as a function; no index narrows it."""

    __slots__ = ("function",)
    __test__ = False

    def __init__(self, function: Callable[[Entity], bool]) -> None:
        self.function = function

    def holds(self, entity: Entity) -> bool:
        """What the function says."""
        return self.function(entity)

    def candidates(self, reader: Reader, kind: str) -> Sequence[str] | None:
        """None: it must be asked of each."""
        return None


class Among:
    """The entity is one of these; for what another index found, such as a label selector or places nearby."""

    __slots__ = ("find", "holds_")

    def __init__(self, find: Callable[[Reader, str], Sequence[str] | None], holds: Callable[[Entity], bool]) -> None:
        self.find = find
        self.holds_ = holds

    def holds(self, entity: Entity) -> bool:
        """Whether it is one of them."""
        return self.holds_(entity)

    def candidates(self, reader: Reader, kind: str) -> Sequence[str] | None:
        """Ids that the other index found."""
        return self.find(reader, kind)


EVERYTHING = All(())
NOTHING_AT_ALL = AnyOf(())

__all__ = [
    "EVERYTHING",
    "NOTHING",
    "NOTHING_AT_ALL",
    "All",
    "Among",
    "AnyOf",
    "Condition",
    "Equals",
    "NameIs",
    "Not",
    "Test",
]
