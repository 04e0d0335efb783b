"""What a driver does not end when it is told to holds up nothing: the word that a cluster is down, its slots, the stop."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from drivers.port import WATCH_S, ClusterAccess, Unreachable
from drivers.simulated import SimulatedDriver
from faultkit.checks import check_effects
from faultkit.lives import Installation
from faultkit.logical_time import run
from faultkit.scenarios import SMALL
from graph.kinds import Cluster, Release, ReleasePhase
from graph.values import HealthStatus
from graph.view import each, get_as
from lifecycle import lingering
from lifecycle.lingering import CANCELLED_S, MOST_LEFT
from lifecycle.settings import LifecycleSettings
from lifecyclekit.edge import Edge

SETTINGS = LifecycleSettings()
FOUND_S = SETTINGS.silence_s + 1.0
ENDED_S = SETTINGS.disconnect_s + CANCELLED_S
"""The longest that anybody waits for the end of a connection."""
NEVER_S = 3_600.0
"""After this long even what does not end is let go, so that a test does."""
BACK_S = SETTINGS.reconnect_cap_s + ENDED_S + 1.0


class Clinging(SimulatedDriver):
    """Of one cluster nothing is answered, and what was told to end does not, as a test says."""

    def __init__(self) -> None:
        super().__init__()
        self.cluster_id = ""
        self.hangs: set[str] = set()
        """What is not answered: `connect`, `observe`, `ensure`."""
        self.clings: set[str] = set()
        """What does not end when it is told to: those, and `close`."""
        self.cancels = False
        """Whether what is not answered ends as if it had been cancelled."""
        self.until_cancelled = False
        """Whether a connection ends when its closing is cancelled."""
        self.let_go = asyncio.Event()
        self.held = 0

    @contextlib.asynccontextmanager
    async def connect(self, access: ClusterAccess) -> AsyncIterator[Any]:
        if access.id != self.cluster_id:
            async with super().connect(access) as backend:
                yield backend
            return
        if "connect" in self.hangs:
            await self._hang("connect")
        async with super().connect(access) as backend:
            for verb in ("observe", "ensure"):
                setattr(backend, verb, self._hanging(verb, getattr(backend, verb)))
            try:
                yield backend
            finally:
                if "close" in self.clings:
                    await self._cling()

    def _hanging(self, verb: str, inner: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def call(*given: Any, **named: Any) -> Any:
            if verb in self.hangs:
                await self._hang(verb)
            return await inner(*given, **named)

        return call

    async def _hang(self, what: str) -> None:
        if self.cancels:
            raise asyncio.CancelledError
        try:
            await self.let_go.wait()
        except asyncio.CancelledError:
            if what in self.clings:
                await self._cling()
            raise
        raise Unreachable(f"{what} was let go")

    async def _cling(self) -> None:
        self.held += 1
        try:
            while not self.let_go.is_set():
                try:
                    await self.let_go.wait()
                except asyncio.CancelledError:
                    if self.until_cancelled:
                        raise
        finally:
            self.held -= 1


def lived(folder: Path, work: Callable[[Edge, Clinging], Awaitable[None]], *, sites: int = 2, **settings: Any) -> None:
    """Has a life of two clusters do some work in logical time, the first the clinging one. It ends in bounded time."""
    installation = Installation(folder, settings=dataclasses.replace(SETTINGS, **settings))

    async def live() -> None:
        installation.simulated = driver = Clinging()
        async with installation.life() as edge:
            await edge.network(sites=sites, nodes=1, clusters=2, observeEveryMs=60_000, latencyMs=30)
            driver.cluster_id = edge.cluster_ids[0]
            await edge.version(web=SMALL)
            for number in range(2):
                await edge.connected(number)
            await edge.configure(latencyMs=31, observeEveryMs=60_000)
            await asyncio.sleep(BACK_S)
            try:
                await asyncio.wait_for(work(edge, driver), timeout=86_400.0)
            except BaseException:
                driver.let_go.set()
                raise
            ended_at = now()
            late = asyncio.get_running_loop().call_later(NEVER_S, driver.let_go.set)
        took = now() - ended_at
        late.cancel()
        driver.let_go.set()
        assert took <= ENDED_S + CANCELLED_S, f"the end of the process took {took:g} s"

    run(live())


def now() -> float:
    return asyncio.get_running_loop().time()


def cluster(edge: Edge, number: int = 0) -> Cluster:
    found = get_as(edge.view, Cluster, edge.cluster_ids[number])
    assert found is not None
    return found


async def let_go(driver: Clinging) -> None:
    """It is as it should be again."""
    driver.hangs, driver.clings = set(), set()
    driver.let_go.set()
    await asyncio.sleep(BACK_S)
    driver.let_go.clear()


@pytest.mark.parametrize("until_cancelled", [True, False], ids=["until it is cancelled", "whatever it is told"])
@pytest.mark.parametrize(
    "clings", [{"close"}, {"observe"}, {"observe", "close"}], ids=lambda ends: "+".join(sorted(ends))
)
def test_what_hangs_and_does_not_end_is_down_in_time_and_back_when_it_is_let_go(
    tmp_path: Path, clings: set[str], until_cancelled: bool
) -> None:
    async def work(edge: Edge, driver: Clinging) -> None:
        deployment, operation = await edge.deploy()
        await edge.succeeded(operation)
        driver.until_cancelled = until_cancelled
        driver.hangs, driver.clings = {"observe"}, clings
        await asyncio.sleep(WATCH_S + FOUND_S + (CANCELLED_S if "observe" in clings else 0.0))
        for _ in range(10):
            assert cluster(edge).health.status is HealthStatus.DOWN
            assert cluster(edge).health.reasons == [f"nothing was heard of it for {SETTINGS.silence_s:g} s"]
            assert cluster(edge, 1).health.status is HealthStatus.READY
            await asyncio.sleep(7.0)
        await let_go(driver)
        assert cluster(edge).health.status is HealthStatus.READY
        await edge.succeeded((await edge.scale(deployment.id, web=2)).operation)
        check_effects(edge)

    lived(tmp_path, work)


@pytest.mark.parametrize("clings", [{"close"}, {"observe"}, {"connect"}, {"ensure"}], ids=lambda ends: "+".join(ends))
def test_the_process_ends_while_what_was_told_to_end_has_not(tmp_path: Path, clings: set[str]) -> None:
    async def work(edge: Edge, driver: Clinging) -> None:
        driver.hangs, driver.clings = clings - {"close"}, clings
        if clings == {"connect"}:
            await edge.configure(latencyMs=30, observeEveryMs=60_000)
        if clings == {"ensure"}:
            await edge.deploy()
        await asyncio.sleep(WATCH_S + 5.0)
        assert cluster(edge).health.status is HealthStatus.READY or clings == {"connect"}

    lived(tmp_path, work)


def test_a_product_that_waits_for_every_end_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lingering, "CANCELLED_S", math.inf)
    with pytest.raises(AssertionError, match="the end of the process took"):
        test_the_process_ends_while_what_was_told_to_end_has_not(tmp_path / "end", {"observe"})
    with pytest.raises(AssertionError, match=r"HealthStatus\.READY"):
        test_what_hangs_and_does_not_end_is_down_in_time_and_back_when_it_is_let_go(
            tmp_path / "down", {"observe"}, until_cancelled=False
        )


def test_a_product_that_leaves_any_number_behind_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lingering, "MOST_LEFT", 1_000)
    with pytest.raises(AssertionError, match=rf"assert \d+ <= {MOST_LEFT}"):
        test_ends_that_hang_again_and_again_leave_no_more_than_a_bound(tmp_path, "observe")


@pytest.mark.parametrize("clings", ["connect", "close", "observe"])
def test_ends_that_hang_again_and_again_leave_no_more_than_a_bound(tmp_path: Path, clings: str) -> None:
    async def work(edge: Edge, driver: Clinging) -> None:
        tasks = len(asyncio.all_tasks())
        driver.hangs, driver.clings = {"connect" if clings == "connect" else "observe"}, {clings}
        if clings == "connect":
            await edge.configure(latencyMs=30, observeEveryMs=60_000)
        for number in range(3 * MOST_LEFT):
            await asyncio.sleep(FOUND_S + BACK_S)
            assert driver.held <= MOST_LEFT
            assert len(asyncio.all_tasks()) <= tasks + MOST_LEFT
            assert number == 0 or cluster(edge).health.status is HealthStatus.DOWN
        assert driver.held == edge.lifecycle.connections.left_behind == MOST_LEFT
        assert cluster(edge).health.reasons == [
            f"{MOST_LEFT} calls and connections that were given up have not ended: nothing more is asked until one has"
        ]
        _, operation = await edge.deploy(sites=edge.site_ids[1::2])
        await edge.succeeded(operation)
        await let_go(driver)
        assert (driver.held, cluster(edge).health.status) == (0, HealthStatus.READY)
        assert edge.lifecycle.connections.left_behind == 0

    lived(tmp_path, work)


def test_calls_that_do_not_end_give_their_slots_back_and_are_bounded(tmp_path: Path) -> None:
    """As many of them at once as there are slots, and as many again that gave theirs back."""

    async def work(edge: Edge, driver: Clinging) -> None:
        edge.deadline_s = 3_600.0
        driver.hangs = driver.clings = {"ensure"}
        _, operation = await edge.deploy(sites=edge.site_ids[::2])
        most = 0
        for _ in range(100):
            most = max(most, driver.held)
            await asyncio.sleep(30.0)
        assert MOST_LEFT <= driver.held <= most <= MOST_LEFT + SLOTS, "those that were under way when it was reached"
        _, other = await edge.deploy("other", sites=edge.site_ids[1::2])
        began = now()
        await edge.succeeded(other)
        assert now() - began < 10.0
        driver.hangs, driver.clings = set(), set()
        driver.let_go.set()
        await edge.succeeded(operation)
        assert {one.phase for one in each(edge.view, Release)} == {ReleasePhase.READY}
        check_effects(edge)
        assert driver.held == 0

    lived(tmp_path, work, sites=2 * 24, concurrency=SLOTS, concurrency_per_cluster=SLOTS)


SLOTS = 4


@pytest.mark.parametrize("verb", ["observe", "ensure"])
def test_a_driver_that_cancels_its_own_call_has_not_answered(tmp_path: Path, verb: str) -> None:
    async def work(edge: Edge, driver: Clinging) -> None:
        driver.cancels = True
        driver.hangs = {verb}
        _, operation = await edge.deploy()
        await asyncio.sleep(60.0)
        if verb == "observe":
            assert cluster(edge).health.reasons == ["the driver gave up its own call"]
        driver.hangs = set()
        edge.deadline_s = 2 * BACK_S
        await edge.succeeded(operation)
        await asyncio.sleep(BACK_S)
        assert {cluster(edge, number).health.status for number in range(2)} == {HealthStatus.READY}

    lived(tmp_path, work)
