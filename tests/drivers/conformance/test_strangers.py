"""What every driver leaves alone: the objects that carry another owner."""

from __future__ import annotations

import pytest

from driverkit.work import NAME, STRANGER, all_of, has_ready, removal, until, work
from drivers.port import Permanent


async def test_a_name_that_a_stranger_has_is_refused_and_left_alone(bed) -> None:
    async with bed.connected() as backend:
        await bed.make(NAME, owner=STRANGER)
        before = await bed.held()
        with pytest.raises(Permanent, match=NAME):
            await backend.ensure(work())
        assert await bed.held() == before


async def test_a_removal_leaves_the_stranger_who_has_the_name_and_is_done(bed) -> None:
    async with bed.connected() as backend:
        await bed.make(NAME, owner=STRANGER)
        before = await bed.held()
        assert (await backend.remove(removal(5))).gone
        assert await bed.held() == before


async def test_what_strangers_have_is_never_told_as_ours(bed) -> None:
    async with bed.connected() as backend:
        await bed.make("stranger-cache-aaaaaaaaaaaa", owner=STRANGER)
        await bed.make("nobody-cache-aaaaaaaaaaaa", owner="")
        await backend.ensure(work())
        await until(backend, has_ready(NAME, 2))
        assert set(await all_of(backend)) == {NAME}
        assert len(await bed.held()) == 3
