"""Graphs of any size for benchmarks, the same for the same seed.

A benchmark's graph should be like an operator's: names, labels and resources that differ, a tree of regions, sites that
are near each other joined by lines. A graph whose values are all alike would flatter every index and every encoder. Ids
are made from the seed as well, with times that rise, so that a stored world is the same wherever it is made.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from graph.change import MAX_CHANGES, Change, Commit
from graph.entity import Entity, Source, SourceKind
from graph.identifiers import CROCKFORD
from graph.kinds import Link, Node, Region, RegionLevel, Site, Tier
from graph.kinds.infrastructure import NodeStatus
from graph.store import Head, Store, WriteBatch
from graph.values import Accelerator, Health, HealthStatus, Position, Resources
from graph.view import View

BEGAN_MS = 1_750_000_000_000
"""The time of the first id of every world, UTC milliseconds."""
_GIB = 2**30
_WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "haven", "inlet", "junct", "knoll", "lagoon")
_PLACES = ("nord", "süd", "west", "ost", "mitte", "hafen", "berg", "tal", "feld", "brück")
_TIERS = (Tier.NATIONAL, *[Tier.REGIONAL] * 3, *[Tier.METRO] * 16, *[Tier.DISTRICT] * 80)


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """How large a world is."""

    sites: int
    nodes: int
    links: int

    @property
    def regions(self) -> int:
        """One region for about 50 sites, and the countries above them."""
        return max(2, self.sites // 50) + self.countries

    @property
    def countries(self) -> int:
        """The regions at the root of the tree."""
        return max(1, self.sites // 1_000)

    @property
    def text(self) -> str:
        """For people."""
        return f"{self.sites:,} sites, {self.nodes:,} nodes, {self.links:,} links"


LARGE = Size(sites=10_000, nodes=90_000, links=20_000)
"""The size at which start, memory and reads are measured."""
SMALL = Size(sites=100, nodes=300, links=200)


class World:
    """The entities of a graph, parents before children."""

    def __init__(self, size: Size, *, seed: int = 1) -> None:
        self.size = size
        self._random = random.Random(seed)
        self._made = 0
        self.regions: list[Region] = []
        self.sites: list[Site] = []
        self.nodes: list[Node] = []
        self.links: list[Link] = []
        self._make_regions()
        self._make_sites()
        self._make_nodes()
        self._make_links()

    def entities(self) -> Iterator[Entity]:
        """All of them."""
        yield from self.regions
        yield from self.sites
        yield from self.nodes
        yield from self.links

    def _id(self, prefix: str) -> str:
        """An id whose time rises with each one made: ten digits of time, sixteen of chance."""
        self._made += 1
        value = (BEGAN_MS + self._made) << 80 | self._random.getrandbits(80)
        digits = [CROCKFORD[value >> shift & 31] for shift in range(125, -1, -5)]
        return f"{prefix}_{''.join(digits)}"

    def _make_regions(self) -> None:
        countries = self.size.countries
        for number in range(self.size.regions):
            parent = None if number < countries else self.regions[number % countries]
            self.regions.append(
                Region(
                    id=self._id("region"),
                    name=f"{_WORDS[number % len(_WORDS)]}-{number}",
                    parent_id=None if parent is None else parent.id,
                    level=RegionLevel.COUNTRY if parent is None else RegionLevel.CITY,
                    centre=Position(self._random.uniform(-10, 30), self._random.uniform(36, 66)),
                    demand=self._random.uniform(1, 1_000),
                    **self._stamps(),
                )
            )

    def _make_sites(self) -> None:
        below = self.regions[self.size.countries :]
        for number in range(self.size.sites):
            region = below[number % len(below)]
            centre = region.centre or Position(0, 0)
            tier = _TIERS[self._random.randrange(len(_TIERS))]
            self.sites.append(
                Site(
                    id=self._id("site"),
                    name=f"{_PLACES[self._random.randrange(len(_PLACES))]}-{_WORDS[number % 12]}-{number:05d}",
                    display_name=f"{_PLACES[number % 10].title()} {number}",
                    labels={"zone": f"z{number % 40}", "vendor": ("acme", "globex", "initech")[number % 3]}
                    | ({"gpu": "a100"} if number % 100 == 0 else {}),
                    region_id=region.id,
                    tier=tier,
                    position=Position(
                        round(centre.longitude + self._random.gauss(0, 0.3), 6),
                        round(min(89.0, centre.latitude + self._random.gauss(0, 0.2)), 6),
                    ),
                    ordinal=number // len(below),
                    price_per_core_hour=round(self._random.uniform(0.01, 0.2), 4),
                    health=Health(status=HealthStatus.READY, observed_at=BEGAN_MS),
                    **self._stamps(),
                )
            )

    def _make_nodes(self) -> None:
        for number in range(self.size.nodes):
            site = self.sites[number % len(self.sites)]
            ordinal = number // len(self.sites)
            cores = (8, 16, 32, 64)[self._random.randrange(4)]
            gpu = self._random.random() < 0.05
            capacity = Resources(
                cpu_millicores=cores * 1_000,
                memory_bytes=cores * 4 * _GIB,
                storage_bytes=self._random.randrange(1, 9) * 480 * _GIB,
                accelerators=[Accelerator("nvidia-a100", 2)] if gpu else [],
            )
            self.nodes.append(
                Node(
                    id=self._id("node"),
                    name=f"{site.name}-n{ordinal}",
                    labels={"rack": f"r{ordinal // 3}"} | ({"gpu": "a100"} if gpu else {}),
                    site_id=site.id,
                    ordinal=ordinal,
                    arch="arm64" if self._random.random() < 0.2 else "amd64",
                    capacity=capacity,
                    allocatable=Resources(
                        cpu_millicores=cores * 1_000 - 500,
                        memory_bytes=cores * 4 * _GIB - _GIB,
                        storage_bytes=capacity.storage_bytes,
                        accelerators=capacity.accelerators,
                    ),
                    status=NodeStatus.READY if self._random.random() < 0.99 else NodeStatus.NOT_READY,
                    **self._stamps(),
                )
            )

    def _make_links(self) -> None:
        for number in range(self.size.links):
            one = self.sites[number % len(self.sites)]
            # The next sites of the same region are len(regions) further on: near by, as lines are.
            step = (
                (self.size.regions - self.size.countries) if number % 4 else self._random.randrange(1, self.size.sites)
            )
            other = self.sites[(number + max(1, step)) % len(self.sites)]
            if other is one:
                other = self.sites[(number + 1) % len(self.sites)]
            length = round(self._random.uniform(1, 300), 1)
            self.links.append(
                Link(
                    id=self._id("link"),
                    from_site_id=one.id,
                    to_site_id=other.id,
                    latency_ms=round(length * 0.005, 4),
                    length_km=length,
                    bandwidth_mbps=(10_000.0, 100_000.0, 400_000.0)[number % 3],
                    **self._stamps(),
                )
            )

    def _stamps(self) -> dict[str, Any]:
        at = BEGAN_MS + self._made
        return {"source": SOURCE, "revision": 1, "created_at": at, "updated_at": at}


SOURCE = Source(SourceKind.IMPORT, "world")


def viewed(world: World) -> View:
    """A view of the world, loaded as a server loads it: the values come out of JSON, not from this process's own."""
    view = View()
    for kind in (world.regions, world.sites, world.nodes, world.links):
        cls = type(kind[0]) if kind else None
        if cls is not None:
            view.load(msgspec.json.decode(msgspec.json.encode(kind), type=list[cls]))  # type: ignore[valid-type]  # the class is known at run time only
    view.loaded(revision=1, at=BEGAN_MS, epoch="world", counters={})
    return view


def commits_of(entities: Iterable[Entity], *, head: Head, size: int = MAX_CHANGES) -> Iterator[Commit]:
    """Commits that make these entities, in order, after a head."""
    batch: list[Entity] = []
    revision = head.revision

    def made() -> Commit:
        changes = [
            Change(one.SPEC.name, one.id, None, msgspec.structs.replace(one, revision=revision)) for one in batch
        ]
        return Commit(
            revision=revision,
            draft_id=f"world-{revision}",
            at=max(head.at, BEGAN_MS) + revision,
            author="world",
            action="import",
            changes=changes,
        )

    for one in entities:
        batch.append(one)
        if len(batch) == size:
            revision += 1
            yield made()
            batch.clear()
    if batch:
        revision += 1
        yield made()


async def store_world(store: Store, world: World) -> None:
    """Writes a world into an opened, empty store. The rules were kept by its making and are not checked again."""
    async with store.begin() as transaction:
        head = await transaction.head()
    for commit in commits_of(world.entities(), head=head):
        async with store.begin() as transaction:
            await transaction.head()
            await transaction.write(WriteBatch(commits=[commit]))


__all__ = ["BEGAN_MS", "LARGE", "SMALL", "Size", "World", "commits_of", "store_world", "viewed"]
