"""What a filter asks of an entity, as values: evaluated one entity at a time, and narrowed by the view's indexes first.

The API's filter inputs, `entities`, and the filters of subscriptions all become conditions, so that a list and a live feed
of the same filter can never disagree.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from graph.entity import Entity
from graph.postings import index_text
from graph.selectors import LabelSelector, entries_matching, ids_matching, matches
from graph.view import NOTHING, Reader

FEW = 16
"""So many are asked sooner than an index is looked at for a shorter list."""


class Narrowing(NamedTuple):
    """Where all that satisfy a condition are, so that a page of them can be walked in the order of names."""

    rest: Condition
    """What must still be asked of each."""
    entries: Sequence[tuple[str, str]] = ()
    """Entries of indexes: fields and values, as `Reader.ids` takes them."""
    stretches: Sequence[tuple[int, int]] = ()
    """Stretches of the order by name: where each begins and ends."""

    def size(self, reader: Reader, kind: str) -> int:
        """How many are there, those that are in two entries counted twice."""
        count = reader.count
        return sum(end - begin for begin, end in self.stretches) + sum(
            count(kind, field, value) for field, value in self.entries
        )


class Condition(Protocol):
    """One question about an entity of a kind."""

    def holds(self, entity: Entity) -> bool:
        """Whether the entity satisfies it."""
        ...

    def candidates(self, reader: Reader, kind: str) -> Sequence[str] | None:
        """Ids, ascending, among which all that satisfy it are; None when no index narrows it."""
        ...


def narrowing_of(condition: Condition, reader: Reader, kind: str) -> Narrowing | None:
    """The condition's narrowing in the order of names; None when it has none, though it may have candidates."""
    ask = getattr(condition, "narrowing", None)
    found: Narrowing | None = ask(reader, kind) if ask is not None else None
    return found


class All:
    """Every one of several conditions; of none, everything."""

    __slots__ = ("parts",)

    def __init__(self, parts: Sequence[Condition]) -> None:
        self.parts = parts

    def holds(self, entity: Entity) -> bool:
        """Whether every part holds."""
        for part in self.parts:  # noqa: SIM110 - a generator for `all` would take as long as two of them
            if not part.holds(entity):
                return False
        return True

    def candidates(self, reader: Reader, kind: str) -> Sequence[str] | None:
        """The shortest of what the parts narrow it to; the rest is not looked for once there are few."""
        best: Sequence[str] | None = None
        for part in self.parts:
            found = part.candidates(reader, kind)
            if found is not None and (best is None or len(found) < len(best)):
                best = found
                if len(best) <= FEW:
                    break
        return best

    def narrowing(self, reader: Reader, kind: str) -> Narrowing | None:
        """The smallest of the parts' own; the others are asked."""
        found = [(at, one) for at, part in enumerate(self.parts) if (one := narrowing_of(part, reader, kind))]
        if not found:
            return None
        chosen, best = found[0] if len(found) == 1 else min(found, key=lambda one: one[1].size(reader, kind))
        rest = [_unwrapped(part) for at, part in enumerate(self.parts) if at != chosen]
        if best.rest is not EVERYTHING:
            rest.append(best.rest)
        return best._replace(rest=EVERYTHING if not rest else rest[0] if len(rest) == 1 else All(rest))


def _unwrapped(condition: Condition) -> Condition:
    while isinstance(condition, All) and len(condition.parts) == 1:
        condition = condition.parts[0]
    return condition


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

    def narrowing(self, reader: Reader, kind: str) -> Narrowing | None:
        """All that any part narrows to, when every part does by entries."""
        entries: dict[tuple[str, str], None] = {}
        rest: Condition = EVERYTHING
        for part in self.parts:
            found = narrowing_of(part, reader, kind)
            if found is None or found.stretches:
                return None
            entries.update(dict.fromkeys(found.entries))
            if found.rest is not EVERYTHING:
                rest = self
        return Narrowing(rest, tuple(entries))


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

    __slots__ = ("_among", "field", "indexed", "values")

    def __init__(self, field: str, values: Sequence[Any], *, indexed: bool) -> None:
        self.field = field
        self.values = values
        self._among = frozenset(values)
        self.indexed = indexed

    def holds(self, entity: Entity) -> bool:
        """Whether the field's value, or one of them where it has several, is among the values."""
        value = getattr(entity, self.field)
        if type(value) is list or type(value) is dict:
            return any(one in value for one in self.values)
        return value in self._among

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

    def narrowing(self, reader: Reader, kind: str) -> Narrowing | None:
        """The index's entries for the values."""
        if not self.exact:
            return None
        entries = dict.fromkeys((self.field, index_text(value)) for value in self.values)
        return Narrowing(EVERYTHING, tuple(entries))


class NameIs:
    """The name is one of some names, in any scope; answered from the order by name."""

    __slots__ = ("names",)

    def __init__(self, names: Iterable[str]) -> None:
        self.names = frozenset(names)

    def holds(self, entity: Entity) -> bool:
        """Whether its name is among them."""
        return getattr(entity, "name", None) in self.names

    def candidates(self, reader: Reader, kind: str) -> Sequence[str] | None:
        """Those of these names: one stretch of the order by name for each."""
        ids = reader.ids_by_name(kind)
        found: list[str] = []
        for name in self.names:
            at = bisect_left(ids, name, key=lambda one: getattr(reader.get(one), "name", ""))
            while at < len(ids) and getattr(reader.get(ids[at]), "name", None) == name:
                found.append(ids[at])
                at += 1
        return sorted(found)


class Labelled:
    """The labels match a selector; answered from the index of labels."""

    __slots__ = ("selector",)

    def __init__(self, selector: LabelSelector) -> None:
        self.selector = selector

    def holds(self, entity: Entity) -> bool:
        """Whether its labels match."""
        return matches(self.selector, entity.labels)

    def candidates(self, reader: Reader, kind: str) -> Sequence[str] | None:
        """Just those that match."""
        return ids_matching(reader, kind, self.selector)

    def narrowing(self, reader: Reader, kind: str) -> Narrowing | None:
        """The index's entries for the requirement that the fewest meet."""
        entries, all_match = entries_matching(reader, kind, self.selector)
        if not entries:
            return None
        return Narrowing(EVERYTHING if all_match else self, entries)


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
    """The entity is one of these; for what another index found, such as a label selector or places nearby.

    `entries` may say which entries of indexes have just these.
    """

    __slots__ = ("entries", "find", "holds_")

    def __init__(
        self,
        find: Callable[[Reader, str], Sequence[str] | None],
        holds: Callable[[Entity], bool],
        *,
        entries: Callable[[Reader, str], Sequence[tuple[str, str]] | None] | None = None,
    ) -> None:
        self.find = find
        self.holds_ = holds
        self.entries = entries

    def holds(self, entity: Entity) -> bool:
        """Whether it is one of them."""
        return self.holds_(entity)

    def candidates(self, reader: Reader, kind: str) -> Sequence[str] | None:
        """Ids that the other index found."""
        return self.find(reader, kind)

    def narrowing(self, reader: Reader, kind: str) -> Narrowing | None:
        """The entries of indexes that hold them."""
        entries = self.entries(reader, kind) if self.entries is not None else None
        return None if entries is None else Narrowing(EVERYTHING, entries)


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
    "Labelled",
    "NameIs",
    "Narrowing",
    "Not",
    "Test",
    "narrowing_of",
]
