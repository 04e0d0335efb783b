"""The change function that ends a deployment: everything of it leaves its sites, dependents first.

It is asked for and seen through like any other change; what makes it another is that it cannot be taken back.
"""

from __future__ import annotations

from graph.edit import Edit
from graph.kinds import DeploymentPhase, Operation, OperationKind, Progress
from graph.view import get_as
from lifecycle.deployments import Started, Visible, open_operation
from lifecycle.events import tell
from lifecycle.proposing import drop_proposal
from lifecycle.releases import remove_all
from lifecycle.verbs import Verb, check_verb
from lifecycle.wishes import seen_deployment


def terminate_deployment(
    edit: Edit,
    deployment_id: str,
    *,
    visible: Visible,
    author: str,
    delete: bool = False,
    expected_revision: int | None = None,
) -> Started:
    """Everything of the deployment is removed from its sites; then it is kept as TERMINATED, or deleted.

    A pause ends with it. Asked again while it is under way it answers with what is under way.
    Raises NotFound, Conflict or InvalidState.
    """
    deployment = seen_deployment(visible(edit), deployment_id)
    check_verb(deployment, Verb.DELETE if delete else Verb.TERMINATE)
    under_way = get_as(edit, Operation, deployment.operation_id)
    if deployment.phase is DeploymentPhase.TERMINATING and under_way is not None:
        after = edit.replace(
            deployment,
            expected_revision=expected_revision,
            delete_when_gone=delete or deployment.delete_when_gone,
        )
        return Started(deployment=after, operation=under_way)
    deployment = drop_proposal(edit, deployment, author=author)
    after = edit.replace(
        deployment,
        expected_revision=expected_revision,
        phase=DeploymentPhase.TERMINATING,
        message=None,
        paused=False,
        stopped=False,
        generation=deployment.generation + 1,
        delete_when_gone=delete,
    )
    operation = open_operation(edit, after, kind=OperationKind.TERMINATE, author=author)
    total = remove_all(edit, after, operation_id=operation.id)
    operation = edit.replace(operation, progress=Progress(total=total))
    after = edit.replace(after, operation_id=operation.id)
    tell(
        edit, after, "TerminationRequested", f"Deployment {after.name} is to be removed from its sites.", author=author
    )
    return Started(deployment=after, operation=operation)
