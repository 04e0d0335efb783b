"""Signing in by a one-time link."""

from __future__ import annotations

import asyncio

import pytest

from serverkit.signin import (
    HOME,
    csrf_of,
    sign_in,
    token_of,
    who,
)


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
