"""Claims, fences and the store: who may call a driver, and what of an answer is written."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from drivers.port import (
    Applied,
    Backend,
    ClusterAccess,
    Cursor,
    DriverProblem,
    Observation,
    ObservedRelease,
    ReleaseWork,
    RemovalWork,
    Removed,
    Retryable,
    StaleGeneration,
    Unreachable,
)
from drivers.simulated import SimulatedDriver
from faultkit import broken
from graph.change import Commit
from graph.edit import Edit
from graph.kinds import Deployment, OperationStatus, Release, ReleasePhase
from graph.refusal import Unavailable
from graph.store import StoreUnavailable
from graph.view import each, get_as
from lifecycle.observation import take_in
from lifecycle.releases import unwant
from lifecycle.service import Lifecycle
from lifecycle.settings import LifecycleSettings
from lifecycle.work import Claim, Result, claim, record
from lifecyclekit.claims import Absence, Calls


class Watched:
    """The simulated driver, with each call told before it is made."""

    name = "simulated"

    def __init__(self, inner: SimulatedDriver, tell: Callable[[Any], None]) -> None:
        self.inner = inner
        self.tell = tell
        self.artifacts = inner.artifacts

    def check(self, configuration: Any) -> None:
        self.inner.check(configuration)

    @contextlib.asynccontextmanager
    async def connect(self, access: ClusterAccess) -> AsyncIterator[Backend]:
        async with self.inner.connect(access) as backend:
            yield WatchedBackend(backend, self)


class WatchedBackend:
    def __init__(self, inner: Backend, driver: Watched) -> None:
        self.inner = inner
        self.driver = driver

    async def ensure(self, work: ReleaseWork) -> Applied:
        self.driver.tell(work)
        return await self.inner.ensure(work)

    async def remove(self, work: RemovalWork) -> Removed:
        self.driver.tell(work)
        return await self.inner.remove(work)

    async def observe(self, *, after: Cursor | None) -> Observation:
        return await self.inner.observe(after=after)


class Claimed:
    """How often each release was claimed, by its name, as a follower of the view has seen it."""

    def __init__(self) -> None:
        self.times: Counter[str] = Counter()

    def applied(self, commit: Commit) -> None:
        for one in commit.changes:
            if isinstance(one.after, Release) and one.after.epoch > getattr(one.before, "epoch", 0):
                assert one.after.phase in (ReleasePhase.APPLYING, ReleasePhase.REMOVING)
                self.times[one.after.backend_name] += 1

    def reloaded(self) -> None:
        raise AssertionError("nothing is reloaded here")


async def test_no_call_is_made_without_a_committed_claim(edges, patient) -> None:
    simulated = SimulatedDriver()
    told: list[tuple[str, bool]] = []
    calls: Counter[str] = Counter()
    claimed = Claimed()
    benchs: list[Any] = []

    def tell(work: Any) -> None:
        calls[work.name] += 1
        # What an earlier call has done may be seen, and told, before this one begins: it is claimed all the same.
        [release] = each(benchs[0].view, Release, "backend_name", work.name)
        told.append((work.name, calls[work.name] <= claimed.times[work.name] and release.generation >= work.generation))

    async with edges(driver=simulated, registered=Watched(simulated, tell), settings=patient) as edge:
        benchs.append(edge)
        edge.view.follow(claimed)
        await edge.network(sites=6, failureRate=0.3, lostReplyRate=0.2)
        await edge.version()
        deployment, operation = await edge.deploy()
        await edge.succeeded(operation)
        await edge.succeeded((await edge.terminate(deployment.id)).operation)
    assert len(told) >= 12
    assert all(was_claimed for _, was_claimed in told)


async def without_its_store(edges: Any, monkeypatch: pytest.MonkeyPatch, settings: LifecycleSettings) -> None:
    """Two calls at once for twenty releases, and the store goes at the first of them."""
    simulated = SimulatedDriver()
    calls = Calls()
    few = dataclasses.replace(settings, concurrency=2)
    async with edges(driver=simulated, registered=Watched(simulated, calls.told), settings=few) as edge:
        calls.reader = edge.view
        await edge.network(sites=20, latencyMs=20)
        await edge.version()
        deployment, operation = await edge.deploy()
        await edge.until(lambda: calls.begun, what="a call")
        store = edge.ledger.store
        begin = store.begin

        def away() -> Any:
            raise StoreUnavailable("unplugged")

        monkeypatch.setattr(store, "begin", away)
        await edge.until(lambda: not edge.ledger.writable, what="the store's absence")
        # What was being written at the first refusal is written by now, and may be called.
        gone, claimed = len(calls.begun), calls.claimed()
        with pytest.raises(Unavailable):
            await edge.scale(deployment.id, web=2)
        await asyncio.sleep(0.4)
        absence = Absence(
            left=20 - gone, claimed=claimed, begun=len(calls.begun) - gone, unclaimed=len(calls.unclaimed)
        )
        absence.check(least_left=1)
        monkeypatch.setattr(store, "begin", begin)
        await edge.succeeded(operation)
        edge.check_books()
    assert len(calls.begun) >= 20
    assert not calls.unclaimed


async def test_while_the_store_is_away_no_driver_is_called_without_a_claim_and_afterwards_all_is_finished(
    edges, quick, monkeypatch
) -> None:
    await without_its_store(edges, monkeypatch, quick)


async def test_a_worker_that_calls_whether_or_not_its_store_is_there_is_found_out(edges, quick, monkeypatch) -> None:
    with broken.called_whether_or_not_the_store_is_there(), pytest.raises(AssertionError, match="calls"):
        await without_its_store(edges, monkeypatch, quick)


async def test_a_result_commits_only_at_its_own_epoch(edges, quick) -> None:
    async with edges(running=False) as edge:
        await edge.network(sites=1)
        await edge.version()
        deployment, _ = await edge.deploy()
        [release] = edge.releases(deployment.id)
        [first] = await edge.change(lambda edit: claim(edit, {release.id: 0}))
        assert await edge.change(lambda edit: claim(edit, {release.id: 0})) == []
        [second] = await edge.change(lambda edit: claim(edit, {release.id: 1}))
        late = Result(first, Retryable("late"))
        assert await edge.change(lambda edit: record(edit, [late], settings=quick)) == 1
        assert edge.view.get(release.id).failures == 0
        right = Result(second, Applied(changed=True))
        assert await edge.change(lambda edit: record(edit, [right], settings=quick)) == 0
        after = edge.view.get(release.id)
        assert (after.applied_generation, after.phase) == (1, ReleasePhase.WAITING_READY)


@pytest.mark.parametrize(
    "outcome", [Applied(changed=True), Retryable("no"), StaleGeneration(name="x", asked=1, held=9)]
)
async def test_an_answer_to_what_is_no_longer_wanted_does_not_count_against_what_is(edges, quick, outcome) -> None:
    async with edges(running=False) as edge:
        await edge.network(sites=1)
        await edge.version()
        deployment, _ = await edge.deploy()
        [release] = edge.releases(deployment.id)
        [one] = await edge.change(lambda edit: claim(edit, {release.id: 0}))
        await edge.scale(deployment.id, web=2)
        await edge.change(lambda edit: record(edit, [Result(one, outcome)], settings=quick))
        after = edge.view.get(release.id)
        assert (after.generation, after.phase, after.failures) == (2, ReleasePhase.PENDING, 0)
        assert after.applied_generation < 2


def there(claimed: Claim, *, ready_replicas: int) -> ObservedRelease:
    """The one replica of what was claimed, as its backend shows it."""
    return ObservedRelease(
        name=claimed.work.name,
        owner=claimed.cluster_id,
        site_id=claimed.work.site_id,
        generation=1,
        replicas=1,
        ready_replicas=ready_replicas,
        version=1,
    )


@pytest.mark.parametrize(
    ("ready", "problem"),
    [(1, Unreachable("the reply was lost")), (0, Unreachable("the reply was lost")), (1, Retryable("too late"))],
)
async def test_an_answer_that_is_lost_takes_nothing_from_what_was_seen_meanwhile(edges, quick, ready, problem) -> None:
    async with edges(running=False) as edge:
        await edge.network(sites=1)
        await edge.version()
        deployment, _ = await edge.deploy()
        [release] = edge.releases(deployment.id)
        [one] = await edge.change(lambda edit: claim(edit, {release.id: 0}))
        seen = there(one, ready_replicas=ready)
        await edge.change(lambda edit: take_in(edit, edit.get(release.id), seen, settings=quick))
        before = edge.view.get(release.id)
        assert before.phase is (ReleasePhase.READY if ready else ReleasePhase.WAITING_READY)
        assert await edge.change(lambda edit: record(edit, [Result(one, problem)], settings=quick)) == 0
        after = edge.view.get(release.id)
        assert (after.phase, after.error, after.failures, after.due_at) == (before.phase, None, 0, None)


@pytest.mark.parametrize("seen_first", [True, False])
async def test_a_hand_that_was_quicker_than_the_answer_is_seen_whichever_is_taken_in_first(
    edges, quick, seen_first
) -> None:
    async with edges(running=False) as edge:
        await edge.network(sites=1)
        await edge.version()
        deployment, _ = await edge.deploy()
        [release] = edge.releases(deployment.id)
        [one] = await edge.change(lambda edit: claim(edit, {release.id: 0}))
        left = there(one, ready_replicas=1)
        spoilt = msgspec.structs.replace(left, version=2, replicas=3, ready_replicas=3, drift="has 3 replicas")

        def see(edit: Edit) -> None:
            take_in(edit, edit.get(release.id), spoilt, settings=quick)

        def hear(edit: Edit) -> None:
            record(edit, [Result(one, Applied(changed=True, observed=left))], settings=quick)

        for step in (see, hear) if seen_first else (hear, see):
            await edge.change(step)
        after = edge.view.get(release.id)
        assert (after.phase, after.applied_generation, after.error) == (
            ReleasePhase.PENDING,
            0,
            "it drifted: it has 3 replicas",
        )
        # What is put right is known to be so by the answer alone: the drift was seen before it.
        [again] = await edge.change(lambda edit: claim(edit, {release.id: 1}))
        put_right = msgspec.structs.replace(left, version=3)
        result = Result(again, Applied(changed=True, observed=put_right))
        await edge.change(lambda edit: record(edit, [result], settings=quick))
        assert edge.view.get(release.id).phase is ReleasePhase.READY
        assert [one.reason for one in await edge.events(release.id)].count("Drift") == 1


async def test_a_removal_that_was_taken_back_meanwhile_is_applied_again(edges, quick) -> None:
    async with edges(running=False) as edge:
        await edge.network(sites=1)
        await edge.version()
        deployment, _ = await edge.deploy()
        [release] = edge.releases(deployment.id)

        def unwanted(edit: Edit) -> list[Claim]:
            edit.replace(edit.get(release.id), applied_generation=1)
            unwant(edit, edit.get(release.id), generation=2, operation_id=None)
            return claim(edit, {release.id: 0})

        [one] = await edge.change(unwanted)

        def wanted_again(edit: Edit) -> None:
            edit.replace(edit.get(release.id), wanted=True, generation=3)
            record(edit, [Result(one, Removed(gone=True))], settings=quick)

        await edge.change(wanted_again)
        after = edge.view.get(release.id)
        assert (after.wanted, after.applied_generation, after.observed.present) == (True, 0, False)


async def test_a_graph_restored_from_an_older_copy_overtakes_its_backend(edge) -> None:
    await edge.network(sites=2)
    await edge.version()
    deployment, operation = await edge.deploy()
    await edge.succeeded(operation)
    for release in edge.releases(deployment.id):
        edge.world().objects[release.backend_name].generation = 40
    await edge.succeeded((await edge.scale(deployment.id, web=2)).operation)
    assert {one.generation for one in edge.releases(deployment.id)} == {41}
    assert edge.deployment(deployment.id).generation == 41
    edge.check_books()


async def test_two_workers_over_one_graph_do_each_thing_once(edges, tmp_path) -> None:
    async with edges(data_folder=tmp_path / "world") as edge:
        edge.ledger.store.shared = True
        other = Lifecycle(
            edge.ledger,
            edge.lifecycle.connections._drivers,
            settings=edge.lifecycle._settings,
            data_folder=tmp_path / "world",
        )
        async with other.running():
            await edge.network(sites=20, latencyMs=3, lostReplyRate=0.1)
            await edge.version()
            deployment, operation = await edge.deploy()
            await edge.succeeded(operation)
            for replicas in (2, 3):
                await edge.succeeded((await edge.scale(deployment.id, web=replicas)).operation)
            await edge.succeeded((await edge.terminate(deployment.id)).operation)
        assert set(Counter(edge.history()).values()) == {1}
        assert Counter(what for what, _, _ in edge.history()) == {"applied": 60, "removed": 20}


async def test_a_worker_that_fails_is_started_again(edge, monkeypatch) -> None:
    await edge.network(sites=2)
    await edge.version()
    monkeypatch.setattr("lifecycle.workers.RESTART_PAUSE_S", 0.01)
    broken = [True]
    wants = type(edge.lifecycle.reconciler)._wants

    def once(self: Any, entry: Any) -> bool:
        if broken:
            broken.clear()
            raise RuntimeError("a bug")
        return wants(self, entry)

    monkeypatch.setattr(type(edge.lifecycle.reconciler), "_wants", once)
    _, operation = await edge.deploy()
    await edge.succeeded(operation)
    assert not broken


async def test_a_driver_with_a_bug_fails_its_own_releases_alone(edges) -> None:
    simulated = SimulatedDriver()

    def tell(work: Any) -> None:
        if work.site == "s1":
            raise KeyError("a bug in the driver")

    async with edges(driver=simulated, registered=Watched(simulated, tell)) as edge:
        await edge.network(sites=3)
        await edge.version()
        _, operation = await edge.deploy()
        over = await edge.ended(operation.id)
        assert (over.status, over.progress.failed) == (OperationStatus.PARTIAL, 1)
        assert "KeyError" in over.error.message


async def test_a_call_that_hangs_is_given_up(edges, quick) -> None:
    settings = dataclasses.replace(quick, call_timeout_s=0.05)
    async with edges(settings=settings) as edge:
        await edge.network(sites=2, latencyMs=60_000)
        await edge.version()
        deployment, operation = await edge.deploy()
        releases = await edge.phases(deployment.id, WAITING_SITE=2)
        assert "within 0.05 s" in (releases[0].error or "")
        await edge.configure()
        await edge.succeeded(operation)


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_restart_picks_everything_up_from_the_graph_alone(edges, tmp_path, seed) -> None:
    async with edges(running=False, data_folder=tmp_path / "world") as edge:
        await edge.network(sites=12, latencyMs=8, readyAfterMs=20, lostReplyRate=0.2, seed=seed)
        await edge.version(web={"depends_on": ["db"]}, db={})
        deployment, operation = await edge.deploy()
    for _ in range(30):
        async with edges(data_folder=tmp_path / "world") as again:
            await asyncio.sleep(0.12)
            if get_as(again.view, Deployment, deployment.id).good is not None:
                break
    async with edges(data_folder=tmp_path / "world") as last:
        last.cluster_ids = edge.cluster_ids
        assert (await last.ended(operation.id)).status is OperationStatus.SUCCEEDED
        assert set(Counter(last.history()).values()) == {1}
        await last.connected()
        last.check_books()


def test_every_problem_of_a_driver_is_a_driver_problem() -> None:
    assert all(issubclass(one, DriverProblem) for one in (Retryable, StaleGeneration))
