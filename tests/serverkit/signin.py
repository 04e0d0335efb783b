"""Signing in on the real store, without the rest of the application: its routes, a browser, and what tests send."""

from __future__ import annotations

import re

import httpx
import msgspec
from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from access.audit import Audit
from access.links import issue_link
from access.passwords import Passwords, password_key
from access.sessions import Sessions
from access.throttle import Throttle
from access.viewer import now_ms
from graph.kinds import Role, RoleBinding, User
from graph.ledger import Ledger
from graph.request import Request as LedgerRequest
from graph.store import RecordPage
from server.signin import SignIn

PASSWORD = "a tall copper lighthouse"
HOME = "http://atlas.example:8800"


class Site:
    """The routes under test with a page that says who is calling."""

    def __init__(self, ledger: Ledger, audit: Audit, **more):
        self.ledger = ledger
        self.audit = audit
        self.seconds = 0.0
        self.sessions = Sessions(ledger.store)
        self.passwords = Passwords(time_cost=1, memory_kib=64)
        self.signin = SignIn(
            ledger,
            sessions=self.sessions,
            passwords=self.passwords,
            audit=audit,
            throttle=Throttle(clock_s=lambda: self.seconds),
            **more,
        )
        self.app = Starlette(routes=[*self.signin.routes(), Route("/who", self.who)])

    async def who(self, request: Request) -> JSONResponse:
        viewer = await self.signin.authenticate(request)
        return JSONResponse(None if viewer is None else [viewer.name, viewer.via_cookie])

    def browser(self, *, base=HOME, address="192.0.2.1", **more) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.app, client=(address, 1234))
        return httpx.AsyncClient(transport=transport, base_url=base, **more)

    async def user(self, name, password=PASSWORD, **fields):
        hashed = await self.passwords.hash(password) if password else None

        def function(edit):
            user = edit.create(User, name=name, **fields)
            edit.create(RoleBinding, subject_id=user.id, role=Role.ADMIN)
            if hashed:
                edit.keep_private(password_key(user.id), hashed)
            return user

        return (await self.ledger.commit(function, LedgerRequest(author="x", action="y"))).value

    async def audited(self):
        await self.audit.write(everything=True)
        records = await self.ledger.store.records(RecordPage(collection="audit", limit=1_000, ascending=True))
        return [msgspec.json.decode(one.body) for one in records]


def csrf_of(reply):
    return re.search(r'name="csrf" value="([0-9a-f]{64})"', reply.text)[1]


async def sign_in(browser, name="ann", password=PASSWORD, *, csrf=None, next=None, headers=None, **more):
    page = await browser.get("/auth/login")
    form = {"csrf": csrf_of(page) if csrf is None else csrf, "name": name, "password": password, **more}
    if next is not None:
        form["next"] = next
    return await browser.post("/auth/login", data=form, headers={"Origin": str(browser.base_url)} | (headers or {}))


async def who(browser, **headers):
    return (await browser.get("/who", headers=headers)).json()


async def token_of(site, name="ann", **more):
    user = site.ledger.view.find("User", name)
    link = await issue_link(site.ledger.store, user, base_url=HOME, now=now_ms(), **more)
    return link.partition("token=")[2].partition("&")[0]


async def make_token(browser, name="ann", password=PASSWORD, **more):
    headers = more.pop("headers", None)
    return await browser.post("/auth/session", json={"name": name, "password": password, **more}, headers=headers)


def connection(kind="http", scheme=None, **headers):
    return HTTPConnection(
        {
            "type": kind,
            "scheme": scheme or ("ws" if kind == "websocket" else "http"),
            "server": ("atlas.example", 8800),
            "path": "/graphql",
            "query_string": b"",
            "headers": [(key.replace("_", "-").encode(), value.encode()) for key, value in
                        ({"host": "atlas.example:8800"} | headers).items()],
        }
    )  # fmt: skip


def cookie_header(browser):
    return "; ".join(f"{one.name}={one.value}" for one in browser.cookies.jar)


CROSS_SITE = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://atlas.example:8801"},
    {"Origin": "http://atlas.example.evil.example:8800"},
    {"Origin": "http://atlas.example:8800.evil.example"},
    {"Origin": "http://atlas.example:8800/path"},
    {"Origin": "ftp://atlas.example:8800"},
]
