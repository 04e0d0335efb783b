"""A set of documents tried out before its turn: what would become of each, and what is laid onto the head for it.

What 5,000 documents take to check is more than everybody else should wait for, and where a deployment may run takes longer
still. Both are done here, without the store's lock and in slices between which the event loop goes on. At head a set is
laid on as it was tried, if nothing that it depends on has changed since (graph/trial.py). Only deployments that are placed
anew are changed there once more, since what they run on changes all the time, with what was decided for them, which is
verified. A set that keeps being overtaken is at last applied at head as a whole.

To verify takes some milliseconds a deployment: a set that places many anew is not for one commit. Where they run is then
decided batch by batch.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol, TypeVar

from access.viewer import Viewer
from drivers.registry import DriverRegistry
from graph.applying import Action, Applier, Coming, Deployments, Outcome
from graph.change import Change
from graph.document_sets import SetName
from graph.documents import Document
from graph.edit import Edit
from graph.entity import Entity, Kind
from graph.ledger import Ledger
from graph.refusal import CapacityGone, Refusal
from graph.trial import Trial
from lifecycle.document_batches import size_of
from lifecycle.document_rights import Rights, check_scope
from lifecycle.placing import Placing

T = TypeVar("T")
SLICE = 64
"""Documents that are tried between two breaths of the event loop."""
SLICE_DEPLOYMENTS = 4
SLICE_LISTED = 1_024
PLACED_AT_ONCE = 25
"""Deployments that one commit places anew."""
MAX_SET_CHANGES = 1_000_000
NETWORK = frozenset({"Region", "Site", "Link", "Cluster", "Node"})
"""Kinds that decide where a deployment may run."""


class Declared(Deployments, Protocol):
    """How deployments are made of documents, and where they are to run is decided beforehand."""

    drivers: DriverRegistry

    def places(self, coming: Coming) -> bool:
        """Whether a deployment is placed anew, by what its document changes."""
        ...

    def check(self, edit: Edit, coming: Coming, placing: Placing) -> None:
        """Looks at where a deployment that is new, or waits, is to run, for it to be refused if that cannot be meant."""
        ...

    async def decide(self, edit: Edit, coming: Coming, placing: Placing) -> None:
        """Decides where a deployment that is placed anew runs after what its document changes."""
        ...


class Overtaken(Refusal):
    """The graph has changed under a trial: it is tried anew."""

    code = "UNAVAILABLE"
    retryable = True

    def __init__(self) -> None:
        super().__init__("the graph keeps changing under the set: nothing was applied", remedy="apply it again")


class SetRefused(Refusal):
    """A set that was refused at head; its outcomes say why."""

    def __init__(self, outcomes: list[Outcome]) -> None:
        super().__init__("a document was refused at head")
        self.outcomes = outcomes


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A set as it is asked for."""

    of: SetName
    documents: Sequence[Document]
    prune: bool = False
    removing: Sequence[str] = ()
    """What is deleted besides, by id."""


@dataclass(kw_only=True)
class Tried:
    """What became of a set in its trial."""

    wanted: Wanted
    viewer: Viewer
    trial: Trial
    declared: Declared | None
    outcomes: list[Outcome]
    """Of each document, then of what is deleted."""
    changes: list[Change] = field(default_factory=list)
    brought: Mapping[int, int] = field(default_factory=dict)
    """How many changes each document made, by its position."""
    sizes: Mapping[str, int] = field(default_factory=dict)
    """Bytes of each change, by its entity."""
    late: Sequence[int] = ()
    """Positions of the documents that are made at head."""
    late_removals: Sequence[str] = ()
    placed: int = 0
    """Deployments that are placed anew; where, was decided for no more than PLACED_AT_ONCE."""

    @property
    def places_many(self) -> bool:
        """Whether it places more deployments anew than one commit does."""
        return self.placed > PLACED_AT_ONCE

    @property
    def refused(self) -> bool:
        """Whether a document, or a deletion, is refused."""
        return any(one.action is Action.REFUSED for one in self.outcomes)

    def at_head(self, edit: Edit, viewer: Viewer, ledger: Ledger) -> list[Outcome]:
        """Makes it of an edit at head, which is empty. Raises Overtaken, SetRefused, or Forbidden."""
        wanted = self.wanted
        check_scope(viewer, wanted.of.tenant_id)
        if viewer.permission_key != self.viewer.permission_key or self.trial.overtaken(ledger.feed, head=edit):
            raise Overtaken
        self.trial.lay_onto(edit)
        if not self.late and not self.late_removals:
            return self.outcomes
        applier = _applier(edit, wanted, viewer, self.declared)
        outcomes = list(self.outcomes)
        made = applier.apply([wanted.documents[index] for index in self.late])
        for index, outcome in zip(self.late, made, strict=True):
            outcomes[index] = outcome
        if self.late_removals:
            outcomes[len(wanted.documents) :] = applier.remove(self.late_removals)
        if any(isinstance(one.error, CapacityGone) for one in outcomes):
            raise Overtaken  # decided anew it may find room elsewhere
        return _granted(outcomes)

    def whole_at_head(self, edit: Edit, viewer: Viewer) -> list[Outcome]:
        """Applies the set at head in one go: for one that was overtaken too often. Raises as `at_head`."""
        wanted = self.wanted
        check_scope(viewer, wanted.of.tenant_id)
        if viewer.permission_key != self.viewer.permission_key:
            raise Overtaken
        applier = _applier(edit, wanted, viewer, self.declared)
        outcomes = applier.apply(wanted.documents)
        if wanted.prune:
            outcomes.extend(applier.prune(_ids(outcomes)))
        outcomes.extend(applier.remove(wanted.removing))
        return _granted(outcomes)


async def try_out(
    wanted: Wanted,
    *,
    ledger: Ledger,
    viewer: Viewer,
    declared: Declared | None,
    placing: Callable[[DriverRegistry], Placing],
    at_ms: int,
) -> Tried:
    """Tries a set on the graph as it is, in slices.

    `placing` gives what decides where deployments run on the graph without the set. `at_ms` is now, UTC milliseconds.
    Raises LimitExceeded.
    """
    view, documents = ledger.view, wanted.documents
    trial = Trial(view, at=max(at_ms, view.at + 1), source=wanted.of.source, max_changes=MAX_SET_CHANGES)
    applier = _applier(trial, wanted, viewer, declared, _Early(declared) if declared else None)
    tried = Tried(wanted=wanted, viewer=viewer, trial=trial, declared=declared, outcomes=[])
    outcomes: dict[int, Outcome] = {}
    brought: dict[int, int] = {}
    late: list[int] = []
    size = checked = 0
    places = _Places(trial, declared.drivers, placing) if declared is not None else None
    async for index, step in _breathing(applier.steps(documents), every=SLICE):
        if isinstance(step, Coming):
            if declared is None or places is None or declared.places(step):
                tried.placed += declared is not None
                continue
            with trial.not_noting():
                declared.check(trial, step, places.for_(step))
            checked += 1
            if checked % SLICE_DEPLOYMENTS == 0:
                await asyncio.sleep(0)
        elif isinstance(step.error, _MadeAtHead):
            late.append(index)
        else:
            outcomes[index] = step
            brought[index], size = trial.size - size, trial.size
    doomed = list(wanted.removing)
    if wanted.prune:
        kept = _ids(outcomes.values())
        doomed += [one async for one in _breathing(applier.left_out(kept), every=SLICE_LISTED)]
    over = Edit(trial, at=trial.at, source=trial.source, max_changes=MAX_SET_CHANGES)
    if late and declared is not None:
        trial.stop_noting()
        made_by = _Promised(declared) if tried.places_many else declared
        applier = _applier(over, wanted, viewer, declared, made_by)
        steps = applier.steps([documents[index] for index in late])
        places = _Places(over, declared.drivers, placing)
        size = 0
        async for nth, step in _breathing(steps, every=SLICE_DEPLOYMENTS):
            if not isinstance(step, Coming):
                outcomes[late[nth]] = step
                brought[late[nth]], size = over.size - size, over.size
            elif not tried.places_many and declared.places(step):
                await declared.decide(over, step, places.for_(step))
        # What the set's deployments are is kept as well: they are named.
        named = _ids(outcomes.values())
        doomed = [one for one in doomed if one not in named]
        tried.late, tried.late_removals = late, doomed
    removed = [one async for one in _breathing(applier.remove_steps(doomed), every=SLICE)]
    tried.outcomes = [*(outcomes[index] for index in range(len(documents))), *removed]
    tried.changes = [*trial.changes, *over.changes]
    tried.brought = brought
    tried.sizes = {one.id: size_of(one) async for one in _breathing(tried.changes, every=SLICE_LISTED)}
    return tried


class _Places:
    """What decides where a set's deployments run: on the graph as it is, or as the set leaves it where that differs."""

    def __init__(self, over: Edit, drivers: DriverRegistry, shared: Callable[[DriverRegistry], Placing]) -> None:
        self._over = over
        self._drivers = drivers
        self._shared = shared
        self._own: Placing | None = None

    def for_(self, coming: Coming) -> Placing:
        """What decides for the next one: its own inventory is made when the set has sites of its own, and again when a
        deployment before took the room."""
        if coming.again or (self._own is None and self._alters):
            self._own = self._shared(self._drivers).on(self._over)
        return self._own or self._shared(self._drivers)

    @cached_property
    def _alters(self) -> bool:
        """Whether the set changes what decides where a deployment may run: all such documents come before it."""
        below = self._over.base
        made = [self._over, below] if isinstance(below, Edit) else [self._over]
        return any(one.kind in NETWORK for edit in made for one in edit.changes)


def _applier(
    edit: Edit, wanted: Wanted, viewer: Viewer, declared: Declared | None, made_by: Deployments | None = None
) -> Applier:
    """`made_by` makes the deployments, `declared` when not given."""

    def check(kind: Kind, fields: Mapping[str, Any]) -> None:
        if kind.name == "Cluster" and declared is not None:
            declared.drivers.check(fields["driver"], fields.get("configuration") or {})

    return Applier(edit, of=wanted.of, rights=Rights(viewer), deployments=made_by or declared, check=check)


def _granted(outcomes: list[Outcome]) -> list[Outcome]:
    if any(one.action is Action.REFUSED for one in outcomes):
        raise SetRefused(outcomes)
    return outcomes


def _ids(outcomes: Iterable[Outcome]) -> set[str]:
    return {one.id for one in outcomes if one.id is not None}


async def _breathing(items: Iterable[T], *, every: int) -> AsyncIterator[T]:
    """The items, with the event loop going on after so many of them."""
    for nth, one in enumerate(items, start=1):
        yield one
        if nth % every == 0:
            await asyncio.sleep(0)


class _MadeAtHead(Refusal):
    """A deployment that its document would change."""


class _Early:
    """Makes and removes deployments, and leaves those that change for later."""

    def __init__(self, declared: Declared) -> None:
        self._declared = declared

    def declare(self, edit: Edit, fields: Mapping[str, Any], existing: Entity | None) -> Entity:
        """A new deployment. Raises _MadeAtHead for one that exists."""
        if existing is None:
            return self._declared.declare(edit, fields, None)
        raise _MadeAtHead("later")

    def changes(self, fields: Mapping[str, Any], existing: Entity) -> Collection[str]:
        """The fields that would change of what is asked for."""
        return self._declared.changes(fields, existing)

    def remove(self, edit: Edit, existing: Entity) -> None:
        """Begins to take a deployment from its sites."""
        self._declared.remove(edit, existing)


class _Promised:
    """Says of deployments what will become of them, and leaves it to the batches that they come into."""

    def __init__(self, declared: Declared) -> None:
        self._declared = declared

    def declare(self, edit: Edit, fields: Mapping[str, Any], existing: Entity | None) -> Entity:
        """The deployment as it is."""
        return existing if existing is not None else self._declared.declare(edit, fields, None)

    def changes(self, fields: Mapping[str, Any], existing: Entity) -> Collection[str]:
        """The fields that would change of what is asked for."""
        return self._declared.changes(fields, existing)

    def remove(self, edit: Edit, existing: Entity) -> None:
        """Begins to take a deployment from its sites."""
        self._declared.remove(edit, existing)
