"""The bookkeeper: brings operations and deployments up to date with their releases, and takes the next step of both.

Workers write releases; what follows from them (how far an operation is, where a deployment stands, that an old release may
go because what replaces it is ready) is worked out here, some tens of milliseconds later and for many changes at once. It
is a function of the graph at head, so it does not matter what was rung for or who asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Set
from functools import partial

import msgspec
import structlog

from drivers.clock import Clock
from graph.change import Commit
from graph.edit import Edit
from graph.kinds import (
    Component,
    Deployment,
    DeploymentPhase,
    GoodState,
    Operation,
    OperationKind,
    OperationStatus,
    Release,
    ReleasePhase,
    Site,
)
from graph.ledger import Ledger
from graph.refusal import Refusal, Unavailable
from graph.view import each, get_as
from lifecycle.bell import ring_or_sleep
from lifecycle.blocked import blocked_of
from lifecycle.deadlines import Deadlines, is_overdue, overdue
from lifecycle.events import tell
from lifecycle.migrating import steps_of, switch_over
from lifecycle.outcomes import outcomes_of
from lifecycle.portions import portions
from lifecycle.progress import Standing, is_whole, outcome_of, phase_of, standing_of, tally
from lifecycle.releases import releases_of, unwant
from lifecycle.requests import own_request
from lifecycle.revision_outcomes import begun, with_number
from lifecycle.settings import LifecycleSettings
from lifecycle.share import Share
from lifecycle.standings import in_words, status_of
from lifecycle.withdrawing import may_go

log = structlog.get_logger(__name__)
REQUEST = own_request("lifecycle.progress")
DEPLOYMENTS_PER_ROUND = 16
RELEASES_PER_COMMIT = 1_000
"""The books of so many take some milliseconds, in which nobody is answered; those of one deployment are kept at once."""
BUSY_SHARE = 10
"""Gathering takes at least so many times as long as the last round took, so that it never takes over the process."""
LONGEST_REST_S = 5.0
"""But no longer than this: a round of many seconds is one that its store kept waiting, which costs the process nothing."""
STORE_PAUSE_S = 0.5
TOLD = {
    OperationStatus.SUCCEEDED: "OperationSucceeded",
    OperationStatus.PARTIAL: "OperationPartial",
    OperationStatus.FAILED: "OperationFailed",
    OperationStatus.CANCELLED: "OperationCancelled",
}


class Bookkeeper:
    """Keeps the operations and deployments of a share up to date. A `Follower` of the view."""

    def __init__(
        self, ledger: Ledger, *, settings: LifecycleSettings, clock: Clock, share: Share | None = None
    ) -> None:
        self._ledger = ledger
        self._settings = settings
        self._clock = clock
        self._share = share or Share()
        self._dirty: dict[str, None] = {}
        self._deadlines = Deadlines()
        self._bell = asyncio.Event()

    async def run(self) -> None:
        """Works until it is cancelled."""
        ends = (self._ledger.view.follow(self), self._share.follow(self.reloaded))
        self.reloaded()
        try:
            resync_at = self._clock.monotonic() + self._settings.resync_s
            while True:
                self._note_overdue()
                if not self._dirty:
                    self._bell.clear()
                    wait = resync_at - self._clock.monotonic()
                    due = self._deadlines.next_in_s(now=self._ledger.now_ms())
                    await ring_or_sleep(self._bell, self._clock, wait if due is None else max(min(wait, due), 0.0))
                    if not self._dirty and self._clock.monotonic() >= resync_at:
                        # Also where that finds nothing: a share without deployments waits for the next time.
                        resync_at = self._clock.monotonic() + self._settings.resync_s
                        self.reloaded()
                    if not self._dirty:
                        continue
                resync_at = self._clock.monotonic() + self._settings.resync_s
                await self._clock.sleep(self._settings.bookkeeping_s)
                began = self._clock.monotonic()
                if not await self._round():
                    await self._clock.sleep(STORE_PAUSE_S)
                elif self._dirty:
                    await self._clock.sleep(min((self._clock.monotonic() - began) * BUSY_SHARE, LONGEST_REST_S))
        finally:
            for end in ends:
                end()

    def applied(self, commit: Commit) -> None:
        """Notes the deployments that a commit touched."""
        for change in commit.changes:
            value = change.value
            if isinstance(value, Release):
                before, after = change.before, change.after
                if isinstance(before, Release) and isinstance(after, Release) and _standing(before) == _standing(after):
                    continue
                self._note(value.deployment_id)
            elif isinstance(value, Operation) and value.subject_id is not None:
                if change.before is None:
                    self._note(value.subject_id)
                before = change.before
                if getattr(before, "deadline_at", None) != value.deadline_at:
                    self._deadlines.note(value)
            elif isinstance(value, Deployment) and change.after is not None:
                self._note(value.id)

    def reloaded(self) -> None:
        """Has all deployments of the share looked at."""
        self._dirty.clear()
        self._deadlines.clear()
        for operation in each(self._ledger.view, Operation):
            self._deadlines.note(operation)
        for deployment_id in self._ledger.view.ids("Deployment"):
            self._note(deployment_id)

    def _note(self, deployment_id: str) -> None:
        if not self._share.holds(deployment_id):
            return
        self._dirty[deployment_id] = None
        self._bell.set()

    def _note_overdue(self) -> None:
        for deployment_id in self._deadlines.passed(now=self._ledger.now_ms()):
            self._note(deployment_id)

    async def _round(self) -> bool:
        """Brings some up to date; False while the store is away."""
        view = self._ledger.view
        weight = partial(view.count, "Release", "deployment_id")
        for some in list(portions(list(self._dirty)[:DEPLOYMENTS_PER_ROUND], weight=weight, limit=RELEASES_PER_COMMIT)):
            # What changes from here on is kept in the next round.
            for one in some:
                self._dirty.pop(one, None)
            try:
                await self._ledger.commit(partial(keep_books, deployment_ids=some), REQUEST)
            except Unavailable:
                self._dirty.update(dict.fromkeys(some))
                return False
            except Refusal:
                log.exception("lifecycle.books_refused", deployments=some)
                if len(some) > 1:
                    await self._one_by_one(some)
        return True

    async def _one_by_one(self, deployment_ids: list[str]) -> None:
        for one in deployment_ids:
            try:
                await self._ledger.commit(partial(keep_books, deployment_ids=[one]), REQUEST)
            except Unavailable:
                self._dirty[one] = None
            except Refusal:
                log.exception("lifecycle.books_refused", deployment=one)


def keep_books(edit: Edit, *, deployment_ids: list[str]) -> None:
    """Brings deployments, and the operations on them, up to date."""
    for deployment_id in deployment_ids:
        deployment = get_as(edit, Deployment, deployment_id)
        if deployment is None:
            continue
        deployment = retire(edit, deployment)
        releases = releases_of(edit, deployment.id)
        waits_in_vain = blocked_of(edit, releases)
        deployment = _keep_operations(edit, deployment, releases, waits_in_vain)
        _keep_phase(edit, deployment, releases, waits_in_vain)


def retire(edit: Edit, deployment: Deployment) -> Deployment:
    """Makes releases unwanted whose replacements are ready, once nothing depends on them that is yet to be replaced."""
    releases = releases_of(edit, deployment.id)
    if switch_over(edit, deployment, releases):
        return deployment
    going = may_go(edit, releases)
    if not going:
        return deployment
    after = edit.replace(deployment, generation=deployment.generation + 1)
    for one in going:
        unwant(edit, one, generation=after.generation, operation_id=one.operation_id)
    return after


def _keep_operations(
    edit: Edit, deployment: Deployment, releases: list[Release], waits_in_vain: Set[str]
) -> Deployment:
    by_operation: dict[str, list[Release]] = {}
    for release in releases:
        if release.operation_id is not None:
            by_operation.setdefault(release.operation_id, []).append(release)
    running = {
        one.id: one
        for one in each(edit, Operation, "subject_id", deployment.id)
        if not one.ended and one.kind is not OperationKind.DRAIN
    }
    placed = deployment.phase is not DeploymentPhase.PENDING_PLACEMENT
    for operation in running.values():
        worked_on = by_operation.get(operation.id, [])
        proposed = deployment.proposal is not None and deployment.proposal.operation_id == operation.id
        outcome = outcome_of(operation, tally(worked_on, blocked=waits_in_vain), placed=placed and not proposed)
        if outcome.status is operation.status and not proposed and is_overdue(operation, at=edit.at):
            outcome = overdue(operation, outcome, worked_on, deployment)
        status, progress, error = outcome
        ended = status is not operation.status
        after = edit.replace(
            operation,
            status=status,
            progress=progress,
            error=error,
            steps=steps_of(operation.kind, status, worked_on),
            finished_at=edit.at if ended else operation.finished_at,
            outcomes=outcomes_of(edit, operation, worked_on) if ended else operation.outcomes,
        )
        if not ended:
            continue
        message = f"{after.kind.name} of deployment {deployment.name}: {progress.done} of {progress.total} releases."
        if error is not None:
            message = f"{message} {error.message}"
        tell(edit, after, TOLD[status], message, warning=error is not None)
        if deployment.operation_id == operation.id:
            deployment = edit.replace(deployment, operation_id=None)
    return deployment


def _keep_phase(edit: Edit, deployment: Deployment, releases: list[Release], waits_in_vain: Set[str]) -> None:
    counted = tally(releases, blocked=waits_in_vain)
    phase, message = phase_of(deployment, counted, working=_is_worked_on(edit, deployment, releases))
    # What is said of the whole is said of the phase that it is in from now on.
    names = _names(edit, deployment, releases)
    status = status_of(msgspec.structs.replace(deployment, phase=phase), releases, names)
    if phase is DeploymentPhase.READY and not status.replicas.desired:
        message = in_words(status)
    deployment = begun(deployment)
    good, ready = deployment.good, deployment.ready_numbers
    if deployment.revision_id is not None and is_whole(deployment, counted):
        ready = with_number(deployment, ready, deployment.revision_number)
        good = GoodState(
            revision_id=deployment.revision_id,
            revision_number=deployment.revision_number,
            decision_id=deployment.decision_id,
        )
    after = edit.replace(
        deployment,
        phase=phase,
        message=message,
        status=status,
        good=good,
        outcomes_from=deployment.outcomes_from,
        ready_numbers=ready,
    )
    if phase is not deployment.phase and phase is not DeploymentPhase.PROGRESSING:
        warning = phase is DeploymentPhase.DEGRADED
        told = f"Deployment {deployment.name} is {phase.name}" + (f": {message}." if message else ".")
        tell(edit, after, f"Deployment{phase.name.title()}", told, warning=warning)
    if phase is DeploymentPhase.TERMINATED and after.delete_when_gone and after.operation_id is None:
        edit.delete(after, cascade=True)


def _is_worked_on(edit: Edit, deployment: Deployment, releases: list[Release]) -> bool:
    """Whether operations are under way for all that is not as wanted: its own, or others that work on it, as drains do."""
    if deployment.operation_id is not None:
        return True
    left = (one for one in releases if not one.left_behind and standing_of(one) is not Standing.DONE)
    operations = [get_as(edit, Operation, one) for one in {one.operation_id for one in left}]
    return all(one is not None and not one.ended for one in operations)


def _names(edit: Edit, deployment: Deployment, releases: list[Release]) -> dict[str, str]:
    """The names by id of the components of releases, and of the sites that a status tells of: where something is left behind
    or is not all ready, and those that were missed."""
    found: dict[str, Component | Site | None] = {
        one.component_id: get_as(edit, Component, one.component_id) for one in releases
    }
    told_of = {one.site_id for one in releases if one.left_behind or one.phase is ReleasePhase.WAITING_READY}
    found |= {one: get_as(edit, Site, one) for one in told_of}
    if deployment.missed is not None:
        found |= {one: get_as(edit, Site, one) for one in deployment.missed.site_ids}
    return {entity_id: one.name for entity_id, one in found.items() if one is not None}


def _standing(release: Release) -> tuple[object, ...]:
    """What of a release the books depend on."""
    seen = release.observed
    return (
        None if seen is None else (seen.present, seen.ready_replicas, seen.message),
        release.unseen_since,
        release.running_replicas,
        release.phase,
        release.wanted,
        release.retires_after,
        release.left_behind,
        release.standby,
        release.generation,
        release.applied_generation >= release.generation,
        release.operation_id,
        release.error,
    )
