"""A lifecycle with nothing to do waits: it takes no time of the machine but to look again now and then."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from faultkit.lives import Installation
from faultkit.logical_time import LogicalLoop, run

TURNS_A_MINUTE = 2_000


@pytest.mark.parametrize("sites", [0, 3])
def test_an_hour_without_deployments_costs_little(tmp_path: Path, sites: int) -> None:
    async def hour() -> int:
        async with Installation(tmp_path).life() as edge:
            await edge.network(sites=sites, clusters=min(sites, 1), observeEveryMs=60_000)
            loop = asyncio.get_running_loop()
            assert isinstance(loop, LogicalLoop)
            before = loop.turns
            await asyncio.sleep(3_600)
            return loop.turns - before

    assert run(hour()) < 60 * TURNS_A_MINUTE
