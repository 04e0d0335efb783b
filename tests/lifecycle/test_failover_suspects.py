"""Looking at what may have lost something gives way to others, also where there is nothing to write of most."""

from __future__ import annotations

import asyncio
from typing import Any

from lifecycle.failover_suspects import Suspects
from lifecycle.placing_together import TOGETHER
from lifecyclekit.edge import QUICK

LOTS = 4


async def test_others_have_a_turn_after_each_lot_that_has_lost_nothing(edges: Any) -> None:
    async with edges(running=False) as edge:
        suspects = Suspects(edge.ledger, edge.lifecycle.plans._placing, settings=QUICK)
        for number in range(LOTS * TOGETHER):
            suspects.add(f"deployment_{number}", by_policy=False)
        looking = asyncio.create_task(suspects.look())
        turns = 0
        while not looking.done():
            turns += 1
            await asyncio.sleep(0)
        assert turns >= LOTS
