"""What observers write: drift, orphans, nodes, clusters that cannot be reached; and that an older observer is refused."""

from __future__ import annotations

import asyncio

import pytest

from drivers.port import ReleaseWork
from graph.kinds import (
    Artifact,
    ArtifactType,
    Cluster,
    DeploymentPhase,
    Instance,
    InstanceStatus,
    Node,
    NodeStatus,
    Release,
    ReleasePhase,
)
from graph.values import HealthStatus, Resources
from graph.view import each, get_as
from lifecycle.sightings import Deposed, check_epoch, take_over


async def test_what_is_deleted_by_hand_is_made_again_and_told(bench) -> None:
    await bench.network(sites=2)
    await bench.version()
    deployment, operation = await bench.deploy()
    await bench.succeeded(operation)
    release = bench.releases(deployment.id)[0]
    await bench.world().vanish(release.backend_name)
    await bench.until(lambda: release.backend_name in bench.world().objects)
    await bench.phase(deployment.id, DeploymentPhase.READY)
    assert "Drift" in [one.reason for one in await bench.events(release.id)]
    bench.check_books()


async def test_an_object_that_nobody_wants_is_removed(bench) -> None:
    await bench.network(sites=2)
    await bench.version()
    deployment, operation = await bench.deploy()
    await bench.succeeded(operation)
    fields = {
        "release_id": "release_gone",
        "deployment_id": "deployment_gone",
        "tenant_id": bench.tenant_id,
        "component": "web",
        "site_id": bench.site_ids[0],
        "site": "s0",
        "generation": 3,
        "replicas": 1,
        "artifact": Artifact(type=ArtifactType.CONTAINER_IMAGE, reference="shop:1"),
        "resources": Resources(cpu_millicores=1, memory_bytes=1),
    }
    orphan = ReleaseWork(name="orphan-abcdefabcdef", owner=bench.cluster_ids[0], **fields)
    foreign = ReleaseWork(name="foreign-abcdefabcdef", owner="cluster_of_another_graph", **fields)
    for work in (orphan, foreign):
        await bench.world().apply(work, now=0, ready_at=[0])
    await bench.until(lambda: orphan.name not in bench.world().objects, what="the orphan's end")
    assert foreign.name in bench.world().objects
    assert "OrphanRemoved" in [one.reason for one in await bench.events(bench.cluster_ids[0])]
    await bench.world().vanish(foreign.name)
    assert len(bench.releases(deployment.id)) == 2
    bench.check_books()


async def test_nodes_are_reported_and_their_site_with_them(bench) -> None:
    await bench.network(sites=2, nodes=2)
    await bench.version()
    deployment, operation = await bench.deploy()
    await bench.succeeded(operation)
    await bench.until(lambda: all(one.status is NodeStatus.READY for one in each(bench.view, Node)))
    assert bench.site(0).health.status is HealthStatus.READY
    names = [one.name for one in each(bench.view, Node, "site_id", bench.site_ids[0])]
    release = next(one for one in bench.releases(deployment.id) if one.site_id == bench.site_ids[0])
    used = bench.view.get(next(iter(release.assignments))).name
    await bench.configure(awayNodes=[used])
    await bench.until(lambda: bench.site(0).health.status is HealthStatus.DEGRADED)
    assert bench.site(0).health.reasons == ["c0: 1 of its 2 nodes are not ready"]
    [instance] = each(bench.view, Instance, "release_id", release.id)
    assert instance.status is InstanceStatus.UNKNOWN
    assert bench.view.get(release.id).phase is ReleasePhase.WAITING_READY
    await bench.phase(deployment.id, DeploymentPhase.DEGRADED)
    await bench.configure(awayNodes=names)
    await bench.until(lambda: bench.site(0).health.status is HealthStatus.DOWN)
    await bench.configure()
    await bench.until(lambda: bench.site(0).health.status is HealthStatus.READY)
    await bench.until(
        lambda: next(each(bench.view, Instance, "release_id", release.id)).status is InstanceStatus.RUNNING
    )


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"driver": "nova"}, "there is no driver 'nova'"),
        ({"driver": "simulated", "configuration": {"latencyMs": -1}}, "latencyMs"),
    ],
)
async def test_a_cluster_that_cannot_be_connected_to_is_down_and_holds_up_no_other(bench, fields, reason) -> None:
    await bench.network(sites=1)
    await bench.version()

    def broken(edit) -> str:
        return edit.create(Cluster, name="broken", **fields).id

    cluster_id = await bench.change(broken)
    await bench.until(lambda: bench.view.get(cluster_id).health.status is HealthStatus.DOWN)
    told = bench.view.get(cluster_id).health.reasons[0]
    assert reason in told
    _, operation = await bench.deploy()
    await bench.succeeded(operation)


async def test_a_cluster_that_is_lost_takes_ready_from_its_releases_and_gives_it_back(bench) -> None:
    await bench.network(sites=2)
    await bench.version()
    deployment, operation = await bench.deploy()
    await bench.succeeded(operation)
    await bench.configure(latencyMs=-5)
    await bench.phases(deployment.id, WAITING_SITE=2)
    await bench.until(lambda: bench.view.get(bench.cluster_ids[0]).health.status is HealthStatus.DOWN)
    await bench.configure()
    await bench.phase(deployment.id, DeploymentPhase.READY)
    await bench.until(lambda: bench.view.get(bench.cluster_ids[0]).health.status is HealthStatus.READY)
    reasons = [one.reason for one in await bench.events(bench.cluster_ids[0])]
    assert reasons == ["ClusterDown", "ClusterBack"]


async def test_an_older_observer_is_refused(bench) -> None:
    await bench.network(sites=1)
    cluster_id = bench.cluster_ids[0]
    await bench.until(lambda: bench.view.get(cluster_id).observer_epoch == 1)
    epoch = await bench.change(lambda edit: take_over(edit, cluster_id))
    assert epoch == 2
    check_epoch(bench.view, cluster_id, 2)
    with pytest.raises(Deposed):
        check_epoch(bench.view, cluster_id, 1)
    # The one that ran before now has nothing more to say: a node that goes away is not written by it.
    await bench.configure(awayNodes=["n"])
    assert get_as(bench.view, Cluster, cluster_id).observer_epoch >= 2


async def test_quiet_clusters_cost_no_commits(bench) -> None:
    await bench.network(sites=5)
    await bench.version()
    deployment, operation = await bench.deploy()
    await bench.succeeded(operation)
    await bench.phase(deployment.id, DeploymentPhase.READY)
    await asyncio.sleep(0.1)
    before = bench.view.revision
    await asyncio.sleep(0.8)
    assert bench.view.revision == before


async def test_an_app_that_its_driver_does_not_take_is_quarantined(benches) -> None:
    from drivers.simulated import SimulatedDriver

    class ImagesOnly(SimulatedDriver):
        artifacts = frozenset({ArtifactType.CONTAINER_IMAGE})

    async with benches(driver=ImagesOnly()) as bench:
        await bench.network(sites=1)
        chart = {"artifact": Artifact(type=ArtifactType.HELM_CHART, reference="oci://charts/shop")}
        await bench.version(web=chart)
        deployment, operation = await bench.deploy()
        over = await bench.ended(operation.id)
        assert "does not take HELM_CHART" in over.error.message
        assert [one.phase for one in each(bench.view, Release)] == [ReleasePhase.QUARANTINED]
        assert len(bench.releases(deployment.id)) == 1


async def test_reports_of_many_replicas_are_written_in_bounded_commits(bench) -> None:
    await bench.network(sites=4, nodes=1)
    tiny = {"resources": Resources(cpu_millicores=1, memory_bytes=1 << 20)}
    await bench.version(web=tiny)
    began = bench.view.revision
    deployment, operation = await bench.deploy(replicas={"web": 600})
    await bench.succeeded(operation)
    await bench.configure(awaySites=["s0", "s1", "s2", "s3"])
    await bench.until(
        lambda: all(one.status is InstanceStatus.UNKNOWN for one in each(bench.view, Instance)), what="loss of sight"
    )
    await bench.configure()
    await bench.phase(deployment.id, DeploymentPhase.READY)
    await bench.until(lambda: all(one.status is InstanceStatus.RUNNING for one in each(bench.view, Instance)))
    assert bench.view.count("Instance") == 2_400
    sizes = [len(commit.changes) for commit in await bench.ledger.commits_after(began)]
    assert 600 < max(sizes) <= 2_000
