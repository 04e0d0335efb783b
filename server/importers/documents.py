"""A network as documents: one set, the same for the same input, so that a repeated import changes only what changed.

Everything here is a function of the rows and the options alone. Sites keep their id in the file as their external id, by
which a renamed one is found again; a link's identity is its ends and its number among parallel ones. Names must be unique
on the server while files repeat them: of several compute sites of one name each gets its id behind it, and so does a
transit point that is called like another place.

Latency, when the file states none: 5 us/km over a stated length of the line; over a distance as the crow flies, stated or
from the positions, times the route factor 1.4 (graph/spatial.py). A link of unknown latency is refused unless the options
give one: unknown is never taken as zero.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from graph.documents import API_VERSION
from graph.identifiers import name_problem
from graph.values import Position
from server.importers.network import Line, Machine, Network, Place

TIERS = ("auto", "degree", "population", "NATIONAL", "REGIONAL", "METRO", "DISTRICT")
BY_DEGREE = ((7, "NATIONAL"), (5, "REGIONAL"), (4, "METRO"))
"""Links of a site from which it is of a tier; fewer: DISTRICT."""
BY_POPULATION = ((1_000_000, "NATIONAL"), (250_000, "REGIONAL"), (50_000, "METRO"))
"""People of a site's place from which it is of a tier; fewer: DISTRICT."""

Doc = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class ImportOptions:
    """What whoever imports decides."""

    name: str
    """The import's name: its source is `IMPORT:<name>`."""
    region: str | None = None
    """The region that holds the sites; the import's name when not given."""
    tier: str = "auto"
    """One of TIERS. `auto`: the file's own, else by population where it is known, else by degree."""
    tenant: str | None = None
    """The tenant that everything is private to."""
    prefix: str = ""
    """Put before the name of every site and country."""
    cluster: str | None = None
    """A cluster with the driver `simulated` that serves the compute sites."""
    nodes: int = 0
    """Nodes to make at each compute site for which the input has none."""
    node_capacity: dict[str, object] = field(
        default_factory=lambda: {"cpuMillicores": 16_000, "memoryBytes": 64 * 2**30}
    )
    """What each of them has, as documents spell resources."""
    node_arch: str = "amd64"
    latency_ms: float | None = None
    """For links whose latency, length and positions are unknown."""
    taken_regions: frozenset[str] = frozenset()
    """Names of regions that others made: sites refer to them, and no document makes them."""


def documents_of(network: Network, options: ImportOptions) -> list[Doc]:
    """The documents of a network, parents first. Raises ImportRefused; adds to the network's notes and origins."""
    made = _Documents(network, options)
    documents = made.all()
    network.check()
    return documents


def clean_name(text: str) -> str:
    """A text as a name: composed (NFC), its white space joined, slashes, which separate names in paths, as hyphens."""
    return " ".join(unicodedata.normalize("NFC", text).replace("/", "-").replace("\\", "-").split())


def centre_of(positions: Iterable[tuple[float, float]]) -> tuple[float, float] | None:
    """The mean of positions on the sphere, (longitude, latitude) in degrees; None for none, or for opposite ones."""
    x = y = z = 0.0
    for longitude, latitude in positions:
        lon, lat = math.radians(longitude), math.radians(latitude)
        x, y, z = x + math.cos(lat) * math.cos(lon), y + math.cos(lat) * math.sin(lon), z + math.sin(lat)
    length = math.sqrt(x * x + y * y + z * z)
    if length < 1e-9:
        return None
    return round(math.degrees(math.atan2(y, x)), 4), round(math.degrees(math.asin(z / length)), 4)


class _Documents:
    """The making of one set."""

    def __init__(self, network: Network, options: ImportOptions) -> None:
        self._network = network
        self._options = options
        self._system = f"IMPORT:{options.name}"
        called = Counter(one.name for one in network.places.values())
        self._by_name = {one.name: one.key for one in network.places.values() if one.name and called[one.name] == 1}
        """Keys by names that only one place has: rows may refer to a place by either."""
        self._degrees = Counter(
            end for line in network.lines for end in map(self._end, line.ends) if len(set(line.ends)) == 2
        )
        self._names = self._site_names()
        self._compute = [one for one in network.places.values() if one.role == "COMPUTE"]

    def all(self) -> list[Doc]:
        sites = [self._site(one) for one in self._network.places.values()]
        links = list(self._links())
        nodes = list(self._nodes())
        cluster = [self._cluster()] if self._options.cluster is not None else []
        return [*self._regions(), *sites, *links, *cluster, *nodes]

    # Names

    def _site_names(self) -> dict[str, str]:
        """A unique name for every place, by key."""
        wanted: dict[str, list[Place]] = defaultdict(list)
        for place in self._network.places.values():
            wanted[self._base_name(place)].append(place)
        names: dict[str, str] = {}
        taken: set[str] = set()
        later: list[tuple[str, Place]] = []
        for base, places in wanted.items():
            compute = [one for one in places if one.role == "COMPUTE"]
            plain = places if len(places) == 1 else compute if len(compute) == 1 else []
            for place in places:
                if place in plain:
                    names[place.key] = base
                    taken.add(base)
                else:
                    later.append((base, place))
        for base, place in sorted(later, key=lambda one: (one[0], one[1].key)):
            name, number = self._fit(base, f"-{clean_name(place.key)}"), 1
            while name in taken:
                number += 1
                name = self._fit(base, f"-{clean_name(place.key)}-{number}")
            names[place.key] = name
            taken.add(name)
        for place in self._network.places.values():
            problem = name_problem(names[place.key])
            if problem is not None:
                self._network.problem(place.where, f"name {names[place.key]!r}: {problem}")
        return names

    def _base_name(self, place: Place) -> str:
        if place.name is not None:
            return self._options.prefix + clean_name(place.name)
        word = place.labels.get("type", "site").removeprefix("sea-cable-")
        return self._options.prefix + clean_name(f"{word}-{place.key}")

    @staticmethod
    def _fit(base: str, suffix: str) -> str:
        return base[: 253 - len(suffix)].rstrip() + suffix

    # Regions

    def _regions(self) -> list[Doc]:
        top = self._top()
        places = self._network.places.values()
        if not places:
            return []
        below: dict[str, list[Place]] = defaultdict(list)
        for place in places:
            region = self._region_of(place)
            if region != top:
                below[region].append(place)
        level = self._network.area or ("WORLD" if below else "PROVINCE")
        documents = [self._region(top, level, list(places), parent=None)]
        for name, inside in below.items():
            # A column `region` names parts of a country; a column `country` alone names countries.
            level = "PROVINCE" if any(one.region is not None for one in inside) else "COUNTRY"
            documents.append(self._region(name, level, inside, parent=top))
        for document in documents:
            problem = name_problem(document["metadata"]["name"])
            if problem is not None:
                self._network.problem("region", f"name {document['metadata']['name']!r}: {problem}")
        return [one for one in documents if one["metadata"]["name"] not in self._options.taken_regions]

    def _top(self) -> str:
        return clean_name(self._options.region or self._options.prefix + self._options.name)

    def _region_of(self, place: Place) -> str:
        inner = place.region or place.country
        return self._top() if inner is None else self._options.prefix + clean_name(inner)

    def _region(self, name: str, level: str, places: list[Place], *, parent: str | None) -> Doc:
        spec: Doc = {"level": level}
        if parent is not None:
            spec["parent"] = parent
        centre = centre_of(one.position for one in places if one.position is not None)
        if centre is not None:
            spec["centre"] = {"longitude": centre[0], "latitude": centre[1]}
        people = [one.population for one in places if one.population is not None]
        if people:
            spec["demand"] = sum(people)
        return self._document("Region", name, spec)

    # Sites, links, the cluster and nodes

    def _site(self, place: Place) -> Doc:
        spec: Doc = {"region": self._region_of(place), "role": place.role}
        if place.role == "COMPUTE" or place.tier is not None:
            spec["tier"] = self._tier(place)
        if place.position is not None:
            spec["position"] = {"longitude": place.position[0], "latitude": place.position[1]}
        if place.capacity is not None:
            spec["capacity"] = place.capacity
        if place.price_per_core_hour is not None:
            spec["pricePerCoreHour"] = place.price_per_core_hour
        shown = place.display_name or place.name
        name = self._names[place.key]
        return self._document(
            "Site",
            name,
            spec,
            display_name=shown if shown is not None and shown != name else None,
            labels=place.labels,
            external=place.key,
            where=place.where,
        )

    def _tier(self, place: Place) -> str:
        wanted = self._options.tier
        if wanted.isupper():
            return wanted
        if wanted == "auto" and place.tier is not None:
            return place.tier
        if wanted == "population" or (wanted == "auto" and place.population is not None):
            return next((tier for least, tier in BY_POPULATION if (place.population or 0) >= least), "DISTRICT")
        return next((tier for least, tier in BY_DEGREE if self._degrees[place.key] >= least), "DISTRICT")

    def _links(self) -> Iterable[Doc]:
        parallel: Counter[tuple[str, str]] = Counter()
        seen: set[str] = set()
        for line in self._network.lines:
            here = (self._end(line.ends[0]), self._end(line.ends[1]))
            missing = [end for end in here if end not in self._network.places] if self._network.places else []
            if missing:
                self._network.problem(line.where, f"{missing[0]!r} is the id of no site")
                continue
            if here[0] == here[1]:
                self._network.notes.append(f"{line.where}: left out, it joins {line.ends[0]!r} with itself")
                continue
            ends = (min(here), max(here))
            parallel[ends] += 1
            name = f"{ends[0]}--{ends[1]}"
            if line.key is not None and line.key != "0":
                name += f"#{line.key}"
            elif line.key is None and parallel[ends] > 1:
                name += f"#{parallel[ends]}"
            if name in seen:
                self._network.problem(line.where, f"link {line.key!r} between these sites is given twice")
                continue
            seen.add(name)
            latency = self._latency(line)
            if latency is None:
                self._network.problem(
                    line.where,
                    "latency, length and the positions of its ends are unknown; "
                    "give one of them, or --latency for all such links",
                )
                continue
            yield self._link(name, ends, line, latency)

    def _end(self, given: str) -> str:
        """The key of the place that an end names by key or, when only one is called so, by name."""
        return given if given in self._network.places else self._by_name.get(given, given)

    def _link(self, name: str, ends: tuple[str, str], line: Line, latency: float) -> Doc:
        spec: Doc = {
            "fromSite": self._names.get(ends[0], ends[0]),
            "toSite": self._names.get(ends[1], ends[1]),
            "latencyMs": round(latency, 6),
        }
        length = line.length_km if line.length_km is not None else line.straight_km
        for key, value in (("lengthKm", length), ("bandwidthMbps", line.bandwidth_mbps), ("cost", line.cost)):
            if value is not None:
                spec[key] = round(value, 6)
        return self._document("Link", name, spec, display_name=line.display_name, labels=line.labels, where=line.where)

    def _latency(self, line: Line) -> float | None:
        # Here and not above: it brings scipy, for which `edgeatlas --help` need not wait.
        from graph.spatial import distance_km, estimated_latency_ms, line_latency_ms

        if line.latency_ms is not None:
            return line.latency_ms
        if line.length_km is not None:
            return line_latency_ms(line.length_km)
        if line.straight_km is not None:
            return estimated_latency_ms(line.straight_km)
        ends = [self._network.places.get(self._end(one)) for one in line.ends]
        points = [Position(*one.position) for one in ends if one is not None and one.position is not None]
        if len(points) == 2:
            return estimated_latency_ms(distance_km(*points))
        return self._options.latency_ms

    def _cluster(self) -> Doc:
        spec = {"driver": "simulated", "sites": [self._names[one.key] for one in self._compute]}
        return self._document("Cluster", str(self._options.cluster), spec)

    def _nodes(self) -> Iterable[Doc]:
        held: set[str] = set()
        seen: dict[tuple[str, str], str] = {}
        for machine in self._network.machines:
            key = self._end(machine.site)
            site = self._names.get(key, key)
            held.add(key)
            # Of one cluster, or of their site when no cluster controls them: within it the name is unique.
            scope = self._options.cluster or site
            if (scope, machine.name) in seen:
                self._network.problem(
                    machine.where, f"node {machine.name!r} is given twice, first at {seen[scope, machine.name]}"
                )
                continue
            seen[scope, machine.name] = machine.where
            yield self._node(clean_name(machine.name), clean_name(site), machine)
        for place in self._compute if self._options.nodes else ():
            if place.key in held:
                continue
            site = self._names[place.key]
            for number in range(1, self._options.nodes + 1):
                yield self._node(self._fit(site, f"-n{number}"), site, None)

    def _node(self, name: str, site: str, machine: Machine | None) -> Doc:
        given = self._options
        capacity = given.node_capacity if machine is None else machine.capacity
        arch = given.node_arch if machine is None else machine.arch
        spec: Doc = {"site": site, "capacity": capacity}
        if given.cluster is not None:
            spec["cluster"] = given.cluster
        if arch is not None:
            spec["arch"] = arch
        if machine is None:
            return self._document("Node", name, spec)
        return self._document("Node", name, spec, labels=machine.labels, where=machine.where)

    def _document(
        self,
        kind: str,
        name: str,
        spec: Doc,
        *,
        display_name: str | None = None,
        labels: dict[str, str] | None = None,
        external: str | None = None,
        where: str | None = None,
    ) -> Doc:
        self._network.origins[kind, name] = where or self._options.name
        metadata: Doc = {"name": name}
        if self._options.tenant is not None:
            metadata["tenant"] = self._options.tenant
        if display_name is not None:
            metadata["displayName"] = display_name
        if labels:
            metadata["labels"] = labels
        if external is not None:
            metadata["external"] = {"system": self._system, "id": external}
        return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}


def as_text(documents: list[Doc]) -> str:
    """The documents as JSON, one a line, for `applyDocuments`."""
    return "[" + ",\n".join(json.dumps(one, ensure_ascii=False, separators=(",", ":")) for one in documents) + "]"
