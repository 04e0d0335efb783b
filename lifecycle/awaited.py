"""Whether what somebody waits for has come, and what is missing: pure functions of the graph.

A wait ends when it was reached, when it cannot be reached any more, or when its time is over; the answer is the same in all
three and says which. What was just asked for counts at once: a phase changes with the commit of the change, and what is
applied is read from the releases themselves and not from counts that are written a moment later.
"""

from __future__ import annotations

import enum

import msgspec

from graph.kinds import Deployment, DeploymentPhase, Operation, OperationStatus, Release, StatusReason
from graph.view import Reader, each, get_as
from lifecycle.drift import CLAIMED
from lifecycle.standings import PAUSE, in_words

REASONS_MAX = 10
_UNPLACED = (DeploymentPhase.PENDING_PLACEMENT, DeploymentPhase.PENDING_APPROVAL)
"""Phases of which something is wanted that is not at any backend yet."""


class WaitCondition(enum.Enum):
    """What is waited for."""

    APPLIED = "APPLIED"
    """Every backend holds what is wanted; it need not be ready."""
    READY = "READY"
    """All of it was observed as wanted. Of an operation: it has SUCCEEDED."""
    GONE = "GONE"
    """Nothing of the deployment runs any more: it is TERMINATED, or deleted."""
    QUIET = "QUIET"
    """No call to a backend is under way for it, as after a pause, which lets those end that had begun."""


class Waited(msgspec.Struct, frozen=True, kw_only=True):
    """How a wait stands."""

    reached: bool
    over: bool = False
    """Whether it cannot be reached any more."""
    summary: str = ""
    missing: list[StatusReason] = []

    @property
    def ends(self) -> bool:
        """Whether there is nothing more to wait for."""
        return self.reached or self.over


def of_deployment(reader: Reader, deployment_id: str, condition: WaitCondition) -> Waited:
    """How a wait for a deployment stands."""
    deployment = get_as(reader, Deployment, deployment_id)
    gone = deployment is None or deployment.phase is DeploymentPhase.TERMINATED
    if condition is WaitCondition.GONE or gone or deployment is None:
        if gone or deployment is None:
            told = "it is gone" if deployment is None else "it is terminated"
            return Waited(reached=condition is WaitCondition.GONE, over=True, summary=told)
        left = reader.count("Release", "deployment_id", deployment_id)
        told = f"{left} releases are left"
        if deployment.phase is not DeploymentPhase.TERMINATING:
            told = "nobody has asked for it to be terminated"
        return Waited(reached=False, summary=told, missing=list(deployment.status.reasons))
    if condition is WaitCondition.QUIET:
        return _quiet(list(each(reader, Release, "deployment_id", deployment_id)))
    missing = _missing(deployment)
    summary = in_words(msgspec.structs.replace(deployment.status, reasons=missing))
    if condition is WaitCondition.READY or deployment.phase is DeploymentPhase.READY:
        reached = deployment.phase is DeploymentPhase.READY
        return Waited(reached=reached, summary=summary, missing=[] if reached else missing)
    if deployment.phase in _UNPLACED:
        return Waited(reached=False, summary=summary, missing=missing)
    return _applied(list(each(reader, Release, "deployment_id", deployment_id)), paused=deployment.paused)


def of_operation(reader: Reader, operation: Operation, condition: WaitCondition) -> Waited:
    """How a wait for an operation stands; one that has ended may be a filed one."""
    if condition in (WaitCondition.GONE, WaitCondition.QUIET):
        return of_deployment(reader, operation.subject_id or "", condition)
    progress = operation.progress
    summary = f"{operation.status.name}: {progress.done} of {progress.total} releases are done"
    if operation.ended:
        error = operation.error
        missing = [StatusReason(code=error.code, message=error.message)] if error is not None else []
        reached = operation.status is OperationStatus.SUCCEEDED
        return Waited(reached=reached, over=True, summary=summary, missing=missing)
    deployment = get_as(reader, Deployment, operation.subject_id)
    if condition is WaitCondition.APPLIED and deployment is not None and not _waits(deployment, operation):
        return _applied(list(each(reader, Release, "operation_id", operation.id)), paused=deployment.paused)
    missing = _missing(deployment) if deployment is not None else []
    return Waited(reached=False, summary=summary, missing=missing)


def _waits(deployment: Deployment, operation: Operation) -> bool:
    """Whether an operation waits for its deployment to be placed, or for its change to be approved."""
    proposed = deployment.proposal is not None and deployment.proposal.operation_id == operation.id
    return proposed or deployment.phase is DeploymentPhase.PENDING_PLACEMENT


def _quiet(releases: list[Release]) -> Waited:
    """Whether no backend is being called for any of them."""
    called = [one for one in releases if one.phase in CLAIMED]
    if not called:
        return Waited(reached=True, summary="no call is under way")
    told = f"{len(called)} of {len(releases)} releases are with their backends"
    return Waited(
        reached=False, summary=told, missing=[StatusReason(code="UNDER_WAY", message=told, releases=len(called))]
    )


def _missing(deployment: Deployment) -> list[StatusReason]:
    """Why a deployment is not ready; a pause is told as soon as it is asked for."""
    told = list(deployment.status.reasons)
    return [PAUSE, *told] if deployment.paused and all(one.code != PAUSE.code for one in told) else told


def _applied(releases: list[Release], *, paused: bool) -> Waited:
    """Whether backends hold what is wanted of all of them, and nothing that is not."""
    left = [one for one in releases if not one.stays or one.applied_generation < one.generation]
    summary = f"{len(releases) - len(left)} of {len(releases)} releases are applied"
    counts: dict[str, int] = {}
    for one in left:
        told = one.error or ("what is wanted is not with its backend yet" if one.stays else "it is to go")
        counts[told] = counts.get(told, 0) + 1
    often = sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:REASONS_MAX]
    missing = [StatusReason(code="NOT_APPLIED", message=message, releases=count) for message, count in often]
    if paused:
        missing = [PAUSE, *missing][:REASONS_MAX]
    return Waited(reached=not left, summary=summary, missing=missing if left else [])
