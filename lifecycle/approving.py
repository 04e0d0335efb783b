"""Approval: a proposal becomes what is wanted, and is begun.

Whoever approves names the number that was seen. Whether what was seen can still be placed is verified like every change; it
runs where it was shown to run while that has room, and is placed anew when it has not.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from graph.edit import Edit
from graph.kinds import Approval, AppVersion, Deployment, DeploymentRevision, Operation, Tenant
from graph.refusal import Forbidden, InvalidState
from graph.request import Committed, Request
from graph.view import get_as
from lifecycle.checking import check_decision
from lifecycle.components import components_of
from lifecycle.deadlines import check_deadline, within
from lifecycle.decisions import Deciding, Remember
from lifecycle.deployments import Chosen, Started, Visible, begin
from lifecycle.events import tell
from lifecycle.intents import intents_of
from lifecycle.proposing import as_wished, authors_of
from lifecycle.verbs import Verb, check_verb
from lifecycle.wishes import seen_deployment

NUMBER = "input.revisionNumber"


class Approvals(Deciding):
    """Approves what waits for it in one lifecycle."""

    async def approve(
        self,
        deployment_id: str,
        revision_number: int,
        request: Request,
        *,
        visible: Visible,
        expected_revision: int | None = None,
        deadline_s: float | None = None,
        remember: Remember[Started] | None = None,
    ) -> Committed[Started]:
        """Approves the very revision of a deployment that waits for it, and begins it.

        A deadline that its change was given runs from now on; `deadline_s` is another.
        Raises InvalidInput, NotFound, Forbidden, InvalidState, Unplaceable, CapacityGone, or what the ledger raises.
        """
        check_deadline(deadline_s)

        async def attempt(anew: bool) -> Callable[[Edit], Started]:
            reader = visible(self._ledger.view)
            deployment = seen_deployment(reader, deployment_id)
            check_number(deployment, revision_number)
            proposal = deployment.proposal
            assert proposal is not None, "it was just looked at"
            wanted = DeploymentRevision(
                id=proposal.revision_id,
                tenant_id=deployment.tenant_id,
                deployment_id=deployment.id,
                number=proposal.number,
                **intents_of(proposal),
            )
            decision_id = None if anew else proposal.decision_id
            chosen = await self._decisions.at_revision(reader, deployment, wanted, decision_id=decision_id)
            change = partial(
                approve_deployment,
                deployment_id=deployment_id,
                revision_number=revision_number,
                chosen=chosen,
                visible=visible,
                author=request.author,
                expected_revision=expected_revision,
            )
            return within(change, deadline_s)

        return await self._decisions.commit_as_filed(attempt, request, remember)


def check_number(deployment: Deployment, revision_number: int) -> None:
    """Raises InvalidState unless this very revision waits for approval."""
    check_verb(deployment, Verb.APPROVE)
    proposal = deployment.proposal
    if proposal is None or proposal.number != revision_number:
        waits = f"revision {proposal.number} does" if proposal is not None else "nothing does"
        raise InvalidState(
            f"revision {revision_number} of deployment {deployment.name!r} does not wait for approval: {waits}",
            remedy="look at what waits, and approve that",
            path=NUMBER,
        )


def approve_deployment(
    edit: Edit,
    deployment_id: str,
    revision_number: int,
    chosen: Chosen,
    *,
    visible: Visible,
    author: str,
    expected_revision: int | None = None,
) -> Started:
    """What waited for approval is wanted from now on, and the operation that was begun for it goes on.

    Raises NotFound, Forbidden, InvalidState, Unplaceable or CapacityGone.
    """
    deployment = seen_deployment(visible(edit), deployment_id)
    check_number(deployment, revision_number)
    proposal = deployment.proposal
    assert proposal is not None, "it was just looked at"
    tenant = get_as(edit, Tenant, deployment.tenant_id)
    if tenant is not None and tenant.author_may_not_approve and author in authors_of(proposal):
        whole = "for" if authors_of(proposal) == [author] else "for some of"
        raise Forbidden(
            f"you have asked {whole} revision {revision_number} yourself, and {tenant.name} wants another to approve it",
            remedy="ask somebody else who may approve",
            path="input.id",
        )
    wished = as_wished(deployment)
    version = get_as(edit, AppVersion, wished.app_version_id)
    if version is None:
        raise InvalidState("its app version has been deleted since", remedy="cancel it", path=NUMBER)
    components = components_of(edit, version, path="input.id")
    never_placed = deployment.approved is None and deployment.revision_id is None
    check_decision(edit, chosen.decision, components, policy=wished.policy, wait=never_placed, excluding=deployment.id)
    after = edit.replace(
        deployment,
        expected_revision=expected_revision,
        proposal=None,
        revision_number=proposal.number,
        generation=deployment.generation + 1,
        approved=Approval(revision_number=proposal.number, by=author, at=edit.at),
        **intents_of(proposal),
    )
    told = f"Revision {proposal.number} of deployment {after.name} was approved."
    tell(edit, after, "Approved", told, author=author)
    return begin(
        edit,
        after,
        chosen,
        components,
        kind=proposal.kind,
        author=proposal.author,
        revision_id=proposal.revision_id,
        operation=_from_now_on(edit, get_as(edit, Operation, proposal.operation_id)),
    )


def _from_now_on(edit: Edit, operation: Operation | None) -> Operation | None:
    """An operation whose deadline, if it has one, is as far away as when it was asked for: nothing was done until now."""
    if operation is None or operation.deadline_at is None:
        return operation
    return edit.replace(operation, deadline_at=edit.at + operation.deadline_at - operation.created_at)
