"""What is written down of signing in, and what never is."""

from __future__ import annotations

from graph.change import encode_commit
from serverkit.signin import (
    PASSWORD,
    make_token,
    sign_in,
    token_of,
)


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
