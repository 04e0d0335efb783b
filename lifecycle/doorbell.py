"""The doorbell between processes that share a store: a commit of one has the others look at once.

Each process follows the store by itself, a few times a second when it is quiet. A ring only says that there is something to
see and up to which revision. It is a plain message of NATS, kept nowhere: lost, repeated or late it changes nothing but how
soon the others see, so there is nothing in it to sync to a disk.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error

from drivers.clock import Clock
from lifecycle.bell import end_if_cancelled
from lifecycle.nats_link import NatsLink

GATHER_S = 0.002
"""Commits that come within so long are one ring."""


class Doorbell:
    """Rings for what this process commits, and has it look when another one rings."""

    def __init__(self, link: NatsLink, *, name: str, look: Callable[[int], None], clock: Clock) -> None:
        """`name` is the installation's at the broker; `look` is told the revision that there is to see."""
        self._link = link
        self._subject = f"{name}.revision"
        self._look = look
        self._clock = clock
        self._newest = 0
        self._bell = asyncio.Event()
        link.at_connection(self._listen)

    def ring(self, revision: int) -> None:
        """Has the others look for a commit of this process. Returns at once."""
        self._newest = max(self._newest, revision)
        self._bell.set()

    async def run(self) -> None:
        """Sends rings until it is cancelled."""
        while True:
            end_if_cancelled()
            await self._bell.wait()
            self._bell.clear()
            client = self._link.client
            if client is not None:
                with contextlib.suppress(Error, OSError):
                    await client.publish(self._subject, str(self._newest).encode())
            await self._clock.sleep(GATHER_S)

    async def _listen(self, client: Client) -> None:
        await client.subscribe(self._subject, cb=self._heard)

    async def _heard(self, message: Msg) -> None:
        with contextlib.suppress(ValueError):
            revision = int(message.data[:20])
            if revision > self._newest:
                self._look(revision)
