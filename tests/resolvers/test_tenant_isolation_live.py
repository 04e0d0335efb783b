"""Tenants do not see each other in what is live: every member of both over the real socket, while both tenants change.

Members with equal rights share one group of the broadcast, so a mistake in what makes a group would show here: members of
both tenants ask for the very same documents on one server, and each one's frames are searched for the other's words.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
import uvicorn
from graphql import parse, validate
from websockets.asyncio.client import ClientConnection, connect

from access.viewer import SYSTEM
from graph.kinds import Role
from resolvers.schema import graphql_schema
from server.app import Application
from server.websocket_transport import LettingGo
from worldkit.questions import MEMBERS, OTHER, leaks, selection
from worldkit.running import application_in, data
from worldkit.two_tenants import MARKERS, World, two_tenants

pytestmark = pytest.mark.asyncio(loop_scope="module")
QUIET_S = 0.7
numbers = itertools.count()


CHANGES = """
__typename
... on ChangeSet { revision cursor follows changes { type kind id entity {
  __typename id displayName revision labels { key value } source { name } external { id }
  ... on Named { name }
  ... on Site { health { status reasons } clusters { nodes { name } } nodes { nodes { name } }
    releases { nodes { id backendName } } }
  ... on Cluster { clusterHealth: health { status reasons } served: sites { name health { reasons } } }
  ... on Node { statusReason site { name clusters { nodes { name } } } cluster { name } }
  ... on Deployment { message releases { nodes { backendName error } } }
  ... on Release { backendName error site { name } instances { nodes { backendName message } } }
} } }
... on ChangeHeartbeat { revision }
... on ChangeResync { reason }
"""


def subscription(name: str, arguments: str = "", *, declared: str = "") -> str:
    """A subscription with all that a document may ask for: aliases, which keep types apart, are few in one."""
    kinds = {"topology": ("TopologyEvent", 2), "operation": ("Operation", 1)}
    if name == "changes":
        body = CHANGES
    else:
        kind, depth = kinds[name]
        body = re.sub(r"\w+: (\w+)", r"\1", selection(graphql_schema().type_map[kind], depth))
    text = f"subscription{declared} {{ {name}{arguments} {{ {body} }} }}"
    assert validate(graphql_schema(), parse(text)) == []
    return text


TWICE = [(tenant, role) for tenant in "ab" for role in (Role.DEVELOPER, Role.VIEWER)]
"""Members who come a second time, so that there are groups of more than one."""


@dataclass
class Member:
    """One member on one connection, and all frames that came."""

    tenant: str
    role: Role
    connection: ClientConnection
    frames: list[bytes] = field(default_factory=list)

    async def subscribe(self, key: str, query: str, **variables: Any) -> None:
        payload = {"query": query, "variables": variables}
        await self.connection.send(orjson.dumps({"id": key, "type": "subscribe", "payload": payload}).decode())

    async def listen(self) -> None:
        async for frame in self.connection:
            self.frames.append(frame.encode() if isinstance(frame, str) else frame)

    def heard(self, key: str) -> list[dict[str, Any]]:
        """The frames of one subscription."""
        return [one for one in map(orjson.loads, self.frames) if one.get("id") == key]


@contextlib.asynccontextmanager
async def listening(application: Application) -> AsyncIterator[str]:
    """The application on a real socket; gives the address of its WebSocket."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(application.asgi, log_level="error", ws=LettingGo, ws_per_message_deflate=False)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}/graphql"
    finally:
        await application.drain()
        server.should_exit = True
        await running


async def token_of(application: Application, made: World, tenant: str, role: Role, number: int) -> str:
    text = """mutation($name: String!) { createApiToken(input: {name: $name}) {
      __typename ... on CreateApiTokenPayload { token } ... on Error { message } } }"""
    viewer = made.viewers[tenant, role]
    answer = await data(application, text, {"name": f"{MARKERS[tenant]}-live-{number}"}, viewer=viewer)
    return str(answer["createApiToken"]["token"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> Any:
    async with application_in(Path(tmp_path_factory.mktemp("live"))) as application:
        yield application, await two_tenants(application)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(world: tuple[Application, World]) -> AsyncIterator[str]:
    async with listening(world[0]) as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def members(world: tuple[Application, World], url: str) -> AsyncIterator[list[Member]]:
    application, made = world
    async with contextlib.AsyncExitStack() as stack:
        found = []
        for tenant, role in MEMBERS + TWICE:
            token = await token_of(application, made, tenant, role, next(numbers))
            connection = await stack.enter_async_context(
                connect(url, subprotocols=["graphql-transport-ws"], compression=None, max_size=None)  # type: ignore[list-item]  # a str
            )
            await connection.send(
                orjson.dumps({"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}).decode()
            )
            assert orjson.loads(await connection.recv()) == {"type": "connection_ack"}
            found.append(Member(tenant, role, connection))
        listeners = [asyncio.create_task(one.listen()) for one in found]
        yield found
        for task in listeners:
            task.cancel()
        await asyncio.gather(*listeners, return_exceptions=True)


async def change(application: Application, name: str, **given: Any) -> dict[str, Any]:
    kind = name[0].upper() + name[1:]
    text = f"""mutation($input: {kind}Input!) {{ {name}(input: $input) {{
        __typename ... on {kind}Payload {{ {"operation { id }" if "Deployment" in name else "revision"} }}
        ... on Error {{ message path }} }} }}"""
    answer: dict[str, Any] = (await data(application, text, {"input": given}, viewer=SYSTEM))[name]
    assert answer["__typename"] == f"{kind}Payload", answer
    return answer


async def much_happens(application: Application, made: World, tenant: str, number: int) -> str:
    """Changes something of each sort in a tenant, its private cluster's health among it; gives an operation."""
    own, marker = made.ids[tenant], MARKERS[tenant]
    for kind in ("Site", "Region", "Node", "Link", "App", "Service", "Secret", "ServiceAccount", "Tenant"):
        await change(application, f"update{kind}", id=own[kind][0], displayName=f"{marker} {number}")
    away = [] if number % 2 else ["shared-site"]
    await change(application, "updateCluster", id=own["Cluster"][0], configuration={"awaySites": away})
    scaled = await change(
        application,
        "scaleDeployment",
        id=own["Deployment"][0],
        replicas=[{"name": f"{marker}-web", "count": 1 + number % 2}],
    )
    return str(scaled["operation"]["id"])


async def quiet(members: list[Member]) -> None:
    """Until nothing has come for a while."""
    for _ in range(60):
        before = sum(len(one.frames) for one in members)
        await asyncio.sleep(QUIET_S)
        if sum(len(one.frames) for one in members) == before:
            return


def changes_in(member: Member) -> list[Any]:
    return [frame["payload"] for frame in member.heard("changes") if b"ChangeSet" in orjson.dumps(frame)]


def words_told(made: World, application: Application, tenant: str) -> None:
    """Adds what came to be since the world was made to what may not be seen outside the tenant."""
    view, tenant_id = application.ledger.view, made.tenants[tenant]
    for kind in ("Release", "Instance", "Operation"):
        new = [one for one in view.ids(kind) if getattr(view.get(one), "tenant_id", None) == tenant_id]
        known = made.ids[tenant].setdefault(kind, [])
        known += [one for one in new if one not in known]


async def test_no_subscription_delivers_another_tenants_things(
    world: tuple[Application, World], members: list[Member]
) -> None:
    application, made = world
    for one in members:
        await one.subscribe("changes", subscription("changes", "(maxRateHz: 100)"))
        await one.subscribe("topology", subscription("topology", "(maxRateHz: 100)"))
    await quiet(members)
    text = subscription("operation", "(id: $id)", declared="($id: ID!)")
    for number in (1, 2):
        for tenant in "ab":
            operation = await much_happens(application, made, tenant, number)
            made.ids[tenant]["Operation"].append(operation)
            for one in members:
                await one.subscribe(f"{tenant}{number}", text, id=operation)
            words_told(made, application, tenant)
    await quiet(members)
    for tenant in "ab":
        words_told(made, application, tenant)
    for one in members:
        heard = b"".join(one.frames)
        found = leaks(heard, made, one.tenant, set())
        # The refusal of an operation by its id repeats the id that was asked for.
        asked = {word for word in found if word.startswith(b"operation_")}
        answers = [frame for frame in one.frames if any(word in frame for word in asked)]
        assert not set(found) - asked, (one.tenant, one.role, found)
        assert all(orjson.loads(frame)["type"] == "error" for frame in answers), (one.tenant, one.role)
        assert MARKERS[one.tenant].encode() in heard
        assert not any(orjson.loads(frame)["type"] == "error" and b"INTERNAL" in frame for frame in one.frames)
        for number in (1, 2):
            theirs = one.heard(f"{OTHER[one.tenant]}{number}")
            assert {frame["type"] for frame in theirs} <= {"error", "complete"}, theirs
        for name in ("changes", "topology"):
            assert {frame["type"] for frame in one.heard(name)} == {"next"}, (name, one.heard(name)[:1])
        kinds = {frame["payload"]["data"]["changes"]["__typename"] for frame in one.heard("changes")}
        assert "ChangeSet" in kinds
    operated = [one for one in members if one.role is not Role.GUEST]
    assert all(any(frame["type"] == "next" for frame in one.heard(f"{one.tenant}1")) for one in operated), "the control"
    for tenant, role in TWICE:
        first, second = (one for one in members if (one.tenant, one.role) == (tenant, role))
        assert changes_in(first) == changes_in(second), "one group"


def cursor_in(member: Member, name: str) -> str:
    """The first cursor that a subscription gave; heartbeats have none."""
    values = (frame["payload"]["data"][name] for frame in member.heard(name))
    return next(str(one["cursor"]) for one in values if "cursor" in one)


async def test_a_cursor_of_another_resumes_ones_own(world: tuple[Application, World], members: list[Member]) -> None:
    application, made = world
    first = {one.tenant: one for one in members if one.role is Role.ADMIN}
    for one in first.values():
        await one.subscribe("changes", subscription("changes", "(maxRateHz: 100)"))
        await one.subscribe("topology", subscription("topology", "(maxRateHz: 100)"))
    await quiet(members)
    cursors = {}
    for tenant, one in first.items():
        await much_happens(application, made, tenant, 3)
        await quiet(members)
        cursors[tenant] = {name: cursor_in(one, name) for name in ("changes", "topology")}
    for one in members:
        for name in ("changes", "topology"):
            text = subscription(name, "(after: $after, maxRateHz: 100)", declared="($after: String)")
            await one.subscribe(f"{name}-after", text, after=cursors[OTHER[one.tenant]][name])
    for tenant in "ab":
        await much_happens(application, made, tenant, 4)
    await quiet(members)
    for one in members:
        assert not leaks(b"".join(one.frames), made, one.tenant, set()), (one.tenant, one.role)
        assert one.heard("changes-after")
        assert one.heard("topology-after")
