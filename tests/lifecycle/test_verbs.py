"""The table of states and verbs: whole, as it is on the page, and as what is asked really is answered."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest

from graph.edit import Edit
from graph.kinds import Deployment, DeploymentPhase, GoodState, Release, ReleasePhase
from graph.kinds.policy import PlacementPolicy
from graph.refusal import InvalidState
from graph.view import each, get_as
from lifecycle.verbs import NEXT, NEXT_IN, ONLY, REFUSED, Verb, check_verb, next_phase, refusal_of, table
from lifecycle.wishes import Adjustment
from lifecyclekit.edge import asking

PHASES = list(DeploymentPhase)
FIELDS = [
    {"revision_id": revision_id, "stopped": stopped, "paused": paused}
    for revision_id in (None, "deploymentrevision_1")
    for stopped in (False, True)
    for paused in (False, True)
]
"""All that conditions look at."""
FLAGS = {DeploymentPhase.PAUSED: {"paused": True}, DeploymentPhase.STOPPED: {"stopped": True}}


def deployment_in(phase: DeploymentPhase, **fields: Any) -> Deployment:
    return Deployment(
        id="d",
        name="shop",
        tenant_id="t",
        app_version_id="v",
        policy=PlacementPolicy(),
        phase=phase,
        **{**fields, **FLAGS.get(phase, {})},
    )


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("verb", list(Verb))
def test_a_verb_is_granted_or_refused_with_a_reason(phase: DeploymentPhase, verb: Verb) -> None:
    for fields in FIELDS:
        deployment = deployment_in(phase, **fields)
        reason = refusal_of(deployment, verb)
        if reason is None:
            check_verb(deployment, verb)
            continue
        with pytest.raises(InvalidState) as refused:
            check_verb(deployment, verb)
        assert "'shop'" in refused.value.message
        assert reason in refused.value.message
        assert refused.value.remedy


def test_no_cell_is_said_twice() -> None:
    assert not REFUSED.keys() & ONLY.keys()
    assert not REFUSED.keys() & NEXT_IN.keys()
    assert set(NEXT) == set(Verb)


@pytest.mark.parametrize("asked", list(ONLY))
def test_a_condition_grants_or_refuses(asked: tuple[DeploymentPhase, Verb]) -> None:
    phase, verb = asked
    answers = {refusal_of(deployment_in(phase, **fields), verb) for fields in FIELDS}
    assert None in answers
    assert len(answers) > 1
    assert all(one is None or one for one in answers)
    assert ONLY[asked].when


def test_the_table_is_on_the_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "lifecycle.md").read_text()
    assert table() in page


async def ask(edge: Any, deployment: Deployment, verb: Verb) -> Deployment | None:
    """Asks one verb of a deployment; gives it as it is wanted then."""
    match verb:
        case Verb.APPROVE:
            return (await edge.approve(deployment.id, 3)).deployment
        case Verb.UPDATE:
            return (await edge.update(deployment.id, replicas={"web": 2})).deployment
        case Verb.SCALE:
            return (await edge.scale(deployment.id, web=2)).deployment
        case Verb.ADD_SITES:
            return (await edge.add_sites(deployment.id, edge.site_ids[2])).deployment
        case Verb.REMOVE_SITES:
            return (await edge.remove_sites(deployment.id, edge.site_ids[1])).deployment
        case Verb.ADJUST_SITE:
            return (await edge.adjust_site(deployment.id, edge.site_ids[1], web=2)).deployment
        case Verb.MIGRATE:
            return (await edge.migrate(deployment.id, site_ids=edge.site_ids[2:])).deployment
        case Verb.ROLL_BACK:
            return (await edge.rollback(deployment.id, 1)).deployment
        case Verb.PAUSE:
            return await edge.pause(deployment.id)
        case Verb.STOP:
            return (await edge.stop(deployment.id)).deployment
        case Verb.RESUME:
            return (await edge.resume(deployment.id)).deployment
        case Verb.TERMINATE:
            return (await edge.terminate(deployment.id)).deployment
        case Verb.DELETE:
            return (await edge.terminate(deployment.id, delete=True)).deployment
        case Verb.CANCEL:
            return (await edge.cancel(deployment.operation_id))[1]
        case Verb.RETRY:
            return (await edge.retry(deployment.operation_id)).deployment


@pytest.mark.parametrize("phase", PHASES)
async def test_every_verb_is_answered_in_every_phase_as_the_table_says(edges, phase: DeploymentPhase) -> None:
    async with edges(running=False) as edge:
        await edge.network(sites=3, nodes=4)
        await edge.version()
        for number, verb in enumerate(Verb):
            deployment = await brought_to(edge, phase, f"shop-{number}")
            reason = refusal_of(deployment, verb)
            if reason is None:
                after = await ask(edge, deployment, verb)
                assert after is not None
                assert after.phase is next_phase(phase, verb), verb
                # Asked once more it is answered, too: with the same, or with a reason.
                await twice(edge, deployment, verb)
            else:
                before = edge.view.revision
                with pytest.raises(InvalidState) as refused:
                    await ask(edge, deployment, verb)
                assert reason in refused.value.message
                assert edge.view.get(deployment.id) == deployment, verb
                assert edge.view.revision == before


async def twice(edge: Any, deployment: Deployment, verb: Verb) -> None:
    with contextlib.suppress(InvalidState):
        await ask(edge, edge.deployment(deployment.id), verb)


async def brought_to(edge: Any, phase: DeploymentPhase, name: str) -> Deployment:
    """A deployment in a phase, with two revisions, an operation under way, and a release of it to try again."""
    deployment, _ = await edge.deploy(name, sites=edge.site_ids[:1])
    first = GoodState(revision_id=deployment.revision_id, revision_number=1, decision_id=deployment.decision_id)
    deployment = (await edge.update(deployment.id, policy=edge.wish(sites=edge.site_ids[:2]).policy)).deployment
    never_ran = phase is DeploymentPhase.PENDING_PLACEMENT
    if phase is DeploymentPhase.PENDING_APPROVAL:
        asked = Adjustment(deployment_id=deployment.id, replicas={"web": 3}, requires_approval=True)
        await edge.lifecycle.update(asked, asking(), visible=lambda reader: reader)

    def bring(edit: Edit) -> Deployment:
        release = next(each(edit, Release, "deployment_id", deployment.id))
        edit.replace(release, phase=ReleasePhase.QUARANTINED, operation_id=deployment.operation_id)
        found = get_as(edit, Deployment, deployment.id)
        assert found is not None
        return edit.replace(found, phase=phase, good=None if never_ran else first, **FLAGS.get(phase, {}))

    brought: Deployment = await edge.change(bring)
    return brought
