"""How far an operation is and where a deployment stands: pure functions of its releases.

An operation ends when every release of it is as wanted or has failed for good; what waits for a site keeps it running,
for the site may come back and an end that is not one would be a lie.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable, Sequence, Set
from typing import NamedTuple

import msgspec

from graph.kinds import (
    GIVEN_UP,
    Deployment,
    DeploymentPhase,
    Operation,
    OperationError,
    OperationStatus,
    Progress,
    Release,
    ReleasePhase,
)

REASONS_TOLD = 5


class Standing(enum.Enum):
    """Where one release stands, as far as its operation cares."""

    DONE = "DONE"
    WORKING = "WORKING"
    WAITING = "WAITING"
    """For its site, or for another component."""
    FAILED = "FAILED"


class Tally(NamedTuple):
    """How many of the releases stand where; those that are gone are done and not among them."""

    done: int
    working: int
    waiting: int
    failed: int
    reasons: list[str]
    """Why releases failed, the most frequent first, at most five."""
    drifted: int = 0
    """How many of those that failed are as they should not be and are left so by policy."""
    away: int = 0
    """How many of those that wait do so for their site."""
    left_behind: int = 0
    """How many were left at places that were lost; none of the others."""

    @property
    def unfinished(self) -> int:
        """How many are neither done nor failed."""
        return self.working + self.waiting


class Outcome(NamedTuple):
    """What an operation is to be."""

    status: OperationStatus
    progress: Progress
    error: OperationError | None


def is_given_up(release: Release) -> bool:
    """Whether a release was given up; one that goes once it is replaced is not, however it is."""
    return release.phase in GIVEN_UP and release.retires_after is None


def standing_of(release: Release, *, blocked: Set[str] = frozenset()) -> Standing:
    """Where a release stands. `blocked` has the ids of those that wait for good (`lifecycle.blocked`)."""
    if is_given_up(release) or release.id in blocked:
        return Standing.FAILED
    if release.phase in (ReleasePhase.WAITING_DEPENDENCY, ReleasePhase.WAITING_SITE):
        return Standing.WAITING
    if not release.stays:
        return Standing.WORKING
    if release.phase is ReleasePhase.READY and release.applied_generation >= release.generation:
        return Standing.DONE
    return Standing.WORKING


def tally(releases: Iterable[Release], *, blocked: Set[str] = frozenset()) -> Tally:
    """Counts where the releases of one operation or deployment stand; `blocked` as of `standing_of`."""
    every = list(releases)
    found = [one for one in every if not one.left_behind]
    counts: Counter[Standing] = Counter()
    reasons: Counter[str] = Counter()
    in_vain: Counter[str] = Counter()
    for one in found:
        standing = standing_of(one, blocked=blocked)
        counts[standing] += 1
        if standing is Standing.FAILED:
            (reasons if is_given_up(one) else in_vain)[one.error or "no reason was given"] += 1
    told = [
        reason if count == 1 else f"{reason} ({count} releases)"
        # Who waits in vain is told by what was given up, unless that is another operation's.
        for reason, count in (reasons or in_vain).most_common(REASONS_TOLD)
    ]
    return Tally(
        done=counts[Standing.DONE],
        working=counts[Standing.WORKING],
        waiting=counts[Standing.WAITING],
        failed=counts[Standing.FAILED],
        reasons=told,
        away=sum(one.phase is ReleasePhase.WAITING_SITE for one in found),
        drifted=sum(one.phase is ReleasePhase.DRIFTED and is_given_up(one) for one in found),
        left_behind=len(every) - len(found),
    )


def outcome_of(operation: Operation, counted: Tally, *, placed: bool = True) -> Outcome:
    """What an operation is to be, given where its releases stand; `placed` is False while it waits to be placed."""
    present = counted.done + counted.unfinished + counted.failed
    total = max(operation.progress.total, present)
    progress = Progress(
        total=total,
        done=total - counted.unfinished - counted.failed,
        waiting=counted.waiting,
        failed=counted.failed,
    )
    if not placed or counted.unfinished:
        return Outcome(operation.status, progress, operation.error)
    if not counted.failed:
        cancelled = operation.status is OperationStatus.CANCELLING
        return Outcome(OperationStatus.CANCELLED if cancelled else OperationStatus.SUCCEEDED, progress, None)
    whole = counted.failed == total
    return Outcome(
        OperationStatus.FAILED if whole else OperationStatus.PARTIAL,
        progress,
        failure(counted.failed, total, counted.reasons),
    )


def failure(failed: int, total: int, reasons: Sequence[str]) -> OperationError:
    """Why an operation did not do all that it was to do."""
    return OperationError(
        code="RELEASES_QUARANTINED",
        message=f"{failed} of {total} releases failed: {'; '.join(reasons) or 'see their errors'}",
        remedy="mend the cause and retry the operation, or change what is wanted",
    )


def begun_phase(deployment: Deployment) -> DeploymentPhase:
    """The phase of a placed deployment on which something has just begun."""
    if deployment.proposal is not None:
        return DeploymentPhase.PENDING_APPROVAL
    return DeploymentPhase.PAUSED if deployment.paused else DeploymentPhase.PROGRESSING


def begun_message(deployment: Deployment) -> str | None:
    """What is said of such a deployment before its releases are looked at."""
    return None if deployment.proposal is None else waiting_words(deployment.proposal.number)


def waiting_words(number: int) -> str:
    """What is said of a deployment with a proposal."""
    return f"revision {number} waits for approval"


def phase_of(deployment: Deployment, counted: Tally, *, working: bool) -> tuple[DeploymentPhase, str | None]:
    """Where a deployment stands and why. `working`: whether an operation is under way for what is not as wanted.

    A deployment that is being terminated ends as TERMINATED once nothing of it is left.
    """
    present = counted.done + counted.unfinished + counted.failed
    if deployment.phase is DeploymentPhase.TERMINATED:
        return DeploymentPhase.TERMINATED, deployment.message
    if deployment.phase is DeploymentPhase.TERMINATING:
        if not present:
            return DeploymentPhase.TERMINATED, None
        return DeploymentPhase.TERMINATING, _told(counted)
    if deployment.proposal is not None:
        held = "it is paused" if deployment.paused else "it is stopped" if deployment.stopped else None
        told = [waiting_words(deployment.proposal.number), held, _told(counted)]
        return DeploymentPhase.PENDING_APPROVAL, "; ".join(one for one in told if one)
    if deployment.phase is DeploymentPhase.PENDING_PLACEMENT:
        return DeploymentPhase.PENDING_PLACEMENT, deployment.message
    if deployment.paused:
        return DeploymentPhase.PAUSED, _told(counted)
    if not counted.unfinished and not counted.failed:
        phase = DeploymentPhase.STOPPED if deployment.stopped else DeploymentPhase.READY
        return phase, _left_told(counted)
    # A component that another one comes before is no trouble while something is under way: its turn comes.
    if counted.failed or counted.away or not working:
        return DeploymentPhase.DEGRADED, _told(counted)
    return DeploymentPhase.PROGRESSING, _told(counted)


def is_whole(deployment: Deployment, counted: Tally) -> bool:
    """Whether all that is wanted now was observed; what waits for approval besides is not wanted yet.

    What was approved and is not placed yet has no releases, and is not whole for that.
    """
    if deployment.proposal is not None and not counted.done:
        return False
    wanted = msgspec.structs.replace(deployment, proposal=None)
    phase, _ = phase_of(wanted, counted, working=deployment.operation_id is not None)
    return phase is DeploymentPhase.READY


def _left_told(counted: Tally) -> str | None:
    if not counted.left_behind:
        return None
    if counted.left_behind == 1:
        return "1 release was left at a place that is away, and is removed when that answers"
    return f"{counted.left_behind} releases were left at places that are away, and are removed when these answer"


def _told(counted: Tally) -> str | None:
    present = counted.done + counted.unfinished + counted.failed
    parts = [
        f"{count} {word}"
        for count, word in (
            (counted.failed - counted.drifted, "failed"),
            (counted.drifted, "drifted"),
            (counted.waiting, "waiting"),
            (counted.working, "under way"),
        )
        if count
    ]
    if not parts:
        return None
    told = f"{', '.join(parts)} of {present} {'release' if present == 1 else 'releases'}"
    return f"{told}: {counted.reasons[0]}" if counted.reasons else told
