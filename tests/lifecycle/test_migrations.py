"""Migrations: made before it is broken, switched when all is ready, and checked before anything is done."""

from __future__ import annotations

import itertools

import pytest

from graph.kinds import (
    Artifact,
    ArtifactType,
    DeploymentPhase,
    Operation,
    OperationKind,
    OperationStatus,
    Release,
    StepName,
    StepStatus,
)
from graph.kinds.policy import PlacementPolicy
from graph.refusal import InvalidInput, InvalidState, NotFound
from graph.view import get_as
from lifecycle.unplaceable import Unplaceable

BAD = Artifact(type=ArtifactType.CONTAINER_IMAGE, reference="bad:1")


class Seen:
    """What a follower of the view saw of a deployment, commit by commit: (serving and ready, standing by, steps)."""

    def __init__(self, edge, deployment_id: str) -> None:
        self.edge = edge
        self.deployment_id = deployment_id
        self.serving: list[frozenset[str]] = []
        self.steps: list[tuple[str, ...]] = []
        self.applied(None)

    def applied(self, commit) -> None:
        if commit is not None and not any(isinstance(one.value, Release | Operation) for one in commit.changes):
            return
        releases = self.edge.releases(self.deployment_id)
        self.serving.append(
            frozenset(one.site_id for one in releases if one.wanted and not one.standby and one.phase.name == "READY")
        )
        deployment = self.edge.deployment(self.deployment_id)
        operation = get_as(self.edge.view, Operation, deployment.operation_id)
        if operation is not None and operation.steps:
            self.steps.append(tuple(one.status.name for one in operation.steps))

    def reloaded(self) -> None:
        raise AssertionError("nothing is reloaded here")


async def shop(edge, *, at: int = 1, sites: int = 4, **configuration):
    await edge.network(sites=sites, **configuration)
    await edge.version(web={}, db={})
    deployment, operation = await edge.deploy(sites=edge.site_ids[:at])
    await edge.succeeded(operation)
    return await edge.phase(deployment.id, DeploymentPhase.READY)


async def test_what_ran_serves_until_all_that_is_new_is_switched_to(edge) -> None:
    deployment = await shop(edge, at=2, readyAfterMs=80)
    old, new = set(edge.site_ids[:2]), set(edge.site_ids[2:])
    seen = Seen(edge, deployment.id)
    end = edge.view.follow(seen)
    started = await edge.migrate(deployment.id, site_ids=sorted(new))
    assert started.operation.kind is OperationKind.MIGRATE
    over = await edge.succeeded(started.operation)
    end()
    # At no commit was there less than the whole of the old or the whole of the new.
    assert all(old <= one or new <= one for one in seen.serving), seen.serving
    switched = next(at for at, one in enumerate(seen.serving) if new <= one)
    assert old <= seen.serving[switched], "switched in a commit of its own, before anything goes"
    assert not any(one & new for one in seen.serving[:switched]), "nothing is sent to a part of the new"
    assert [one.status for one in over.steps] == [StepStatus.DONE] * 4
    assert [one.name for one in over.steps] == list(StepName)
    for before, after in itertools.pairwise(seen.steps):
        assert before.count("DONE") <= after.count("DONE")
    assert {one.site_id for one in edge.releases(deployment.id)} == new
    assert "TrafficSwitched" in {one.reason for one in await edge.events(deployment.id)}
    edge.check_books()


async def test_the_old_stays_while_one_of_the_new_is_not_ready(edge) -> None:
    deployment = await shop(edge, sites=3)
    old = edge.site_ids[0]
    await edge.configure(failingSites=["s2"])
    started = await edge.migrate(deployment.id, site_ids=edge.site_ids[1:])
    await edge.phases(deployment.id, QUARANTINED=2, READY=4)
    over = await edge.ended(started.operation.id)
    assert over.status is OperationStatus.PARTIAL
    assert [one.status.name for one in over.steps] == ["FAILED", "PENDING", "PENDING", "PENDING"]
    releases = edge.releases(deployment.id)
    assert {one.site_id for one in releases if not one.standby} == {old}
    await edge.configure()
    await edge.retry(over.id)
    await edge.until(lambda: {one.site_id for one in edge.releases(deployment.id)} == set(edge.site_ids[1:]))
    assert not any(one.standby for one in edge.releases(deployment.id))


async def test_what_the_new_version_has_no_more_stays_until_the_others_are_ready(edge) -> None:
    """At the site that it stays at `web` is the old one, which needs `db`, until its backend has the new one ready."""
    await edge.network(sites=1, rejectedReferences=["bad:1"])
    await edge.version(web={"depends_on": ["db"]}, db={})
    refused = await edge.version("2", reference="bad:1", web={})
    deployment, begun = await edge.deploy()
    await edge.succeeded(begun)
    releases = {edge.view.get(one.component_id).name: one for one in edge.releases(deployment.id)}
    over = await edge.ended((await edge.migrate(deployment.id, app_version_id=refused)).operation.id)
    assert over.status is OperationStatus.FAILED
    assert [one.status.name for one in over.steps] == ["FAILED", "PENDING", "PENDING", "PENDING"]
    assert releases["db"].backend_name in edge.world().objects
    version = await edge.version("3", reference="shop:3", web={})
    await edge.succeeded((await edge.migrate(deployment.id, app_version_id=version)).operation)
    assert [one.id for one in edge.releases(deployment.id)] == [releases["web"].id]
    edge.check_books()


async def test_what_was_given_up_is_migrated_away(edge) -> None:
    await edge.network(sites=2, rejectedReferences=["bad:1"])
    await edge.version(web={"artifact": BAD})
    version = await edge.version("2", web={})
    deployment, begun = await edge.deploy(sites=edge.site_ids[:1])
    await edge.ended(begun.id)
    started = await edge.migrate(deployment.id, app_version_id=version, site_ids=edge.site_ids[1:])
    await edge.succeeded(started.operation)
    assert [one.site_id for one in edge.releases(deployment.id)] == edge.site_ids[1:]


async def test_a_migration_ends_when_nothing_of_it_is_tried_any_more(edge) -> None:
    """As many of the old as of the new are under way while one of either was given up."""
    await edge.network(sites=4, failingSites=["s0", "s2"])
    await edge.version(web={})
    deployment, begun = await edge.deploy(sites=edge.site_ids[:2])
    await edge.ended(begun.id)
    over = await edge.ended((await edge.migrate(deployment.id, site_ids=edge.site_ids[2:])).operation.id)
    assert {one.site_name: one.standing.name for one in over.outcomes} == {
        "s0": "FAILED",
        "s1": "FAILED",
        "s2": "FAILED",
        "s3": "DONE",
    }
    assert (over.status, over.progress.done, over.progress.failed) == (OperationStatus.PARTIAL, 1, 3)


@pytest.mark.parametrize("db", [{"artifact": BAD}, {}])
@pytest.mark.parametrize("depends", [{"depends_on": ["db"]}, {}])
async def test_a_drain_does_not_wait_for_what_a_failed_migration_left(edge, depends, db) -> None:
    await edge.network(sites=2, rejectedReferences=["bad:1"])
    await edge.version(web=depends, db={})
    version = await edge.version("2", web={**depends, **({} if db else {"artifact": BAD})}, db=db)
    deployment, begun = await edge.deploy(sites=edge.site_ids[:1])
    await edge.succeeded(begun)
    migrated = await edge.migrate(deployment.id, app_version_id=version, site_ids=edge.site_ids[1:])
    assert (await edge.ended(migrated.operation.id)).error is not None
    over = await edge.ended((await edge.drain(edge.site_ids[0])).id)
    assert (over.status, over.progress.done) == (OperationStatus.FAILED, 0)
    assert len(edge.releases(deployment.id)) == 4


async def test_a_retry_ends_when_what_the_migration_was_to_do_is_done(edge) -> None:
    """`web` waits for `db`, which is tried again, and the old of both go when the new are ready."""
    await edge.network(sites=2)
    await edge.version(web={"depends_on": ["db"]}, db={})
    deployment, begun = await edge.deploy(sites=edge.site_ids[:1])
    await edge.succeeded(begun)
    await edge.configure(failingSites=["s1"])
    over = await edge.ended((await edge.migrate(deployment.id, site_ids=edge.site_ids[1:])).operation.id)
    assert (over.progress.failed, over.progress.total) == (4, 4)
    await edge.configure()
    over = await edge.succeeded((await edge.retry(over.id)).operation)
    assert (over.progress.done, over.progress.total) == (4, 4)
    assert [one.site_id for one in edge.releases(deployment.id)] == 2 * edge.site_ids[1:]
    assert edge.deployment(deployment.id).phase is DeploymentPhase.READY


async def test_a_migration_is_taken_back_to_where_it_ran(edge) -> None:
    deployment = await shop(edge)
    await edge.configure(failingSites=["s3"])
    started = await edge.migrate(deployment.id, site_ids=edge.site_ids[3:])
    await edge.cancel(started.operation.id)
    await edge.configure()
    assert (await edge.ended(started.operation.id)).status is OperationStatus.CANCELLED
    after = await edge.phase(deployment.id, DeploymentPhase.READY)
    assert {(one.site_id, one.standby, one.generation) for one in edge.releases(after.id)} == {
        (edge.site_ids[0], False, 1)
    }
    edge.check_books()


async def test_a_migration_to_another_version_and_other_sites_is_one(edge) -> None:
    deployment = await shop(edge, at=2)
    version = await edge.version("2", reference="shop:2", web={}, cache={})
    started = await edge.migrate(deployment.id, app_version_id=version, site_ids=edge.site_ids[1:3])
    await edge.succeeded(started.operation)
    after = await edge.phase(deployment.id, DeploymentPhase.READY)
    assert after.app_version_id == version
    names = {(edge.view.get(one.component_id).name, one.site_id) for one in edge.releases(after.id)}
    assert names == {(name, site) for name in ("web", "cache") for site in edge.site_ids[1:3]}
    assert {edge.view.get(one.component_id).app_version_id for one in edge.releases(after.id)} == {version}
    # Its intents are the deployment's from now on, and can be gone back from.
    await edge.succeeded((await edge.rollback(after.id, 1)).operation)
    assert {one.site_id for one in edge.releases(after.id)} == set(edge.site_ids[:2])
    edge.check_books()


async def test_a_migration_to_a_policy_goes_where_that_leads(edge) -> None:
    deployment = await shop(edge)
    policy = PlacementPolicy(everywhere=True, sites=edge.wish(sites=edge.site_ids[2:]).policy.sites)
    await edge.succeeded((await edge.migrate(deployment.id, policy=policy)).operation)
    assert {one.site_id for one in edge.releases(deployment.id)} == set(edge.site_ids[2:])


async def test_everything_is_checked_before_anything_is_done(edge) -> None:
    deployment = await shop(edge)
    taker, operation = await edge.deploy("taker", sites=edge.site_ids[3:], replicas={"web": 16, "db": 0})
    await edge.succeeded(operation)
    before, calls = edge.deployment(deployment.id), edge.world().calls.copy()
    for target, refusal in (
        ({}, InvalidInput),
        ({"site_ids": []}, InvalidInput),
        ({"site_ids": ["site_none"]}, NotFound),
        ({"site_ids": edge.site_ids[:1], "policy": PlacementPolicy()}, InvalidInput),
        ({"app_version_id": "appversion_none"}, NotFound),
        ({"site_ids": edge.site_ids[3:]}, Unplaceable),
    ):
        with pytest.raises(refusal):
            await edge.migrate(deployment.id, **target)
    assert edge.deployment(deployment.id) == before
    assert edge.world().calls == calls
    terminated = await edge.terminate(taker.id)
    with pytest.raises(InvalidState, match="being terminated"):
        await edge.migrate(taker.id, site_ids=edge.site_ids[:1])
    await edge.succeeded(terminated.operation)


async def test_an_update_during_a_migration_ends_the_standing_by(edge) -> None:
    deployment = await shop(edge)
    await edge.configure(failingSites=["s3"])
    started = await edge.migrate(deployment.id, site_ids=edge.site_ids[2:])
    updated = await edge.update(deployment.id, policy=edge.wish(sites=edge.site_ids[2:3]).policy)
    await edge.configure()
    await edge.succeeded(updated.operation)
    assert (await edge.ended(started.operation.id)).status is OperationStatus.SUPERSEDED
    await edge.phase(deployment.id, DeploymentPhase.READY)
    assert {(one.site_id, one.standby) for one in edge.releases(deployment.id)} == {(edge.site_ids[2], False)}


async def test_a_stopped_deployment_migrates_without_running(edge) -> None:
    deployment = await shop(edge)
    await edge.succeeded((await edge.stop(deployment.id)).operation)
    await edge.succeeded((await edge.migrate(deployment.id, site_ids=edge.site_ids[3:])).operation)
    await edge.phase(deployment.id, DeploymentPhase.STOPPED)
    assert {(one.site_id, one.replicas) for one in edge.world().objects.values()} == {(edge.site_ids[3], 0)}


async def test_a_process_that_dies_in_the_middle_leaves_a_migration_that_is_seen_through(edges, tmp_path) -> None:
    async with edges(data_folder=tmp_path) as edge:
        deployment = await shop(edge, sites=3, latencyMs=30, readyAfterMs=50)
        started = await edge.migrate(deployment.id, site_ids=edge.site_ids[1:])
        sites, clusters = edge.site_ids, edge.cluster_ids
    async with edges(data_folder=tmp_path) as edge:
        edge.site_ids, edge.cluster_ids = sites, clusters
        await edge.succeeded(started.operation)
        await edge.phase(deployment.id, DeploymentPhase.READY)
        assert {(one.site_id, one.standby) for one in edge.releases(deployment.id)} == {
            (one, False) for one in sites[1:]
        }
        edge.check_books()
