import asyncio
from pathlib import Path

import pytest

from access.links import redeem_link
from access.passwords import password_key
from access.rights import administrators
from access.viewer import Grant, viewer_of
from graph.kinds import Role, RoleBinding, User
from graph.ledger import Ledger
from graph.refusal import InvalidState, NotFound
from graph.request import Request
from graph.stores.sqlite import SqliteStore
from server.first_start import check_listener, ensure_administrator, first_link, link_for
from server.start_checks import ListenerRefused

URL = "http://127.0.0.1:8800"
NOW = 1_800_000_000_000


@pytest.fixture
async def ledger(tmp_path):
    async with Ledger(SqliteStore(tmp_path / "data" / "graph.sqlite"), clock_ms=lambda: NOW).running() as running:
        yield running


async def commit(ledger, function):
    return (await ledger.commit(function, Request(author="x", action="y"))).value


async def redeem(ledger, link):
    token = link.partition("token=")[2].partition("&")[0]
    return await redeem_link(ledger.store, ledger.view, token, now=NOW)


async def test_an_empty_graph_gets_an_administrator_without_a_password_and_a_link(ledger):
    link = await first_link(ledger, base_url=URL, clock_ms=lambda: NOW)
    assert link.startswith(f"{URL}/auth/link?token=")
    user = await redeem(ledger, link)
    assert user.name == "admin"
    assert viewer_of(ledger.view, user.id).grants == {Grant(Role.ADMIN, None)}
    assert await ledger.store.private(password_key(user.id)) is None
    assert await redeem(ledger, link) is None


async def test_each_start_prints_a_new_link_until_the_administrator_has_a_password(ledger):
    links = [await first_link(ledger, base_url=URL, clock_ms=lambda: NOW) for _ in range(3)]
    assert len(set(links)) == 3
    assert ledger.view.count("User") == 1
    [admin] = administrators(ledger.view)
    await commit(ledger, lambda edit: edit.keep_private(password_key(admin.id), b"$argon2id$"))
    assert await first_link(ledger, base_url=URL, clock_ms=lambda: NOW) is None


async def test_several_starts_at_once_make_one_administrator(ledger):
    users = await asyncio.gather(*(ensure_administrator(ledger) for _ in range(10)))
    assert len({one.id for one in users}) == 1
    assert ledger.view.count("RoleBinding") == 1


@pytest.mark.parametrize("disabled", [False, True])
async def test_nobody_who_took_the_name_is_promoted(ledger, disabled):
    def function(edit):
        taken = edit.create(User, name="admin", disabled=disabled)
        if disabled:
            edit.create(RoleBinding, subject_id=taken.id, role=Role.ADMIN)
        else:
            edit.create(RoleBinding, subject_id=taken.id, role=Role.OPERATOR)
        return taken

    taken = await commit(ledger, function)
    made = await ensure_administrator(ledger)
    assert made.name == "admin-2"
    assert made.id != taken.id


async def test_a_link_is_made_for_a_user_by_name(ledger):
    await commit(ledger, lambda edit: [edit.create(User, name="ann"), edit.create(User, name="bob", disabled=True)])
    link = await link_for(ledger, "ann", base_url=URL, clock_ms=lambda: NOW)
    assert (await redeem(ledger, link)).name == "ann"
    with pytest.raises(NotFound):
        await link_for(ledger, "nobody", base_url=URL)
    with pytest.raises(InvalidState):
        await link_for(ledger, "bob", base_url=URL)


CERTIFICATE, KEY = Path("certificate.pem"), Path("key.pem")
LISTENERS = [
    ("127.0.0.1", None, None, False, True),
    ("127.8.8.8", None, None, False, True),
    ("::1", None, None, False, True),
    ("[::1]", None, None, False, True),
    ("localhost", None, None, False, True),
    ("0.0.0.0", None, None, False, False),
    ("::", None, None, False, False),
    ("", None, None, False, False),
    ("192.0.2.1", None, None, False, False),
    ("::ffff:192.0.2.1", None, None, False, False),
    ("localhost.evil.example", None, None, False, False),
    ("atlas.example", None, None, False, False),
    ("0.0.0.0", None, None, True, True),
    ("0.0.0.0", CERTIFICATE, None, True, False),
    ("127.0.0.1", None, KEY, False, False),
]


@pytest.mark.parametrize(("host", "certificate", "key", "plain", "allowed"), LISTENERS)
def test_beyond_this_machine_the_server_listens_by_tls_or_by_an_explicit_word(host, certificate, key, plain, allowed):
    def check():
        check_listener(host, tls_certificate=certificate, tls_key=key, allow_plain_http=plain)

    if allowed:
        check()
        return
    with pytest.raises(ListenerRefused) as refused:
        check()
    assert "tls_" in refused.value.remedy
