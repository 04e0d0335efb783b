"""The simulated driver: clusters that exist on paper, for demos, scale tests and the conformance kit.

What it simulates stands for the outside world: given a folder, its state survives the server. docs/simulated.md describes
its settings.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from drivers.naming import short_hash
from drivers.port import Backend, ClusterAccess
from drivers.simulated.backend import SimulatedBackend
from drivers.simulated.journal import Journal
from drivers.simulated.settings import DRIVER, SimulatedSettings, settings_of
from drivers.simulated.world import World
from graph.kinds import ArtifactType


class SimulatedDriver:
    """What `drivers.port.Driver` asks for. Connections of one driver to one cluster share one world."""

    name = DRIVER
    artifacts = frozenset(ArtifactType)

    def __init__(self) -> None:
        self._worlds: dict[str, tuple[World, int]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    def check(self, configuration: Mapping[str, Any]) -> None:
        """Raises InvalidConfiguration with the key that is wrong."""
        settings_of(configuration)

    def connect(self, access: ClusterAccess) -> AbstractAsyncContextManager[Backend]:
        """A connection to the cluster's world, which is opened with the first and closed with the last.

        In memory a world stays for as long as the driver does. Raises InvalidConfiguration or InUseElsewhere.
        """
        return self._connected(access)

    def world(self, cluster_id: str) -> World | None:
        """The world of a cluster that was connected to, for demos and tests to look at."""
        found = self._worlds.get(cluster_id)
        return found[0] if found else None

    @contextlib.asynccontextmanager
    async def _connected(self, access: ClusterAccess) -> AsyncIterator[Backend]:
        settings = settings_of(access.configuration)
        world = await self._take(access)
        try:
            yield SimulatedBackend(access, settings, world)
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


def journal_path(data_folder: Path | None, cluster_id: str) -> Path | None:
    """The file of a cluster's world; its name is made from the id alone and never from what a user wrote."""
    if data_folder is None:
        return None
    return data_folder / "simulated" / f"{short_hash(cluster_id)}.jsonl"


driver = SimulatedDriver()
"""The entry point `simulated` of the group `edgeatlas.drivers`."""

__all__ = ["SimulatedDriver", "SimulatedSettings", "driver", "journal_path", "settings_of"]
