"""Changes that wait for approval: kept beside what is wanted, and nothing is done for them.

A deployment's own fields are what was approved, so whatever acts on it meanwhile, a drain or drift put right, acts on that.
A proposal has a number of its own, which no other ever gets: whoever approves names the number that was seen, and a later
change has another one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from graph.edit import Edit
from graph.kinds import (
    Deployment,
    DeploymentPhase,
    DeploymentRevision,
    Operation,
    OperationKind,
    OperationStatus,
    Proposal,
    Tenant,
)
from graph.refusal import InvalidState
from graph.view import Reader, get_as
from lifecycle.events import tell
from lifecycle.intents import intents_of
from lifecycle.opening import create_operation
from lifecycle.progress import begun_phase, waiting_words
from lifecycle.revision_outcomes import with_number


def is_gated(reader: Reader, deployment: Deployment, intents: Mapping[str, Any] | None = None) -> bool:
    """Whether a change of a deployment to these intents waits for approval: it asks for that, or its tenant does.

    A change that is the first to ask for it waits for what else it changes; to ask for it alone waits for nobody.
    """
    tenant = get_as(reader, Tenant, deployment.tenant_id)
    if deployment.requires_approval or (tenant is not None and tenant.requires_approval):
        return True
    if intents is None or not intents["requires_approval"]:
        return False
    before = intents_of(as_wished(deployment))
    return any(value != before[name] for name, value in intents.items() if name != "requires_approval")


def check_change(deployment: Deployment, intents: Mapping[str, Any]) -> None:
    """Raises InvalidState when a change that would wait for approval changes nothing: there is nothing to approve."""
    if intents != intents_of(as_wished(deployment)):
        return
    waits = "waits for approval so" if deployment.proposal is not None else "is so"
    raise InvalidState(
        f"deployment {deployment.name!r} {waits} already: there is nothing to approve",
        remedy="say what is to be otherwise",
        path="input.id",
    )


def authors_after(
    deployment: Deployment, author: str, *, kind: OperationKind, brought_by: Sequence[str] = ()
) -> list[str]:
    """Everybody who asked for something of a change that is to be approved: it starts from what waits, and has that in it.

    A rollback has nothing of what waits, and what it brings back may be somebody's that nobody has approved.
    """
    waiting = None if kind is OperationKind.ROLLBACK else deployment.proposal
    return list(dict.fromkeys([*(authors_of(waiting) if waiting is not None else ()), *brought_by, author]))


def authors_of(proposal: Proposal | DeploymentRevision) -> list[str]:
    """Everybody who asked for something of what waits."""
    return proposal.authors or [proposal.author]


def as_wished(deployment: Deployment) -> Deployment:
    """The deployment as it would be were its proposal approved: what the next change starts from."""
    if deployment.proposal is None:
        return deployment
    return msgspec.structs.replace(deployment, **intents_of(deployment.proposal))


def propose(
    edit: Edit, deployment: Deployment, revision: DeploymentRevision, *, kind: OperationKind, author: str
) -> tuple[Deployment, Operation]:
    """Has a filed revision wait for approval, in the place of what waited before."""
    operation = create_operation(
        edit, kind, tenant_id=deployment.tenant_id, subject_id=deployment.id, requested_by=author
    )
    deployment = drop_proposal(edit, deployment, author=author)
    after = edit.replace(
        deployment,
        proposal=Proposal(
            number=revision.number,
            revision_id=revision.id,
            decision_id=revision.decision_id,
            operation_id=operation.id,
            kind=kind,
            author=author,
            authors=revision.authors,
            **intents_of(revision),
        ),
        newest_number=revision.number,
        phase=DeploymentPhase.PENDING_APPROVAL,
        message=waiting_words(revision.number),
    )
    tell(edit, after, "ApprovalRequested", f"Deployment {after.name}: {waiting_words(revision.number)}.", author=author)
    return after, operation


def drop_proposal(
    edit: Edit,
    deployment: Deployment,
    *,
    author: str,
    status: OperationStatus = OperationStatus.SUPERSEDED,
) -> Deployment:
    """The deployment without what waited for approval, whose operation ends."""
    proposal = deployment.proposal
    if proposal is None:
        return deployment
    operation = get_as(edit, Operation, proposal.operation_id)
    if operation is not None and not operation.ended:
        edit.replace(operation, status=status, finished_at=edit.at)
    told = f"Revision {proposal.number} of deployment {deployment.name} no longer waits for approval."
    tell(edit, deployment, "ProposalDropped", told, author=author)
    unapproved = with_number(deployment, deployment.unapproved_numbers, proposal.number)
    return edit.replace(deployment, proposal=None, unapproved_numbers=unapproved)


def withdraw(edit: Edit, deployment: Deployment, *, author: str) -> Deployment:
    """Takes back what waits for approval; a deployment of which nothing was approved yet is over with that."""
    deployment = drop_proposal(edit, deployment, author=author, status=OperationStatus.CANCELLED)
    if deployment.revision_id is None:
        return edit.replace(deployment, phase=DeploymentPhase.TERMINATED, message="it was never approved")
    placed = edit.count("Release", "deployment_id", deployment.id) > 0
    phase = begun_phase(deployment) if placed else DeploymentPhase.PENDING_PLACEMENT
    return edit.replace(deployment, phase=phase, message=None)
