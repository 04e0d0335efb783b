"""Whether a field has a value: the filter of fields that have no operators of their own to ask it with.

A reference is filtered by a bare id and a position by what is near, so neither leaves room for `isNull`; each optional
one has `<field>IsNull` beside it. A reference to what the caller may not see is none to that caller, as the relation shows
it. Null has no entry in an index: those that have a value are found by the entities that they refer to, and those that
have none are the others.
"""

from __future__ import annotations

from collections.abc import Sequence

from graph.conditions import Narrowing
from graph.entity import Entity, Field
from graph.view import Reader

SUFFIX = "_is_null"
MAX_MERGED = 256
"""Entries of an index that are merged into one order; with more the whole kind is walked."""
FEWER = 4
"""The index is asked when it has so many times fewer targets than the kind has entities."""


class HasNone:
    """A field has no value, or with `wanted` false has one, as `reader` shows what it refers to."""

    __slots__ = ("_field", "_reader", "_wanted")

    def __init__(self, field: Field, *, wanted: bool, reader: Reader) -> None:
        self._field = field
        self._wanted = wanted
        self._reader = reader

    def holds(self, entity: Entity) -> bool:
        """Whether it is as is wanted."""
        value = getattr(entity, self._field.name)
        missing = value is None or (self._field.ref is not None and self._reader.get(value) is None)
        return missing is self._wanted

    def candidates(self, reader: Reader, kind: str) -> Sequence[str] | None:
        """Those that refer to something, or all others; None where that is not shorter or the field is no reference."""
        targets = self._targets(reader, kind)
        if targets is None:
            return None
        name, every = self._field.name, reader.count(kind)
        if sum(reader.count(kind, name, one) for one in targets) * 2 < every:
            if self._wanted:
                return None
        elif not self._wanted:
            return None
        present: set[str] = set()
        for one in targets:
            present.update(reader.ids(kind, name, one))
        return [one for one in reader.ids(kind) if one not in present] if self._wanted else sorted(present)

    def narrowing(self, reader: Reader, kind: str) -> Narrowing | None:
        """The index's entries for all that can be referred to, where those that refer are wanted."""
        if self._wanted:
            return None
        targets = self._targets(reader, kind)
        if targets is None:
            return None
        name = self._field.name
        entries = [(name, one) for one in targets if reader.count(kind, name, one)]
        return Narrowing(self, entries) if len(entries) <= MAX_MERGED else None

    def _targets(self, reader: Reader, kind: str) -> Sequence[str] | None:
        """All that the field can refer to; None when looking each up would cost what looking at the kind costs."""
        ref = self._field.ref
        if ref is None or sum(reader.count(one) for one in ref.kinds) * FEWER > reader.count(kind):
            return None
        return [one for target in ref.kinds for one in reader.ids(target)]
