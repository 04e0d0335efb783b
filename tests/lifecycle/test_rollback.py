"""Going back to a revision: its intents come with it, numbers only rise, and what cannot be gone back to is said."""

from __future__ import annotations

import pytest

from graph.kinds import DeploymentPhase, OperationKind
from graph.kinds.policy import PlacementPolicy, SiteSelector
from graph.refusal import AlreadyExists, InvalidInput, InvalidState
from lifecycle.decisions import spans


def at(*sites: str) -> PlacementPolicy:
    return PlacementPolicy(everywhere=True, sites=SiteSelector(site_ids=list(sites)))


async def three_revisions(edge) -> str:
    """One site and one replica, then two sites, then another version with two replicas."""
    await edge.network(sites=3)
    await edge.version()
    deployment, operation = await edge.deploy(sites=edge.site_ids[:1])
    await edge.succeeded(operation)
    await edge.succeeded((await edge.update(deployment.id, policy=at(*edge.site_ids[:2]))).operation)
    version = await edge.version("2", reference="shop:2")
    changed = await edge.update(deployment.id, app_version_id=version, replicas={"web": 2})
    await edge.succeeded(changed.operation)
    return deployment.id


async def test_a_rollback_is_a_new_revision_with_the_old_intents(edge) -> None:
    deployment_id = await three_revisions(edge)
    started = await edge.rollback(deployment_id, 1)
    assert started.operation.kind is OperationKind.ROLLBACK
    assert started.deployment.revision_number == 4
    await edge.succeeded(started.operation)
    after = await edge.phase(deployment_id, DeploymentPhase.READY)
    assert after.app_version_id == edge.version_id
    assert after.policy == at(edge.site_ids[0])
    assert after.replicas == {}
    (release,) = edge.releases(deployment_id)
    assert (release.site_id, release.replicas) == (edge.site_ids[0], 1)
    edge.check_books()


async def test_the_next_update_starts_from_what_was_gone_back_to(edge) -> None:
    deployment_id = await three_revisions(edge)
    await edge.succeeded((await edge.rollback(deployment_id, 2)).operation)
    await edge.succeeded((await edge.update(deployment_id, replicas={"web": 3})).operation)
    after = await edge.phase(deployment_id, DeploymentPhase.READY)
    assert after.revision_number == 5
    assert after.app_version_id == edge.version_id
    assert {(one.site_id, one.replicas) for one in edge.releases(deployment_id)} == {
        (site, 3) for site in edge.site_ids[:2]
    }


async def test_any_revision_can_be_gone_back_to_also_one_that_is_a_rollback(edge) -> None:
    deployment_id = await three_revisions(edge)
    for number, sites, replicas in ((1, 1, 1), (3, 2, 2), (4, 1, 1), (2, 2, 1)):
        await edge.succeeded((await edge.rollback(deployment_id, number)).operation)
        releases = edge.releases(deployment_id)
        assert (len(releases), {one.replicas for one in releases}) == (sites, {replicas})
    assert edge.deployment(deployment_id).revision_number == 7
    edge.check_books()


@pytest.mark.parametrize("number", [0, -1, 4, 99])
async def test_an_unknown_number_is_refused_with_those_there_are(edge, number) -> None:
    deployment_id = await three_revisions(edge)
    before = edge.view.get(deployment_id)
    with pytest.raises(InvalidInput) as refused:
        await edge.rollback(deployment_id, number)
    assert "it has 1 to 3" in refused.value.message
    assert refused.value.path == "input.revisionNumber"
    assert edge.view.get(deployment_id) == before


async def test_the_current_number_is_no_rollback(edge) -> None:
    deployment_id = await three_revisions(edge)
    with pytest.raises(InvalidState, match="at revision 3 already"):
        await edge.rollback(deployment_id, 3)


async def test_what_is_terminated_is_not_gone_back_from(edge) -> None:
    deployment_id = await three_revisions(edge)
    started = await edge.terminate(deployment_id)
    with pytest.raises(InvalidState, match="being terminated"):
        await edge.rollback(deployment_id, 1)
    await edge.succeeded(started.operation)
    await edge.phase(deployment_id, DeploymentPhase.TERMINATED)
    with pytest.raises(InvalidState, match="has been terminated"):
        await edge.rollback(deployment_id, 1)
    assert not edge.world().objects


async def test_a_second_life_does_not_take_the_first_ones_past(edge) -> None:
    first = await three_revisions(edge)
    await edge.terminate(first, delete=True)
    await edge.until(lambda: edge.deployment(first) is None)
    second, operation = await edge.deploy(sites=edge.site_ids[2:])
    await edge.succeeded(operation)
    with pytest.raises(InvalidInput, match=r"it has 1$"):
        await edge.rollback(second.id, 3)
    await edge.succeeded((await edge.scale(second.id, web=2)).operation)
    await edge.succeeded((await edge.rollback(second.id, 1)).operation)
    (release,) = edge.releases(second.id)
    assert release.site_id == edge.site_ids[2]


async def test_a_deploy_at_once_after_a_termination_is_refused_or_whole(edge) -> None:
    await edge.network(sites=4, latencyMs=400)
    await edge.version()
    deployment, operation = await edge.deploy(replicas={"web": 2})
    await edge.succeeded(operation)
    await edge.terminate(deployment.id, delete=True)
    with pytest.raises(AlreadyExists):
        await edge.deploy()
    other, operation = await edge.deploy("other")
    await edge.succeeded(operation)
    assert {one.site_id for one in edge.releases(other.id)} == set(edge.site_ids)
    await edge.until(lambda: edge.deployment(deployment.id) is None)
    again, operation = await edge.deploy(replicas={"web": 2})
    await edge.succeeded(operation)
    assert len(edge.releases(again.id)) == 4
    edge.check_books()


async def test_where_it_ran_is_placed_anew_when_its_room_is_gone(edge) -> None:
    await edge.network(sites=2, nodes=1)
    await edge.version()
    deployment, operation = await edge.deploy(policy=PlacementPolicy(max_sites=1), replicas={"web": 8})
    await edge.succeeded(operation)
    (was,) = edge.releases(deployment.id)
    elsewhere = next(one for one in edge.site_ids if one != was.site_id)
    moved = await edge.update(deployment.id, policy=at(elsewhere), replicas={"web": 1})
    await edge.succeeded(moved.operation)
    taken, operation = await edge.deploy("taker", sites=[was.site_id], replicas={"web": 8})
    await edge.succeeded(operation)
    await edge.succeeded((await edge.rollback(deployment.id, 1)).operation)
    (release,) = edge.releases(deployment.id)
    assert (release.site_id, release.replicas) == (elsewhere, 8)
    edge.check_books()
    assert edge.deployment(taken.id).phase is DeploymentPhase.READY


async def test_a_stopped_deployment_goes_back_and_stays_stopped(edge) -> None:
    deployment_id = await three_revisions(edge)
    await edge.succeeded((await edge.stop(deployment_id)).operation)
    await edge.succeeded((await edge.rollback(deployment_id, 1)).operation)
    await edge.phase(deployment_id, DeploymentPhase.STOPPED)
    assert {one.replicas for one in edge.world().objects.values()} == {0}


@pytest.mark.parametrize(
    ("numbers", "told"), [([], "none"), ([3], "3"), ([2, 1], "1 to 2"), ([9, 1, 3, 4, 5], "1, 3 to 5, 9")]
)
def test_numbers_are_told_in_runs(numbers, told) -> None:
    assert spans(numbers) == told
