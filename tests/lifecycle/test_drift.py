"""Drift: put right or only reported, by the deployment's policy, and told once either way."""

from __future__ import annotations

import pytest

from drivers.simulated.hand import Made, make
from graph.kinds import DeploymentPhase, DriftPolicy, ReleasePhase


async def ready(edge, policy: DriftPolicy, **wish):
    """A deployment that is ready at two sites."""
    await edge.network(sites=2)
    await edge.version()
    deployment, operation = await edge.deploy(drift_policy=policy, **wish)
    await edge.succeeded(operation)
    return await edge.phase(deployment.id, DeploymentPhase.READY), operation


async def drifts(edge, release_id: str) -> list[str]:
    return [one.message for one in await edge.events(release_id) if one.reason == "Drift"]


async def test_drift_that_is_corrected_is_put_right_and_told(edge) -> None:
    deployment, _ = await ready(edge, DriftPolicy.CORRECT)
    release = edge.releases(deployment.id)[0]
    await edge.world().vanish(release.backend_name)
    await edge.until(lambda: release.backend_name in edge.world().objects, what="the object")
    await edge.phase(deployment.id, DeploymentPhase.READY)
    assert [one.endswith("it is made again.") for one in await drifts(edge, release.id)] == [True]


async def test_drift_that_is_reported_is_left_and_shown(edge) -> None:
    deployment, _ = await ready(edge, DriftPolicy.REPORT)
    release, other = edge.releases(deployment.id)
    await edge.world().vanish(release.backend_name)
    degraded = await edge.phase(deployment.id, DeploymentPhase.DEGRADED)
    epoch = edge.view.get(edge.cluster_ids[0]).observer_epoch
    assert degraded.message.startswith("1 drifted of 2 releases: it drifted: it is gone")
    # A restart of the connection observes everything anew: it is as it was, and was told once.
    await edge.configure(awayNodes=["none"])
    await edge.until(lambda: edge.view.get(edge.cluster_ids[0]).observer_epoch > epoch)
    # The other one goes as well, and is told: by then the first was looked at again.
    await edge.world().vanish(other.backend_name)
    await edge.phases(deployment.id, DRIFTED=2)
    assert release.backend_name not in edge.world().objects
    assert len(await drifts(edge, release.id)) == 1


async def test_what_has_drifted_and_is_as_wanted_again_is_ready(edge) -> None:
    deployment, _ = await ready(edge, DriftPolicy.REPORT)
    release = edge.releases(deployment.id)[0]
    await edge.world().vanish(release.backend_name)
    await edge.phases(deployment.id, DRIFTED=1)
    put_back = Made(
        name=release.backend_name,
        site_id=release.site_id,
        owner=edge.cluster_ids[0],
        generation=release.generation,
        node_ids=tuple(release.assignments),
    )
    await make(edge.world(), put_back, now=0)
    await edge.phase(deployment.id, DeploymentPhase.READY)


@pytest.mark.parametrize("how", ["retry", "policy", "update"])
async def test_drift_that_was_reported_is_put_right_when_it_is_asked_for(edge, how: str) -> None:
    deployment, operation = await ready(edge, DriftPolicy.REPORT)
    release = edge.releases(deployment.id)[0]
    await edge.world().vanish(release.backend_name)
    await edge.phases(deployment.id, DRIFTED=1)
    if how == "retry":
        await edge.retry(operation.id)
    elif how == "policy":
        await edge.update(deployment.id, drift_policy=DriftPolicy.CORRECT)
    else:
        await edge.update(deployment.id, replicas={"web": 2})
    await edge.phase(deployment.id, DeploymentPhase.READY)
    assert release.backend_name in edge.world().objects


async def test_what_has_drifted_is_removed_with_its_deployment(edge) -> None:
    deployment, _ = await ready(edge, DriftPolicy.REPORT)
    await edge.world().vanish(edge.releases(deployment.id)[0].backend_name)
    await edge.phases(deployment.id, DRIFTED=1)
    await edge.succeeded((await edge.terminate(deployment.id)).operation)
    await edge.phase(deployment.id, DeploymentPhase.TERMINATED)
    assert edge.world().objects == {}


async def test_an_operation_under_way_ends_partial_when_what_it_made_has_drifted(edge) -> None:
    await edge.network(sites=2, readyAfterMs=60_000)
    await edge.version()
    deployment, operation = await edge.deploy(drift_policy=DriftPolicy.REPORT)
    [release, _] = await edge.phases(deployment.id, WAITING_READY=2)
    await edge.world().vanish(release.backend_name)
    [found] = [one for one in await edge.phases(deployment.id, DRIFTED=1) if one.phase is ReleasePhase.DRIFTED]
    assert found.id == release.id
    await edge.until(lambda: edge.view.get(operation.id).progress.failed == 1)
