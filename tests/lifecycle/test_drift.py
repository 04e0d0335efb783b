"""Drift: put right or only reported, by the deployment's policy, and told once either way."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import pytest

from drivers.simulated.hand import Changed, Crash, Made, change, crash, make
from graph.change import Commit
from graph.kinds import (
    Deployment,
    DeploymentPhase,
    DriftPolicy,
    FailoverMode,
    FailoverPolicy,
    Release,
    ReleasePhase,
)
from graph.kinds.policy import PlacementPolicy
from lifecycle.plans import Wanted
from lifecycle.plans_rebalance import Rebalancing
from lifecyclekit.edge import QUICK, asking, everything
from lifecyclekit.scaling import Loop


async def ready(edge, policy: DriftPolicy, **wish):
    """A deployment that is ready at two sites."""
    await edge.network(sites=2)
    await edge.version()
    deployment, operation = await edge.deploy(drift_policy=policy, **wish)
    await edge.succeeded(operation)
    return await edge.phase(deployment.id, DeploymentPhase.READY), operation


async def drifts(edge, release_id: str) -> list[str]:
    return [one.message for one in await edge.events(release_id) if one.reason == "Drift"]


async def put_right(edge, release_id: str) -> Release:
    """The release once it is as wanted again; its deployment is told of that a moment later."""

    def found() -> Release | None:
        one = edge.view.get(release_id)
        return one if one.phase is ReleasePhase.READY and one.observed.drift is None else None

    one: Release = await edge.until(found, what="READY")
    await edge.phase(one.deployment_id, DeploymentPhase.READY)
    return one


async def by_hand(edge, name: str, **changed: Any) -> None:
    """Changes an object at its backend: its `replicas`, or its `content`."""
    await change(edge.world(), name, Changed(**changed), now=0)


async def test_drift_that_is_corrected_is_put_right_and_told(edge) -> None:
    deployment, _ = await ready(edge, DriftPolicy.CORRECT)
    release = edge.releases(deployment.id)[0]
    await edge.world().vanish(release.backend_name)
    await edge.until(lambda: release.backend_name in edge.world().objects, what="the object")
    await edge.phase(deployment.id, DeploymentPhase.READY)
    assert [one.endswith("it is made again.") for one in await drifts(edge, release.id)] == [True]


@pytest.mark.parametrize(
    ("policy", "end"),
    [
        (DriftPolicy.CORRECT, "it is made again."),
        (DriftPolicy.REPORT, "it is left so, for its deployment's drift policy is REPORT."),
    ],
)
async def test_drift_is_found_among_the_events_of_the_release_its_deployment_and_its_site(edge, policy, end) -> None:
    deployment, _ = await ready(edge, policy)
    release, other = edge.releases(deployment.id)
    await edge.world().vanish(release.backend_name)
    # What is corrected may be there again before anybody has looked; that it was gone is kept.
    async with asyncio.timeout(edge.deadline_s):
        while not await drifts(edge, release.id):
            await asyncio.sleep(0.005)
    site = edge.view.get(release.site_id)
    told = f"{release.backend_name} at site {site.name} is gone from its backend though it is wanted; {end}"
    # Kept with it is the name of what is the tenant's own, and not of a site that all share.
    for subject_id, name in ((release.id, None), (deployment.id, deployment.name), (site.id, None)):
        found = [one for one in await edge.events(subject_id) if one.reason == "Drift"]
        assert [(one.message, one.tenant_id, one.type.name, one.subject_name) for one in found] == [
            (told, deployment.tenant_id, "WARNING", name)
        ]
    for subject_id in (other.id, other.site_id):
        assert await drifts(edge, subject_id) == []


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


# At the generation that is wanted


HANDS = {
    "more replicas": ({"replicas": 3}, "has 3 replicas, 1 was applied"),
    "none of them": ({"replicas": 0}, "has 0 replicas, 1 was applied"),
    "other parts": ({"content": "another image"}, "is made from something else than was applied"),
    "both": (
        {"replicas": 2, "content": "another image"},
        "has 2 replicas, 1 was applied and is made from something else than was applied",
    ),
}


@pytest.mark.parametrize("hand", HANDS)
async def test_what_a_hand_changed_at_the_same_generation_is_put_right_and_told(edge, hand: str) -> None:
    deployment, _ = await ready(edge, DriftPolicy.CORRECT)
    release = edge.releases(deployment.id)[0]
    applied = edge.world().objects[release.backend_name].form
    changed, what = HANDS[hand]
    await by_hand(edge, release.backend_name, **changed)
    await edge.until(lambda: edge.world().objects[release.backend_name].form == applied, what="what was applied")
    after = await put_right(edge, release.id)
    assert await drifts(edge, release.id) == [f"{release.backend_name} at site s0 {what}; it is applied again."]
    assert (after.generation, after.applied_generation, after.error) == (release.generation, release.generation, None)
    edge.check_books()


@pytest.mark.parametrize("hand", HANDS)
async def test_what_a_hand_changed_at_the_same_generation_is_left_and_shown_by_policy(edge, hand: str) -> None:
    deployment, _ = await ready(edge, DriftPolicy.REPORT)
    release, other = edge.releases(deployment.id)
    applied = edge.world().objects[release.backend_name].form
    changed, what = HANDS[hand]
    await by_hand(edge, release.backend_name, **changed)
    degraded = await edge.phase(deployment.id, DeploymentPhase.DEGRADED)
    assert degraded.message == f"1 drifted of 2 releases: it drifted: it {what}"
    shown = edge.view.get(release.id)
    assert (shown.phase, shown.observed.drift) == (ReleasePhase.DRIFTED, what)
    # The other one is told after it, and a connection anew sees all of it again: the first stays as it is.
    await by_hand(edge, other.backend_name, **changed)
    await edge.phases(deployment.id, DRIFTED=2)
    epoch = edge.view.get(edge.cluster_ids[0]).observer_epoch
    await edge.configure(awayNodes=["none"])
    await edge.until(lambda: edge.view.get(edge.cluster_ids[0]).observer_epoch > epoch)
    assert edge.world().objects[release.backend_name].form != applied
    assert len(await drifts(edge, release.id)) == 1
    await edge.update(deployment.id, drift_policy=DriftPolicy.CORRECT)
    for one in (release, other):
        await put_right(edge, one.id)
    assert edge.world().objects[release.backend_name].form == applied
    edge.check_books()


TWO = PlacementPolicy(min_sites=2, max_sites=2)


async def lose_the_other(edge, deployment: Deployment, other: Release) -> None:
    await edge.configure(awaySites=[edge.view.get(other.site_id).name])


async def rebalance(edge, deployment: Deployment, other: Release) -> None:
    await edge.change(lambda edit: edit.replace(edit.get(other.site_id), price_per_core_hour=20.0))
    wanted = Wanted(rebalancing=Rebalancing(tenant_id=edge.tenant_id))
    rights = {"visible": everything, "allowed": lambda reader, plan: None}
    plan = (await edge.lifecycle.plans.keep(wanted, asking("createPlan"), **rights)).value
    assert plan.moves == 1
    await edge.lifecycle.plans.apply(plan.id, asking("applyPlan"), **rights)


async def adjust_the_other(edge, deployment: Deployment, other: Release) -> None:
    await edge.adjust_site(deployment.id, other.site_id, web=2)


async def change_what_no_backend_sees(edge, deployment: Deployment, other: Release) -> None:
    await edge.update(deployment.id, failover=FailoverPolicy())


LEAVES_IT = {
    "a failover": lose_the_other,
    "a rebalance": rebalance,
    "an update of another site": adjust_the_other,
    "an update that no backend sees": change_what_no_backend_sees,
}


@pytest.mark.parametrize("what", LEAVES_IT)
async def test_drift_that_is_reported_is_left_by_what_does_not_touch_it(edge, what: str) -> None:
    await edge.network(sites=3)
    await edge.version()
    failover = FailoverPolicy(mode=FailoverMode.APPLY, toleration_seconds=0)
    deployment, first = await edge.deploy(policy=TWO, failover=failover, drift_policy=DriftPolicy.REPORT)
    await edge.succeeded(first)
    release, other = edge.releases(deployment.id)
    await by_hand(edge, release.backend_name, replicas=3)
    await edge.phases(deployment.id, DRIFTED=1)
    before = edge.view.get(release.id)
    await LEAVES_IT[what](edge, deployment, other)
    await edge.until(
        lambda: (one := edge.deployment(deployment.id)).generation > deployment.generation and one.operation_id is None,
        what="the end of it",
    )
    after = edge.view.get(release.id)
    assert (after.phase, after.error, after.operation_id) == (ReleasePhase.DRIFTED, before.error, first.id)
    assert (after.wanted, after.retires_after) == (True, None)
    assert edge.world().objects[release.backend_name].replicas == 3
    # And it is put right by who asks for that, with the operation that made it.
    await edge.retry(first.id)
    await edge.until(lambda: edge.world().objects[release.backend_name].replicas == 1, what="that it is put right")


async def test_an_update_of_another_component_leaves_drift_that_is_reported(edge) -> None:
    await edge.network(sites=1)
    await edge.version(web={}, store={})
    deployment, operation = await edge.deploy(drift_policy=DriftPolicy.REPORT)
    await edge.succeeded(operation)
    web, store = (
        next(one for one in edge.releases(deployment.id) if edge.view.get(one.component_id).name == name)
        for name in ("web", "store")
    )
    await by_hand(edge, web.backend_name, replicas=3)
    await edge.phases(deployment.id, DRIFTED=1)
    await edge.succeeded((await edge.scale(deployment.id, store=2)).operation)
    assert edge.world().objects[store.backend_name].replicas == 2
    assert edge.world().objects[web.backend_name].replicas == 3
    # An update that touches it brings it to what is wanted by then.
    await edge.succeeded((await edge.scale(deployment.id, web=2)).operation)
    await edge.phase(deployment.id, DeploymentPhase.READY)
    edge.check_books()


async def test_who_changes_it_back_by_hand_has_put_it_right(edge) -> None:
    deployment, _ = await ready(edge, DriftPolicy.REPORT)
    release = edge.releases(deployment.id)[0]
    await by_hand(edge, release.backend_name, replicas=2)
    await edge.phases(deployment.id, DRIFTED=1)
    await by_hand(edge, release.backend_name, replicas=1)
    after = await put_right(edge, release.id)
    assert (after.applied_generation, after.error) == (release.generation, None)


class Drifts:
    """What a release was each time it had drifted, with the time."""

    def __init__(self, release_id: str) -> None:
        self.release_id = release_id
        self.seen: list[tuple[Release, int]] = []

    def applied(self, commit: Commit) -> None:
        for one in commit.changes:
            if one.id == self.release_id and one.after.drifts > one.before.drifts:
                self.seen.append((one.after, commit.at))

    def reloaded(self) -> None:
        pass


async def test_who_changes_it_again_and_again_is_answered_ever_later_and_told_why(edges) -> None:
    stubborn = dataclasses.replace(QUICK, backoff_base_s=0.05, backoff_cap_s=1_000.0)
    async with edges(settings=stubborn) as edge:
        deployment, _ = await ready(edge, DriftPolicy.CORRECT)
        release = edge.releases(deployment.id)[0]
        drifted = Drifts(release.id)
        edge.ledger.view.follow(drifted)
        for times in range(1, 5):
            await by_hand(edge, release.backend_name, replicas=1 + times)
            await edge.until(lambda times=times: len(drifted.seen) == times, what="the drift")
            await put_right(edge, release.id)
        assert [one.error for one, _ in drifted.seen] == [
            "it drifted: it has 2 replicas, 1 was applied",
            *(f"it drifted {n} times in a row: it has {n + 1} replicas, 1 was applied" for n in (2, 3, 4)),
        ]
        assert {one.phase for one, _ in drifted.seen} == {ReleasePhase.PENDING}
        assert drifted.seen[0][0].due_at is None, "the first time it is put right at once"
        pauses = [one.due_at - at for one, at in drifted.seen[1:]]
        assert pauses == sorted(pauses)
        assert pauses[-1] >= 2 * pauses[0], "each waits longer"
        told = await drifts(edge, release.id)
        assert [" times in a row, and is applied again in " in one for one in told] == [False, True, True, True]
        done = [one for one in edge.world().effects.lasting() if one.name == release.backend_name]
        assert [one.what for one in done] == ["applied", *["changed", "applied"] * 4]
        # What was as applied for long and drifts then is put right at once again.
        long_ago = edge.view.at - 3_000_000
        await edge.change(lambda edit: edit.replace(edit.get(release.id), applied_at=long_ago))
        await by_hand(edge, release.backend_name, replicas=2)
        await edge.until(lambda: edge.view.get(release.id).drifts == 1, what="a first time")
        assert (await put_right(edge, release.id)).error is None


async def test_a_change_under_way_a_crash_and_a_scaling_are_no_drift(edge) -> None:
    await edge.network(sites=2, readyAfterMs=60, readyJitterMs=60)
    await edge.version()
    deployment, operation = await edge.deploy(replicas={"web": 2})
    await edge.succeeded(operation)
    for replicas in (4, 1, 3):
        await edge.succeeded((await edge.scale(deployment.id, web=replicas)).operation)
    release = edge.releases(deployment.id)[0]
    await crash(edge.world(), release.backend_name, Crash(for_ms=None), now=0)
    await edge.phases(deployment.id, WAITING_READY=1)
    await crash(edge.world(), release.backend_name, Crash(for_ms=0), now=0)
    await edge.phase(deployment.id, DeploymentPhase.READY)
    loop = Loop(edge)
    await loop.policy(deployment.id)
    await loop.load(every=500)
    assert await loop.round(4) > 0, "it was scaled"
    await edge.phase(deployment.id, DeploymentPhase.READY)
    found = [await drifts(edge, one.id) for one in edge.releases(deployment.id)]
    assert found == [[], []]
    edge.check_books()


async def test_drift_during_a_change_is_put_right_with_it(edge) -> None:
    """What was changed by hand at the old generation is brought to the new one, as if it had not been."""
    deployment, _ = await ready(edge, DriftPolicy.CORRECT)
    release = edge.releases(deployment.id)[0]
    await edge.pause(deployment.id)
    await by_hand(edge, release.backend_name, replicas=4)
    await edge.phases(deployment.id, DRIFTED=1)
    await edge.update(deployment.id, replicas={"web": 2})
    await edge.resume(deployment.id)
    await edge.phase(deployment.id, DeploymentPhase.READY)
    assert {one.replicas for one in edge.world().objects.values()} == {2}
    edge.check_books()
