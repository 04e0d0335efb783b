"""The clusters of a simulated backend's process: each opened when it is first asked for, and anew when its file failed
it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from drivers.clock import Clock
from drivers.port import Retryable
from drivers.simulated.cluster import SimulatedCluster
from drivers.simulated.conditions import Conditions
from drivers.simulated.journal import Journal, journal_path
from drivers.simulated.settings import Behaviour, behaviour_of
from drivers.simulated.wire import PushedInventory
from drivers.simulated.world import World
from graph.kinds import Node

MAX_CLUSTERS = 1_000
MAX_OWNERS = 100
"""Inventories that one cluster is observed by."""
EFFECTS_KEPT = 500_000


class Served:
    """A cluster, with the inventories of those who observe it."""

    def __init__(self, name: str, cluster: SimulatedCluster) -> None:
        self.name = name
        self.cluster = cluster
        self._seen: dict[str, tuple[_Pushed, Conditions]] = {}
        """By owner."""

    def push(self, inventory: PushedInventory) -> None:
        """Takes in what an owner observes. Raises Retryable when there are too many of them."""
        if inventory.owner not in self._seen:
            if len(self._seen) >= MAX_OWNERS:
                raise Retryable(f"{MAX_OWNERS} owners observe {self.name} already")
            pushed = _Pushed()
            self._seen[inventory.owner] = (pushed, Conditions(self.cluster.world, pushed))
        self._seen[inventory.owner][0].take(inventory)

    def tell_nodes(self, owner: str, nodes: Mapping[str, Sequence[Node]]) -> None:
        """Takes in how the nodes of sites are now, by site id; without the owner's inventory it is lost."""
        pushed, _ = self._seen.get(owner, (None, None))
        if pushed is not None:
            pushed.standing.update(nodes)

    def conditions(self, owner: str, *, digest: str) -> Conditions | None:
        """How an owner's sites and nodes are; none when its inventory is another."""
        pushed, conditions = self._seen.get(owner, (None, None))
        return conditions if pushed is not None and pushed.digest == digest else None

    async def behave(self, behaviour: Behaviour) -> None:
        """Behaves like this from now on, and in its next life."""
        self.cluster.behave(behaviour)
        await self.cluster.world.keep_behaviour(msgspec.json.encode(behaviour))


class Clusters:
    """All that the process serves."""

    def __init__(self, *, folder: Path | None, clock: Clock, behaviour: Behaviour | None = None) -> None:
        self._folder = folder
        self._clock = clock
        self._behaviour = behaviour or Behaviour()
        """Of a cluster that was told nothing yet."""
        self._served: dict[str, Served] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    @property
    def names(self) -> list[str]:
        """The clusters that were asked for since the start, sorted."""
        return sorted(self._served)

    async def get(self, name: str) -> Served:
        """The cluster of that name. Raises DriverProblem when its file cannot be read, or there are too many."""
        found = self._served.get(name)
        if found is not None and found.cluster.world.journal.broken is None:
            return found
        async with self._locks.setdefault(name, asyncio.Lock()):
            found = self._served.get(name)
            if found is not None:
                if found.cluster.world.journal.broken is None:
                    return found
                # What is in memory may not be in the file: what is in the file counts.
                del self._served[name]
                await found.cluster.world.journal.close()
            if len(self._served) >= MAX_CLUSTERS:
                raise Retryable(f"{MAX_CLUSTERS} clusters are served already")
            world = World(Journal(journal_path(self._folder, name)), effects_kept=EFFECTS_KEPT)
            await world.open()
            behaviour = behaviour_of(msgspec.json.decode(world.behaviour)) if world.behaviour else self._behaviour
            found = self._served[name] = Served(name, SimulatedCluster(world, behaviour, clock=self._clock))
            return found

    async def close(self) -> None:
        """Lets go of all files."""
        for found in self._served.values():
            await found.cluster.world.journal.close()
        self._served.clear()


class _Pushed:
    """An inventory as it was pushed last."""

    def __init__(self) -> None:
        self.stamp = 0
        self.digest = ""
        self.standing: dict[str, Sequence[Node]] = {}
        """The nodes of sites as they were told last, by site id."""
        self._sites: dict[str, str] = {}
        self._nodes: dict[str, tuple[str, str]] = {}

    def take(self, inventory: PushedInventory) -> None:
        if inventory.digest != self.digest:
            self.stamp += 1
            self.digest = inventory.digest
            self._sites, self._nodes = inventory.sites, inventory.nodes

    def sites(self) -> dict[str, str]:
        return self._sites

    def nodes(self) -> dict[str, tuple[str, str]]:
        return self._nodes

    def nodes_at(self, site_id: str) -> Sequence[Node]:
        return self.standing.get(site_id, ())
