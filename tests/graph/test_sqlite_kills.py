"""What the checks of killed writers find when a defence is taken away, and the lock that ends with its process."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from pathlib import Path

import pytest

from graph.store import StoreOwned
from storekit.kills import kill_and_check
from storekit.places import SqlitePlace
from storekit.processes import Lines, killed_writers, spawn


@pytest.mark.parametrize(
    ("control", "found"),
    [("early", "was told durable at"), ("parts", "differ from the|has lost its private value|refers to")],
)
async def test_the_check_of_kills_fails_when_a_defence_is_off(tmp_path: Path, control: str, found: str) -> None:
    place = SqlitePlace(tmp_path)
    with (
        killed_writers(place.url, control=control) as writers,
        pytest.raises(AssertionError, match=found),
    ):
        await kill_and_check(place, writers, kills=40, random_=random.Random(3), up_to_s=0.03)


async def test_a_killed_owner_leaves_no_lock_and_a_living_one_is_named(tmp_path: Path) -> None:
    place = SqlitePlace(tmp_path)
    process = spawn(place.url, "race", "one_name", "name")
    try:
        Lines(process).expect("ready")
        with pytest.raises(StoreOwned, match=f"in use by process {process.pid} on "):
            await place.handle().open()
        os.kill(process.pid, signal.SIGKILL)
        process.wait(60)
        store = place.handle()
        async with asyncio.timeout(60):
            await store.open()
        await store.close()
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()
