"""Sites and nodes that are lost: apps move, are proposed to move, or wait, as their policies say; and nothing doubles."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from drivers.clock import SystemClock
from graph.kinds import (
    Deployment,
    DeploymentPhase,
    DisplacementState,
    FailoverMode,
    FailoverPolicy,
    LossKind,
    Node,
    Operation,
    OperationKind,
    PlanKind,
    PlanStatus,
)
from graph.kinds.policy import PlacementPolicy, SiteSelector
from graph.refusal import InvalidState
from graph.values import HealthStatus, Resources, Taint, TaintEffect
from graph.view import each
from lifecycle import losses_kept
from lifecycle.failover import Failover
from lifecyclekit.edge import QUICK, Edge, asking, everything

ONE = PlacementPolicy(min_sites=1, max_sites=1)
EVERYWHERE = PlacementPolicy(everywhere=True)


def at(site_id: str) -> PlacementPolicy:
    return PlacementPolicy(min_sites=1, max_sites=1, sites=SiteSelector(site_ids=[site_id]))


NOW = FailoverPolicy(mode=FailoverMode.APPLY, toleration_seconds=0)


def policy(mode: FailoverMode = FailoverMode.APPLY, **fields: Any) -> FailoverPolicy:
    return FailoverPolicy(mode=mode, **{"toleration_seconds": 0, **fields})


def name_of(edge: Edge, site_id: str) -> str:
    return f"s{edge.site_ids.index(site_id)}"


async def cut(edge: Edge, *site_ids: str, **configuration: Any) -> None:
    """These sites do not answer, and all others do."""
    await edge.configure(awaySites=[name_of(edge, one) for one in site_ids], **configuration)


def homes(edge: Edge, deployment_id: str) -> set[str]:
    """Where it is to stay."""
    return {one.site_id for one in edge.releases(deployment_id) if one.stays}


async def home(edge: Edge, deployment_id: str) -> str:
    [site_id] = homes(edge, deployment_id)
    return site_id


async def moved(edge: Edge, deployment_id: str, *away: str) -> set[str]:
    """Waits until all of it is ready elsewhere; where."""

    def there() -> bool:
        staying = [one for one in edge.releases(deployment_id) if one.stays]
        return bool(staying) and all(one.site_id not in away and one.phase.name == "READY" for one in staying)

    await edge.until(there, what="that it moved")
    await edge.phase(deployment_id, DeploymentPhase.READY)
    return homes(edge, deployment_id)


async def state(edge: Edge, deployment_id: str, wanted: DisplacementState) -> Deployment:
    def found() -> Deployment | None:
        one = edge.deployment(deployment_id)
        return one if one is not None and one.displacement is not None and one.displacement.state is wanted else None

    one: Deployment = await edge.until(found, what=wanted.name)
    return one


async def settled_without(edge: Edge, deployment_id: str) -> None:
    """Waits until nothing of it is lost any more."""
    await edge.until(lambda: edge.deployment(deployment_id).displacement is None, what="that nothing is lost")


async def running(edge: Edge, name: str = "shop", *, failover: FailoverPolicy = NOW, **fields: Any) -> Deployment:
    deployment, operation = await edge.deploy(name, failover=failover, **{"policy": ONE, **fields})
    await edge.succeeded(operation)
    return deployment


async def reasons(edge: Edge, subject_id: str) -> list[str]:
    return [one.reason for one in await edge.events(subject_id)]


async def test_what_ran_at_a_lost_site_runs_elsewhere_and_is_cleaned_up_when_it_returns(edges, tmp_path: Path) -> None:
    async with edges(data_folder=tmp_path / "world") as edge:
        await edge.network(sites=3)
        await edge.version()
        deployment = await running(edge)
        lost = await home(edge, deployment.id)
        await cut(edge, lost)
        [now] = await moved(edge, deployment.id, lost)
        over = edge.deployment(deployment.id)
        assert over.displacement is None
        assert "left at a place that is away" in over.message
        [reason] = over.status.reasons
        site = edge.view.get(lost).name
        assert reason.message == f"a former copy of web was left at site {site}, and is removed when that answers"
        [old] = [one for one in edge.releases(deployment.id) if one.site_id == lost]
        assert (old.wanted, old.left_behind) == (False, True)
        assert {"LossTolerated", "FailoverBegun", "DeploymentReady"} <= set(await reasons(edge, deployment.id))
        assert old.backend_name in edge.world().objects, "beyond the cut it may run on"
        await cut(edge)
        await edge.until(lambda: len(edge.releases(deployment.id)) == 1, what="that the old copy is gone")
        assert homes(edge, deployment.id) == {now}
        await edge.phase(deployment.id, DeploymentPhase.READY)
        edge.check_books()
        applied = [name for what, name, _ in edge.history() if what == "applied"]
        assert applied.count(old.backend_name) == 1
        assert Counter(edge.history()).most_common(1)[0][1] == 1, "nothing is done twice"


async def test_a_failover_is_an_operation_that_ends_when_what_replaces_is_ready(edge) -> None:
    await edge.network(sites=3)
    await edge.version()
    deployment = await running(edge)
    lost = await home(edge, deployment.id)
    seen: list[Operation] = []

    def begun() -> bool:
        seen.extend(one for one in each(edge.view, Operation) if one.kind is OperationKind.FAILOVER)
        return bool(seen)

    await cut(edge, lost)
    await edge.until(begun, what="the operation")
    over = await edge.succeeded(seen[0])
    assert over.subject_id == deployment.id
    after = edge.deployment(deployment.id)
    assert after.revision_number == 1, "what is wanted is as it was"


async def test_a_site_that_is_back_within_the_toleration_changes_nothing(edge) -> None:
    await edge.network(sites=3)
    await edge.version()
    deployment = await running(edge, failover=policy(toleration_seconds=600))
    lost = await home(edge, deployment.id)
    await cut(edge, lost)
    one = await state(edge, deployment.id, DisplacementState.TOLERATED)
    [loss] = one.displacement.losses
    assert (loss.kind, loss.subject_id) == (LossKind.SITE_DOWN, lost)
    assert loss.due_at - loss.since == 600_000
    assert loss.since == edge.view.get(lost).health.observed_at
    generation = one.generation
    await cut(edge)
    await settled_without(edge, deployment.id)
    await edge.phase(deployment.id, DeploymentPhase.READY)
    assert edge.deployment(deployment.id).generation == generation
    assert homes(edge, deployment.id) == {lost}
    assert "LossOver" in await reasons(edge, deployment.id)


async def test_what_was_lost_before_a_restart_counts_from_then(edges, tmp_path: Path) -> None:
    async with edges(data_folder=tmp_path / "world", running=False) as edge:
        await edge.network(sites=3)
        await edge.version()
        async with edge.lifecycle.running():
            deployment = await running(edge, failover=policy(toleration_seconds=4))
            lost = await home(edge, deployment.id)
            await cut(edge, lost)
            before = await state(edge, deployment.id, DisplacementState.TOLERATED)
        await asyncio.sleep(0.1)
        async with edge.lifecycle.running():
            assert edge.deployment(deployment.id).displacement.losses == before.displacement.losses
            await moved(edge, deployment.id, lost)


async def test_without_a_failover_policy_what_runs_waits_for_its_site(edge) -> None:
    await edge.network(sites=3)
    await edge.version()
    deployment = await running(edge, failover=FailoverPolicy())
    lost = await home(edge, deployment.id)
    other = await running(edge, "other", policy=at(lost))
    await edge.update(other.id, policy=ONE)
    await cut(edge, lost)
    await moved(edge, other.id, lost)
    assert homes(edge, deployment.id) == {lost}
    assert edge.deployment(deployment.id).displacement is None
    assert edge.deployment(deployment.id).phase is DeploymentPhase.DEGRADED


async def test_a_proposal_is_kept_until_it_is_applied(edge) -> None:
    await edge.network(sites=3)
    await edge.version()
    deployment = await running(edge, failover=policy(FailoverMode.PROPOSE))
    lost = await home(edge, deployment.id)
    await cut(edge, lost)
    one = await state(edge, deployment.id, DisplacementState.PROPOSED)
    assert homes(edge, deployment.id) == {lost}
    plan = edge.view.get(one.displacement.plan_id)
    assert (plan.kind, plan.subject_id, plan.moves, plan.status) == (
        PlanKind.FAILOVER,
        deployment.id,
        1,
        PlanStatus.OPEN,
    )
    [kept] = await edge.lifecycle.plans.steps(plan.id)
    assert "is down" in kept.planned.step.why
    applied = await edge.lifecycle.plans.apply(
        plan.id, asking("applyPlan"), visible=everything, allowed=lambda reader, plan: None
    )
    [operation] = applied.value.operations
    assert operation.kind is OperationKind.FAILOVER
    assert await moved(edge, deployment.id, lost) == set(kept.planned.sites_after)
    assert edge.deployment(deployment.id).displacement is None


async def test_a_proposal_goes_with_its_reason(edge) -> None:
    await edge.network(sites=3)
    await edge.version()
    deployment = await running(edge, failover=policy(FailoverMode.PROPOSE))
    lost = await home(edge, deployment.id)
    await cut(edge, lost)
    one = await state(edge, deployment.id, DisplacementState.PROPOSED)
    await cut(edge)
    await settled_without(edge, deployment.id)
    assert edge.view.get(one.displacement.plan_id) is None
    assert homes(edge, deployment.id) == {lost}


async def test_a_proposal_that_was_deleted_or_has_expired_is_made_anew(edges, quick) -> None:
    async with edges(settings=dataclasses.replace(quick, failover_plan_s=0.3)) as edge:
        await edge.network(sites=3)
        await edge.version()
        deployment = await running(edge, failover=policy(FailoverMode.PROPOSE))
        await cut(edge, await home(edge, deployment.id))
        first = (await state(edge, deployment.id, DisplacementState.PROPOSED)).displacement.plan_id
        await edge.until(
            lambda: edge.deployment(deployment.id).displacement.plan_id not in (first, None), what="another plan"
        )
        assert edge.view.count("Plan") == 1


async def test_a_report_shows_a_plan_that_is_not_applied(edge) -> None:
    await edge.network(sites=3)
    await edge.version()
    deployment = await running(edge, failover=policy(FailoverMode.REPORT))
    lost = await home(edge, deployment.id)
    await cut(edge, lost)
    one = await state(edge, deployment.id, DisplacementState.REPORTED)
    assert "FailoverReported" in await reasons(edge, deployment.id)
    with pytest.raises(InvalidState, match="report only"):
        await edge.lifecycle.plans.apply(
            one.displacement.plan_id, asking("applyPlan"), visible=everything, allowed=lambda reader, plan: None
        )
    assert homes(edge, deployment.id) == {lost}


async def test_more_moves_than_its_policy_allows_are_not_begun(edge) -> None:
    await edge.network(sites=3)
    await edge.version(web={}, db={})
    deployment = await running(edge, failover=policy(max_moves=1))
    lost = await home(edge, deployment.id)
    await cut(edge, lost)
    one = await state(edge, deployment.id, DisplacementState.STUCK)
    assert one.displacement.why == "it takes 2 moves, and its policy allows 1"
    assert homes(edge, deployment.id) == {lost}
    await edge.update(deployment.id, failover=policy(max_moves=2))
    await moved(edge, deployment.id, lost)


async def test_what_has_nowhere_to_go_goes_when_there_is_room(edge) -> None:
    await edge.network(sites=2)
    await edge.version()
    deployment = await running(edge)
    lost = await home(edge, deployment.id)
    [other] = set(edge.site_ids) - {lost}
    await edge.lifecycle.set_schedulable(other, asking(), schedulable=False, visible=everything)
    await cut(edge, lost)
    one = await state(edge, deployment.id, DisplacementState.STUCK)
    assert "cannot be placed" in one.displacement.why
    await edge.lifecycle.set_schedulable(other, asking(), schedulable=True, visible=everything)
    assert await moved(edge, deployment.id, lost) == {other}


async def test_what_is_to_run_everywhere_waits_for_a_site_that_is_away(edge) -> None:
    await edge.network(sites=3)
    await edge.version()
    deployment, operation = await edge.deploy(failover=NOW)
    await edge.succeeded(operation)
    await cut(edge, edge.site_ids[0])
    await state(edge, deployment.id, DisplacementState.WAITING)
    assert homes(edge, deployment.id) == set(edge.site_ids)
    await cut(edge)
    await settled_without(edge, deployment.id)
    await edge.phase(deployment.id, DeploymentPhase.READY)
    assert {one.generation for one in edge.releases(deployment.id)} == {1}


async def test_a_site_that_returns_is_run_at_again_though_something_is_still_to_be_removed_there(
    edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was to leave while the site was away, and is to run everywhere by now: the return itself rings for it."""
    monkeypatch.setattr(Failover, "_look_again", lambda self: None)
    await edge.network(sites=2)
    await edge.version()
    deployment = await running(edge, failover=NOW, policy=EVERYWHERE)
    lost, other = edge.site_ids
    await cut(edge, lost)
    await edge.until(lambda: edge.view.get(lost).health.status is HealthStatus.DOWN, what="the loss")
    await edge.update(deployment.id, policy=PlacementPolicy(everywhere=True, sites=SiteSelector(site_ids=[other])))
    await edge.update(deployment.id, policy=EVERYWHERE)
    assert homes(edge, deployment.id) == {other}
    await edge.configure(sites={name_of(edge, lost): {"failureRate": 1}})
    await edge.until(lambda: homes(edge, deployment.id) == {lost, other}, what="that it is to run there again")
    await edge.configure()
    await edge.phase(deployment.id, DeploymentPhase.READY)
    edge.check_books()


async def test_a_lost_node_is_left_for_another_at_its_site(edge) -> None:
    await edge.network(sites=2, nodes=2)
    await edge.version()
    deployment = await running(edge)
    site_id = await home(edge, deployment.id)
    [release] = edge.releases(deployment.id)
    [node_id] = release.assignments
    await edge.configure(awayNodes=[edge.view.get(node_id).name])
    await edge.until(lambda: node_id not in edge.view.get(release.id).assignments, what="another node")
    await edge.phase(deployment.id, DeploymentPhase.READY)
    assert await home(edge, deployment.id) == site_id
    assert edge.view.get(release.id).backend_name == release.backend_name
    edge.check_books()


async def test_all_that_is_lost_is_left_at_once_however_little_of_it_is_kept(edge, monkeypatch) -> None:
    monkeypatch.setattr(losses_kept, "MOST_LISTED", 1)
    await edge.network(sites=7, nodes=1)
    await edge.version()
    deployment = await running(edge, policy=PlacementPolicy(min_sites=3, max_sites=3))
    gone = sorted(homes(edge, deployment.id))
    await edge.pause(deployment.id)
    await cut(edge, *gone)
    noted = await edge.until(
        lambda: (one := edge.deployment(deployment.id).displacement) and one.more and one.more[0].count == 2 and one,
        what="three losses",
    )
    assert len(noted.losses) == 1
    await edge.resume(deployment.id)
    now = await moved(edge, deployment.id, *gone)
    assert len(now) == 3
    begun = [one for one in await edge.events(deployment.id) if one.reason == "FailoverBegun"]
    assert len(begun) == 1, "all of it is one move"
    assert edge.deployment(deployment.id).displacement is None


async def test_what_ran_through_a_lost_control_plane_runs_through_another_at_its_site(edge) -> None:
    await edge.network(sites=1)
    await edge.version()
    await edge.another_cluster()
    deployment = await running(edge)
    [old] = edge.releases(deployment.id)
    mine = edge.cluster_ids.index(old.cluster_id)
    await edge.configure(mine, nonsense=1)

    def through_the_other() -> bool:
        staying = [one for one in edge.releases(deployment.id) if one.stays]
        return all(one.cluster_id != old.cluster_id and one.phase.name == "READY" for one in staying)

    await edge.until(through_the_other, what="that it runs through the other one")
    await settled_without(edge, deployment.id)
    assert edge.view.get(old.id).left_behind
    await edge.configure(mine)
    await edge.until(lambda: len(edge.releases(deployment.id)) == 1, what="that the old copy is gone")
    assert through_the_other()
    await edge.phase(deployment.id, DeploymentPhase.READY)
    edge.check_books()


async def test_a_taint_moves_what_it_evicts_and_leaves_what_it_only_keeps_away(edge) -> None:
    await edge.network(sites=1, nodes=2)
    await edge.version()
    deployment = await running(edge)
    [release] = edge.releases(deployment.id)
    [node_id] = release.assignments

    async def taint(effect: TaintEffect) -> None:
        taints = [Taint(key="maintenance", value="", effect=effect)]
        await edge.change(lambda edit: edit.replace(edit.get(node_id), taints=taints))

    await taint(TaintEffect.NO_SCHEDULE)
    await asyncio.sleep(0.3)
    assert edge.deployment(deployment.id).displacement is None
    assert edge.view.get(release.id).assignments == release.assignments
    await taint(TaintEffect.NO_EXECUTE)
    await edge.until(lambda: node_id not in edge.view.get(release.id).assignments, what="another node")
    await edge.phase(deployment.id, DeploymentPhase.READY)


async def test_membership_by_label_is_made_before_it_is_broken(edge) -> None:
    await edge.network(sites=3, readyAfterMs=60)
    await edge.version()
    west = PlacementPolicy(min_sites=1, max_sites=1, sites=SiteSelector(labels="zone=z0"))
    deployment = await running(edge, policy=west)
    old = await home(edge, deployment.id)
    ready: list[int] = []

    def moved_over() -> bool:
        found = edge.releases(deployment.id)
        ready.append(sum(one.phase.name == "READY" for one in found))
        return len(found) == 1 and found[0].site_id != old

    await edge.change(lambda edit: edit.replace(edit.get(old), labels={"zone": "z1"}))
    await edge.until(moved_over, what="that it left")
    assert min(ready) >= 1
    assert "z0" in edge.view.get(await home(edge, deployment.id)).labels["zone"]


async def test_a_site_that_matches_gets_what_runs_everywhere_and_one_that_does_not_loses_it(edge) -> None:
    await edge.network(sites=4)
    await edge.version()
    west = PlacementPolicy(everywhere=True, sites=SiteSelector(labels="zone=z0"))
    deployment = await running(edge, policy=west)
    other = await running(edge, "other", policy=west, failover=FailoverPolicy())
    s0, s1, s2, _ = edge.site_ids
    assert homes(edge, deployment.id) == {s0, s2}
    generations = {one.site_id: one.generation for one in edge.releases(deployment.id)}
    await edge.change(lambda edit: edit.replace(edit.get(s1), labels={"zone": "z0"}))
    await edge.until(lambda: homes(edge, deployment.id) == {s0, s1, s2}, what="the site that joined")
    await edge.change(lambda edit: edit.replace(edit.get(s0), labels={"zone": "z1"}))
    await edge.until(lambda: homes(edge, deployment.id) == {s1, s2}, what="the site that left")
    await edge.until(lambda: len(edge.releases(deployment.id)) == 2, what="that it is gone there")
    await edge.phase(deployment.id, DeploymentPhase.READY)
    [stayed] = [one for one in edge.releases(deployment.id) if one.site_id == s2]
    assert stayed.generation == generations[s2], "what stays is not touched"
    assert homes(edge, other.id) == {s0, s2}
    edge.check_books()


async def test_a_node_that_shrank_keeps_what_fits_and_the_rest_moves(edge) -> None:
    await edge.network(sites=2, nodes=1)
    await edge.version()
    site_id, other = edge.site_ids
    await edge.lifecycle.set_schedulable(other, asking(), schedulable=False, visible=everything)
    deployments = [await running(edge, f"d{number}") for number in range(3)]
    await edge.lifecycle.set_schedulable(other, asking(), schedulable=True, visible=everything)
    node = next(each(edge.view, Node, "site_id", site_id))
    small = Resources(cpu_millicores=1_000, memory_bytes=8 << 30)
    await edge.change(lambda edit: edit.replace(edit.get(node.id), capacity=small))

    def put_right() -> bool:
        found = Counter(next(iter(homes(edge, one.id))) for one in deployments if len(homes(edge, one.id)) == 1)
        return found[site_id] == 2 and sum(found.values()) == 3

    await edge.until(put_right, what="that one of them moved")
    for one in deployments:
        await edge.phase(one.id, DeploymentPhase.READY)
    edge.check_books()


async def test_what_is_paused_is_moved_when_it_is_resumed(edge) -> None:
    await edge.network(sites=3)
    await edge.version()
    deployment = await running(edge)
    lost = await home(edge, deployment.id)
    await edge.pause(deployment.id)
    await cut(edge, lost)
    await state(edge, deployment.id, DisplacementState.HELD)
    await edge.resume(deployment.id)
    await moved(edge, deployment.id, lost)


async def test_a_site_that_is_lost_and_back_while_it_is_replaced_is_left_all_the_same(edge) -> None:
    await edge.network(sites=3, readyAfterMs=300)
    await edge.version()
    deployment = await running(edge)
    lost = await home(edge, deployment.id)
    await cut(edge, lost, readyAfterMs=300)
    await edge.until(lambda: len(edge.releases(deployment.id)) == 2, what="what replaces it")
    await edge.configure(readyAfterMs=300)
    await edge.until(lambda: len(edge.releases(deployment.id)) == 1, what="that one is left")
    assert homes(edge, deployment.id).isdisjoint({lost})
    await edge.phase(deployment.id, DeploymentPhase.READY)
    edge.check_books()


async def test_what_a_termination_left_behind_is_waited_for(edge) -> None:
    await edge.network(sites=3)
    await edge.version()
    deployment = await running(edge)
    lost = await home(edge, deployment.id)
    await cut(edge, lost)
    await moved(edge, deployment.id, lost)
    await edge.terminate(deployment.id)
    await edge.until(lambda: len(edge.releases(deployment.id)) == 1, what="the copy that is left")
    assert edge.deployment(deployment.id).phase is DeploymentPhase.TERMINATING
    await cut(edge)
    await edge.phase(deployment.id, DeploymentPhase.TERMINATED)
    edge.check_books()


async def test_two_that_react_to_one_loss_do_it_once(edge) -> None:
    """Whose turn it is saves work and protects nothing: what is begun is verified at head."""
    await edge.network(sites=4)
    await edge.version()
    deployments = [await running(edge, f"d{number}") for number in range(4)]
    other = Failover(edge.ledger, edge.lifecycle.plans._placing, settings=QUICK, clock=SystemClock())
    task = asyncio.create_task(other.run())
    try:
        lost = await home(edge, deployments[0].id)
        await cut(edge, lost)
        for one in deployments:
            await moved(edge, one.id, lost)
    finally:
        task.cancel()
        await asyncio.wait([task])
    for one in deployments:
        begun = [told for told in await reasons(edge, one.id) if told == "FailoverBegun"]
        assert len(begun) <= 1
        assert edge.deployment(one.id).generation <= 3
    await cut(edge)
    for one in deployments:
        await edge.until(lambda one=one: len(edge.releases(one.id)) == 1, what="that the old copy is gone")
    edge.check_books()


async def test_a_rollback_brings_the_failover_policy_of_its_revision_back(edge) -> None:
    await edge.network(sites=2)
    await edge.version()
    deployment = await running(edge, failover=policy(FailoverMode.PROPOSE, max_moves=2))
    await edge.succeeded((await edge.update(deployment.id, failover=policy(FailoverMode.APPLY))).operation)
    assert edge.deployment(deployment.id).failover == policy(FailoverMode.APPLY)
    assert edge.deployment(deployment.id).revision_number == 2
    await edge.succeeded((await edge.rollback(deployment.id, 1)).operation)
    assert edge.deployment(deployment.id).failover == policy(FailoverMode.PROPOSE, max_moves=2)


async def test_however_many_sites_a_policy_refuses_at_once_all_of_them_are_left(edge) -> None:
    await edge.network(sites=44, nodes=1)
    await edge.version()
    west = PlacementPolicy(min_sites=22, max_sites=22, sites=SiteSelector(labels="zone=z0"))
    deployment = await running(edge, policy=west)
    before = homes(edge, deployment.id)

    def turn(edit: Any) -> None:
        for number, site_id in enumerate(edge.site_ids):
            edit.replace(edit.get(site_id), labels={"zone": f"z{1 - number % 2}"})

    await edge.change(turn)
    await edge.until(
        lambda: len(homes(edge, deployment.id)) == 22 and homes(edge, deployment.id).isdisjoint(before),
        what="that all of it moved",
    )
    await edge.phase(deployment.id, DeploymentPhase.READY)
    begun = [told for told in await reasons(edge, deployment.id) if told == "FailoverBegun"]
    assert len(begun) == 1, "by one plan"
