"""What goes wrong at sites stays at those sites, and is put right when it can be."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from drivers.port import Retryable
from graph.change import Commit
from graph.kinds import (
    Artifact,
    ArtifactType,
    DeploymentPhase,
    DriftPolicy,
    Instance,
    InstanceStatus,
    Operation,
    OperationStatus,
    Override,
    Release,
    ReleaseObserved,
    ReleasePhase,
)
from graph.values import HealthStatus
from graph.view import each
from lifecycle import deployments, reconciler
from lifecycle.backoff import Breakers
from lifecycle.work import Claim, Result, claim, record
from lifecyclekit.edge import QUICK, Edge


async def test_one_site_away_waits_and_the_others_finish(edges) -> None:
    async with edges(running=False) as edge:
        await edge.network(sites=6, awaySites=["s2"])
        await edge.version()
        deployment, operation = await edge.deploy()
        async with edge.lifecycle.running():
            releases = await edge.phases(deployment.id, READY=5, WAITING_SITE=1)
            [waiting] = [one for one in releases if one.phase is ReleasePhase.WAITING_SITE]
            assert waiting.site_id == edge.site_ids[2]
            assert "s2" in (waiting.error or "")
            # The books may be a moment behind the releases, and tell of one more under way.
            degraded = await edge.until(
                lambda: (one := edge.deployment(deployment.id)).message == "1 waiting of 6 releases" and one,
                what="one waiting",
            )
            assert degraded.phase is DeploymentPhase.DEGRADED
            running = await edge.until(
                lambda: (one := edge.view.get(operation.id)).progress.done == 5 and one, what="progress"
            )
            assert (running.status, running.progress.waiting) == (OperationStatus.RUNNING, 1)
            await edge.configure()
            await edge.succeeded(operation)
            edge.check_books()


async def test_a_site_that_returns_gets_only_the_latest_generation(edges, tmp_path: Path) -> None:
    async with edges(data_folder=tmp_path / "world") as edge:
        await edge.network(sites=3)
        await edge.version()
        deployment, operation = await edge.deploy()
        await edge.succeeded(operation)
        await edge.configure(awaySites=["s1"])
        await edge.until(lambda: edge.site(1).health.status is HealthStatus.DOWN, what="site down")
        operations = []
        for number in range(2, 7):
            version = await edge.version(str(number), reference=f"shop:{number}")
            started = await edge.update(deployment.id, app_version_id=version)
            operations.append(started.operation.id)
        await edge.phases(deployment.id, READY=2, WAITING_SITE=1)
        assert {one.site_id for one in edge.releases(deployment.id)} == set(edge.site_ids)
        await edge.configure()
        await edge.phase(deployment.id, DeploymentPhase.READY)
        [away] = [one for one in edge.releases(deployment.id) if one.site_id == edge.site_ids[1]]
        effects = [generation for what, name, generation in edge.history() if name == away.backend_name]
        assert effects == [1, away.generation]
        statuses = [(await edge.ended(one)).status for one in operations]
        assert statuses == [OperationStatus.SUPERSEDED] * 4 + [OperationStatus.SUCCEEDED]
        edge.check_books()


async def test_what_cannot_be_seen_is_not_called_ready(edge) -> None:
    await edge.network(sites=2)
    await edge.version()
    deployment, operation = await edge.deploy()
    await edge.succeeded(operation)
    await edge.configure(awaySites=["s0"])
    [lost] = [one for one in await edge.phases(deployment.id, WAITING_SITE=1) if one.phase is ReleasePhase.WAITING_SITE]
    assert "does not answer" in (lost.error or "")
    [instance] = each(edge.view, Instance, "release_id", lost.id)
    assert instance.status is InstanceStatus.UNKNOWN
    await edge.phase(deployment.id, DeploymentPhase.DEGRADED)
    await edge.configure()
    await edge.phase(deployment.id, DeploymentPhase.READY)
    [instance] = each(edge.view, Instance, "release_id", lost.id)
    assert instance.status is InstanceStatus.RUNNING
    reasons = [one.reason for one in await edge.events(edge.site_ids[0])]
    assert reasons == ["SiteDown", "SiteBack"]


async def test_lost_replies_are_made_good_and_nothing_is_done_twice(edges, patient, tmp_path: Path) -> None:
    async with edges(data_folder=tmp_path / "world", settings=patient) as edge:
        await edge.network(sites=20, lostReplyRate=0.3, failureRate=0.1, seed=5)
        await edge.version()
        deployment, operation = await edge.deploy()
        await edge.succeeded(operation)
        await edge.succeeded((await edge.scale(deployment.id, web=2)).operation)
        applied = Counter(edge.history())
        assert applied
        assert set(applied.values()) == {1}
        edge.check_books()


async def test_a_poison_release_is_quarantined_and_the_rest_completes(edge) -> None:
    await edge.network(sites=8, failingSites=["s3"])
    await edge.version()
    deployment, operation = await edge.deploy()
    over = await edge.ended(operation.id)
    assert over.status is OperationStatus.PARTIAL
    assert (over.progress.total, over.progress.done, over.progress.failed) == (8, 7, 1)
    assert over.error is not None
    assert "s3" in over.error.message
    [poison] = [one for one in edge.releases(deployment.id) if one.phase is ReleasePhase.QUARANTINED]
    assert poison.attempts == 4
    assert (await edge.phase(deployment.id, DeploymentPhase.DEGRADED)).good is None
    assert "ReleaseQuarantined" in [one.reason for one in await edge.events(poison.id)]


async def test_a_retry_starts_what_was_given_up_again(edge) -> None:
    await edge.network(sites=4, failingSites=["s3"])
    await edge.version()
    deployment, operation = await edge.deploy()
    assert (await edge.ended(operation.id)).status is OperationStatus.PARTIAL
    await edge.configure()
    again = await edge.retry(operation.id)
    assert again.operation.id != operation.id
    assert again.operation.progress.total == 1
    await edge.succeeded(again.operation)
    await edge.phase(deployment.id, DeploymentPhase.READY)
    edge.check_books()


class Ends:
    """What a deployment's releases were, by site, in the very commits with which its operations ended."""

    def __init__(self, edge: Edge, deployment_id: str) -> None:
        self._edge = edge
        self._deployment_id = deployment_id
        self.phases: dict[str, dict[str, ReleasePhase]] = {}
        """By operation."""

    def applied(self, commit: Commit) -> None:
        for one in commit.changes:
            if isinstance(one.after, Operation) and one.after.ended:
                self.phases[one.id] = {each.site_id: each.phase for each in self._edge.releases(self._deployment_id)}

    def reloaded(self) -> None:
        raise AssertionError("what came before is not known")


OVER_QUOTA = {"quotas": [{"site": "s1", "objects": 0}]}


async def updated(edge: Edge, deployment_id: str, change: dict[str, Any]) -> tuple[OperationStatus, list[ReleasePhase]]:
    """How an update has ended, and what the releases were at that moment, in the order of their sites."""
    ends = Ends(edge, deployment_id)
    stop = edge.view.follow(ends)
    try:
        operation = (await edge.update(deployment_id, **change)).operation
        over = await edge.ended(operation.id)
    finally:
        stop()
    phases = ends.phases[operation.id]
    return over.status, [phases[one] for one in edge.site_ids]


@pytest.mark.parametrize("what", ["another version", "another site's values", "nothing that runs"])
async def test_an_update_after_one_clusters_failure_ends_well_only_with_every_site_ready(edge, what: str) -> None:
    """One that changes nothing at the site which failed must not say that it is done there either."""
    await edge.network(sites=3, **OVER_QUOTA)
    await edge.version()
    deployment, operation = await edge.deploy()
    over = await edge.ended(operation.id)
    assert (over.status, over.progress.done, over.progress.failed) == (OperationStatus.PARTIAL, 2, 1)
    assert "quota" in over.error.message
    second = await edge.version("2", reference="shop:2")
    third = await edge.version("3", reference="shop:3")

    def change(version_id: str, number: int, drift: DriftPolicy) -> dict[str, Any]:
        here = Override(component="web", path="number", value=number, site_ids=edge.site_ids[:1])
        return {
            "another version": {"app_version_id": version_id},
            "another site's values": {"overrides": [here]},
            "nothing that runs": {"drift_policy": drift},
        }[what]

    ready, failed = ReleasePhase.READY, ReleasePhase.QUARANTINED
    # Where all that there is to do is at the site that fails, none of it is done.
    bad = OperationStatus.FAILED if what == "nothing that runs" else OperationStatus.PARTIAL
    still = await updated(edge, deployment.id, change(second, 2, DriftPolicy.REPORT))
    assert still == (bad, [ready, failed, ready])
    await edge.configure()
    assert await updated(edge, deployment.id, change(third, 3, DriftPolicy.CORRECT)) == (
        OperationStatus.SUCCEEDED,
        [ready] * 3,
    )
    reference = "shop:3" if what == "another version" else "shop:1"
    there = {one.site_id: one for one in edge.world().objects.values()}
    assert {site: one.reference for site, one in there.items()} == dict.fromkeys(edge.site_ids, reference)
    with_a_number = {site for site, one in there.items() if '"number":3' in one.content}
    assert with_a_number == set(edge.site_ids[:1] if what == "another site's values" else [])
    await edge.phase(deployment.id, DeploymentPhase.READY)
    edge.check_books()


async def test_an_update_that_looks_at_no_site_that_failed_before_is_found_out(edge) -> None:
    """The control: without what an earlier operation left, an update that touches nothing is done at once."""
    await edge.network(sites=3, **OVER_QUOTA)
    await edge.version()
    deployment, operation = await edge.deploy()
    await edge.ended(operation.id)
    inner = deployments.apply_decision

    def apply(*given: Any, **also: Any) -> int:
        return inner(*given, **{**also, "take_over": False})

    with mock.patch.object(deployments, "apply_decision", apply):
        status, phases = await updated(edge, deployment.id, {"drift_policy": DriftPolicy.REPORT})
    assert (status, phases.count(ReleasePhase.READY)) == (OperationStatus.SUCCEEDED, 2)


async def test_a_permanent_error_is_not_tried_twice(edge) -> None:
    await edge.network(sites=2, rejectedReferences=["shop:1"])
    await edge.version()
    deployment, operation = await edge.deploy()
    over = await edge.ended(operation.id)
    assert over.status is OperationStatus.FAILED
    assert {one.attempts for one in edge.releases(deployment.id)} == {1}
    version = await edge.version("2", reference="shop:2")
    await edge.succeeded((await edge.update(deployment.id, app_version_id=version)).operation)


async def test_slow_readiness_is_waited_for(edge) -> None:
    await edge.network(sites=3, readyAfterMs=1_000, latencyMs=5)
    await edge.version()
    deployment, operation = await edge.deploy()
    await edge.phases(deployment.id, WAITING_READY=3)
    assert edge.deployment(deployment.id).phase is DeploymentPhase.PROGRESSING
    await edge.succeeded(operation)


async def test_a_component_waits_for_what_it_depends_on_at_its_site(edges, tmp_path: Path) -> None:
    async with edges(data_folder=tmp_path / "world") as edge:
        await edge.network(sites=3, readyAfterMs=40)
        await edge.version(web={"depends_on": ["db"]}, db={}, cache={"depends_on": ["db", "web"]})
        deployment, operation = await edge.deploy()
        await edge.phases(deployment.id, WAITING_DEPENDENCY=6)
        await edge.succeeded(operation)
        by_site: dict[str, list[str]] = {}
        component = {one.backend_name: edge.view.get(one.component_id).name for one in edge.releases(deployment.id)}
        site = {one.backend_name: one.site_id for one in edge.releases(deployment.id)}
        for what, name, _ in edge.history():
            assert what == "applied"
            by_site.setdefault(site[name], []).append(component[name])
        assert list(by_site.values()) == [["db", "web", "cache"]] * 3
        began = len(edge.history())
        await edge.succeeded((await edge.terminate(deployment.id)).operation)
        removed: dict[str, list[str]] = {}
        for what, name, _ in edge.history()[began:]:
            assert what == "removed"
            removed.setdefault(site[name], []).append(component[name])
        assert list(removed.values()) == [["cache", "web", "db"]] * 3


async def test_dependents_of_what_failed_do_not_keep_an_operation_running(edge) -> None:
    await edge.network(sites=2, rejectedReferences=["db:1"])
    db = {"artifact": Artifact(type=ArtifactType.CONTAINER_IMAGE, reference="db:1")}
    await edge.version(web={"depends_on": ["db"]}, db=db)
    _, operation = await edge.deploy()
    over = await edge.ended(operation.id)
    assert (over.status, over.progress.failed) == (OperationStatus.FAILED, 4)


async def test_work_is_bounded_overall_by_cluster_and_by_site(edges, quick, monkeypatch) -> None:
    bounds = dataclasses.replace(quick, concurrency=10, concurrency_per_cluster=6, concurrency_per_site=1)
    most: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    inner = reconciler.outcome_of

    async def outcome_of(one: Claim, *given: Any, **named: Any) -> Any:
        keys = ("all", f"cluster {one.cluster_id}", f"site {one.release.site_id}")
        calls.update(keys)
        for key in keys:
            most[key] = max(most[key], calls[key])
        try:
            return await inner(one, *given, **named)
        finally:
            calls.subtract(keys)

    monkeypatch.setattr(reconciler, "outcome_of", outcome_of)
    async with edges(settings=bounds) as edge:
        await edge.network(sites=12, clusters=2, latencyMs=15)
        await edge.version(a={}, b={}, c={})
        _, operation = await edge.deploy()
        await edge.succeeded(operation)
    assert 6 < most["all"] <= 10
    assert all(count <= 6 for key, count in most.items() if key.startswith("cluster"))
    assert all(count == 1 for key, count in most.items() if key.startswith("site"))


@pytest.mark.parametrize(
    ("asked_s", "pause_ms"),
    [
        (None, range(10, 21)),
        (0.1, range(100, 101)),
        (0.001, range(10, 21)),
        (1e9, range(200, 201)),
        (-5.0, range(10, 21)),
    ],
    ids=["not-said", "longer-than-ours", "shorter-than-ours", "at-most-our-longest", "nonsense"],
)
async def test_a_backend_that_asks_to_be_left_alone_is(edges, asked_s: float | None, pause_ms: range) -> None:
    async with edges(running=False) as edge:
        await edge.network(sites=1)
        await edge.version()
        deployment, _ = await edge.deploy()
        [release] = edge.releases(deployment.id)
        [claimed] = await edge.change(lambda edit: claim(edit, {release.id: release.epoch}))
        refused = Result(claimed, Retryable("it is busy", retry_after_s=asked_s))
        at = await edge.change(lambda edit: (record(edit, [refused], settings=QUICK), edit.at)[1])
        [release] = edge.releases(deployment.id)
        assert release.due_at - at in pause_ms


# A site that never ends calls, though all of it is seen


STUBBORN = dataclasses.replace(
    QUICK, backoff_base_s=3_600.0, backoff_cap_s=36_000.0, breaker_after=1, call_timeout_s=1.0, resync_s=3_600.0
)
"""Whatever leaves one call unanswered is left alone for half an hour."""


async def left_alone(edge: Edge) -> Release:
    """A release at a site that has left a call unanswered."""
    await edge.network(sites=1, hangingSites=["s0"])
    await edge.version()
    deployment, _ = await edge.deploy()
    [release] = await edge.phases(deployment.id, WAITING_SITE=1)
    return release


async def test_a_site_that_never_ended_calls_is_tried_at_once_when_its_cluster_is_connected_to_anew(edges) -> None:
    async with edges(settings=STUBBORN) as edge:
        release = await left_alone(edge)
        await edge.configure()
        await edge.phase(release.deployment_id, DeploymentPhase.READY)


async def test_a_site_that_never_ends_calls_is_probed_sooner_when_something_is_seen_there(
    edges, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Breakers.sooner, "__kwdefaults__", {"share": 0.0})
    async with edges(settings=STUBBORN) as edge:
        release = await left_alone(edge)
        seen = ReleaseObserved(present=True, generation=0, replicas=1, version=7, observed_at=1)
        await edge.change(lambda edit: edit.replace(edit.get(release.id), observed=seen))
        await edge.until(lambda: edge.view.get(release.id).attempts > release.attempts, what="a probe")
