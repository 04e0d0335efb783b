"""The beds of the simulated driver: inside the test's process, and over a backend that is a process of its own."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from driverkit.bed import Held
from driverkit.simulated_process import SimulatedProcess
from driverkit.work import CLUSTER, FixedInventory
from drivers.clock import SystemClock
from drivers.port import Backend, ClusterAccess, Driver
from drivers.simulated import SimulatedDriver, hand
from drivers.simulated.control import Control
from drivers.simulated.world import World

REJECTED = "registry.example/none:1"
AT_AVEIRO = {"siteId": "site_a", "site": "Aveiro", "nodeIds": ["node_a1"]}


class InServerBed:
    """A simulated cluster inside the process, in memory or in a folder; a trouble is a setting in its configuration."""

    rejected_reference = REJECTED

    def __init__(self, folder: Path | None, *, driver: Driver | None = None, simulated: SimulatedDriver | None = None):
        self.folder = folder
        self.simulated = simulated or SimulatedDriver()
        self.driver: Driver = driver or self.simulated
        self.configuration: dict[str, Any] = {"observeEveryMs": 20, "rejectedReferences": [REJECTED]}

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[Backend]:
        access = ClusterAccess(
            id=CLUSTER,
            name="conformance",
            endpoint=None,
            configuration=self.configuration,
            clock=SystemClock(),
            inventory=FixedInventory(),
            data_folder=self.folder,
        )
        async with self.driver.connect(access) as backend:
            yield backend

    @contextlib.asynccontextmanager
    async def troubled(self, **settings: Any) -> AsyncIterator[None]:
        before, self.configuration = self.configuration, {**self.configuration, **settings}
        try:
            yield
        finally:
            self.configuration = before

    def away(self, *sites: str) -> contextlib.AbstractAsyncContextManager[None]:
        return self.troubled(awaySites=list(sites))

    def slow(self) -> contextlib.AbstractAsyncContextManager[None]:
        return self.troubled(latencyMs=200)

    def unready(self) -> contextlib.AbstractAsyncContextManager[None]:
        return self.troubled(unreadyReplicas=1_000)

    def losing_replies(self) -> contextlib.AbstractAsyncContextManager[None]:
        return self.troubled(lostReplyRate=1)

    @property
    def world(self) -> World:
        found = self.simulated.world(CLUSTER)
        assert found is not None, "a hand needs a connection"
        return found

    async def held(self) -> dict[str, Held]:
        return {
            one.name: Held(generation=one.generation, replicas=one.replicas, owner=one.owner)
            for one in self.world.objects.values()
        }

    async def make(self, name: str, *, owner: str) -> None:
        made = hand.Made(name=name, owner=owner, site_id="site_a", site="Aveiro", node_ids=("node_a1",))
        await hand.make(self.world, made, now=SystemClock().now_ms())

    async def change(self, name: str, *, replicas: int) -> None:
        await hand.change(self.world, name, hand.Changed(replicas=replicas), now=SystemClock().now_ms())

    async def spoil(self, name: str) -> None:
        await hand.change(self.world, name, hand.Changed(content="another image"), now=SystemClock().now_ms())

    async def delete(self, name: str) -> None:
        await hand.vanish(self.world, name, now=SystemClock().now_ms())

    async def crash(self, name: str) -> None:
        await hand.crash(self.world, name, hand.Crash(for_ms=None), now=SystemClock().now_ms())

    async def mend(self, name: str) -> None:
        await hand.crash(self.world, name, hand.Crash(for_ms=0), now=SystemClock().now_ms())


class ProcessBed:
    """A cluster of a simulated backend in a process of its own; a trouble is told to the backend."""

    rejected_reference = REJECTED

    def __init__(self, process: SimulatedProcess, cluster: str) -> None:
        self.process = process
        self.cluster = cluster
        self.driver: Driver = SimulatedDriver()
        self._rejects = False

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[Backend]:
        if not self._rejects:
            await self._tell(observeEveryMs=20, rejectedReferences=[REJECTED])
            self._rejects = True
        access = self.process.access(self.cluster, id=CLUSTER, inventory=FixedInventory())
        async with self.driver.connect(access) as backend:
            yield backend

    @contextlib.asynccontextmanager
    async def troubled(self, **settings: Any) -> AsyncIterator[None]:
        await self._tell(**settings)
        try:
            yield
        finally:
            await self._tell(**dict.fromkeys(settings))

    def away(self, *sites: str) -> contextlib.AbstractAsyncContextManager[None]:
        return self.troubled(awaySites=list(sites))

    def slow(self) -> contextlib.AbstractAsyncContextManager[None]:
        return self.troubled(latencyMs=200)

    def unready(self) -> contextlib.AbstractAsyncContextManager[None]:
        return self.troubled(unreadyReplicas=1_000)

    def losing_replies(self) -> contextlib.AbstractAsyncContextManager[None]:
        return self.troubled(lostReplyRate=1)

    async def held(self) -> dict[str, Held]:
        async with self._control() as control:
            return {
                one.name: Held(generation=one.generation, replicas=one.replicas, owner=one.owner)
                for one in await control.objects()
            }

    async def make(self, name: str, *, owner: str) -> None:
        async with self._control() as control:
            await control.make(name, owner=owner, **AT_AVEIRO)

    async def change(self, name: str, *, replicas: int) -> None:
        async with self._control() as control:
            await control.change(name, replicas=replicas)

    async def spoil(self, name: str) -> None:
        async with self._control() as control:
            await control.change(name, content="another image")

    async def delete(self, name: str) -> None:
        async with self._control() as control:
            await control.vanish(name)

    async def crash(self, name: str) -> None:
        async with self._control() as control:
            await control.crash(name, forMs=None)

    async def mend(self, name: str) -> None:
        async with self._control() as control:
            await control.crash(name, forMs=0)

    async def _tell(self, **settings: Any) -> None:
        async with self._control() as control:
            await control.behave(**settings)

    def _control(self) -> contextlib.AbstractAsyncContextManager[Control]:
        return self.process.control(self.cluster)
