"""Connections to an HTTP server on this machine: a pool, one request at a time on each, cancelled by closing it.

A measurement of what the lifecycle costs must not be one of its HTTP client. For plain HTTP/1.1 to a server of our own
this one needs a tenth of what a general client takes (no redirects, proxies, cookies, TLS), and llhttp reads what comes
back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import httptools

MAX_ANSWER_BYTES = 512 * 1024 * 1024
CONNECT_TIMEOUT_S = 5.0
IDLE_S = 30.0
"""A connection that was idle for longer is not used again: the server may be about to close it."""


Heard = Callable[[], None] | None
"""Called when something of an answer has come; none: nobody asks."""


class NoAnswer(Exception):
    """The server does not answer; what was asked may or may not have been done."""


class NoConnection(NoAnswer):
    """Nothing was asked: there is no server to ask."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens: a Unix socket's path, or a host with its port."""

    path: Path | None = None
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        return f"unix:{self.path}" if self.path is not None else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    body: bytes


class HttpPool:
    """So many connections at most to one server; a further request waits for its turn."""

    def __init__(self, address: Address, *, connections: int, headers: dict[str, str]) -> None:
        self.address = address
        host = "localhost" if address.path is not None else f"{address.host}:{address.port}"
        lines = [f"host: {host}", *(f"{name}: {value}" for name, value in headers.items())]
        self._head = "".join(f"{line}\r\n" for line in lines).encode("ascii")
        self._turns = asyncio.Semaphore(connections)
        self._idle: list[_Connection] = []
        self._busy: set[_Connection] = set()
        self._closed = False

    async def request(self, method: str, path: str, body: bytes, *, timeout_s: float, heard: Heard = None) -> Answer:
        """The server's answer; `heard` is called for each part of it. Raises NoAnswer when there is none in time."""
        async with self._turns:
            if self._closed:
                raise NoAnswer("the connection was closed before the call was done")
            try:
                async with asyncio.timeout(timeout_s):
                    return await self._request(method, path, body, heard)
            except TimeoutError:
                raise NoAnswer(f"{self.address} did not answer within {timeout_s:g} s") from None

    def close(self) -> None:
        """Closes all connections; requests under way end with NoAnswer."""
        self._closed = True
        for one in [*self._idle, *self._busy]:
            one.abort()

    async def _request(self, method: str, path: str, body: bytes, heard: Heard) -> Answer:
        connection = self._take() or await self._connect()
        self._busy.add(connection)
        whole = False
        try:
            head = f"{method} {path} HTTP/1.1\r\ncontent-length: {len(body)}\r\n".encode("ascii")
            answer = await connection.ask(b"".join((head, self._head, b"\r\n", body)), heard)
            whole = True
            return answer
        finally:
            self._busy.discard(connection)
            # What is given up in the middle cannot be used again: its answer may still come.
            if whole and connection.usable and not self._closed:
                self._idle.append(connection)
            else:
                connection.abort()

    def _take(self) -> _Connection | None:
        now = asyncio.get_running_loop().time()
        while self._idle:
            found = self._idle.pop()
            if found.usable and now - found.used_at < IDLE_S:
                return found
            found.abort()
        return None

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                if self.address.path is not None:
                    _, made = await loop.create_unix_connection(_Connection, str(self.address.path))
                else:
                    _, made = await loop.create_connection(_Connection, self.address.host, self.address.port)
        except OSError as problem:
            # With Unix sockets and asyncio the text has the whole address again: the reason is enough.
            raise NoConnection(
                f"{self.address} takes no connection ({problem.strerror or type(problem).__name__})"
            ) from None
        return made


class _Connection(asyncio.Protocol):
    """One connection, and the request under way on it."""

    def __init__(self) -> None:
        self.usable = True
        self.used_at = 0.0
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[Answer] | None = None
        self._body: list[bytes] = []
        self._size = 0
        self._heard: Heard = None

    async def ask(self, request: bytes, heard: Heard) -> Answer:
        assert self._transport is not None, "it is connected"
        assert self._answer is None, "one request at a time"
        self._answer = self._loop.create_future()
        self._body, self._size = [], 0
        self._heard = heard
        self._transport.write(request)
        try:
            return await self._answer
        finally:
            self._answer = self._heard = None
            self.used_at = self._loop.time()

    def abort(self) -> None:
        self.usable = False
        if self._transport is not None:
            self._transport.abort()
        self._fail("the connection was closed before the call was done")

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not asked with `isinstance`: uvloop's transports are asyncio's by what they do, not by descent.
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.usable = False
        self._fail("the connection was cut before the answer came")

    def data_received(self, data: bytes) -> None:
        if self._answer is None:
            # Nobody has asked: the server closes an idle connection, or does not speak HTTP.
            self.abort()
            return
        if self._heard is not None:
            self._heard()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._fail("the answer is no HTTP")
            self.abort()

    # What the parser calls

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size > MAX_ANSWER_BYTES:
            self._fail(f"the answer has more than {MAX_ANSWER_BYTES} bytes")
            self.abort()
            return
        self._body.append(body)

    def on_message_complete(self) -> None:
        self.usable = self.usable and self._parser.should_keep_alive()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(Answer(self._parser.get_status_code(), b"".join(self._body)))

    def _fail(self, why: str) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(NoAnswer(why))
            # Whoever asked may be gone by now: an exception that nobody takes is not to be logged.
            self._answer.exception()
