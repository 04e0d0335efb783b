"""Which workers are alive, by leases in JetStream; from it follows which part of the work is this one's.

Each worker has one key in a bucket whose entries the broker drops when they are not renewed: time is measured there, and no
clock of ours decides who is alive. Who is alive is read every second, and at once when a worker comes or says that it goes.
The shares follow from that by computation (`lifecycle.share`), so a lease a worker is enough, however many partitions and
clusters there are.

While the broker is away shares stay as they were; a worker that has none to go by works on everything. When it comes back,
wiped perhaps, they stay until every worker has had the time to write its key again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable

import msgspec
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error
from nats.js.api import KeyValueConfig
from nats.js.errors import BadRequestError, NotFoundError

from drivers.clock import Clock
from lifecycle.bell import ring_or_sleep
from lifecycle.nats_link import ANSWER_S, NatsLink
from lifecycle.share import ALL, Share, shares_of

log = structlog.get_logger(__name__)
LEASE_S = 4.0
"""How long a worker counts as alive after its last word, by the broker's clock."""
BEAT_S = 1.0
ALONE_AFTER_S = 10.0
"""A worker that has heard of no others for so long since its start works on everything."""
WORKING, LEAVING = "worker", "leaving"
NAME_IN_USE = 10058
"""The broker's code for a stream that is there with another configuration."""


class Leases:
    """Keeps this process's lease and its share."""

    def __init__(self, link: NatsLink, share: Share, *, name: str, replicas: int, clock: Clock) -> None:
        """`share` holds nothing yet; its `worker` is the name of the lease. `name` is the installation's at the broker."""
        self._link = link
        self._share = share
        self._bucket = f"{name}-workers"
        self._subject = f"{name}.workers"
        self._prefix = f"$KV.{self._bucket}."
        self._replicas = replicas
        self._clock = clock
        self._leaving = False
        self._bell = asyncio.Event()
        self._began: float | None = None
        self._answered = False
        """Whether the broker answered last time."""
        self._told = False
        """Whether the share follows from what the broker said."""
        self._settled_at = 0.0
        """Until then, after a break, not every worker may have written its key again."""
        link.at_connection(self._listen)

    async def run(self) -> None:
        """Renews the lease until it is cancelled."""
        self._began = self._clock.monotonic()
        while True:
            self._bell.clear()
            try:
                async with asyncio.timeout(ANSWER_S):
                    await self._beat()
            except (Error, OSError, TimeoutError) as problem:
                self._unknown(problem)
            await ring_or_sleep(self._bell, self._clock, BEAT_S)

    async def leave(self) -> None:
        """Gives the share back: what is not begun is the others' at once, what is under way stays this worker's."""
        self._leaving = True
        self._share.become(frozenset(), workers=self._share.workers)
        await self._quietly(self._say_leaving)

    async def end(self) -> None:
        """Says that nothing is under way any more; `run` has ended."""
        await self._quietly(self._drop_all)

    # One beat

    async def _beat(self) -> None:
        client = self._link.client
        if client is None:
            raise Error("not connected")
        await self._renew(client)
        working, leaving = await self._alive(client)
        now = self._clock.monotonic()
        if not self._answered:
            self._answered = True
            self._settled_at = now + LEASE_S if self._told else now
            await self._tell(client)
        if self._leaving:
            self._share.become(frozenset(), workers=working | leaving)
        elif now >= self._settled_at:
            self._told = True
            working |= {self._share.worker}
            mine = shares_of(working)[self._share.worker]
            if mine != self._share.partitions:
                log.info("share.changed", partitions=len(mine), workers=len(working))
            self._share.become(mine, workers=working | leaving)

    async def _renew(self, client: Client) -> None:
        key = f"{self._prefix}{LEAVING if self._leaving else WORKING}.{self._share.worker}"
        body = msgspec.json.encode({"host": socket.gethostname(), "pid": os.getpid()})
        try:
            await client.jetstream().publish(key, body, timeout=ANSWER_S)
        except Error:
            # Perhaps there is no bucket, for the broker was wiped; else this one fails as well.
            await self._make_bucket(client)
            await client.jetstream().publish(key, body, timeout=ANSWER_S)

    async def _make_bucket(self, client: Client) -> None:
        config = KeyValueConfig(bucket=self._bucket, ttl=LEASE_S, history=1, replicas=self._replicas)
        try:
            await client.jetstream().create_key_value(config=config)
        except BadRequestError as problem:
            if problem.err_code != NAME_IN_USE:
                raise

    async def _alive(self, client: Client) -> tuple[frozenset[str], frozenset[str]]:
        """The workers that work, and those that are leaving, by the broker's word."""
        info = await client.jetstream().stream_info(f"KV_{self._bucket}", subjects_filter=f"{self._prefix}>")
        found: dict[str, set[str]] = {WORKING: set(), LEAVING: set()}
        for subject in info.state.subjects or {}:
            standing, _, worker = subject.removeprefix(self._prefix).partition(".")
            if standing in found:
                found[standing].add(worker)
        return frozenset(found[WORKING] - found[LEAVING]), frozenset(found[LEAVING])

    async def _listen(self, client: Client) -> None:
        await client.subscribe(self._subject, cb=self._heard)

    async def _heard(self, message: Msg) -> None:
        if message.data != self._share.worker.encode():
            self._bell.set()

    async def _tell(self, client: Client) -> None:
        """That this worker has come or goes: a plain message, which may be lost."""
        await client.publish(self._subject, self._share.worker.encode())

    def _unknown(self, problem: Exception) -> None:
        if self._answered:
            log.warning("share.kept", problem=str(problem) or type(problem).__name__)
        self._answered = False
        # Who has died meanwhile cannot be known: claims of others get their time to end.
        partitions = self._share.partitions
        alone = not self._told and not self._leaving and self._clock.monotonic() - (self._began or 0) >= ALONE_AFTER_S
        self._share.become(ALL if alone else partitions, workers=None)

    # Going

    async def _quietly(self, ask: Callable[[Client], Awaitable[None]]) -> None:
        client = self._link.client
        if client is None:
            return
        try:
            async with asyncio.timeout(ANSWER_S):
                await ask(client)
        except (Error, OSError, TimeoutError) as problem:
            log.info("lease.left_to_expire", problem=str(problem) or type(problem).__name__)

    async def _say_leaving(self, client: Client) -> None:
        await self._renew(client)
        await self._drop(client, WORKING)

    async def _drop_all(self, client: Client) -> None:
        for standing in (WORKING, LEAVING):
            await self._drop(client, standing)

    async def _drop(self, client: Client, standing: str) -> None:
        """Removes a key without a trace: a mark of its deletion would count as a worker until it expires."""
        with contextlib.suppress(NotFoundError):
            subject = f"{self._prefix}{standing}.{self._share.worker}"
            await client.jetstream().purge_stream(f"KV_{self._bucket}", subject=subject)
        await self._tell(client)
