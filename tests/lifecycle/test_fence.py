"""The fence, against a network that delivers calls late; and that without the fence this test would notice."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from drivers.port import (
    Applied,
    Backend,
    ClusterAccess,
    Cursor,
    DriverProblem,
    Observation,
    ReleaseWork,
    RemovalWork,
    Removed,
    Unreachable,
)
from drivers.simulated import SimulatedDriver
from drivers.simulated.world import World


class LateNetwork:
    """The simulated driver over a network that loses some calls and delivers them again much later.

    Without the fence, what arrives late is applied whatever is there: that is what most backends do by themselves.
    """

    name = "simulated"

    def __init__(self, inner: SimulatedDriver, *, fenced: bool, seed: int) -> None:
        self.inner = inner
        self.artifacts = inner.artifacts
        self.fenced = fenced
        self.random = random.Random(seed)
        self.late: set[asyncio.Task[None]] = set()

    def check(self, configuration: Any) -> None:
        self.inner.check(configuration)

    @contextlib.asynccontextmanager
    async def connect(self, access: ClusterAccess) -> AsyncIterator[Backend]:
        async with self.inner.connect(access) as backend:
            world = self.inner.world(access.id)
            assert world is not None
            yield LateBackend(backend, world, self)

    async def settled(self) -> None:
        while self.late:
            await asyncio.gather(*self.late)


class LateBackend:
    def __init__(self, inner: Backend, world: World, network: LateNetwork) -> None:
        self.inner = inner
        self.world = world
        self.network = network

    async def ensure(self, work: ReleaseWork) -> Applied:
        if self.network.random.random() < 0.4:
            self._later(self._deliver(work))
            raise Unreachable("nothing came back")
        return await self._ensure(work)

    async def remove(self, work: RemovalWork) -> Removed:
        return await self.inner.remove(work)

    async def observe(self, *, after: Cursor | None) -> Observation:
        return await self.inner.observe(after=after)

    async def _deliver(self, work: ReleaseWork) -> None:
        await asyncio.sleep(self.network.random.uniform(0.05, 1.0))
        with contextlib.suppress(DriverProblem):
            await self._ensure(work)

    async def _ensure(self, work: ReleaseWork) -> Applied:
        if not self.network.fenced:
            held = self.world.objects.get(work.name)
            if held is not None and held.generation > work.generation:
                held.generation = 0
            self.world.removed.pop(work.name, None)
        return await self.inner.ensure(work)

    def _later(self, call: Any) -> None:
        task = asyncio.create_task(call)
        self.network.late.add(task)
        task.add_done_callback(self.network.late.discard)


async def violations(edges: Any, folder: Path, settings: Any, *, fenced: bool) -> list[str]:
    """What the history of the backend has that it must not have."""
    simulated = SimulatedDriver()
    network = LateNetwork(simulated, fenced=fenced, seed=11)
    steady = dataclasses.replace(settings, quarantine_after=1_000)
    async with edges(driver=simulated, registered=network, settings=steady, data_folder=folder) as edge:
        await edge.network(sites=6)
        await edge.version()
        deployment, operation = await edge.deploy()
        for number in range(2, 6):
            version = await edge.version(str(number), reference=f"shop:{number}")
            operation = (await edge.update(deployment.id, app_version_id=version)).operation
            await asyncio.sleep(0.04)
        with contextlib.suppress(AssertionError):
            await edge.succeeded(operation)
        last, operation = await edge.deploy("gone")
        await edge.succeeded(operation)
        await edge.succeeded((await edge.terminate(last.id)).operation)
        await network.settled()
        found = []
        newest: dict[str, int] = {}
        for what, name, generation in edge.history():
            held = newest.get(name, 0)
            if generation < held:
                found.append(f"{name}: {what} {generation} over {held}")
            if generation == held:
                found.append(f"{name}: {what} {generation} twice")
            newest[name] = max(generation, held)
        if fenced:
            edge.check_books()
        return found


async def test_calls_that_arrive_late_change_nothing(edges, quick, tmp_path: Path) -> None:
    assert await violations(edges, tmp_path / "world", quick, fenced=True) == []


async def test_without_the_fence_older_work_lands_over_newer(edges, quick, tmp_path: Path) -> None:
    """The negative control: the same network, with the fence taken out by a wrapper."""
    assert await violations(edges, tmp_path / "world", quick, fenced=False)
