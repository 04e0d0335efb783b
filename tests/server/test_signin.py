"""Signing in over HTTP, against the real store: what a browser, a program and somebody hostile would send."""

from __future__ import annotations

import asyncio
import re
from urllib.parse import urlsplit

import httpx
import msgspec
import pytest
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
from graph.change import encode_commit
from graph.kinds import ApiToken, Role, RoleBinding, User
from graph.ledger import Ledger
from graph.refusal import Forbidden, InvalidInput
from graph.request import Request as LedgerRequest
from graph.store import RecordPage, StoreUnavailable
from graph.stores.sqlite import SqliteStore
from server.signin import SignIn
from server.signin_requests import is_own_path

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


@pytest.fixture
async def ledger(tmp_path):
    async with Ledger(SqliteStore(tmp_path / "data" / "graph.sqlite")).running() as running:
        yield running


@pytest.fixture
async def site(ledger):
    made = Site(ledger, Audit(ledger))
    await made.user("ann")
    return made


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


# The form


async def test_a_browser_signs_in_goes_on_and_signs_out(site):
    async with site.browser() as browser:
        assert await who(browser) is None
        reply = await sign_in(browser, next="/playground?tab=2")
        assert (reply.status_code, reply.headers["location"]) == (303, "/playground?tab=2")
        cookie = next(one for one in reply.headers.get_list("set-cookie") if "session" in one)
        for part in ("HttpOnly", "SameSite=lax", "Path=/", "Max-Age=43200"):
            assert part in cookie
        assert await who(browser) == ["ann", True]
        assert "signed in as <strong>ann</strong>" in (await browser.get("/auth/login")).text
        out = await browser.post("/auth/logout", headers={"X-EdgeAtlas-CSRF": "1", "Origin": HOME})
        assert out.status_code == 204
        assert await who(browser) is None


async def test_the_page_needs_no_script_loads_nothing_and_is_not_kept(site):
    async with site.browser() as browser:
        reply = await browser.get("/auth/login")
        assert "<script" not in reply.text
        assert not re.search(r"(src|href)=\"(?!/)", reply.text)
        policy = reply.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert reply.headers["cache-control"] == "no-store"
        assert reply.headers["x-frame-options"] == "DENY"


async def test_by_tls_the_cookie_is_held_to_this_host(site):
    async with site.browser(base="https://atlas.example") as browser:
        reply = await sign_in(browser)
        cookie = next(one for one in reply.headers.get_list("set-cookie") if "session" in one)
        assert cookie.startswith("__Host-edgeatlas-session=")
        assert "Secure" in cookie
        assert await who(browser) == ["ann", True]
        secret = browser.cookies["__Host-edgeatlas-session"]
    async with site.browser() as plain:
        assert await who(plain, cookie=f"__Host-edgeatlas-session={secret}") is None


async def test_behind_a_proxy_that_ends_tls_the_public_address_decides(ledger):
    site = Site(ledger, Audit(ledger), public_url="https://atlas.example")
    await site.user("bob")
    async with site.browser(base="http://internal:8800") as browser:
        page = await browser.get("/auth/login")
        cookies = {one.partition("=")[0]: one.partition("=")[2].partition(";")[0]
                   for one in page.headers.get_list("set-cookie")}  # fmt: skip
        assert list(cookies) == ["__Host-edgeatlas-form"]
        form = {"csrf": csrf_of(page), "name": "bob", "password": PASSWORD}
        headers = {
            "Origin": "https://atlas.example",
            "Cookie": f"__Host-edgeatlas-form={cookies['__Host-edgeatlas-form']}",
        }
        reply = await browser.post("/auth/login", data=form, headers=headers)
        assert reply.status_code == 303


WRONG = [
    ("ann", "a tall copper lighthous"),
    ("ann", ""),
    ("ann", "x" * 20_000),
    ("nobody", PASSWORD),
    ("", PASSWORD),
    ("ghost", PASSWORD),
    ("linkonly", PASSWORD),
    ("linkonly", ""),
    ("ann\x00", PASSWORD),
    ("ann' OR 1=1", PASSWORD),
]


@pytest.mark.parametrize(("name", "password"), WRONG)
async def test_a_failure_is_the_same_whatever_it_was(site, name, password):
    await site.user("ghost", disabled=True)
    await site.user("linkonly", password=None)
    async with site.browser() as browser:
        reply = await sign_in(browser, name, password)
        assert reply.status_code == 401
        assert "The name or the password is wrong." in reply.text
        assert await who(browser) is None
        assert not any("session" in one for one in reply.headers.get_list("set-cookie"))
        assert not password or password not in reply.text


@pytest.mark.parametrize("name", ["ann", "nobody", "ghost", "linkonly"])
async def test_a_failure_does_the_same_work_whoever_is_named(site, monkeypatch, name):
    """By structure rather than by the clock: one read of the store and one comparison, whoever is named."""
    await site.user("ghost", disabled=True)
    await site.user("linkonly", password=None)
    done = []
    private, matches = site.ledger.store.private, site.passwords.matches

    async def counted_private(key):
        done.append("read")
        return await private(key)

    async def counted_matches(password, kept):
        done.append("compare")
        return await matches(password, kept)

    monkeypatch.setattr(site.ledger.store, "private", counted_private)
    monkeypatch.setattr(site.passwords, "matches", counted_matches)
    async with site.browser() as browser:
        assert (await sign_in(browser, name, "not the password")).status_code == 401
    assert done == ["read", "compare"]


async def test_what_was_typed_is_shown_as_text_and_never_as_markup(site):
    async with site.browser() as browser:
        reply = await sign_in(browser, '"><script>alert(1)</script>', "wrong", next='/"><script>')
        assert "<script" not in reply.text
        assert "&lt;script&gt;" in reply.text


@pytest.mark.parametrize(
    "next_path",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "\\\\evil.example",
        "/\t/evil.example",
        "\n//evil.example",
        " //evil.example",
        "javascript:alert(1)",
        "evil.example",
        "http:evil.example",
        "/%0d%0aSet-Cookie: a=b\r\nX: y",
        "/ü",
        "",
        "/" + "x" * 3_000,
    ],
)
async def test_after_signing_in_nobody_is_sent_elsewhere(site, next_path):
    assert not is_own_path(next_path)
    async with site.browser() as browser:
        for reply in (
            await sign_in(browser, next=next_path),
            await browser.get("/auth/link", params={"token": await token_of(site), "next": next_path},
                              headers={"cookie": ""}),
        ):  # fmt: skip
            if reply.status_code == 303:
                assert reply.headers["location"] == "/"
            assert "evil" not in reply.text


@pytest.mark.parametrize("path", ["/", "/playground", "/a/b?c=d&e=//f#g", "/%2F%2Fevil.example", "/@evil.example"])
def test_paths_of_this_server_are_gone_to(path):
    assert is_own_path(path)
    assert urlsplit(path).netloc == ""


async def test_an_id_that_was_planted_is_worth_nothing(site):
    """Session fixation: the victim signs in with a session id that the attacker knows."""
    async with site.browser() as attacker, site.browser() as victim:
        await site.user("mallory")
        await sign_in(attacker, "mallory")
        name, planted = next((one.name, one.value) for one in attacker.cookies.jar if "session" in one.name)
        victim.cookies.set(name, planted)
        page = await victim.get("/auth/login")
        form = {"csrf": csrf_of(page), "name": "ann", "password": PASSWORD}
        await victim.post("/auth/login", data=form, headers={"Origin": HOME})
        fresh = [one.value for one in victim.cookies.jar if one.name == name]
        assert planted not in fresh[-1:]
        assert await who(attacker) is None, "the session that was there before has ended"


CROSS_SITE = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://atlas.example:8801"},
    {"Origin": "http://atlas.example.evil.example:8800"},
    {"Origin": "http://atlas.example:8800.evil.example"},
    {"Origin": "http://atlas.example:8800/path"},
    {"Origin": "ftp://atlas.example:8800"},
]


@pytest.mark.parametrize("headers", CROSS_SITE)
async def test_another_site_signs_nobody_in_or_out(site, headers):
    async with site.browser() as browser:
        reply = await sign_in(browser, headers=headers)
        assert reply.status_code == 403
        assert await who(browser) is None
        assert (await sign_in(browser)).status_code == 303
        for more in ({"X-EdgeAtlas-CSRF": "1"}, {}):
            csrf = csrf_of(await browser.get("/auth/login"))
            out = await browser.post("/auth/logout", data={"csrf": csrf}, headers=headers | more)
            assert out.status_code == 403
        assert await who(browser) == ["ann", True]


async def test_without_the_origin_the_forms_token_decides(site):
    async with site.browser() as browser:
        for csrf in ("", "0" * 64, "é" * 64):
            page = await browser.get("/auth/login")
            form = {"csrf": csrf, "name": "ann", "password": PASSWORD}
            assert (await browser.post("/auth/login", data=form)).status_code == 403
        form["csrf"] = csrf_of(page)
        cross = {"Sec-Fetch-Site": "cross-site"}
        assert (await browser.post("/auth/login", data=form, headers=cross)).status_code == 403
        async with site.browser() as other:
            assert (await other.post("/auth/login", data=form)).status_code == 403, "a token without its cookie"
        assert (await browser.post("/auth/login", data=form)).status_code == 303
        assert (await browser.post("/auth/logout", data={"csrf": "no"})).status_code == 403
        out = await browser.post("/auth/logout", data={"csrf": csrf_of(await browser.get("/auth/login"))})
        assert (out.status_code, out.headers["location"]) == (303, "/auth/login")
        assert await who(browser) is None


async def test_bodies_that_are_no_form_or_too_large_are_refused(site):
    async with site.browser() as browser:
        assert (await browser.post("/auth/login", json={"name": "ann"})).status_code == 415
        assert (await browser.post("/auth/login", data={"name": "x" * 40_000})).status_code == 413
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        for body in (b"\xff\xfe", b"&".join(b"a=b" for _ in range(100)), b"a=%ff"):
            assert (await browser.post("/auth/login", content=body, headers=form)).status_code == 400
        assert (await browser.head("/auth/login")).status_code == 200
        assert (await browser.put("/auth/login")).status_code == 405


async def test_guessing_is_slowed_down_for_one_address_and_not_for_the_others(site):
    async with site.browser() as guesser, site.browser(address="198.51.100.7") as ann:
        codes = [(await sign_in(guesser, password=f"guess {one}")).status_code for one in range(8)]
        assert codes == [401] * 6 + [429] * 2
        limited = await sign_in(guesser)
        assert limited.status_code == 429, "not even the right password now"
        assert int(limited.headers["retry-after"]) > 0
        assert (await sign_in(ann)).status_code == 303
        site.seconds += 1_000
        assert (await sign_in(guesser)).status_code == 303


async def test_guesses_at_once_get_no_further_than_guesses_in_turn(site):
    async with site.browser() as browser:
        page = await browser.get("/auth/login")
        replies = await asyncio.gather(
            *(
                browser.post("/auth/login", data={"csrf": csrf_of(page), "name": "ann", "password": f"guess {one}"})
                for one in range(30)
            )
        )
        assert sorted({one.status_code for one in replies}) == [401, 429]
        assert sum(one.status_code == 401 for one in replies) == 6


async def test_a_hash_with_older_parameters_is_made_anew_at_the_next_sign_in(site):
    user = site.ledger.view.find("User", "ann")
    before = await site.ledger.store.private(password_key(user.id))
    site.signin.passwords._passwords = Passwords(time_cost=2, memory_kib=64)
    async with site.browser() as browser:
        assert (await sign_in(browser)).status_code == 303
        after = await site.ledger.store.private(password_key(user.id))
        assert after != before
        assert b"t=2" in after
        assert (await sign_in(browser)).status_code == 303
        assert await site.ledger.store.private(password_key(user.id)) == after


async def test_a_new_password_ends_the_sessions_that_there_are(site):
    ann = site.ledger.view.find("User", "ann")
    async with site.browser() as browser:
        await sign_in(browser)
        viewer = await site.signin.authenticate(connection(cookie=cookie_header(browser)))
        for current, kind in [("wrong", Forbidden), (None, Forbidden)]:
            with pytest.raises(kind):
                await site.signin.passwords.change(viewer, ann.id, new="three grey herons fly", current=current)
        with pytest.raises(InvalidInput) as refused:
            await site.signin.passwords.change(viewer, ann.id, new="ann-ann-ann-ann", current=PASSWORD)
        assert refused.value.path == "input.password"
        await site.signin.passwords.change(viewer, ann.id, new="three grey herons fly", current=PASSWORD)
        assert await who(browser) is None
        assert site.signin.revoked(viewer)
        assert (await sign_in(browser)).status_code == 401
        assert (await sign_in(browser, password="three grey herons fly")).status_code == 303


async def test_signing_out_closes_what_the_session_had_opened(site):
    async with site.browser() as browser:
        await sign_in(browser)
        viewer = await site.signin.authenticate(connection(cookie=cookie_header(browser)))
        assert not site.signin.revoked(viewer)
        await browser.post("/auth/logout", headers={"X-EdgeAtlas-CSRF": "1"})
        assert site.signin.revoked(viewer)


async def test_a_role_that_was_taken_away_closes_what_was_opened_with_it(site):
    async with site.browser() as browser:
        await sign_in(browser)
        viewer = await site.signin.authenticate(connection(cookie=cookie_header(browser)))
        [binding] = site.ledger.view.ids("RoleBinding", "subject_id", viewer.id)
        entity = site.ledger.view.get(binding)
        await site.ledger.commit(lambda edit: edit.delete(entity), LedgerRequest(author="x", action="y"))
        assert site.signin.revoked(viewer)
        assert await who(browser) == ["ann", True], "still a person, with no rights"


async def test_while_the_store_is_away_nobody_new_gets_in_and_the_answer_says_so(site, monkeypatch):
    async def away(*_, **__):
        raise StoreUnavailable("away")

    async with site.browser() as browser:
        monkeypatch.setattr(site.ledger.store, "private", away)
        assert (await sign_in(browser)).status_code == 503
        monkeypatch.undo()
        monkeypatch.setattr(site.ledger.store, "put_ephemeral", away)
        reply = await sign_in(browser)
        assert (reply.status_code, reply.headers["retry-after"]) == (503, "5")
        assert "Traceback" not in reply.text


# Links


async def token_of(site, name="ann", **more):
    user = site.ledger.view.find("User", name)
    link = await issue_link(site.ledger.store, user, base_url=HOME, now=now_ms(), **more)
    return link.partition("token=")[2].partition("&")[0]


async def test_a_link_signs_in_once_and_leaves_no_trace_of_its_address(site):
    token = await token_of(site)
    async with site.browser() as browser, site.browser() as second:
        reply = await browser.get("/auth/link", params={"token": token, "next": "/playground"})
        assert (reply.status_code, reply.headers["location"]) == (303, "/playground")
        assert reply.headers["referrer-policy"] == "no-referrer"
        assert reply.headers["cache-control"] == "no-store"
        assert await who(browser) == ["ann", True]
        used = await second.get("/auth/link", params={"token": token})
        assert used.status_code == 401
        assert "used already" in used.text
        assert token not in used.text
        assert await who(second) is None


async def test_of_many_browsers_that_race_for_a_link_one_gets_in(site):
    token = await token_of(site)
    async with site.browser() as browser:
        replies = await asyncio.gather(*(browser.get("/auth/link", params={"token": token}) for _ in range(20)))
        assert sorted(one.status_code for one in replies) == [303] + [401] * 19


@pytest.mark.parametrize(
    "headers", [{"Sec-Purpose": "prefetch"}, {"Sec-Purpose": "prefetch;prerender"}, {"Purpose": "prefetch"}]
)
async def test_a_browser_that_loads_ahead_does_not_use_the_link_up(site, headers):
    token = await token_of(site)
    async with site.browser() as browser:
        assert (await browser.get("/auth/link", params={"token": token}, headers=headers)).status_code == 403
        await browser.head("/auth/link", params={"token": token})
        assert await who(browser) is None
        assert (await browser.get("/auth/link", params={"token": token})).status_code == 303


async def test_who_is_signed_in_is_asked_before_a_link_takes_over(site):
    """Otherwise a link sent by somebody else would sign its reader in as that somebody, unnoticed."""
    await site.user("mallory")
    token = await token_of(site, "mallory")
    async with site.browser() as browser:
        await sign_in(browser)
        page = await browser.get("/auth/link", params={"token": token})
        assert page.status_code == 200
        assert await who(browser) == ["ann", True]
        form = {"csrf": csrf_of(page), "token": token}
        assert (await browser.post("/auth/link", data=form | {"csrf": "no"})).status_code == 403
        cross = await browser.post("/auth/link", data=form, headers={"Origin": "https://evil.example"})
        assert cross.status_code == 403
        assert (await browser.post("/auth/link", data=form, headers={"Origin": HOME})).status_code == 303
        assert await who(browser) == ["mallory", True]


@pytest.mark.parametrize("token", ["", "x", "x" * 43, "x" * 5_000, "../../etc", "%00"])
async def test_guesses_are_no_links(site, token):
    async with site.browser() as browser:
        assert (await browser.get("/auth/link", params={"token": token})).status_code == 401


# Programs


async def make_token(browser, name="ann", password=PASSWORD, **more):
    headers = more.pop("headers", None)
    return await browser.post("/auth/session", json={"name": name, "password": password, **more}, headers=headers)


async def test_a_program_gets_a_token_uses_it_and_ends_it(site):
    async with site.browser() as program:
        reply = await make_token(program, tokenName="laptop", expiresInDays=7)
        assert reply.status_code == 201
        made = reply.json()
        assert made["name"] == "laptop"
        assert made["expiresAt"] - now_ms() == pytest.approx(7 * 86_400_000, abs=60_000)
        bearer = f"Bearer {made['token']}"
        assert await who(program, authorization=bearer) == ["ann", False]
        assert await who(program, authorization=bearer.lower()) is None
        assert await who(program, authorization=bearer.replace("Bearer", "bearer")) == ["ann", False]
        for other in (
            f"Basic {made['token']}",
            made["token"],
            "Bearer",
            "Bearer ",
            "Bearer ea_x",
            "Bearer " + "x" * 999,
        ):
            assert await who(program, authorization=other) is None
        assert (
            await program.get("/who", params={"token": made["token"], "access_token": made["token"]})
        ).json() is None
        assert (await program.delete("/auth/session")).status_code == 401
        assert (await program.delete("/auth/session", headers={"authorization": bearer})).status_code == 204
        assert await who(program, authorization=bearer) is None
        assert (await make_token(program)).json()["name"].startswith("sign-in ")


async def test_a_bad_token_is_not_made_up_for_by_a_cookie(site):
    async with site.browser() as browser:
        await sign_in(browser)
        assert await who(browser, authorization="Bearer ea_x") is None
        assert await who(browser) == ["ann", True]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "ann", "password": "wrong"}, 401),
        ({"name": "nobody", "password": PASSWORD}, 401),
        ({"name": "ann"}, 400),
        ({"name": "ann", "password": PASSWORD, "isAdmin": True}, 400),
        ({"name": "ann", "password": PASSWORD, "expiresInDays": 0}, 400),
        ({"name": "ann", "password": PASSWORD, "expiresInDays": 1e9}, 400),
        ({"name": "ann", "password": PASSWORD, "role": "EMPEROR"}, 400),
        ({"name": "ann", "password": PASSWORD, "tokenName": "a/b"}, 400),
        ([1, 2], 400),
    ],
)
async def test_a_program_that_asks_wrongly_is_told_without_being_quoted(site, body, status):
    async with site.browser() as program:
        reply = await program.post("/auth/session", json=body)
        assert reply.status_code == status
        assert PASSWORD not in reply.text
        assert set(reply.json()["error"]) >= {"code", "message"}
    assert site.ledger.view.count("ApiToken") == 0


async def test_no_form_and_no_page_of_another_site_gets_a_token(site):
    async with site.browser() as browser:
        body = msgspec.json.encode({"name": "ann", "password": PASSWORD})
        for media_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
            reply = await browser.post("/auth/session", content=body, headers={"Content-Type": media_type})
            assert reply.status_code == 415
        assert (await make_token(browser, headers={"Origin": "https://evil.example"})).status_code == 415
        assert (await browser.options("/auth/session")).status_code == 405
        assert "access-control-allow-origin" not in reply.headers


async def test_tokens_of_one_name_are_not_made_twice_and_old_ones_are_cleared_away(site):
    async with site.browser() as program:
        assert (await make_token(program, tokenName="laptop")).status_code == 201
        assert (await make_token(program, tokenName="laptop")).status_code == 409

        def expired(edit):
            ann = edit.find("User", "ann")
            edit.create(ApiToken, name="old", owner_id=ann.id, expires_at=1, token_hash="x")

        await site.ledger.commit(expired, LedgerRequest(author="x", action="y"))
        assert (await make_token(program, tokenName="other")).status_code == 201
        names = {site.ledger.view.get(one).name for one in site.ledger.view.ids("ApiToken")}
        assert names == {"laptop", "other"}


async def test_programs_are_slowed_down_like_people(site):
    async with site.browser() as program:
        for _ in range(6):
            await make_token(program, password="wrong")
        reply = await make_token(program)
        assert reply.status_code == 429
        assert int(reply.headers["retry-after"]) > 0


async def test_an_expired_token_opens_nothing(site):
    ends = now_ms() + 50
    async with site.browser() as program:
        made = (await make_token(program, expiresInDays=50 / 86_400_000)).json()
        viewer = await site.signin.authenticate_token(made["token"])
        while now_ms() <= made["expiresAt"]:
            await asyncio.sleep(0.01)
        assert now_ms() >= ends
        assert await site.signin.authenticate_token(made["token"]) is None
        assert viewer is None or site.signin.revoked(viewer)


# WebSockets, and what is written down


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


async def test_a_cookie_opens_a_websocket_for_pages_of_this_origin_only(site):
    async with site.browser() as browser:
        # The test transport serves on port 80 as far as its scope knows.
        await sign_in(browser)
        cookie = cookie_header(browser)
        for origin in ("http://atlas.example:8800", "http://ATLAS.example:8800"):
            opened = connection("websocket", cookie=cookie, origin=origin)
            assert (await site.signin.authenticate(opened)).name == "ann"
        for headers in CROSS_SITE:
            opened = connection("websocket", cookie=cookie, origin=headers["Origin"])
            assert await site.signin.authenticate(opened) is None
        secure = connection("websocket", scheme="wss", cookie=cookie, origin="http://atlas.example:8800")
        assert await site.signin.authenticate(secure) is None, "by TLS no page without TLS is of this origin"


async def test_allowed_origins_are_those_of_the_settings(ledger):
    site = Site(ledger, Audit(ledger), allowed_origins=frozenset({"https://console.example"}))
    assert site.signin.same_origin(connection(origin="https://console.example"))
    assert not site.signin.same_origin(connection(origin="https://console.example.evil"))


async def test_sign_ins_are_audited_without_what_was_typed(site):
    async with site.browser() as browser:
        await sign_in(browser)
        await sign_in(browser, password="wrong canary password")
        await sign_in(browser, name="canary typed as a name", password="x")
    async with site.browser() as stranger:
        await stranger.get("/auth/link", params={"token": "canary" * 7 + "x"})
    ann = site.ledger.view.find("User", "ann")
    found = [one for one in await site.audited() if one["action"].startswith("signIn")]
    assert [(one["author"], one["action"], one["outcome"]) for one in found] == [
        (ann.id, "signIn", "SUCCEEDED"),
        ("anonymous", "signIn", "FAILED"),
        ("anonymous", "signIn", "FAILED"),
        ("anonymous", "signInByLink", "FAILED"),
    ]
    assert all(one["address"] == "192.0.2.1" for one in found)
    assert "canary" not in str(found)


async def test_no_password_token_session_or_link_is_in_the_log_or_in_the_files(site, tmp_path, capfd):
    async with site.browser() as browser:
        link = await token_of(site)
        await browser.get("/auth/link", params={"token": link})
        await sign_in(browser)
        made = (await make_token(browser)).json()
        sessions = [one.value for one in browser.cookies.jar if "session" in one.name]
        viewer = await site.signin.authenticate_token(made["token"])
        await site.signin.passwords.change(viewer, viewer.id, new="three grey herons fly", current=PASSWORD)
    secrets = [PASSWORD, "three grey herons fly", link, made["token"], *sessions]
    await site.audited()
    log = capfd.readouterr()
    for commit in await site.ledger.commits_after(0):
        assert not any(one.encode() in encode_commit(commit) for one in secrets)
        assert b"$argon2id$" not in encode_commit(commit)
    await site.ledger.store.backup(tmp_path / "copy")
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or not any(one.encode() in path.read_bytes() for one in secrets), path
    assert not any(one in log.out + log.err for one in secrets)
