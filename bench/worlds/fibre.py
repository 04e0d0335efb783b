"""Networks to place on: sites at real cities, joined by lines like those of fibre, with the nodes of an edge cloud.

Positions and populations are those of GeoNames' most populous cities (`cities.csv.gz`, CC BY 4.0). A line is 1.4 times
as long as the great circle and takes 0.005 ms a kilometre and 0.15 ms a hop. Every city is joined to its nearest, all of
them by a shortest tree, and the largest of each country to the nearest of these, so that there are ways around and long
hauls. The same seed makes the same world.
"""

from __future__ import annotations

import csv
import gzip
import random
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial import cKDTree

from bench.worlds import BEGAN_MS, SOURCE
from graph.entity import Entity
from graph.kinds import Cluster, Link, Node, Region, RegionLevel, Site, Tier
from graph.kinds.infrastructure import NodeStatus
from graph.spatial import EARTH_RADIUS_KM, unit_vectors
from graph.values import Accelerator, Position, Resources

CITIES = Path(__file__).with_name("cities.csv.gz")
GIB = 2**30
ROUTE_FACTOR, MS_PER_KM, MS_PER_HOP = 1.4, 0.005, 0.15
NEAREST = 2
"""Each city is joined to so many of the nearest, besides the tree."""
TIERS = ((0.01, Tier.NATIONAL), (0.06, Tier.REGIONAL), (0.3, Tier.METRO), (1.0, Tier.DISTRICT))
"""The share of the largest cities up to which a site is of a tier."""
MODELS = ("nvidia-l4", "nvidia-a100")


@dataclass(frozen=True, slots=True)
class City:
    """A city of GeoNames."""

    name: str
    country: str
    continent: str
    latitude: float
    longitude: float
    population: int

    @property
    def position(self) -> Position:
        """Where it is."""
        return Position(longitude=self.longitude, latitude=self.latitude)


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """How large a network is."""

    name: str
    sites: int
    nodes: int
    places: int
    """The most places of users that an app serves."""
    continents: tuple[str, ...]
    """Empty: the whole world."""


SCALES = {
    "S": Scale(name="S", sites=100, nodes=1_000, places=40, continents=("EU",)),
    "M": Scale(name="M", sites=1_000, nodes=5_000, places=200, continents=("EU",)),
    "L": Scale(name="L", sites=10_000, nodes=100_000, places=500, continents=()),
}


def cities(continents: tuple[str, ...] = ()) -> list[City]:
    """The most populous cities first, of some continents (two letters, as GeoNames has them) or of all."""
    with gzip.open(CITIES, "rt", encoding="utf-8", newline="") as lines:
        rows = csv.reader(line for line in lines if not line.startswith("#"))
        found = [City(row[1], row[2], row[3], float(row[4]), float(row[5]), int(row[6])) for row in rows]
    return [one for one in found if not continents or one.continent in continents]


class FibreWorld:
    """The entities of one network, parents before children, with ids that rise."""

    def __init__(self, scale: Scale, *, seed: int = 1, free: float = 1.0) -> None:
        """`free`: what is left of each node's capacity; the rest is used by others."""
        self.scale = scale
        self.seed = seed
        self.free = free
        self._random = random.Random(f"{scale.name}-{seed}")
        self._made = 0
        self.cities = cities(scale.continents)[: scale.sites]
        self.regions: dict[str, Region] = {}
        """By continent, and by country within."""
        self.sites: list[Site] = []
        self.clusters: list[Cluster] = []
        self.nodes: list[Node] = []
        self.links: list[Link] = []
        self._make_sites()
        self._make_nodes()
        self._make_links()

    @cached_property
    def entities(self) -> list[Entity]:
        """All of them."""
        return [*self.regions.values(), *self.sites, *self.clusters, *self.nodes, *self.links]

    def _id(self, prefix: str) -> str:
        self._made += 1
        return f"{prefix}_{self._made:026d}"

    def _region(self, city: City) -> Region:
        if city.continent not in self.regions:
            self.regions[city.continent] = self._new_region(city.continent, RegionLevel.CONTINENT, None)
        key = f"{city.continent}/{city.country}"
        if key not in self.regions:
            parent = self.regions[city.continent].id
            self.regions[key] = self._new_region(city.country, RegionLevel.COUNTRY, parent)
        return self.regions[key]

    def _new_region(self, name: str, level: RegionLevel, parent_id: str | None) -> Region:
        return Region(
            id=self._id("region"), name=name.lower(), level=level, parent_id=parent_id, source=SOURCE, revision=1
        )

    def _make_sites(self) -> None:
        count = len(self.cities)
        for rank, city in enumerate(self.cities):
            share = rank / count
            tier = (
                Tier.NATIONAL
                if share < 0.01
                else Tier.REGIONAL
                if share < 0.06
                else Tier.METRO
                if share < 0.3
                else Tier.DISTRICT
            )
            # The larger a site the cheaper its cores; countries differ as well.
            dear = {Tier.NATIONAL: 0.6, Tier.REGIONAL: 0.8, Tier.METRO: 1.0, Tier.DISTRICT: 1.4}[tier]
            site = Site(
                id=self._id("site"),
                name=f"s{rank:05}-{city.country.lower()}",
                display_name=city.name,
                labels={"country": city.country, "provider": ("acme", "globex", "initech")[self._random.randrange(3)]},
                region_id=self._region(city).id,
                tier=tier,
                position=city.position,
                price_per_core_hour=round(0.04 * dear * self._random.uniform(0.7, 1.5), 4),
                created_at=BEGAN_MS,
                updated_at=BEGAN_MS,
                source=SOURCE,
                revision=1,
            )
            self.sites.append(site)
            self.clusters.append(
                Cluster(
                    id=self._id("cluster"),
                    name=f"c{rank:05}",
                    driver="simulated",
                    site_ids=[site.id],
                    source=SOURCE,
                    revision=1,
                )
            )

    def _make_nodes(self) -> None:
        # The larger the city the more machines, one at least.
        weights = np.sqrt(np.array([one.population for one in self.cities], dtype=np.float64))
        spare = self.scale.nodes - len(self.sites)
        counts = 1 + np.floor(weights / weights.sum() * spare).astype(np.int64)
        counts[: self.scale.nodes - int(counts.sum())] += 1
        for at, (site, cluster) in enumerate(zip(self.sites, self.clusters, strict=True)):
            accelerated = self._random.random() < (0.7 if site.tier in (Tier.NATIONAL, Tier.REGIONAL) else 0.2)
            for number in range(int(counts[at])):
                self.nodes.append(self._node(site, cluster, number, accelerated=accelerated and number % 5 == 0))

    def _node(self, site: Site, cluster: Cluster, number: int, *, accelerated: bool) -> Node:
        cores = self._random.choice((8, 16, 16, 32, 64))
        model = self._random.choice(MODELS)
        capacity = Resources(
            cpu_millicores=cores * 1_000,
            memory_bytes=cores * 4 * GIB,
            storage_bytes=self._random.randrange(1, 9) * 240 * GIB,
            accelerators=[Accelerator(model, self._random.choice((1, 2, 4)))] if accelerated else [],
        )
        # What runs there already; with less `free`, more of it.
        used = 1 - self.free * self._random.uniform(0.5, 1.0)
        return Node(
            id=self._id("node"),
            name=f"{site.name}-n{number}",
            site_id=site.id,
            cluster_id=cluster.id,
            arch="arm64" if self._random.random() < 0.15 else "amd64",
            capacity=capacity,
            foreign_use=Resources(
                cpu_millicores=int(capacity.cpu_millicores * used), memory_bytes=int(capacity.memory_bytes * used)
            ),
            labels={"disk": "ssd" if self._random.random() < 0.6 else "hdd"},
            status=NodeStatus.READY,
            source=SOURCE,
            revision=1,
        )

    def _make_links(self) -> None:
        points = unit_vectors(np.array([[one.longitude, one.latitude] for one in self.cities]))
        tree = cKDTree(points)
        near = np.asarray(tree.query(points, k=min(12, len(points)))[1])
        tails = np.repeat(np.arange(len(points)), near.shape[1] - 1)
        heads = near[:, 1:].ravel()
        pairs = {(min(a, b), max(a, b)) for a, b in zip(tails.tolist(), heads.tolist(), strict=True) if a != b}
        hubs = self._hubs()
        # Long hauls join what the nearest neighbours leave apart: islands and continents.
        pairs |= {(min(a, b), max(a, b)) for a in hubs for b in hubs if a != b}
        ordered = sorted(pairs)
        ends = np.array(ordered)
        km = np.arccos(np.clip((points[ends[:, 0]] * points[ends[:, 1]]).sum(axis=1), -1, 1)) * EARTH_RADIUS_KM + 0.1
        weights = coo_array((km, (ends[:, 0], ends[:, 1])), shape=(len(points), len(points)))
        spanning = minimum_spanning_tree(weights.tocsr()).tocoo()
        kept = {(min(a, b), max(a, b)) for a, b in zip(spanning.row.tolist(), spanning.col.tolist(), strict=True)}
        for a in range(len(points)):
            kept |= {(min(a, int(b)), max(a, int(b))) for b in near[a, 1 : NEAREST + 1] if int(b) != a}
        length = dict(zip(ordered, km.tolist(), strict=True))
        for one in hubs:
            kept |= {(min(one, other), max(one, other)) for other in _nearest_hubs(hubs, one, length, count=3)}
        for a, b in sorted(kept):
            self._link(a, b, length[a, b])

    def _hubs(self) -> list[int]:
        """The most populous city of each country, of at most 60."""
        first: dict[str, int] = {}
        for at, one in enumerate(self.cities):
            first.setdefault(one.country, at)
        return sorted(first.values())[:60]

    def _link(self, a: int, b: int, km: float) -> None:
        route = km * ROUTE_FACTOR
        self.links.append(
            Link(
                id=self._id("link"),
                from_site_id=self.sites[a].id,
                to_site_id=self.sites[b].id,
                length_km=round(route, 1),
                latency_ms=round(route * MS_PER_KM + MS_PER_HOP, 4),
                bandwidth_mbps=self._random.choice((10_000.0, 40_000.0, 100_000.0)),
                source=SOURCE,
                revision=1,
            )
        )


def _nearest_hubs(hubs: list[int], one: int, length: dict[tuple[int, int], float], *, count: int) -> list[int]:
    others = [other for other in hubs if other != one]
    return sorted(others, key=lambda other: (length[min(one, other), max(one, other)], other))[:count]
