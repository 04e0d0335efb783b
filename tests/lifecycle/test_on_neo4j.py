"""The same lifecycle over the shared store: deploy, change, lose the process in the middle, terminate."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

from faultkit.convergence import HANGS_AFTER_S, converging
from graph.kinds import DeploymentPhase, FailoverMode, FailoverPolicy, ReleasePhase
from graph.kinds.policy import PlacementPolicy
from graph.stores.neo4j import Neo4jStore


async def test_a_deployment_lives_and_ends_on_neo4j(edges, quick, neo4j_server, tmp_path: Path, converged) -> None:
    neo4j_server.empty()
    settings = dataclasses.replace(quick, takeover_s=0.3)
    folder = tmp_path / "world"

    def bench_on_neo4j(**given):
        return edges(store=Neo4jStore(neo4j_server.store), settings=settings, data_folder=folder, **given)

    async with bench_on_neo4j() as edge:
        await edge.network(sites=3, latencyMs=30, lostReplyRate=0.1)
        await edge.version(web={"depends_on": ["db"]}, db={})
        deployment, operation = await edge.deploy()
        edge.deadline_s = 120.0
        await edge.until(lambda: any(one.phase is ReleasePhase.APPLYING for one in edge.releases(deployment.id)))
    async with bench_on_neo4j() as again:
        again.deadline_s = HANGS_AFTER_S
        again.cluster_ids, again.site_ids = edge.cluster_ids, edge.site_ids
        with converging() as took:
            await again.succeeded(operation)
            await again.phase(deployment.id, DeploymentPhase.READY)
        converged(took.seconds)
        await again.succeeded((await again.scale(deployment.id, web=2)).operation)
        again.check_books()
        await again.succeeded((await again.terminate(deployment.id, delete=True)).operation)
        await again.until(lambda: again.deployment(deployment.id) is None)
        assert set(Counter(again.history()).values()) == {1}


async def test_what_is_lost_is_moved_on_neo4j_by_whoever_takes_over(edges, quick, neo4j_server, tmp_path: Path) -> None:
    neo4j_server.empty()
    settings = dataclasses.replace(quick, takeover_s=0.3)
    folder = tmp_path / "world"
    policy = PlacementPolicy(min_sites=1, max_sites=1)
    failover = FailoverPolicy(mode=FailoverMode.APPLY, toleration_seconds=2)

    def edge_on_neo4j():
        return edges(store=Neo4jStore(neo4j_server.store), settings=settings, data_folder=folder)

    async with edge_on_neo4j() as edge:
        edge.deadline_s = 120.0
        await edge.network(sites=3)
        await edge.version()
        deployment, operation = await edge.deploy(policy=policy, failover=failover)
        await edge.succeeded(operation)
        [lost] = {one.site_id for one in edge.releases(deployment.id)}
        await edge.configure(awaySites=[edge.view.get(lost).name])
        await edge.until(lambda: edge.deployment(deployment.id).displacement is not None, what="the loss")
        known = edge.deployment(deployment.id).displacement
    async with edge_on_neo4j() as again:
        again.deadline_s = HANGS_AFTER_S
        again.cluster_ids, again.site_ids, again.tenant_id = edge.cluster_ids, edge.site_ids, edge.tenant_id
        assert again.deployment(deployment.id).failover == failover
        assert again.deployment(deployment.id).displacement in (known, None)

        def moved() -> bool:
            return any(one.site_id != lost and one.phase is ReleasePhase.READY for one in again.releases(deployment.id))

        await again.until(moved, what="that it moved")
        assert again.view.get(lost).lost_at
        await again.configure()
        await again.until(lambda: len(again.releases(deployment.id)) == 1, what="that the old copy is gone")
        await again.phase(deployment.id, DeploymentPhase.READY)
        again.check_books()
        assert set(Counter(again.history()).values()) == {1}
