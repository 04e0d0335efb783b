"""Change functions of what waits to be placed: placed once there is room, or told why it waits still."""

from __future__ import annotations

from graph.edit import Edit
from graph.kinds import AppVersion, Deployment, DeploymentPhase, Operation, OperationKind, Progress
from graph.view import get_as
from lifecycle.adjusting import adjustments_at
from lifecycle.checking import verify_at_head
from lifecycle.components import components_of
from lifecycle.deployments import Chosen, file_decision, open_operation
from lifecycle.events import AUTHOR, tell
from lifecycle.progress import begun_phase
from lifecycle.releases import apply_decision


def place_pending(edit: Edit, deployment_id: str, chosen: Chosen, *, generation: int) -> bool:
    """Places a deployment that waited for it; False when it no longer waits or has changed since. Raises CapacityGone."""
    deployment = get_as(edit, Deployment, deployment_id)
    if (
        deployment is None
        or deployment.phase is not DeploymentPhase.PENDING_PLACEMENT
        or deployment.generation != generation
        or not chosen.decision.feasible
    ):
        return False
    version = get_as(edit, AppVersion, deployment.app_version_id)
    operation = get_as(edit, Operation, deployment.operation_id)
    if version is None:
        return False
    if operation is None:
        # The one that asked for it has ended at its deadline; what is wanted is wanted all the same.
        kind = OperationKind.DEPLOY if deployment.revision_number == 1 else OperationKind.UPDATE
        operation = open_operation(edit, deployment, kind=kind, author=AUTHOR)
    components = components_of(edit, version)
    verify_at_head(edit, chosen.decision, components, policy=deployment.policy, deployment_id=deployment.id)
    decision_id = file_decision(edit, deployment, chosen)
    after = edit.replace(
        deployment,
        phase=begun_phase(deployment),
        message=None,
        decision_id=decision_id,
        operation_id=operation.id,
        adjustments=adjustments_at(deployment.adjustments, components, chosen.decision.placements),
    )
    total = apply_decision(edit, after, chosen.decision, components, operation_id=operation.id)
    edit.replace(operation, progress=Progress(total=total))
    tell(edit, after, "Placed", f"Deployment {after.name} was placed at {len(chosen.decision.placements)} sites.")
    return True


def keep_waiting(edit: Edit, deployment_id: str, why: str, *, chosen: Chosen | None, generation: int) -> None:
    """Writes why a deployment still waits to be placed, with the decision that found no place if there is one.

    Nothing is written when it says so already, no longer waits, or has changed since.
    """
    deployment = get_as(edit, Deployment, deployment_id)
    if (
        deployment is None
        or deployment.phase is not DeploymentPhase.PENDING_PLACEMENT
        or deployment.generation != generation
        or deployment.message == why
    ):
        return
    decision_id = deployment.decision_id if chosen is None else file_decision(edit, deployment, chosen)
    after = edit.replace(deployment, message=why, decision_id=decision_id)
    tell(edit, after, "NotPlaced", f"Deployment {after.name} waits: {why}.", warning=True)
