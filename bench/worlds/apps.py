"""Apps to place on a `FibreWorld`: a front end near its users, an API near it, a database near that, and at times inference.

Every place of users has a front end within its latency, every front end an API within reach, every API a database; each
part has sites of its own, so the choice is a joint one. A third may run anywhere, a third within a continent, a third
within a country.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import msgspec

from bench.worlds import SOURCE
from bench.worlds.fibre import GIB, MODELS, City, FibreWorld
from graph.entity import Entity
from graph.kinds import App, AppVersion, Artifact, ArtifactType, Component, Tenant
from graph.kinds.geography import LatencyTarget, Place
from graph.kinds.policy import ComponentPolicy, PlacementPolicy, ScoreWeights, Term
from graph.values import Accelerator, Resources

TENANT, APP = f"tenant_{1:026d}", f"app_{1:026d}"
VERSION = f"appversion_{1:026d}"

COMPOSITE_EVERY = 50
"""Of the apps that a network is full of, every so many is a composite one."""

_WEIGHTS = ScoreWeights(sites=0.2, latency=1.0, price=1.0, headroom=0.0)


@dataclass(frozen=True, slots=True)
class AppToPlace:
    """One app: what it is made of and where it is to run."""

    name: str
    components: tuple[Component, ...]
    policy: PlacementPolicy


def owners() -> list[Entity]:
    """What components belong to: a tenant, its app and the app's version."""
    return [
        Tenant(id=TENANT, name="acme", source=SOURCE, revision=1),
        App(id=APP, name="shop", tenant_id=TENANT, source=SOURCE, revision=1),
        AppVersion(id=VERSION, name="1.0.0", app_id=APP, tenant_id=TENANT, source=SOURCE, revision=1),
    ]


def apps(world: FibreWorld, count: int, *, seed: int = 1) -> list[AppToPlace]:
    """So many apps; the same for the same world and seed."""
    return [_app(world, number, random.Random(f"{world.scale.name}-{seed}-{number}")) for number in range(count)]


def simple(world: FibreWorld, count: int, *, seed: int = 1) -> list[AppToPlace]:
    """Apps of one unit: their first component alone, with the same places."""
    return [AppToPlace(one.name, one.components[:1], _alone(one.policy)) for one in apps(world, count, seed=seed)]


def crowded(world: FibreWorld, count: int, *, seed: int = 1) -> list[AppToPlace]:
    """The composite apps with four times the replicas, for worlds in which there is little room."""
    return [
        AppToPlace(
            one.name,
            tuple(msgspec.structs.replace(part, replicas=4 * part.replicas) for part in one.components),
            one.policy,
        )
        for one in apps(world, count, seed=seed)
    ]


def small(world: FibreWorld, count: int, *, seed: int = 1) -> list[AppToPlace]:
    """Apps of one component and one to three places within a country: what an edge cloud has thousands of."""
    by_country: dict[str, list[City]] = {}
    for city in world.cities:
        by_country.setdefault(city.country, []).append(city)
    return [_small(by_country, world, number, random.Random(f"small-{seed}-{number}")) for number in range(count)]


def inhabitants(world: FibreWorld, count: int, *, seed: int = 1) -> list[AppToPlace]:
    """The small apps, with a composite one in the place of every fiftieth."""
    found = small(world, count, seed=seed)
    for number in range(COMPOSITE_EVERY - 1, count, COMPOSITE_EVERY):
        found[number] = _app(world, number, random.Random(f"{world.scale.name}-{seed}-{number}"))
    return found


def _small(by_country: dict[str, list[City]], world: FibreWorld, number: int, chance: random.Random) -> AppToPlace:
    cities = by_country[chance.choice(world.cities).country]
    component = Component(
        id=f"component_{number:026d}",
        name="app",
        app_version_id=VERSION,
        tenant_id=TENANT,
        artifact=Artifact(type=ArtifactType.CONTAINER_IMAGE, reference="example.org/app:1"),
        resources=Resources(cpu_millicores=chance.choice((250, 500, 1000)), memory_bytes=GIB // 2),
        replicas=chance.choice((1, 2)),
    )
    policy = PlacementPolicy(
        latency=[
            LatencyTarget(
                place=Place(name=city.name, position=city.position),
                within_ms=chance.choice((4.0, 6.0, 10.0)),
                demand=city.population / 1e6,
            )
            for city in chance.sample(cities, min(len(cities), chance.randrange(1, 4)))
        ],
        weights=_WEIGHTS,
        objective=[[Term.SITES, Term.LATENCY, Term.PRICE]],
    )
    return AppToPlace(f"small-{number}", (component,), policy)


def _alone(policy: PlacementPolicy) -> PlacementPolicy:
    return PlacementPolicy(
        latency=policy.latency,
        residency_region_ids=policy.residency_region_ids,
        weights=policy.weights,
        objective=policy.objective,
    )


def _app(world: FibreWorld, number: int, chance: random.Random) -> AppToPlace:
    residency, cities = _residence(world, chance)
    wanted = min(len(cities), chance.randrange(4, world.scale.places + 1))
    places = chance.sample(cities, wanted)
    within_ms = chance.choice((12.0, 18.0, 25.0, 40.0))
    parts = [
        ("fe", Resources(cpu_millicores=chance.choice((500, 1000, 2000)), memory_bytes=GIB), 2),
        ("api", Resources(cpu_millicores=chance.choice((1000, 2000)), memory_bytes=2 * GIB), 2),
        (
            "db",
            Resources(cpu_millicores=2000, memory_bytes=8 * GIB, storage_bytes=chance.choice((20, 100)) * GIB),
            chance.choice((1, 2)),
        ),
    ]
    if chance.random() < 0.35:
        model = chance.choice(MODELS)
        parts.append(
            ("infer", Resources(cpu_millicores=2000, memory_bytes=8 * GIB, accelerators=[Accelerator(model, 1)]), 1)
        )
    components = tuple(
        Component(
            id=f"component_{number:020d}{at:06d}",
            name=name,
            app_version_id=VERSION,
            tenant_id=TENANT,
            artifact=Artifact(type=ArtifactType.CONTAINER_IMAGE, reference=f"example.org/{name}:1"),
            resources=resources,
            replicas=replicas,
            architectures=["amd64"] if chance.random() < 0.5 else [],
            node_selector="disk=ssd" if name == "db" and chance.random() < 0.5 else None,
        )
        for at, (name, resources, replicas) in enumerate(parts)
    )
    policy = PlacementPolicy(
        latency=[
            LatencyTarget(
                place=Place(name=city.name, position=city.position), within_ms=within_ms, demand=city.population / 1e6
            )
            for city in places
        ],
        residency_region_ids=residency,
        components=[
            ComponentPolicy(component="api", apart=True, serves=["fe"], within_ms=chance.choice((4.0, 8.0, 12.0))),
            ComponentPolicy(
                component="db",
                apart=True,
                serves=["api"],
                within_ms=chance.choice((6.0, 12.0, 20.0)),
                min_sites=chance.choice((1, 1, 2)),
                one_per_node=True,
            ),
            *(
                [ComponentPolicy(component="infer", apart=True, serves=["fe"], within_ms=chance.choice((15.0, 25.0)))]
                if len(parts) > 3
                else []
            ),
        ],
        weights=_WEIGHTS,
        objective=[[Term.SITES, Term.LATENCY, Term.PRICE]],
    )
    return AppToPlace(f"app-{number}", components, policy)


def _residence(world: FibreWorld, chance: random.Random) -> tuple[list[str], list[City]]:
    kind = chance.choice(("any", "continent", "country"))
    if kind == "any":
        return [], world.cities
    anchor = chance.choice(world.cities[: max(20, len(world.cities) // 10)])
    if kind == "continent":
        return [world.regions[anchor.continent].id], [one for one in world.cities if one.continent == anchor.continent]
    return [world.regions[f"{anchor.continent}/{anchor.country}"].id], [
        one for one in world.cities if one.country == anchor.country
    ]
