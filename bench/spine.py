"""`make bench NAME=spine`: the graph, its stores, the API and the live feed, measured as an operator would meet them.

Each part can be run alone: ARGS="--only reads". The graph of 10,000 sites is made once and stored once; a server process
of its own serves it over real sockets. Neo4j's parts need Java and the server's jars (see tests/beds/neo4j) and say so
when they are left out.
"""

from __future__ import annotations

from pathlib import Path

from access.viewer import SYSTEM, Grant, Viewer
from bench.harness import Bench, median, quantile, run
from bench.measures.bulk import apply_documents, creation
from bench.measures.commits import BareLoop, Writers, bytes_a_commit
from bench.measures.feed import Subscribers, delivered
from bench.measures.loops import on_loop
from bench.measures.places import Neo4j, PartAbsent, workplace
from bench.measures.reads import Reads
from bench.measures.requests import EIGHT_FIELDS, ONE_FIELD, Caller, cpu_each_s, wall_s
from bench.measures.served import Served, make_caller
from bench.measures.start import started
from bench.worlds import LARGE, World, store_world, viewed
from graph.kinds import Role
from graph.ledger import Ledger
from graph.stores import store_for
from server import logs

MS, US = 1e3, 1e6
ROUND_S = 2.0
ROUNDS = 5
SUBSCRIBERS = 1_000
TOPOLOGY = """{ topology { revision
  regions { ids names parentIds levels longitudes latitudes }
  sites { ids names regionIds ordinals tiers roles longitudes latitudes healths schedulable }
  nodes { ids names siteIds ordinals statuses schedulable }
  links { ids fromSiteIds toSiteIds latenciesMs states }
} }"""


def commits_to_sqlite(bench: Bench, folder: Path) -> None:
    """Rates of durable commits, and one writer beside a bare loop on the same disk, turn by turn."""
    database = folder / "commits.sqlite"

    async def measure() -> None:
        async with Ledger(store_for(f"sqlite://{database}")).running() as ledger:
            writers = await Writers.begin(ledger)
            await writers.rate(32, for_s=ROUND_S)
            many, waits = [], []
            for _ in range(ROUNDS):
                many.append(await writers.rate(32, for_s=ROUND_S))
                waits.append(quantile(writers.waits_s, 0.99))
            bare = BareLoop(folder / "bare.sqlite", row_bytes=bytes_a_commit(database))
            alone, bares = [], []
            bare.rate(for_s=0.5)
            for _ in range(ROUNDS):
                bares.append(bare.rate(for_s=ROUND_S / 2))
                alone.append(await writers.rate(1, for_s=ROUND_S))
                bares.append(bare.rate(for_s=ROUND_S / 2))
            bare.close()
        bench.at_least("SQLite: commits, 32 writers", median(many), unit="/s", target=2_000)
        bench.note("SQLite: a commit of 32 writers, p99", median(waits) * MS, unit="ms")
        bench.note("SQLite: commits, 1 writer", median(alone), unit="/s")
        bench.note("SQLite: a bare loop of flushed inserts", median(bares), unit="/s")
        over = 1 / median(alone) - 1 / median(bares)
        bench.note("SQLite: a commit of 1 writer, over a bare insert", over * US, unit="us")
        share = 100 * median(alone) / median(bares)
        bench.at_least("SQLite: 1 writer, of the bare loop", share, unit="%", target=50, scaled=False)

    on_loop(measure())


def commits_to_neo4j(bench: Bench, neo4j: Neo4j) -> None:
    """Rates of durable commits to Neo4j."""

    async def measure() -> None:
        async with Ledger(store_for(neo4j.store)).running() as ledger:
            writers = await Writers.begin(ledger)
            await writers.rate(32, for_s=10.0)  # the server compiles what it runs often
            for count, target in ((32, 600), (200, 1_200)):
                await writers.rate(count, for_s=ROUND_S)
                rates = [await writers.rate(count, for_s=ROUND_S) for _ in range(ROUNDS)]
                bench.at_least(f"Neo4j: commits, {count} writers", median(rates), unit="/s", target=target)

    on_loop(measure())


async def stored(store: str, world: World) -> None:
    """Writes a world into an empty store."""
    opened = store_for(store)
    await opened.open()
    try:
        await store_world(opened, world)
    finally:
        await opened.close()


def starts(bench: Bench, name: str, store: str, *, target_s: float, times: int = 3) -> None:
    """Starts in fresh processes."""
    started(store)
    all_of_them = [started(store) for _ in range(times)]
    bench.at_most(f"{name}: start", median([one.seconds for one in all_of_them]), unit="s", target=target_s)
    bench.note(f"{name}: start, CPU", median([one.cpu_s for one in all_of_them]), unit="s")


def reads(bench: Bench, world: World) -> None:
    """Reads of the view."""
    measured = Reads(viewed(world), world, viewer=SYSTEM)
    points = [measured.point_s() for _ in range(ROUNDS)]
    bench.at_most("view: point read", median(points) * US, unit="us", target=20)
    firsts = {name: measured.first_page_s(case) for name, case in measured.cases().items()}
    pages = {name: measured.page_s(case) for name, case in measured.cases().items()}
    for name, took in pages.items():
        bench.note(f"view: page of 50, {name}", took * US, unit="us")
    slowest = max(pages, key=pages.__getitem__)
    bench.say(f"the slowest of these filters is: {slowest}")
    bench.at_most("view: page of 50, the slowest of these", pages[slowest] * US, unit="us", target=150)
    member = Viewer(id="user_bench", name="member", grants=frozenset({Grant(Role.VIEWER, "tenant_bench")}))
    limited = Reads(measured.view, world, viewer=member)
    took = max(limited.page_s(case, reads=200) for case in limited.cases().values())
    bench.note("view: page of 50, the slowest for a member of one tenant", took * US, unit="us")
    bench.note("view: a page that is the first of its filter, the slowest", max(firsts.values()) * MS, unit="ms")


def requests(bench: Bench, served: Served, world: World) -> None:
    """What requests over HTTP cost the server."""
    with Caller(served) as caller:
        one = caller.request("{ __typename }")
        sites = [caller.request(ONE_FIELD, {"id": site.id}) for site in world.sites[:2_000]]
        cpu = cpu_each_s(served, caller, lambda number: sites[number % len(sites)], requests=1_500)
        bench.at_most("HTTP: a one-field query, CPU", cpu * US, unit="us", target=300)
        cpu = cpu_each_s(served, caller, lambda number: one, requests=1_500)
        bench.note("HTTP: { __typename }, CPU", cpu * US, unit="us")
        listed = caller.request(EIGHT_FIELDS)
        cpu = cpu_each_s(served, caller, lambda number: listed, requests=200)
        bench.at_most("HTTP: 100 sites of 8 fields, CPU", cpu * MS, unit="ms", target=3.5)
        bench.note(
            "HTTP: 100 sites of 8 fields, whole answer",
            median([wall_s(caller, listed) for _ in range(200)]) * MS,
            unit="ms",
        )


def feed(bench: Bench, served: Served, world: World) -> None:
    """From a change to its subscribers."""
    with Caller(served) as caller:
        own = Subscribers(served, count=1)
        try:
            figures = delivered(served, caller, own, site_id=world.sites[0].id, events=300, pause_s=0.07)
        finally:
            own.end()
        bench.at_most("feed: commit to own subscriber, p99", figures.p99_s * MS, unit="ms", target=25)
        bench.note("feed: commit to own subscriber, median", figures.p50_s * MS, unit="ms")
        many = Subscribers(served, count=SUBSCRIBERS)
        try:
            figures = delivered(served, caller, many, site_id=world.sites[0].id, events=40, pause_s=0.3)
        finally:
            many.end()
        bench.at_most("feed: one event to 1,000, the last one has it", figures.last_s * MS, unit="ms", target=80)
        bench.at_most("feed: one event to 1,000, CPU each", figures.cpu_each_s * US, unit="us", target=30)


def bulk(bench: Bench, folder: Path) -> None:
    """Large changes, as others on the event loop feel them."""

    async def measure() -> None:
        async with Ledger(store_for(f"sqlite://{folder / 'bulk.sqlite'}")).running() as ledger:
            stretches = [await creation(ledger, entities=4_999, prefix=f"round-{number}") for number in range(4)][1:]
        bench.note("bulk: 5,000 entities in one commit", median([one.wall_s for one in stretches]) * MS, unit="ms")
        bench.note("bulk: of it the loop stands still", median([one.blocked_s for one in stretches]) * MS, unit="ms")

    on_loop(measure())


def served_bulk(bench: Bench, served: Served, world: World) -> None:
    """The largest answers and changes of the API."""
    with Caller(served) as caller:
        whole = caller.request(TOPOLOGY)
        size = len(caller.send(whole))
        before = served.cpu_s()
        took = median([wall_s(caller, whole) for _ in range(3)])
        used = (served.cpu_s() - before) / 3
        bench.note("topology of 120,000 entities: answered", took * MS, unit="ms")
        bench.note("topology of 120,000 entities: CPU", used * MS, unit="ms")
        bench.note("topology of 120,000 entities: size", size / 1e6, unit="MB")
        applied = apply_documents(served, caller, sites=10_000, region=world.regions[-1].name)
    bench.note("applyDocuments of 10,000 sites: answered", applied.answered_s, unit="s")
    bench.note("applyDocuments of 10,000 sites: all applied", applied.applied_s, unit="s")
    bench.note("applyDocuments of 10,000 sites: CPU", applied.cpu_s, unit="s")
    bench.note("applyDocuments of 10,000 sites: another caller's longest wait", applied.others_s * MS, unit="ms")


def figures(bench: Bench) -> None:
    """All parts, in an order that lets each use what the one before has made."""
    logs.configure(level="warning", format="console")
    with workplace() as folder:
        if bench.wants("sqlite"):
            commits_to_sqlite(bench, folder)
        if bench.wants("bulk"):
            bulk(bench, folder)
        if any(bench.wants(part) for part in ("reads", "start", "http", "feed", "served")):
            large(bench, folder)
        if bench.wants("neo4j"):
            on_neo4j(bench, folder)


def large(bench: Bench, folder: Path) -> None:
    """What is measured on the large graph in SQLite."""
    bench.say(f"making a graph of {LARGE.text}")
    world = World(LARGE)
    if bench.wants("reads"):
        reads(bench, world)
    if not any(bench.wants(part) for part in ("start", "http", "feed", "served")):
        return
    store = f"sqlite://{folder / 'large.sqlite'}"
    on_loop(stored(store, world))
    if bench.wants("start"):
        starts(bench, "SQLite", store, target_s=4)
    token = on_loop(make_caller(store))
    served = Served(folder, store=store, token=token)
    try:
        bench.note("SQLite: start of the whole process, until it listens", served.listened_after_s, unit="s")
        if bench.wants("http"):
            requests(bench, served, world)
        if bench.wants("start") or bench.wants("http"):
            bench.at_most("server: resident memory", served.resident_mb(), unit="MB", target=450, scaled=False)
        if bench.wants("feed"):
            feed(bench, served, world)
        if bench.wants("served"):
            served_bulk(bench, served, world)
    finally:
        served.end()


def on_neo4j(bench: Bench, folder: Path) -> None:
    """What is measured on Neo4j, if it can be had."""
    try:
        neo4j = Neo4j(folder / "neo4j")
    except PartAbsent as absent:
        bench.say(f"NOT MEASURED: Neo4j. {absent}")
        return
    try:
        commits_to_neo4j(bench, neo4j)
        neo4j.clear()
        on_loop(stored(neo4j.store, World(LARGE)))
        starts(bench, "Neo4j", neo4j.store, target_s=12)
    finally:
        neo4j.end()


if __name__ == "__main__":
    run("spine", figures)
