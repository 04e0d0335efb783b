"""What observers write: drift, orphans, nodes, clusters that cannot be reached; and that an older observer is refused."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import pytest

from drivers.port import ReleaseWork, RemovalWork
from drivers.simulated.backend import SimulatedBackend
from drivers.simulated.replicas import Start
from graph.edit import Edit
from graph.kinds import (
    Artifact,
    ArtifactType,
    Cluster,
    DeploymentPhase,
    Instance,
    InstanceStatus,
    Node,
    NodeStatus,
    Region,
    Release,
    ReleasePhase,
    Site,
    Tenant,
)
from graph.values import HealthStatus, Resources
from graph.view import each, get_as
from lifecycle import sightings
from lifecycle.sightings import Deposed, check_epoch, take_over
from lifecyclekit.edge import QUICK, Edge


async def test_what_is_deleted_by_hand_is_made_again_and_told(edge) -> None:
    await edge.network(sites=2)
    await edge.version()
    deployment, operation = await edge.deploy()
    await edge.succeeded(operation)
    release = edge.releases(deployment.id)[0]
    await edge.world().vanish(release.backend_name)
    await edge.until(lambda: release.backend_name in edge.world().objects)
    await edge.phase(deployment.id, DeploymentPhase.READY)
    assert "Drift" in [one.reason for one in await edge.events(release.id)]
    edge.check_books()


def left_over(edge: Edge, name: str, *, owner: str = "", site: int = 0) -> ReleaseWork:
    """What a cluster has at a site for a release that the graph does not know."""
    return ReleaseWork(
        name=name,
        owner=owner or edge.cluster_ids[0],
        release_id="release_gone",
        deployment_id="deployment_gone",
        tenant_id=edge.tenant_id,
        component="web",
        site_id=edge.site_ids[site],
        site=f"s{site}",
        generation=3,
        replicas=1,
        artifact=Artifact(type=ArtifactType.CONTAINER_IMAGE, reference="shop:1"),
        resources=Resources(cpu_millicores=1, memory_bytes=1),
    )


async def test_an_object_that_nobody_wants_is_removed(edge) -> None:
    await edge.network(sites=2)
    await edge.version()
    deployment, operation = await edge.deploy()
    await edge.succeeded(operation)
    orphan = left_over(edge, "orphan-abcdefabcdef")
    foreign = left_over(edge, "foreign-abcdefabcdef", owner="cluster_of_another_graph")
    for work in (orphan, foreign):
        await edge.world().apply(work, now=0, start=Start([0]))
    await edge.until(lambda: orphan.name not in edge.world().objects, what="the orphan's end")
    assert foreign.name in edge.world().objects
    told = {one.reason: one.message for one in await edge.events(edge.cluster_ids[0])}
    assert "OrphanRemoved" in told
    assert orphan.name not in told["OrphanRemoved"], "a name tells everybody of its deployment"
    await edge.world().vanish(foreign.name)
    assert len(edge.releases(deployment.id)) == 2
    edge.check_books()


async def test_a_site_that_ends_no_calls_keeps_the_observer_waiting_for_one_removal_and_not_for_each(
    edges, monkeypatch
) -> None:
    asked: list[RemovalWork] = []
    remove = SimulatedBackend.remove

    async def removed(backend: SimulatedBackend, work: RemovalWork) -> Any:
        asked.append(work)
        return await remove(backend, work)

    monkeypatch.setattr(SimulatedBackend, "remove", removed)
    async with edges(settings=dataclasses.replace(QUICK, call_timeout_s=0.05, resync_s=0.1)) as edge:
        await edge.network(sites=2, hangingSites=["s0"])
        await edge.connected()
        for number in range(4):
            work = left_over(edge, f"orphan-{number}", site=number // 3)
            await edge.world().apply(work, now=0, start=Start([0]))
        await edge.until(lambda: "orphan-3" not in edge.world().objects, what="the end of the one at the other site")
        hanging = edge.site_ids[0]
        await edge.until(lambda: sum(one.site_id == hanging for one in asked) >= 3, what="three rounds")
        assert len({one.name for one in asked if one.site_id == hanging}) == 1


async def test_nodes_are_reported_and_their_site_with_them(edge) -> None:
    await edge.network(sites=2, nodes=2)
    await edge.version()
    deployment, operation = await edge.deploy()
    await edge.succeeded(operation)
    await edge.until(lambda: all(one.status is NodeStatus.READY for one in each(edge.view, Node)))
    assert edge.site(0).health.status is HealthStatus.READY
    names = [one.name for one in each(edge.view, Node, "site_id", edge.site_ids[0])]
    release = next(one for one in edge.releases(deployment.id) if one.site_id == edge.site_ids[0])
    used = edge.view.get(next(iter(release.assignments))).name
    await edge.configure(awayNodes=[used])
    await edge.until(lambda: edge.site(0).health.status is HealthStatus.DEGRADED)
    assert edge.site(0).health.reasons == ["c0: 1 of its 2 nodes are not ready"]
    [instance] = each(edge.view, Instance, "release_id", release.id)
    assert instance.status is InstanceStatus.UNKNOWN
    assert edge.view.get(release.id).phase is ReleasePhase.WAITING_READY
    await edge.phase(deployment.id, DeploymentPhase.DEGRADED)
    await edge.configure(awayNodes=names)
    await edge.until(lambda: edge.site(0).health.status is HealthStatus.DOWN)
    await edge.configure()
    await edge.until(lambda: edge.site(0).health.status is HealthStatus.READY)
    await edge.until(lambda: next(each(edge.view, Instance, "release_id", release.id)).status is InstanceStatus.RUNNING)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"driver": "nova"}, "there is no driver 'nova'"),
        ({"driver": "simulated", "configuration": {"latencyMs": -1}}, "latencyMs"),
    ],
)
async def test_a_cluster_that_cannot_be_connected_to_is_down_and_holds_up_no_other(edge, fields, reason) -> None:
    await edge.network(sites=1)
    await edge.version()

    def broken(edit) -> str:
        return edit.create(Cluster, name="broken", **fields).id

    cluster_id = await edge.change(broken)
    await edge.until(lambda: edge.view.get(cluster_id).health.status is HealthStatus.DOWN)
    told = edge.view.get(cluster_id).health.reasons[0]
    assert reason in told
    _, operation = await edge.deploy()
    await edge.succeeded(operation)


async def test_a_cluster_that_is_lost_takes_ready_from_its_releases_and_gives_it_back(edge) -> None:
    await edge.network(sites=2)
    await edge.version()
    deployment, operation = await edge.deploy()
    await edge.succeeded(operation)
    await edge.configure(latencyMs=-5)
    await edge.phases(deployment.id, WAITING_SITE=2)
    await edge.until(lambda: edge.view.get(edge.cluster_ids[0]).health.status is HealthStatus.DOWN)
    await edge.configure()
    await edge.phase(deployment.id, DeploymentPhase.READY)
    await edge.until(lambda: edge.view.get(edge.cluster_ids[0]).health.status is HealthStatus.READY)
    reasons = [one.reason for one in await edge.events(edge.cluster_ids[0])]
    assert reasons == ["ClusterDown", "ClusterBack"]


async def test_what_is_asked_for_while_a_cluster_is_down_waits_for_it_and_is_told_so_once(edge) -> None:
    await edge.network(sites=2)
    await edge.version()
    deployment, operation = await edge.deploy()
    await edge.succeeded(operation)
    cluster_id = edge.cluster_ids[0]
    await edge.configure(latencyMs=-5)
    await edge.until(lambda: edge.view.get(cluster_id).health.status is HealthStatus.DOWN)
    await edge.phases(deployment.id, WAITING_SITE=2)

    await edge.scale(deployment.id, web=2)
    await edge.phases(deployment.id, WAITING_SITE=2)

    epoch, tries = edge.view.get(cluster_id).observer_epoch, 3
    await asyncio.sleep(tries * QUICK.reconnect_cap_s)
    assert edge.view.get(cluster_id).observer_epoch == epoch, "nothing is written while nothing is new"


async def test_an_older_observer_is_refused(edge) -> None:
    await edge.network(sites=1)
    cluster_id = edge.cluster_ids[0]
    await edge.until(lambda: edge.view.get(cluster_id).observer_epoch == 1)
    epoch = await edge.change(lambda edit: take_over(edit, cluster_id))
    assert epoch == 2
    check_epoch(edge.view, cluster_id, 2)
    with pytest.raises(Deposed):
        check_epoch(edge.view, cluster_id, 1)
    # The one that ran before now has nothing more to say: a node that goes away is not written by it.
    await edge.configure(awayNodes=["n"])
    assert get_as(edge.view, Cluster, cluster_id).observer_epoch >= 2


async def test_quiet_clusters_cost_no_commits(edge) -> None:
    await edge.network(sites=5)
    await edge.version()
    deployment, operation = await edge.deploy()
    await edge.succeeded(operation)
    await edge.phase(deployment.id, DeploymentPhase.READY)
    for _ in range(10):  # the last words on the deployment may still be under way
        before = edge.view.revision
        await asyncio.sleep(0.8)
        if edge.view.revision == before:
            return
    raise AssertionError("a quiet cluster never is without a commit for as long as it takes to look at everything anew")


async def test_what_its_driver_no_longer_takes_is_quarantined(edges) -> None:
    from drivers.simulated import SimulatedDriver

    class Charts(SimulatedDriver):
        artifacts = frozenset({ArtifactType.CONTAINER_IMAGE, ArtifactType.HELM_CHART})

    async with edges(driver=Charts()) as edge:
        await edge.network(sites=1)
        chart = {"artifact": Artifact(type=ArtifactType.HELM_CHART, reference="oci://charts/shop")}
        await edge.version(web=chart)
        deployment, operation = await edge.deploy()
        await edge.succeeded(operation)
        Charts.artifacts = frozenset({ArtifactType.CONTAINER_IMAGE})
        over = await edge.ended((await edge.scale(deployment.id, web=2)).operation.id)
        assert "does not take HELM_CHART" in over.error.message
        assert [one.phase for one in each(edge.view, Release)] == [ReleasePhase.QUARANTINED]
        assert len(edge.releases(deployment.id)) == 1


async def test_reports_of_many_replicas_are_written_in_bounded_commits(edge) -> None:
    await edge.network(sites=4, nodes=1)
    tiny = {"resources": Resources(cpu_millicores=1, memory_bytes=1 << 20)}
    await edge.version(web=tiny)
    began = edge.view.revision
    deployment, operation = await edge.deploy(replicas={"web": 600})
    await edge.succeeded(operation)
    await edge.configure(awaySites=["s0", "s1", "s2", "s3"])
    await edge.until(
        lambda: all(one.status is InstanceStatus.UNKNOWN for one in each(edge.view, Instance)), what="loss of sight"
    )
    await edge.configure()
    await edge.phase(deployment.id, DeploymentPhase.READY)
    await edge.until(lambda: all(one.status is InstanceStatus.RUNNING for one in each(edge.view, Instance)))
    assert edge.view.count("Instance") == 2_400
    sizes = [len(commit.changes) for commit in await edge.ledger.commits_after(began)]
    assert 600 < max(sizes) <= 2_000


async def private_cluster(edge, *, away: tuple[str, ...] = ("s0",), own: bool = False) -> str:
    """Another tenant's cluster (or one's own), which serves the shared sites s0 and s1 and does not reach some of them."""

    def make(edit: Edit) -> str:
        tenant_id = edge.tenant_id if own else edit.create(Tenant, name="evil").id
        return edit.create(
            Cluster,
            name="evil-private",
            driver="simulated",
            tenant_id=tenant_id,
            site_ids=edge.site_ids[:2],
            configuration={"observeEveryMs": 20, "awaySites": list(away)},
        ).id

    cluster_id: str = await edge.change(make)
    return cluster_id


async def test_what_a_private_cluster_finds_of_a_shared_site_stays_with_the_cluster(edge) -> None:
    await edge.network(sites=2)
    await edge.version()
    await edge.until(lambda: edge.site(0).health.status is HealthStatus.READY)
    cluster_id = await private_cluster(edge)
    told = await edge.until(lambda: edge.view.get(cluster_id).health.reasons)
    assert told == ["site s0: away: it does not answer"]
    assert edge.view.get(cluster_id).health.status is HealthStatus.DEGRADED
    assert (edge.site(0).health.status, edge.site(0).health.reasons) == (HealthStatus.READY, [])
    _, operation = await edge.deploy()
    await edge.succeeded(operation)
    assert "evil" not in str([await edge.events(one) for one in edge.site_ids])
    edge.cluster_ids.append(cluster_id)
    await edge.configure(1)
    await edge.until(lambda: edge.view.get(cluster_id).health.status is HealthStatus.READY)


async def test_a_private_cluster_that_answers_keeps_no_shared_site_up(edge) -> None:
    await edge.network(sites=2)
    await private_cluster(edge, away=())
    await edge.until(lambda: edge.site(0).health.status is HealthStatus.READY)
    await edge.configure(awaySites=["s0"])
    await edge.until(lambda: edge.site(0).health.status is HealthStatus.DOWN)
    assert edge.site(0).health.reasons == ["c0: away: it does not answer"]


async def test_the_health_of_a_private_site_counts_its_tenants_clusters_and_shared_ones(edge) -> None:
    await edge.network(sites=1)

    def make(edit: Edit) -> str:
        tenant_id = edit.create(Tenant, name="owner").id
        region = next(each(edit, Region)).id
        site = edit.create(Site, name="own", region_id=region, tenant_id=tenant_id)
        mine = {"tenant_id": tenant_id, "site_ids": [site.id], "driver": "simulated"}
        for name, away in (("near", []), ("far", ["own"])):
            edit.create(Cluster, name=name, configuration={"observeEveryMs": 20, "awaySites": away}, **mine)
        return site.id

    site_id = await edge.change(make)
    await edge.until(lambda: edge.view.get(site_id).health.reasons == ["far: away: it does not answer"])
    await edge.until(lambda: edge.view.get(site_id).health.status is HealthStatus.DEGRADED)


async def test_releases_of_a_private_cluster_go_on_when_it_reaches_its_shared_site_again(edge) -> None:
    await edge.network(sites=2)
    await edge.version()
    cluster_id = await private_cluster(edge, away=(), own=True)
    edge.cluster_ids.append(cluster_id)
    deployment, operation = await edge.deploy()
    await edge.succeeded(operation)
    release = edge.releases(deployment.id)[0]
    assert edge.site(0).health.status is not HealthStatus.DOWN

    def moved(edit: Edit) -> None:
        edit.replace(get_as(edit, Release, release.id), cluster_id=cluster_id, applied_generation=0)

    await edge.configure(1, awaySites=["s0"])
    await edge.until(lambda: edge.view.get(cluster_id).health.status is HealthStatus.DEGRADED)
    await edge.change(moved)
    await edge.until(lambda: edge.view.get(release.id).phase is ReleasePhase.WAITING_SITE)
    await edge.configure(1)
    await edge.until(lambda: edge.view.get(release.id).phase is ReleasePhase.READY)


async def test_what_others_use_on_a_backends_nodes_is_written_and_taken_back(edge) -> None:
    await edge.network(sites=1, nodes=2)
    await edge.connected()
    node = next(each(edge.view, Node))
    work = ReleaseWork(
        name="foreign-abcdefabcdef",
        owner="cluster_of_another_graph",
        release_id="release_theirs",
        deployment_id="deployment_theirs",
        tenant_id="tenant_theirs",
        component="web",
        site_id=edge.site_ids[0],
        site="s0",
        generation=1,
        replicas=2,
        assignments={node.id: 2},
        artifact=Artifact(type=ArtifactType.CONTAINER_IMAGE, reference="shop:1"),
        resources=Resources(cpu_millicores=300, memory_bytes=1 << 20),
    )
    await edge.world().apply(work, now=0, start=Start([0, 0]))
    used = Resources(cpu_millicores=600, memory_bytes=2 << 20)
    await edge.until(lambda: edge.view.get(node.id).foreign_use == used, what="their use")
    others = [one for one in each(edge.view, Node) if one.id != node.id]
    assert all(one.foreign_use == Resources() for one in others)
    await edge.world().vanish(work.name)
    await edge.until(lambda: edge.view.get(node.id).foreign_use == Resources(), what="that they left")


async def test_an_object_whose_release_was_not_read_yet_is_looked_at_again(edges, quick, monkeypatch) -> None:
    """Another process may have committed the release that an observation tells of, and it is told of once."""
    hidden, asked = True, 0
    found = sightings._release_of

    def late(reader, cluster_id, name):
        nonlocal asked
        asked += 1
        return None if hidden else found(reader, cluster_id, name)

    monkeypatch.setattr(sightings, "_release_of", late)
    async with edges(settings=dataclasses.replace(quick, resync_s=600.0)) as edge:
        await edge.network(sites=1, readyAfterMs=50)
        await edge.version()
        deployment, _ = await edge.deploy()
        await edge.until(lambda: asked >= 2, what="what is told of it")
        hidden = False
        await edge.phase(deployment.id, DeploymentPhase.READY)
