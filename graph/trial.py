"""A change that is tried out before its turn, and laid onto the head if nothing that it looked at has changed since.

What a large change computes at head keeps everybody else waiting: all of a process's reads and writes share one event
loop, and the store's lock is held besides. So such a change is made on a `Trial`, in slices, while the graph goes on
changing under it. The trial notes what it asks the graph for. At head it is enough to look through the commits that came
meanwhile: when none touches what was asked, the change made then is the change that would be made now, and is laid onto the
head as it is. Otherwise it is `overtaken`, and is tried anew.

What observers write (health, conditions) overtakes no trial, unless it is on an entity that the trial changes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from graph.change import Change, Commit
from graph.edit import Edit
from graph.entity import KINDS, MANAGED, Entity, Kind, Named, Source
from graph.feed import Feed
from graph.postings import but, entries, external_key
from graph.refusal import LimitExceeded
from graph.store import Compacted
from graph.view import View

_STAMPED = frozenset({"revision", "updated_at", "created_at"})


class Noted:
    """A view that notes what it is asked for."""

    def __init__(self, view: View) -> None:
        self._view = view
        self.noting = True
        """Switched off for what is checked in another way, or will be made anew at head."""
        self._ids: set[str] = set()
        self._names: set[tuple[str, str, str]] = set()
        self._externals: set[tuple[str, str, str]] = set()
        self._lists: set[tuple[str, str, str]] = set()
        self._targets: set[str] = set()
        """Entities whose referrers were asked for."""
        self._kinds: set[str] = set()
        """Kinds of which a list of all was asked for."""
        self._numbers = _Numbers(view)

    @property
    def revision(self) -> int:
        """The view's revision."""
        return self._view.revision

    @property
    def epoch(self) -> str:
        """The graph's epoch."""
        return self._view.epoch

    @property
    def counters(self) -> Mapping[str, int]:
        """High-water marks by key."""
        return self._numbers

    def get(self, entity_id: str) -> Entity | None:
        """The entity with this id, or None."""
        if self.noting:
            self._ids.add(entity_id)
        return self._view.get(entity_id)

    def find(self, kind: str, name: str, scope: str = "") -> Entity | None:
        """The entity of a named kind by its name within a scope."""
        found = self._view.find(kind, name, scope)
        if self.noting:
            self._names.add((kind, scope, name))
            if found is not None:
                self._ids.add(found.id)
        return found

    def find_external(self, system: str, external_id: str, tenant_id: str | None = None) -> Entity | None:
        """The entity that has this external id among those of a tenant, or among those of none."""
        found = self._view.find_external(system, external_id, tenant_id)
        if self.noting:
            self._externals.add((tenant_id or "", system, external_id))
            if found is not None:
                self._ids.add(found.id)
        return found

    def ids(self, kind: str, field: str | None = None, value: str | None = None) -> Sequence[str]:
        """Ids in ascending order, as `Reader.ids`."""
        self._note_list(kind, field, value)
        return self._view.ids(kind, field, value)

    def ids_by_name(self, kind: str) -> Sequence[str]:
        """All ids of a named kind, ordered by name, then id."""
        self._note_list(kind, None, None)
        return self._view.ids_by_name(kind)

    def count(self, kind: str, field: str | None = None, value: str | None = None) -> int:
        """How many `ids` would give."""
        self._note_list(kind, field, value)
        return self._view.count(kind, field, value)

    def dependents(self, entity_id: str) -> Iterator[tuple[str, str, str]]:
        """(kind, field, id) of every entity that refers to this one."""
        if self.noting:
            self._targets.add(entity_id)
        return self._view.dependents(entity_id)

    def _note_list(self, kind: str, field: str | None, value: str | None) -> None:
        if not self.noting:
            return
        if field is None:
            self._kinds.add(kind)
        elif (known := KINDS[kind].fields.get(field)) is not None and known.ref is not None and value:
            self._targets.add(value)
        else:
            self._lists.add((kind, field, value or ""))

    # What came meanwhile

    def met(self, counters: Mapping[str, int]) -> bool:
        """Whether one of these counters was asked for."""
        return any(key in self._numbers.asked for key in counters)

    def touched(self, change: Change, *, changed: Mapping[str, object]) -> bool:
        """Whether a change alters an answer that was given. `changed`: by id what the trial changes itself."""
        kind, before, after = KINDS[change.kind], change.before, change.after
        if change.id in self._ids and (change.id in changed or not _observed(kind, before, after)):
            return True
        if (before is None or after is None) and change.kind in self._kinds:
            return True
        if any(key in self._names or key in self._externals for key in _keys(kind, before) ^ _keys(kind, after)):
            return True
        if not self._lists and not self._targets:
            return False
        old = entries(kind, before) if before is not None else []
        new = entries(kind, after) if after is not None else []
        return any(
            value in self._targets or (change.kind, field, value) in self._lists
            for field, value in (*but(old, new), *but(new, old))
        )


class Trial(Edit):
    """An Edit over a view as it goes on changing, for a change function that is laid onto the head later."""

    def __init__(self, view: View, *, at: int, source: Source, max_changes: int) -> None:
        self._noted = Noted(view)
        self._view = view
        super().__init__(self._noted, at=at, source=source, max_changes=max_changes)
        self._since = view.revision
        self._epoch = view.epoch

    def stop_noting(self) -> None:
        """What is read from now on is checked at head in another way."""
        self._noted.noting = False

    @contextlib.contextmanager
    def not_noting(self) -> Iterator[None]:
        """What is read meanwhile may change without the trial being overtaken."""
        before = self._noted.noting
        self._noted.noting = False
        try:
            yield
        finally:
            self._noted.noting = before

    def overtaken(self, feed: Feed, *, head: Edit | None = None) -> bool:
        """Whether something that it looked at has changed since it began; O(what was committed meanwhile).

        `head`: the edit that it would be laid onto, with the drafts before it in its group.
        """
        if self._view.epoch != self._epoch:
            return True
        try:
            commits: Sequence[Commit] = feed.since(self._since)
        except Compacted:
            return True
        noted, mine = self._noted, self._changes
        for commit in commits:
            if noted.met(commit.counters) or any(noted.touched(one, changed=mine) for one in commit.changes):
                return True
        earlier = head.base if head is not None else None
        if isinstance(earlier, Edit):
            return noted.met(earlier.raised_counters) or any(
                noted.touched(one, changed=mine) for one in earlier.changes
            )
        return False

    def lay_onto(self, head: Edit) -> None:
        """Makes its changes those of an edit at head, which is empty, with that edit's time and revision.

        It must not be overtaken. Raises LimitExceeded.
        """
        changes = self.changes
        if len(changes) > head.max_changes:
            raise LimitExceeded(f"one commit has at most {head.max_changes} changes", remedy="send it in parts")
        head.join(_Stamped(self, changes, at=head.at, revision=head.next_revision))
        for record in self.records:
            head.file(msgspec.structs.replace(record, at=head.at))
        head.private.update(self.private)


class _Stamped(Edit):
    """What a trial changed, as if it had been changed at another time."""

    def __init__(self, trial: Trial, changes: Sequence[Change], *, at: int, revision: int) -> None:
        super().__init__(trial.base, at=at, next_revision=revision)
        self.counters.update(trial.raised_counters)
        self._stamped = [Change(one.kind, one.id, one.before, _at(one, at=at, revision=revision)) for one in changes]

    @property
    def changes(self) -> list[Change]:
        """The changes, in order."""
        return self._stamped


def _at(change: Change, *, at: int, revision: int) -> Entity | None:
    after, before = change.after, change.before
    if after is None:
        return None
    return after.restamped(revision=revision, updated_at=at, created_at=at if before is None else before.created_at)


class _Numbers(Mapping[str, int]):
    """The counters of a view, with the keys that were asked for."""

    def __init__(self, view: View) -> None:
        self._view = view
        self.asked: set[str] = set()

    def __getitem__(self, key: str) -> int:
        self.asked.add(key)
        return self._view.counters[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._view.counters)

    def __len__(self) -> int:
        return len(self._view.counters)


def _keys(kind: Kind, entity: Entity | None) -> set[tuple[str, str, str]]:
    """Under which names and external ids an entity is found."""
    found: set[tuple[str, str, str]] = set()
    if isinstance(entity, Named):
        found.add((kind.name, kind.scope_of(entity), entity.name))
    if entity is not None and entity.external is not None:
        found.add(external_key(entity, entity.external))
    return found


def _observed(kind: Kind, before: Entity | None, after: Entity | None) -> bool:
    """Whether a change is of nothing but what the server and its observers write."""
    if before is None or after is None:
        return False
    return all(
        name in _STAMPED
        or (MANAGED in field.marks and name != "source")
        or getattr(before, name) == getattr(after, name)
        for name, field in kind.fields.items()
    )
