"""The GraphQL endpoint put together: one engine, one broadcast, HTTP and WebSocket at one address."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

from graphql import GraphQLSchema
from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, Route, WebSocketRoute

from resolvers.live import Feed
from server.broadcast import Broadcast
from server.endpoint_limits import EndpointLimits
from server.endpoint_metrics import EndpointMetrics
from server.execution import Engine, Viewer
from server.graphql_http import GraphQLHttp
from server.graphql_ws import GraphQLWebSocket

V = TypeVar("V", bound=Viewer)


class GraphQLEndpoint(Generic[V]):
    """What the application needs of it: `graphql_routes(endpoint)`, `running()` around its life, `drain()` at its end.

    `authenticate` says who asks, or None for nobody; it may raise RequestProblem when it cannot say. `context_factory`
    makes the resolvers' context from a viewer and a correlation id, anew for each operation and each event.
    `body_limit` is the bytes that a viewer may send in one request. `revoked` says whether a viewer who was let in may
    no longer be served: it is asked before each delivery and must be quick.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        feed: Feed,
        *,
        authenticate: Callable[[HTTPConnection], Awaitable[V | None]],
        context_factory: Callable[[V, str], object],
        body_limit: Callable[[V], int],
        revoked: Callable[[V], bool] = lambda viewer: False,
        limits: EndpointLimits | None = None,
        metrics: EndpointMetrics | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.engine = Engine(
            schema, context_factory=context_factory, limits=limits or EndpointLimits(), metrics=metrics, clock=clock
        )
        self.broadcast = Broadcast(self.engine, feed, revoked=revoked, clock=clock)
        self.http = GraphQLHttp(self.engine, authenticate=authenticate, body_limit=body_limit)
        self.websocket = GraphQLWebSocket(
            self.engine, self.broadcast, authenticate=authenticate, revoked=revoked, clock=clock
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Delivers to subscribers while the application is in this context, then ends their connections (1012)."""
        async with asyncio.TaskGroup() as tasks:
            pump = tasks.create_task(self.broadcast.run(), name="broadcast")
            try:
                yield
            finally:
                await self.drain()
                pump.cancel()

    async def drain(self) -> None:
        """Ends all subscriptions with a code after which clients resume; call it when the server is told to stop."""
        self.websocket.close_all()
        await self.websocket.closed()


def graphql_routes(endpoint: GraphQLEndpoint[V], *, path: str = "/graphql") -> list[BaseRoute]:
    """The endpoint's routes: HTTP and WebSocket at the same path."""
    return [
        Route(path, endpoint.http, methods=None, name="graphql"),
        WebSocketRoute(path, endpoint.websocket, name="graphql-ws"),
    ]
