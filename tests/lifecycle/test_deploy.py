"""A deployment from the wish to the running replicas, on a real store and simulated clusters."""

from __future__ import annotations

from graph.kinds import DeploymentPhase, Instance, InstanceStatus, ReleasePhase
from graph.view import each


async def test_a_deployment_to_many_sites_converges(edge) -> None:
    await edge.network(sites=12, clusters=2)
    await edge.version()
    deployment, operation = await edge.deploy()
    over = await edge.succeeded(operation)
    assert (over.progress.total, over.progress.done) == (12, 12)
    ready = await edge.phase(deployment.id, DeploymentPhase.READY)
    assert ready.good is not None
    assert ready.good.revision_number == 1
    for release in edge.releases(deployment.id):
        assert release.phase is ReleasePhase.READY
        assert release.observed is not None
        assert release.observed.ready_replicas == 1
        [instance] = each(edge.view, Instance, "release_id", release.id)
        assert instance.status is InstanceStatus.RUNNING
        assert instance.node_id in release.assignments
    edge.check_books()
