"""GraphQL over HTTP, as an ASGI application of its own.

The specification (graphql.github.io/graphql-over-http/draft) is followed to the letter of the `graphql-http` audit suite,
which is one of the tests. A general framework's request and response objects would cost more than the execution of a
small query, so the scope is read directly and the answer is written in two messages. The order of the checks is what
keeps strangers cheap: who it is comes before what was sent, the size before the reading, the media type before parsing.

A server that speaks ASGI does not cancel a request whose caller has gone: it only says so to who asks. So while a query
waits for something, such as a decision of placement, it is asked, and a query that nobody waits for any more is cancelled. A
mutation is seen through: who asked for a change and then closed a page has still asked for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Generic, TypeVar
from urllib.parse import parse_qsl

import orjson
from graphql import OperationType
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from resolvers.problems import RequestProblem
from server.answering import answered
from server.eager import Started, start
from server.execution import Answer, Engine, Parameters, Viewer, correlation_id, encode, malformed
from server.masking import Refused, formatted, internal, problem
from server.tracing import caller_in_headers

V = TypeVar("V", bound=Viewer)

GRAPHQL_RESPONSE = "application/graphql-response+json"
JSON = "application/json"
CSRF_HEADER = b"x-edgeatlas-csrf"
COST_HEADER = b"x-edgeatlas-cost"
BODY_TIMEOUT_S = 30.0
"""The time that a caller has to send its request's body."""

_READ = frozenset(
    {b"accept", b"content-type", b"content-length", b"content-encoding", b"x-correlation-id", CSRF_HEADER, COST_HEADER}
)


class GraphQLHttp(Generic[V]):
    """Answers queries by GET, queries and mutations by POST, for signed-in callers only."""

    def __init__(
        self,
        engine: Engine[V],
        *,
        authenticate: Callable[[HTTPConnection], Awaitable[V | None]],
        body_limit: Callable[[V], int],
    ) -> None:
        self._engine = engine
        self._authenticate = authenticate
        self._body_limit = body_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        headers = {name: value for name, value in scope["headers"] if name in _READ}
        offered = headers.get(b"x-correlation-id")
        correlation = correlation_id(offered.decode("latin-1") if offered is not None else None)
        media_type = _negotiated(headers.get(b"accept", b"").decode("latin-1"))
        answer: Answer
        status, extra = 200, {}
        try:
            if media_type is None:
                raise malformed(f"the answer can be {GRAPHQL_RESPONSE} or {JSON}", "accept one of them", status=406)
            answer = await self._answer(scope, receive, headers, correlation)
        except Refused as refused:
            answer, extra = {"errors": refused.errors}, refused.headers
            self._engine.metrics.refused(refused.code)
            if media_type == GRAPHQL_RESPONSE or not refused.wellformed:
                status = refused.status
        except RequestProblem as away:
            answer = {"errors": [problem(away)]}
            status = 503 if away.retryable else 400
            self._engine.metrics.refused(away.code)
        except _Gone:
            return
        except Exception as error:  # noqa: BLE001 - logged with its traceback, answered as an internal error
            answer, status = {"errors": [internal(error, correlation_id=correlation)]}, 500
        await _respond(send, status, media_type or JSON, encode(answer, correlation), correlation, extra)

    async def _answer(self, scope: Scope, receive: Receive, headers: dict[bytes, bytes], correlation: str) -> Answer:
        method = scope["method"]
        if method not in ("GET", "POST"):
            raise _method_refused("send GET or POST", allow="GET, POST")
        viewer = await self._authenticate(HTTPConnection(scope))
        if viewer is None:
            raise Refused(
                [
                    formatted(
                        "UNAUTHENTICATED", "not signed in", remedy="send Authorization: Bearer <token>, or sign in"
                    )
                ],
                status=401,
                wellformed=False,
                headers={"WWW-Authenticate": "Bearer", "Connection": "close"},
            )
        if method == "GET":
            body: object = _from_query(scope["query_string"], limit=self._body_limit(viewer))
        else:
            if viewer.via_cookie and not headers.get(CSRF_HEADER):
                raise _refused_early(
                    403,
                    "CSRF_HEADER_MISSING",
                    "a signed-in browser must send X-EdgeAtlas-CSRF",
                    "send X-EdgeAtlas-CSRF: 1",
                )
            _check_content(headers)
            body = _decoded(await _body(receive, headers, limit=self._body_limit(viewer)))
        prepared = self._engine.prepare(Parameters.from_json(body))
        kind = prepared.operation.type
        if kind is OperationType.SUBSCRIPTION:
            raise malformed(
                "subscriptions are served over WebSocket", "subscribe by graphql-transport-ws at this address"
            )
        if method == "GET" and kind is not OperationType.QUERY:
            raise _method_refused("a mutation cannot be sent by GET: send POST", allow="POST")
        caller = caller_in_headers(scope["headers"])
        running = start(answered(self._engine, prepared, viewer, correlation, transport="http", caller=caller))
        if isinstance(running, Started):
            answer = await (_while_waited_for(receive, running) if kind is OperationType.QUERY else running)
        else:
            answer = running
        if COST_HEADER in headers:
            answer["extensions"] = {"cost": {"requested": prepared.cost, "allowed": self._engine.limits.max_cost}}
        return answer


class _Gone(Exception):
    """The client went away before it was answered."""


async def _while_waited_for(receive: Receive, running: Started[Answer]) -> Answer:
    """What is running, which is cancelled when the client goes away. Raises _Gone then."""
    own = asyncio.current_task()
    assert own is not None, "an application is called in a task"
    ended = gone = False

    async def watch() -> None:
        nonlocal gone
        while (await receive())["type"] != "http.disconnect":
            pass
        if not ended:
            gone = True
            own.cancel()

    watching = asyncio.create_task(watch(), name="client-gone")
    try:
        return await running
    except asyncio.CancelledError:
        if gone and not own.uncancel():
            raise _Gone from None
        raise
    finally:
        ended = True
        watching.cancel()


async def _body(receive: Receive, headers: dict[bytes, bytes], *, limit: int) -> bytes:
    """The request's body, refused as soon as it is known to be too large."""
    declared = headers.get(b"content-length", b"")
    if declared.isdigit() and (len(declared) > 18 or int(declared) > limit):
        raise _too_large(limit)
    chunks: list[bytes] = []
    reading = start(_chunks(receive, chunks, limit=limit))
    if isinstance(reading, Started):
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                await reading
        except TimeoutError:
            raise _refused_early(408, "BAD_REQUEST", "the body was not sent in time", "send it again") from None
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def _chunks(receive: Receive, chunks: list[bytes], *, limit: int) -> None:
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
        more = message.get("more_body", False)


def _too_large(limit: int) -> Refused:
    refused = _refused_early(413, "LIMIT_EXCEEDED", f"the body is larger than {limit} bytes", "send less at once")
    extensions = refused.errors[0]["extensions"]
    assert isinstance(extensions, dict)
    extensions.update(limit="body", have=None, allowed=limit)
    return refused


def _refused_early(status: int, code: str, message: str, remedy: str) -> Refused:
    """A refusal with the body unread, after which the connection cannot be used again."""
    return Refused(
        [formatted(code, message, remedy=remedy)], status=status, wellformed=False, headers={"Connection": "close"}
    )


def _method_refused(message: str, *, allow: str) -> Refused:
    return Refused(
        [formatted("METHOD_NOT_ALLOWED", message, remedy=f"use {allow}")],
        status=405,
        wellformed=False,
        headers={"Allow": allow},
    )


def _check_content(headers: dict[bytes, bytes]) -> None:
    if headers.get(b"content-encoding", b"identity").strip().lower() != b"identity":
        raise _refused_early(415, "UNSUPPORTED_MEDIA_TYPE", "the body is compressed", "send it uncompressed")
    media_type, _, parameters = headers.get(b"content-type", b"").decode("latin-1").partition(";")
    if media_type.strip().lower() != JSON:
        raise _refused_early(415, "UNSUPPORTED_MEDIA_TYPE", f"the body must be {JSON}", f"send Content-Type: {JSON}")
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip().strip('"').lower() not in ("utf-8", "utf8"):
            raise _refused_early(415, "UNSUPPORTED_MEDIA_TYPE", "the body must be UTF-8", "send charset=utf-8")


def _decoded(body: bytes) -> object:
    try:
        decoded: object = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise malformed(f"the body is not JSON: {error}", 'send {"query": "{ … }"}') from None
    return decoded


def _from_query(query_string: bytes, *, limit: int) -> dict[str, object]:
    """The parameters of a GET request (GraphQL over HTTP, 5.3)."""
    if len(query_string) > limit:
        raise _too_large(limit)
    try:
        pairs = parse_qsl(query_string.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=32)
    except ValueError:
        raise malformed("the address's parameters cannot be read", "encode them as UTF-8, percent-encoded") from None
    body: dict[str, object] = {}
    for name, value in pairs:
        if name in body:
            raise malformed(f"{name} is given twice", "give it once")
        if name in ("query", "operationName"):
            body[name] = value
        elif name in ("variables", "extensions"):
            try:
                body[name] = orjson.loads(value) if value else None
            except orjson.JSONDecodeError:
                raise malformed(f"{name} is not JSON", "send a JSON object, percent-encoded") from None
    return body


@lru_cache(maxsize=256)
def _negotiated(accept: str) -> str | None:
    """The media type to answer with (RFC 9110, 12.5.1); None when neither is accepted.

    A caller that does not say is taken for an older client, which expects application/json.
    """
    if not accept.strip():
        return JSON
    best: tuple[float, int, str] | None = None
    for number, part in enumerate(accept[:1_000].split(",")):
        media_type, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = 1.0
        refuses = False
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip() == "q":
                try:
                    quality = float(value)
                except ValueError:
                    quality = 0.0
            elif name.strip() == "charset" and value.strip().strip('"') not in ("utf-8", "utf8"):
                refuses = True
        if media_type in ("*/*", "application/*"):
            media_type = JSON
        if media_type in (GRAPHQL_RESPONSE, JSON) and quality > 0 and not refuses:
            candidate = (quality, -number, media_type)
            if best is None or candidate > best:
                best = candidate
    return best[2] if best is not None else None


async def _respond(
    send: Send, status: int, media_type: str, body: bytes, correlation: str, extra: dict[str, str]
) -> None:
    headers = [
        (b"content-type", f"{media_type}; charset=utf-8".encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        (b"x-correlation-id", correlation.encode()),
    ]
    headers.extend((name.lower().encode(), value.encode()) for name, value in extra.items())
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
