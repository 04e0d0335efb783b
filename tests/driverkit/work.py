"""What the conformance kit asks of backends, and how it looks at what they have."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from drivers.port import Backend, Cursor, Observation, ObservedRelease, ReleaseWork, RemovalWork
from graph.kinds import Artifact, ArtifactType, Node
from graph.values import Resources, Taint, TaintEffect

CLUSTER = "cluster_conformance"
"""Whose objects they are."""
STRANGER = "cluster_stranger"
SITES = {"site_a": "Aveiro", "site_b": "Braga"}
HAS = Resources(cpu_millicores=4_000, memory_bytes=8 << 30)
NODES = [
    Node(id="node_a1", name="a1", site_id="site_a", labels={"disk": "ssd"}, capacity=HAS),
    Node(id="node_a2", name="a2", site_id="site_a", labels={"disk": "hdd"}, capacity=HAS),
    Node(
        id="node_a3",
        name="a3",
        site_id="site_a",
        arch="arm64",
        capacity=HAS,
        taints=[Taint("dedicated", "gpu", TaintEffect.NO_SCHEDULE)],
    ),
    Node(id="node_b1", name="b1", site_id="site_b", capacity=HAS),
]
"""What the sites have: `node_a3` takes only what tolerates its taint."""
NAME = "shop-frontend-abcdefabcdef"
OTHER = "shop-frontend-bbbbbbbbbbbb"
LONGEST_S = 60.0
"""Whatever a backend is waited for comes within so long, or not at all."""


class FixedInventory:
    """The sites and nodes of the kit."""

    stamp = 1

    def sites(self) -> Mapping[str, str]:
        return SITES

    def nodes(self) -> Mapping[str, tuple[str, str]]:
        return {one.id: (one.name, one.site_id) for one in NODES}

    def nodes_at(self, site_id: str) -> list[Node]:
        return [one for one in NODES if one.site_id == site_id]


def work(generation: int = 1, **changed: Any) -> ReleaseWork:
    """Two replicas at Aveiro, one on each node; what is given is different."""
    fields: dict[str, Any] = {
        "name": NAME,
        "owner": CLUSTER,
        "release_id": "release_1",
        "deployment_id": "deployment_1",
        "tenant_id": "tenant_1",
        "component": "frontend",
        "site_id": "site_a",
        "site": "Aveiro",
        "generation": generation,
        "replicas": 2,
        "artifact": Artifact(type=ArtifactType.CONTAINER_IMAGE, reference="registry.example/shop:1"),
        "resources": Resources(cpu_millicores=100, memory_bytes=1 << 20),
        "assignments": {"node_a1": 1, "node_a2": 1},
        "nodes": {"node_a1": "a1", "node_a2": "a2"},
    }
    return ReleaseWork(**{**fields, **changed})


def elsewhere(generation: int = 1, **changed: Any) -> ReleaseWork:
    """The same at Braga, under another name."""
    at_braga = {"name": OTHER, "site_id": "site_b", "site": "Braga", "assignments": {"node_b1": 2}, "nodes": {}}
    return work(generation, **{**at_braga, **changed})


def removal(generation: int, name: str = NAME) -> RemovalWork:
    return RemovalWork(name=name, owner=CLUSTER, site_id="site_a", site="Aveiro", generation=generation)


async def all_of(backend: Backend) -> dict[str, ObservedRelease]:
    """All that the backend has of ours, by a complete observation."""
    observation = await backend.observe(after=None)
    assert observation.complete
    return {one.name: one for one in observation.releases if one.owner == CLUSTER}


async def until(backend: Backend, found: Callable[[Observation], bool], *, after: Cursor | None = None) -> Observation:
    """Observes on until one is found."""
    async with asyncio.timeout(LONGEST_S):
        while True:
            observation = await backend.observe(after=after)
            if found(observation):
                return observation
            after = observation.cursor
            await asyncio.sleep(0.005)  # a driver that answers at once every time must not keep the limit from coming


def has_ready(name: str, replicas: int) -> Callable[[Observation], bool]:
    """Whether an observation tells so many ready replicas of an object."""
    return lambda seen: any(one.name == name and one.ready_replicas == replicas for one in seen.releases)
