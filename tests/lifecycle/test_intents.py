"""What is wanted, of revisions and proposals that were filed before some of it was kept: that stays as it is."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from graph.kinds import (
    Deployment,
    DeploymentPhase,
    DeploymentRevision,
    DriftPolicy,
    GoodState,
    Proposal,
    RevisionOutcome,
)
from graph.kinds.intents import INTENTS
from graph.kinds.policy import PlacementPolicy
from graph.view import get_as
from lifecycle.bookkeeper import keep_books
from lifecycle.intents import KEPT_LATER, intents_of
from lifecycle.revision_outcomes import outcome_of

REPORTS = (DriftPolicy.REPORT, True)
OUTCOMES = {
    1: None,
    2: RevisionOutcome.READY,
    3: None,
    4: RevisionOutcome.UNDER_WAY,
    5: None,
    6: RevisionOutcome.WAITING,
}
"""Of one at its fourth revision, the second of which was good, when a sixth waits and a fifth was withdrawn."""


def asked(one: Any) -> tuple[DriftPolicy, bool]:
    return one.drift_policy, one.requires_approval


def early(deployment: Deployment, number: int) -> DeploymentRevision:
    """A revision as it was filed then, of two replicas."""
    return DeploymentRevision(
        id=f"deploymentrevision_{number}",
        tenant_id=deployment.tenant_id,
        deployment_id=deployment.id,
        number=number,
        app_version_id=deployment.app_version_id,
        policy=deployment.policy,
        replicas={"web": 2},
    )


async def at_its_third(edge) -> Deployment:
    """An approved deployment that reports drift, whose second revision is from before that was kept."""
    await edge.network(sites=1)
    await edge.version()
    deployment, _ = await edge.deploy(drift_policy=DriftPolicy.REPORT, requires_approval=True)
    await edge.approve(deployment.id, 1)

    def filed(edit):
        head = get_as(edit, Deployment, deployment.id)
        fields = msgspec.structs.asdict(early(head, 2))
        names = ("tenant_id", "deployment_id", "number", "app_version_id", "policy", "replicas")
        old = edit.create(DeploymentRevision, **{name: fields[name] for name in names})
        good = GoodState(revision_id=old.id, revision_number=2, decision_id=head.decision_id)
        return edit.replace(head, revision_number=3, good=good)

    return await edge.change(filed)


def test_what_an_early_revision_does_not_say_is_no_part_of_what_it_wants() -> None:
    revision = DeploymentRevision(
        id="r", tenant_id="t", deployment_id="d", number=1, app_version_id="v", policy=PlacementPolicy()
    )
    read = msgspec.json.decode(msgspec.json.encode(revision), type=DeploymentRevision)
    assert set(intents_of(read)) == set(INTENTS) - set(KEPT_LATER)
    told = msgspec.structs.replace(revision, drift_policy=DriftPolicy.CORRECT, requires_approval=False)
    read = msgspec.json.decode(msgspec.json.encode(told), type=DeploymentRevision)
    assert asked(read) == (DriftPolicy.CORRECT, False)
    assert set(intents_of(read)) == set(INTENTS)


async def test_a_rollback_to_an_early_revision_leaves_what_it_does_not_say(edges) -> None:
    async with edges(running=False) as edge:
        deployment = await at_its_third(edge)
        # What waits asks for something else, and a rollback has nothing of that.
        await edge.update(deployment.id, drift_policy=DriftPolicy.CORRECT)
        asked_for = (await edge.rollback(deployment.id, 2)).deployment
        assert (asked(asked_for.proposal), asked_for.proposal.replicas) == (REPORTS, {"web": 2})
        after = (await edge.approve(deployment.id, asked_for.proposal.number)).deployment
        assert (asked(after), after.replicas) == (REPORTS, {"web": 2})


async def test_a_cancellation_that_goes_back_to_an_early_revision_leaves_what_it_does_not_say(edges) -> None:
    async with edges(running=False) as edge:
        deployment = await at_its_third(edge)
        _, after = await edge.cancel(deployment.operation_id)
        assert (asked(after), after.replicas, after.revision_number) == (REPORTS, {"web": 2}, 4)


async def test_an_approval_of_an_early_proposal_leaves_what_it_does_not_say(edges) -> None:
    async with edges(running=False) as edge:
        deployment = await at_its_third(edge)
        number = (await edge.scale(deployment.id, web=2)).deployment.proposal.number

        def aged(edit):
            head = get_as(edit, Deployment, deployment.id)
            fields = {
                name: getattr(head.proposal, name) for name in Proposal.__struct_fields__ if name not in KEPT_LATER
            }
            edit.replace(head, proposal=Proposal(**fields))

        await edge.change(aged)
        after = (await edge.approve(deployment.id, number)).deployment
        assert (asked(after), after.replicas) == (REPORTS, {"web": 2})


def before_it_was_kept() -> Deployment:
    proposal = Proposal(
        number=6, revision_id="r6", operation_id="o", kind="UPDATE", author="user_a", app_version_id="v"
    )
    return Deployment(
        id="d",
        name="n",
        tenant_id="t",
        app_version_id="v",
        revision_number=4,
        good=GoodState(revision_id="r2", revision_number=2),
        proposal=proposal,
    )


@pytest.mark.parametrize("number", OUTCOMES)
def test_what_became_of_revisions_before_that_was_kept_is_not_known(number: int) -> None:
    assert outcome_of(before_it_was_kept(), number) is OUTCOMES[number]


async def test_what_becomes_of_revisions_is_kept_from_the_first_look_on(edges) -> None:
    async with edges(running=False) as edge:
        deployment = await at_its_third(edge)
        assert deployment.outcomes_from == 1, "what is made now is known from the start"

        def aged(edit):
            edit.replace(get_as(edit, Deployment, deployment.id), outcomes_from=0, newest_number=0)
            keep_books(edit, deployment_ids=[deployment.id])

        await edge.change(aged)
        looked_at = edge.deployment(deployment.id)
        assert (looked_at.outcomes_from, looked_at.ready_numbers) == (3, [2])
        for web in (3, 4):
            await edge.approve(deployment.id, (await edge.scale(deployment.id, web=web)).deployment.proposal.number)
        after = edge.deployment(deployment.id)
        assert [outcome_of(after, number) for number in range(1, 6)] == [
            None,
            RevisionOutcome.READY,
            RevisionOutcome.OVERTAKEN,
            RevisionOutcome.OVERTAKEN,
            RevisionOutcome.UNDER_WAY,
        ]
        assert after.phase is DeploymentPhase.PROGRESSING
