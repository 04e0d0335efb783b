"""A set of documents tried out before its turn: what would become of each, and what is laid onto the head for it.

What 5,000 documents take to check is more than everybody else should wait for, and where a deployment may run takes longer
still. Both are done here, without the store's lock and in slices between which the event loop goes on. At head the plain
documents are laid on as they were tried, if nothing that they depend on has changed since (graph/trial.py). Deployments
are made there anew, since what they run on changes all the time, with what was decided for them, which is verified.
A set that keeps being overtaken is at last applied at head as a whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from access.viewer import Viewer
from drivers.registry import DriverRegistry
from graph.applying import Action, Applier, Coming, Deployments, Outcome
from graph.change import Change
from graph.document_sets import SetName
from graph.documents import Document
from graph.edit import Edit
from graph.entity import Entity
from graph.ledger import Ledger
from graph.refusal import CapacityGone, Refusal
from graph.trial import Trial
from lifecycle.document_batches import size_of
from lifecycle.document_rights import Rights, check_scope
from lifecycle.placing import Placing
from placement.projection import Projection

T = TypeVar("T")
SLICE = 64
"""Documents that are tried between two breaths of the event loop."""
SLICE_DEPLOYMENTS = 4
SLICE_LISTED = 1_024
MAX_SET_CHANGES = 1_000_000
NETWORK = frozenset({"Region", "Site", "Link", "Cluster", "Node"})
"""Kinds that decide where a deployment may run."""


class Declared(Deployments, Protocol):
    """How deployments are made of documents, and where they are to run is decided beforehand."""

    drivers: DriverRegistry

    async def decide(self, edit: Edit, coming: Coming, placing: Placing) -> bool:
        """Decides where a deployment runs after what its document changes; False when there is nothing to decide."""
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
        applier = Applier(edit, of=wanted.of, rights=Rights(viewer), deployments=self.declared)
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
        applier = Applier(edit, of=wanted.of, rights=Rights(viewer), deployments=self.declared)
        outcomes = applier.apply(wanted.documents)
        if wanted.prune:
            outcomes.extend(applier.prune(_ids(outcomes)))
        outcomes.extend(applier.remove(wanted.removing))
        return _granted(outcomes)


async def try_out(
    wanted: Wanted, *, ledger: Ledger, viewer: Viewer, declared: Declared | None, placing: Placing | None
) -> Tried:
    """Tries a set on the graph as it is, in slices.

    `placing` decides on the graph without the set; it is needed where `declared` is given. Raises LimitExceeded.
    """
    view = ledger.view
    trial = Trial(view, at=view.at + 1, source=wanted.of.source, max_changes=MAX_SET_CHANGES)
    applier = Applier(trial, of=wanted.of, rights=Rights(viewer), deployments=_Later() if declared else None)
    outcomes: dict[int, Outcome] = {}
    brought: dict[int, int] = {}
    late: list[int] = []
    size = 0
    async for index, step in _breathing(applier.steps(wanted.documents), every=SLICE):
        if isinstance(step, Coming):
            continue
        if isinstance(step.error, _MadeAtHead):
            late.append(index)
            continue
        outcomes[index] = step
        brought[index], size = trial.size - size, trial.size
    tried = Tried(wanted=wanted, viewer=viewer, trial=trial, declared=declared, outcomes=[])
    over = Edit(trial, at=trial.at, source=trial.source, max_changes=MAX_SET_CHANGES)
    last = applier
    doomed = list(wanted.removing)
    if wanted.prune:
        kept = _ids(outcomes.values())
        doomed += [one async for one in _breathing(applier.left_out(kept), every=SLICE_LISTED)]
    if declared is not None and (late or any(_is_deployment(trial.get(one)) for one in doomed)):
        trial.stop_noting()
        last = Applier(over, of=wanted.of, rights=Rights(viewer), deployments=declared)
        tried.late, tried.late_removals = late, doomed
        assert placing is not None, "who has deployments made has them placed"
        await _late(last, over, wanted.documents, late, declared, placing, outcomes, brought)
        # What the set's deployments are by now is kept as well: they are named.
        named = _ids(outcomes.values())
        doomed = tried.late_removals = [one for one in doomed if one not in named]
    removed = [one async for one in _breathing(last.remove_steps(doomed), every=SLICE)]
    tried.outcomes = [*(outcomes[index] for index in range(len(wanted.documents))), *removed]
    tried.changes = [*trial.changes, *over.changes]
    tried.brought = brought
    tried.sizes = {one.id: size_of(one) async for one in _breathing(tried.changes, every=SLICE_LISTED)}
    return tried


async def _late(
    applier: Applier,
    edit: Edit,
    documents: Sequence[Document],
    late: Sequence[int],
    declared: Declared,
    placing: Placing,
    outcomes: dict[int, Outcome],
    brought: dict[int, int],
) -> None:
    """Tries the deployments, each over those before it."""
    ours = any(one.kind in NETWORK for one in _changes_below(edit))
    size = 0
    async for nth, step in _breathing(applier.steps([documents[index] for index in late]), every=SLICE_DEPLOYMENTS):
        if isinstance(step, Coming):
            if ours or step.again:
                # The set alters where there is room itself, be it by a site of its own or by the deployment before.
                placing = Placing(Projection(edit), declared.drivers, at_once=1)
                ours = False
            await declared.decide(edit, step, placing)
            continue
        outcomes[late[nth]] = step
        brought[late[nth]], size = edit.size - size, edit.size


def _changes_below(edit: Edit) -> Sequence[Change]:
    return edit.base.changes if isinstance(edit.base, Edit) else ()


def _granted(outcomes: list[Outcome]) -> list[Outcome]:
    if any(one.action is Action.REFUSED for one in outcomes):
        raise SetRefused(outcomes)
    return outcomes


def _ids(outcomes: Iterable[Outcome]) -> set[str]:
    return {one.id for one in outcomes if one.id is not None}


def _is_deployment(entity: Entity | None) -> bool:
    return entity is not None and entity.SPEC.name == "Deployment"


async def _breathing(items: Iterable[T], *, every: int) -> AsyncIterator[T]:
    """The items, with the event loop going on after so many of them."""
    for nth, one in enumerate(items, start=1):
        yield one
        if nth % every == 0:
            await asyncio.sleep(0)


class _MadeAtHead(Refusal):
    """A deployment that its document would make or change."""


class _Later:
    """Leaves deployments for later: finds out which of them there is something to do for."""

    def declare(self, edit: Edit, fields: Mapping[str, Any], existing: Entity | None) -> Entity:
        """Raises _MadeAtHead."""
        raise _MadeAtHead("later")

    def remove(self, edit: Edit, existing: Entity) -> None:
        """Is not called: what has deployments to remove is removed at head."""
        raise AssertionError("deployments are removed at head")
