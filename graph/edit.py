"""A change under way: the view at head, with what the change has done so far laid over it.

A mutation is a pure function of an `Edit`: it reads through it, calls `create`, `replace` and `delete`, and either returns
or raises a typed refusal. The ledger runs it at head under the store's lock, so that whatever is checked here (names,
references, external ids, versions, limits) is checked once, in one place, for every store and any number of processes.

Drafts of one group are laid over each other: each runs on its own Edit over the group's, which it joins only when it is
accepted.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec

from graph.change import MAX_CHANGES, Record
from graph.deletion import doomed_with
from graph.entity import IMMUTABLE, SYSTEM_SOURCE, Entity, Kind, Source
from graph.entity_checks import check_complete, check_fields, check_known, check_reference, check_unique
from graph.identifiers import new_id
from graph.overlay import Base, Overlay
from graph.refusal import Conflict, InvalidInput, LimitExceeded, NotFound
from graph.spelling import camel

E = TypeVar("E", bound=Entity)
_MADE_HERE = frozenset({"id", "source", "ordinal"})


class Edit(Overlay):
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
        super().__init__(base)
        self.max_changes = max_changes
        self.next_revision = base.revision + 1 if next_revision is None else next_revision
        """The revision that the change gets if it is accepted."""
        self.at = at
        """The commit's time, UTC milliseconds: the only clock that a change function may read."""
        self.source = source
        """Who makes what this change creates."""
        self.records: list[Record] = []
        self.private: dict[str, bytes | None] = {}

    def create(self, kind: type[E], /, *, path: str = "input", **fields: Any) -> E:
        """A new entity of the kind with an id of its own and, where the kind has ordinals, the next ordinal.

        Raises InvalidInput, NotFound (a reference), AlreadyExists or LimitExceeded.
        """
        spec = kind.SPEC
        given: dict[str, Any] = {"source": self.source, **fields}
        if "id" not in given:
            given["id"] = new_id(spec.prefix, at_ms=self.at)
        check_complete(spec, given, path=path)
        ordinals = self._number(spec, given)
        check_known(spec, given, path=path)
        try:
            entity = kind(**{**given, "created_at": self.at, "updated_at": self.at, "revision": self.next_revision})
        except TypeError as problem:
            raise InvalidInput(f"{spec.name}: {problem}", path=path) from None
        derived = entity.derived(self, path=path)
        if derived:
            entity = msgspec.structs.replace(entity, **derived)
        check_fields(entity, given, [name for name in given if name not in _MADE_HERE], path=path)
        for field in spec.refs:
            check_reference(self, entity, field, path=path)
        self._put(None, entity, path=path)
        self.counters.update(ordinals)
        return entity

    def replace(self, entity: E, *, path: str = "input", expected_revision: int | None = None, **fields: Any) -> E:
        """The entity with some fields changed. Nothing is recorded when nothing differs.

        Raises Conflict when the entity is no longer at `expected_revision`, InvalidInput when an immutable field would
        change, and what `create` raises.
        """
        current = self._current(entity, expected_revision=expected_revision, path=path)
        spec = current.SPEC
        check_known(spec, fields, path=path)
        changed = {name: value for name, value in fields.items() if getattr(current, name) != value}
        if not changed:
            return current
        for name in changed:
            if IMMUTABLE in spec.fields[name].marks:
                raise InvalidInput(
                    f"{name} of a {spec.name} never changes",
                    remedy="delete it and make it anew",
                    path=f"{path}.{camel(name)}",
                )
        ordinals = self._number(spec, changed)
        after = msgspec.structs.replace(current, **{**changed, "updated_at": self.at, "revision": self.next_revision})
        derived = after.derived(self, path=path)
        if derived:
            after = msgspec.structs.replace(after, **derived)
        check_fields(after, changed, [name for name in changed if name not in _MADE_HERE], path=path)
        for field in spec.refs:
            if field.name in changed or field.name in derived:
                check_reference(self, after, field, path=path)
        self._put(current, after, path=path)
        self.counters.update(ordinals)
        return after

    def delete(
        self, entity: Entity, *, cascade: bool = False, path: str = "input", expected_revision: int | None = None
    ) -> list[Entity]:
        """Deletes an entity; with `cascade` also what cannot be without it. Gives all that were deleted, it first.

        Raises InUse with the dependents when others depend on it, or when a cascade meets a reference that only blocks.
        """
        current = self._current(entity, expected_revision=expected_revision, path=path)
        current.check_deletion(self, path=path)
        doomed = doomed_with(self, current, cascade=cascade, path=path)
        self._check_size([one.id for one in doomed], path=path)
        for one in reversed(doomed):
            self.lay(one, None)
        return doomed

    def file(self, record: Record) -> None:
        """Adds a filed record to the commit."""
        self.records.append(record)

    def keep_private(self, key: str, value: bytes | None) -> None:
        """Keeps a value outside the log and the view; None deletes it."""
        self.private[key] = value

    def next_number(self, key: str) -> int:
        """The next number of a counter: from 0, rising, never given twice."""
        value: int = self.counters.get(key, -1) + 1
        self.counters[key] = value
        return value

    def join(self, later: Edit) -> None:
        """Lays an accepted edit that was made over this one onto it."""
        for change in later.changes:
            self.lay(change.before, change.after)
        self.counters.update(later.raised_counters)

    def _current(self, entity: E, *, expected_revision: int | None, path: str) -> E:
        current = self.get(entity.id)
        if current is None or type(current) is not type(entity):
            raise NotFound(entity.SPEC.name, entity.id, path=f"{path}.id")
        if expected_revision is not None and not current.is_as_at(expected_revision):
            raise Conflict(
                f"{entity.SPEC.name} {entity.id} has changed since revision {expected_revision}",
                entity_id=entity.id,
                current_revision=current.revision,
                path=f"{path}.expectedRevision",
            )
        return current

    def _number(self, spec: Kind, given: dict[str, Any]) -> dict[str, int]:
        """Gives an entity that comes into the scope of its ordinal the next one; the counter that this raises."""
        if spec.ordinal_scope is None or spec.ordinal_scope not in given:
            return {}
        key = f"{spec.name}.ordinal:{given[spec.ordinal_scope]}"
        given["ordinal"] = self.counters.get(key, -1) + 1
        return {key: given["ordinal"]}

    def _put(self, before: Entity | None, after: Entity, *, path: str) -> None:
        after.check(self, path=path)
        after.check_step(before, self, path=path)
        check_unique(self, before, after, path=path)
        self._check_size((after.id,), path=path)
        self.lay(before, after)

    def _check_size(self, entity_ids: Iterable[str], *, path: str) -> None:
        changes = self._changes
        if len(changes) + sum([one not in changes for one in entity_ids]) > self.max_changes:
            raise LimitExceeded(
                f"one commit has at most {self.max_changes} changes",
                remedy="send it in parts, or as documents, which are applied as an operation of several commits",
                path=path,
            )
