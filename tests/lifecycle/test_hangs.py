"""A control plane that says nothing more is found out, whatever hangs there; one that is slow is not taken for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from drivers.port import WATCH_S, BackendUnreachable, ClusterAccess, Cursor, Observation, Unreachable
from drivers.simulated import SimulatedDriver
from faultkit.convergence import CONVERGED_WITHIN_S
from faultkit.lives import Installation
from faultkit.logical_time import run
from faultkit.scenarios import SMALL
from graph.kinds import Cluster, DeploymentPhase, FailoverMode, FailoverPolicy, Release, ReleasePhase
from graph.kinds.policy import PlacementPolicy
from graph.values import HealthStatus
from graph.view import each, get_as
from lifecycle.backoff import Breakers
from lifecycle.endpoints import Endpoints
from lifecycle.settings import LifecycleSettings
from lifecyclekit.edge import Edge

SETTINGS = LifecycleSettings()
FOUND_S = SETTINGS.silence_s + 1.0
"""After so long a hang is written down: the silence, and the commits."""
BACK_S = SETTINGS.reconnect_cap_s + 1.0
Observing = Callable[[Callable[[], Awaitable[Observation]], Callable[[], None], int], Awaitable[Observation]]


class Slow(SimulatedDriver):
    """A driver whose connections and observations take their time, as a test says."""

    def __init__(self) -> None:
        super().__init__()
        self.connecting: Callable[[], Awaitable[None]] | None = None
        self.observing: Observing | None = None
        self.observed = 0

    @contextlib.asynccontextmanager
    async def connect(self, access: ClusterAccess) -> AsyncIterator[Any]:
        if self.connecting is not None:
            await self.connecting()
        async with super().connect(access) as backend:
            inner, told = backend.observe, 0

            async def observe(*, after: Cursor | None) -> Observation:
                nonlocal told
                if self.observing is None:
                    return await inner(after=after)
                told += 1
                self.observed += 1
                return await self.observing(lambda: inner(after=after), access.heard, told)

            backend.observe = observe
            yield backend


def lived(
    folder: Path,
    work: Callable[[Edge], Awaitable[None]],
    *,
    driver: SimulatedDriver | None = None,
    settings: LifecycleSettings | None = None,
) -> None:
    """Has a life of an installation of two sites with a cluster each do some work, in logical time."""
    installation = Installation(folder, settings=settings)
    installation.simulated = driver or installation.simulated

    async def live() -> None:
        async with installation.life() as edge:
            await edge.network(sites=2, clusters=2, observeEveryMs=60_000, latencyMs=30)
            await edge.version()
            await work(edge)

    run(live())


def health(edge: Edge, number: int = 0) -> HealthStatus:
    cluster = get_as(edge.view, Cluster, edge.cluster_ids[number])
    assert cluster is not None
    return cluster.health.status


def reasons(edge: Edge) -> list[str]:
    cluster = get_as(edge.view, Cluster, edge.cluster_ids[0])
    assert cluster is not None
    return cluster.health.reasons


async def deployed(edge: Edge, **fields: Any) -> str:
    deployment, operation = await edge.deploy(**fields)
    await edge.succeeded(operation)
    return deployment.id


def test_what_hangs_is_down_in_time_and_for_as_long_as_it_hangs(tmp_path: Path) -> None:
    async def work(edge: Edge) -> None:
        deployment_id = await deployed(edge)
        await edge.configure(hangs=True, observeEveryMs=60_000)
        await asyncio.sleep(FOUND_S)
        for _ in range(20):
            assert health(edge) is HealthStatus.DOWN
            deployment = edge.deployment(deployment_id)
            assert (deployment.phase, deployment.status.replicas.ready) == (DeploymentPhase.DEGRADED, 1)
            assert deployment.status.replicas.unknown == 1
            await asyncio.sleep(31.0)
        assert reasons(edge) == ["nothing was heard of it for 30 s"]
        await edge.configure(latencyMs=30, observeEveryMs=60_000)
        await asyncio.sleep(BACK_S)
        assert health(edge) is HealthStatus.READY
        await edge.phase(deployment_id, DeploymentPhase.READY)

    lived(tmp_path, work)


def back_at_the_worst_moment(folder: Path, *, settings: LifecycleSettings | None = None) -> None:
    """A control plane cannot be reached for an hour, and can right after it was tried once more; a change waits for it."""
    driver, tries = Slow(), 0

    async def unreachable() -> None:
        nonlocal tries
        tries += 1
        raise BackendUnreachable("away on purpose")

    async def work(edge: Edge) -> None:
        deployment_id = await deployed(edge)
        driver.connecting = unreachable
        for number in range(2):
            await edge.configure(number, latencyMs=20, observeEveryMs=60_000)
        await asyncio.sleep(60.0)
        scaled = (await edge.scale(deployment_id, web=2)).operation
        await asyncio.sleep(3_600.0)
        before = tries
        edge.deadline_s = 3_600.0
        await edge.until(lambda: tries > before, what="another try")
        driver.connecting = None
        edge.deadline_s = CONVERGED_WITHIN_S
        await edge.phase(deployment_id, DeploymentPhase.READY)
        await edge.succeeded(scaled)
        edge.check_books()

    lived(folder, work, driver=driver, settings=settings)


def test_a_change_that_waits_for_a_control_plane_is_made_in_time_at_whatever_moment_it_is_back(tmp_path: Path) -> None:
    back_at_the_worst_moment(tmp_path)


def test_pauses_between_tries_to_connect_that_are_too_long_are_found_out(tmp_path: Path) -> None:
    patient = LifecycleSettings(reconnect_cap_s=2 * CONVERGED_WITHIN_S)
    with pytest.raises(AssertionError, match="READY never came"):
        back_at_the_worst_moment(tmp_path, settings=patient)


def test_what_is_lost_with_a_control_plane_that_hangs_fails_over(tmp_path: Path) -> None:
    async def work(edge: Edge) -> None:
        failover = FailoverPolicy(mode=FailoverMode.APPLY, toleration_seconds=10)
        deployment_id = await deployed(edge, policy=PlacementPolicy(min_sites=1, max_sites=1), failover=failover)
        [release] = edge.releases(deployment_id)
        await edge.configure(edge.cluster_ids.index(release.cluster_id), hangs=True, observeEveryMs=60_000)
        await asyncio.sleep(FOUND_S + 10.0 + 5.0)
        deployment = edge.deployment(deployment_id)
        assert deployment.phase is DeploymentPhase.READY
        there = [one.site_id for one in edge.releases(deployment_id) if one.wanted and not one.left_behind]
        assert len(there) == 1
        assert there != [release.site_id]

    lived(tmp_path, work)


def test_a_connection_that_is_never_made_is_found_out_as_well(tmp_path: Path) -> None:
    driver = Slow()

    async def never() -> None:
        await asyncio.Event().wait()

    async def work(edge: Edge) -> None:
        await deployed(edge)
        driver.connecting = never
        await edge.configure(latencyMs=31, observeEveryMs=60_000)
        for _ in range(10):
            await asyncio.sleep(FOUND_S)
            assert health(edge) is HealthStatus.DOWN
        assert health(edge, 1) is HealthStatus.READY

    lived(tmp_path, work, driver=driver)


@pytest.mark.parametrize("seconds", [31.0, 45.0])
def test_an_attempt_that_fails_late_is_no_better_than_one_that_fails_at_once(tmp_path: Path, seconds: float) -> None:
    """A driver has a limit of its own, shorter than ours."""
    driver = Slow()

    async def fails() -> None:
        # Something is heard, so that it is the driver that gives up.
        await asyncio.sleep(seconds - 2.0)
        raise Unreachable("it does not answer")

    async def work(edge: Edge) -> None:
        await deployed(edge)
        driver.connecting = fails
        await edge.configure(latencyMs=31, observeEveryMs=60_000)
        await asyncio.sleep(2 * seconds + BACK_S)
        for _ in range(10):
            assert health(edge) is HealthStatus.DOWN
            await asyncio.sleep(seconds)

    lived(tmp_path, work, driver=driver)


async def page_by_page(
    tell: Callable[[], Awaitable[Observation]], heard: Callable[[], None], *, pages: int, page_s: float
) -> Observation:
    for _ in range(pages):
        await asyncio.sleep(page_s)
        heard()
    return await tell()


def test_a_large_backend_that_goes_on_telling_is_alive(tmp_path: Path) -> None:
    driver = Slow()
    driver.observing = lambda tell, heard, told: page_by_page(tell, heard, pages=10, page_s=SETTINGS.silence_s - 2.0)

    async def work(edge: Edge) -> None:
        await asyncio.sleep(290.0)
        deployment_id = await deployed(edge)
        for _ in range(20):
            assert health(edge) is HealthStatus.READY
            assert edge.deployment(deployment_id).phase is DeploymentPhase.READY
            await asyncio.sleep(31.0)

    lived(tmp_path, work, driver=driver)
    assert driver.observed > 5


def test_a_backend_that_goes_on_telling_without_an_end_is_not(tmp_path: Path) -> None:
    driver = Slow()

    async def work(edge: Edge) -> None:
        await deployed(edge)
        driver.observing = lambda tell, heard, told: page_by_page(tell, heard, pages=1 << 40, page_s=10.0)
        await asyncio.sleep(SETTINGS.observation_s + FOUND_S)
        for _ in range(5):
            assert health(edge) is HealthStatus.DOWN
            await asyncio.sleep(SETTINGS.observation_s / 3)
        assert reasons(edge) == ["what it has to say had no end within 600 s"]

    lived(tmp_path, work, driver=driver)


def test_a_watch_that_is_cut_and_taken_up_again_is_no_loss(tmp_path: Path) -> None:
    """As when a control plane is restarted piece by piece."""
    driver = Slow()

    async def cut(tell: Callable[[], Awaitable[Observation]], heard: Callable[[], None], told: int) -> Observation:
        if told == 3:
            await asyncio.sleep(WATCH_S / 2)
            raise Unreachable("the connection was cut")
        return await tell()

    async def work(edge: Edge) -> None:
        await deployed(edge)
        driver.observing = cut
        cuts = driver.observed
        for _ in range(500):
            assert health(edge) is HealthStatus.READY
            await asyncio.sleep(1.0)
        assert driver.observed > cuts + 20

    lived(tmp_path, work, driver=driver)


def test_nobody_waits_longer_for_a_change_than_may_be_silent(tmp_path: Path) -> None:
    async def work(edge: Edge) -> None:
        await edge.connected()
        await asyncio.sleep(BACK_S)
        for _ in range(200):
            assert health(edge) is HealthStatus.READY
            await asyncio.sleep(1.0)

    assert SETTINGS.silence_s / 2 > WATCH_S
    lived(tmp_path, work)


def test_calls_to_a_control_plane_that_hangs_are_given_up_for_all_of_its_sites_at_once(tmp_path: Path) -> None:
    async def live() -> None:
        async with Installation(tmp_path).life() as edge:
            await edge.network(sites=24, nodes=1, clusters=2, observeEveryMs=5_000, latencyMs=200)
            await edge.version(web=SMALL)
            for number in range(2):
                await edge.connected(number)
            await edge.configure(0, hangs=True)
            tallies: list[int] = []
            await edge.deploy(sites=edge.site_ids[::2])
            await asyncio.sleep(SETTINGS.call_timeout_s + 2.0)
            for _ in range(5):
                tallies.append(edge.lifecycle.reconciler.running)
                await asyncio.sleep(20.0)
            assert max(tallies) <= 1, "one call at a time tries it again"
            _, operation = await edge.deploy("other", sites=edge.site_ids[1::2])
            began = asyncio.get_running_loop().time()
            await edge.succeeded(operation)
            assert asyncio.get_running_loop().time() - began < 5.0
            await edge.configure(0, latencyMs=200)
            await edge.until(
                lambda: all(one.phase is ReleasePhase.READY for one in each(edge.view, Release)), what="all of it"
            )

    run(live())


@pytest.mark.parametrize("hung", [2, 5], ids=["as many as there are slots for", "more"])
def test_calls_that_hang_hold_up_others_only_for_seconds_and_are_bounded(tmp_path: Path, hung: int) -> None:
    """Each cluster may have 32 of the 64 slots; what waits in vain gives its slot back, once over."""

    async def live() -> None:
        async with Installation(tmp_path).life() as edge:
            edge.deadline_s = 120.0
            await edge.network(sites=40 * (hung + 1), nodes=1, clusters=hung + 1, observeEveryMs=5_000, latencyMs=200)
            await edge.version(web=SMALL)
            for number in range(hung + 1):
                await edge.connected(number)
            for number in range(hung):
                await edge.configure(number, hangs=True, latencyMs=200)
            await asyncio.sleep(1.0)
            began, most = asyncio.get_running_loop().time(), 0
            await edge.deploy()
            healthy = edge.cluster_ids[hung]

            def done() -> bool:
                nonlocal most
                most = max(most, sum(task.get_name().startswith("lifecycle-call-") for task in asyncio.all_tasks()))
                found = [one for one in each(edge.view, Release) if one.cluster_id == healthy]
                return len(found) == 40 and all(one.phase is ReleasePhase.READY for one in found)

            await edge.until(done, what="all that is behind the control plane that answers")
            took = asyncio.get_running_loop().time() - began
            assert took < (10.0 if hung == 2 else SETTINGS.call_timeout_s + 10.0)
            assert SETTINGS.concurrency < most <= 2 * SETTINGS.concurrency

    run(live())


def endpoints() -> Endpoints:
    return Endpoints(Breakers(after=3, base_s=1.0, cap_s=30.0, seed=0))


def test_a_time_out_is_the_endpoints_while_nothing_there_answers() -> None:
    own = endpoints()
    own.heard("e", now=10.0)
    assert own.is_silent("e", "a", began=20.0, now=50.0, observed=True)
    assert own.is_silent("e", "a", began=20.0, now=51.0, observed=True)
    own.heard("e", now=51.0)
    assert not own.is_silent("e", "a", began=22.0, now=52.0, observed=True)
    # An observation may wait for a change for longer than calls may take.
    assert not own.is_silent("e", "a", began=55.0, now=60.0, observed=True)


def test_a_site_alone_does_not_count_as_its_endpoint_where_nobody_observes_that() -> None:
    own = endpoints()
    assert own.is_silent("e", "a", began=0.0, now=30.0, observed=False)
    assert not own.is_silent("e", "a", began=0.0, now=30.0, observed=False)
    assert own.is_silent("e", "b", began=0.0, now=30.0, observed=False)
    own.heard("e", now=31.0)
    assert own.is_silent("e", "a", began=60.0, now=90.0, observed=False)
