"""Change functions of operations: taking a change back, and trying again what was given up.

Cancelling is a new generation made from the last state that was wholly observed, never the killing of a call: what is in
flight ends, its result is compared with what is wanted then, and the next pass converges.
"""

from __future__ import annotations

from typing import NamedTuple

from graph.edit import Edit
from graph.kinds import (
    AppVersion,
    Deployment,
    DeploymentPhase,
    DeploymentRevision,
    Operation,
    OperationKind,
    OperationStatus,
    Progress,
    Release,
    ReleasePhase,
)
from graph.refusal import InvalidState, NotFound
from graph.view import Reader, each, get_as
from lifecycle.adjusting import adjustments_at
from lifecycle.autoscaled import check_scaled
from lifecycle.blocked import blocked
from lifecycle.checking import verify_at_head
from lifecycle.components import components_of
from lifecycle.deployments import Chosen, Started, Visible, file_decision, file_revision
from lifecycle.events import tell
from lifecycle.intents import intents_of
from lifecycle.opening import create_operation
from lifecycle.progress import begun_phase, is_given_up
from lifecycle.proposing import drop_proposal, withdraw
from lifecycle.releases import STARTS_ANEW, apply_decision, remove_all
from lifecycle.revision_outcomes import newest_number
from lifecycle.unplaceable import Unplaceable
from lifecycle.verbs import Verb, check_verb
from lifecycle.wishes import seen_deployment

UNDONE_BY = {
    OperationKind.STOP: "resume",
    OperationKind.RESUME: "pause or stop",
    OperationKind.AUTOSCALE: "change the scaling policy of",
}
"""What takes back a change that is no change of what is wanted."""


BEGUN_AGAIN_BY = {
    OperationKind.DRAIN: "drain it again: that tries again what was given up",
    OperationKind.APPLY_DOCUMENTS: "apply the documents again: what is applied already is skipped",
}
"""What is done instead of retrying what is no change of one deployment."""


class Earlier(NamedTuple):
    """The state that a cancelled change goes back to: an immutable revision and where it ran."""

    revision: DeploymentRevision
    chosen: Chosen


def running_operation(reader: Reader, operation_id: str, *, path: str = "input.id") -> Operation:
    """An operation that has not ended. Raises NotFound; whether it has ended is known to the filed records."""
    found = get_as(reader, Operation, operation_id)
    if found is None:
        raise NotFound("Operation", operation_id, path=path)
    return found


def ended(operation: Operation, *, path: str = "input.id") -> InvalidState:
    """The refusal of what can be asked of a running operation only."""
    return InvalidState(
        f"operation {operation.id} has ended as {operation.status.name}", remedy="there is nothing to cancel", path=path
    )


def cancel_operation(
    edit: Edit, operation_id: str, earlier: Earlier | None, *, visible: Visible, author: str
) -> tuple[Operation, Deployment | None]:
    """Takes the operation's change back: to `earlier`, or to nothing when there never was a good state.

    It is CANCELLING until that is observed. Asked again it answers with what is under way.
    Raises NotFound, InvalidState, Unplaceable, or CapacityGone.
    """
    operation = running_operation(visible(edit), operation_id)
    if operation.ended:
        raise ended(operation)
    if operation.kind is OperationKind.DRAIN:
        return _cancel_drain(edit, operation, author=author), None
    if operation.kind is OperationKind.APPLY_DOCUMENTS:
        raise InvalidState(
            "what documents have applied is not taken back", remedy="apply the earlier documents", path="input.id"
        )
    deployment = seen_deployment(visible(edit), operation.subject_id or "", path="input.id")
    if operation.status is OperationStatus.CANCELLING:
        return operation, deployment
    if deployment.proposal is not None and deployment.proposal.operation_id == operation.id:
        after = withdraw(edit, deployment, author=author)
        return edit.replace(operation, status=OperationStatus.CANCELLED, finished_at=edit.at), after
    check_verb(deployment, Verb.CANCEL)
    if operation.kind in UNDONE_BY:
        raise InvalidState(
            f"{'an' if operation.kind is OperationKind.AUTOSCALE else 'a'} {operation.kind.name.lower()} is not cancelled",
            remedy=f"{UNDONE_BY[operation.kind]} the deployment",
            path="input.id",
        )
    good = deployment.good
    if (good.revision_id if good else None) != (earlier.revision.id if earlier else None):
        raise InvalidState(
            "the deployment became ready while its operation was being cancelled", remedy="look again", path="input.id"
        )
    # What waits was made from what is taken back, and its number is lower than that of what comes now.
    deployment = drop_proposal(edit, deployment, author=author)
    if earlier is None:
        after = edit.replace(
            deployment,
            phase=DeploymentPhase.TERMINATING,
            message="its deployment was cancelled",
            # As when it is terminated: nobody could resume what is on its way out, and it would stay so for ever.
            paused=False,
            stopped=False,
            generation=deployment.generation + 1,
        )
        total = remove_all(edit, after, operation_id=operation.id)
    else:
        after, total = _back_to(edit, deployment, earlier, operation_id=operation.id, author=author)
    operation = edit.replace(operation, status=OperationStatus.CANCELLING, progress=Progress(total=total))
    tell(edit, operation, "CancelRequested", f"The change of deployment {after.name} is taken back.", author=author)
    return operation, after


def retry_operation(edit: Edit, operation: Operation, *, visible: Visible, author: str) -> Started:
    """Starts the operation's quarantined and drifted releases again, and tries those that wait for a site at once.

    What waits for these for good is seen through with them, as are old copies that they are to replace. An operation that
    has ended stays as it ended: a new one sees its releases through. `operation` is the filed record then.
    Raises NotFound or InvalidState.
    """
    if operation.kind in BEGUN_AGAIN_BY:
        raise InvalidState(
            f"an operation of kind {operation.kind.name} is not retried",
            remedy=BEGUN_AGAIN_BY[operation.kind],
            path="input.id",
        )
    deployment = seen_deployment(visible(edit), operation.subject_id or "", path="input.id")
    check_verb(deployment, Verb.RETRY)
    current = get_as(edit, Operation, operation.id) or operation
    worked_on = list(each(edit, Release, "operation_id", operation.id))
    again = {one.id for one in worked_on if is_given_up(one) or one.phase is ReleasePhase.WAITING_SITE}
    with_them = again | blocked(edit, worked_on)
    found = [one for one in worked_on if one.id in with_them]
    if not again:
        raise InvalidState(
            f"operation {operation.id} has no releases that were given up or wait for a site",
            remedy="there is nothing to try again",
            path="input.id",
        )
    if current.ended:
        current = create_operation(
            edit,
            OperationKind.RETRY,
            tenant_id=deployment.tenant_id,
            subject_id=deployment.id,
            requested_by=author,
            progress=Progress(total=len(found)),
        )
        if get_as(edit, Operation, deployment.operation_id) is None:
            deployment = edit.replace(deployment, operation_id=current.id)
    for one in found:
        edit.replace(one, operation_id=current.id, **(STARTS_ANEW if one.retires_after is None else {}))
    tell(edit, deployment, "RetryRequested", f"{len(again)} releases are tried again.", author=author)
    return Started(deployment=deployment, operation=current)


def _back_to(
    edit: Edit, deployment: Deployment, earlier: Earlier, *, operation_id: str, author: str
) -> tuple[Deployment, int]:
    revision, chosen = earlier
    version = get_as(edit, AppVersion, revision.app_version_id)
    if version is None:
        raise InvalidState(
            f"revision {revision.number} ran a version that has been deleted since",
            remedy="update the deployment instead",
            path="input.id",
        )
    if not chosen.decision.feasible:
        raise Unplaceable(chosen.decision, path="input.id")
    components = components_of(edit, version, path="input.id")
    verify_at_head(edit, chosen.decision, components, policy=revision.policy, deployment_id=deployment.id)
    wanted = intents_of(revision)
    # Who may cancel may not do away with approval by it.
    wanted["requires_approval"] = deployment.requires_approval or bool(revision.requires_approval)
    # It may have left sites since then without a revision, as by a drain.
    wanted["adjustments"] = adjustments_at(revision.adjustments, components, chosen.decision.placements)
    after = edit.replace(
        deployment,
        **wanted,
        revision_number=newest_number(deployment) + 1,
        generation=deployment.generation + 1,
        phase=begun_phase(deployment),
        message=None,
    )
    check_scaled(edit, after, chosen.decision, components)
    decision_id = file_decision(edit, after, chosen)
    filed = file_revision(edit, after, decision_id=decision_id, author=author)
    after = edit.replace(after, revision_id=filed.id, decision_id=decision_id)
    return after, apply_decision(edit, after, chosen.decision, components, operation_id=operation_id)


def _cancel_drain(edit: Edit, operation: Operation, *, author: str) -> Operation:
    """No more is moved; what has begun to move ends so, and the cordon stays until it is taken off."""
    tell(edit, operation, "CancelRequested", "Nothing more is moved; the cordon stays.", author=author)
    return edit.replace(operation, status=OperationStatus.CANCELLED, finished_at=edit.at)
