import asyncio

import pytest

from access.links import issue_link, redeem_link
from access.sessions import HOUR_MS, RECHECKED_MS, Sessions
from graph.kinds import User
from graph.store import StoreUnavailable
from graph.view import View

ANN = User(id="user_1", name="ann", credential_version=2)


@pytest.fixture
def store(ledger):
    return ledger.store


class Away:
    """A store whose ephemeral values cannot be had for a while."""

    def __init__(self, store):
        self.store = store
        self.away = False
        self.reads = 0

    def __getattr__(self, name):
        if self.away and "ephemeral" in name:
            raise StoreUnavailable("away")
        self.reads += name == "ephemeral"
        return getattr(self.store, name)


async def test_a_session_is_found_by_its_cookie_and_kept_without_it(store, clock, tmp_path):
    sessions = Sessions(store, clock_ms=clock)
    secret, session = await sessions.begin(ANN)
    assert (session.user_id, session.credential_version) == ("user_1", 2)
    assert await sessions.find(secret) == session
    assert await Sessions(store, clock_ms=clock).find(secret) == session, "another process finds it too"
    assert await sessions.find("x" * 43) is None
    assert await sessions.find("../" + secret) is None
    assert await sessions.find(session.id) is None, "what is kept opens nothing"
    await store.close()
    assert all(secret.encode() not in one.read_bytes() for one in (tmp_path / "data").iterdir())


async def test_two_sign_ins_have_two_sessions(store, clock):
    sessions = Sessions(store, clock_ms=clock)
    (one, _), (other, _) = await sessions.begin(ANN), await sessions.begin(ANN)
    assert one != other
    await sessions.end(one)
    assert await sessions.find(one) is None
    assert await sessions.find(other) is not None


@pytest.mark.parametrize(("every_h", "hours"), [(3, 12), (9, 8)])
async def test_a_session_ends_after_its_time_and_sooner_without_use(store, clock, every_h, hours):
    sessions = Sessions(store, clock_ms=clock, lasts_ms=12 * HOUR_MS, idle_ms=8 * HOUR_MS)
    secret, _ = await sessions.begin(ANN)
    began = clock.now
    while await sessions.find(secret) is not None:
        clock.forward(ms=every_h * HOUR_MS)
    assert began + hours * HOUR_MS <= clock.now < began + (hours + every_h) * HOUR_MS
    assert await Sessions(store, clock_ms=clock).find(secret) is None


async def test_a_session_that_was_ended_elsewhere_ends_here_within_the_recheck(store, clock):
    here, elsewhere = Sessions(store, clock_ms=clock), Sessions(store, clock_ms=clock)
    secret, _ = await here.begin(ANN)
    await elsewhere.end(secret)
    clock.forward(ms=RECHECKED_MS)
    assert await here.find(secret) is None


async def test_moving_a_session_on_does_not_bring_an_ended_one_back(store, clock):
    """One process writes the use down just when another ends the session."""
    here, elsewhere = Sessions(store, clock_ms=clock), Sessions(store, clock_ms=clock)
    secret, session = await here.begin(ANN)
    clock.forward(ms=HOUR_MS)
    await elsewhere.end(secret)
    await here._move_on(session.id, session, clock.now)
    assert await here.find(secret) is None


async def test_a_look_up_under_way_does_not_bring_an_ended_session_back(store, clock):
    sessions = Sessions(store, clock_ms=clock)
    secret, session = await sessions.begin(ANN)
    for _ in range(20):
        clock.forward(ms=RECHECKED_MS)
        found = asyncio.gather(*(sessions.find(secret) for _ in range(5)))
        await asyncio.sleep(0)
        await sessions.end(secret)
        await found
        assert await sessions.find(secret) is None
        assert sessions.has_ended(session.id)
        secret, session = await sessions.begin(ANN)
        assert not sessions.has_ended(session.id)


async def test_a_request_costs_no_read_of_the_store_within_the_recheck(store, clock):
    counted = Away(store)
    sessions = Sessions(counted, clock_ms=clock)
    secret, _ = await sessions.begin(ANN)
    for _ in range(100):
        assert await sessions.find(secret) is not None
    assert counted.reads == 0
    clock.forward(ms=RECHECKED_MS)
    assert await sessions.find(secret) is not None
    assert counted.reads == 2


async def test_while_the_store_is_away_known_sessions_go_on_and_others_wait(store, clock):
    flaky = Away(store)
    sessions = Sessions(flaky, clock_ms=clock, idle_ms=HOUR_MS)
    secret, _ = await sessions.begin(ANN)
    flaky.away = True
    clock.forward(ms=RECHECKED_MS * 2)
    assert await sessions.find(secret) is not None
    with pytest.raises(StoreUnavailable):
        await Sessions(flaky, clock_ms=clock).find(secret)
    clock.forward(ms=HOUR_MS)
    with pytest.raises(StoreUnavailable):
        await sessions.find(secret)


async def test_what_is_remembered_is_bounded(store, clock):
    sessions = Sessions(store, clock_ms=clock, remembered=10)
    secrets = [(await sessions.begin(ANN))[0] for _ in range(30)]
    for one in secrets:
        assert await sessions.find(one) is not None
        await sessions.end(one)
    assert len(sessions._remembered) <= 10
    assert len(sessions._ended) <= 10


# One-time links


def reader(*entities):
    view = View()
    view.load(entities)
    view.loaded(revision=1, at=1, epoch="e", counters={})
    return view


def token_of(link):
    return link.partition("token=")[2].partition("&")[0]


async def test_a_link_is_for_this_server_and_works_once(store, clock):
    link = await issue_link(store, ANN, base_url="http://127.0.0.1:8800/", now=clock.now, next_path="/playground?a=b")
    assert link.startswith("http://127.0.0.1:8800/auth/link?token=")
    assert link.endswith("&next=%2Fplayground%3Fa%3Db")
    assert await redeem_link(store, reader(ANN), token_of(link), now=clock.now) == ANN
    assert await redeem_link(store, reader(ANN), token_of(link), now=clock.now) is None


async def test_of_many_who_follow_a_link_at_once_one_gets_in(store, clock):
    for _ in range(5):
        token = token_of(await issue_link(store, ANN, base_url="http://x", now=clock.now))
        found = await asyncio.gather(*(redeem_link(store, reader(ANN), token, now=clock.now) for _ in range(20)))
        assert [one for one in found if one is not None] == [ANN]


@pytest.mark.parametrize(
    "present",
    [[], [User(id="user_1", name="ann", disabled=True)], [User(id="user_1", name="ann", credential_version=3)]],
)
async def test_a_link_opens_nothing_for_who_is_gone_disabled_or_has_a_new_password(store, clock, present):
    token = token_of(await issue_link(store, ANN, base_url="http://x", now=clock.now))
    assert await redeem_link(store, reader(*present), token, now=clock.now) is None


async def test_a_link_is_over_after_its_time_and_guesses_are_no_links(store, clock):
    token = token_of(await issue_link(store, ANN, base_url="http://x", now=clock.now, lasts_ms=1_000))
    clock.forward(ms=1_000)
    assert await redeem_link(store, reader(ANN), token, now=clock.now) is None
    for guess in ("", "x" * 43, token[:-1], "session:" + token):
        assert await redeem_link(store, reader(ANN), guess, now=clock.now) is None
