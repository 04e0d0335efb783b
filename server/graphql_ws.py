"""GraphQL over WebSocket by the `graphql-transport-ws` protocol (the-guild.dev/graphql/ws, PROTOCOL.md), and only that.

Here it is decided who may open a connection, and how many; what happens on one is `server/graphql_ws_connection.py`.

A browser sends its cookies to any site that opens a WebSocket here, and no CORS rule stops it. So an `Origin` must be
this endpoint's own or an allowed one, and a caller who is signed in by a cookie must send one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar
from urllib.parse import urlsplit

import orjson
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from resolvers.problems import RequestProblem
from server.broadcast import Broadcast
from server.endpoint_limits import EndpointLimits
from server.execution import Engine, Viewer
from server.graphql_ws_connection import POLICY, RESTARTING, Connection
from server.masking import Formatted, formatted, problem

V = TypeVar("V", bound=Viewer)

SUBPROTOCOL = "graphql-transport-ws"


class GraphQLWebSocket(Generic[V]):
    """The endpoint's WebSocket side: accepts connections and counts them."""

    def __init__(
        self,
        engine: Engine[V],
        broadcast: Broadcast[V],
        *,
        authenticate: Callable[[HTTPConnection], Awaitable[V | None]],
        revoked: Callable[[V], bool] = lambda viewer: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.engine = engine
        self.broadcast = broadcast
        self.limits: EndpointLimits = engine.limits
        self.authenticate = authenticate
        self.revoked = revoked
        self.clock = clock
        self.waiting = 0
        self.draining = False
        self._by_viewer: dict[str, int] = {}
        self._connections: set[Connection[V]] = set()

    @property
    def connections(self) -> int:
        """The number of open connections."""
        return len(self._connections)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection."""
        message = await receive()
        if message["type"] != "websocket.connect":
            return
        conn = HTTPConnection(scope)
        viewer: V | None = None
        if "authorization" in conn.headers or "cookie" in conn.headers:
            try:
                viewer = await self.authenticate(conn)
            except RequestProblem as away:
                await _reject(scope, send, 503, problem(away))
                return
        refused = self._refusal(conn, viewer)
        if refused is not None:
            await _reject(scope, send, refused[0], refused[1])
            return
        if SUBPROTOCOL not in scope.get("subprotocols", []):
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close", "code": 4406, "reason": "Subprotocol not acceptable"})
            return
        await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL})
        connection = Connection(self, scope, receive, send, viewer)
        self._connections.add(connection)
        self.engine.metrics.connections(1)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)
            self.engine.metrics.connections(-1)

    def close_all(self, code: int = RESTARTING, reason: str = "restarting: connect again and resume") -> None:
        """Ends every connection and takes no more; clients with a cursor resume elsewhere, or here later."""
        self.draining = True
        for connection in list(self._connections):
            connection.outbox.close(code, reason)

    async def closed(self) -> None:
        """Waits until no connection is open, at most twice the time that a closing may take."""
        try:
            async with asyncio.timeout(2 * self.limits.close_s):
                while self._connections:  # noqa: ASYNC110 - at shutdown only, and bounded
                    await asyncio.sleep(0.01)
        except TimeoutError:
            pass

    def admit(self, viewer: V) -> bool:
        """Counts a connection of this viewer, unless it has as many as it may."""
        count = self._by_viewer.get(viewer.id, 0)
        if count >= self.limits.max_connections_per_viewer:
            return False
        self._by_viewer[viewer.id] = count + 1
        return True

    def leave(self, viewer: V) -> None:
        """Takes back `admit`."""
        count = self._by_viewer.get(viewer.id, 1) - 1
        if count:
            self._by_viewer[viewer.id] = count
        else:
            self._by_viewer.pop(viewer.id, None)

    def _refusal(self, conn: HTTPConnection, viewer: V | None) -> tuple[int, Formatted] | None:
        origin = conn.headers.get("origin")
        if origin is None:
            if viewer is not None and viewer.via_cookie:
                return 403, formatted("FORBIDDEN", "a signed-in browser must send its Origin")
        elif not same_origin(origin, conn.headers.get("host", "")) and origin not in self.limits.allowed_origins:
            return 403, formatted("FORBIDDEN", "this origin may not open a WebSocket here", remedy="allow the origin")
        if viewer is None and "authorization" in conn.headers:
            return 401, formatted("UNAUTHENTICATED", "the token is not valid", remedy="send a valid token")
        if self.draining:
            return 503, formatted(
                "SHUTTING_DOWN", "the server is about to stop", remedy="connect again", retryable=True
            )
        if len(self._connections) >= self.limits.max_connections or (
            viewer is None and self.waiting >= self.limits.max_waiting_connections
        ):
            return 503, formatted("LIMIT_EXCEEDED", "the server has as many connections as it may", retryable=True)
        return None


def same_origin(origin: str, host: str) -> bool:
    """Whether an `Origin` names the host that was asked; a port that is not written is the scheme's."""
    try:
        parts = urlsplit(origin)
        port = parts.port
        asked = urlsplit(f"//{host}")
        asked_port = asked.port
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or not parts.hostname or not asked.hostname:
        return False
    default = 443 if parts.scheme == "https" else 80
    return parts.hostname == asked.hostname and (port or default) == (asked_port or default)


async def _reject(scope: Scope, send: Send, status: int, error: Formatted) -> None:
    """Answers the upgrade with an HTTP status."""
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": POLICY})
        return
    headers = [(b"content-type", b"application/graphql-response+json; charset=utf-8"), (b"cache-control", b"no-store")]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": orjson.dumps({"errors": [error]})})
