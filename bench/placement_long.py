"""`make bench NAME=placement-long`: 200 apps of each sort in five networks of each size, and how near the best they are.

One network and forty apps, as in `placement`, are few to judge a search by. Here every figure is over all five networks:
times of single decisions after one that does not count, gaps to the bounds that are shipped for these apps, and apps that
were not placed although they can be. ARGS="--only S" is one size.
"""

from __future__ import annotations

import gc
import os

from bench.harness import Bench, quantile, run
from bench.measures.placing import HEURISTIC
from bench.placement import GAPS, Size, against, mean
from bench.worlds.bounds import EXACT
from bench.worlds.fibre import SCALES
from placement.solve.model import Limits
from server import logs

MS = 1e3
APPS = int(os.environ.get("EDGEATLAS_BENCH_APPS") or 200)
SEEDS = (1, 2, 3, 4, 5)
HOWS = {"heuristic": HEURISTIC, "HiGHS core": Limits()}


def figures(bench: Bench) -> None:
    """All sizes."""
    logs.configure(level="warning", format="console")
    for name in SCALES:
        if bench.wants(name):
            at_size(bench, name)


def at_size(bench: Bench, name: str) -> None:
    """All figures of one size."""
    took: dict[tuple[str, str], list[float]] = {}
    gaps: dict[tuple[str, str], list[float]] = {}
    refused: dict[tuple[str, str], int] = {}
    without: dict[tuple[str, str], int] = {}
    bounded, proved = dict.fromkeys(("simple", "composite"), 0), dict.fromkeys(("simple", "composite"), 0)
    for seed in SEEDS:
        bench.say(f"{name}: network {seed} of {len(SEEDS)}")
        size = Size(name, seed=seed, count=APPS)
        for sort, listed in size.apps.items():
            bounds = size.bounds[sort]
            known = [one for one in listed if one.name in bounds]
            bounded[sort] += len(known)
            proved[sort] += sum(bounds[one.name].kind == EXACT for one in known)
            for how, limits in HOWS.items():
                took.setdefault((sort, how), []).extend(size.ground.cpu(listed, limits=limits, times=1))
                compared = against(size.ground, known, bounds, limits=limits)
                gaps.setdefault((sort, how), []).extend(compared.gaps)
                refused[sort, how] = refused.get((sort, how), 0) + compared.refused
                without[sort, how] = without.get((sort, how), 0) + compared.without
        del size
        gc.collect()
    for (sort, how), values in took.items():
        title = f"{name}: {sort} app, {how}"
        bench.note(f"{title}, CPU p50", quantile(values, 0.5) * MS, unit="ms")
        bench.note(f"{title}, CPU p99", quantile(values, 0.99) * MS, unit="ms")
        if not gaps[sort, how]:
            bench.say(f"NOT MEASURED: gaps of {title}: no bounds were computed for these networks")
            continue
        if how == "HiGHS core":
            figure = 100 * mean(gaps[sort, how])
            bench.at_most(f"{title}, mean gap", figure, unit="%", target=GAPS[name], scaled=False)
        else:
            bench.note(f"{title}, mean gap", 100 * mean(gaps[sort, how]), unit="%")
        bench.note(f"{title}, largest gap", 100 * max(gaps[sort, how]), unit="%")
        bench.note(f"{title}, refused though the exact model places it", refused[sort, how], unit="")
        bench.note(f"{title}, with a bound, not placed", without[sort, how], unit="")
    for sort, count in bounded.items():
        bench.note(f"{name}: {sort} apps with a bound", count, unit="")
        bench.note(f"{name}: {sort} apps whose least cost is proved", proved[sort], unit="")


if __name__ == "__main__":
    run("placement-long", figures, limit_s=6 * 3_600.0)
