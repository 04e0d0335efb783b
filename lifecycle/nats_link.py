"""The connection to NATS: made in the background, for ever, and never waited for.

Nothing that matters is at the broker. So a process starts and works whether or not it answers, and whoever uses the
connection asks for it each time and does without while there is none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import nats
import structlog
from nats.aio.client import Client
from nats.errors import Error

from drivers.clock import Clock
from lifecycle.bell import end_if_cancelled

log = structlog.get_logger(__name__)
RETRY_S = 1.0
CONNECT_TIMEOUT_S = 2
ANSWER_S = 2.0
"""The longest that an answer of the broker is waited for."""


class NatsLink:
    """A connection that is there or not; `run` keeps making it."""

    def __init__(self, servers: list[str], *, name: str, clock: Clock) -> None:
        """`name` is the process's, for the broker's lists of connections."""
        self._servers = servers
        self._name = name
        self._clock = clock
        self._client: Client | None = None
        self._on_connected: list[Callable[[Client], Awaitable[None]]] = []

    @property
    def client(self) -> Client | None:
        """The connection, while there is one."""
        client = self._client
        return client if client is not None and client.is_connected else None

    def at_connection(self, subscribe: Callable[[Client], Awaitable[None]]) -> None:
        """Has `subscribe` called with the connection once it is made; subscriptions outlive its losses."""
        self._on_connected.append(subscribe)

    async def run(self) -> None:
        """Connects, and stays so until it is cancelled."""
        try:
            while self._client is None:
                end_if_cancelled()
                try:
                    client = await self._connect()
                except (OSError, Error, TimeoutError) as problem:
                    log.info("nats.away", problem=str(problem) or type(problem).__name__)
                    await self._clock.sleep(RETRY_S)
                    continue
                self._client = client
                end_if_cancelled()
                for subscribe in self._on_connected:
                    await subscribe(client)
                log.info("nats.connected", server=client.connected_url.hostname if client.connected_url else None)
            await asyncio.Event().wait()
        finally:
            made, self._client = self._client, None
            if made is not None:
                await asyncio.wait([asyncio.ensure_future(made.close())], timeout=ANSWER_S)

    async def _connect(self) -> Client:
        async def failed(problem: Exception) -> None:
            log.debug("nats.problem", problem=str(problem) or type(problem).__name__)

        async def lost() -> None:
            log.warning("nats.lost")

        async def back() -> None:
            log.info("nats.back")

        return await nats.connect(
            self._servers,
            name=self._name,
            error_cb=failed,
            disconnected_cb=lost,
            reconnected_cb=back,
            connect_timeout=CONNECT_TIMEOUT_S,
            allow_reconnect=True,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.25,
            ping_interval=5,
            max_outstanding_pings=2,
        )
