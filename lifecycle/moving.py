"""Beginning a move: what failover, drains and rebalancing do at head once it is decided where a deployment goes.

The decision is held against the head, filed, and made into releases, made before they are broken. What each of the three
asks before that, and what it tells afterwards, is its own.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from graph.edit import Edit
from graph.kinds import Component, Deployment, Operation, OperationKind, Progress
from lifecycle.adjusting import adjustments_at
from lifecycle.checking import verify_at_head
from lifecycle.deployments import Chosen, file_decision, open_operation
from lifecycle.progress import begun_phase
from lifecycle.releases import apply_decision


def begin_move(
    edit: Edit,
    deployment: Deployment,
    components: Sequence[Component],
    chosen: Chosen,
    *,
    operation: Operation | OperationKind,
    author: str,
    leave_out: Collection[str],
    with_nodes: bool = False,
    reassign: frozenset[str] = frozenset(),
    **fields: Any,
) -> tuple[Deployment, Operation]:
    """Begins to move a deployment to where a decision puts it, under a new generation; the deployment and the operation.

    operation: one that is under way and not the deployment's own, which sees through what is moved here and nothing else;
    or the kind of one that is opened for it and takes the place of what is under way.
    leave_out: ids of sites and nodes of its own that count as they are; all others may be away or cordoned, with
    `with_nodes` nodes too. reassign: sites where it gets the nodes of the decision. fields: of the deployment, besides.
    Raises CapacityGone.
    """
    verify_at_head(
        edit,
        chosen.decision,
        components,
        policy=deployment.policy,
        deployment_id=deployment.id,
        leave_out=leave_out,
        with_nodes=with_nodes,
    )
    own = isinstance(operation, OperationKind)
    if isinstance(operation, OperationKind):
        operation = open_operation(edit, deployment, kind=operation, author=author)
        fields["operation_id"] = operation.id
    after = edit.replace(
        deployment,
        generation=deployment.generation + 1,
        decision_id=file_decision(edit, deployment, chosen),
        adjustments=adjustments_at(deployment.adjustments, components, chosen.decision.placements),
        phase=begun_phase(deployment),
        **fields,
    )
    total = apply_decision(
        edit,
        after,
        chosen.decision,
        components,
        operation_id=operation.id,
        replace_first=True,
        take_over=own,
        reassign=reassign,
    )
    if own:
        operation = edit.replace(operation, progress=Progress(total=total))
    return after, operation
