"""Workers that share a store by NATS, several in one process: all but the process is real."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from drivers.clock import SystemClock
from drivers.port import Driver
from drivers.registry import DriverRegistry
from graph.identifiers import new_ulid
from graph.ledger import Ledger
from graph.store import Store
from lifecycle.doorbell import Doorbell
from lifecycle.leases import Leases
from lifecycle.nats_link import NatsLink
from lifecycle.nats_servers import servers_of
from lifecycle.service import Lifecycle
from lifecycle.settings import LifecycleSettings
from lifecycle.share import Share


class Tasks:
    """Tasks that are ended together, or dropped without a word as by a kill."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, *runs) -> None:
        self._tasks += [asyncio.create_task(run()) for run in runs]

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class Member:
    """A lease and the share that follows from it, without any work."""

    def __init__(self, servers: str, *, name: str = "test", replicas: int = 1) -> None:
        clock = SystemClock()
        self.share = Share(new_ulid(), partitions=frozenset())
        self.link = NatsLink(servers_of(servers), name="test", clock=clock)
        self.leases = Leases(self.link, self.share, name=name, replicas=replicas, clock=clock)
        self.tasks = Tasks()

    def begin(self) -> Member:
        self.tasks.start(self.link.run, self.leases.run)
        return self

    async def kill(self) -> None:
        """As a crash: its lease is left to expire."""
        await self.tasks.end()

    async def stop(self) -> None:
        await self.leases.leave()
        await self.leases.end()
        await self.tasks.end()


class Peer(Member):
    """A whole worker."""

    def __init__(self, servers: str, ledger: Ledger, driver: Driver, settings: LifecycleSettings) -> None:
        super().__init__(servers)
        self.ledger = ledger
        self.bell = Doorbell(self.link, name="test", look=ledger.look, clock=SystemClock())
        self.lifecycle = Lifecycle(ledger, DriverRegistry.of(driver), settings=settings, share=self.share)
        ledger.on_written = self.bell.ring
        self._stack = contextlib.AsyncExitStack()

    async def start(self) -> Peer:
        await self._stack.enter_async_context(self.ledger.running())
        self.tasks.start(self.link.run, self.leases.run, self.bell.run)
        await self._stack.enter_async_context(self.lifecycle.running())
        return self

    async def kill(self) -> None:
        await super().kill()
        await self._stack.aclose()

    async def stop(self) -> None:
        await self.leases.leave()
        await self.lifecycle.idle(within_s=5)
        await self.leases.end()
        await self.kill()


async def reached(found, *, what: str, within_s: float = 20.0) -> None:
    """Waits until that is so."""
    try:
        async with asyncio.timeout(within_s):
            while not found():
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"{what} never came") from None


@contextlib.asynccontextmanager
async def members(servers: str, count: int, **given) -> AsyncIterator[list[Member]]:
    """So many leases, each of whom knows all others."""
    made = [Member(servers, **given).begin() for _ in range(count)]
    try:
        await reached(lambda: settled(made), what="fair shares")
        yield made
    finally:
        for one in made:
            await one.tasks.end()


def settled(made: list[Member]) -> bool:
    """Whether each partition is held by exactly one of them, who all know each other and nobody else."""
    held = sorted(one for member in made for one in member.share.partitions)
    names = {member.share.worker for member in made}
    return held == list(range(64)) and all(member.share.workers == names for member in made)


def store_of(server) -> Store:
    """The Neo4j server's store."""
    from graph.stores.neo4j import Neo4jStore

    return Neo4jStore(server.store)
