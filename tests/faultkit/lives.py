"""One installation and its lives: processes that follow each other on the same store, before the same clusters.

What runs is the whole lifecycle over the embedded store in a folder, in logical time. The clusters outlive it, as the
world outlives a process.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from drivers.registry import DriverRegistry
from drivers.simulated import SimulatedDriver
from faultkit.convergence import CONVERGED_WITHIN_S
from faultkit.failpoints import Failpoints, MortalDriver, MortalStore
from faultkit.hanging import Hanging
from faultkit.logical_time import LogicalClock
from graph.ledger import Ledger
from graph.store import Store
from graph.stores.sqlite import SqliteStore
from lifecycle.service import Lifecycle
from lifecycle.settings import LifecycleSettings
from lifecyclekit.edge import Edge


class Killed(Exception):
    """The process has died."""


class Installation:
    """A folder, the clusters, and what stands between them and each life."""

    def __init__(
        self,
        folder: Path,
        *,
        settings: LifecycleSettings | None = None,
        store_of: Callable[[Path], Store] = SqliteStore,
        observed_after_s: float = 0.0,
    ) -> None:
        """`store_of` opens the store; `observed_after_s` is how late what was observed arrives."""
        self.folder = folder
        self.settings = settings or LifecycleSettings()
        self.clock = LogicalClock()
        """The server's, which may be wrong."""
        self.clusters_clock = LogicalClock()
        self.simulated = SimulatedDriver()
        self.hanging = Hanging()
        self.lives = 0
        self._store_of = store_of
        self._observed_after_s = observed_after_s
        self._known: dict[str, Any] = {}

    @contextlib.asynccontextmanager
    async def life(self, points: Failpoints | None = None) -> AsyncIterator[Edge]:
        """A process, to its clean end or, by an exception, to a sudden one."""
        points = points or Failpoints()
        self.lives += 1
        path = self.folder / "graph.db"
        store = MortalStore(self._store_of(path), points)
        ledger = Ledger(store, clock_ms=self.clock.now_ms, monotonic=self.clock.monotonic)
        async with ledger.running():
            self.driver = driver = MortalDriver(
                self.simulated,
                points,
                clock=self.clusters_clock,
                observed_after_s=self._observed_after_s,
                hanging=self.hanging,
            )
            lifecycle = Lifecycle(ledger, DriverRegistry.of(driver), settings=self.settings, clock=self.clock)
            edge = Edge(ledger, lifecycle, self.simulated)
            edge.deadline_s = CONVERGED_WITHIN_S
            vars(edge).update(self._known)
            async with lifecycle.running():
                yield edge

    def know(self, edge: Edge) -> None:
        """Keeps the names of what an edge has made, for later lives."""
        names = ("tenant_id", "site_ids", "cluster_ids", "version_id")
        self._known = {name: getattr(edge, name) for name in names}

    async def until_death(self, points: Failpoints, work: Callable[[Edge], Awaitable[Any]]) -> bool:
        """Has a life do some work; says whether it died before the end of it."""
        try:
            async with self.life(points) as edge:
                working = asyncio.ensure_future(work(edge))
                dying = asyncio.ensure_future(points.dead.wait())
                await asyncio.wait([working, dying], return_when=asyncio.FIRST_COMPLETED)
                dying.cancel()
                if not points.dead.is_set():
                    working.result()
                    return False
                working.cancel()
                await asyncio.gather(working, return_exceptions=True)
                raise Killed
        except Killed:
            return True
