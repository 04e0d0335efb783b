"""A change under way: the view at head, with what the change has done so far laid over it.

A mutation is a pure function of an `Edit`: it reads through it, calls `create`, `replace` and `delete`, and either returns
or raises a typed refusal. The ledger runs it at head under the store's lock, so that whatever is checked here (names,
references, external ids, versions, limits) is checked once, in one place, for every store and any number of processes.

Drafts of one group are laid over each other: each runs on its own Edit over the group's, which it joins only when it is
accepted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol, TypeVar

import msgspec

from graph.change import MAX_CHANGES, Change, Record
from graph.entity import IMMUTABLE, KINDS, SYSTEM_SOURCE, Entity, Kind, Named, Source, kind_by_id
from graph.free_values import value_problem
from graph.identifiers import label_key_problem, label_value_problem, name_problem, new_id
from graph.postings import but, entries, external_key
from graph.refusal import AlreadyExists, Conflict, InUse, InvalidInput, LimitExceeded, NotFound
from graph.view import Reader

E = TypeVar("E", bound=Entity)
_Entry = tuple[str, str | None, str | None]
"""A kind, a field and a value; or a kind alone."""
_MADE_HERE = frozenset({"id", "source", "ordinal"})
MAX_LABELS = 64
MAX_CASCADE = MAX_CHANGES
MAX_TREE_DEPTH = 64
"""Ancestors that an entity of a tree may have: every walk up the tree is this long at most."""


class Base(Reader, Protocol):
    """What an Edit is laid over: the view, or another Edit."""

    @property
    def counters(self) -> Mapping[str, int]:
        """High-water marks by key."""
        ...

    def dependents(self, entity_id: str) -> Iterator[tuple[str, str, str]]:
        """(kind, field, id) of every entity that refers to this one."""
        ...


class Edit:
    """Reads at head and the changes made so far. Not kept after the function that was given it returns."""

    def __init__(
        self,
        base: Base,
        *,
        at: int,
        next_revision: int | None = None,
        source: Source = SYSTEM_SOURCE,
        max_changes: int = MAX_CHANGES,
    ) -> None:
        self.base = base
        self.max_changes = max_changes
        self.next_revision = base.revision + 1 if next_revision is None else next_revision
        """The revision that the change gets if it is accepted."""
        self.at = at
        """The commit's time, UTC milliseconds: the only clock that a change function may read."""
        self.source = source
        """Who makes what this change creates."""
        self.records: list[Record] = []
        self.private: dict[str, bytes | None] = {}
        self.counters: dict[str, int] = _Layered(base.counters)
        self._changes: dict[str, Change] = {}
        self._names: dict[tuple[str, str, str], str | None] = {}
        self._external: dict[tuple[str, str, str], str | None] = {}
        self._added: dict[_Entry, dict[str, None]] = {}
        self._removed: dict[_Entry, set[str]] = {}
        self._unindexed: dict[str, list[tuple[Entity | None, Entity | None]]] = {}
        """Values before and after by kind, in order, that `_added` and `_removed` do not tell of yet: most edits are never
        asked for a list of what they have changed."""

    # Reads

    @property
    def revision(self) -> int:
        """The revision of the head that the change is laid over."""
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
        """The changes so far, in order; what was made and deleted within the edit is left out."""
        return [one for one in self._changes.values() if one.before is not one.after]

    def get(self, entity_id: str) -> Entity | None:
        """The entity with this id as the change leaves it."""
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
        if field is not None and value is None:
            value = ""
        if kind in self._unindexed:
            self._index(kind)
        key = (kind, field, value)
        added, removed = self._added.get(key), self._removed.get(key)
        base = self.base.ids(kind, field, value)
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

    # Changes

    def create(self, kind: type[E], /, *, path: str = "input", **fields: Any) -> E:
        """A new entity of the kind with an id of its own and, where the kind has ordinals, the next ordinal.

        Raises InvalidInput, NotFound (a reference), AlreadyExists or LimitExceeded.
        """
        spec = kind.SPEC
        given = {"source": self.source, **fields}
        given.setdefault("id", new_id(spec.prefix, at_ms=self.at))
        for field in spec.fields.values():
            if field.required and field.name not in given:
                raise InvalidInput(
                    f"{camel(field.name)} of a {spec.name} is missing",
                    remedy="give it",
                    path=f"{path}.{camel(field.name)}",
                )
        ordinals = self._number(spec, given)
        made = self._put(None, self._checked(kind, given, path=path), path=path)
        self.counters.update(ordinals)
        return made

    def replace(self, entity: E, *, path: str = "input", expected_revision: int | None = None, **fields: Any) -> E:
        """The entity with some fields changed. Nothing is recorded when nothing differs.

        Raises Conflict when the entity is no longer at `expected_revision`, InvalidInput when an immutable field would
        change, and what `create` raises.
        """
        current = self.get(entity.id)
        if current is None or type(current) is not type(entity):
            raise NotFound(entity.SPEC.name, entity.id, path=f"{path}.id")
        if expected_revision is not None and current.revision != expected_revision:
            raise Conflict(
                f"{entity.SPEC.name} {entity.id} has changed since revision {expected_revision}",
                entity_id=entity.id,
                current_revision=current.revision,
                path=f"{path}.expectedRevision",
            )
        spec = current.SPEC
        _check_known(spec, fields, path=path)
        changed = {name: value for name, value in fields.items() if getattr(current, name) != value}
        if not changed:
            assert isinstance(current, type(entity))
            return current
        for name in changed:
            if IMMUTABLE in spec.fields[name].marks:
                raise InvalidInput(
                    f"{name} of a {spec.name} never changes",
                    remedy="delete it and make it anew",
                    path=f"{path}.{camel(name)}",
                )
        ordinals = self._number(spec, changed)
        whole = {name: getattr(current, name) for name in spec.fields} | changed
        after = self._put(current, self._checked(type(entity), whole, path=path, only=frozenset(changed)), path=path)
        self.counters.update(ordinals)
        return after

    def delete(
        self, entity: Entity, *, cascade: bool = False, path: str = "input", expected_revision: int | None = None
    ) -> list[Entity]:
        """Deletes an entity; with `cascade` also what cannot be without it. Gives all that were deleted, it first.

        Raises InUse with the dependents when others depend on it, or when a cascade meets a reference that only blocks.
        """
        current = self.get(entity.id)
        if current is None:
            raise NotFound(entity.SPEC.name, entity.id, path=f"{path}.id")
        if expected_revision is not None and current.revision != expected_revision:
            raise Conflict(
                f"{entity.SPEC.name} {entity.id} has changed since revision {expected_revision}",
                entity_id=entity.id,
                current_revision=current.revision,
                path=f"{path}.expectedRevision",
            )
        doomed: dict[str, Entity] = {current.id: current}
        blocking: dict[str, tuple[str, str]] = {}
        waiting = [current.id]
        while waiting:
            target = waiting.pop()
            for kind_name, field_name, referrer in self.dependents(target):
                if referrer in doomed:
                    continue
                ref = KINDS[kind_name].fields[field_name].ref
                if cascade and ref is not None and ref.owner:
                    found = self.get(referrer)
                    assert found is not None, "an index names only what exists"
                    doomed[referrer] = found
                    waiting.append(referrer)
                    if len(doomed) > MAX_CASCADE:
                        raise LimitExceeded(
                            f"the cascade deletes more than {MAX_CASCADE} entities",
                            remedy="delete its parts first",
                            path=f"{path}.cascade",
                        )
                else:
                    blocking[referrer] = (kind_name, target)
        stuck = [one for one in blocking if one not in doomed]
        if stuck:
            raise InUse(
                f"{len(stuck)} {'entity depends' if len(stuck) == 1 else 'entities depend'} on "
                f"{current.SPEC.name} {_called(current)}" + (" or on what it would take with it" if cascade else ""),
                dependents=stuck,
                path=f"{path}.id",
            )
        self._check_size(doomed, path=path)
        for one in reversed(doomed.values()):
            self._record(one, None, one.SPEC.name, one.id)
        return list(doomed.values())

    def file(self, record: Record) -> None:
        """Adds a filed record to the commit."""
        self.records.append(record)

    def keep_private(self, key: str, value: bytes | None) -> None:
        """Keeps a value outside the log and the view; None deletes it."""
        self.private[key] = value

    def next_number(self, key: str) -> int:
        """The next number of a counter: from 0, rising, never given twice."""
        value = self.counters.get(key, -1) + 1
        self.counters[key] = value
        return value

    @property
    def raised_counters(self) -> dict[str, int]:
        """The counters that this edit has raised."""
        assert isinstance(self.counters, _Layered)
        return self.counters.own

    def join(self, later: Edit) -> None:
        """Lays an accepted edit that was made over this one onto it."""
        for change in later.changes:
            self._record(change.before, change.after, change.kind, change.id)
        for key, value in later.raised_counters.items():
            self.counters[key] = value

    def _number(self, spec: Kind, given: dict[str, Any]) -> dict[str, int]:
        """Gives an entity that comes into the scope of its ordinal the next one; the counter that this raises."""
        if spec.ordinal_scope is None or spec.ordinal_scope not in given:
            return {}
        key = f"{spec.name}.ordinal:{given[spec.ordinal_scope]}"
        given["ordinal"] = self.counters.get(key, -1) + 1
        return {key: given["ordinal"]}

    # Checks

    def _checked(self, kind: type[E], given: dict[str, Any], *, path: str, only: frozenset[str] | None = None) -> E:
        spec = kind.SPEC
        _check_known(spec, given, path=path)
        try:
            entity = kind(**given)
            names = (given.keys() if only is None else only) - _MADE_HERE
            for name in names:
                _check_value(name, given[name], path=path)
            # A round trip through plain values is what checks lengths, ranges and types: constructors do not. The whole
            # takes a fifth of the time of its fields one by one, by which alone a mistake is placed.
            try:
                msgspec.convert(msgspec.to_builtins(entity), kind)
            except msgspec.ValidationError:
                for name in names:
                    _check_field(spec, name, given[name], path=path)
        except TypeError as problem:
            raise InvalidInput(f"{spec.name}: {problem}", path=path) from None
        if only is None or "labels" in only:
            _check_labels(entity.labels, path=path)
        if isinstance(entity, Named) and (only is None or "name" in only):
            problem_text = name_problem(entity.name)
            if problem_text:
                raise InvalidInput(problem_text, remedy="choose another name", path=f"{path}.name")
        for field in spec.refs:
            if only is None or field.name in only:
                self._check_ref(entity, field.name, path=path)
        entity.check(self, path=path)
        return entity

    def _check_ref(self, entity: Entity, field_name: str, *, path: str) -> None:
        field = entity.SPEC.fields[field_name]
        assert field.ref is not None
        where = f"{path}.{camel(field_name)}"
        targets = field.targets(entity)
        if getattr(entity, field_name) == "":
            raise NotFound(" or ".join(field.ref.kinds), "", path=where)
        if len(set(targets)) != len(targets):
            raise InvalidInput("the same id is given twice", remedy="name each once", path=where)
        for target_id in targets:
            target = self.get(target_id)
            if target is None or target.SPEC.name not in field.ref.kinds:
                raise NotFound(" or ".join(field.ref.kinds), target_id, path=where)
            self._check_tenants(entity, target, field.ref.kinds, path=where)
            if target_id == entity.id:
                raise InvalidInput(f"a {entity.SPEC.name} cannot refer to itself", path=where)
        if field.ref.kinds == (entity.SPEC.name,):
            self._check_tree(entity, field_name, path=where)

    def _check_tree(self, entity: Entity, field_name: str, *, path: str) -> None:
        at: Entity | None = entity
        seen = {entity.id}
        while at is not None:
            parent = getattr(at, field_name)
            if parent in seen:
                raise InvalidInput(f"{entity.SPEC.name} {_called(entity)} would be below itself", path=path)
            if parent and len(seen) > MAX_TREE_DEPTH:
                raise LimitExceeded(
                    f"a {entity.SPEC.name} has at most {MAX_TREE_DEPTH} others above it",
                    remedy="make the tree flatter",
                    path=path,
                )
            seen.add(parent)
            at = self.get(parent) if parent else None

    @staticmethod
    def _check_tenants(entity: Entity, target: Entity, kinds: tuple[str, ...], *, path: str) -> None:
        """What is private to a tenant is referred to by that tenant's entities alone: anything else would show it."""
        theirs = getattr(target, "tenant_id", None)
        mine = getattr(entity, "tenant_id", None)
        if theirs is None or mine == theirs or not hasattr(entity, "tenant_id"):
            return
        raise NotFound(" or ".join(kinds), target.id, path=path)

    def _put(self, before: Entity | None, after: E, *, path: str) -> E:
        stamped = msgspec.structs.replace(
            after,
            created_at=self.at if before is None else before.created_at,
            updated_at=self.at,
            revision=self.next_revision,
        )
        self._check_unique(after.SPEC, before, stamped, path=path)
        self._check_size((after.id,), path=path)
        self._record(before, stamped, after.SPEC.name, after.id)
        return stamped

    def _check_size(self, entity_ids: Iterable[str], *, path: str) -> None:
        if len(self._changes) + sum(one not in self._changes for one in entity_ids) > self.max_changes:
            raise LimitExceeded(
                f"one commit has at most {self.max_changes} changes",
                remedy="send it in parts, or as documents, which are applied as an operation of several commits",
                path=path,
            )

    def _check_unique(self, spec: Kind, before: Entity | None, after: Entity, *, path: str) -> None:
        if isinstance(after, Named):
            scope = spec.scope_of(after)
            holder = self.find(spec.name, after.name, scope)
            if holder is not None and holder.id != after.id:
                within = f" in {scope}" if scope else ""
                raise AlreadyExists(
                    f"there is a {spec.name} named {after.name!r}{within} already",
                    existing_id=holder.id,
                    path=f"{path}.name",
                )
        external = after.external
        if external is not None and (before is None or before.external != external):
            holder = self.find_external(external.system, external.id, getattr(after, "tenant_id", None))
            if holder is not None and holder.id != after.id:
                raise AlreadyExists(
                    f"{external.system} {external.id!r} is {holder.SPEC.name} {holder.id} already",
                    existing_id=holder.id,
                    path=f"{path}.external",
                )

    def _record(self, before: Entity | None, after: Entity | None, kind: str, entity_id: str) -> None:
        spec = KINDS[kind]
        earlier = self._changes.get(entity_id)
        first = before if earlier is None else earlier.before
        self._changes[entity_id] = Change(kind, entity_id, first, after)
        for entity, names, external in ((before, None, None), (after, entity_id, entity_id)):
            if entity is None:
                continue
            # What is given up may be another's by now: of two that swap their names the second gives up the first's new one.
            if isinstance(entity, Named):
                name_key = (kind, spec.scope_of(entity), entity.name)
                if names is not None or self._names.get(name_key, entity_id) == entity_id:
                    self._names[name_key] = names
            if entity.external is not None:
                key = external_key(entity, entity.external)
                if external is not None or self._external.get(key, entity_id) == entity_id:
                    self._external[key] = external
        self._unindexed.setdefault(kind, []).append((before, after))

    def _index(self, kind: str) -> None:
        """Brings `_added` and `_removed` of a kind up to the changes made so far."""
        spec = KINDS[kind]
        for before, after in self._unindexed.pop(kind):
            old = entries(spec, before) if before is not None else []
            new = entries(spec, after) if after is not None else []
            if before is not None:
                for field, value in but(old, new):
                    self._drop((kind, field, value), before.id)
            if after is not None:
                for field, value in but(new, old):
                    self._add((kind, field, value), after.id)
            if before is None and after is not None:
                self._add((kind, None, None), after.id)
            elif after is None and before is not None:
                self._drop((kind, None, None), before.id)

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


class _Layered(dict[str, int]):
    """Counters over those of the base: reads fall through, writes stay here."""

    def __init__(self, base: Mapping[str, int]) -> None:
        super().__init__()
        self._base = base

    @property
    def own(self) -> dict[str, int]:
        return dict(self)

    def get(self, key: str, default: Any = None) -> Any:
        if key in self:
            return self[key]
        return self._base.get(key, default)


@lru_cache(maxsize=2_048)
def camel(name: str) -> str:
    """A field's name as the API spells it: `region_id` gives `regionId`."""
    head, *rest = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)


def _called(entity: Entity) -> str:
    return repr(entity.name) if isinstance(entity, Named) else entity.id


def _check_known(spec: Kind, given: Iterable[str], *, path: str) -> None:
    for name in given:
        if name not in spec.fields:
            raise InvalidInput(f"a {spec.name} has no {name}", path=f"{path}.{camel(name)}")


def _check_value(name: str, value: Any, *, path: str) -> None:
    found = value_problem(value)
    if found is not None:
        inner, text = found
        raise InvalidInput(text, remedy="give what JSON can hold", path=f"{path}.{camel(name)}" + _camel_path(inner))


def _check_field(spec: Kind, name: str, value: Any, *, path: str) -> None:
    try:
        msgspec.convert(msgspec.to_builtins(value), _field_type(spec, name))
    except msgspec.ValidationError as problem:
        text, _, inner = str(problem).partition(" - at `$")
        where = f"{path}.{camel(name)}" + _camel_path(inner.rstrip("`"))
        raise InvalidInput(
            text, remedy="give a value of the type and range that the field states", path=where
        ) from None


def _camel_path(inner: str) -> str:
    return "".join(
        part if part.startswith("[") else f".{camel(part)}" for part in inner.replace("[", ".[").split(".") if part
    )


_TYPES: dict[tuple[str, str], Any] = {}


def _field_type(spec: Kind, name: str) -> Any:
    found = _TYPES.get((spec.name, name))
    if found is None:
        for info in msgspec.structs.fields(spec.type):
            _TYPES[spec.name, info.name] = info.type
        found = _TYPES[spec.name, name]
    return found


def _check_labels(labels: Mapping[str, str], *, path: str) -> None:
    if len(labels) > MAX_LABELS:
        raise LimitExceeded(f"an entity has at most {MAX_LABELS} labels, this one {len(labels)}", path=f"{path}.labels")
    for index, (key, value) in enumerate(labels.items()):
        for part, problem in (("key", label_key_problem(key)), ("value", label_value_problem(value))):
            if problem:
                raise InvalidInput(
                    problem, remedy="use a label by the Kubernetes rules", path=f"{path}.labels[{index}].{part}"
                )
