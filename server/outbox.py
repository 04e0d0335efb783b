"""What waits to be written to one connection: bounded, in order, and mostly written at once.

A subscriber that reads slowly must not hold up the others nor fill the memory. So nobody but this outbox's own task
awaits the transport; whoever has an event asks whether there is room and, if there is not, keeps only the subscriber's
position. A frame is kept as the member's own beginning and a body that all members share, and is joined when written.

Waking a task for each frame costs more than writing it. A frame for an idle connection is therefore written by whoever
puts it: the server's `send` is started by hand and, when the transport takes the frame, has ended without being awaited.
When it does not, the started `send` is handed to the writing task, which awaits it from where it stopped.
"""

from __future__ import annotations

import asyncio
from collections import deque

from starlette.types import Send

from server.eager import Started, start


class Outbox:
    """The queue of one connection. Not to be used from another thread."""

    def __init__(self, send: Send, *, limit_bytes: int) -> None:
        self._send = send
        self._limit = limit_bytes
        self._queue: deque[tuple[str, str]] = deque()
        self._queued = 0
        self._writing = False
        self._started: tuple[Started[None], int] | None = None
        self._failure: Exception | None = None
        self._wake = asyncio.Event()
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
        """Writes or queues a frame unless there is no room for it; an empty queue takes a frame of any size."""
        if self._queued >= self._limit or self._closing is not None:
            return False
        self.put(head, body)
        return True

    def put(self, head: str, body: str = "") -> None:
        """Writes or queues a frame in any case: for answers, whose number is bounded by what the caller may ask."""
        if self._closing is not None or self._failure is not None:
            return
        if not self._writing:
            self._begin(head + body)
            return
        self._queue.append((head, body))
        self._count(len(head) + len(body))

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
        """Writes what could not be written at once, until it is cancelled. Raises what the transport raises."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                if self._failure is not None:
                    raise self._failure
                if self._started is not None:
                    (started, size), self._started = self._started, None
                    await started
                    self._written(size)
                while self._queue:
                    head, body = self._queue.popleft()
                    await self._send({"type": "websocket.send", "text": head + body})
                    self._written(len(head) + len(body))
                self._writing = False
        finally:
            if self._started is not None:
                self._started[0].close()
                self._started = None

    def _begin(self, text: str) -> None:
        try:
            started = start(self._send({"type": "websocket.send", "text": text}))
        except Exception as error:  # noqa: BLE001 - the connection's own task raises it, not whoever had an event
            self._failure = error
            self._wake.set()
            return
        if not isinstance(started, Started):
            return
        self._writing = True
        self._started = (started, len(text))
        self._count(len(text))
        self._wake.set()

    def _count(self, size: int) -> None:
        self._queued += size
        if self._queued >= self._limit:
            self._drained.clear()

    def _written(self, size: int) -> None:
        self._queued -= size
        if self._queued * 2 <= self._limit:
            self._drained.set()
