"""A connection to a simulated cluster that lives in this process: for a demonstration in one command, and for tests.

There is no wire that could be cut, so a lost reply is an error that says so, and a call that hangs waits here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import TypeVar

from drivers.port import (
    Applied,
    ClusterAccess,
    Cursor,
    Observation,
    ReleaseWork,
    RemovalWork,
    Removed,
    Sample,
    Unreachable,
)
from drivers.secret_values import revealed
from drivers.simulated.cluster import Hanging, SimulatedCluster
from drivers.simulated.conditions import Conditions

T = TypeVar("T")


class SimulatedBackend:
    """What `drivers.port.SamplingBackend` asks for, over a `SimulatedCluster`."""

    def __init__(self, access: ClusterAccess, cluster: SimulatedCluster) -> None:
        self._cluster = cluster
        self._owner = access.id
        self._secrets = access.workload_secrets
        self._inventory = access.inventory
        self._conditions = Conditions(cluster.world, access.inventory)

    async def ensure(self, work: ReleaseWork) -> Applied:
        """As the port says, through the site's faults."""
        # Looked up as a backend would need them, and dropped: this one runs nothing.
        await revealed(work, self._secrets)
        return await self._answered(self._cluster.ensure(work, nodes=self._inventory.nodes_at(work.site_id)))

    async def remove(self, work: RemovalWork) -> Removed:
        """As the port says, through the site's faults."""
        return await self._answered(self._cluster.remove(work))

    async def observe(self, *, after: Cursor | None) -> Observation:
        """As the port says; waits for a change for at most `observeEveryMs`, and `WATCH_S`."""
        return await self._answered(self._cluster.observe(after=after, conditions=self._conditions, owner=self._owner))

    async def samples(self, *, names: Sequence[str] = ()) -> list[Sample]:
        """As the port says, by the `loads` that the cluster is set to."""
        return await self._answered(self._cluster.samples(names=names))

    async def _answered(self, call: Awaitable[T]) -> T:
        try:
            return await call
        except Hanging:
            await self._cluster.until_it_behaves()
            raise Unreachable("the cluster did not answer") from None
