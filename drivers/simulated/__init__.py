"""The simulated driver: clusters that exist on paper, for demos, scale tests, fault tests and the conformance kit.

What it simulates stands for the outside world. A cluster with an endpoint is served by a process of its own (`edgeatlas
simulate`) and talked to as any backend is; one without lives in this process and, given a folder, survives it. Both are
the same `SimulatedCluster`. docs/simulated.md describes them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from drivers.port import ClusterAccess, SamplingBackend
from drivers.simulated.backend import SimulatedBackend
from drivers.simulated.cluster import SimulatedCluster
from drivers.simulated.journal import Journal, journal_path
from drivers.simulated.remote import RemoteBackend, address_of, token_of
from drivers.simulated.settings import DRIVER, SimulatedSettings, connection_of, settings_of
from drivers.simulated.world import World
from graph.kinds import ArtifactType


class SimulatedDriver:
    """What `drivers.port.Driver` asks for. Connections of one driver to one cluster in this process share one world."""

    name = DRIVER
    artifacts = frozenset(ArtifactType)

    def __init__(self) -> None:
        self._worlds: dict[str, tuple[World, int]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    def check(self, configuration: Mapping[str, Any]) -> None:
        """Raises InvalidConfiguration with the key that is wrong."""
        settings_of(configuration)

    def connect(self, access: ClusterAccess) -> AbstractAsyncContextManager[SamplingBackend]:
        """A connection to the backend at the cluster's endpoint or, without one, to the cluster's world in this process.

        That world is opened with the first connection and closed with the last; in memory it stays for as long as the driver
        does. Raises InvalidConfiguration, InUseElsewhere or another DriverProblem.
        """
        return self._connected(access) if access.endpoint is None else _connected_to(access, access.endpoint)

    def world(self, cluster_id: str) -> World | None:
        """The world of a cluster in this process that was connected to, for demos and tests to look at."""
        found = self._worlds.get(cluster_id)
        return found[0] if found else None

    @contextlib.asynccontextmanager
    async def _connected(self, access: ClusterAccess) -> AsyncIterator[SamplingBackend]:
        settings = settings_of(access.configuration)
        world = await self._take(access)
        try:
            yield SimulatedBackend(access, SimulatedCluster(world, settings, clock=access.clock))
        finally:
            await self._leave(access)

    async def _take(self, access: ClusterAccess) -> World:
        async with self._locks.setdefault(access.id, asyncio.Lock()):
            world, users = self._worlds.get(access.id, (None, 0))
            if world is None:
                world = World(Journal(journal_path(access.data_folder, access.id)))
                await world.open()
            self._worlds[access.id] = (world, users + 1)
            return world

    async def _leave(self, access: ClusterAccess) -> None:
        async with self._locks[access.id]:
            world, users = self._worlds[access.id]
            self._worlds[access.id] = (world, users - 1)
            if users == 1 and access.data_folder is not None:
                del self._worlds[access.id]
                await world.journal.close()


@contextlib.asynccontextmanager
async def _connected_to(access: ClusterAccess, endpoint: str) -> AsyncIterator[SamplingBackend]:
    settings = connection_of(access.configuration)
    backend = RemoteBackend(access, settings, address_of(endpoint), token=await token_of(access))
    try:
        await backend.open()
        yield backend
    finally:
        backend.close()


driver = SimulatedDriver()
"""The entry point `simulated` of the group `edgeatlas.drivers`."""

__all__ = ["SimulatedDriver", "SimulatedSettings", "driver", "journal_path", "settings_of"]
