"""A process that lives on and on while everything goes wrong, and what it holds after each round of that.

The model's own verbs and faults, drawn by a seed, and its oracle; nobody dies, for what a process forgets to let go of goes
with it. At the end of a round all is terminated and gone: whatever is still held then was left over.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import os
import random
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivers.simulated.effects import EFFECTS_KEPT, EffectLog
from faultkit.left_over import names_of_gone, own_objects
from faultkit.machine import TROUBLES, Lives
from faultkit.machine_lives import SITES
from faultkit.user import User
from graph.view import Reader
from placement.compiled import prepare
from placement.kept import Shelf
from placement.projection import Projection

ROOT = Path(__file__).parents[2]
LOOKED_AT = ("access", "graph", "lifecycle", "placement")
"""Packages whose memory is counted: what a simulated cluster keeps of its past is the test's."""
LEFT_OUT = ("graph/stores",)
"""The library that reads and writes the file keeps the newest statements, which fills it for hours."""
DRAWN: dict[str, Sequence[Any]] = {
    "gated": (False, True),
    "single": (False, True),
    "large": (False, True),
    "delete": (True,),
    "really": (1,),
    "powered_off": (False, True),
    "which": range(100),
    "to": range(100),
    "version": ("1", "2"),
    "replicas": (1, 2, 3),
    "last": (1, 2),
    "right": (0, 1, 2, 3),
    "seconds": (0.1, 0.5, 2.0, 10.0, 70.0),
    "trouble": sorted(TROUBLES),
}
AT_SITES = ("deploy", "update_sites", "migrate")
"""Rules whose `where` is several sites."""
_KEPT_FOR_SPEED: list[Any] = []
"""The caches of functions that were there before."""
NOT_DRAWN = ("dies_soon", "comes_to_rest", "terminate", "clock_jumps")


@dataclass(frozen=True)
class Held:
    """What a process holds when it has nothing to do."""

    tasks: int
    files: int
    bytes: int
    objects: int
    """Of its own classes."""
    gone: Sequence[str]
    """What it still names though it is gone."""


class Soak:
    """One process over rounds."""

    def __init__(self, seed: int) -> None:
        self.machine = Lives()
        self.machine.begin()
        self.dice = random.Random(seed)
        self.rules = [one for one in self.machine.setup_state().rules if one.function.__name__ not in NOT_DRAWN]
        self.steps = 0

    def round(self, *, steps: int, lasts_s: float) -> Held:
        """So many steps; then everything is put right, comes to an end, and time passes. What is held then."""
        machine = self.machine
        for _ in range(steps):
            self._step()
            machine.nothing_is_done_twice_or_over_something_newer()
        for number in range(len(machine.shops)):
            if not machine.shops[number].ending:
                self._terminate(number)
        machine.comes_to_rest()
        for left in list(machine.edge.view.ids("Deployment")):  # what a cancellation ended is still known
            machine._runner.run(User(machine.edge, machine.notes).terminate(f"end {left}", left, delete=True))
        machine._runner.run(
            machine.edge.until(lambda: not machine.edge.view.count("Deployment"), what="the end of all")
        )
        machine._runner.run(self._forget(after_s=lasts_s))
        return machine._runner.run(held(machine.edge.view))

    def _step(self) -> None:
        able = [one for one in self.rules if all(met(self.machine) for met in one.preconditions)]
        rule = self.dice.choice(able)
        given = {}
        name = rule.function.__name__
        for parameter in list(inspect.signature(rule.function).parameters)[1:]:
            if parameter != "where":
                given[parameter] = self.dice.choice(DRAWN[parameter])
            elif name in AT_SITES:
                given[parameter] = set(self.dice.sample(range(SITES), self.dice.randint(1, SITES)))
            else:
                given[parameter] = self.dice.randrange(SITES)
        getattr(self.machine, name)(**given)
        self.steps += 1

    def _terminate(self, number: int) -> None:
        alive = [one for one in self.machine.shops if not one.ending]
        self.machine.terminate(which=alive.index(self.machine.shops[number]), delete=True, really=0)

    async def _forget(self, *, after_s: float) -> None:
        """What the test itself, its clusters, and what is bounded in the ledger remember."""
        machine = self.machine
        await asyncio.sleep(after_s)
        ledger = machine.edge.ledger
        await ledger.store.inner._commits.settle()
        machine.points.passed.clear()
        ledger.feed.restart(ledger.feed.revision)
        machine.shops.clear()
        machine.notes.told.clear()
        machine.logs.clear()
        del machine.installation.driver.open[:-1]
        world = machine.edge.world()
        assert not world.objects
        world.removed.clear()
        world.effects = EffectLog(EFFECTS_KEPT)
        world.effects.begin(machine.copies.read_to)

    def end(self) -> None:
        """Closes it."""
        self.machine.teardown()


def _let_go() -> None:
    """Has everything forgotten that is kept for speed and bounded: what grows beside it is not hidden by it then.

    What has changed since somebody last placed anything is noted until somebody does, so that is taken in first.
    """
    gc.collect()
    for one in [one for one in gc.get_objects() if issubclass(type(one), Projection)]:
        one.inventory()
    for one in gc.get_objects():
        if issubclass(type(one), Shelf):
            one.clear()
        elif _is_cache(one):
            one.cache_clear()
    for one in _KEPT_FOR_SPEED:
        one.cache_clear()
    gc.collect()


def _is_cache(one: Any) -> bool:
    return issubclass(type(one), functools._lru_cache_wrapper) and (one.__module__ or "").startswith(LOOKED_AT)


def _counts(file: str) -> bool:
    """Whether what a file has allocated is counted."""
    inside = Path(file).relative_to(ROOT).as_posix() if file.startswith(f"{ROOT}/") else ""
    return inside.startswith(tuple(f"{one}/" for one in LOOKED_AT)) and not inside.startswith(
        tuple(f"{one}/" for one in LEFT_OUT)
    )


async def held(view: Reader) -> Held:
    """What this process, which knows that graph, holds now."""
    _let_go()
    # By file first: to hold each of a quarter of a million blocks against the packages took most of the time.
    found = [one for one in tracemalloc.take_snapshot().statistics("filename") if _counts(one.traceback[0].filename)]
    objects = own_objects(LOOKED_AT)
    return Held(
        tasks=len(asyncio.all_tasks()),
        files=len(os.listdir("/proc/self/fd")),
        bytes=sum(one.size for one in found),
        objects=len(objects),
        gone=names_of_gone(view, objects),
    )


@contextmanager
def soaking(seed: int) -> Iterator[Soak]:
    """A process whose memory is counted, from here on: what other tests have left in it is not looked through each time."""
    prepare()  # what compiles and loads is not what grows, and takes ten times as long while memory is traced
    gc.unfreeze()
    gc.collect()
    _KEPT_FOR_SPEED[:] = [one for one in gc.get_objects() if _is_cache(one)]
    gc.freeze()
    tracemalloc.start()
    try:
        soak = Soak(seed)
        try:
            yield soak
        finally:
            soak.end()
    finally:
        tracemalloc.stop()
        _KEPT_FOR_SPEED.clear()
