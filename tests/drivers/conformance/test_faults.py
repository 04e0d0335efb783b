"""What every driver makes of trouble: a lost reply is unknown, one site's trouble is its own, a call may be given up."""

from __future__ import annotations

import asyncio

import pytest

from driverkit.work import NAME, OTHER, all_of, elsewhere, removal, until, work
from drivers.port import Applied, DriverProblem, Unreachable


async def test_a_lost_reply_is_told_as_unknown_and_a_repeat_finds_the_work_done(bed) -> None:
    async with bed.losing_replies(), bed.connected() as backend:
        with pytest.raises(Unreachable):
            await backend.ensure(work())
    async with bed.connected() as backend:
        assert (await bed.held())[NAME].generation == 1
        assert not (await backend.ensure(work())).changed


async def test_a_lost_reply_of_a_removal_is_told_as_unknown_and_a_repeat_is_done(bed) -> None:
    async with bed.connected() as backend:
        await backend.ensure(work())
    async with bed.losing_replies(), bed.connected() as backend:
        with pytest.raises(Unreachable):
            await backend.remove(removal(2))
    async with bed.connected() as backend:
        assert NAME not in await bed.held()
        assert (await backend.remove(removal(2))).gone


async def test_a_site_that_is_away_fails_alone_and_what_is_there_is_not_told_gone(bed) -> None:
    async with bed.connected() as backend:
        await backend.ensure(work())
    async with bed.away("Aveiro"), bed.connected() as backend:
        with pytest.raises(Unreachable, match="Aveiro"):
            await backend.ensure(work(2))
        assert (await backend.ensure(elsewhere())).changed
        seen = await backend.observe(after=None)
        assert seen.complete
        assert seen.unseen_sites == {"site_a"}
        assert NAME not in seen.gone
        assert (seen.sites["site_a"].ready, seen.sites["site_b"].ready) == (False, True)
        assert seen.sites["site_a"].reason


async def test_a_site_that_is_back_is_told_with_what_is_there_and_takes_work(bed) -> None:
    async with bed.connected() as backend:
        await backend.ensure(work())
    async with bed.away("Aveiro"), bed.connected() as backend:
        away = await backend.observe(after=None)
    async with bed.connected() as backend:
        back = await until(
            backend,
            lambda seen: "site_a" in seen.sites and seen.sites["site_a"].ready and not seen.unseen_sites,
            after=away.cursor,
        )
        assert NAME not in back.gone
        assert (await all_of(backend))[NAME].generation == 1
        assert (await backend.ensure(work(3))).changed
        assert (await bed.held())[NAME].generation == 3


async def test_a_call_that_is_given_up_can_be_made_again(bed) -> None:
    async with bed.slow(), bed.connected() as backend:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await backend.ensure(work())
        await backend.ensure(work())
        assert len((await all_of(backend))[NAME].instances) == 2
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await backend.remove(removal(2))
        assert (await backend.remove(removal(2))).gone
        assert NAME not in await bed.held()


async def test_many_calls_that_are_given_up_keep_no_other_from_being_made(bed) -> None:
    async with bed.slow(), bed.connected() as backend:
        for _ in range(4):
            calls = [asyncio.ensure_future(backend.ensure(work())) for _ in range(60)]
            await asyncio.sleep(0.02)
            for one in calls:
                one.cancel()
            ended = await asyncio.gather(*calls, return_exceptions=True)
            assert {type(one) for one in ended} <= {asyncio.CancelledError, Applied}, "some may have been done by then"
        async with asyncio.timeout(60):
            await asyncio.gather(*(backend.ensure(work()) for _ in range(10)))
        assert len((await all_of(backend))[NAME].instances) == 2


async def test_a_call_that_outlives_its_connection_is_not_told_as_done(bed) -> None:
    async with bed.slow(), bed.connected() as backend:
        await backend.ensure(work())
    async with bed.slow(), bed.connected() as old:
        call = asyncio.ensure_future(old.remove(removal(2)))
        await asyncio.sleep(0.01)
    async with bed.connected() as new:
        [answer] = await asyncio.gather(call, return_exceptions=True)
        assert NAME not in await all_of(new) or isinstance(answer, DriverProblem)


async def test_one_of_many_that_fails_keeps_no_other_from_being_done(bed) -> None:
    async with bed.away("Aveiro"), bed.connected() as backend:
        calls = [
            backend.ensure(elsewhere(name=f"{OTHER}-{number}") if number % 2 else work(name=f"{NAME}-{number}"))
            for number in range(10)
        ]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert [isinstance(one, Unreachable) for one in answers] == [True, False] * 5
        assert sorted(await bed.held()) == [f"{OTHER}-{number}" for number in range(1, 10, 2)]
