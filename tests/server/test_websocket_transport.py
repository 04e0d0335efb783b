"""What a client that nobody knows can make the server hold and log: little, and nothing."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

import server.websocket_transport
from endpointkit.served import SUBPROTOCOL, Served, reached, served
from endpointkit.world import World
from server.endpoint_limits import EndpointLimits
from server.websocket_transport import MAX_FRAGMENTS, LettingGo


@pytest.mark.parametrize("lingers", [0.2, 60.0])
async def test_the_socket_of_a_stalled_client_is_let_go(monkeypatch: pytest.MonkeyPatch, lingers: float) -> None:
    monkeypatch.setattr(server.websocket_transport, "LINGER_S", lingers)
    world = World()
    world.add(1)
    limits = EndpointLimits(max_queued_bytes=16 * 1024, max_behind_s=0.2, close_s=0.2, max_rate_hz=math.inf)
    async with served(world, limits=limits) as endpoint, endpoint.client() as slow:
        await slow.subscribe("subscription { sites { ... on Delta { sites { note } } ... on Snapshot { revision } } }")
        await slow.event()
        slow.connection.transport.pause_reading()
        for number in range(300):
            world.rename("site_0", f"a{number}", note="x" * 50_000)
            await asyncio.sleep(0.001)
        await reached(
            lambda: ("closed", 1013) in endpoint.events and endpoint.endpoint.websocket.connections == 0,
            what="the end of the connection",
        )

        def open_sockets() -> int:
            return sum(isinstance(one, LettingGo) for one in endpoint.server.server_state.connections)

        if lingers < 1:
            await reached(lambda: open_sockets() == 0, what="the end of its socket")
        else:
            await asyncio.sleep(0.8)
            assert open_sockets() == 1, "so the first case is not vacuous"
        slow.connection.transport.abort()


LIMITS = EndpointLimits(max_message_bytes=4_096)


@asynccontextmanager
async def upgraded(
    endpoint: Served, **headers: str
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection of nobody that was opened, or refused, byte by byte."""
    host, port = endpoint.url.split("/")[2].split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    asked = {
        "Host": f"{host}:{port}", "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Protocol": SUBPROTOCOL, **headers,
    }  # fmt: skip
    lines = "".join(f"{name}: {value}\r\n" for name, value in asked.items())
    writer.write(f"GET /graphql HTTP/1.1\r\n{lines}\r\n".encode())
    try:
        async with asyncio.timeout(60):
            yield reader, writer
    finally:
        writer.transport.abort()


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, says: int | None = None) -> bytes:
    """A frame (RFC 6455, section 5.2) under the mask 0; `says` is another length than it has."""
    length = len(payload) if says is None else says
    size = bytes([0x80 | length]) if length < 126 else b"\xff" + length.to_bytes(8)
    return bytes([opcode | (0x80 if fin else 0)]) + size + bytes(4) + payload


TEXT, CONTINUATION, CLOSE, PING = 1, 0, 8, 9
UNFINISHED = [
    ("one frame that never ends", frame(TEXT, b" " * 1_000, says=30 * 2**20)),
    ("frames that never end", frame(TEXT, b" " * 4_000, fin=False) + frame(CONTINUATION, b" " * 97, fin=False)),
    ("frames of nothing", frame(TEXT, fin=False) + frame(CONTINUATION, fin=False) * (MAX_FRAGMENTS + 1)),
]


@pytest.mark.parametrize(("what", "sent"), UNFINISHED, ids=[what for what, _ in UNFINISHED])
async def test_a_message_that_grows_beyond_what_is_accepted_ends_its_connection_before_it_is_whole(
    what: str, sent: bytes
) -> None:
    async with served(limits=LIMITS) as endpoint, contextlib.AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(upgraded(endpoint)) for _ in range(10)]
        for reader, writer in sockets:
            assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
            writer.write(sent)
        for reader, _ in sockets:
            head = await reader.readexactly(4)
            assert (head[0] & 15, int.from_bytes(head[2:4])) == (CLOSE, 1009)
            await reader.read()


async def test_a_message_of_the_largest_size_is_taken_whole_or_in_parts() -> None:
    async with served(limits=LIMITS) as endpoint, upgraded(endpoint, Authorization="Bearer ann") as (reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        for sent in (b'{"type":"connection_init"}', b'{"type":"ping"}'):
            body = sent.ljust(LIMITS.max_message_bytes)
            writer.write(frame(TEXT, body[:10], fin=False) + frame(CONTINUATION, body[10:]))
            assert (await reader.readexactly(1))[0] & 15 == TEXT
            await reader.readexactly((await reader.readexactly(1))[0])


async def test_pongs_that_nobody_reads_are_not_kept_without_end() -> None:
    limits = EndpointLimits(init_timeout_s=60)
    async with served(limits=limits) as endpoint, upgraded(endpoint) as (reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        reader._transport.pause_reading()  # type: ignore[attr-defined]  # asyncio has no public way not to read

        async def ping_for_ever() -> None:
            while True:
                writer.write(frame(PING, b"x" * 125) * 1_000)
                await writer.drain()

        with pytest.raises(ConnectionError):
            await ping_for_ever()


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"Origin": "https://evil.example"}, 403), ({"Authorization": "Bearer bad"}, 401), ({}, 101)],
)
async def test_whom_it_refuses_or_hears_the_server_does_not_log(
    caplog: pytest.LogCaptureFixture, headers: dict[str, str], status: int
) -> None:
    async with served() as endpoint:
        logger = logging.getLogger("uvicorn.error")
        logger.setLevel(logging.WARNING)  # as `server.logs` does
        logger.addHandler(caplog.handler)  # uvicorn's own set-up keeps its lines from the root
        async with upgraded(endpoint, **headers) as (reader, writer):
            assert f" {status} ".encode() in await reader.readuntil(b"\r\n\r\n")
            writer.write(frame(TEXT, b"\xff\xfe"))
            rest = await reader.read()
            assert (b"FORBIDDEN" in rest, b"UNAUTHENTICATED" in rest) == (status == 403, status == 401)
            assert status != 101 or int.from_bytes(rest[2:4]) == 1007
        await asyncio.sleep(0.05)
        logger.removeHandler(caplog.handler)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
