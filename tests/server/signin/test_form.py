"""Signing in by the form: what a browser and somebody hostile would send."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest

from access.audit import Audit
from server.signin_requests import is_own_path
from serverkit.signin import (
    CROSS_SITE,
    HOME,
    PASSWORD,
    Site,
    csrf_of,
    sign_in,
    token_of,
    who,
)


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
