"""Tokens for programs: how one is had with a password, what it opens, and how it ends."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from access.viewer import now_ms
from graph.kinds import ApiToken
from graph.request import Request as LedgerRequest
from serverkit.signin import (
    PASSWORD,
    make_token,
    sign_in,
    who,
)


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
