"""Pause, stop and resume: what is held, what goes on, and that it comes back where it was."""

from __future__ import annotations

import asyncio

import pytest

from graph.kinds import DeploymentPhase, DriftPolicy, Instance, OperationKind, OperationStatus, ReleasePhase, Site
from graph.refusal import Conflict, InvalidState
from graph.view import each
from lifecycle.awaited import WaitCondition, Waited, of_deployment, of_operation
from lifecycle.unplaceable import Unplaceable

RESYNCS_S = 1.2
"""More than two sweeps over everything."""


async def running(edge, **fields):
    """A deployment that is READY."""
    deployment, operation = await edge.deploy(**fields)
    await edge.succeeded(operation)
    return await edge.phase(deployment.id, DeploymentPhase.READY)


def names(edge) -> dict[str, tuple[str, dict[str, int]]]:
    return {
        one.backend_name: (one.site_id, one.assignments)
        for one in edge.releases(next(iter(edge.view.ids("Deployment"))))
    }


async def test_nothing_is_done_for_a_paused_deployment_until_it_is_resumed(edge) -> None:
    await edge.network(sites=2)
    await edge.version()
    deployment = await running(edge)
    paused = await edge.pause(deployment.id)
    assert paused.phase is DeploymentPhase.PAUSED
    before = edge.world().calls.copy()
    started = await edge.scale(deployment.id, web=2)
    assert started.deployment.phase is DeploymentPhase.PAUSED
    await asyncio.sleep(RESYNCS_S)
    assert edge.world().calls == before
    assert edge.deployment(deployment.id).phase is DeploymentPhase.PAUSED
    assert {one.replicas for one in edge.world().objects.values()} == {1}
    resumed = await edge.resume(deployment.id)
    assert resumed.operation.id == started.operation.id
    await edge.succeeded(started.operation)
    await edge.phase(deployment.id, DeploymentPhase.READY)
    edge.check_books()


async def test_who_waits_for_what_is_paused_is_told_that_it_is(edge) -> None:
    await edge.network(sites=1)
    await edge.version()
    deployment, operation = await edge.deploy()
    await edge.succeeded(operation)
    await edge.phase(deployment.id, DeploymentPhase.READY)
    await edge.pause(deployment.id)
    # At once, and as well when the books were brought up to date.
    for _ in range(2):
        waited = of_deployment(edge.view, deployment.id, WaitCondition.READY)
        assert (waited.reached, [one.code for one in waited.missing]) == (False, ["PAUSED"])
        assert waited.summary.startswith("1 of 1 replicas are ready: it is paused: ")
        await edge.until(lambda: [one.code for one in edge.deployment(deployment.id).status.reasons] == ["PAUSED"])
    assert of_deployment(edge.view, deployment.id, WaitCondition.APPLIED) == Waited(
        reached=True, summary="1 of 1 releases are applied"
    )
    scaled = (await edge.scale(deployment.id, web=2)).operation
    for waited in (
        of_deployment(edge.view, deployment.id, WaitCondition.APPLIED),
        of_operation(edge.view, scaled, WaitCondition.APPLIED),
    ):
        assert (waited.reached, [one.code for one in waited.missing]) == (False, ["PAUSED", "NOT_APPLIED"])
    assert "PAUSED" in {one.code for one in of_operation(edge.view, scaled, WaitCondition.READY).missing}


async def test_a_pause_in_the_middle_of_a_change_holds_the_rest_of_it(edge) -> None:
    await edge.network(sites=4, latencyMs=60)
    await edge.version()
    await edge.connected()
    deployment, operation = await edge.deploy()
    await edge.pause(deployment.id)
    await edge.lifecycle.idle(within_s=30)
    done = set(edge.world().objects)
    await asyncio.sleep(RESYNCS_S)
    assert set(edge.world().objects) == done
    await edge.resume(deployment.id)
    await edge.succeeded(operation)
    edge.check_books()


async def test_drift_of_a_paused_deployment_is_told_and_put_right_when_it_is_resumed(edge) -> None:
    await edge.network(sites=2)
    await edge.version()
    deployment = await running(edge)
    await edge.pause(deployment.id)
    name = edge.releases(deployment.id)[0].backend_name
    await edge.world().vanish(name)
    await edge.phases(deployment.id, DRIFTED=1)
    await asyncio.sleep(RESYNCS_S)
    assert name not in edge.world().objects
    assert edge.deployment(deployment.id).phase is DeploymentPhase.PAUSED
    drifts = [
        one
        for release in edge.releases(deployment.id)
        for one in await edge.events(release.id)
        if one.reason == "Drift"
    ]
    assert [one.message.endswith("it is left so while its deployment is paused.") for one in drifts] == [True]
    resumed = await edge.resume(deployment.id)
    assert resumed.operation.kind is OperationKind.RESUME
    assert resumed.operation.progress.total == 1
    await edge.succeeded(resumed.operation)
    await edge.phase(deployment.id, DeploymentPhase.READY)
    edge.check_books()


async def test_what_was_only_to_be_reported_stays_so_after_a_pause(edge) -> None:
    await edge.network(sites=1)
    await edge.version()
    deployment = await running(edge, drift_policy=DriftPolicy.REPORT)
    await edge.pause(deployment.id)
    await edge.world().vanish(edge.releases(deployment.id)[0].backend_name)
    await edge.phases(deployment.id, DRIFTED=1)
    await edge.resume(deployment.id)
    degraded = await edge.phase(deployment.id, DeploymentPhase.DEGRADED)
    assert "1 drifted" in (degraded.message or "")
    assert not edge.world().objects


async def test_a_pause_survives_the_process(edges) -> None:
    async with edges() as edge:
        await edge.network(sites=2)
        await edge.version()
        deployment = await running(edge)
        await edge.pause(deployment.id)
        await edge.scale(deployment.id, web=3)
        network = vars(edge)
    async with edges() as edge:
        edge.site_ids, edge.cluster_ids = network["site_ids"], network["cluster_ids"]
        await edge.connected()
        await asyncio.sleep(RESYNCS_S)
        assert edge.deployment(deployment.id).phase is DeploymentPhase.PAUSED
        assert all(one.applied_generation < one.generation for one in edge.releases(deployment.id))
        await edge.resume(deployment.id)
        await edge.phase(deployment.id, DeploymentPhase.READY)
        edge.check_books()


async def test_a_pause_is_asked_for_twice_and_is_one(edge) -> None:
    await edge.network(sites=1)
    await edge.version()
    deployment = await running(edge)
    first = await edge.pause(deployment.id)
    again = await edge.pause(deployment.id)
    assert again == first
    resumed = await edge.resume(deployment.id)
    await edge.succeeded(resumed.operation)
    await edge.phase(deployment.id, DeploymentPhase.READY)
    with pytest.raises(InvalidState, match="neither paused nor stopped"):
        await edge.resume(deployment.id)


async def test_a_paused_deployment_can_be_terminated(edge) -> None:
    await edge.network(sites=2)
    await edge.version()
    deployment = await running(edge)
    await edge.pause(deployment.id)
    started = await edge.terminate(deployment.id)
    await edge.succeeded(started.operation)
    assert not edge.world().objects
    assert not (await edge.phase(deployment.id, DeploymentPhase.TERMINATED)).paused


async def test_a_stopped_deployment_runs_nothing_and_keeps_its_room(edge) -> None:
    await edge.network(sites=2, nodes=1)
    await edge.version()
    deployment = await running(edge, replicas={"web": 8})
    before = names(edge)
    started = await edge.stop(deployment.id)
    assert started.operation.kind is OperationKind.STOP
    await edge.succeeded(started.operation)
    stopped = await edge.phase(deployment.id, DeploymentPhase.STOPPED)
    assert stopped.message is None
    assert {one.replicas for one in edge.world().objects.values()} == {0}
    await edge.until(lambda: not list(each(edge.view, Instance)), what="an end of the instances")
    assert names(edge) == before
    # All 4 cores of every node are held by it: nothing else fits.
    with pytest.raises(Unplaceable):
        await edge.deploy("other")
    edge.check_books()


async def test_what_was_stopped_comes_back_on_the_same_nodes(edge) -> None:
    await edge.network(sites=2, nodes=3)
    await edge.version()
    deployment = await running(edge, replicas={"web": 2})
    before = names(edge)
    on_nodes = {(one.site_id, one.node_id) for one in each(edge.view, Instance)}
    await edge.succeeded((await edge.stop(deployment.id)).operation)
    await edge.phase(deployment.id, DeploymentPhase.STOPPED)
    resumed = await edge.resume(deployment.id)
    assert resumed.operation.kind is OperationKind.RESUME
    await edge.succeeded(resumed.operation)
    ready = await edge.phase(deployment.id, DeploymentPhase.READY)
    assert names(edge) == before
    assert {(one.site_id, one.node_id) for one in each(edge.view, Instance)} == on_nodes
    assert ready.revision_number == 1
    edge.check_books()


async def test_dependents_stop_first_and_start_last(edges, tmp_path) -> None:
    async with edges(data_folder=tmp_path) as edge:
        await edge.network(sites=1)
        await edge.version(db={}, web={"depends_on": ["db"]})
        deployment = await running(edge)
        made = len(edge.history())
        await edge.succeeded((await edge.stop(deployment.id)).operation)
        await edge.succeeded((await edge.resume(deployment.id)).operation)
        parts = {one.backend_name: edge.view.get(one.component_id).name for one in edge.releases(deployment.id)}
        assert [(parts[name], generation) for _, name, generation in edge.history()[made:]] == [
            ("web", 2),
            ("db", 2),
            ("db", 3),
            ("web", 3),
        ]


async def test_changes_of_a_stopped_deployment_wait_for_its_resume(edge) -> None:
    await edge.network(sites=3)
    await edge.version()
    deployment = await running(edge, sites=edge.site_ids[:2])
    await edge.succeeded((await edge.stop(deployment.id)).operation)
    changed = await edge.update(deployment.id, policy=edge.wish(sites=edge.site_ids[1:]).policy, replicas={"web": 2})
    await edge.succeeded(changed.operation)
    stopped = await edge.phase(deployment.id, DeploymentPhase.STOPPED)
    assert {one.replicas for one in edge.world().objects.values()} == {0}
    assert {one.site_id for one in edge.releases(deployment.id)} == set(edge.site_ids[1:])
    assert stopped.good is not None
    assert stopped.good.revision_number == 1
    await edge.succeeded((await edge.resume(deployment.id)).operation)
    ready = await edge.phase(deployment.id, DeploymentPhase.READY)
    assert ready.good.revision_number == 2
    assert {one.replicas for one in edge.world().objects.values()} == {2}


async def test_a_stop_while_a_site_is_away_is_seen_through_when_it_returns(edge) -> None:
    await edge.network(sites=2)
    await edge.version()
    deployment = await running(edge)
    away = edge.site_ids[0]
    await edge.configure(awaySites=["s0"])
    await edge.until(lambda: edge.view.get(away).health.status.name == "DOWN")
    started = await edge.stop(deployment.id)
    await edge.phases(deployment.id, READY=1, WAITING_SITE=1)
    assert (await edge.resume(deployment.id)).operation.kind is OperationKind.RESUME
    assert (await edge.ended(started.operation.id)).status is OperationStatus.SUPERSEDED
    await edge.configure()
    await edge.phase(deployment.id, DeploymentPhase.READY)
    edge.check_books()


async def test_a_stop_and_a_resume_are_taken_back_by_each_other_and_not_cancelled(edge) -> None:
    await edge.network(sites=1, latencyMs=1_000)
    await edge.version()
    deployment = await running(edge)
    stopping = await edge.stop(deployment.id)
    again = await edge.stop(deployment.id)
    assert again.operation.id == stopping.operation.id
    with pytest.raises(InvalidState) as refused:
        await edge.cancel(stopping.operation.id)
    assert refused.value.remedy == "resume the deployment"
    resuming = await edge.resume(deployment.id)
    assert (await edge.resume(deployment.id)).operation.id == resuming.operation.id
    with pytest.raises(InvalidState):
        await edge.cancel(resuming.operation.id)
    await edge.succeeded(resuming.operation)
    await edge.phase(deployment.id, DeploymentPhase.READY)
    edge.check_books()


async def test_a_change_that_saw_another_revision_is_refused(edge, asking) -> None:
    await edge.network(sites=1)
    await edge.version()
    deployment = await running(edge)
    verbs = edge.lifecycle.verbs
    for verb in (verbs.pause, verbs.stop):
        with pytest.raises(Conflict):
            await verb(deployment.id, asking(), visible=lambda one: one, expected_revision=deployment.asked_at - 1)


async def test_a_stopped_deployment_is_drained_without_ever_running(edge) -> None:
    await edge.network(sites=2)
    await edge.version()
    policy = edge.wish().policy
    deployment = await running(edge, policy=type(policy)(max_sites=1))
    await edge.succeeded((await edge.stop(deployment.id)).operation)
    here = edge.releases(deployment.id)[0].site_id
    drain = await edge.drain(here)
    await edge.succeeded(drain)
    after = await edge.phase(deployment.id, DeploymentPhase.STOPPED)
    (release,) = edge.releases(after.id)
    assert release.site_id != here
    assert release.phase is ReleasePhase.READY
    assert {one.replicas for one in edge.world().objects.values()} == {0}
    assert isinstance(edge.view.get(release.site_id), Site)


async def test_a_deployment_that_is_cancelled_while_it_is_paused_and_was_never_ready_is_removed(edges) -> None:
    async with edges(running=False) as edge:
        await edge.network(sites=2)
        await edge.version()
        deployment, operation = await edge.deploy()
        await edge.pause(deployment.id)
        await edge.cancel(operation.id)
        async with edge.lifecycle.running():
            over = await edge.ended(operation.id)
            assert over.status is OperationStatus.CANCELLED
            await edge.phase(deployment.id, DeploymentPhase.TERMINATED)
            assert not edge.releases(deployment.id)
