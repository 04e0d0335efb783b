"""Change functions that hold a deployment: pause and stop, and the resume that ends either.

A pause holds the work and leaves what runs; a stop holds what runs and leaves its places. Neither is a revision, for what
is wanted of the deployment stays as it is: a stop is new generations of the same releases with no replicas, so that sites,
nodes and names are the same when it is resumed. What waits for approval, or to be placed, goes on waiting: what runs is
held and let go as if nothing did.
"""

from __future__ import annotations

from typing import Any

from graph.edit import Edit
from graph.kinds import (
    GIVEN_UP,
    Deployment,
    DeploymentPhase,
    DriftPolicy,
    Operation,
    OperationKind,
    Progress,
    Release,
    ReleasePhase,
)
from graph.view import get_as
from lifecycle.deployments import Started, Visible, open_operation
from lifecycle.events import tell
from lifecycle.progress import Standing, begun_message, begun_phase, is_given_up, standing_of
from lifecycle.releases import STARTS_ANEW, releases_of
from lifecycle.verbs import Verb, check_verb
from lifecycle.wishes import seen_deployment


def pause_deployment(
    edit: Edit, deployment_id: str, *, visible: Visible, author: str, expected_revision: int | None = None
) -> Deployment:
    """Nothing is done to the deployment's backends from now on; what runs goes on, and calls under way end.

    Asked again it answers with the deployment as it is. Raises NotFound, Conflict or InvalidState.
    """
    deployment = seen_deployment(visible(edit), deployment_id)
    check_verb(deployment, Verb.PAUSE)
    if deployment.paused:
        return edit.replace(deployment, expected_revision=expected_revision)
    after = edit.replace(deployment, expected_revision=expected_revision, paused=True)
    after = edit.replace(after, phase=begun_phase(after))
    tell(
        edit,
        after,
        "DeploymentPaused",
        f"Nothing is done for deployment {after.name} until it is resumed.",
        author=author,
    )
    return after


def stop_deployment(
    edit: Edit, deployment_id: str, *, visible: Visible, author: str, expected_revision: int | None = None
) -> Started:
    """No replica of the deployment runs any more, dependents first; its sites, nodes and names are kept.

    Asked again while it is under way it answers with what is under way. Raises NotFound, Conflict or InvalidState.
    """
    deployment = seen_deployment(visible(edit), deployment_id)
    check_verb(deployment, Verb.STOP)
    under_way = get_as(edit, Operation, deployment.operation_id)
    if deployment.stopped and under_way is not None and under_way.kind is OperationKind.STOP:
        return Started(deployment=edit.replace(deployment, expected_revision=expected_revision), operation=under_way)
    return _set_stopped(
        edit, deployment, True, kind=OperationKind.STOP, author=author, expected_revision=expected_revision
    )


def resume_deployment(
    edit: Edit, deployment_id: str, *, visible: Visible, author: str, expected_revision: int | None = None
) -> Started:
    """Ends a pause or a stop: the work goes on, and what was stopped runs again where it did.

    Asked again while it is under way it answers with what is under way. Raises NotFound, Conflict or InvalidState.
    """
    deployment = seen_deployment(visible(edit), deployment_id)
    under_way = get_as(edit, Operation, deployment.operation_id)
    if under_way is not None and under_way.kind is OperationKind.RESUME and not deployment.paused:
        return Started(deployment=edit.replace(deployment, expected_revision=expected_revision), operation=under_way)
    check_verb(deployment, Verb.RESUME)
    if deployment.stopped:
        return _set_stopped(
            edit, deployment, False, kind=OperationKind.RESUME, author=author, expected_revision=expected_revision
        )
    after = edit.replace(deployment, expected_revision=expected_revision, paused=False)
    after = edit.replace(after, **_begun(after))
    if under_way is None:
        under_way = open_operation(edit, after, kind=OperationKind.RESUME, author=author)
        after = edit.replace(after, operation_id=under_way.id)
    total = sum(_carry_on(edit, after, one, operation_id=under_way.id) for one in releases_of(edit, after.id))
    under_way = edit.replace(under_way, progress=Progress(total=max(total, under_way.progress.total)))
    tell(edit, after, "DeploymentResumed", f"The work on deployment {after.name} goes on.", author=author)
    return Started(deployment=after, operation=under_way)


def _carry_on(edit: Edit, deployment: Deployment, release: Release, *, operation_id: str) -> bool:
    """Has an operation see a release through that was held; what was given up stays so, but for drift that is corrected."""
    if release.phase is ReleasePhase.DRIFTED and deployment.drift_policy is DriftPolicy.CORRECT:
        edit.replace(release, operation_id=operation_id, **STARTS_ANEW)
        return True
    if is_given_up(release) or standing_of(release) is Standing.DONE:
        return False
    others = get_as(edit, Operation, release.operation_id)
    if others is not None and not others.ended and others.id != operation_id:
        return False
    edit.replace(release, operation_id=operation_id)
    return True


def _begun(deployment: Deployment) -> dict[str, Any]:
    """The phase and the message of one that goes on; what waits to be placed does so still."""
    if deployment.phase is DeploymentPhase.PENDING_PLACEMENT:
        return {}
    return {"phase": begun_phase(deployment), "message": begun_message(deployment)}


def _set_stopped(
    edit: Edit,
    deployment: Deployment,
    stopped: bool,
    *,
    kind: OperationKind,
    author: str,
    expected_revision: int | None,
) -> Started:
    operation = open_operation(edit, deployment, kind=kind, author=author)
    after = edit.replace(
        deployment,
        expected_revision=expected_revision,
        stopped=stopped,
        paused=False,
        generation=deployment.generation + 1,
        operation_id=operation.id,
    )
    after = edit.replace(after, **_begun(after))
    total = 0
    for release in releases_of(edit, after.id):
        if release.wanted:
            edit.replace(
                release, stopped=stopped, generation=after.generation, operation_id=operation.id, **STARTS_ANEW
            )
        else:
            anew = STARTS_ANEW if release.phase in GIVEN_UP else {}
            edit.replace(release, operation_id=operation.id, **anew)
        total += 1
    operation = edit.replace(operation, progress=Progress(total=total))
    reason, told = ("StopRequested", "is to run no replicas") if stopped else ("ResumeRequested", "is to run again")
    tell(edit, after, reason, f"Deployment {after.name} {told}.", author=author)
    return Started(deployment=after, operation=operation)
