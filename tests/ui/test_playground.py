"""The playground in Debian's Chromium: signed in, running operations, and asking nothing of any other origin."""

import asyncio
import json
import socket
import subprocess
import threading
import time
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest
import strawberry
import uvicorn
from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from strawberry.asgi import GraphQL

from server.pages import page_routes
from server.ui_build import UiBuild, UiPaths

COOKIE = "session"


@strawberry.type
class Tenant:
    name: str


@strawberry.type
class Role:
    role: str
    tenant: Tenant | None


@strawberry.type
class Viewer:
    name: str
    roles: list[Role]


@strawberry.type
class City:
    name: str


@strawberry.type
class Query:
    @strawberry.field
    def viewer(self) -> Viewer:
        return Viewer(
            name="Ada", roles=[Role(role="ADMIN", tenant=None), Role(role="VIEWER", tenant=Tenant(name="media"))]
        )

    @strawberry.field
    def cities(self) -> list[City]:
        return [City(name="Wien"), City(name="Łódź")]


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def revision(self) -> AsyncGenerator[int, None]:
        for number in range(1_000):
            yield number
            await asyncio.sleep(0.05)


class SignedIn:
    """`/graphql` for callers with the cookie; a POST also needs the header that only a page of this origin can set."""

    def __init__(self) -> None:
        self.app = GraphQL(strawberry.Schema(query=Query, subscription=Subscription))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = HTTPConnection(scope)
        refused: Response | None = None
        if COOKIE not in connection.cookies:
            refused = PlainTextResponse("sign in", status_code=401)
        elif scope["type"] == "http" and scope["method"] == "POST" and "x-edgeatlas-csrf" not in connection.headers:
            refused = PlainTextResponse("header missing", status_code=403)
        await (refused or self.app)(scope, receive, send)


def login(request: Request) -> Response:
    if request.query_params.get("token") != "once":
        return PlainTextResponse("Sign in with the link that the server printed.")
    reply = RedirectResponse("/playground")
    reply.set_cookie(COOKIE, "1", httponly=True, samesite="lax")
    return reply


def logout(request: Request) -> Response:
    if "x-edgeatlas-csrf" not in request.headers:
        return Response(status_code=403)
    reply = Response(status_code=204)
    reply.delete_cookie(COOKIE)
    return reply


@pytest.fixture
def origin(built_pages: UiPaths) -> Iterator[str]:
    """A server of these pages with a small schema."""
    routes = [
        *page_routes(UiBuild(directory=built_pages.built)),
        Route("/auth/login", login),
        Route("/auth/logout", logout, methods=["POST"]),
        Route("/graphql", SignedIn(), methods=["GET", "POST"]),
        WebSocketRoute("/graphql", SignedIn()),
    ]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            deadline = time.monotonic() + 20
            while not server.started and time.monotonic() < deadline:
                time.sleep(0.02)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(timeout=20)


def test_the_playground_serves_a_signed_in_viewer_and_asks_no_other_origin(
    origin: str, built_pages: UiPaths, chromium: str, tmp_path: Path
) -> None:
    arguments = {
        "browser": chromium,
        "origin": origin,
        "signIn": f"{origin}/auth/login?token=once",
        "viewer": "Signed in as Ada · admin everywhere, viewer in media",
        "query": "{ cities { name } }",
        "expected": '"name": "Łódź"',
        "subscription": "subscription { revision }",
        "event": '"revision": 3',
        "completion": {"typed": "cit", "field": "cities"},
        "failure": str(tmp_path / "failure.png"),
    }
    done = subprocess.run(
        ["node", "e2e/playground.mjs", json.dumps(arguments)],
        cwd=built_pages.sources,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert done.stdout.count("ok: ") == 12
