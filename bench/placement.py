"""`make bench NAME=placement`: how long decisions take, how near the best they are, and what happens beside them.

Networks of real cities with fibre-like lines (bench/worlds/fibre.py): S 100 sites and 1,000 nodes, M 1,000 and 5,000, L
10,000 and 100,000; apps of one unit and of three or four that serve each other (bench/worlds/apps.py). Times are CPU of the
process; gaps are measured against bounds that were computed offline (bench/placement_bounds.py). Each part can be run
alone: ARGS="--only gap".
"""

from __future__ import annotations

import gc
import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from bench.harness import Bench, median, quantile, repeated, run, seconds, undisturbed
from bench.measures.failing import Failover, Inhabited
from bench.measures.loops import on_loop
from bench.measures.naive import Naive
from bench.measures.places import workplace
from bench.measures.placing import HEURISTIC, Ground
from bench.measures.requests import Caller
from bench.measures.served import Served, make_caller
from bench.measures.solving import (
    PLAN,
    asked_meanwhile,
    plan_input,
    store_with_apps,
    version_of,
    wait_for_clusters,
)
from bench.worlds.apps import AppToPlace, apps, crowded, inhabitants, simple
from bench.worlds.bounds import BELOW, EXACT, NONE, Bound, batch_bound_for, bounds_for
from bench.worlds.fibre import SCALES, FibreWorld
from graph.values import Resources
from placement.batch import Asked, decide_together
from placement.solve.model import Limits
from placement.verdict import Verdict
from server import logs

MS = 1e3
APPS = 40
"""Of each sort, at each size."""
NAIVE_APPS = 6
DEPLOYMENTS = 5_000
SHORT, TOGETHER = 0.2, 46
"""Of the contended batch: what is left of each node at most, and how many apps."""
BATCHES = (1, 2, 3)
"""Seeds of the contended batches, each a network and apps of its own."""
LOST = 20
"""Sites that are lost, one at a time."""
PLANNING_S = 20.0
SAME = 8
"""Looks, a second apart, in which memory is the same that is settled."""
GAPS = {"S": 0.1, "M": 0.5, "L": 1.0}
"""Targets of the mean gap, %."""


class Size:
    """A world, the apps to place in it, and their bounds."""

    def __init__(self, name: str, *, seed: int = 1, count: int = APPS) -> None:
        self.name = name
        self.ground = Ground(FibreWorld(SCALES[name], seed=seed))
        self.apps = {
            "simple": simple(self.ground.world, count, seed=seed),
            "composite": apps(self.ground.world, count, seed=seed),
        }

    @cached_property
    def bounds(self) -> dict[str, dict[str, Bound]]:
        """By sort and name of the app."""
        return {sort: bounds_for(self.ground.world, sort, listed) for sort, listed in self.apps.items()}


def decisions(bench: Bench, size: Size) -> None:
    """CPU of one decision from the projection, with every site's reasons: a problem, its rules, its answer."""
    target = size.name == "L"
    for sort, listed in size.apps.items():
        name = f"{size.name}: {sort} app"
        for how, limits, p50, p99 in (("heuristic", HEURISTIC, 5.0, 25.0), ("HiGHS core", Limits(), 150.0, 1_000.0)):
            took = size.ground.cpu(listed, limits=limits, times=3 if limits is HEURISTIC else 1)
            for share, most in ((0.5, p50), (0.99, p99)):
                figure = f"{name}, {how}, CPU p{share * 100:.0f}"
                if target:
                    bench.at_most(figure, quantile(took, share) * MS, unit="ms", target=most)
                else:
                    bench.note(figure, quantile(took, share) * MS, unit="ms")
        for told, measured in (
            ("a node changed", size.ground.changed_cpu),
            ("no distance known", size.ground.cold_cpu),
        ):
            took = measured(listed, limits=HEURISTIC)
            for share in (0.5, 0.99):
                bench.note(f"{name}, heuristic, {told}, CPU p{share * 100:.0f}", quantile(took, share) * MS, unit="ms")


def reasons(bench: Bench, size: Size) -> None:
    """The words of refusals, which are made page by page."""
    verdict = size.ground.decide(size.apps["composite"][1], limits=HEURISTIC).verdict

    def page() -> float:
        told = size.ground.decide(size.apps["composite"][1], limits=HEURISTIC).verdict.told
        return seconds(lambda: [told[at] for at in range(min(50, len(told)))])

    bench.note(f"{size.name}: sites refused, with reasons", len(verdict.told), unit="")
    bench.note(f"{size.name}: a page of 50 refusals in words, wall", median(repeated(page)) * MS, unit="ms")


def gaps(bench: Bench, size: Size) -> None:
    """How far above the best bound decisions cost."""
    for sort, listed in size.apps.items():
        bounds = size.bounds[sort]
        if not bounds:
            bench.say(f"NOT MEASURED: {size.name}, {sort} apps: no bounds were computed for this world")
            continue
        known = [one for one in listed if one.name in bounds]
        bench.note(f"{size.name}: {sort} apps with a bound", len(known), unit="")
        proved = sum(bounds[one.name].kind == EXACT for one in known)
        bench.note(f"{size.name}: {sort} apps whose least cost is proved", proved, unit="")
        for how, limits in (("HiGHS core", Limits()), ("heuristic", HEURISTIC)):
            compared = against(size.ground, known, bounds, limits=limits)
            found = compared.gaps
            name = f"{size.name}: {sort} app, {how}"
            if how == "HiGHS core":
                bench.at_most(f"{name}, mean gap", 100 * mean(found), unit="%", target=GAPS[size.name], scaled=False)
            else:
                bench.note(f"{name}, mean gap", 100 * mean(found), unit="%")
            bench.note(f"{name}, largest gap", 100 * max(found, default=0.0), unit="%")
            figure = f"{name}, refused though the exact model places it"
            if size.name == "S":
                bench.at_most(figure, compared.refused, unit="", target=0, scaled=False)
            else:
                bench.note(figure, compared.refused, unit="")
            bench.note(f"{name}, with a bound, not placed", compared.without, unit="")


@dataclass(frozen=True, slots=True)
class Compared:
    """Decisions beside the bounds of what they decided."""

    gaps: list[float]
    """Of those that are placed: how far above its bound each costs, as a share of it."""
    refused: int
    """Not placed although the exact model places them."""
    without: int
    """Not placed, with a bound that is not proved to be reached: whether they can be placed is not known."""


def against(ground: Ground, listed: Sequence[AppToPlace], bounds: dict[str, Bound], *, limits: Limits) -> Compared:
    """The gaps of those that are placed, and how many are not, by what is known of them."""
    found, refused, without = [], 0, 0
    for app in listed:
        bound = bounds[app.name]
        verdict = ground.decide(app, limits=limits).verdict
        if not verdict.feasible:
            refused += bound.kind == EXACT
            without += bound.kind == BELOW
            continue
        cost = verdict.objective.tiers[0].cost
        if bound.kind == NONE or cost < bound.cost * (1 - 1e-5):
            raise RuntimeError(f"{app.name} costs {cost}, and {bound} was shipped: compute the bounds anew")
        found.append(max(0.0, cost / bound.cost - 1.0))
    return Compared(found, refused, without)


def batch(bench: Bench) -> None:
    """The contended batch, and the same of other networks and apps, by which it is seen that it is not made for the one."""
    for seed in BATCHES:
        contended(bench, seed)


def contended(bench: Bench, seed: int) -> None:
    """Apps that are decided together on room that does not suffice for what each would have alone.

    Whatever is placed is compared with a bound for those same apps: what they cost at least on the nodes that there are,
    from prices for room (`bench/placement_batch_bounds.py`), or the sum of what each costs at least alone if that is more.
    How many are placed stands beside how many can be at most.
    """
    ground = Ground(FibreWorld(SCALES["S"], seed=seed, free=SHORT))
    listed = crowded(ground.world, TOGETHER, seed=seed)
    name = "contended batch, S" if seed == BATCHES[0] else f"contended batch, S, network {seed}"
    bounds = bounds_for(ground.world, "crowded", listed)
    nodes = ground.world.nodes
    free = sum(one.capacity.cpu_millicores - one.foreign_use.cpu_millicores for one in nodes)
    asked = [Asked(app.name, ground.problem(app)) for app in listed]
    by_id = {one.id: one.resources for app in listed for one in app.components}
    with undisturbed():
        begun = time.process_time()
        together = decide_together(asked)
        took = time.process_time() - begun
    wanted = [ground.decide(app, limits=HEURISTIC).verdict for app in listed]
    wanted_share = 100 * sum(_cpu(one, by_id) for one in wanted) / free
    taken_share = 100 * sum(_cpu(one, by_id) for one in together.placed.values()) / free
    alone = sum(bounds[one].kind != NONE for one in bounds)
    bench.note(f"{name}: apps", len(listed), unit="")
    bench.note(f"{name}: of these a place alone", alone, unit="")
    bench.note(f"{name}: placed together", len(together.placed), unit="")
    bench.note(f"{name}: of the free cores wanted", wanted_share, unit="%")
    bench.note(f"{name}: of the free cores taken", taken_share, unit="%")
    bench.at_most(f"{name}: CPU", took, unit="s", target=20)
    if not all(one in bounds for one in together.placed):
        bench.say(f"NOT MEASURED: {name}, its gap: no bounds were computed for these apps in this world")
        return
    lone = sum(bounds[one].cost for one in together.placed)
    bench.note(f"{name}: over what each costs at least alone", 100 * (together.cost[0] / lone - 1), unit="%")
    known = batch_bound_for(ground.world, "crowded", listed)
    if known is None:
        bench.say(f"NOT MEASURED: {name}, its gap: no bound was computed for these apps together in this world")
        return
    if len(together.placed) > known.most:
        raise RuntimeError(
            f"{len(together.placed)} are placed, and at most {known.most} can be: compute the bounds anew"
        )
    bench.note(f"{name}: placed together at most, proved", known.most, unit="")
    least = max(lone, known.of(together.placed))
    over = 100 * (together.cost[0] / least - 1)
    bench.at_most(f"{name}: over the bound of those placed", over, unit="%", target=3, scaled=False)


def failover(bench: Bench) -> None:
    """One of 1,000 sites is lost: what ran there is put right as a server does it."""
    for name, deployments in (("M", DEPLOYMENTS), ("S", 500)):
        world = FibreWorld(SCALES[name])
        bench.say(f"{name}: placing {deployments:,} deployments")
        inhabited = Inhabited(world, inhabitants(world, deployments))
        used = [site_id for site_id, _ in inhabited.used_sites()]
        spread = used[:: max(1, len(used) // LOST)][:LOST]
        inhabited.lost(spread[0])
        lost = [inhabited.lost(one) for one in spread]
        moves, least = sum(one.moves for one in lost), sum(one.least for one in lost)
        if name == "M":
            most = max(lost, key=lambda one: one.cpu_s)
            mean_s = mean([one.cpu_s for one in lost])
            bench.at_most("failover, M: one site lost, CPU, mean", mean_s * MS, unit="ms", target=100)
            bench.note("failover, M: one site lost, CPU, largest", most.cpu_s * MS, unit="ms")
            bench.note("failover, M: deployments at that site", most.deployments, unit="")
            bench.note(
                "failover, M: deployments at a lost site, mean", mean([one.deployments for one in lost]), unit=""
            )
            bench.note("failover, M: composite deployments, of all", inhabited.composite, unit="")
            bench.note("failover, M: of those at lost sites not placed", sum(_without(one) for one in lost), unit="")
            bench.note("failover, M: moves", moves, unit="")
            bench.note("failover, M: moves above the proved minimum", moves - least, unit="")
            continue
        bench.note("failover, S: moves", moves, unit="")
        bench.at_most("failover, S: moves above the proved minimum", moves - least, unit="", target=0, scaled=False)


def kept_current(bench: Bench, ground: Ground) -> None:
    """A node changes; the next decision's columns have it."""
    end = ground.view.follow(ground.projection)
    turns = itertools.count()

    def once() -> float:
        ground.turn_a_node(next(turns))
        return seconds(ground.projection.inventory)

    took = repeated(once, times=200, warm=20)
    end()
    bench.at_most("projection, L: one node changed", median(took) * MS, unit="ms", target=1)
    bench.note("projection, L: one node changed, p99", quantile(took, 0.99) * MS, unit="ms")


def naive(bench: Bench, size: Size) -> None:
    """Loops over networkx, sites and nodes, with the same filters and the same greedy rule."""
    ground, known = size.ground, Naive(size.ground.world)
    row = {one.id: at for at, one in enumerate(ground.world.sites)}
    theirs, ours, costs = [], [], []
    for app in size.apps["simple"][:NAIVE_APPS]:
        problem = ground.problem(app)
        with undisturbed():
            begun = time.process_time()
            chosen, candidates, cost = known.decide(app, problem)
            theirs.append(time.process_time() - begun)
        ground.forget_distances()
        mine = ground.decide(app, limits=HEURISTIC)
        ours.append(mine.cpu_s)
        unit = ground.whole_model(app, limits=HEURISTIC).units[0]
        if sorted(row[problem.sites[at].id] for at in unit.sites.tolist()) != candidates:
            raise RuntimeError(f"{app.name}: the loops let other sites pass than the rules do")
        if chosen and mine.verdict.feasible:
            costs.append(cost / mine.verdict.objective.tiers[0].cost - 1)
    bench.note(f"networkx loop, {size.name}: CPU of one decision", median(theirs) * MS, unit="ms")
    bench.note(f"networkx loop, {size.name}: the engine's, no distance known", median(ours) * MS, unit="ms")
    bench.note(f"networkx loop, {size.name}: times slower, all apps", sum(theirs) / sum(ours), unit="x")
    bench.note(f"networkx loop, {size.name}: its greedy choice costs more by, mean", 100 * mean(costs), unit="%")


def questions(bench: Bench, folder: Path) -> None:
    """Small questions to a server that plans back to back."""
    world = FibreWorld(SCALES["L"])
    listed = apps(world, 12)
    store = f"sqlite://{folder / 'large.sqlite'}"
    on_loop(store_with_apps(store, world, listed))
    plans = [plan_input(app, version=version_of(number)) for number, app in enumerate(listed)]
    site_ids = [one.id for one in world.sites[:1_000]]
    served = Served(folder, store=store, token=on_loop(make_caller(store)))
    try:
        wait_for_clusters(served)
        asked_meanwhile(served, plans=plans, site_ids=site_ids, for_s=5.0)
        found = asked_meanwhile(served, plans=plans, site_ids=site_ids, for_s=PLANNING_S)
    finally:
        served.end()
    bench.at_most("point query while plans are made, L, p99", quantile(found.waits_s, 0.99) * MS, unit="ms", target=20)
    bench.note("point query while plans are made, L, median", median(found.waits_s) * MS, unit="ms")
    bench.note("point query while plans are made, L, longest", max(found.waits_s) * MS, unit="ms")
    bench.note("plans made meanwhile", found.plans / PLANNING_S, unit="/s")
    bench.note("plans given up meanwhile, for they took too long", found.late, unit="")


def memory(bench: Bench, folder: Path) -> None:
    """What the server holds once the compiled code is loaded: with nothing in its store, with L, and when it has planned."""
    empty = f"sqlite://{folder / 'empty.sqlite'}"
    served = Served(folder, store=empty, token=on_loop(make_caller(empty)))
    try:
        bench.note("server: resident memory, empty store, kernels loaded", settled_mb(served), unit="MB")
    finally:
        served.end()
    world = FibreWorld(SCALES["L"])
    listed = apps(world, 12)
    store = f"sqlite://{folder / 'large.sqlite'}"
    on_loop(store_with_apps(store, world, listed))
    served = Served(folder, store=store, token=on_loop(make_caller(store)))
    try:
        wait_for_clusters(served, at_most_s=300.0)
        bench.note("server: resident memory, L", settled_mb(served), unit="MB")
        with Caller(served) as caller:
            for number, app in enumerate(listed):
                caller.ask(PLAN, {"input": plan_input(app, version=version_of(number))})
        bench.note("server: resident memory, L, 12 composite apps planned", settled_mb(served), unit="MB")
    finally:
        served.end()


def settled_mb(served: Served) -> float:
    """Resident memory in MB once it has been the same, to 1 MB, for some seconds."""
    seen = [served.resident_mb()]
    while len(seen) < SAME or max(seen[-SAME:]) - min(seen[-SAME:]) > 1.0:
        time.sleep(1.0)
        seen.append(served.resident_mb())
    return seen[-1]


def figures(bench: Bench) -> None:
    """All parts."""
    logs.configure(level="warning", format="console")
    of_sizes = {
        "S": ("decide", "gap"),
        "M": ("decide", "gap"),
        "L": ("decide", "gap", "reasons", "projection", "naive"),
    }
    for name, parts in of_sizes.items():
        if not bench.wants(name) and not any(bench.wants(part) for part in parts):
            continue
        bench.say(f"{name}: making a network of {SCALES[name].sites:,} sites and {SCALES[name].nodes:,} nodes")
        size = Size(name)
        every = bench.wants(name)
        if every or bench.wants("decide"):
            decisions(bench, size)
        if every or bench.wants("gap"):
            gaps(bench, size)
        if name == "L":
            if every or bench.wants("reasons"):
                reasons(bench, size)
            if every or bench.wants("naive"):
                naive(bench, size)
            if every or bench.wants("projection"):
                kept_current(bench, size.ground)
        del size
        gc.collect()
    if bench.wants("batch"):
        batch(bench)
    if bench.wants("failover"):
        failover(bench)
    if bench.wants("questions"):
        with workplace() as folder:
            questions(bench, folder)
    if bench.wants("memory"):
        with workplace() as folder:
            memory(bench, folder)


def _cpu(verdict: Verdict, resources: Mapping[str, Resources]) -> int:
    """Millicores of all that is placed."""
    parts = [part for site in verdict.placements for part in site.components]
    return sum(part.replicas * resources[part.component_id].cpu_millicores for part in parts)


def _without(lost: Failover) -> int:
    """Of the deployments at a lost site, those for which no place was found."""
    return lost.deployments - lost.placed


def mean(values: Sequence[float]) -> float:
    """Of some values; 0 of none."""
    return sum(values) / len(values) if values else 0.0


if __name__ == "__main__":
    run("placement", figures, limit_s=840.0)
