"""Several workers of one installation in logical time, each with a clock of its own that may be wrong.

What runs is a whole lifecycle each, with a ledger each, over one store that says that it is shared: it orders their commits,
as a database does, and each learns of the others' by asking for them. Shares are those of a broker, told by hand.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from drivers.registry import DriverRegistry
from drivers.simulated import SimulatedDriver
from faultkit.convergence import CONVERGED_WITHIN_S
from faultkit.failpoints import Failpoints, MortalDriver, MortalStore
from faultkit.logical_time import LogicalClock
from graph.ledger import Ledger
from graph.store import Head
from graph.stores.sqlite import SqliteStore
from lifecycle.service import Lifecycle
from lifecycle.settings import LifecycleSettings
from lifecycle.share import ALL, Share, shares_of
from lifecyclekit.edge import Edge


class SharedStore(SqliteStore):
    """One embedded store that several ledgers of a process have open."""

    shared = True

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._open = 0

    async def open(self) -> Head:
        self._open += 1
        return await (super().open() if self._open == 1 else self._commits.current_head())

    async def close(self) -> None:
        self._open -= 1
        if not self._open:
            await super().close()

    async def _close(self) -> None:
        if not self._open:
            await super()._close()


class Handle(MortalStore):
    """A worker's own way to it, which is cut when the worker dies."""

    async def close(self) -> None:
        await self.inner.close()


@dataclass
class Worker:
    """One of them."""

    edge: Edge
    clock: LogicalClock
    share: Share
    points: Failpoints
    """Armed: what it does is counted by sort."""
    driver: MortalDriver
    _end: contextlib.AsyncExitStack

    async def die(self) -> None:
        """At once: nothing of it reaches the store or a backend any more."""
        self.points.dead.set()
        await self._end.aclose()


class Workers:
    """Those of one installation."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        self.alive = list(workers)

    async def die(self, worker: Worker) -> None:
        """The others learn of it at once, as by its lease."""
        self.alive.remove(worker)
        await worker.die()
        self.share()

    def share(self) -> None:
        """Each gets its part."""
        names = frozenset(one.share.worker for one in self.alive)
        for name, partitions in shares_of(names).items():
            [worker] = [one for one in self.alive if one.share.worker == name]
            worker.share.become(partitions if len(names) > 1 else ALL, workers=names)


@contextlib.asynccontextmanager
async def workers_of(
    folder: Path,
    *,
    ahead_ms: Sequence[int],
    observed_after_s: float = 0.0,
    settings: LifecycleSettings | None = None,
) -> AsyncIterator[Workers]:
    """A worker for each of the clocks, which are so far ahead of that of the clusters.

    `observed_after_s` is how late what was observed arrives.
    """
    store, simulated, clusters_clock = SharedStore(folder / "graph.db"), SimulatedDriver(), LogicalClock()
    made: list[Worker] = []

    def ring(revision: int) -> None:
        for one in made:
            one.edge.ledger.look(revision)

    async with contextlib.AsyncExitStack() as all_of_them:
        for number, ahead in enumerate(ahead_ms):
            end = await all_of_them.enter_async_context(contextlib.AsyncExitStack())
            clock, points = LogicalClock(ahead_ms=ahead), Failpoints()
            points.armed = True
            ledger = Ledger(Handle(store, points), clock_ms=clock.now_ms, monotonic=clock.monotonic)
            await end.enter_async_context(ledger.running())
            share = Share(f"worker{number}", partitions=frozenset())
            driver = MortalDriver(simulated, points, clock=clusters_clock, observed_after_s=observed_after_s)
            lifecycle = Lifecycle(ledger, DriverRegistry.of(driver), settings=settings, clock=clock, share=share)
            edge = Edge(ledger, lifecycle, simulated)
            edge.deadline_s = CONVERGED_WITHIN_S
            ledger.on_written = ring
            made.append(Worker(edge, clock, share, points, driver, end))
            await end.enter_async_context(lifecycle.running())
        found = Workers(made)
        found.share()
        yield found
