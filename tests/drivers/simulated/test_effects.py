"""The log of effects proves what it is to prove, and finds what it is to find."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driverkit.broken import Broken, BrokenDriver, NoFence, NotIdempotent
from driverkit.effects import orphans, violations
from driverkit.simulated_beds import InServerBed
from driverkit.work import NAME, removal, work
from drivers.port import StaleGeneration
from drivers.simulated import SimulatedDriver
from drivers.simulated.effects import Effect, EffectLog, Outcome
from drivers.simulated.journal import Journal
from drivers.simulated.replicas import Start
from drivers.simulated.world import HAND, World


def effects(*told: tuple[str, int]) -> list[Effect]:
    log = EffectLog(100)
    for what, generation in told:
        by = HAND if what in ("vanished", "changed") else "c"
        log.note(what, work(generation), now=0, by=by)
    return list(log.after(0))


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ([("applied", 1), ("applied", 2), ("removed", 3), ("applied", 4)], []),
        ([("applied", 1), ("applied", 1)], [f"{NAME}: generation 1 applied twice to effect"]),
        ([("applied", 2), ("applied", 1)], [f"{NAME}: generation 1 applied over 2"]),
        ([("applied", 2), ("removed", 1)], [f"{NAME}: generation 1 removed over 2"]),
        ([("applied", 1), ("removed", 2), ("applied", 2)], [f"{NAME}: generation 2 applied twice to effect"]),
        ([("applied", 1), ("removed", 1)], []),
        ([("applied", 1), ("vanished", 1), ("applied", 1)], []),
        (
            [("applied", 1), ("changed", 1), ("applied", 1), ("applied", 1)],
            [f"{NAME}: generation 1 applied twice to effect"],
        ),
    ],
)
def test_what_was_done_twice_or_out_of_order_is_found(told: list[tuple[str, int]], found: list[str]) -> None:
    assert violations(effects(*told)) == found


def test_what_nobody_wants_is_found() -> None:
    assert orphans(["b", "a", "c"], wanted=["c"]) == ["a", "b"]


@given(
    st.lists(
        st.tuples(st.sampled_from(["ensure", "remove", "vanish"]), st.integers(1, 6), st.integers(0, 2)), max_size=40
    )
)
def test_a_world_does_nothing_twice_and_nothing_older_over_newer(
    steps: list[tuple[str, int, int]],
) -> None:
    async def run() -> None:
        world = World(Journal(None))
        await world.open()
        newest: dict[str, int] = {}
        for what, generation, number in steps:
            name = f"n{number}"
            held = newest.get(name, 0)
            try:
                if what == "ensure":
                    await world.apply(work(generation, name=name), now=0, start=Start([0, 0]))
                    assert world.objects[name].generation == generation
                elif what == "remove":
                    await world.remove(removal(generation, name))
                    assert name not in world.objects
                else:
                    newest[name] = 0 if name in world.objects else held
                    await world.vanish(name)
                    continue
                assert generation >= held
                newest[name] = generation
            except StaleGeneration:
                assert held >= generation, "only what is older, or removed, is refused"
        done = [one for one in world.effects.after(0) if one.outcome is Outcome.DONE]
        by_hand = {one.name for one in done if one.by == HAND}
        assert violations(one for one in done if one.name not in by_hand) == []

    asyncio.run(run())


@pytest.mark.parametrize(("sort", "sound"), [(Broken, True), (NoFence, False), (NotIdempotent, False)])
async def test_races_of_two_connections_are_proved_sound_and_without_the_defence_they_are_not(
    sort: type[Broken], sound: bool
) -> None:
    chance = random.Random(11)
    simulated = SimulatedDriver()
    bed = InServerBed(None, driver=BrokenDriver(simulated, sort), simulated=simulated)
    bed.configuration |= {"latencyJitterMs": 2, "lostReplyRate": 0.3, "seed": 4}
    async with bed.connected() as one, bed.connected() as other:
        for step in range(40):
            generations = [max(1, step * 2 + chance.randint(-3, 3)) for _ in range(6)]
            calls = [chance.choice((one, other)).ensure(work(number)) for number in generations]
            await asyncio.gather(*calls, return_exceptions=True)
        told = [effect for effect in bed.world.effects.after(0) if effect.by != HAND]
    assert (violations(told) == []) is sound
