"""Kills writers and checks what they leave: all that they were told is durable, and nothing by halves."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Collection
from dataclasses import dataclass

from faultkit.convergence import converging
from graph.kinds import Region
from graph.ledger import Ledger
from graph.store import Store
from storekit.checks import State, all_records, check_whole
from storekit.places import Place
from storekit.processes import KilledWriters

LOOKUPS_AT_ONCE = 8
"""As many as a store's readers: more would wait for each other."""
AT_ONCE = 3
"""Writers of a shared store that run and are killed together, at most."""


@dataclass
class Toll:
    """What a test of kills did."""

    kills: int = 0
    rounds: int = 0
    """The store was checked after each; in one round one writer was killed, or several beside each other."""
    told: int = 0
    """Commits that a writer was told are durable."""
    revision: int = 0
    """Commits in the log at the end, told or not."""
    converged_s: float = 0.0
    """The longest from a kill until another could write: the store was open, and the lock its own."""


async def kill_and_check(
    place: Place, writers: KilledWriters, *, kills: int, random_: random.Random, up_to_s: float = 0.15
) -> Toll:
    """Kills writers `kills` times on one database and checks it after each round, at the end from the log's beginning.

    On a shared store up to three write beside each other, so that some must go on where another was killed.
    """
    toll = Toll()
    state = State()
    told: dict[str, int] = {}
    async with Ledger(place.handle()).running():
        pass  # what is migrated only once is not what is waited for after each kill
    while toll.kills < kills:
        writing = min(random_.randint(1, AT_ONCE) if place.shared else 1, kills - toll.kills)
        told |= await asyncio.to_thread(writers.run, after_s=[random_.uniform(0.0, up_to_s) for _ in range(writing)])
        toll.kills += writing
        toll.rounds += 1
        store = place.handle()
        with converging() as took:
            await store.open()
            await locked(store)
        toll.converged_s = max(toll.converged_s, took.seconds)
        try:
            state = await checked(store, state, told)
            if toll.kills >= kills:
                await checked(store, State(), told)
        finally:
            await store.close()
    toll.told, toll.revision = len(told), state.revision
    return toll


async def checked(store: Store, known: State, told: dict[str, int]) -> State:
    """Checks a store whose writers are gone, from what an earlier check knew on; gives what is known now.

    The lock is waited for first: a server may still be at work on what a writer had sent it before it was killed.
    """
    await locked(store)
    seen = set(known.live)
    state = await check_whole(store, known=known)
    await check_told(store, state, told, seen=seen)
    return state


async def locked(store: Store) -> None:
    """Returns once the writers' lock could be had."""
    async with store.begin() as transaction:
        await transaction.head()


async def check_told(store: Store, state: State, told: dict[str, int], *, seen: Collection[str] = ()) -> None:
    """Every commit that was told durable is in the log under its number, and each commit's parts are all there or none.

    `state` is what the log says. Private values are read one by one: those of the entities that were `seen` are not.
    """
    regions = {one.name: one for one in state.live.values() if isinstance(one, Region)}
    for key, revision in told.items():
        logged = regions[key].revision if key in regions else None
        assert logged == revision, f"{key} was told durable at {revision}, the log has {logged}"
    ids = {key: one.id for key, one in regions.items()}
    sites = [one.labels["key"] for one in state.live.values() if one.SPEC.name == "Site"]
    links = [one.labels["key"] for one in state.live.values() if one.SPEC.name == "Link"]
    assert sorted(sites) == sorted([*ids, *ids]), "the sites differ from the commits"
    assert sorted(links) == sorted(ids), "the links differ from the commits"
    for collection in ("Event", "decision"):
        subjects = sorted(str(one.subject_id) for one in await all_records(store, collection))
        assert subjects == sorted(ids.values()), f"the {collection} records differ from the commits"
    assert len(await all_records(store, "audit")) == state.revision, "the audit differs from the commits"
    keys = [key for key, region_id in ids.items() if region_id not in seen]
    for start in range(0, len(keys), LOOKUPS_AT_ONCE):
        some = keys[start : start + LOOKUPS_AT_ONCE]
        for key, value in zip(some, await asyncio.gather(*(store.private(f"private:{k}") for k in some)), strict=True):
            assert value == key.encode(), f"{key} has lost its private value"
