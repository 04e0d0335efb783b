"""Drains: make before break, and what cannot move stays and is told."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from graph.kinds import (
    DeploymentPhase,
    FailoverMode,
    FailoverPolicy,
    Node,
    OperationStatus,
    Release,
    ReleasePhase,
)
from graph.kinds.policy import PlacementPolicy, SiteSelector
from graph.refusal import InvalidState, NotFound
from graph.view import each
from lifecyclekit.edge import everything

ONE = PlacementPolicy(min_sites=1, max_sites=1)


async def test_a_drained_site_is_left_only_when_its_replacement_is_ready(edges, tmp_path: Path) -> None:
    async with edges(data_folder=tmp_path / "world") as edge:
        await edge.network(sites=4, readyAfterMs=120)
        await edge.version(web={}, db={})
        deployment, operation = await edge.deploy(policy=ONE)
        await edge.succeeded(operation)
        [home] = {one.site_id for one in edge.releases(deployment.id)}
        drain = await edge.drain(home)
        assert not edge.view.get(home).schedulable
        least = 99
        while edge.view.get(drain.id) is not None:
            ready = Counter(
                edge.view.get(one.component_id).name
                for one in edge.releases(deployment.id)
                if one.phase is ReleasePhase.READY
            )
            least = min(least, ready["web"], ready["db"])
            await asyncio.sleep(0.002)
        over = await edge.succeeded(drain)
        assert least >= 1
        assert (over.progress.total, over.progress.done) == (2, 2)
        left = edge.releases(deployment.id)
        assert len(left) == 2
        assert home not in {one.site_id for one in left}
        after = await edge.phase(deployment.id, DeploymentPhase.READY)
        assert after.revision_number == 1
        assert after.good.decision_id == after.decision_id
        edge.check_books()


async def test_a_drain_moves_every_deployment_and_leaves_the_others_alone(edge) -> None:
    await edge.network(sites=4)
    await edge.version()
    here, there = edge.site_ids[0], edge.site_ids[1]
    moving = []
    for number in range(5):
        policy = PlacementPolicy(min_sites=1, max_sites=1, sites=SiteSelector(site_ids=[here]))
        deployment, operation = await edge.deploy(f"d{number}", policy=policy)
        await edge.succeeded(operation)
        free = PlacementPolicy(min_sites=1, max_sites=1)
        started = await edge.update(deployment.id, policy=free)
        await edge.succeeded(started.operation)
        moving.append(deployment.id)
    home = Counter(one.site_id for name in moving for one in edge.releases(name)).most_common(1)[0][0]
    staying = {one.id: one for name in moving for one in edge.releases(name) if one.site_id != home}
    await edge.succeeded(await edge.drain(home))
    assert not edge.view.ids("Release", "site_id", home)
    for release_id, before in staying.items():
        assert edge.view.get(release_id).generation == before.generation
    assert there in edge.site_ids
    edge.check_books()


async def test_what_cannot_move_stays_and_the_drain_says_so(edge) -> None:
    await edge.network(sites=3)
    await edge.version()
    home = edge.site_ids[0]
    bound, operation = await edge.deploy("bound", sites=[home])
    await edge.succeeded(operation)
    over = await edge.ended((await edge.drain(home)).id)
    assert over.status is OperationStatus.FAILED
    assert bound.id in over.error.message
    assert "bound" not in over.error.message.replace(bound.id, "")
    [release] = edge.releases(bound.id)
    assert (release.site_id, release.phase, release.wanted) == (home, ReleasePhase.READY, True)
    [told] = [one for one in await edge.events(bound.id) if one.reason == "NotMoved"]
    assert "cannot be placed" in told.message
    edge.check_books()


async def test_what_a_drain_moves_is_under_way_and_not_in_trouble(edge) -> None:
    await edge.network(sites=2)
    await edge.version(web={"depends_on": ["db"]}, db={})
    deployment, operation = await edge.deploy(policy=ONE)
    await edge.succeeded(operation)
    await edge.phase(deployment.id, DeploymentPhase.READY)
    await edge.configure(readyAfterMs=300)
    drain = await edge.drain(edge.releases(deployment.id)[0].site_id)
    await edge.phases(deployment.id, WAITING_READY=1, WAITING_DEPENDENCY=1)
    await edge.succeeded(drain)
    await edge.phase(deployment.id, DeploymentPhase.READY)
    assert "DeploymentDegraded" not in {one.reason for one in await edge.events(deployment.id)}


async def test_what_has_left_by_itself_is_not_told_that_it_stays(edge) -> None:
    await edge.network(sites=2)
    await edge.version()
    home = edge.site_ids[0]
    bound = [(await edge.deploy(name, sites=[home]))[0] for name in ("bound", "left")]
    loose = PlacementPolicy(min_sites=1, max_sites=1, sites=SiteSelector(site_ids=[home]))
    free, operation = await edge.deploy("free", policy=loose)
    await edge.succeeded(operation)
    await edge.update(free.id, policy=ONE)
    await edge.phase(free.id, DeploymentPhase.READY)
    await edge.configure(readyAfterMs=1_000)
    drain = await edge.drain(home)
    await edge.until(lambda: edge.view.get(drain.id).progress.failed == 2, what="that two cannot go")
    await edge.terminate(bound[1].id)
    over = await edge.ended(drain.id)
    assert (over.progress.total, over.progress.done, over.progress.failed) == (3, 2, 1)
    assert bound[0].id in over.error.message
    assert bound[1].id not in over.error.message
    assert not [one for one in await edge.events(bound[1].id) if one.reason == "NotMoved"]


async def test_part_of_a_drain_succeeds(edge) -> None:
    await edge.network(sites=3)
    await edge.version()
    home = edge.site_ids[0]
    await edge.succeeded((await edge.deploy("bound", sites=[home]))[1])
    free, operation = await edge.deploy("free", policy=ONE, sites=None)
    await edge.succeeded(operation)
    [at] = {one.site_id for one in edge.releases(free.id)}
    over = await edge.ended((await edge.drain(at)).id)
    if at == home:
        assert (over.status, over.progress.done, over.progress.failed) == (OperationStatus.PARTIAL, 1, 1)
    else:
        assert over.status is OperationStatus.SUCCEEDED
    assert at not in {one.site_id for one in edge.releases(free.id)}


async def test_a_drained_node_is_left_for_the_others_at_its_site(edge) -> None:
    await edge.network(sites=2, nodes=3, readyAfterMs=30)
    await edge.version()
    deployment, operation = await edge.deploy(replicas={"web": 2})
    await edge.succeeded(operation)
    release = edge.releases(deployment.id)[0]
    node_id = next(iter(release.assignments))
    drain = await edge.drain(node_id)
    await edge.succeeded(drain)
    after = edge.view.get(release.id)
    assert node_id not in after.assignments
    assert sum(after.assignments.values()) == 2
    assert not edge.view.ids("Instance", "node_id", node_id)
    assert not edge.view.get(node_id).schedulable
    other = edge.releases(deployment.id)[1]
    assert other.generation == 1
    edge.check_books()


async def test_an_empty_target_is_drained_at_once_and_a_second_drain_joins_the_first(edge) -> None:
    await edge.network(sites=2)
    drain = await edge.drain(edge.site_ids[1])
    over = await edge.succeeded(drain)
    assert over.progress.total == 0


async def test_a_drain_goes_on_after_a_restart(edges, tmp_path: Path) -> None:
    async with edges(running=False, data_folder=tmp_path / "world") as edge:
        await edge.network(sites=3)
        await edge.version()
        async with edge.lifecycle.running():
            deployment, operation = await edge.deploy(policy=ONE)
            await edge.succeeded(operation)
        [home] = {one.site_id for one in edge.releases(deployment.id)}
        first = await edge.drain(home)
        assert (await edge.drain(home)).id == first.id
        async with edge.lifecycle.running():
            await edge.succeeded(first)
            await edge.phase(deployment.id, DeploymentPhase.READY)
            edge.check_books()


async def test_a_cancelled_drain_moves_nothing_more(edges) -> None:
    async with edges(running=False) as edge:
        await edge.network(sites=3)
        await edge.version()
        async with edge.lifecycle.running():
            deployment, operation = await edge.deploy(policy=ONE)
            await edge.succeeded(operation)
        [home] = {one.site_id for one in edge.releases(deployment.id)}
        drain = await edge.drain(home)
        over, _ = await edge.cancel(drain.id)
        assert over.status is OperationStatus.CANCELLED
        async with edge.lifecycle.running():
            await asyncio.sleep(0.1)
            assert {one.site_id for one in edge.releases(deployment.id)} == {home}


async def test_cordons_keep_new_work_away_and_let_what_is_there_change(edge, asking) -> None:
    await edge.network(sites=2)
    await edge.version()
    deployment, operation = await edge.deploy()
    await edge.succeeded(operation)
    site = edge.site_ids[0]
    for _ in range(2):
        cordoned = await edge.lifecycle.set_schedulable(site, asking(), schedulable=False, visible=everything)
        assert not cordoned.value.schedulable
    other, operation = await edge.deploy("other")
    assert {one.site_id for one in edge.releases(other.id)} == {edge.site_ids[1]}
    version = await edge.version("2", reference="shop:2")
    await edge.succeeded((await edge.update(deployment.id, app_version_id=version)).operation)
    assert {one.site_id for one in edge.releases(deployment.id)} == set(edge.site_ids)
    await edge.lifecycle.set_schedulable(site, asking(), schedulable=True, visible=everything)
    await edge.succeeded((await edge.update(other.id, policy=PlacementPolicy(min_sites=2))).operation)
    assert {one.site_id for one in edge.releases(other.id)} == set(edge.site_ids)
    cluster = edge.cluster_ids[0]
    await edge.lifecycle.set_schedulable(cluster, asking(), schedulable=False, visible=everything)
    assert edge.view.get(cluster).configuration
    with pytest.raises(InvalidState, match="drained"):
        await edge.drain(cluster)
    with pytest.raises(NotFound):
        await edge.drain(deployment.id)


async def test_a_node_that_is_drained_has_no_reservation_left(edge) -> None:
    await edge.network(sites=1, nodes=2)
    await edge.version()
    deployment, operation = await edge.deploy(replicas={"web": 4})
    await edge.succeeded(operation)
    nodes = [one.id for one in each(edge.view, Node)]
    await edge.succeeded(await edge.drain(nodes[0]))
    reserved = {node for one in each(edge.view, Release) for node in one.assignments}
    assert reserved == {nodes[1]}
    await edge.phase(deployment.id, DeploymentPhase.READY)


async def test_a_drain_goes_on_until_what_a_failover_has_taken_over_is_gone(edge) -> None:
    await edge.network(sites=4)
    await edge.version()
    failover = FailoverPolicy(mode=FailoverMode.APPLY, toleration_seconds=0)
    deployment, operation = await edge.deploy(policy=PlacementPolicy(max_sites=1), failover=failover)
    await edge.succeeded(operation)
    [old] = edge.releases(deployment.id)
    # What is to replace it is never ready, and its site is lost.
    await edge.configure(readyAfterMs=60_000)
    drain = await edge.drain(old.site_id)
    await edge.until(lambda: len(edge.releases(deployment.id)) == 2, what="the move")
    [new] = [one for one in edge.releases(deployment.id) if one.retires_after is None]
    away = edge.view.get(new.site_id).name
    await edge.configure(awaySites=[away], readyAfterMs=60_000)

    def taken_over() -> bool:
        found = edge.view.get(old.id)
        return found.operation_id != drain.id and len(edge.releases(deployment.id)) == 3

    await edge.until(taken_over, what="the failover")
    late = asyncio.ensure_future(edge.ended(drain.id))
    await asyncio.sleep(0.3)
    assert not late.done(), "it still runs there"
    await edge.terminate(deployment.id)
    over = await late
    assert (over.status, over.progress.done, over.progress.total) == (OperationStatus.SUCCEEDED, 1, 1)
    assert old.backend_name not in edge.world().objects


async def test_a_drain_goes_on_until_what_was_terminated_meanwhile_is_gone(edge) -> None:
    await edge.network(sites=2)
    await edge.version()
    deployment, operation = await edge.deploy(policy=PlacementPolicy(max_sites=1))
    await edge.succeeded(operation)
    [old] = edge.releases(deployment.id)
    await edge.configure(hangingSites=[edge.view.get(old.site_id).name])
    await edge.terminate(deployment.id)
    drain = await edge.drain(old.site_id)
    late = asyncio.ensure_future(edge.ended(drain.id))
    await asyncio.sleep(0.3)
    assert not late.done(), "it still runs there"
    await edge.configure()
    assert (await late).status is OperationStatus.SUCCEEDED
    assert edge.world().objects == {}


async def test_what_a_failover_is_yet_to_replace_has_not_left(edge) -> None:
    await edge.network(sites=3)
    await edge.version()
    failover = FailoverPolicy(mode=FailoverMode.APPLY, toleration_seconds=0)
    deployment, operation = await edge.deploy(policy=ONE, failover=failover)
    await edge.succeeded(operation)
    [old] = edge.releases(deployment.id)
    await edge.configure(awaySites=[edge.view.get(old.site_id).name], readyAfterMs=60_000)
    await edge.until(lambda: edge.view.get(old.id).left_behind, what="the failover")
    drain = await edge.drain(old.site_id)
    late = asyncio.ensure_future(edge.ended(drain.id))
    await asyncio.sleep(0.3)
    assert not late.done(), "nothing of it is ready elsewhere"
    await edge.terminate(deployment.id)
    await edge.configure()
    assert (await late).status is OperationStatus.SUCCEEDED
    assert edge.view.get(old.id) is None


async def given_up(edge, *, sites: int = 2, **version):
    """A drain whose one release has nowhere to go but to a site that refuses it: the release, that site and the drain."""
    await edge.network(sites=sites)
    await edge.version(**version)
    deployment, operation = await edge.deploy(policy=ONE)
    await edge.succeeded(operation)
    old = edge.releases(deployment.id)[0]
    await edge.configure(failingSites=[f"s{number}" for number in range(sites) if edge.site_ids[number] != old.site_id])
    return old, await edge.ended((await edge.drain(old.site_id)).id)


async def test_drained_again_what_was_given_up_is_tried_again(edge) -> None:
    old, over = await given_up(edge, web={"depends_on": ["db"]}, db={})
    assert (over.status, over.progress.total, over.progress.failed) == (OperationStatus.FAILED, 2, 2)
    assert over.error.message.startswith("2 of 2 releases could not be moved")
    over = await edge.ended((await edge.drain(old.site_id)).id)
    assert (over.status, over.progress.failed) == (OperationStatus.FAILED, 2), "its site still refuses it"
    await edge.configure()
    over = await edge.succeeded(await edge.drain(old.site_id))
    assert (over.progress.total, over.progress.done) == (2, 2)
    assert old.site_id not in {one.site_id for one in edge.releases(old.deployment_id)}
    edge.check_books()


async def test_drained_again_what_is_paused_is_left_alone(edge) -> None:
    old, _ = await given_up(edge)
    await edge.configure()
    await edge.pause(old.deployment_id)
    before = edge.releases(old.deployment_id)
    assert (await edge.ended((await edge.drain(old.site_id)).id)).status is OperationStatus.FAILED
    assert edge.releases(old.deployment_id) == before


async def test_a_drain_is_not_retried_and_says_what_to_do(edge) -> None:
    _, over = await given_up(edge)
    with pytest.raises(InvalidState, match="an operation of kind DRAIN is not retried") as refused:
        await edge.retry(over.id)
    assert refused.value.remedy == "drain it again: that tries again what was given up"
