"""Plans of failover that are kept: they are of the deployment as it is and of what it has lost, or they are made anew."""

from __future__ import annotations

from typing import Any

import pytest

from graph.kinds import Deployment, DisplacementState, FailoverMode, FailoverPolicy, Plan
from graph.kinds.policy import PlacementPolicy
from graph.view import get_as
from lifecycle import losses_kept
from lifecycle.failover_targets import Targets
from lifecyclekit.edge import Edge, asking, everything

TWO = PlacementPolicy(min_sites=2, max_sites=2)
STATES = {FailoverMode.PROPOSE: DisplacementState.PROPOSED, FailoverMode.REPORT: DisplacementState.REPORTED}


def name_of(edge: Edge, site_id: str) -> str:
    return f"s{edge.site_ids.index(site_id)}"


async def cut(edge: Edge, *site_ids: str) -> None:
    """These sites do not answer, and all others do."""
    await edge.configure(awaySites=[name_of(edge, one) for one in site_ids])


async def running(edge: Edge, mode: FailoverMode = FailoverMode.PROPOSE, **fields: Any) -> tuple[Deployment, list[str]]:
    """One that runs at two of some sites, and which."""
    await edge.network(sites=6)
    await edge.version()
    failover = FailoverPolicy(mode=mode, toleration_seconds=0)
    deployment, operation = await edge.deploy(policy=TWO, failover=failover, **fields)
    await edge.succeeded(operation)
    return deployment, sorted(one.site_id for one in edge.releases(deployment.id))


async def planned(edge: Edge, deployment_id: str, *, moves: int, other_than: str = "") -> Plan:
    """The plan of so many moves, once there is one."""

    def found() -> Plan | None:
        one = edge.deployment(deployment_id).displacement
        plan = get_as(edge.view, Plan, one.plan_id) if one is not None and one.state in STATES.values() else None
        return plan if plan is not None and plan.id != other_than and plan.moves == moves else None

    plan: Plan = await edge.until(found, what=f"a plan of {moves} moves")
    return plan


async def apply(edge: Edge, plan: Plan) -> None:
    await edge.lifecycle.plans.apply(
        plan.id, asking("applyPlan"), visible=everything, allowed=lambda reader, plan: None
    )


@pytest.mark.parametrize("mode", STATES)
async def test_a_plan_is_made_anew_when_its_deployment_has_changed(edge, mode: FailoverMode) -> None:
    deployment, (lost, _) = await running(edge, mode)
    await cut(edge, lost)
    first = await planned(edge, deployment.id, moves=1)
    after = (await edge.scale(deployment.id, web=2)).deployment
    assert after.generation > deployment.generation
    plan = await planned(edge, deployment.id, moves=1, other_than=first.id)
    assert edge.view.get(first.id) is None, "nobody applies what is of another generation"
    assert edge.view.count("Plan") == 1
    one = edge.deployment(deployment.id).displacement
    assert (one.state, one.plan_generation) == (STATES[mode], edge.deployment(deployment.id).generation)
    [step] = await edge.lifecycle.plans.steps(plan.id)
    assert step.planned.step.generation == one.plan_generation


async def test_a_proposal_is_made_anew_when_more_is_lost_and_when_part_of_it_is_back(edge) -> None:
    deployment, (one, two) = await running(edge)
    await cut(edge, one)
    first = await planned(edge, deployment.id, moves=1)
    await cut(edge, one, two)
    second = await planned(edge, deployment.id, moves=2)
    assert edge.view.get(first.id) is None
    assert all(loss.planned for loss in edge.deployment(deployment.id).displacement.losses)
    await cut(edge, two)
    third = await planned(edge, deployment.id, moves=1)
    assert edge.view.get(second.id) is None
    [loss] = edge.deployment(deployment.id).displacement.losses
    assert loss.subject_id == two
    await apply(edge, third)

    def moved() -> bool:
        homes = {each.site_id for each in edge.releases(deployment.id) if each.wanted and each.phase.name == "READY"}
        return one in homes and two not in homes and len(homes) == 2

    await edge.until(moved, what="that it moved")


async def test_a_proposal_that_is_of_what_is_lost_is_left_as_it_is(edge) -> None:
    deployment, (lost, other) = await running(edge)
    await cut(edge, lost)
    plan = await planned(edge, deployment.id, moves=1)
    before = edge.deployment(deployment.id).displacement
    # It is looked at again, by what it has lost and by its policy, and nothing of it differs.
    await edge.change(lambda edit: edit.replace(edit.get(other), labels={"zone": "z0", "shelf": "3"}))
    await edge.change(lambda edit: edit.replace(edit.get(lost), labels={"zone": "z0", "shelf": "4"}))
    quiet = await edge.deploy("other", policy=PlacementPolicy(min_sites=1, max_sites=1))
    await edge.succeeded(quiet[1])
    assert edge.view.get(plan.id) is not None
    assert edge.deployment(deployment.id).displacement == before


async def test_what_is_only_proposed_is_begun_once_the_policy_is_to_apply(edge) -> None:
    deployment, (lost, _) = await running(edge)
    await cut(edge, lost)
    plan = await planned(edge, deployment.id, moves=1)
    await edge.update(deployment.id, failover=FailoverPolicy(mode=FailoverMode.APPLY, toleration_seconds=0))

    def left() -> bool:
        return all(one.site_id != lost for one in edge.releases(deployment.id) if one.wanted)

    await edge.until(left, what="that it moved")
    assert edge.view.get(plan.id) is None


@pytest.mark.parametrize("taken_over", [False, True])
async def test_a_proposal_to_a_site_that_is_lost_is_made_anew_to_another(edge, monkeypatch, taken_over: bool) -> None:
    if taken_over:  # by a process that has not made the plan, and reads where it leads
        monkeypatch.setattr(Targets, "note", lambda *given: None)
    deployment, (lost, _) = await running(edge)
    await cut(edge, lost)
    first = await planned(edge, deployment.id, moves=1)
    [step] = await edge.lifecycle.plans.steps(first.id)
    [target] = set(step.planned.sites_after) - {one.site_id for one in edge.releases(deployment.id)}
    await cut(edge, lost, target)
    second = await planned(edge, deployment.id, moves=1, other_than=first.id)
    [step] = await edge.lifecycle.plans.steps(second.id)
    assert target not in step.planned.sites_after
    assert edge.view.get(first.id) is None
    await apply(edge, second)


async def target_of(edge: Edge, plan: Plan) -> tuple[str, set[str]]:
    """The site that a plan newly leads to, and the nodes there."""
    [step] = await edge.lifecycle.plans.steps(plan.id)
    [at] = [one for one in step.planned.decision.placements if one.site_id not in step.planned.step.before]
    return at.site_id, {node_id for one in at.components for node_id in one.assignments}


@pytest.mark.parametrize("taken_over", [False, True])
async def test_a_proposal_to_a_node_that_is_lost_is_made_anew(edge, monkeypatch, taken_over: bool) -> None:
    if taken_over:
        monkeypatch.setattr(Targets, "note", lambda *given: None)
    deployment, (lost, _) = await running(edge)
    await cut(edge, lost)
    first = await planned(edge, deployment.id, moves=1)
    _, nodes = await target_of(edge, first)
    away = [edge.view.get(one).name for one in nodes]
    await edge.configure(awaySites=[name_of(edge, lost)], awayNodes=away)
    second = await planned(edge, deployment.id, moves=1, other_than=first.id)
    assert not nodes & (await target_of(edge, second))[1]
    await apply(edge, second)


async def test_a_proposal_is_made_anew_when_others_have_taken_its_room(edge) -> None:
    deployment, (lost, _) = await running(edge)
    await cut(edge, lost)
    first = await planned(edge, deployment.id, moves=1)
    target, _ = await target_of(edge, first)
    _, operation = await edge.deploy("large", sites=[target], replicas={"web": 16})
    await edge.succeeded(operation)
    second = await planned(edge, deployment.id, moves=1, other_than=first.id)
    assert (await target_of(edge, second))[0] != target
    await apply(edge, second)


async def test_a_proposal_is_left_as_it_is_while_its_target_has_room_for_it(edge) -> None:
    deployment, (lost, _) = await running(edge)
    await cut(edge, lost)
    plan = await planned(edge, deployment.id, moves=1)
    target, nodes = await target_of(edge, plan)
    other = next(one for one in edge.view.ids("Node", "site_id", target) if one not in nodes)
    await edge.configure(awaySites=[name_of(edge, lost)], awayNodes=[edge.view.get(other).name])
    await edge.until(lambda: edge.view.get(other).status.name == "NOT_READY", what="a node that is lost")
    _, operation = await edge.deploy("small", sites=[target])
    await edge.succeeded(operation)
    assert (await planned(edge, deployment.id, moves=1)).id == plan.id


async def test_a_proposal_moves_all_that_is_lost_however_little_of_it_is_kept(edge, monkeypatch) -> None:
    monkeypatch.setattr(losses_kept, "MOST_LISTED", 1)
    deployment, (one, two) = await running(edge)
    await cut(edge, one, two)
    plan = await planned(edge, deployment.id, moves=2)
    stands = edge.deployment(deployment.id).displacement
    assert [(len(stands.losses), each.count, each.planned) for each in stands.more] == [(1, 1, True)]
    await apply(edge, plan)

    def moved() -> bool:
        homes = {each.site_id for each in edge.releases(deployment.id) if each.wanted and each.phase.name == "READY"}
        return len(homes - {one, two}) == 2

    await edge.until(moved, what="that it moved")
    await edge.until(lambda: edge.deployment(deployment.id).displacement is None, what="that nothing is lost")


async def test_a_proposal_goes_when_what_is_only_counted_is_back(edge, monkeypatch) -> None:
    monkeypatch.setattr(losses_kept, "MOST_LISTED", 1)
    deployment, (one, two) = await running(edge)
    await cut(edge, one, two)
    first = await planned(edge, deployment.id, moves=2)
    [listed] = edge.deployment(deployment.id).displacement.losses
    await cut(edge, listed.subject_id)
    await planned(edge, deployment.id, moves=1, other_than=first.id)
    stands = edge.deployment(deployment.id).displacement
    assert ([each.subject_id for each in stands.losses], stands.more) == ([listed.subject_id], [])
