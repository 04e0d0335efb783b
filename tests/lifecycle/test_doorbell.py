"""The doorbell over a real NATS server: a commit of one process is seen by another at once, else at its next poll."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from nats.aio.client import Client

import graph.replica
from drivers.clock import SystemClock
from graph.kinds import Region
from graph.replica import Replica
from graph.store import Head
from lifecycle.doorbell import Doorbell
from lifecycle.nats_link import NatsLink
from lifecycle.nats_servers import servers_of
from lifecyclekit.peers import Tasks, reached


class Shared:
    """A store that another process has opened as well."""

    shared = True

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def open(self) -> Head:
        """Opened already: where it stands."""
        async with self._store.begin() as transaction:
            head: Head = await transaction.head()
            return head


class Peers:
    """Two processes' bells, and the view of the one that only follows."""

    def __init__(self, edge: Any, servers: str) -> None:
        self.edge = edge
        self.replica = Replica(Shared(edge.ledger.store), clock_ms=lambda: 0)
        self.heard: list[int] = []
        self.links = [NatsLink(servers_of(servers), name="test", clock=SystemClock()) for _ in range(2)]
        self.writer = Doorbell(self.links[0], name="test", look=edge.ledger.look, clock=SystemClock())
        self.reader = Doorbell(self.links[1], name="test", look=self._look, clock=SystemClock())
        edge.ledger.on_written = self.writer.ring

    def _look(self, revision: int) -> None:
        self.heard.append(revision)
        self.replica.look(revision)

    async def commit(self, name: str) -> int:
        """A commit of the first process; its revision."""
        committed = await self.edge.change(lambda edit: edit.create(Region, name=name))
        assert committed is not None
        return int(self.edge.view.revision)


@contextlib.asynccontextmanager
async def peers(edge: Any, servers: str) -> AsyncIterator[Peers]:
    """Both connected, so that a ring of the first is heard by the other, whose polls are an hour apart."""
    made, tasks = Peers(edge, servers), Tasks()
    await made.commit("first")
    await made.replica.open()
    tasks.start(*(link.run for link in made.links), made.writer.run, made.reader.run, made.replica.watch)
    try:
        await reached(lambda: all(link.client is not None for link in made.links), what="both connections")
        while not made.heard:  # the subscription has its own way to the broker
            made.writer.ring(edge.view.revision)
            with contextlib.suppress(AssertionError):  # one ring after the other: a late one would be heard in the test
                await reached(lambda: made.heard, what="a ring", within_s=1.0)
        yield made
    finally:
        await tasks.end()


async def test_a_commit_is_seen_when_it_is_rung_though_the_store_is_hardly_polled(
    edge, nats_server, monkeypatch
) -> None:
    monkeypatch.setattr(graph.replica, "IDLE_POLL_S", 3_600.0)
    async with peers(edge, nats_server.url) as made:
        for name in ("north", "south", "west"):
            revision = await made.commit(name)
            await reached(
                lambda revision=revision: made.replica.view.revision >= revision, what=f"the commit of {name}"
            )
        assert made.replica.view.find("Region", "west") is not None


async def test_a_commit_that_nobody_rings_for_is_seen_at_the_next_poll_and_not_before(
    edge, nats_server, monkeypatch
) -> None:
    monkeypatch.setattr(graph.replica, "IDLE_POLL_S", 3_600.0)
    async with peers(edge, nats_server.url) as made:
        unsent: list[bytes] = []

        async def lost(self: Client, subject: str, payload: bytes = b"", **given: Any) -> None:
            unsent.append(payload)

        monkeypatch.setattr(Client, "publish", lost)
        revision = await made.commit("north")
        await reached(lambda: str(revision).encode() in unsent, what="the ring that is lost")
        await asyncio.sleep(0.05)
        assert made.replica.view.revision < revision
        monkeypatch.setattr(graph.replica, "IDLE_POLL_S", 0.01)
        polling = Tasks()
        polling.start(made.replica.watch)
        try:
            await reached(lambda: made.replica.view.revision >= revision, what="the poll")
        finally:
            await polling.end()
        assert made.replica.view.find("Region", "north") is not None


async def test_a_ring_for_what_is_not_there_is_looked_for_and_changes_nothing(edge, nats_server) -> None:
    async with peers(edge, nats_server.url) as made:
        before = made.replica.view.revision
        made.writer.ring(before + 1_000)
        await reached(lambda: before + 1_000 in made.heard, what="the ring")
        client = made.links[0].client
        assert client is not None
        await client.publish("test.revision", b"none")
        revision = await made.commit("north")
        await reached(lambda: made.replica.view.revision == revision, what="the commit")
