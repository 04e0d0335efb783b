"""Kills writers and checks what they leave: all that they were told is durable, and nothing by halves."""

from __future__ import annotations

import asyncio
import random

from graph.kinds import Region
from graph.ledger import Ledger
from graph.store import Store
from storekit.checks import State, all_commits, all_records, check_whole
from storekit.places import Place
from storekit.processes import KilledWriters


async def kill_and_check(
    place: Place, writers: KilledWriters, *, kills: int, random_: random.Random, up_to_s: float = 0.15
) -> int:
    """Kills a writer `kills` times on one database, checks it after each, and says how many commits were told."""
    state: State | None = None
    told: dict[str, int] = {}
    async with Ledger(place.handle()).running():
        pass  # what is migrated only once is not what is waited for after each kill
    for _ in range(kills):
        told |= await asyncio.to_thread(writers.run, after_s=random_.uniform(0.0, up_to_s))
        store = place.handle()
        await store.open()
        try:
            state = await check_whole(store, known=state)
            await check_told(store, state, told)
        finally:
            await store.close()
    return len(told)


async def check_told(store: Store, state: State, told: dict[str, int]) -> None:
    """Every commit that was told durable is in the log under its number, and each commit's parts are all there or none."""
    logged = {
        change.after.name: commit.revision
        for commit in await all_commits(store)
        for change in commit.changes
        if isinstance(change.after, Region)
    }
    for key, revision in told.items():
        assert logged.get(key) == revision, f"{key} was told durable at {revision}, the log has {logged.get(key)}"
    regions = {one.name: one.id for one in state.live.values() if isinstance(one, Region)}
    assert regions.keys() == logged.keys(), "the live regions differ from the log"
    sites = [one.labels["key"] for one in state.live.values() if one.SPEC.name == "Site"]
    links = [one.labels["key"] for one in state.live.values() if one.SPEC.name == "Link"]
    assert sorted(sites) == sorted([*regions, *regions]), "the sites differ from the commits"
    assert sorted(links) == sorted(regions), "the links differ from the commits"
    for collection in ("Event", "decision"):
        subjects = sorted(str(one.subject_id) for one in await all_records(store, collection))
        assert subjects == sorted(regions.values()), f"the {collection} records differ from the commits"
    assert len(await all_records(store, "audit")) == state.revision, "the audit differs from the commits"
    for key in regions:
        assert await store.private(f"private:{key}") == key.encode(), f"{key} has lost its private value"
