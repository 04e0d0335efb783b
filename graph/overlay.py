"""Changes laid over a graph: read through them, it is the graph as they leave it.

What is below is the view or another overlay, and is not changed. Most changes are never asked for a list of what they have
changed, so what they do to the indexes is worked out when somebody asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from graph.change import Change
from graph.entity import KINDS, Entity, Named, kind_by_id
from graph.postings import external_key, moved
from graph.view import Reader

_Entry = tuple[str, str | None, str | None]
"""A kind, a field and a value; or a kind alone."""


class Base(Reader, Protocol):
    """What changes are laid over: the view, or other changes."""

    @property
    def counters(self) -> Mapping[str, int]:
        """High-water marks by key."""
        ...

    def dependents(self, entity_id: str) -> Iterator[tuple[str, str, str]]:
        """(kind, field, id) of every entity that refers to this one."""
        ...


class Overlay:
    """A `Base` with changes over it."""

    def __init__(self, base: Base) -> None:
        self.base = base
        self.counters: dict[str, int] = Counters(base.counters)
        self._changes: dict[str, Change] = {}
        self._names: dict[tuple[str, str, str], str | None] = {}
        self._external: dict[tuple[str, str, str], str | None] = {}
        self._added: dict[_Entry, dict[str, None]] = {}
        self._removed: dict[_Entry, set[str]] = {}
        self._unindexed: dict[str, list[tuple[Entity | None, Entity | None]]] = {}
        """Values before and after by kind, in order, that `_added` and `_removed` do not tell of yet."""

    @property
    def revision(self) -> int:
        """The revision of the head that the changes are laid over."""
        return self.base.revision

    @property
    def epoch(self) -> str:
        """The graph's epoch."""
        return self.base.epoch

    @property
    def size(self) -> int:
        """How many entities were changed so far."""
        return len(self._changes)

    @property
    def changes(self) -> list[Change]:
        """The changes so far, in order; what was made and deleted within them is left out."""
        return [one for one in self._changes.values() if one.before is not one.after]

    @property
    def raised_counters(self) -> dict[str, int]:
        """The counters that were raised here."""
        return dict(self.counters)

    def get(self, entity_id: str) -> Entity | None:
        """The entity with this id as the changes leave it."""
        change = self._changes.get(entity_id)
        return self.base.get(entity_id) if change is None else change.after

    def find(self, kind: str, name: str, scope: str = "") -> Entity | None:
        """The entity of a named kind by its name within a scope."""
        key = (kind, scope, name)
        if key in self._names:
            found = self._names[key]
            return None if found is None else self.get(found)
        return self.base.find(kind, name, scope)

    def find_external(self, system: str, external_id: str, tenant_id: str | None = None) -> Entity | None:
        """The entity that has this external id among those of a tenant, or among those of none."""
        key = (tenant_id or "", system, external_id)
        if key in self._external:
            found = self._external[key]
            return None if found is None else self.get(found)
        return self.base.find_external(system, external_id, tenant_id)

    def ids(self, kind: str, field: str | None = None, value: str | None = None) -> Sequence[str]:
        """Ids in ascending order, as `Reader.ids`."""
        base = self.base.ids(kind, field, value)
        if not self._changes:
            return base
        if field is not None and value is None:
            value = ""
        if kind in self._unindexed:
            self._index(kind)
        key = (kind, field, value)
        added, removed = self._added.get(key), self._removed.get(key)
        if not added and not removed:
            return base
        merged = [one for one in base if one not in removed] if removed else list(base)
        if added:
            merged.extend(added)
            merged.sort()
        return merged

    def ids_by_name(self, kind: str) -> Sequence[str]:
        """All ids of a named kind, ordered by name, then id."""
        if not any(change.kind == kind for change in self._changes.values()):
            return self.base.ids_by_name(kind)
        named = [(entity.name, one) for one in self.ids(kind) if isinstance(entity := self.get(one), Named)]
        return [one for _, one in sorted(named)]

    def count(self, kind: str, field: str | None = None, value: str | None = None) -> int:
        """How many `ids` would give."""
        if kind in self._unindexed:
            self._index(kind)
        key = (kind, field, "" if field is not None and value is None else value)
        return self.base.count(kind, field, value) + len(self._added.get(key, ())) - len(self._removed.get(key, ()))

    def dependents(self, entity_id: str) -> Iterator[tuple[str, str, str]]:
        """(kind, field, id) of every entity that refers to this one."""
        target = kind_by_id(entity_id)
        for kind in KINDS.values():
            for field in kind.refs:
                if target is not None and field.ref is not None and target.name not in field.ref.kinds:
                    continue
                for referrer in self.ids(kind.name, field.name, entity_id):
                    yield kind.name, field.name, referrer

    def lay(self, before: Entity | None, after: Entity | None) -> None:
        """Lays the change of one entity over what is there. At least one of both is given."""
        value = after if after is not None else before
        assert value is not None, "a change has at least one value"
        kind, entity_id = value.SPEC.name, value.id
        earlier = self._changes.get(entity_id)
        first = before if earlier is None else earlier.before
        self._changes[entity_id] = Change(kind, entity_id, first, after)
        for entity, owner in ((before, None), (after, entity_id)):
            if entity is None:
                continue
            # What is given up may be another's by now: of two that swap their names the second gives up the first's new one.
            if isinstance(entity, Named):
                name_key = (kind, entity.SPEC.scope_of(entity), entity.name)
                if owner is not None or self._names.get(name_key, entity_id) == entity_id:
                    self._names[name_key] = owner
            if entity.external is not None:
                key = external_key(entity, entity.external)
                if owner is not None or self._external.get(key, entity_id) == entity_id:
                    self._external[key] = owner
        self._unindexed.setdefault(kind, []).append((before, after))

    def _index(self, kind: str) -> None:
        """Brings `_added` and `_removed` of a kind up to the changes made so far."""
        spec = KINDS[kind]
        for before, after in self._unindexed.pop(kind):
            left, come = moved(spec, before, after)
            if before is not None:
                for field, value in left:
                    self._drop((kind, field, value), before.id)
                if after is None:
                    self._drop((kind, None, None), before.id)
            if after is not None:
                for field, value in come:
                    self._add((kind, field, value), after.id)
                if before is None:
                    self._add((kind, None, None), after.id)

    def _add(self, key: _Entry, entity_id: str) -> None:
        removed = self._removed.get(key)
        if removed is not None and entity_id in removed:
            removed.discard(entity_id)
        else:
            self._added.setdefault(key, {})[entity_id] = None

    def _drop(self, key: _Entry, entity_id: str) -> None:
        added = self._added.get(key)
        if added is not None and entity_id in added:
            del added[entity_id]
        else:
            self._removed.setdefault(key, set()).add(entity_id)


class Counters(dict[str, int]):
    """Counters over those of the base: `get` falls through, what is set stays here."""

    def __init__(self, base: Mapping[str, int]) -> None:
        super().__init__()
        self._base = base

    def get(self, key: str, default: Any = None) -> Any:
        """The counter here, or else in the base."""
        if key in self:
            return self[key]
        return self._base.get(key, default)
