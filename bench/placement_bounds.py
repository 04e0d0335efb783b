"""`make bench NAME=placement-bounds`: computes the bounds that `placement` measures gaps against, and writes them.

Each app has a process of its own, which tells every bound that it finds and is ended after some seconds: those of the
relaxation of the whole model, told more and more, until it is whole by itself or what is left of it is searched to the end.
The file is a part of the repository; this is run anew when worlds, apps or costs change, or with more seconds for nearer
bounds. What is there already and still holds is kept where it is better.

    python -m bench.placement_bounds --sizes S M --seeds 1 2 --apps 40 --seconds 20
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing.connection import Connection

from bench.measures.placing import HEURISTIC, Ground
from bench.worlds.apps import AppToPlace, apps, crowded, simple
from bench.worlds.bounds import BELOW, EXACT, NONE, Bound, name_of, nearer, shipped, write
from bench.worlds.fibre import SCALES, FibreWorld
from placement.compiled import prepare
from placement.solve.dominance import needed
from placement.solve.mip import exact
from placement.solve.model import Limits
from placement.solve.program import pairs
from placement.solve.restriction import numbered_among, restricted
from placement.solve.solve import solve

STAGES = (
    Limits(steps=40_000_000, mip_nodes=0),
    Limits(steps=40_000_000, mip_nodes=300, mip_looks=200),
    Limits(steps=40_000_000, mip_nodes=100_000, mip_looks=1_000_000, branched=100_000),
)
"""Of a search of the whole: a relaxation that is told until it is whole, then a better choice to compare with, then all that
can be better than that."""
EACH = 5
"""Apps after which what is known is written."""
MOST_PAIRS = 20_000_000
"""Pairs in reach of a model that is worked on at all."""


def told(ground: Ground, app: AppToPlace, pipe: Connection) -> None:
    """Tells the bounds of one app, better and better ones."""
    model = ground.whole_model(app, limits=HEURISTIC)
    if pairs(model) > MOST_PAIRS:
        return
    best = solve(replace(model, limits=Limits()))
    left = needed(model, keep=best.open, most_pairs=MOST_PAIRS)
    part, best = restricted(model, left), numbered_among(best, left)
    for limits in STAGES:
        found = exact(replace(part, limits=limits), incumbent=best)
        if found is None:
            continue
        if not found.feasible:
            pipe.send(Bound(NONE))
            return
        best = found
        sys.stderr.write(f"{app.name}: {found.bound} to {found.cost}\n")
        if found.bound is not None:
            pipe.send(Bound(EXACT if found.proved else BELOW, float(found.bound[0])))
        if found.proved:
            return


def bound_of(ground: Ground, app: AppToPlace, *, seconds: float) -> Bound | None:
    """The best bound of an app that is found within some seconds; None when there is none."""
    context = multiprocessing.get_context("fork")
    mine, theirs = context.Pipe(duplex=False)
    process = context.Process(target=told, args=(ground, app, theirs), daemon=True)
    process.start()
    theirs.close()
    best: Bound | None = None
    until = time.monotonic() + seconds
    try:
        while mine.poll(max(0.0, until - time.monotonic())):
            found: Bound = mine.recv()
            best = found if best is None else nearer(best, found)
    except EOFError:
        pass
    process.kill()
    process.join()
    return best


def main() -> None:
    """Computes them and writes the file after each set."""
    parser = argparse.ArgumentParser(prog="bench.placement_bounds")
    parser.add_argument("--sizes", nargs="+", default=list(SCALES), choices=list(SCALES))
    parser.add_argument(
        "--sorts", nargs="+", default=["simple", "composite"], choices=["simple", "composite", "crowded"]
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3, 4, 5])
    parser.add_argument("--apps", type=int, default=200)
    parser.add_argument("--free", type=float, default=1.0, help="what is left of each node's capacity")
    parser.add_argument("--only", nargs="+", default=[], help="names of apps")
    parser.add_argument("--seconds", type=float, default=60.0, help="for one app")
    given = parser.parse_args()
    prepare()
    for size in given.sizes:
        for seed in given.seeds:
            world = FibreWorld(SCALES[size], seed=seed, free=given.free)
            ground = Ground(world)
            for sort in given.sorts:
                make = {"simple": simple, "composite": apps, "crowded": crowded}[sort]
                _set(ground, sort, make(world, given.apps, seed=seed), seconds=given.seconds, only=given.only)


def _set(ground: Ground, sort: str, listed: list[AppToPlace], *, seconds: float, only: Sequence[str]) -> None:
    name = name_of(ground.world, sort)
    known = shipped().holding(name, ground.world, listed)
    for at, app in enumerate(listed):
        have = known.get(app.name)
        if (have is not None and have.kind != BELOW) or (only and app.name not in only):
            continue
        found = bound_of(ground, app, seconds=seconds)
        if found is not None:
            known[app.name] = found if have is None else nearer(have, found)
        sys.stderr.write(f"{name} {app.name}: {known.get(app.name)}\n")
        if at % EACH == EACH - 1:
            _write(name, ground.world, listed, known)
    _write(name, ground.world, listed, known)


def _write(name: str, world: FibreWorld, listed: Sequence[AppToPlace], known: dict[str, Bound]) -> None:
    now = shipped()  # another run may have written other sets meanwhile
    now.put(name, world, listed, known)
    write(now)


if __name__ == "__main__":
    main()
