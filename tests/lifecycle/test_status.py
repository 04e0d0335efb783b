"""Status that is true: what is desired, applied and ready as the graph tells it while backends do what they do."""

from __future__ import annotations

import dataclasses
from functools import partial

import pytest

from graph.kinds import Counted, DeploymentPhase, DriftPolicy, ReleasePhase
from graph.kinds.policy import PlacementPolicy, SiteSelector
from lifecycle.awaited import WaitCondition, of_deployment, of_operation
from lifecycle.standings import in_words, status_of, status_of_release
from lifecyclekit.edge import QUICK
from schemakit.asking import data

P = DeploymentPhase


def status(edge, deployment_id: str):
    return edge.deployment(deployment_id).status


def codes(edge, deployment_id: str) -> list[str]:
    return [one.code for one in status(edge, deployment_id).reasons]


async def test_what_is_ready_everywhere_is_counted_so(edge) -> None:
    await edge.network(sites=3)
    await edge.version(web={"replicas": 2}, db={})
    deployment, operation = await edge.deploy()
    await edge.succeeded(operation)
    await edge.phase(deployment.id, P.READY)
    found = status(edge, deployment.id)
    assert found.sites == Counted(desired=3, applied=3, ready=3)
    assert found.releases == Counted(desired=6, applied=6, ready=6)
    assert found.replicas == Counted(desired=9, applied=9, ready=9)
    assert [(one.component, one.replicas.ready) for one in found.components] == [("db", 3), ("web", 6)]
    assert found.reasons == []


async def test_applied_is_not_ready(edge) -> None:
    """EMCO says Instantiated when everything was applied, whether or not anything runs."""
    await edge.network(sites=2, unreadyReplicas=1)
    await edge.version()
    deployment, operation = await edge.deploy()
    await edge.phases(deployment.id, WAITING_READY=2)
    await edge.until(lambda: status(edge, deployment.id).replicas == Counted(desired=2, applied=2))
    [reason] = status(edge, deployment.id).reasons
    assert (reason.code, reason.releases) == ("NOT_READY", 2)
    assert reason.message.startswith("some releases are not ready, such as web at site s0: 0 of 1 replicas are ready")
    assert of_deployment(edge.view, deployment.id, WaitCondition.APPLIED).reached
    assert not of_deployment(edge.view, deployment.id, WaitCondition.READY).reached
    assert of_operation(edge.view, edge.view.get(operation.id), WaitCondition.APPLIED).reached


async def test_a_site_that_is_away_is_unknown_since_then_and_known_again_when_it_returns(edge) -> None:
    await edge.network(sites=3)
    await edge.version()
    deployment, operation = await edge.deploy()
    await edge.succeeded(operation)
    await edge.configure(awaySites=["s0"])
    await edge.until(lambda: status(edge, deployment.id).replicas.unknown == 1, what="what is unknown")
    found = status(edge, deployment.id)
    assert found.replicas == Counted(desired=3, applied=3, ready=2, unknown=1)
    assert codes(edge, deployment.id) == ["SITE_AWAY"]
    lost = next(one for one in edge.releases(deployment.id) if one.site_id == edge.site_ids[0])
    assert lost.unseen_since is not None
    assert not status_of_release(lost).ready
    assert not of_deployment(edge.view, deployment.id, WaitCondition.READY).reached
    await edge.configure()
    await edge.phase(deployment.id, P.READY)
    assert status(edge, deployment.id).replicas == Counted(desired=3, applied=3, ready=3)
    assert all(one.unseen_since is None for one in edge.releases(deployment.id))
    assert codes(edge, deployment.id) == []


FOUND = "query($f: DeploymentFilter) { found: deployments(filter: $f) { nodes { id } totalCount } }"


async def found_for(edge, reason: str) -> set[str]:
    found = (await data(edge.view, FOUND, f={"statusReason": reason}))["found"]
    return {one["id"] for one in found["nodes"]}


async def test_who_is_at_a_site_that_is_cut_off_is_found_by_that(edge) -> None:
    await edge.network(sites=2)
    await edge.version()
    both, begun = await edge.deploy("both")
    await edge.succeeded(begun)
    beyond, begun = await edge.deploy("beyond", sites=edge.site_ids[:1])
    await edge.succeeded(begun)
    _, begun = await edge.deploy("elsewhere", sites=edge.site_ids[1:])
    await edge.succeeded(begun)
    assert await found_for(edge, "SITE_AWAY") == set()
    await edge.configure(awaySites=["s0"])
    there = {both.id, beyond.id}
    await edge.until(lambda: all(edge.deployment(one).phase is P.DEGRADED for one in there), what="the loss")
    assert await found_for(edge, "SITE_AWAY") == there
    assert await found_for(edge, "UNKNOWN") == set()
    # What is to go from there is found as well.
    await edge.terminate(beyond.id)
    await edge.until(lambda: codes(edge, beyond.id) == ["TERMINATED", "SITE_AWAY"], what="what cannot go")
    assert await found_for(edge, "SITE_AWAY") == there
    await edge.configure()
    await edge.phase(both.id, P.READY)
    await edge.phase(beyond.id, P.TERMINATED)
    assert await found_for(edge, "SITE_AWAY") == set()


@pytest.mark.parametrize(
    "dead", [{"nothingSuch": 1}, {"hangs": True}], ids=["nobody can connect to it", "it says nothing more"]
)
async def test_a_backend_that_is_dead_is_never_ready(edges, dead) -> None:
    """Nothing of a control plane that does not answer is called ready, and it says since when."""
    async with edges(settings=dataclasses.replace(QUICK, silence_s=1.0)) as edge:
        await edge.network(sites=2, clusters=2)
        await edge.version()
        deployment, operation = await edge.deploy()
        await edge.succeeded(operation)
        await edge.configure(0, **dead)
        lost = Counted(desired=2, applied=2, ready=1, unknown=1)
        await edge.until(lambda: status(edge, deployment.id).sites == lost, what="what is unknown")
        assert edge.deployment(deployment.id).phase is P.DEGRADED
        assert status(edge, deployment.id).replicas == lost
        assert codes(edge, deployment.id) == ["SITE_AWAY"]


async def test_what_is_deleted_by_hand_is_not_ready_until_it_is_there_again(edge) -> None:
    """EMCO (21) neither repairs it nor sees it, and goes on to say Ready."""
    await edge.network(sites=2)
    await edge.version()
    deployment, operation = await edge.deploy(drift_policy=DriftPolicy.REPORT)
    await edge.succeeded(operation)
    await edge.world().vanish(edge.releases(deployment.id)[0].backend_name)
    await edge.phases(deployment.id, DRIFTED=1)
    await edge.until(lambda: status(edge, deployment.id).replicas.ready == 1)
    assert status(edge, deployment.id).replicas.applied == 1
    assert status(edge, deployment.id).failed == 1
    assert codes(edge, deployment.id) == ["DRIFTED"]


async def test_one_site_that_refuses_is_told_and_the_others_are_ready(edge) -> None:
    """EMCO (12) cancelled the healthy cluster for the other's refusal, and said Instantiated with one missing."""
    await edge.network(sites=3, failingSites=["s1"])
    await edge.version()
    deployment, _ = await edge.deploy()
    await edge.phases(deployment.id, READY=2, QUARANTINED=1)
    await edge.until(lambda: status(edge, deployment.id).failed == 1)
    assert status(edge, deployment.id).sites == Counted(desired=3, applied=2, ready=2)
    assert codes(edge, deployment.id) == ["QUARANTINED"]
    assert edge.deployment(deployment.id).phase is P.DEGRADED


async def test_nothing_of_nothing_is_said_with_its_reason(edge) -> None:
    await edge.network(sites=2)
    await edge.version()
    deployment, operation = await edge.deploy()
    await edge.succeeded(operation)
    await edge.stop(deployment.id)
    await edge.phase(deployment.id, P.STOPPED)
    assert status(edge, deployment.id).replicas == Counted()
    assert codes(edge, deployment.id) == ["STOPPED"]
    await edge.resume(deployment.id)
    await edge.phase(deployment.id, P.READY)
    await edge.scale(deployment.id, web=0)
    await edge.phase(deployment.id, P.READY)
    assert codes(edge, deployment.id) == ["SCALED_TO_ZERO"]
    assert edge.deployment(deployment.id).message.startswith("0 of 0 replicas are ready: ")


async def test_what_waits_to_be_placed_says_what_it_waits_for(edge) -> None:
    await edge.network(sites=1)
    await edge.version()
    nowhere = PlacementPolicy(everywhere=True, sites=SiteSelector(labels="zone=none"))
    deployment, _ = await edge.deploy(wait=True, policy=nowhere)
    await edge.until(lambda: codes(edge, deployment.id) == ["NOT_PLACED"])
    assert status(edge, deployment.id).replicas == Counted()
    assert not of_deployment(edge.view, deployment.id, WaitCondition.APPLIED).reached


async def test_while_it_moves_what_still_serves_is_counted_apart(edge) -> None:
    """0 of 3 alone would say that nobody is served."""
    await edge.network(sites=2)
    await edge.version()
    deployment, operation = await edge.deploy(sites=edge.site_ids[:1], replicas={"web": 3})
    await edge.succeeded(operation)
    await edge.phase(deployment.id, P.READY)
    assert status(edge, deployment.id).retiring_ready_replicas == 0
    await edge.configure(unreadyReplicas=3)
    await edge.migrate(deployment.id, site_ids=edge.site_ids[1:])
    await edge.until(lambda: status(edge, deployment.id).replicas == Counted(desired=3, applied=3), what="what is new")
    moving = status(edge, deployment.id)
    assert moving.retiring_ready_replicas == 3
    assert in_words(moving).startswith("0 of 3 replicas are ready; 3 replicas of what is replaced still serve: ")
    assert "it goes once what replaces it is ready" in {one.message for one in moving.reasons}
    # What is not seen any more is not said to serve.
    await edge.configure(awaySites=["s0"], unreadyReplicas=3)
    await edge.until(lambda: status(edge, deployment.id).retiring_ready_replicas == 0, what="the loss")
    await edge.configure()
    await edge.phase(deployment.id, P.READY)
    over = status(edge, deployment.id)
    assert (over.replicas, over.retiring_ready_replicas, over.leaving) == (Counted(desired=3, applied=3, ready=3), 0, 0)


async def test_a_wait_for_its_end_is_reached_when_nothing_of_it_is_left(edge) -> None:
    await edge.network(sites=2)
    await edge.version()
    deployment, operation = await edge.deploy()
    await edge.succeeded(operation)
    assert not of_deployment(edge.view, deployment.id, WaitCondition.GONE).ends
    await edge.terminate(deployment.id)
    await edge.until(lambda: of_deployment(edge.view, deployment.id, WaitCondition.GONE).reached)
    assert edge.releases(deployment.id) == []
    again = of_deployment(edge.view, deployment.id, WaitCondition.READY)
    assert (again.reached, again.over) == (False, True)


async def test_what_is_kept_is_what_the_releases_say(edge) -> None:
    await edge.network(sites=3, latencyMs=5, readyAfterMs=20)
    await edge.version(web={"replicas": 2})
    deployment, operation = await edge.deploy()
    await edge.succeeded(operation)
    await edge.scale(deployment.id, web=3)
    await edge.phase(deployment.id, P.READY)
    names = {one.component_id: "web" for one in edge.releases(deployment.id)}
    told = partial(status_of, edge.deployment(deployment.id), edge.releases(deployment.id), names)
    await edge.until(lambda: told() == status(edge, deployment.id), what="the books")
    assert status(edge, deployment.id).replicas.ready == 9
    assert all(one.phase is ReleasePhase.READY for one in edge.releases(deployment.id))
