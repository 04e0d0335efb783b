"""What every driver observes: what is there and not what was hoped for, from where the last observation ended."""

from __future__ import annotations

import asyncio

import pytest

from driverkit.work import NAME, OTHER, all_of, has_ready, removal, until, work
from drivers.port import Cursor


async def test_observation_resumes_after_its_cursor(bed) -> None:
    async with bed.connected() as backend:
        await backend.ensure(work())
        first = await until(backend, has_ready(NAME, 2))
        await backend.ensure(work(name=OTHER, replicas=1, assignments={}))
        later = await until(backend, lambda seen: bool(seen.releases), after=first.cursor)
        assert not later.complete
        assert {one.name for one in later.releases} == {OTHER}
        await backend.remove(removal(2))
        gone = await until(backend, lambda seen: bool(seen.gone), after=later.cursor)
        assert set(gone.gone) == {NAME}
        assert gone.gone[NAME] > later.cursor.version


async def test_observation_resumes_on_another_connection(bed) -> None:
    async with bed.connected() as backend:
        await backend.ensure(work())
        await backend.ensure(work(name=OTHER))
        first = await backend.observe(after=None)
        await until(backend, lambda seen: not seen.releases and not seen.complete, after=first.cursor)
    async with bed.connected() as backend:
        await backend.remove(removal(2))
        gone = await until(backend, lambda seen: bool(seen.gone) or seen.complete, after=first.cursor)
        # A backend that keeps no history over connections says all of it anew; it never leaves out what went.
        assert NAME in gone.gone or (gone.complete and NAME not in {one.name for one in gone.releases})


@pytest.mark.parametrize("where", ["another history", "this history, ahead of it"])
async def test_a_cursor_that_it_cannot_know_is_answered_with_all(bed, where) -> None:
    async with bed.connected() as backend:
        await backend.ensure(work())
        history = (await backend.observe(after=None)).cursor.history if where.startswith("this") else "another"
        seen = await backend.observe(after=Cursor(history, 1 << 60))
        assert seen.complete
        assert NAME in {one.name for one in seen.releases}


async def test_versions_rise_over_connections(bed) -> None:
    async with bed.connected() as backend:
        await backend.ensure(work())
        before = await backend.observe(after=None)
    async with bed.connected() as backend:
        await backend.ensure(work(2))
        after = await backend.observe(after=None)
        assert after.cursor.history == before.cursor.history
        assert after.releases[0].version > before.cursor.version


async def test_quiet_observation_returns_within_seconds(bed) -> None:
    async with bed.connected() as backend:
        first = await backend.observe(after=None)
        async with asyncio.timeout(30):
            quiet = await backend.observe(after=first.cursor)
        assert (list(quiet.releases), quiet.gone) == ([], {})


async def test_a_change_wakes_the_observation_that_waits_for_it(bed) -> None:
    async with bed.connected() as backend:
        first = await backend.observe(after=None)
        waits = asyncio.ensure_future(until(backend, lambda seen: bool(seen.releases), after=first.cursor))
        await asyncio.sleep(0)
        await backend.ensure(work())
        assert [one.name for one in (await waits).releases] == [NAME]


async def test_replicas_are_ready_when_they_are_and_not_before(bed) -> None:
    async with bed.unready(), bed.connected() as backend:
        applied = await backend.ensure(work())
        assert applied.observed is None or applied.observed.ready_replicas == 0
        first = await backend.observe(after=None)
        assert first.releases[0].ready_replicas == 0
        assert first.releases[0].message
    async with bed.connected() as backend:
        ready = await until(backend, has_ready(NAME, 2))
        assert ready.releases[0].version > first.releases[0].version


async def test_an_instance_that_crashes_is_told_and_so_is_its_return(bed) -> None:
    async with bed.connected() as backend:
        await backend.ensure(work())
        first = await until(backend, has_ready(NAME, 2))
        await bed.crash(NAME)
        crashed = await until(backend, has_ready(NAME, 1), after=first.cursor)
        await bed.mend(NAME)
        await until(backend, has_ready(NAME, 2), after=crashed.cursor)
        assert (await all_of(backend))[NAME].replicas == 2
