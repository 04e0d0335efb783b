"""Drains: make before break, and what cannot move stays and is told."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from graph.kinds import DeploymentPhase, Node, OperationStatus, Release, ReleasePhase
from graph.kinds.policy import PlacementPolicy, SiteSelector
from graph.refusal import InvalidState, NotFound
from graph.view import each

ONE = PlacementPolicy(min_sites=1, max_sites=1)


async def test_a_drained_site_is_left_only_when_its_replacement_is_ready(benches, tmp_path: Path) -> None:
    async with benches(data_folder=tmp_path / "world") as bench:
        await bench.network(sites=4, readyAfterMs=120)
        await bench.version(web={}, db={})
        deployment, operation = await bench.deploy(policy=ONE)
        await bench.succeeded(operation)
        [home] = {one.site_id for one in bench.releases(deployment.id)}
        drain = await bench.drain(home)
        assert not bench.view.get(home).schedulable
        least = 99
        while bench.view.get(drain.id) is not None:
            ready = Counter(
                bench.view.get(one.component_id).name
                for one in bench.releases(deployment.id)
                if one.phase is ReleasePhase.READY
            )
            least = min(least, ready["web"], ready["db"])
            await asyncio.sleep(0.002)
        over = await bench.succeeded(drain)
        assert least >= 1
        assert (over.progress.total, over.progress.done) == (2, 2)
        left = bench.releases(deployment.id)
        assert len(left) == 2
        assert home not in {one.site_id for one in left}
        after = await bench.phase(deployment.id, DeploymentPhase.READY)
        assert after.revision_number == 1
        assert after.good.decision_id == after.decision_id
        bench.check_books()


async def test_a_drain_moves_every_deployment_and_leaves_the_others_alone(bench) -> None:
    await bench.network(sites=4)
    await bench.version()
    here, there = bench.site_ids[0], bench.site_ids[1]
    moving = []
    for number in range(5):
        policy = PlacementPolicy(min_sites=1, max_sites=1, sites=SiteSelector(site_ids=[here]))
        deployment, operation = await bench.deploy(f"d{number}", policy=policy)
        await bench.succeeded(operation)
        free = PlacementPolicy(min_sites=1, max_sites=1)
        started = await bench.update(deployment.id, policy=free)
        await bench.succeeded(started.operation)
        moving.append(deployment.id)
    home = Counter(one.site_id for name in moving for one in bench.releases(name)).most_common(1)[0][0]
    staying = {one.id: one for name in moving for one in bench.releases(name) if one.site_id != home}
    await bench.succeeded(await bench.drain(home))
    assert not bench.view.ids("Release", "site_id", home)
    for release_id, before in staying.items():
        assert bench.view.get(release_id).generation == before.generation
    assert there in bench.site_ids
    bench.check_books()


async def test_what_cannot_move_stays_and_the_drain_says_so(bench) -> None:
    await bench.network(sites=3)
    await bench.version()
    home = bench.site_ids[0]
    bound, operation = await bench.deploy("bound", sites=[home])
    await bench.succeeded(operation)
    over = await bench.ended((await bench.drain(home)).id)
    assert over.status is OperationStatus.FAILED
    assert bound.id in over.error.message
    assert "bound" not in over.error.message.replace(bound.id, "")
    [release] = bench.releases(bound.id)
    assert (release.site_id, release.phase, release.wanted) == (home, ReleasePhase.READY, True)
    [told] = [one for one in await bench.events(bound.id) if one.reason == "NotMoved"]
    assert "cannot be placed" in told.message
    bench.check_books()


async def test_part_of_a_drain_succeeds(bench) -> None:
    await bench.network(sites=3)
    await bench.version()
    home = bench.site_ids[0]
    await bench.succeeded((await bench.deploy("bound", sites=[home]))[1])
    free, operation = await bench.deploy("free", policy=ONE, sites=None)
    await bench.succeeded(operation)
    [at] = {one.site_id for one in bench.releases(free.id)}
    over = await bench.ended((await bench.drain(at)).id)
    if at == home:
        assert (over.status, over.progress.done, over.progress.failed) == (OperationStatus.PARTIAL, 1, 1)
    else:
        assert over.status is OperationStatus.SUCCEEDED
    assert at not in {one.site_id for one in bench.releases(free.id)}


async def test_a_drained_node_is_left_for_the_others_at_its_site(bench) -> None:
    await bench.network(sites=2, nodes=3, readyAfterMs=30)
    await bench.version()
    deployment, operation = await bench.deploy(replicas={"web": 2})
    await bench.succeeded(operation)
    release = bench.releases(deployment.id)[0]
    node_id = next(iter(release.assignments))
    drain = await bench.drain(node_id)
    await bench.succeeded(drain)
    after = bench.view.get(release.id)
    assert node_id not in after.assignments
    assert sum(after.assignments.values()) == 2
    assert not bench.view.ids("Instance", "node_id", node_id)
    assert not bench.view.get(node_id).schedulable
    other = bench.releases(deployment.id)[1]
    assert other.generation == 1
    bench.check_books()


async def test_an_empty_target_is_drained_at_once_and_a_second_drain_joins_the_first(bench) -> None:
    await bench.network(sites=2)
    drain = await bench.drain(bench.site_ids[1])
    over = await bench.succeeded(drain)
    assert over.progress.total == 0


async def test_a_drain_goes_on_after_a_restart(benches, tmp_path: Path) -> None:
    async with benches(running=False, data_folder=tmp_path / "world") as bench:
        await bench.network(sites=3)
        await bench.version()
        async with bench.lifecycle.running():
            deployment, operation = await bench.deploy(policy=ONE)
            await bench.succeeded(operation)
        [home] = {one.site_id for one in bench.releases(deployment.id)}
        first = await bench.drain(home)
        assert (await bench.drain(home)).id == first.id
        async with bench.lifecycle.running():
            await bench.succeeded(first)
            await bench.phase(deployment.id, DeploymentPhase.READY)
            bench.check_books()


async def test_a_cancelled_drain_moves_nothing_more(benches) -> None:
    async with benches(running=False) as bench:
        await bench.network(sites=3)
        await bench.version()
        async with bench.lifecycle.running():
            deployment, operation = await bench.deploy(policy=ONE)
            await bench.succeeded(operation)
        [home] = {one.site_id for one in bench.releases(deployment.id)}
        drain = await bench.drain(home)
        over, _ = await bench.cancel(drain.id)
        assert over.status is OperationStatus.CANCELLED
        async with bench.lifecycle.running():
            await asyncio.sleep(0.1)
            assert {one.site_id for one in bench.releases(deployment.id)} == {home}


async def test_cordons_keep_new_work_away_and_let_what_is_there_change(bench, asking) -> None:
    await bench.network(sites=2)
    await bench.version()
    deployment, operation = await bench.deploy()
    await bench.succeeded(operation)
    site = bench.site_ids[0]
    for _ in range(2):
        cordoned = await bench.lifecycle.cordon(site, asking(), visible=lambda reader: reader)
        assert not cordoned.value.schedulable
    other, operation = await bench.deploy("other")
    assert {one.site_id for one in bench.releases(other.id)} == {bench.site_ids[1]}
    version = await bench.version("2", reference="shop:2")
    await bench.succeeded((await bench.update(deployment.id, app_version_id=version)).operation)
    assert {one.site_id for one in bench.releases(deployment.id)} == set(bench.site_ids)
    await bench.lifecycle.uncordon(site, asking(), visible=lambda reader: reader)
    await bench.succeeded((await bench.update(other.id, policy=PlacementPolicy(min_sites=2))).operation)
    assert {one.site_id for one in bench.releases(other.id)} == set(bench.site_ids)
    cluster = bench.cluster_ids[0]
    await bench.lifecycle.cordon(cluster, asking(), visible=lambda reader: reader)
    assert bench.view.get(cluster).configuration
    with pytest.raises(InvalidState, match="drained"):
        await bench.drain(cluster)
    with pytest.raises(NotFound):
        await bench.drain(deployment.id)


async def test_a_node_that_is_drained_has_no_reservation_left(bench) -> None:
    await bench.network(sites=1, nodes=2)
    await bench.version()
    deployment, operation = await bench.deploy(replicas={"web": 4})
    await bench.succeeded(operation)
    nodes = [one.id for one in each(bench.view, Node)]
    await bench.succeeded(await bench.drain(nodes[0]))
    reserved = {node for one in each(bench.view, Release) for node in one.assignments}
    assert reserved == {nodes[1]}
    await bench.phase(deployment.id, DeploymentPhase.READY)
