"""The live graph in memory, indexed: what every read is answered from.

One `View` a process follows the commits in order. It is changed on the event loop only, between one read and the next,
and a read does not await; so whoever reads without awaiting sees one revision, and no lock is needed. `Reader` is the part
that the edit of a change under way (graph/edit.py) and the view that a caller may see (access/) have in common with it.

Postings are sorted lists of ids: compact, ordered for keyset pages, and kept by bisection (an insertion into 100,000 moves
some 400 KiB, about 15 us). Complexity: lookups O(1) or O(log n); a commit O(changes x indexes of the kind).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol, TypeVar

from graph.change import Change, Commit
from graph.entity import KINDS, Entity, Kind, Named, kind_by_id
from graph.filing import is_filed
from graph.name_orders import NameOrders
from graph.postings import entries, external_key, insert, moved, remove

E = TypeVar("E", bound=Entity)

Key = tuple[str, str, str]
"""An index entry's address: kind, field (or `label:<key>`), value."""

NOTHING: Sequence[str] = ()


class Reader(Protocol):
    """Reads of the graph at one revision."""

    @property
    def revision(self) -> int:
        """The revision that is read."""
        ...

    @property
    def epoch(self) -> str:
        """The graph's epoch: new after every restore."""
        ...

    def get(self, entity_id: str) -> Entity | None:
        """The entity with this id, or None."""
        ...

    def find(self, kind: str, name: str, scope: str = "") -> Entity | None:
        """The entity of a named kind by its name within a scope (an id, or empty for the whole graph)."""
        ...

    def find_external(self, system: str, external_id: str, tenant_id: str | None = None) -> Entity | None:
        """The entity that has this external id among those of a tenant, or among those of none."""
        ...

    def ids(self, kind: str, field: str | None = None, value: str | None = None) -> Sequence[str]:
        """Ids in ascending order: all of a kind, or those whose indexed or reference field has the value.

        `label:<key>` as the field asks for a label's value, and without a value for the label's existence.
        """
        ...

    def ids_by_name(self, kind: str) -> Sequence[str]:
        """All ids of a named kind, ordered by name, then id."""
        ...

    def count(self, kind: str, field: str | None = None, value: str | None = None) -> int:
        """How many `ids` would give."""
        ...


def get_as(reader: Reader, kind: type[E], entity_id: str | None) -> E | None:
    """The entity if it exists and is of the class."""
    if entity_id is None:
        return None
    found = reader.get(entity_id)
    return found if isinstance(found, kind) else None


def each(reader: Reader, kind: type[E], field: str | None = None, value: str | None = None) -> Iterator[E]:
    """The entities of a class, all or those with a value in an indexed or reference field, by ascending id."""
    for entity_id in reader.ids(kind.__name__, field, value):
        found = reader.get(entity_id)
        if isinstance(found, kind):
            yield found


class Follower(Protocol):
    """What is kept current beside the view, such as a projection into arrays. Its methods are quick and do not raise:
    they run before anyone learns of the commit."""

    def applied(self, commit: Commit) -> None:
        """The view has taken this commit in."""
        ...

    def reloaded(self) -> None:
        """The view was loaded anew: whatever was derived from it is made anew too."""
        ...


class View:
    """The live graph at one revision, kept current by `apply`."""

    def __init__(self) -> None:
        self.revision = 0
        self.epoch = ""
        self.at = 0
        """The newest commit's time, UTC milliseconds."""
        self.stale_since: float | None = None
        """Set while the store is away: when, by the ledger's clock. Reads go on."""
        self.counters: dict[str, int] = {}
        self._entities: dict[str, Entity] = {}
        self._names: dict[tuple[str, str, str], str] = {}
        self._external: dict[tuple[str, str, str], str] = {}
        self._by_id: dict[str, list[str]] = {name: [] for name in KINDS}
        self._by_name: dict[str, list[str]] = {name: [] for name, kind in KINDS.items() if kind.named}
        self._postings: dict[str, dict[str, dict[str, list[str]]]] = {name: {} for name in KINDS}
        self._orders = NameOrders()
        self._followers: list[Follower] = []

    # Reads

    def get(self, entity_id: str) -> Entity | None:
        """The entity with this id, or None."""
        return self._entities.get(entity_id)

    @property
    def lookup(self) -> Callable[[str], Entity | None]:
        """What `get` does, without a call around it: for those who read thousands. It holds as long as the view does."""
        return self._entities.get

    def find(self, kind: str, name: str, scope: str = "") -> Entity | None:
        """The entity of a named kind by its name within a scope."""
        found = self._names.get((kind, scope, name))
        return None if found is None else self._entities[found]

    def find_external(self, system: str, external_id: str, tenant_id: str | None = None) -> Entity | None:
        """The entity that has this external id among those of a tenant, or among those of none."""
        found = self._external.get((tenant_id or "", system, external_id))
        return None if found is None else self._entities[found]

    def ids(self, kind: str, field: str | None = None, value: str | None = None) -> Sequence[str]:
        """Ids in ascending order; the sequence is the index's own and must not be kept across an await."""
        if field is None:
            return self._by_id[kind]
        values = self._postings[kind].get(field)
        if values is None:
            return NOTHING
        return values.get(value or "", NOTHING)

    def ids_by_name(self, kind: str) -> Sequence[str]:
        """All ids of a named kind, ordered by name, then id."""
        return self._by_name[kind]

    def entries_by_name(self, kind: str, entries: Iterable[tuple[str, str]]) -> list[Sequence[str]]:
        """What `ids` gives for fields and values of a named kind, each ordered by name, then id; empty ones left out.

        Kept in that order once it was asked for; the sequences are the index's own.
        """
        postings, everybody = self._postings[kind], self._by_name[kind]
        of, name_key = self._orders.of, self._name_key
        found: list[Sequence[str]] = []
        for field, value in entries:
            values = postings.get(field)
            ids = values.get(value) if values is not None else None
            if ids is not None:
                whole = len(ids) == len(everybody)
                found.append(
                    everybody if whole else of((kind, field, value), ids, everybody=everybody, name_key=name_key)
                )
        return found

    def count(self, kind: str, field: str | None = None, value: str | None = None) -> int:
        """How many `ids` would give."""
        return len(self.ids(kind, field, value))

    def values(self, kind: str, field: str) -> Mapping[str, Sequence[str]]:
        """All values of an indexed field with their ids."""
        return self._postings[kind].get(field, {})

    def dependents(self, entity_id: str) -> Iterator[tuple[str, str, str]]:
        """(kind, field, id) of every entity that refers to this one."""
        target = kind_by_id(entity_id)
        for kind in KINDS.values():
            for field in kind.refs:
                assert field.ref is not None
                if target is not None and target.name not in field.ref.kinds:
                    continue
                for referrer in self.ids(kind.name, field.name, entity_id):
                    yield kind.name, field.name, referrer

    def __len__(self) -> int:
        return len(self._entities)

    # Changes

    def follow(self, follower: Follower) -> Callable[[], None]:
        """Tells `follower` of each commit after it is applied, in order; gives the call that ends it."""
        self._followers.append(follower)
        return lambda: self._followers.remove(follower)

    def become(self, other: View) -> None:
        """Takes over another view's graph, as after a reload: whoever holds this view keeps holding the right one."""
        for name in (
            "revision",
            "epoch",
            "at",
            "counters",
            "_names",
            "_external",
            "_by_id",
            "_by_name",
            "_postings",
            "_orders",
        ):
            setattr(self, name, getattr(other, name))
        self._entities.clear()  # it stays itself, for `lookup`
        self._entities.update(other._entities)
        for follower in self._followers:
            follower.reloaded()

    def load(self, entities: Iterable[Entity]) -> None:
        """Adds entities in bulk without keeping the indexes in order; `loaded` puts them in order once."""
        intern = sys.intern
        store, names, external = self._entities, self._names, self._external
        for entity in entities:
            kind = entity.SPEC
            entity_id = intern(entity.id)
            store[entity_id] = entity
            self._by_id[kind.name].append(entity_id)
            if isinstance(entity, Named):
                names[kind.name, kind.scope_of(entity), entity.name] = entity_id
            if entity.external is not None:
                external[external_key(entity, entity.external)] = entity_id
            postings = self._postings[kind.name]
            for field, value in entries(kind, entity):
                values = postings.get(field)
                if values is None:
                    values = postings[intern(field)] = {}
                ids = values.get(value)
                if ids is None:
                    values[intern(value)] = [entity_id]
                else:
                    ids.append(entity_id)

    def loaded(self, *, revision: int, at: int, epoch: str, counters: Mapping[str, int]) -> None:
        """Ends a bulk load: orders the indexes and sets where the view stands."""
        for ids in self._by_id.values():
            ids.sort()
        for kind, named in self._by_name.items():
            named[:] = sorted(self._by_id[kind], key=self._name_key)
        for fields in self._postings.values():
            for values in fields.values():
                for ids in values.values():
                    ids.sort()
        self.revision, self.at, self.epoch = revision, at, epoch
        self.counters = dict(counters)

    def apply(self, commit: Commit) -> None:
        """Takes the next commit in. Raises ValueError when it is not the next: a gap would never be mended."""
        if commit.revision != self.revision + 1:
            raise ValueError(f"commit {commit.revision} does not follow revision {self.revision}")
        for change in commit.changes:
            self._apply_change(change)
        for key, value in commit.counters.items():
            self.counters[key] = max(value, self.counters.get(key, 0))
        self.revision, self.at = commit.revision, commit.at
        for follower in self._followers:
            follower.applied(commit)

    def replay(self, commit: Commit) -> None:
        """Takes in a commit made while the entities were being read, of which they may already show parts."""
        settled = [
            Change(change.kind, change.id, self._entities.get(change.id), change.after) for change in commit.changes
        ]
        for change in settled:
            self._apply_change(change)
            self._claim(change.id)
        for key, value in commit.counters.items():
            self.counters[key] = max(value, self.counters.get(key, 0))
        self.revision, self.at = commit.revision, commit.at

    def _claim(self, entity_id: str) -> None:
        """Gives an entity its name and external id: what was read at another moment may have been found under them."""
        entity = self._entities.get(entity_id)
        if isinstance(entity, Named):
            kind = entity.SPEC
            self._names[kind.name, kind.scope_of(entity), entity.name] = entity_id
        if entity is not None and entity.external is not None:
            self._external[external_key(entity, entity.external)] = entity_id

    def _apply_change(self, change: Change) -> None:
        kind, entity_id = KINDS[change.kind], change.id
        before = self._entities.get(entity_id)
        after = change.after if change.after is not None and not is_filed(change.after) else None
        renamed = self._renamed(kind, before, after)
        ordered = bool(self._orders) and kind.named
        left, come = moved(kind, before, after)
        if ordered:
            gone = entries(kind, before) if renamed and before is not None else left
            for field, value in gone:
                self._orders.leave((kind.name, field, value), entity_id, name_key=self._name_key)
        if before is not None and renamed:
            self._forget_name(kind, before)
        self._move_external(before, after)
        if after is None:
            if before is None:
                return
            del self._entities[entity_id]
            remove(self._by_id[kind.name], entity_id)
        else:
            self._entities[entity_id] = after
            if before is None:
                insert(self._by_id[kind.name], entity_id)
        if after is not None and renamed:
            self._learn_name(kind, after)
        postings = self._postings[kind.name]
        for field, value in left:
            values = postings[field]
            ids = values[value]
            remove(ids, entity_id)
            if not ids:
                del values[value]
        for field, value in come:
            values = postings.get(field) or postings.setdefault(field, {})
            ids = values.get(value) or values.setdefault(value, [])
            insert(ids, entity_id)
        if ordered:
            made = entries(kind, after) if renamed and after is not None else come
            for field, value in made:
                self._orders.join((kind.name, field, value), entity_id, name_key=self._name_key)

    def _name_key(self, entity_id: str) -> tuple[str, str]:
        entity = self._entities[entity_id]
        assert isinstance(entity, Named)
        return entity.name, entity_id

    @staticmethod
    def _renamed(kind: Kind, before: Entity | None, after: Entity | None) -> bool:
        if not kind.named:
            return False
        if not isinstance(before, Named) or not isinstance(after, Named):
            return True
        return before.name != after.name or kind.scope_of(before) != kind.scope_of(after)

    def _forget_name(self, kind: Kind, entity: Entity) -> None:
        assert isinstance(entity, Named)
        key = (kind.name, kind.scope_of(entity), entity.name)
        if self._names.get(key) == entity.id:
            del self._names[key]
        ids = self._by_name[kind.name]
        del ids[self._place(ids, entity)]

    def _place(self, ids: list[str], entity: Named) -> int:
        """Where an entity is, or belongs, in an order by name: `bisect_left` without a call for each comparison."""
        entities, name, entity_id = self._entities, entity.name, entity.id
        low, high = 0, len(ids)
        if high and entities[ids[-1]].name < name:  # type: ignore[attr-defined]  # as below; names are often numbered
            return high
        while low < high:
            middle = (low + high) // 2
            one = ids[middle]
            other: str = entities[one].name  # type: ignore[attr-defined]  # only named entities are in this order
            if other < name or (other == name and one < entity_id):
                low = middle + 1
            else:
                high = middle
        return low

    def _learn_name(self, kind: Kind, entity: Entity) -> None:
        assert isinstance(entity, Named)
        self._names[kind.name, kind.scope_of(entity), entity.name] = entity.id
        ids = self._by_name[kind.name]
        ids.insert(self._place(ids, entity), entity.id)

    def _move_external(self, before: Entity | None, after: Entity | None) -> None:
        old = external_key(before, before.external) if before is not None and before.external is not None else None
        new = external_key(after, after.external) if after is not None and after.external is not None else None
        if old == new:
            return
        if old is not None and before is not None and self._external.get(old) == before.id:
            del self._external[old]
        if new is not None and after is not None:
            self._external[new] = after.id
