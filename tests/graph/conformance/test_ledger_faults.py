"""Through the ledger: replies that are lost, drafts that are bad, a store that goes away, a writer that is killed."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable

import msgspec
import pytest

from beds.parts import PartMissing, skip
from faultkit.convergence import HANGS_AFTER_S, converging
from graph.edit import Edit
from graph.identifiers import new_id
from graph.kinds import Region
from graph.ledger import Ledger
from graph.refusal import AlreadyExists, Unavailable
from graph.request import Idempotency, Request
from graph.store import RecordPage
from graph.view import each
from storekit import races
from storekit.checks import State, all_commits, check_whole
from storekit.graphs import audit
from storekit.kills import check_told, checked, kill_and_check
from storekit.places import Place
from storekit.processes import killed_writers
from storekit.wrappers import Away, ForgetsDrafts, LosesReplies

KILLS = 16
"""Over each store in every run; `make chaos` has 320."""


def some_lost(number: int) -> str | None:
    """Every second reply is lost: after the commit, or with it."""
    return {1: "after", 3: "before"}.get(number % 4)


@pytest.mark.parametrize("how", ["after", "before"])
async def test_a_commit_whose_reply_was_lost_is_made_once_and_answered(place: Place, how: str) -> None:
    store = LosesReplies(place.handle(), lose=lambda number: how if number == 2 else None)
    async with Ledger(store).running() as ledger:
        await ledger.commit(lambda edit: edit.create(Region, name="first"), races.REQUEST)
        await asyncio.gather(
            *(ledger.commit(races.add_one(ledger.view.ids("Region")[0]), races.REQUEST) for _ in range(10))
        )
        assert store.lost == 1
        region = ledger.view.find("Region", "first")
        assert isinstance(region, Region)
        assert region.demand == 10
        assert (await check_whole(store.inner)).revision == ledger.view.revision == 11


async def test_no_update_is_lost_or_made_twice_while_replies_are_lost(place: Place) -> None:
    store = LosesReplies(place.handle(), lose=some_lost)
    async with Ledger(store, group_size=8).running() as ledger:
        region = (await ledger.commit(lambda edit: edit.create(Region, name="counted"), races.REQUEST)).value
        answers = await races.tally(ledger, region.id)
        assert Counter(answers) == {"ok": len(answers)}
        assert store.lost > 10
        found = ledger.view.get(region.id)
        assert isinstance(found, Region)
        assert found.demand == len(answers)
        commits = await all_commits(store.inner)
        assert len({one.draft_id for one in commits}) == len(commits) == len(answers) + 1
        await check_whole(store.inner)


async def test_the_check_finds_it_when_drafts_are_not_looked_up(place: Place) -> None:
    store = ForgetsDrafts(place.handle(), lose=lambda number: "after" if number == 2 else None)
    async with Ledger(store).running() as ledger:
        region = (await ledger.commit(lambda edit: edit.create(Region, name="counted"), races.REQUEST)).value
        try:
            await ledger.commit(races.add_one(region.id), races.REQUEST)
        except Exception:  # noqa: BLE001 - a store may find the draft by itself; then the caller is not answered
            return
        found = ledger.view.get(region.id)
        assert isinstance(found, Region)
        assert found.demand != 1


async def test_a_bad_draft_within_a_group_fails_alone(place: Place) -> None:
    sizes: list[int] = []
    async with Ledger(place.handle(), on_group=lambda size, seconds: sizes.append(size)).running() as ledger:

        def unwritable(edit: Edit) -> None:
            edit.create(Region, name="bad")
            record = audit(1)
            edit.file(msgspec.structs.replace(record, at=2**70))

        def refused(edit: Edit) -> None:
            edit.create(Region, name="good-0")

        def broken(edit: Edit) -> None:
            edit.create(Region, name="broken")
            raise ZeroDivisionError

        good = [
            ledger.commit(lambda edit, number=number: edit.create(Region, name=f"good-{number}"), races.REQUEST)
            for number in range(20)
        ]
        bad = [ledger.commit(one, races.REQUEST) for one in (unwritable, refused, broken)]
        answers = await asyncio.gather(*good, *bad, return_exceptions=True)
        assert max(sizes) > 1, "the drafts must have shared a group"
        assert [type(one) for one in answers[:20] if isinstance(one, BaseException)] == []
        assert isinstance(answers[20], Exception)
        assert isinstance(answers[21], AlreadyExists)
        assert isinstance(answers[22], ZeroDivisionError)
        names = {one.name for one in (ledger.view.get(key) for key in ledger.view.ids("Region")) if one}  # type: ignore[attr-defined]  # Regions
        assert names == {f"good-{number}" for number in range(20)}
        assert len(await ledger.store.records(RecordPage(collection="audit"))) == 20
        await check_whole(ledger.store)


async def test_a_commit_with_all_its_parts_is_there_whole(place: Place) -> None:
    async with Ledger(place.handle()).running() as ledger:
        done = await asyncio.gather(
            *(ledger.commit(races.several_entities(f"k-{n}", 0.5), races.REQUEST) for n in range(40))
        )
        state = await check_whole(ledger.store)
        await check_told(ledger.store, state, {f"k-{n}": one.revision for n, one in enumerate(done)})


async def test_a_restart_finds_what_was_answered_and_replays_an_idempotency_key(place: Place) -> None:
    request = Request(author="u", action="test", idempotency=Idempotency(key="k", body_digest="b"))

    async def ask(ledger: Ledger) -> tuple[int, bytes | None]:
        done = await ledger.commit(
            lambda edit: edit.create(Region, name=new_id("x")).id,
            request,
            remember=lambda made, revision: msgspec.json.encode([made, revision]),
        )
        return done.revision, done.replayed

    async with Ledger(place.handle()).running() as ledger:
        revision, replayed = await ask(ledger)
        assert replayed is None
        before = {key: ledger.view.get(key) for key in ledger.view.ids("Region")}
    async with Ledger(place.handle()).running() as ledger:
        assert {key: ledger.view.get(key) for key in ledger.view.ids("Region")} == before
        assert await ask(ledger) == (revision, msgspec.json.encode([*before, revision]))


async def test_reads_go_on_and_commits_are_refused_while_the_store_is_away_and_accepted_when_it_is_back(
    place: Place, converged: Callable[[float], None]
) -> None:
    async with Ledger(place.handle()).running() as ledger:
        kept = (await ledger.commit(lambda edit: edit.create(Region, name="before"), races.REQUEST)).value
        place.away()
        try:
            with pytest.raises(Unavailable) as problem:
                async with asyncio.timeout(60):
                    await ledger.commit(lambda edit: edit.create(Region, name="while"), races.REQUEST)
            assert problem.value.retryable
            assert ledger.stale
            assert ledger.view.get(kept.id) == kept
        finally:
            place.back()
        with converging() as took:
            async with asyncio.timeout(HANGS_AFTER_S):
                while True:
                    try:
                        await ledger.commit(lambda edit: edit.create(Region, name="after"), races.REQUEST)
                        break
                    except Unavailable:
                        await asyncio.sleep(0.1)
        converged(took.seconds)
        assert not ledger.stale
        assert ledger.view.find("Region", "while") is None
        await check_whole(ledger.store)


async def test_a_full_disk_refuses_commits_as_retryable_and_loses_nothing_and_takes_them_when_there_is_room(
    place: Place,
) -> None:
    told: dict[str, int] = {}

    async def commit(ledger: Ledger, key: str) -> None:
        told[key] = (await ledger.commit(races.several_entities(key, 0.5), races.REQUEST)).revision

    async with Ledger(place.handle()).running() as ledger:
        await asyncio.gather(*(commit(ledger, f"before-{number}") for number in range(20)))
    try:
        store = place.filling()
    except PartMissing as missing:
        skip("a full disk", missing)
    async with Ledger(store, group_size=4).running() as ledger:
        refused = None
        for number in range(1_000):
            answers = await asyncio.gather(
                *(commit(ledger, f"k-{number}-{part}") for part in range(6)), return_exceptions=True
            )
            if refused := next((one for one in answers if one is not None), None):
                break
        for again in range(3):
            with pytest.raises(Unavailable) as problem:
                await commit(ledger, f"again-{again}")
            assert problem.value.retryable
        assert isinstance(refused, Unavailable)
        assert ledger.stale
        assert {f"before-{number}" for number in range(20)} <= {one.name for one in each(ledger.view, Region)}
    await asyncio.to_thread(place.room)
    async with Ledger(place.handle()).running() as ledger:
        await asyncio.gather(*(commit(ledger, f"after-{number}") for number in range(20)))
        await checked(ledger.store, State(), told)


async def test_an_away_store_loses_nothing_that_was_accepted(place: Place) -> None:
    store = Away(place.handle())
    async with Ledger(store).running() as ledger:
        region = (await ledger.commit(lambda edit: edit.create(Region, name="counted"), races.REQUEST)).value
        random_ = random.Random(4)
        accepted = 0

        async def writer() -> None:
            nonlocal accepted
            for _ in range(5):
                try:
                    await ledger.commit(races.add_one(region.id), races.REQUEST)
                    accepted += 1
                except Unavailable:
                    pass
                store.away = random_.random() < 0.3

        await asyncio.gather(*(writer() for _ in range(16)))
        store.away = False
        await ledger.commit(races.add_one(region.id), races.REQUEST)
        found = ledger.view.get(region.id)
        assert isinstance(found, Region)
        assert 0 < accepted < 80
        assert found.demand == accepted + 1
        await check_whole(store.inner)


async def test_a_killed_writer_loses_nothing_that_it_was_told_and_leaves_nothing_half_done(
    place: Place, converged: Callable[[float], None]
) -> None:
    with killed_writers(place.url) as writers:
        toll = await kill_and_check(place, writers, kills=KILLS, random_=random.Random(1))
    converged(toll.converged_s)
    assert toll.kills == KILLS
    assert toll.told > KILLS
