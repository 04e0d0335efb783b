"""Change functions of a drain: what runs on a site or node is moved elsewhere, made before it is broken.

A drain is a cordon and an operation; decisions are made that leave the target out (`lifecycle.leaving`), what they add is
made, and only when that is ready is the old release removed (`Release.retires_after`). What cannot go elsewhere stays
where it is, and the operation says so. What was on its way and given up by an operation that has ended, as by the drain
before, is begun anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import NamedTuple

from graph.edit import Edit
from graph.kinds import (
    AppVersion,
    Deployment,
    DeploymentPhase,
    Node,
    Operation,
    OperationError,
    OperationKind,
    OperationStatus,
    Progress,
    Release,
    ReleasePhase,
    Site,
)
from graph.refusal import InvalidState
from graph.view import Reader, each, get_as
from lifecycle.blocked import blocked, blocked_of
from lifecycle.components import components_of
from lifecycle.cordon import set_schedulable
from lifecycle.deployments import Chosen, Visible
from lifecycle.events import AUTHOR, tell
from lifecycle.moving import begin_move
from lifecycle.opening import create_operation
from lifecycle.progress import Standing, standing_of
from lifecycle.releases import STARTS_ANEW, releases_of

MOVABLE = (
    DeploymentPhase.PROGRESSING,
    DeploymentPhase.READY,
    DeploymentPhase.DEGRADED,
    DeploymentPhase.STOPPED,
    DeploymentPhase.PENDING_APPROVAL,
)
REASONS_TOLD = 5


def is_movable(deployment: Deployment) -> bool:
    """Whether what a deployment runs may be moved by others than who changes it: a paused one is left alone."""
    return deployment.phase in MOVABLE and not deployment.paused


class DrainStanding(NamedTuple):
    """Where a drain stands."""

    to_move: list[str]
    """Ids of deployments with releases at the target that are not on their way yet."""
    to_try_again: list[str]
    """Ids of those with releases there whose leaving an operation that has ended gave up."""
    remaining: int
    """Releases that are still at the target, also those that only have to be removed."""
    moving: int
    """Releases that the drain moves, or that leave the target by another change, and that are neither done nor failed."""
    failed: int
    """Releases that cannot leave, for what they need for that was given up."""


def start_drain(
    edit: Edit, target_id: str, *, visible: Visible, author: str, expected_revision: int | None = None
) -> Operation:
    """Cordons a site or node and begins its drain. One that is under way already is answered with.

    Raises NotFound, Conflict or InvalidState.
    """
    target = set_schedulable(
        edit, target_id, False, visible=visible, author=author, expected_revision=expected_revision
    )
    if not isinstance(target, Site | Node):
        raise InvalidState("a site or a node is drained, a cluster is cordoned", remedy="cordon it", path="input.id")
    for earlier in each(edit, Operation, "subject_id", target.id):
        if earlier.kind is OperationKind.DRAIN and not earlier.ended:
            return earlier
    total = len(releases_at(edit, target.id)) + len(_going_at(edit, target.id))
    operation = create_operation(
        edit,
        OperationKind.DRAIN,
        tenant_id=target.tenant_id,
        subject_id=target.id,
        requested_by=author,
        progress=Progress(total=total),
    )
    tell(
        edit, target, "DrainStarted", f"{total} releases are to leave {target.SPEC.name} {target.name}.", author=author
    )
    return operation


def releases_at(reader: Reader, target_id: str) -> list[Release]:
    """The wanted releases of a site, or those with replicas on a node."""
    field = "assignments" if get_as(reader, Node, target_id) is not None else "site_id"
    return [one for one in each(reader, Release, field, target_id) if one.wanted]


def standing(reader: Reader, operation: Operation) -> DrainStanding:
    """Where a drain stands, from the graph alone."""
    here = releases_at(reader, operation.subject_id or "")
    to_move = {one.deployment_id for one in here if one.retires_after is None}
    going = _going_at(reader, operation.subject_id or "")
    moved = [one for one in each(reader, Release, "operation_id", operation.id) if not one.left_behind]
    # What another change has taken over, or removes, runs there until that is done.
    others = [one for one in [*here, *going] if one.operation_id != operation.id and not one.stays]
    every = [*moved, *others]
    in_vain = blocked(reader, every)
    standings = {one.id: standing_of(one, blocked=in_vain) for one in every}
    failed = {one for one, found in standings.items() if found is Standing.FAILED}
    left = failed.intersection(one.id for one in [*here, *going])
    return DrainStanding(
        to_move=sorted(to_move),
        to_try_again=sorted(
            {
                one.deployment_id
                for one in others
                if one.id in left
                and get_as(reader, Operation, one.operation_id) is None
                and (deployment := get_as(reader, Deployment, one.deployment_id)) is not None
                and is_movable(deployment)
            }
        ),
        remaining=len(here) + len(going),
        moving=sum(found in (Standing.WORKING, Standing.WAITING) for found in standings.values()),
        # What could not be moved counts once: where it was, or where it was to be.
        failed=max(len(left), len(failed) - len(left)),
    )


def _going_at(reader: Reader, target_id: str) -> list[Release]:
    """The releases of a site, or those with replicas on a node, that are to be removed; not those that nobody waits for."""
    field = "assignments" if get_as(reader, Node, target_id) is not None else "site_id"
    return [one for one in each(reader, Release, field, target_id) if not one.wanted and not one.left_behind]


def move_deployment(edit: Edit, operation_id: str, deployment_id: str, chosen: Chosen, *, generation: int) -> bool:
    """Begins to move a deployment to where the decision puts it; False when drain or deployment have changed since.

    Raises CapacityGone.
    """
    operation = get_as(edit, Operation, operation_id)
    deployment = get_as(edit, Deployment, deployment_id)
    if operation is None or operation.ended or deployment is None or not chosen.decision.feasible:
        return False
    if deployment.generation != generation or not is_movable(deployment):
        return False
    version = get_as(edit, AppVersion, deployment.app_version_id)
    if version is None:
        return False
    components = components_of(edit, version)
    target = edit.get(operation.subject_id or "")
    begin_move(
        edit,
        deployment,
        components,
        chosen,
        operation=operation,
        author=AUTHOR,
        leave_out=[operation.subject_id or ""],
        reassign=frozenset([target.site_id] if isinstance(target, Node) else []),
    )
    return True


def try_again(edit: Edit, operation_id: str, deployment_id: str) -> None:
    """Begins anew what was given up of a deployment that was to leave the target, and has the drain see it through.

    What somebody has changed by hand is left to whoever asks for it. Nothing is done when the drain has ended meanwhile.
    """
    operation = get_as(edit, Operation, operation_id)
    deployment = get_as(edit, Deployment, deployment_id)
    if operation is None or operation.ended or deployment is None or not is_movable(deployment):
        return
    releases = releases_of(edit, deployment.id)
    in_vain = blocked_of(edit, releases)
    for one in releases:
        if standing_of(one, blocked=in_vain) is Standing.FAILED and one.phase is not ReleasePhase.DRIFTED:
            anew = STARTS_ANEW if one.retires_after is None else {}
            edit.replace(one, operation_id=operation.id, **anew)


def record_drain(
    edit: Edit, operation_id: str, stuck: Mapping[str, str], *, told: Collection[str] = ()
) -> dict[str, str]:
    """Brings a drain's progress up to date and ends it when nothing more can move, and all were told that stay for that.

    `stuck` has the reasons of deployments that cannot go elsewhere, by id; `told` those that were told (`tell_stuck`).
    Gives the reasons of those that are to be told before it ends; none while it is not that far.
    """
    operation = get_as(edit, Operation, operation_id)
    if operation is None or operation.ended:
        return {}
    found = standing(edit, operation)
    here = Counter(one.deployment_id for one in releases_at(edit, operation.subject_id or "") if one.stays)
    # Who could not be moved may have left by itself since.
    stay = {one: stuck[one] for one in sorted(stuck) if one in here}
    failed = found.failed + sum(here[one] for one in stay)
    total = max(operation.progress.total, found.remaining)
    progress = Progress(total=total, done=total - found.remaining, waiting=0, failed=failed)
    if found.moving or any(one not in stuck for one in found.to_move):
        edit.replace(operation, progress=progress)
        return {}
    if not failed:
        after = edit.replace(operation, progress=progress, status=OperationStatus.SUCCEEDED, finished_at=edit.at)
        tell(edit, after, "DrainSucceeded", f"All {total} releases have left.")
        return {}
    untold = {one: why for one, why in stay.items() if one not in told}
    if untold:
        edit.replace(operation, progress=progress)
        return untold
    named = ", ".join(list(stay)[:REASONS_TOLD])
    # Whoever sees the drain need not see the tenants' deployments: their reasons are told to them alone.
    error = OperationError(
        code="NOT_MOVED",
        message=f"{failed} of {total} releases could not be moved"
        + (f"; the events of {named} say why" if named else ": what was to replace them failed"),
        remedy="add capacity or loosen the policies, then drain again; or uncordon",
    )
    status = OperationStatus.FAILED if progress.done == 0 else OperationStatus.PARTIAL
    after = edit.replace(operation, progress=progress, status=status, error=error, finished_at=edit.at)
    tell(edit, after, "DrainIncomplete", error.message, warning=True)
    return {}


def tell_stuck(edit: Edit, operation_id: str, stuck: Mapping[str, str]) -> None:
    """Tells deployments why a drain leaves them where they are; nothing when it has ended meanwhile.

    They may be more than one commit takes. Who goes on after a process that died in between tells them once more.
    """
    operation = get_as(edit, Operation, operation_id)
    if operation is None or operation.ended:
        return
    for deployment_id, reason in stuck.items():
        deployment = get_as(edit, Deployment, deployment_id)
        if deployment is not None:
            tell(edit, deployment, "NotMoved", f"It stays where it is: {reason}", warning=True)
