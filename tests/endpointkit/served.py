"""The endpoint on a real uvicorn on loopback, and a client that speaks graphql-transport-ws."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from endpointkit.world import Context, World, schema
from server.endpoint_limits import EndpointLimits
from server.endpoint_metrics import EndpointMetrics
from server.graphql_endpoint import GraphQLEndpoint, graphql_routes
from server.websocket_transport import websocket_options

SUBPROTOCOL = "graphql-transport-ws"


@dataclass(eq=False)
class Person:
    """A viewer. Tokens are `name` or `name/permissions`."""

    id: str
    permission_key: str = "all"
    via_cookie: bool = False


@dataclass
class Served:
    """A running endpoint."""

    world: World
    endpoint: GraphQLEndpoint[Person]
    url: str
    http: httpx.AsyncClient
    server: uvicorn.Server
    revoked: set[str] = field(default_factory=set)
    events: list[tuple[Any, ...]] = field(default_factory=list)

    @property
    def websocket_url(self) -> str:
        return self.url.replace("http://", "ws://")

    async def query(self, query: str, **kwargs: Any) -> httpx.Response:
        body = {"query": query, **{key: kwargs.pop(key) for key in ("variables", "operationName") if key in kwargs}}
        headers = {"authorization": "Bearer ann", **kwargs.pop("headers", {})}
        return await self.http.post(self.url, json=body, headers=headers, **kwargs)

    @asynccontextmanager
    async def client(
        self, *, token: str | None = "ann", headers: Mapping[str, str] | None = None, init: bool = True, **options: Any
    ) -> AsyncIterator[Client]:
        given = {**({"authorization": f"Bearer {token}"} if token else {}), **(headers or {})}
        options.setdefault("subprotocols", [SUBPROTOCOL])
        async with connect(
            self.websocket_url, additional_headers=given, compression=None, max_size=None, **options
        ) as socket_:
            client = Client(socket_)
            if init:
                await client.send({"type": "connection_init"})
                assert await client.next() == {"type": "connection_ack"}
            yield client


class Client:
    """One WebSocket connection."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def send(self, message: object) -> None:
        await self.connection.send(message if isinstance(message, (str, bytes)) else orjson.dumps(message).decode())

    async def next(self, *, timeout: float = 60.0) -> Any:
        async with asyncio.timeout(timeout):
            text = await self.connection.recv()
        assert isinstance(text, str), "a binary frame is not of the protocol"
        return orjson.loads(text)

    async def subscribe(self, query: str, *, id: str = "1", **payload: Any) -> None:
        await self.send({"id": id, "type": "subscribe", "payload": {"query": query, **payload}})

    async def event(self, *, timeout: float = 60.0) -> Any:
        """The root field's value of the next `next`."""
        message = await self.next(timeout=timeout)
        assert message["type"] == "next", message
        assert "errors" not in message["payload"], message
        (value,) = message["payload"]["data"].values()
        return value

    async def quiet(self, seconds: float = 0.1) -> bool:
        """Whether nothing comes."""
        try:
            await self.next(timeout=seconds)
        except TimeoutError:
            return True
        return False

    async def closed(self, *, timeout: float = 60.0) -> tuple[int | None, str | None]:
        """The code and reason that the server closed with; what came before is dropped."""
        async with asyncio.timeout(timeout):
            with suppress(ConnectionClosed):
                while True:
                    await self.connection.recv()
        return self.connection.close_code, self.connection.close_reason


async def reached(found: Callable[[], bool], *, what: str) -> None:
    """Waits until that is so."""
    try:
        async with asyncio.timeout(60):
            while not found():
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"{what} never came") from None


@asynccontextmanager
async def served(
    world: World | None = None, *, limits: EndpointLimits | None = None, body_limit: int = 64 * 1024
) -> AsyncIterator[Served]:
    """Brings it up and down again."""
    world = world or World()
    revoked: set[str] = set()
    events: list[tuple[Any, ...]] = []

    async def authenticate(conn: HTTPConnection) -> Person | None:
        cookie = conn.cookies.get("session")
        token = conn.headers.get("authorization", "").removeprefix("Bearer ")
        named, via_cookie = (token, False) if token else (cookie, True)
        if not named or named.startswith("bad"):
            return None
        name, _, permissions = named.partition("/")
        return Person(name, permissions or "all", via_cookie)

    metrics = EndpointMetrics(
        operation=lambda *told: events.append(("operation", *told)),
        refused=lambda code: events.append(("refused", code)),
        behind=lambda: events.append(("behind",)),
        resync=lambda reason: events.append(("resync", reason)),
        event=lambda size, members: events.append(("event", size, members)),
        closed=lambda code: events.append(("closed", code)),
        groups=lambda change: events.append(("groups", change)),
        connections=lambda change: events.append(("connections", change)),
        subscriptions=lambda change: events.append(("subscriptions", change)),
    )
    endpoint = GraphQLEndpoint(
        schema._schema,
        world.feed,
        authenticate=authenticate,
        context_factory=lambda viewer, correlation_id: Context(world, viewer, correlation_id),
        body_limit=lambda viewer: body_limit,
        revoked=lambda viewer: viewer.id in revoked,
        limits=limits,
        metrics=metrics,
    )

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with endpoint.running():
            yield

    app = Starlette(routes=graphql_routes(endpoint), lifespan=lifespan)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        log_level="error",
        **websocket_options(endpoint.engine.limits),
        lifespan="on",
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.005)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/graphql"
    try:
        async with httpx.AsyncClient(timeout=60, verify=False) as http:
            yield Served(world, endpoint, url, http, server, revoked, events)
    finally:
        server.should_exit = True
        await running
