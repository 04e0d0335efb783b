"""Changes that wait for approval: kept beside what is wanted, and nothing is done for them.

A deployment's own fields are what was approved, so whatever acts on it meanwhile, a drain or drift put right, acts on that.
A proposal has a number of its own, which no other ever gets: whoever approves names the number that was seen, and a later
change has another one.
"""

from __future__ import annotations

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
from graph.view import Reader, get_as
from lifecycle.events import tell
from lifecycle.intents import intents_of
from lifecycle.opening import create_operation


def is_gated(reader: Reader, deployment: Deployment) -> bool:
    """Whether changes of a deployment wait for approval: it asks for that, or its tenant does."""
    tenant = get_as(reader, Tenant, deployment.tenant_id)
    return deployment.requires_approval or (tenant is not None and tenant.requires_approval)


def newest_number(deployment: Deployment) -> int:
    """The highest revision number that a deployment has ever given, also to what was not approved."""
    return max(deployment.revision_number, deployment.newest_number)


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
    return edit.replace(deployment, proposal=None)


def withdraw(edit: Edit, deployment: Deployment, *, author: str) -> Deployment:
    """Takes back what waits for approval; a deployment of which nothing was approved yet is over with that."""
    deployment = drop_proposal(edit, deployment, author=author, status=OperationStatus.CANCELLED)
    if deployment.revision_id is None:
        return edit.replace(deployment, phase=DeploymentPhase.TERMINATED, message="it was never approved")
    placed = edit.count("Release", "deployment_id", deployment.id) > 0
    phase = DeploymentPhase.PROGRESSING if placed else DeploymentPhase.PENDING_PLACEMENT
    return edit.replace(deployment, phase=phase, message=None)


def waiting_words(number: int) -> str:
    """What is said of a deployment with a proposal."""
    return f"revision {number} waits for approval"
