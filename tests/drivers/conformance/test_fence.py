"""What every driver's backend refuses: the older generation, also of what was removed, whichever connection brings it."""

from __future__ import annotations

import asyncio

import pytest

from driverkit.work import NAME, all_of, removal, work
from drivers.port import StaleGeneration


async def test_an_older_generation_is_refused(bed) -> None:
    async with bed.connected() as backend:
        await backend.ensure(work(3, replicas=1, assignments={"node_a1": 1}))
        with pytest.raises(StaleGeneration) as refused:
            await backend.ensure(work(2))
        assert refused.value.held == 3
        assert (await bed.held())[NAME].replicas == 1


async def test_an_older_removal_is_refused(bed) -> None:
    async with bed.connected() as backend:
        await backend.ensure(work(3))
        with pytest.raises(StaleGeneration) as refused:
            await backend.remove(removal(2))
        assert refused.value.held == 3
        assert NAME in await all_of(backend)


async def test_older_work_does_not_bring_back_what_was_removed(bed) -> None:
    async with bed.connected() as backend:
        await backend.ensure(work(1))
        await backend.remove(removal(2))
        for late in (1, 2):
            with pytest.raises(StaleGeneration):
                await backend.ensure(work(late))
        assert NAME not in await bed.held()
        assert (await backend.ensure(work(3))).changed


async def test_a_removal_is_remembered_over_connections(bed) -> None:
    async with bed.connected() as backend:
        await backend.ensure(work(1))
        await backend.remove(removal(2))
    async with bed.connected() as backend:
        with pytest.raises(StaleGeneration):
            await backend.ensure(work(2))
        assert NAME not in await bed.held()


async def test_a_removal_of_what_never_came_keeps_it_from_coming_late(bed) -> None:
    async with bed.connected() as backend:
        assert (await backend.remove(removal(2))).gone
        with pytest.raises(StaleGeneration):
            await backend.ensure(work(1))
        assert NAME not in await bed.held()


async def test_removal_of_what_is_not_there_is_done(bed) -> None:
    async with bed.connected() as backend:
        assert (await backend.remove(removal(1, "never-there-aaaaaaaaaaaa"))).gone
        await backend.ensure(work(1))
        await backend.remove(removal(2))
        assert (await backend.remove(removal(2))).gone


async def test_generations_in_any_order_from_two_connections_leave_the_newest(bed) -> None:
    async with bed.connected() as one, bed.connected() as other:
        generations = [5, 2, 9, 1, 7, 3, 8, 6, 4]
        calls = [(one, other)[index % 2].ensure(work(number)) for index, number in enumerate(generations)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        refused = [answer for answer in answers if isinstance(answer, BaseException)]
        assert all(isinstance(answer, StaleGeneration) for answer in refused), refused
        assert (await bed.held())[NAME].generation == 9
        calls = [(one, other)[index % 2].remove(removal(number)) for index, number in enumerate((10, 8))]
        await asyncio.gather(*calls, return_exceptions=True)
        assert NAME not in await bed.held()
        for late in (9, 10):
            with pytest.raises(StaleGeneration):
                await other.ensure(work(late))
