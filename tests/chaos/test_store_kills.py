"""More than 1,000 kills of the embedded store's writer, and 320 of the shared one's: nothing that it was told is lost,
nothing is left half done."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from storekit.fixtures import place, plain_logs
from storekit.kills import kill_and_check
from storekit.places import Place
from storekit.processes import killed_writers

__all__ = ["place", "plain_logs"]
KILLS_A_DATABASE = 64
KILLS_A_SHARED_DATABASE = 20
"""It takes as many seconds as the embedded one takes tenths."""


@pytest.mark.chaos
@pytest.mark.parametrize("seed", range(16))
async def test_a_killed_writer_loses_nothing_that_it_was_told(
    place: Place, report: Callable[[str, Any], None], seed: int
) -> None:
    kills = KILLS_A_SHARED_DATABASE if place.shared else KILLS_A_DATABASE
    with killed_writers(place.url) as writers:
        toll = await kill_and_check(place, writers, kills=kills, random_=random.Random(seed))
    report(f"writer of the store, kill -9, {place.name}", toll)
    assert toll.told > kills
