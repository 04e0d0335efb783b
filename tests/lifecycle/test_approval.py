"""Approval: nothing is done for what waits for it, and what was seen is what is approved."""

from __future__ import annotations

import asyncio

import pytest

from graph.kinds import DeploymentPhase, OperationKind, OperationStatus, Tenant
from graph.refusal import Conflict, Forbidden, InvalidInput, InvalidState
from graph.view import get_as
from lifecyclekit.edge import asking, everything


async def gated(edge, **fields):
    """A tenant whose changes need approval, and a deployment of it that waits."""
    await edge.network(sites=3)
    await edge.version()

    def gate(edit):
        edit.replace(get_as(edit, Tenant, edge.tenant_id), requires_approval=True, **fields)

    await edge.change(gate)
    return await edge.deploy(sites=edge.site_ids[:1])


async def test_nothing_is_done_until_it_is_approved_and_then_all_of_it(edge) -> None:
    deployment, operation = await gated(edge)
    assert (deployment.phase, deployment.proposal.number) == (DeploymentPhase.PENDING_APPROVAL, 1)
    assert not edge.releases(deployment.id)
    started = await edge.approve(deployment.id, 1, author="user_boss")
    assert started.operation.id == operation.id
    await edge.succeeded(operation)
    ready = await edge.phase(deployment.id, DeploymentPhase.READY)
    assert (ready.revision_number, ready.proposal) == (1, None)
    assert (ready.approved.revision_number, ready.approved.by) == (1, "user_boss")
    reasons = [one.reason for one in await edge.events(deployment.id)]
    assert reasons.index("ApprovalRequested") < reasons.index("Approved")
    edge.check_books()


async def test_what_runs_goes_on_while_a_change_of_it_waits(edge) -> None:
    deployment, operation = await gated(edge)
    await edge.approve(deployment.id, 1)
    await edge.succeeded(operation)
    before = await edge.phase(deployment.id, DeploymentPhase.READY)
    changed = await edge.scale(deployment.id, web=3)
    waiting = await edge.phase(deployment.id, DeploymentPhase.PENDING_APPROVAL)
    assert (waiting.replicas, waiting.generation, waiting.revision_number) == ({}, before.generation, 1)
    assert waiting.proposal.replicas == {"web": 3}
    # Drift is put right to what was approved.
    name = edge.releases(deployment.id)[0].backend_name
    await edge.world().vanish(name)
    await edge.until(lambda: name in edge.world().objects)
    assert edge.world().objects[name].replicas == 1
    await edge.approve(deployment.id, 2)
    await edge.succeeded(changed.operation)
    assert edge.world().objects[name].replicas == 3


async def test_a_later_change_is_not_approved_with_what_was_seen(edge) -> None:
    deployment, first = await gated(edge)
    second = await edge.scale(deployment.id, web=2)
    assert (await edge.ended(first.id)).status is OperationStatus.SUPERSEDED
    assert second.deployment.proposal.number == 2
    with pytest.raises(InvalidState) as refused:
        await edge.approve(deployment.id, 1)
    assert "revision 2 does" in refused.value.message
    assert not edge.releases(deployment.id)
    await edge.approve(deployment.id, 2)
    await edge.succeeded(second.operation)
    assert edge.releases(deployment.id)[0].replicas == 2
    # What was approved once is not approved for what comes after it.
    await edge.scale(deployment.id, web=4)
    with pytest.raises(InvalidState):
        await edge.approve(deployment.id, 2)
    assert edge.releases(deployment.id)[0].replicas == 2


async def test_a_change_starts_from_what_waits(edge) -> None:
    deployment, _ = await gated(edge)
    await edge.scale(deployment.id, web=2)
    await edge.update(deployment.id, policy=edge.wish(sites=edge.site_ids[:2]).policy)
    await edge.succeeded((await edge.approve(deployment.id, 3)).operation)
    assert {(one.site_id, one.replicas) for one in edge.releases(deployment.id)} == {
        (site, 2) for site in edge.site_ids[:2]
    }


async def test_a_change_starts_from_the_number_of_a_site_that_waits(edge) -> None:
    deployment, operation = await gated(edge)
    await edge.approve(deployment.id, 1)
    await edge.succeeded(operation)
    await edge.adjust_site(deployment.id, edge.site_ids[0], web=3)
    started = await edge.update(deployment.id, replicas={"web": 2})
    proposal = edge.deployment(deployment.id).proposal
    assert [(one.site_id, one.replicas) for one in proposal.adjustments] == [(edge.site_ids[0], 3)]
    await edge.approve(deployment.id, proposal.number)
    await edge.succeeded(started.operation)
    [release] = edge.releases(deployment.id)
    assert edge.world().objects[release.backend_name].replicas == 3


async def test_a_number_that_was_withdrawn_is_never_given_again(edge) -> None:
    deployment, operation = await gated(edge)
    await edge.succeeded((await edge.approve(deployment.id, 1)).operation)
    withdrawn = await edge.scale(deployment.id, web=9)
    cancelled, after = await edge.cancel(withdrawn.operation.id)
    assert (cancelled.status, after.proposal) == (OperationStatus.CANCELLED, None)
    await edge.phase(deployment.id, DeploymentPhase.READY)
    again = await edge.scale(deployment.id, web=2)
    assert again.deployment.proposal.number == 3
    with pytest.raises(InvalidState):
        await edge.approve(deployment.id, 2)
    assert operation.kind is OperationKind.DEPLOY


async def test_what_was_never_approved_is_over_when_it_is_cancelled(edge) -> None:
    deployment, operation = await gated(edge)
    await edge.cancel(operation.id)
    over = await edge.phase(deployment.id, DeploymentPhase.TERMINATED)
    assert (over.message, edge.releases(deployment.id)) == ("it was never approved", [])
    with pytest.raises(InvalidState):
        await edge.approve(deployment.id, 1)


async def test_what_waits_is_terminated_with_its_deployment(edge) -> None:
    deployment, operation = await gated(edge)
    await edge.terminate(deployment.id, delete=True)
    await edge.until(lambda: edge.deployment(deployment.id) is None)
    assert (await edge.ended(operation.id)).status is OperationStatus.SUPERSEDED


async def test_the_author_does_not_approve_where_the_tenant_says_so(edge) -> None:
    deployment, _ = await gated(edge, author_may_not_approve=True)
    with pytest.raises(Forbidden, match="asked for revision 1 yourself"):
        await edge.approve(deployment.id, 1, author="user_test")
    await edge.succeeded((await edge.approve(deployment.id, 1, author="user_boss")).operation)


async def test_a_rollback_waits_like_any_change_and_numbers_go_on(edge) -> None:
    deployment, _ = await gated(edge)
    await edge.succeeded((await edge.approve(deployment.id, 1)).operation)
    await edge.scale(deployment.id, web=2)
    await edge.succeeded((await edge.approve(deployment.id, 2)).operation)
    back = await edge.rollback(deployment.id, 1)
    assert back.deployment.proposal.number == 3
    assert edge.releases(deployment.id)[0].replicas == 2
    await edge.succeeded((await edge.approve(deployment.id, 3)).operation)
    assert edge.releases(deployment.id)[0].replicas == 1
    with pytest.raises(InvalidInput, match="it has 1 to 3"):
        await edge.rollback(deployment.id, 4)


async def test_a_single_deployment_can_ask_for_it(edge) -> None:
    await edge.network(sites=2)
    await edge.version()
    deployment, _ = await edge.deploy(requires_approval=True)
    assert deployment.phase is DeploymentPhase.PENDING_APPROVAL
    other, operation = await edge.deploy("other")
    await edge.succeeded(operation)
    assert other.proposal is None


async def test_where_it_was_shown_to_run_is_placed_anew_when_its_room_is_gone(edge) -> None:
    await edge.network(sites=2, nodes=1)
    await edge.version()
    policy = edge.wish().policy
    wish = {"policy": type(policy)(max_sites=1), "replicas": {"web": 8}}
    deployment, operation = await edge.deploy(requires_approval=True, **wish)
    _, taking = await edge.deploy("taker", **wish)
    await edge.succeeded(taking)
    await edge.approve(deployment.id, 1)
    await edge.succeeded(operation)
    assert len({one.site_id for one in edge.releases(deployment.id)}) == 1
    edge.check_books()


async def test_a_drained_site_is_left_while_a_change_waits(edge) -> None:
    deployment, operation = await gated(edge)
    await edge.approve(deployment.id, 1)
    await edge.succeeded(operation)
    await edge.update(deployment.id, policy=type(edge.wish().policy)(max_sites=1))
    await edge.approve(deployment.id, 2)
    await edge.phase(deployment.id, DeploymentPhase.READY)
    await edge.scale(deployment.id, web=2)
    here = edge.releases(deployment.id)[0].site_id
    await edge.succeeded(await edge.drain(here))
    waiting = await edge.phase(deployment.id, DeploymentPhase.PENDING_APPROVAL)
    assert {(one.site_id != here, one.replicas) for one in edge.releases(waiting.id)} == {(True, 1)}


async def test_a_deadline_does_not_run_while_a_change_waits_and_begins_when_it_is_approved(edge) -> None:
    deployment, first = await gated(edge)
    await edge.approve(deployment.id, 1)
    await edge.succeeded(first)
    asked = await edge.lifecycle.scale(deployment.id, {"web": 2}, asking("scale"), visible=everything, deadline_s=0.2)
    waiting = asked.value.operation
    await asyncio.sleep(0.6)
    assert edge.view.get(waiting.id).status is OperationStatus.RUNNING
    begun = await edge.approve(deployment.id, 2, deadline_s=None)
    assert begun.operation.deadline_at - edge.view.at <= 200 < begun.operation.deadline_at - waiting.created_at
    over = await edge.ended(waiting.id)
    assert over.status is OperationStatus.SUCCEEDED or over.error.code == "DEADLINE_PASSED"


async def test_who_approves_may_give_a_deadline_and_the_revision_of_the_graph_that_was_seen(edge) -> None:
    deployment, _ = await gated(edge)
    # What the books have written of it since it was asked for does not make what was seen an older one.
    seen = edge.deployment(deployment.id)
    with pytest.raises(Conflict):
        await edge.approve(deployment.id, 1, expected_revision=seen.asked_at - 1)
    with pytest.raises(InvalidInput, match="deadline"):
        await edge.approve(deployment.id, 1, deadline_s=-1.0)
    begun = await edge.approve(deployment.id, 1, expected_revision=seen.revision, deadline_s=60.0)
    assert begun.operation.deadline_at - begun.deployment.updated_at == 60_000
    await edge.succeeded(begun.operation)
