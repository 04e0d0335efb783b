"""`make bench NAME=lifecycle`: what keeping desired state true costs, and how soon it is done.

Each part can be run alone: ARGS="--only deploy". Backends are simulated by a process of their own, so that no figure of
EdgeAtlas has their work in it. Neo4j's parts need Java and the server's jars (see tests/beds/neo4j), those of several
workers the NATS server of the development packages; they say so when they are left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from bench.harness import Bench, median, quantile, run
from bench.measures.answering import beside_mass_s
from bench.measures.deploying import asked, deployed, until_observed, until_ready
from bench.measures.edges import make_edge
from bench.measures.fleet import Fleet, Worker
from bench.measures.loops import on_loop
from bench.measures.places import Nats, Neo4j, PartAbsent, workplace
from bench.measures.requests import Caller
from bench.measures.served import Served, make_caller
from bench.measures.simulation import Simulation
from server import logs

MS = 1e3
SITES = 1_000
CLUSTERS = 10
ROUNDS = 3
MASS_S = 300.0
GROWING_S = 600.0
SETTLED_S = 5.0
DEPLOYMENTS = 100
WORKERS = 4
IN_FLIGHT = 16
CALL_S = 0.2


def deploys(bench: Bench, folder: Path, name: str, store: str, *, target_ms: float) -> None:
    """An app to 1,000 sites, again and again: what it costs a site, from the request until all of it is ready."""
    simulation = Simulation(folder)
    try:
        edge = on_loop(make_edge(store, endpoint=simulation.endpoint, sites=SITES, nodes_each=2, clusters=CLUSTERS))
        served = Served(folder, store=store, token=on_loop(make_caller(store)))
        try:
            with Caller(served) as caller:
                until_observed(caller, nodes=2 * SITES)
                deployed(served, caller, edge, "warm")
                rounds = [deployed(served, caller, edge, f"round-{number}") for number in range(ROUNDS)]
        finally:
            served.end()
    finally:
        simulation.end()
    cpu = median([one.cpu_s for one in rounds]) / SITES
    bench.at_most(f"{name}: deploy to 1,000 sites, CPU a site", cpu * MS, unit="ms", target=target_ms)
    bench.note(f"{name}: the same, answered", median([one.answered_s for one in rounds]) * MS, unit="ms")
    bench.note(f"{name}: the same, until all is ready", median([one.wall_s for one in rounds]), unit="s")


def answers(bench: Bench, folder: Path, name: str, store: str, *, p50_ms: float, p99_ms: float, count: int) -> None:
    """A small deployment while 10,000 releases converge: how long until it is acknowledged."""
    simulation = Simulation(folder)
    try:
        edge = on_loop(make_edge(store, endpoint=simulation.endpoint, sites=SITES, nodes_each=2, clusters=CLUSTERS))
        served = Served(folder, store=store, token=on_loop(make_caller(store)))
        try:
            with Caller(served) as caller:
                until_observed(caller, nodes=2 * SITES)
                until_ready(caller, [asked(caller, edge, "warm", edge.site_ids[:10])], within_s=60)
                waits = beside_mass_s(caller, edge, answers=count, within_s=MASS_S)
        finally:
            served.end()
    finally:
        simulation.end()
    what = f"{name}: deploy to 10 sites while 10,000 releases converge, acknowledged"
    bench.at_most(f"{what}, p50", quantile(waits, 0.5) * MS, unit="ms", target=p50_ms)
    bench.at_most(f"{what}, p99", quantile(waits, 0.99) * MS, unit="ms", target=p99_ms)


def workers(bench: Bench, folder: Path, store: str, nats: str) -> None:
    """Four workers over one graph: their share of what the backend allows, and what becomes of one that is killed."""
    simulation = Simulation(folder, behaviour={"latencyMs": CALL_S * MS})
    try:
        edge = on_loop(make_edge(store, endpoint=simulation.endpoint, sites=SITES, nodes_each=2, clusters=CLUSTERS))
        alone = {"NATS": nats, "WORKERS_INSIDE": "false"}
        served = Served(folder, store=store, token=on_loop(make_caller(store)), settings=alone)
        fleet = None
        try:
            fleet = Fleet(folder, store=store, nats=nats, count=WORKERS, in_flight=IN_FLIGHT // WORKERS)
            with Caller(served) as caller:
                until_observed(caller, nodes=2 * SITES)
                fleet.converged_s(caller, edge, "warm", within_s=MASS_S)
                before = fleet.cpu_s()
                took = [fleet.converged_s(caller, edge, f"round-{number}", within_s=MASS_S) for number in range(ROUNDS)]
                used = (fleet.cpu_s() - before) / ROUNDS / SITES
                moved = [fleet.moved_s(caller, edge, f"moved-{number}", sites=10) for number in range(2)]
        finally:
            if fleet is not None:
                fleet.end()
            served.end()
    finally:
        simulation.end()
    share = 100 * SITES / median(took) / (IN_FLIGHT / CALL_S)
    bench.at_least("4 workers: 1,000 releases, of the bound of 80/s", share, unit="%", target=80, scaled=False)
    bench.note("4 workers: CPU of all of them a release", used * MS, unit="ms")
    bench.at_most("worker killed until its work is done by others", max(moved), unit="s", target=10, scaled=False)


def memory(bench: Bench, folder: Path, store: str, nats: str, *, sites: int = SITES, each: int = DEPLOYMENTS) -> None:
    """What a worker has in memory, with a release and an instance for each deployment at each site.

    It is started anew for it, beside a server that works on nothing, so that nothing of how the graph came to be is in the
    figure.
    """
    simulation = Simulation(folder)
    try:
        edge = on_loop(make_edge(store, endpoint=simulation.endpoint, sites=sites, nodes_each=10, clusters=CLUSTERS))
        token = on_loop(make_caller(store))
        served = Served(folder, store=store, token=token)
        try:
            with Caller(served) as caller:
                until_observed(caller, nodes=10 * sites)
                made = [asked(caller, edge, f"app-{number}") for number in range(each)]
                until_ready(caller, made, within_s=GROWING_S)
        finally:
            served.end()
        alone = {"NATS": nats, "WORKERS_INSIDE": "false"}
        served = Served(folder, store=store, token=token, settings=alone)
        worker = None
        try:
            worker = Worker(folder, store=store, nats=nats, in_flight=IN_FLIGHT)
            worker.until(lambda: worker.knows(1), within_s=MASS_S, what="the worker's share")
            with Caller(served) as caller:
                until_observed(caller, nodes=10 * sites)
                until_ready(caller, made, within_s=MASS_S)
                # It has work to do, and what it keeps for that is in the figure.
                until_ready(caller, [asked(caller, edge, "one-more")], within_s=MASS_S)
                time.sleep(SETTLED_S)
            resident = worker.resident_mb()
            beside = served.resident_mb()
        finally:
            if worker is not None:
                worker.end()
            served.end()
    finally:
        simulation.end()
    what = f"{sites * each:,} releases and instances, {10 * sites:,} nodes"
    bench.at_most(f"resident memory of a worker, {what}", resident, unit="MB", target=700, scaled=False)
    bench.note("the same, of a server beside it", beside, unit="MB")


def figures(bench: Bench) -> None:
    """All parts."""
    logs.configure(level="warning", format="console")
    with workplace() as folder:
        if bench.wants("deploy"):
            deploys(bench, folder, "SQLite", f"sqlite://{folder / 'deploy.sqlite'}", target_ms=5)
        if bench.wants("answers"):
            store = f"sqlite://{folder / 'answers.sqlite'}"
            answers(bench, folder, "SQLite", store, p50_ms=25, p99_ms=150, count=200)
        if any(bench.wants(part) for part in ("deploy-neo4j", "answers-neo4j", "workers", "memory")):
            on_neo4j(bench, folder)


def on_neo4j(bench: Bench, folder: Path) -> None:
    """What is measured on Neo4j, if it can be had."""
    try:
        neo4j = Neo4j(folder / "neo4j")
    except PartAbsent as absent:
        bench.say(f"NOT MEASURED: Neo4j. {absent}")
        return
    try:
        if bench.wants("deploy-neo4j"):
            deploys(bench, folder, "Neo4j", neo4j.store, target_ms=10)
            neo4j.clear()
        if bench.wants("answers-neo4j"):
            answers(bench, folder, "Neo4j", neo4j.store, p50_ms=150, p99_ms=600, count=100)
            neo4j.clear()
        if bench.wants("workers"):
            with_nats(bench, folder, neo4j.store, workers)
            neo4j.clear()
        if bench.wants("memory"):
            with_nats(bench, folder, neo4j.store, memory)
    finally:
        neo4j.end()


def with_nats(bench: Bench, folder: Path, store: str, part: Callable[[Bench, Path, str, str], None]) -> None:
    """A part that has workers of their own, if NATS can be had."""
    try:
        nats = Nats(folder / "nats")
    except PartAbsent as absent:
        bench.say(f"NOT MEASURED: {part.__name__}. {absent}")
        return
    try:
        part(bench, folder, store, nats.url)
    finally:
        nats.end()


if __name__ == "__main__":
    run("lifecycle", figures)
