"""What waits to be written to one connection: bounded, in order, written by one task.

A subscriber that reads slowly must not hold up the others nor fill the memory. So nobody but this writer awaits the
transport; whoever has an event asks whether there is room and, if there is not, keeps only the subscriber's position. A
frame is kept as the member's own beginning and a body that all members share, and is joined when it is written.
"""

from __future__ import annotations

import asyncio
from collections import deque

from starlette.types import Send


class Outbox:
    """The queue of one connection. Not to be used from another thread."""

    def __init__(self, send: Send, *, limit_bytes: int) -> None:
        self._send = send
        self._limit = limit_bytes
        self._queue: deque[tuple[str, str]] = deque()
        self._queued = 0
        self._wake: asyncio.Future[None] | None = None
        self._drained = asyncio.Event()
        self._drained.set()
        self._closing: tuple[int, str] | None = None
        self._closed = asyncio.Event()

    @property
    def queued_bytes(self) -> int:
        """Characters that wait, the frame that is being written among them."""
        return self._queued

    @property
    def closing(self) -> tuple[int, str] | None:
        """The code and reason to close with, once somebody asked for it."""
        return self._closing

    def offer(self, head: str, body: str) -> bool:
        """Queues a frame unless there is no room for it; an empty queue takes a frame of any size."""
        if self._queued >= self._limit or self._closing is not None:
            return False
        self.put(head, body)
        return True

    def put(self, head: str, body: str = "") -> None:
        """Queues a frame in any case: for answers, whose number is bounded by what the caller is let to ask."""
        if self._closing is not None:
            return
        self._queue.append((head, body))
        self._queued += len(head) + len(body)
        if self._queued >= self._limit:
            self._drained.clear()
        wake = self._wake
        if wake is not None and not wake.done():
            wake.set_result(None)

    async def room(self, *, within_s: float) -> bool:
        """Waits until half of the queue is free again; False when that did not happen in time."""
        if self._queued < self._limit:
            return True
        try:
            async with asyncio.timeout(within_s):
                while self._queued >= self._limit and self._closing is None:
                    await self._drained.wait()
        except TimeoutError:
            return False
        return self._closing is None

    def close(self, code: int, reason: str) -> None:
        """Asks for the connection's end and drops what waits; the first code stays."""
        if self._closing is None:
            self._closing = (code, reason)
            self._queue.clear()
            self._drained.set()
            self._closed.set()

    async def closed(self) -> None:
        """Returns once `close` was called."""
        await self._closed.wait()

    async def write(self) -> None:
        """Writes for as long as it is not cancelled. Raises what the transport raises when the client is gone."""
        loop = asyncio.get_running_loop()
        queue, send = self._queue, self._send
        while True:
            while queue:
                head, body = queue.popleft()
                await send({"type": "websocket.send", "text": head + body})
                self._queued -= len(head) + len(body)
                if not self._drained.is_set() and self._queued * 2 <= self._limit:
                    self._drained.set()
            self._wake = loop.create_future()
            await self._wake
            self._wake = None
