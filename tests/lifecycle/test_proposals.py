"""What waits for approval leaves what runs controllable, says whose it is, and is never empty or out of date."""

from __future__ import annotations

from functools import partial

import pytest

from graph.kinds import (
    Deployment,
    DeploymentPhase,
    DriftPolicy,
    Operation,
    OperationStatus,
    ReleasePhase,
    RevisionOutcome,
    Tenant,
)
from graph.refusal import Conflict, Forbidden, InvalidState
from graph.request import Request
from graph.view import get_as
from lifecycle.awaited import WaitCondition, of_deployment, of_operation
from lifecycle.bookkeeper import keep_books
from lifecycle.releases import releases_of
from lifecycle.revision_outcomes import KNOWN, outcome_of, with_number
from lifecyclekit.edge import everything

APPLIED = WaitCondition.APPLIED
A, B, C = "user_a", "user_b", "user_c"


def by(author):
    return Request(author=author, action="test")


async def waiting(edge, **tenant):
    """A deployment that runs one replica, with a change to three of which nobody has approved anything."""
    await edge.network(sites=3)
    await edge.version()
    deployment, operation = await edge.deploy(sites=edge.site_ids[:1], requires_approval=True)
    await edge.approve(deployment.id, 1, author=C)
    await edge.succeeded(operation)
    await edge.phase(deployment.id, DeploymentPhase.READY)

    def gate(edit):
        edit.replace(get_as(edit, Tenant, edge.tenant_id), **tenant)

    await edge.change(gate)
    await scaled(edge, deployment.id, A, 3)
    return deployment.id


async def scaled(edge, deployment_id, author, web):
    return (await edge.lifecycle.scale(deployment_id, {"web": web}, by(author), visible=everything)).value


async def test_what_runs_is_paused_and_resumed_while_a_change_of_it_waits(edge) -> None:
    deployment_id = await waiting(edge)
    paused = await edge.pause(deployment_id)
    assert (paused.phase, paused.paused, paused.proposal.number) == (DeploymentPhase.PENDING_APPROVAL, True, 2)
    await edge.until(lambda: "it is paused" in (edge.deployment(deployment_id).message or ""))
    name = edge.releases(deployment_id)[0].backend_name
    await edge.world().vanish(name)
    await edge.phases(deployment_id, DRIFTED=1)
    resumed = await edge.resume(deployment_id)
    assert (resumed.deployment.phase, resumed.deployment.paused) == (DeploymentPhase.PENDING_APPROVAL, False)
    await edge.until(lambda: name in edge.world().objects)
    assert edge.deployment(deployment_id).proposal.number == 2


WHY = ["STOPPED", "PENDING_APPROVAL"]


async def test_what_runs_is_stopped_and_resumed_while_a_change_of_it_waits(edge) -> None:
    deployment_id = await waiting(edge)
    await edge.succeeded((await edge.stop(deployment_id)).operation)
    stopped = await edge.phase(deployment_id, DeploymentPhase.PENDING_APPROVAL)
    assert "it is stopped" in stopped.message
    await edge.until(lambda: [one.code for one in edge.deployment(deployment_id).status.reasons] == WHY, what="why")
    assert [one.replicas for one in edge.world().objects.values()] == [0]
    with pytest.raises(InvalidState, match="stopped already"):
        await edge.stop(deployment_id)
    await edge.succeeded((await edge.resume(deployment_id)).operation)
    assert [one.replicas for one in edge.world().objects.values()] == [1]
    # What waited all the while is approved as it was seen.
    await edge.succeeded((await edge.approve(deployment_id, 2, author=C)).operation)
    assert [one.replicas for one in edge.world().objects.values()] == [3]


async def test_what_is_approved_while_it_is_stopped_or_paused_stays_so(edge) -> None:
    deployment_id = await waiting(edge)
    await edge.succeeded((await edge.stop(deployment_id)).operation)
    await edge.succeeded((await edge.approve(deployment_id, 2, author=C)).operation)
    assert (await edge.phase(deployment_id, DeploymentPhase.STOPPED)).replicas == {"web": 3}
    await edge.succeeded((await edge.resume(deployment_id)).operation)
    await scaled(edge, deployment_id, A, 2)
    await edge.pause(deployment_id)
    approved = await edge.approve(deployment_id, 3, author=C)
    assert approved.deployment.phase is DeploymentPhase.PAUSED
    await edge.resume(deployment_id)
    await edge.succeeded(approved.operation)
    assert [one.replicas for one in edge.world().objects.values()] == [2]


async def test_a_paused_deployment_whose_change_waits_is_not_moved_by_a_drain(edge) -> None:
    deployment_id = await waiting(edge)
    await edge.pause(deployment_id)
    drained = await edge.ended((await edge.drain(edge.site_ids[0])).id)
    assert drained.status is OperationStatus.FAILED
    assert [one.site_id for one in edge.releases(deployment_id)] == edge.site_ids[:1]


async def test_what_was_never_approved_has_nothing_to_pause_or_stop(edge) -> None:
    await edge.network(sites=1)
    await edge.version()
    deployment, _ = await edge.deploy(requires_approval=True)
    for verb in (edge.pause, edge.stop):
        with pytest.raises(InvalidState, match="nothing of it was approved yet"):
            await verb(deployment.id)
    with pytest.raises(InvalidState, match="neither paused nor stopped"):
        await edge.resume(deployment.id)


async def test_a_pause_outlives_the_change_that_is_withdrawn(edge) -> None:
    deployment_id = await waiting(edge)
    await edge.pause(deployment_id)
    _, after = await edge.cancel(edge.deployment(deployment_id).proposal.operation_id)
    assert (after.phase, after.paused) == (DeploymentPhase.PAUSED, True)
    await edge.resume(deployment_id)
    await edge.phase(deployment_id, DeploymentPhase.READY)


async def test_a_change_is_not_approved_by_anybody_who_asked_for_some_of_it(edge) -> None:
    deployment_id = await waiting(edge, author_may_not_approve=True)
    begun = await edge.lifecycle.site_verbs.add_sites(deployment_id, edge.site_ids[1:2], by(B), visible=everything)
    proposal = begun.value.deployment.proposal
    assert (proposal.number, proposal.author, proposal.authors) == (3, B, [A, B])
    for author in (A, B):
        with pytest.raises(Forbidden, match="asked for some of revision 3 yourself"):
            await edge.approve(deployment_id, 3, author=author)
    await edge.succeeded((await edge.approve(deployment_id, 3, author=C)).operation)
    # What was approved is nobody's any more.
    assert (await scaled(edge, deployment_id, B, 1)).deployment.proposal.authors == [B]


async def test_who_brings_back_what_nobody_approved_does_not_take_its_author_out_of_it(edge) -> None:
    deployment_id = await waiting(edge, author_may_not_approve=True)
    await edge.cancel(edge.deployment(deployment_id).proposal.operation_id)
    back = await edge.lifecycle.verbs.rollback(deployment_id, 2, by(B), visible=everything)
    assert back.value.deployment.proposal.authors == [A, B]
    with pytest.raises(Forbidden):
        await edge.approve(deployment_id, 3, author=A)
    # What was approved once is nobody's when it comes back, and nothing of what waits is in it.
    await edge.succeeded((await edge.approve(deployment_id, 3, author=C)).operation)
    await scaled(edge, deployment_id, A, 2)
    again = await edge.lifecycle.verbs.rollback(deployment_id, 1, by(B), visible=everything)
    assert again.value.deployment.proposal.authors == [B]
    await edge.succeeded((await edge.approve(deployment_id, 5, author=A)).operation)


async def test_what_waits_and_where_it_started_are_not_gone_back_to(edge) -> None:
    deployment_id = await waiting(edge)
    with pytest.raises(InvalidState, match="revision 2 of deployment 'shop' waits for approval"):
        await edge.rollback(deployment_id, 2)
    with pytest.raises(InvalidState) as refused:
        await edge.rollback(deployment_id, 1)
    assert "cancel the operation of what waits" in refused.value.remedy


async def test_a_cancelled_change_takes_what_was_made_from_it_along_and_numbers_only_rise(edge) -> None:
    deployment_id = await waiting(edge)
    await edge.pause(deployment_id)
    second = await edge.approve(deployment_id, 2, author=C)
    third = await scaled(edge, deployment_id, A, 2)
    _, after = await edge.cancel(second.operation.id)
    assert (after.proposal, after.revision_number, after.replicas) == (None, 4, {})
    assert (await edge.ended(third.operation.id)).status is OperationStatus.SUPERSEDED
    await edge.resume(deployment_id)
    assert (await edge.ended(second.operation.id)).status is OperationStatus.CANCELLED
    assert (await scaled(edge, deployment_id, A, 2)).deployment.proposal.number == 5


async def test_what_waits_does_not_outlive_a_deployment_that_is_cancelled_whole(edge) -> None:
    await edge.network(sites=1, observeEveryMs=20, readyAfterMs=60_000)
    await edge.version()
    deployment, first = await edge.deploy(requires_approval=True)
    await edge.approve(deployment.id, 1, author=C)
    waits = await scaled(edge, deployment.id, A, 2)
    assert edge.deployment(deployment.id).good is None, "it was to be slow"
    await edge.cancel(first.id)
    await edge.phase(deployment.id, DeploymentPhase.TERMINATED)
    assert edge.deployment(deployment.id).proposal is None
    assert (await edge.ended(waits.operation.id)).status is OperationStatus.SUPERSEDED


async def test_a_change_of_the_drift_policy_waits_with_what_it_changes_and_comes_back_with_a_rollback(edge) -> None:
    deployment_id = await waiting(edge)
    await edge.approve(deployment_id, 2, author=C)
    changed = await edge.update(deployment_id, drift_policy=DriftPolicy.REPORT)
    assert changed.deployment.drift_policy is DriftPolicy.CORRECT
    assert changed.deployment.proposal.drift_policy is DriftPolicy.REPORT
    approved = await edge.approve(deployment_id, 3, author=C)
    assert approved.deployment.drift_policy is DriftPolicy.REPORT
    await edge.rollback(deployment_id, 2)
    assert (await edge.approve(deployment_id, 4, author=C)).deployment.drift_policy is DriftPolicy.CORRECT


async def test_whether_changes_wait_is_part_of_what_is_wanted_and_given_up_only_by_approval(edge) -> None:
    await edge.network(sites=2)
    await edge.version()
    deployment, operation = await edge.deploy()
    await edge.succeeded(operation)
    # To ask for it alone waits for nobody.
    asked = await edge.update(deployment.id, requires_approval=True)
    assert (asked.deployment.requires_approval, asked.deployment.proposal) == (True, None)
    lifted = await edge.update(deployment.id, requires_approval=False)
    assert (lifted.deployment.requires_approval, lifted.deployment.proposal.requires_approval) == (True, False)
    await edge.cancel(lifted.operation.id)
    back = await edge.rollback(deployment.id, 1)
    assert (back.deployment.requires_approval, back.deployment.proposal.number) == (True, 4)
    over = await edge.approve(deployment.id, 4, author=C)
    assert over.deployment.requires_approval is False
    assert (await edge.scale(deployment.id, web=2)).deployment.proposal is None


async def test_a_change_that_is_the_first_to_ask_for_approval_waits_and_those_after_it_do(edge) -> None:
    await edge.network(sites=2)
    await edge.version()
    deployment, operation = await edge.deploy()
    await edge.succeeded(operation)
    asked = await edge.update(deployment.id, requires_approval=True, replicas={"web": 2})
    assert (asked.deployment.requires_approval, asked.deployment.proposal.replicas) == (True, {"web": 2})
    await edge.cancel(asked.operation.id)
    assert (await edge.scale(deployment.id, web=3)).deployment.proposal.number == 3


async def test_a_cancellation_does_not_do_away_with_approval(edge) -> None:
    await edge.network(sites=2)
    await edge.version()
    deployment, operation = await edge.deploy()
    await edge.succeeded(operation)
    await edge.phase(deployment.id, DeploymentPhase.READY)
    await edge.pause(deployment.id)
    asked = await edge.update(deployment.id, requires_approval=True)
    _, after = await edge.cancel(asked.operation.id)
    assert after.requires_approval is True


async def test_a_change_that_changes_nothing_makes_no_empty_proposal(edge) -> None:
    deployment_id = await waiting(edge)
    for given in ({"replicas": {"web": 3}}, {"drift_policy": DriftPolicy.CORRECT}, {"requires_approval": True}):
        with pytest.raises(InvalidState, match="waits for approval so already"):
            await edge.update(deployment_id, **given)
    await edge.approve(deployment_id, 2, author=C)
    with pytest.raises(InvalidState, match="is so already"):
        await edge.scale(deployment_id, web=3)
    assert edge.deployment(deployment_id).proposal is None


async def test_a_revision_says_what_became_of_it(edge) -> None:
    deployment_id = await waiting(edge)

    def outcomes():
        deployment = edge.deployment(deployment_id)
        return [one.name for number in range(1, 5) if (one := outcome_of(deployment, number)) is not None]

    assert outcomes()[:2] == ["READY", "WAITING"]
    await scaled(edge, deployment_id, B, 2)
    assert outcomes()[:3] == ["READY", "NEVER_APPROVED", "WAITING"]
    await edge.pause(deployment_id)
    await edge.approve(deployment_id, 3, author=C)
    assert outcomes()[2] == "UNDER_WAY"
    await scaled(edge, deployment_id, B, 4)
    await edge.approve(deployment_id, 4, author=C)
    assert outcomes()[2:] == ["OVERTAKEN", "UNDER_WAY"]
    await edge.resume(deployment_id)
    await edge.phase(deployment_id, DeploymentPhase.READY)
    assert outcomes() == ["READY", "NEVER_APPROVED", "OVERTAKEN", "READY"]
    many = Deployment(id="d", name="n", tenant_id="t", app_version_id="v", revision_number=KNOWN + 5, outcomes_from=1)
    assert with_number(many, [5, 6, 9], 7) == [6, 7, 9]
    assert (outcome_of(many, 5), outcome_of(many, 6)) == (None, RevisionOutcome.OVERTAKEN)


async def observed_while_a_change_waits(edge):
    """A deployment whose first revision was observed as a whole while its second waited for approval; with no workers."""
    await edge.network(sites=1)
    await edge.version()
    deployment, _ = await edge.deploy(requires_approval=True)
    await edge.approve(deployment.id, 1, author=C)
    await scaled(edge, deployment.id, A, 2)

    def observed(edit):
        for one in releases_of(edit, deployment.id):
            edit.replace(one, phase=ReleasePhase.READY, applied_generation=one.generation)
        keep_books(edit, deployment_ids=[deployment.id])

    await edge.change(partial(keep_books, deployment_ids=[deployment.id]))
    assert edge.deployment(deployment.id).good is None
    await edge.change(observed)
    return deployment.id


async def test_what_became_ready_while_a_change_waited_is_gone_back_to_when_that_change_is_cancelled(edges) -> None:
    async with edges(running=False) as edge:
        deployment_id = await observed_while_a_change_waits(edge)
        waiting = edge.deployment(deployment_id)
        assert (waiting.phase, waiting.good.revision_number) == (DeploymentPhase.PENDING_APPROVAL, 1)
        assert outcome_of(waiting, 1) is RevisionOutcome.READY
        second = await edge.approve(deployment_id, 2, author=C)
        _, after = await edge.cancel(second.operation.id)
        assert (after.phase, after.replicas) == (DeploymentPhase.PROGRESSING, {})
        assert [(one.wanted, one.replicas) for one in edge.releases(deployment_id)] == [(True, 1)]
        assert outcome_of(after, 1) is RevisionOutcome.READY


async def test_what_was_approved_and_has_no_place_yet_is_not_good_while_a_change_of_it_waits(edges) -> None:
    async with edges(running=False) as edge:
        await edge.network(sites=1)
        await edge.version()
        deployment, _ = await edge.deploy(requires_approval=True, wait=True, replicas={"web": 900})
        await edge.approve(deployment.id, 1, author=C)
        assert edge.deployment(deployment.id).phase is DeploymentPhase.PENDING_PLACEMENT
        await scaled(edge, deployment.id, A, 1_000)
        await edge.change(partial(keep_books, deployment_ids=[deployment.id]))
        after = edge.deployment(deployment.id)
        assert (after.good, outcome_of(after, 1)) == (None, RevisionOutcome.UNDER_WAY)


async def test_a_wait_for_what_is_held_or_done_beside_a_change_that_waits_is_not_for_that_change(edge) -> None:
    deployment_id = await waiting(edge)
    stopped = (await edge.stop(deployment_id)).operation
    found = await edge.until(lambda: (one := of_operation(edge.view, stopped, APPLIED)).reached and one)
    assert found.missing == []
    # The change itself is nowhere yet.
    proposed = get_as(edge.view, Operation, edge.deployment(deployment_id).proposal.operation_id)
    assert not of_operation(edge.view, proposed, APPLIED).reached
    assert await edge.until(lambda: of_deployment(edge.view, deployment_id, WaitCondition.QUIET).reached)


async def test_what_a_backend_is_called_for_is_not_quiet(edge) -> None:
    await edge.network(sites=1, latencyMs=60_000)
    await edge.version()
    deployment, _ = await edge.deploy()
    [release] = await edge.phases(deployment.id, APPLYING=1)
    found = of_deployment(edge.view, deployment.id, WaitCondition.QUIET)
    assert (found.reached, found.over) == (False, False)
    assert found.summary == "1 of 1 releases are with their backends"
    assert release.wanted


async def test_what_was_seen_is_out_of_date_when_somebody_asked_for_something_and_not_when_something_was_done(
    edge,
) -> None:
    await edge.network(sites=1)
    await edge.version()
    deployment, operation = await edge.deploy()
    await edge.succeeded(operation)
    after = await edge.phase(deployment.id, DeploymentPhase.READY)
    assert after.revision > deployment.revision

    async def scale(web, seen):
        asked = await edge.lifecycle.scale(
            deployment.id, {"web": web}, by(A), visible=everything, expected_revision=seen
        )
        return asked.value.deployment

    changed = await scale(2, deployment.revision)
    for seen in (deployment.revision, changed.revision - 1, changed.revision + 1_000):
        with pytest.raises(Conflict) as refused:
            await scale(3, seen)
        assert refused.value.path == "input.expectedRevision"
    paused = await edge.pause(deployment.id)
    with pytest.raises(Conflict):
        await scale(3, changed.revision)
    await scale(3, paused.revision)
