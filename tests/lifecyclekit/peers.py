"""Workers that share a store by NATS, several in one process: all but the process is real."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from driverkit.effects import violations
from drivers.clock import SystemClock
from drivers.port import Driver
from drivers.registry import DriverRegistry
from drivers.simulated import SimulatedDriver
from drivers.simulated.effects import Outcome
from faultkit.convergence import HANGS_AFTER_S, converging
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
from lifecyclekit.edge import Edge


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


class HeardShare(Share):
    """A share that counts how often it followed from what the broker said."""

    def __init__(self, worker: str, *, partitions: frozenset[int]) -> None:
        super().__init__(worker, partitions=partitions)
        self.heard = 0

    def become(self, partitions: frozenset[int], *, workers: frozenset[str] | None) -> None:
        self.heard += workers is not None
        super().become(partitions, workers=workers)


class Member:
    """A lease and the share that follows from it, without any work."""

    def __init__(self, servers: str, *, name: str = "test", replicas: int = 1) -> None:
        clock = SystemClock()
        self.share = HeardShare(new_ulid(), partitions=frozenset())
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
        await self.lifecycle.idle(within_s=30)
        await self.leases.end()
        await self.kill()


async def reached(found, *, what: str, within_s: float = 60.0) -> None:
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


def settled_again(made: list[Member]) -> Callable[[], bool]:
    """Whether that is so by what each of them hears from now on, and not by what they last heard before a fault."""
    before = [member.share.heard for member in made]

    def found() -> bool:
        return settled(made) and all(member.share.heard > heard for member, heard in zip(made, before, strict=True))

    return found


def store_of(server) -> Store:
    """The Neo4j server's store."""
    from graph.stores.neo4j import Neo4jStore

    return Neo4jStore(server.store)


@dataclass
class Toll:
    """What was broken, and what was done meanwhile."""

    sites: int
    kills: int = 0
    changes: int = 0
    """Changes that were acknowledged, each found finished."""
    applied: int = 0
    """What the cluster was made to do, none of it twice or out of order."""
    without_s: float = 0.0
    """The longest that a change took from when what it had counted on was killed, and was still away."""
    converged_s: float = 0.0
    """The longest from when that answered again until all was as wanted and shares were whole."""


async def broken(
    neo4j_server, nats_servers, *, count: int, wiped: bool, sites: int = 12, settle_s: float = HANGS_AFTER_S
) -> Toll:
    """Two workers change a deployment while NATS servers are killed, all and their data or one of several at a time.

    `settle_s`: how long shares may take to be whole again, for a control that waits for what never comes.
    """
    neo4j_server.empty()
    simulated = SimulatedDriver()
    settings = LifecycleSettings()
    toll = Toll(sites)
    first = Peer(nats_servers.url, Ledger(store_of(neo4j_server)), simulated, settings)
    second = Peer(nats_servers.url, Ledger(store_of(neo4j_server)), simulated, settings)
    peers = [await first.start(), await second.start()]
    edge = Edge(first.ledger, first.lifecycle, simulated)
    edge.deadline_s = HANGS_AFTER_S
    try:
        await reached(lambda: settled(peers), what="fair shares")
        await edge.network(sites=sites, nodes=1, latencyMs=20, lostReplyRate=0.1)
        await edge.version()
        deployment, operation = await edge.deploy()
        await edge.succeeded(operation)
        world = await edge.connected()
        for number in range(count):
            node = nats_servers.nodes[number % len(nats_servers.nodes)]
            operation = (await edge.scale(deployment.id, web=1 + number % 3)).operation
            await asyncio.to_thread(nats_servers.kill if wiped else node.kill)
            toll.kills += 1
            with converging() as took:
                await edge.succeeded(operation)
            toll.without_s = max(toll.without_s, took.seconds)
            operation = (await edge.scale(deployment.id, web=2 + number % 3)).operation
            if wiped:
                nats_servers.wipe()
            await asyncio.to_thread(nats_servers.start if wiped else node.start)
            whole = settled_again(peers)
            with converging() as took:
                await edge.succeeded(operation)
                await reached(whole, what="fair shares again", within_s=settle_s)
            toll.converged_s = max(toll.converged_s, took.seconds)
            toll.changes += 2
        edge.check_books()
        effects = list(world.effects.after(0))
        assert violations(effects) == []
        toll.applied = sum(one.outcome is Outcome.DONE for one in effects)
    finally:
        for one in peers:
            await one.kill()
    return toll
