"""One WebSocket connection, from `connection_init` to its end.

A connection is one task group: a reader, a writer and a task for each operation under way; whatever ends the connection
ends all of them. The reader takes the next message only when there is room for its answer, so a client that asks without
reading is slowed down by its own transport. Everything sent is text: a binary frame is not of the protocol, and clients
drop it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

import orjson
from graphql import OperationType
from opentelemetry.context import Context
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from resolvers.problems import RequestProblem
from server.answering import answered, operating
from server.broadcast import Broadcast
from server.execution import Engine, Parameters, Viewer, correlation_id, encode
from server.groups import Member
from server.masking import Refused, internal, limit_exceeded, problem
from server.outbox import Outbox
from server.tracing import caller_in_headers, caller_in_payload, here

V = TypeVar("V", bound=Viewer)

# Of RFC 6455 and its registry of close codes.
NORMAL, POLICY, TOO_BIG, RESTARTING, TRY_LATER = 1000, 1008, 1009, 1012, 1013
# Of graphql-transport-ws.
BAD_REQUEST, UNAUTHORIZED, FORBIDDEN = 4400, 4401, 4403
INIT_TIMEOUT, SUBSCRIBER_EXISTS, TOO_MANY_INITS = 4408, 4409, 4429

MAX_ID = 128
"""Characters of an operation's id."""


class _Ended(Exception):
    """The connection ends; its tasks are cancelled."""


class Endpoint(Protocol[V]):
    """What a connection needs of the endpoint that it belongs to."""

    engine: Engine[V]
    broadcast: Broadcast[V]
    authenticate: Callable[[HTTPConnection], Awaitable[V | None]]
    revoked: Callable[[V], bool]
    clock: Callable[[], float]
    waiting: int
    """Connections that have not said who they are."""

    def admit(self, viewer: V) -> bool:
        """Counts a connection of this viewer, unless it has as many as it may."""
        ...

    def leave(self, viewer: V) -> None:
        """Takes back `admit`."""
        ...


class Connection(Generic[V]):
    """One accepted connection."""

    def __init__(self, owner: Endpoint[V], scope: Scope, receive: Receive, send: Send, viewer: V | None) -> None:
        self._owner = owner
        self._limits = owner.engine.limits
        self._scope = scope
        self._receive = receive
        self._send = send
        self._viewer = viewer
        self._acknowledged: V | None = None
        self._caller: Context | None = None
        self._gone = False
        self._operations: dict[str, asyncio.Task[None]] = {}
        self._number = 0
        self._allowance = float(owner.engine.limits.message_burst)
        self._counted_at = owner.clock()
        self.outbox = Outbox(send, limit_bytes=owner.engine.limits.max_queued_bytes)
        self._correlation = correlation_id(HTTPConnection(scope).headers.get("x-correlation-id"))

    async def run(self) -> None:
        """Serves the connection to its end."""
        self._owner.waiting += 1
        waiting = True
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._write())
                if await self._initialise():
                    self._owner.waiting -= 1
                    waiting = False
                    tasks.create_task(self._read(tasks))
                    await self.outbox.closed()
                raise _Ended
        except* _Ended:
            pass
        finally:
            if waiting:
                self._owner.waiting -= 1
            if self._acknowledged is not None:
                self._owner.leave(self._acknowledged)
        await self._close()

    # --- the beginning ----------------------------------------------------------------------------------------------

    async def _initialise(self) -> bool:
        """Waits for connection_init, and says whether the connection goes on."""
        try:
            async with asyncio.timeout(self._limits.init_timeout_s):
                message = await self._next()
                while message is not None and message["type"] == "ping":
                    self._pong(message)
                    message = await self._next()
                return message is not None and await self._acknowledge(message)
        except TimeoutError:
            return self._end(INIT_TIMEOUT, "Connection initialisation timeout")

    async def _acknowledge(self, message: dict[str, object]) -> bool:
        if message["type"] == "subscribe":
            return self._end(UNAUTHORIZED, "Unauthorized")
        if message["type"] != "connection_init":
            return self._end(BAD_REQUEST, "connection_init must come first")
        payload = message.get("payload")
        if payload is not None and not isinstance(payload, dict):
            return self._end(BAD_REQUEST, "the payload of connection_init must be an object")
        try:
            viewer = await self._identified(payload or {})
        except RequestProblem as refused:
            return self._end(TRY_LATER, refused.message)
        if viewer is None or self._owner.revoked(viewer):
            return self._end(FORBIDDEN, "Forbidden")
        if not self._owner.admit(viewer):
            return self._end(TRY_LATER, "too many connections of this user: close one")
        self._acknowledged = viewer
        self._caller = caller_in_payload(payload or {}) or caller_in_headers(self._scope["headers"])
        self.outbox.put('{"type":"connection_ack"}')
        return True

    async def _identified(self, payload: dict[str, object]) -> V | None:
        """The viewer by the payload's token, or the one that was signed in at the upgrade."""
        token = payload.get("authorization", payload.get("Authorization"))
        if token is None and isinstance(payload.get("token"), str):
            token = f"Bearer {payload['token']}"
        if token is None:
            return self._viewer
        if not isinstance(token, str) or not token.isascii() or len(token) > 8_192:
            return None
        # The token alone says who it is: what else the browser sent with the upgrade must not.
        named = [(b"authorization", token.encode())]
        kept = [(name, value) for name, value in self._scope["headers"] if name in (b"host", b"origin", b"user-agent")]
        return await self._owner.authenticate(HTTPConnection({**self._scope, "headers": kept + named}))

    # --- messages ---------------------------------------------------------------------------------------------------

    async def _read(self, tasks: asyncio.TaskGroup) -> None:
        viewer = self._acknowledged
        assert viewer is not None, "the connection was acknowledged"
        while True:
            if not await self.outbox.room(within_s=self._limits.max_behind_s):
                self._end(TRY_LATER, "reading too slowly: connect again and resume")
                return
            message = await self._next()
            if message is None or not self._handle(message, viewer, tasks):
                return

    def _handle(self, message: dict[str, object], viewer: V, tasks: asyncio.TaskGroup) -> bool:
        """Acts on one message; False when the connection ends by it."""
        kind = message["type"]
        if kind == "ping":
            self._pong(message)
        elif kind == "subscribe":
            return self._subscribe(message, viewer, tasks)
        elif kind == "complete":
            identifier = message.get("id")
            if not isinstance(identifier, str):
                return self._end(BAD_REQUEST, "complete needs an id")
            operation = self._operations.pop(identifier, None)
            if operation is not None:
                operation.cancel()
        elif kind == "connection_init":
            return self._end(TOO_MANY_INITS, "Too many initialisation requests")
        elif kind != "pong":
            return self._end(BAD_REQUEST, "unknown type of message")
        return True

    def _subscribe(self, message: dict[str, object], viewer: V, tasks: asyncio.TaskGroup) -> bool:
        identifier = message.get("id")
        if not isinstance(identifier, str) or not 0 < len(identifier) <= MAX_ID:
            return self._end(BAD_REQUEST, f"subscribe needs an id of 1 to {MAX_ID} characters")
        if identifier in self._operations:
            return self._end(SUBSCRIBER_EXISTS, f"Subscriber for {identifier[:60]} already exists")
        if self._owner.revoked(viewer):
            return self._end(FORBIDDEN, "Forbidden")
        try:
            parameters = Parameters.from_json(message.get("payload"))
        except Refused as refused:
            return self._end(BAD_REQUEST, str(refused))
        name = _quoted(identifier)
        if len(self._operations) >= self._limits.max_subscriptions_per_connection:
            allowed = self._limits.max_subscriptions_per_connection
            refusal = limit_exceeded("operations under way", have=allowed + 1, allowed=allowed, remedy="complete one")
            self._refuse(name, refusal)
            return True
        self._number += 1
        correlation = f"{self._correlation}.{self._number}"
        self._operations[identifier] = tasks.create_task(
            self._operate(identifier, name, parameters, viewer, correlation)
        )
        return True

    async def _operate(self, identifier: str, name: str, parameters: Parameters, viewer: V, correlation: str) -> None:
        """One operation, from its preparation to `complete` or `error`."""
        own = asyncio.current_task()
        try:
            prepared = self._owner.engine.prepare(parameters)
            if prepared.operation.type is OperationType.SUBSCRIPTION:
                with operating(prepared, viewer, correlation, transport="websocket", caller=self._caller):
                    executor, query = await self._owner.engine.subscribe(prepared, viewer, correlation)
                    trace = here()
                head = f'{{"id":{name},"type":"next","payload":'
                member = Member(
                    head=head,
                    outbox=self.outbox,
                    viewer=viewer,
                    query=query,
                    correlation_id=correlation,
                    trace=trace,
                )
                await self._owner.broadcast.serve(prepared, executor, member)
            else:
                answer = await answered(
                    self._owner.engine, prepared, viewer, correlation, transport="websocket", caller=self._caller
                )
                body = encode(answer, correlation).decode()
                if not await self.outbox.room(within_s=self._limits.max_behind_s):
                    self._end(TRY_LATER, "reading too slowly: connect again")
                    return
                self.outbox.put(f'{{"id":{name},"type":"next","payload":', body + "}")
            if self._operations.get(identifier) is own:
                self.outbox.put(f'{{"id":{name},"type":"complete"}}')
        except Refused as refused:
            self._refuse(name, refused)
        except RequestProblem as away:
            self._refuse(name, Refused([problem(away)]))
        except Exception as error:  # noqa: BLE001 - logged with its traceback, told as an internal error
            self._refuse(name, Refused([internal(error, correlation_id=correlation)]))
        finally:
            if self._operations.get(identifier) is own:
                del self._operations[identifier]

    def _refuse(self, name: str, refused: Refused) -> None:
        self._owner.engine.metrics.refused(refused.code)
        self.outbox.put(f'{{"id":{name},"type":"error","payload":', orjson.dumps(refused.errors).decode() + "}")

    def _pong(self, message: dict[str, object]) -> None:
        payload = message.get("payload")
        body = f',"payload":{orjson.dumps(payload).decode()}' if isinstance(payload, dict) else ""
        self.outbox.put(f'{{"type":"pong"{body}}}')

    async def _next(self) -> dict[str, object] | None:
        """The client's next message; None when the connection ends."""
        received = await self._receive()
        if received["type"] == "websocket.disconnect":
            self._gone = True
            self._end(NORMAL, "")
            return None
        text = received.get("text")
        if text is None:
            self._end(BAD_REQUEST, "messages must be text")
            return None
        if len(text) > self._limits.max_message_bytes or len(text.encode()) > self._limits.max_message_bytes:
            self._end(TOO_BIG, f"a message may have {self._limits.max_message_bytes} bytes")
            return None
        if not self._allowed():
            self._end(POLICY, "too many messages")
            return None
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError:
            message = None
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            self._end(BAD_REQUEST, "a message must be a JSON object with a type")
            return None
        return message

    def _allowed(self) -> bool:
        """A token bucket of messages."""
        now = self._owner.clock()
        earned = (now - self._counted_at) * self._limits.messages_per_s
        self._allowance = min(self._allowance + earned, float(self._limits.message_burst))
        self._counted_at = now
        self._allowance -= 1.0
        return self._allowance >= 0.0

    # --- the end ----------------------------------------------------------------------------------------------------

    def _end(self, code: int, reason: str) -> bool:
        self.outbox.close(code, reason)
        return False

    async def _write(self) -> None:
        try:
            await self.outbox.write()
        except (OSError, RuntimeError):
            # What the server raises when the client is gone, or its connection is closed already.
            self._gone = True
            self._end(NORMAL, "")

    async def _close(self) -> None:
        if self._gone or self.outbox.closing is None:
            return
        code, reason = self.outbox.closing
        self._owner.engine.metrics.closed(code)
        try:
            async with asyncio.timeout(self._limits.close_s):
                await self._send({"type": "websocket.close", "code": code, "reason": _short(reason)})
        except (TimeoutError, OSError, RuntimeError):
            # The client does not read, or is gone: the server ends the transport when this application returns.
            return


def _quoted(identifier: str) -> str:
    return orjson.dumps(identifier).decode()


def _short(reason: str) -> str:
    """A close reason has at most 123 bytes (RFC 6455, 5.5)."""
    return reason.encode()[:123].decode(errors="ignore")
