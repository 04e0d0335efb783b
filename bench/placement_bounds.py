"""`make bench NAME=placement-bounds`: computes the bounds that `placement` measures gaps against, and writes them.

Each app has a process of its own, which tells every bound that it finds and is ended after some seconds: first the
relaxation of the whole model, then HiGHS's own bound with more and more nodes, until one proves the best known placement.
The file is a part of the repository; this is run anew when worlds, apps or costs change, or with more seconds for nearer
bounds. What is there already and still holds is kept where it is better.

    python -m bench.placement_bounds --sizes S M --seeds 1 2 --apps 40 --seconds 20
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from multiprocessing.connection import Connection

from bench.measures.placing import HEURISTIC, Ground
from bench.worlds.apps import AppToPlace, apps, crowded, simple
from bench.worlds.bounds import BELOW, EXACT, NONE, Bound, digest, name_of, shipped, write
from bench.worlds.fibre import SCALES, FibreWorld
from placement.solve.bound import lp_bound
from placement.solve.mip import exact
from placement.solve.model import Limits
from placement.solve.program import pairs
from placement.solve.solve import solve

NODES = (1, 30, 300, 3_000, 30_000, 300_000)
MOST_PAIRS = 4_000_000
"""Pairs in reach of a model that is worked on at all."""
MOST_BETWEEN = 6_000
"""Sites that an app of several units may run at: distances between all of them are asked for."""


def told(ground: Ground, app: AppToPlace, pipe: Connection) -> None:
    """Tells the bounds of one app, better and better ones."""
    if len(app.components) > 1 and ground.decide(app, limits=HEURISTIC).verdict.passed > MOST_BETWEEN:
        return
    model = ground.whole_model(app, limits=Limits())
    if pairs(model) > MOST_PAIRS:
        return
    relaxed = lp_bound(model, most_pairs=MOST_PAIRS)
    if relaxed is not None:
        pipe.send(Bound(BELOW, float(relaxed[0])))
    best = solve(ground.whole_model(app, limits=HEURISTIC))
    for nodes in NODES:
        found = exact(model, incumbent=best, node_limit=nodes)
        if found is None:
            continue
        if not found.feasible:
            pipe.send(Bound(NONE))
            return
        best = found
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


def nearer(one: Bound, other: Bound) -> Bound:
    """The one that says more."""
    if one.kind != BELOW or other.kind != BELOW:
        return one if one.kind != BELOW else other
    return one if one.cost >= other.cost else other


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
    parser.add_argument("--seconds", type=float, default=60.0, help="for one app")
    given = parser.parse_args()
    for size in given.sizes:
        for seed in given.seeds:
            world = FibreWorld(SCALES[size], seed=seed, free=given.free)
            ground = Ground(world)
            for sort in given.sorts:
                make = {"simple": simple, "composite": apps, "crowded": crowded}[sort]
                _set(ground, sort, make(world, given.apps, seed=seed), seconds=given.seconds)


def _set(ground: Ground, sort: str, listed: list[AppToPlace], *, seconds: float) -> None:
    name, mark = name_of(ground.world, sort), digest(ground.world, listed)
    before = shipped()
    known = dict(before.apps.get(name, {})) if before.digests.get(name) == mark else {}
    for app in listed:
        have = known.get(app.name)
        if have is not None and have.kind != BELOW:
            continue
        found = bound_of(ground, app, seconds=seconds)
        if found is not None:
            known[app.name] = found if have is None else nearer(have, found)
        sys.stderr.write(f"{name} {app.name}: {known.get(app.name)}\n")
    now = shipped()  # another run may have written other sets meanwhile
    now.digests[name], now.apps[name] = mark, known
    write(now)


if __name__ == "__main__":
    main()
