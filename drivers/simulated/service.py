"""A simulated backend's HTTP API: what drivers ask (wire.py), and what whoever runs a test or a demonstration tells it.

Drivers meet the faults that the cluster is set to; who sets them never does, so that a cluster that answers nothing can
still be told to answer. docs/simulated.md has the table of both.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from drivers.clock import first_of
from drivers.port import DriverProblem, InvalidConfiguration, RemovalWork
from drivers.simulated import hand
from drivers.simulated.cluster import Hanging, ReplyLost
from drivers.simulated.clusters import Clusters, Served
from drivers.simulated.planned import Plan
from drivers.simulated.settings import CLUSTER_NAME, behaviour_of
from drivers.simulated.wire import (
    CALLER,
    INVENTORY_WANTED,
    AskSamples,
    Ensure,
    Observe,
    Problem,
    PushedInventory,
    told,
)

ABORT: Final = "edgeatlas.abort"
"""The key of the scope under which the server puts what cuts the connection."""
MAX_BODY_BYTES = 4 * 1024 * 1024
MAX_INVENTORY_BYTES = 256 * 1024 * 1024
MAX_EFFECTS = 10_000
"""Effects in one answer."""
Handler = Callable[[Request], Awaitable[Response]]
T = TypeVar("T")


class _Wrong(Exception):
    """A request that cannot be answered; the status and why."""

    def __init__(self, status: int, problem: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.problem = problem


class _Cut(Response):
    """No answer: the connection is cut, as by a network that loses a reply."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Cuts it, and returns when it is."""
        scope[ABORT]()
        while (await receive())["type"] != "http.disconnect":
            pass


def application(clusters: Clusters, *, token: str | None) -> Starlette:
    """The API over these clusters. With a token each request carries it, but for `/healthz`."""
    api = _Api(clusters)

    def route(path: str, method: str, handler: Handler) -> Route:
        return Route(path, _guarded(handler, token), methods=[method])

    one = "/v1/clusters/{cluster}"
    thing = one + "/objects/{object}"
    return Starlette(
        routes=[
            route(one + "/ensure", "POST", api.ensure),
            route(one + "/remove", "POST", api.remove),
            route(one + "/observe", "POST", api.observe),
            route(one + "/samples", "POST", api.samples),
            route(one + "/inventory", "PUT", api.push),
            route(one + "/behaviour", "GET", api.behaviour),
            route(one + "/behaviour", "PUT", api.behave),
            route(one + "/behaviour", "PATCH", api.behave_besides),
            route(one + "/plans", "GET", api.plans),
            route(one + "/plans", "POST", api.plan),
            route(one + "/plans", "DELETE", api.unplan),
            route(one + "/tallies", "GET", api.tallies),
            route(one + "/effects", "GET", api.effects),
            route(one + "/objects", "GET", api.objects),
            route(thing, "PUT", api.make),
            route(thing, "PATCH", api.change),
            route(thing, "DELETE", api.vanish),
            route(thing + "/crash", "POST", api.crash),
            route("/v1/clusters", "GET", api.names),
            Route("/healthz", _healthy, methods=["GET"]),
        ]
    )


async def _healthy(_request: Request) -> Response:
    return Response(b"ok\n", media_type="text/plain")


def _guarded(handler: Handler, token: str | None) -> Handler:
    """The handler for who has the token, with what goes wrong told in the form of the API."""
    wanted = f"Bearer {token}".encode() if token is not None else None

    async def guarded(request: Request) -> Response:
        try:
            if wanted is not None:
                given = request.headers.get("authorization", "").encode()
                if not hmac.compare_digest(given, wanted):
                    raise _Wrong(401, "permanent", "the simulated backend does not know this token")
            return await handler(request)
        except _Wrong as wrong:
            return _json(Problem(problem=wrong.problem, message=str(wrong)), status=wrong.status)
        except DriverProblem as problem:
            status, body = told(problem)
            return _json(body, status=status)
        except InvalidConfiguration as problem:
            return _json(Problem(problem="invalid", message=problem.message), status=400)
        except hand.NoSuchObject as problem:
            return _json(Problem(problem="not_found", message=str(problem)), status=404)

    return guarded


class _Api:
    """The handlers."""

    def __init__(self, clusters: Clusters) -> None:
        self._clusters = clusters

    # What drivers ask

    async def ensure(self, request: Request) -> Response:
        asked = await _body(request, _ENSURE)
        work = asked.work
        served = await self._served(request)
        served.tell_nodes(work.owner, {work.site_id: asked.nodes})
        call = served.cluster.ensure(work, nodes=asked.nodes, by=request.headers.get(CALLER, ""))
        return await _met(request, served, call, asked=work.generation)

    async def remove(self, request: Request) -> Response:
        work = await _body(request, _REMOVAL)
        served = await self._served(request)
        call = served.cluster.remove(work, by=request.headers.get(CALLER, ""))
        return await _met(request, served, call, asked=work.generation)

    async def observe(self, request: Request) -> Response:
        asked = await _body(request, _OBSERVE, most=MAX_INVENTORY_BYTES)
        served = await self._served(request)
        conditions = served.conditions(asked.owner, digest=asked.inventory)
        if conditions is None:
            raise _Wrong(INVENTORY_WANTED, "inventory_wanted", "the inventory of this owner is to be pushed first")
        served.tell_nodes(asked.owner, asked.nodes)
        call = served.cluster.observe(after=asked.after, conditions=conditions, owner=asked.owner)
        return await _met(request, served, call)

    async def samples(self, request: Request) -> Response:
        asked = await _body(request, _ASK_SAMPLES)
        served = await self._served(request)
        return await _met(request, served, served.cluster.samples(names=asked.names))

    async def push(self, request: Request) -> Response:
        pushed = await _body(request, _INVENTORY, most=MAX_INVENTORY_BYTES)
        (await self._served(request)).push(pushed)
        return Response(status_code=204)

    # What is told

    async def names(self, _request: Request) -> Response:
        return _json(self._clusters.names)

    async def behaviour(self, request: Request) -> Response:
        return _json((await self._served(request)).cluster.behaviour)

    async def behave(self, request: Request) -> Response:
        given = await _body(request, _SETTINGS)
        served = await self._served(request)
        await served.behave(behaviour_of(given))
        return _json(served.cluster.behaviour)

    async def behave_besides(self, request: Request) -> Response:
        """What is given changes, null takes back to the default, the rest stays."""
        given = await _body(request, _SETTINGS)
        served = await self._served(request)
        now: Mapping[str, Any] = msgspec.to_builtins(served.cluster.behaviour)
        merged = {key: value for key, value in {**now, **given}.items() if value is not None}
        await served.behave(behaviour_of(merged))
        return _json(served.cluster.behaviour)

    async def plans(self, request: Request) -> Response:
        return _json((await self._served(request)).cluster.plans.waiting)

    async def plan(self, request: Request) -> Response:
        plan = await _body(request, _PLAN)
        try:
            (await self._served(request)).cluster.plans.add(plan)
        except ValueError as problem:
            raise _Wrong(429, "retryable", str(problem)) from None
        return Response(status_code=204)

    async def unplan(self, request: Request) -> Response:
        (await self._served(request)).cluster.plans.waiting.clear()
        return Response(status_code=204)

    async def tallies(self, request: Request) -> Response:
        return _json(dict((await self._served(request)).cluster.tallies))

    async def effects(self, request: Request) -> Response:
        log = (await self._served(request)).cluster.world.effects
        after = _number(request, "after", default=0, most=(1 << 62) - 1)
        limit = _number(request, "limit", default=MAX_EFFECTS, most=MAX_EFFECTS)
        found = [one for one, _ in zip(log.after(after), range(limit), strict=False)]
        return _json({"effects": found, "pushedOut": log.pushed_out})

    async def objects(self, request: Request) -> Response:
        cluster = (await self._served(request)).cluster
        now = cluster.now_ms()
        cluster.world.mature(now)
        return _json(list(cluster.world.observed(since=-1, now=now)))

    # What a hand does

    async def make(self, request: Request) -> Response:
        given = await _body(request, _SETTINGS)
        try:
            made = msgspec.convert({**given, "name": request.path_params["object"]}, hand.Made)
        except msgspec.ValidationError as problem:
            raise _Wrong(400, "invalid", str(problem)) from None
        cluster = (await self._served(request)).cluster
        await hand.make(cluster.world, made, now=cluster.now_ms())
        return Response(status_code=204)

    async def change(self, request: Request) -> Response:
        changed = await _body(request, _CHANGED)
        cluster = (await self._served(request)).cluster
        await hand.change(cluster.world, request.path_params["object"], changed, now=cluster.now_ms())
        return Response(status_code=204)

    async def vanish(self, request: Request) -> Response:
        cluster = (await self._served(request)).cluster
        await hand.vanish(cluster.world, request.path_params["object"], now=cluster.now_ms())
        return Response(status_code=204)

    async def crash(self, request: Request) -> Response:
        crashed = await _body(request, _CRASH)
        cluster = (await self._served(request)).cluster
        await hand.crash(cluster.world, request.path_params["object"], crashed, now=cluster.now_ms())
        return Response(status_code=204)

    async def _served(self, request: Request) -> Served:
        name = request.path_params["cluster"]
        if not _NAME.fullmatch(name):
            raise _Wrong(400, "invalid", "a cluster's name has 1 to 127 characters of A-Z a-z 0-9 _ . -")
        return await self._clusters.get(name)


async def _met(request: Request, served: Served, call: Awaitable[Any], *, asked: int = 0) -> Response:
    """The answer to a call that meets the cluster's faults. When it is given up meanwhile, it is finished all the same."""
    try:
        return _json(await call)
    except ReplyLost:
        return _Cut()
    except Hanging:
        await first_of(_disconnected(request), served.cluster.until_it_behaves())
        return _Cut()
    except DriverProblem as problem:
        status, body = told(problem, asked=asked)
        return _json(body, status=status)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _body(request: Request, decoder: msgspec.json.Decoder[T], *, most: int = MAX_BODY_BYTES) -> T:
    length = request.headers.get("content-length", "")
    if not length.isascii() or not length.isdigit():
        raise _Wrong(411, "invalid", "a request says how long it is (content-length)")
    if len(length) > 18 or int(length) > most:
        raise _Wrong(413, "invalid", f"a request like this has at most {most} bytes")
    try:
        return decoder.decode(await request.body())
    except msgspec.DecodeError as problem:
        raise _Wrong(400, "invalid", str(problem)) from None


def _number(request: Request, name: str, *, default: int, most: int) -> int:
    given = request.query_params.get(name, str(default))
    if not given.isascii() or not given.isdigit() or len(given) > 19 or int(given) > most:
        raise _Wrong(400, "invalid", f"{name} is a number from 0 to {most}")
    return int(given)


def _json(value: Any, *, status: int = 200) -> Response:
    headers = {}
    if isinstance(value, Problem) and value.retry_after_s is not None:
        headers["retry-after"] = str(max(1, round(value.retry_after_s)))
    return Response(_ENCODER.encode(value), status_code=status, media_type="application/json", headers=headers)


_NAME: Final = re.compile(CLUSTER_NAME)
_ENCODER: Final = msgspec.json.Encoder()
_ENSURE: Final = msgspec.json.Decoder(Ensure)
_REMOVAL: Final = msgspec.json.Decoder(RemovalWork)
_OBSERVE: Final = msgspec.json.Decoder(Observe)
_ASK_SAMPLES: Final = msgspec.json.Decoder(AskSamples)
_INVENTORY: Final = msgspec.json.Decoder(PushedInventory)
_SETTINGS: Final = msgspec.json.Decoder(dict[str, Any])
_PLAN: Final = msgspec.json.Decoder(Plan)
_CHANGED: Final = msgspec.json.Decoder(hand.Changed)
_CRASH: Final = msgspec.json.Decoder(hand.Crash)
