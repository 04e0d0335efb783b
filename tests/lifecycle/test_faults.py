"""What goes wrong at sites stays at those sites, and is put right when it can be."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import Counter
from pathlib import Path

from graph.kinds import (
    Artifact,
    ArtifactType,
    DeploymentPhase,
    Instance,
    InstanceStatus,
    OperationStatus,
    Release,
    ReleasePhase,
)
from graph.values import HealthStatus
from graph.view import each


async def test_one_site_away_waits_and_the_others_finish(benches) -> None:
    async with benches(running=False) as bench:
        await bench.network(sites=6, awaySites=["s2"])
        await bench.version()
        deployment, operation = await bench.deploy()
        async with bench.lifecycle.running():
            releases = await bench.phases(deployment.id, READY=5, WAITING_SITE=1)
            [waiting] = [one for one in releases if one.phase is ReleasePhase.WAITING_SITE]
            assert waiting.site_id == bench.site_ids[2]
            assert "s2" in (waiting.error or "")
            degraded = await bench.until(
                lambda: (one := bench.deployment(deployment.id)).phase is DeploymentPhase.DEGRADED and one
            )
            assert degraded.message == "1 waiting of 6 releases"
            running = await bench.until(
                lambda: (one := bench.view.get(operation.id)).progress.done == 5 and one, what="progress"
            )
            assert (running.status, running.progress.waiting) == (OperationStatus.RUNNING, 1)
            await bench.configure()
            await bench.succeeded(operation)
            bench.check_books()


async def test_a_site_that_returns_gets_only_the_latest_generation(benches, tmp_path: Path) -> None:
    async with benches(data_folder=tmp_path / "world") as bench:
        await bench.network(sites=3)
        await bench.version()
        deployment, operation = await bench.deploy()
        await bench.succeeded(operation)
        await bench.configure(awaySites=["s1"])
        await bench.until(lambda: bench.site(1).health.status is HealthStatus.DOWN, what="site down")
        operations = []
        for number in range(2, 7):
            version = await bench.version(str(number), reference=f"shop:{number}")
            started = await bench.update(deployment.id, app_version_id=version)
            operations.append(started.operation.id)
        await bench.phases(deployment.id, READY=2, WAITING_SITE=1)
        assert {one.site_id for one in bench.releases(deployment.id)} == set(bench.site_ids)
        await bench.configure()
        await bench.phase(deployment.id, DeploymentPhase.READY)
        [away] = [one for one in bench.releases(deployment.id) if one.site_id == bench.site_ids[1]]
        effects = [generation for what, name, generation in bench.history() if name == away.backend_name]
        assert effects == [1, away.generation]
        statuses = [(await bench.ended(one)).status for one in operations]
        assert statuses == [OperationStatus.SUPERSEDED] * 4 + [OperationStatus.SUCCEEDED]
        bench.check_books()


async def test_what_cannot_be_seen_is_not_called_ready(bench) -> None:
    await bench.network(sites=2)
    await bench.version()
    deployment, operation = await bench.deploy()
    await bench.succeeded(operation)
    await bench.configure(awaySites=["s0"])
    [lost] = [
        one for one in await bench.phases(deployment.id, WAITING_SITE=1) if one.phase is ReleasePhase.WAITING_SITE
    ]
    assert "does not answer" in (lost.error or "")
    [instance] = each(bench.view, Instance, "release_id", lost.id)
    assert instance.status is InstanceStatus.UNKNOWN
    await bench.phase(deployment.id, DeploymentPhase.DEGRADED)
    await bench.configure()
    await bench.phase(deployment.id, DeploymentPhase.READY)
    [instance] = each(bench.view, Instance, "release_id", lost.id)
    assert instance.status is InstanceStatus.RUNNING
    reasons = [one.reason for one in await bench.events(bench.site_ids[0])]
    assert reasons == ["SiteDown", "SiteBack"]


async def test_lost_replies_are_made_good_and_nothing_is_done_twice(benches, patient, tmp_path: Path) -> None:
    async with benches(data_folder=tmp_path / "world", settings=patient) as bench:
        await bench.network(sites=20, lostReplyRate=0.3, failureRate=0.1, seed=5)
        await bench.version()
        deployment, operation = await bench.deploy()
        await bench.succeeded(operation)
        await bench.succeeded((await bench.scale(deployment.id, web=2)).operation)
        applied = Counter(bench.history())
        assert applied
        assert set(applied.values()) == {1}
        bench.check_books()


async def test_a_poison_release_is_quarantined_and_the_rest_completes(bench) -> None:
    await bench.network(sites=8, failingSites=["s3"])
    await bench.version()
    deployment, operation = await bench.deploy()
    over = await bench.ended(operation.id)
    assert over.status is OperationStatus.PARTIAL
    assert (over.progress.total, over.progress.done, over.progress.failed) == (8, 7, 1)
    assert over.error is not None
    assert "s3" in over.error.message
    [poison] = [one for one in bench.releases(deployment.id) if one.phase is ReleasePhase.QUARANTINED]
    assert poison.attempts == 4
    assert (await bench.phase(deployment.id, DeploymentPhase.DEGRADED)).good is None
    assert "ReleaseQuarantined" in [one.reason for one in await bench.events(poison.id)]


async def test_a_retry_starts_what_was_given_up_again(bench) -> None:
    await bench.network(sites=4, failingSites=["s3"])
    await bench.version()
    deployment, operation = await bench.deploy()
    assert (await bench.ended(operation.id)).status is OperationStatus.PARTIAL
    await bench.configure()
    again = await bench.retry(operation.id)
    assert again.operation.id != operation.id
    assert again.operation.progress.total == 1
    await bench.succeeded(again.operation)
    await bench.phase(deployment.id, DeploymentPhase.READY)
    bench.check_books()


async def test_a_permanent_error_is_not_tried_twice(bench) -> None:
    await bench.network(sites=2, rejectedReferences=["shop:1"])
    await bench.version()
    deployment, operation = await bench.deploy()
    over = await bench.ended(operation.id)
    assert over.status is OperationStatus.FAILED
    assert {one.attempts for one in bench.releases(deployment.id)} == {1}
    version = await bench.version("2", reference="shop:2")
    await bench.succeeded((await bench.update(deployment.id, app_version_id=version)).operation)


async def test_slow_readiness_is_waited_for(bench) -> None:
    await bench.network(sites=3, readyAfterMs=150, latencyMs=5)
    await bench.version()
    deployment, operation = await bench.deploy()
    await bench.phases(deployment.id, WAITING_READY=3)
    assert bench.deployment(deployment.id).phase is DeploymentPhase.PROGRESSING
    await bench.succeeded(operation)


async def test_a_component_waits_for_what_it_depends_on_at_its_site(benches, tmp_path: Path) -> None:
    async with benches(data_folder=tmp_path / "world") as bench:
        await bench.network(sites=3, readyAfterMs=40)
        await bench.version(web={"depends_on": ["db"]}, db={}, cache={"depends_on": ["db", "web"]})
        deployment, operation = await bench.deploy()
        await bench.phases(deployment.id, WAITING_DEPENDENCY=6)
        await bench.succeeded(operation)
        by_site: dict[str, list[str]] = {}
        component = {one.backend_name: bench.view.get(one.component_id).name for one in bench.releases(deployment.id)}
        site = {one.backend_name: one.site_id for one in bench.releases(deployment.id)}
        for what, name, _ in bench.history():
            assert what == "applied"
            by_site.setdefault(site[name], []).append(component[name])
        assert list(by_site.values()) == [["db", "web", "cache"]] * 3
        began = len(bench.history())
        await bench.succeeded((await bench.terminate(deployment.id)).operation)
        removed: dict[str, list[str]] = {}
        for what, name, _ in bench.history()[began:]:
            assert what == "removed"
            removed.setdefault(site[name], []).append(component[name])
        assert list(removed.values()) == [["cache", "web", "db"]] * 3


async def test_dependents_of_what_failed_do_not_keep_an_operation_running(bench) -> None:
    await bench.network(sites=2, rejectedReferences=["db:1"])
    db = {"artifact": Artifact(type=ArtifactType.CONTAINER_IMAGE, reference="db:1")}
    await bench.version(web={"depends_on": ["db"]}, db=db)
    _, operation = await bench.deploy()
    over = await bench.ended(operation.id)
    assert (over.status, over.progress.failed) == (OperationStatus.FAILED, 4)


async def test_work_is_bounded_overall_by_cluster_and_by_site(benches, quick) -> None:
    bounds = dataclasses.replace(quick, concurrency=10, concurrency_per_cluster=6, concurrency_per_site=1)
    most: Counter[str] = Counter()
    async with benches(settings=bounds) as bench:
        await bench.network(sites=12, clusters=2, latencyMs=15)
        await bench.version(a={}, b={}, c={})
        _, operation = await bench.deploy()
        while bench.view.get(operation.id) is not None:
            at_work = [
                one
                for cluster in bench.cluster_ids
                for one in each(bench.view, Release, "cluster_id", cluster)
                if one.phase is ReleasePhase.APPLYING
            ]
            most["all"] = max(most["all"], len(at_work))
            for key, count in Counter(one.cluster_id for one in at_work).items():
                most[f"cluster {key}"] = max(most[f"cluster {key}"], count)
            for count in Counter(one.site_id for one in at_work).values():
                most["site"] = max(most["site"], count)
            await asyncio.sleep(0.002)
    assert most["all"] <= 10
    assert most["site"] == 1
    assert all(count <= 6 for key, count in most.items() if key.startswith("cluster"))
    assert most["all"] > 6
