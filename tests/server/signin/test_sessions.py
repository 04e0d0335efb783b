"""What a session is worth, what ends it, and how guessing is slowed down."""

from __future__ import annotations

import asyncio

import pytest

from access.audit import Audit
from access.passwords import Passwords, password_key
from graph.refusal import Forbidden, InvalidInput
from graph.request import Request as LedgerRequest
from graph.store import StoreUnavailable
from serverkit.signin import (
    CROSS_SITE,
    HOME,
    PASSWORD,
    Site,
    connection,
    cookie_header,
    csrf_of,
    sign_in,
    who,
)


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
