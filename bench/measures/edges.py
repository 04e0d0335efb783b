"""Edge networks that something can be deployed to: sites with nodes under simulated clusters, and an app to run there.

Made through the ledger, in an empty store that no server owns yet, so that ids, references and indexes are those of a
graph that grew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import TypeVar

import msgspec

from graph.edit import Edit
from graph.kinds import App, AppVersion, Artifact, ArtifactType, Cluster, Component, Node, Region, Site, Tenant
from graph.ledger import Ledger
from graph.request import Request
from graph.stores import store_for
from graph.values import Position, Resources

T = TypeVar("T")
REQUEST = Request(author="bench", action="prepare")
NODE = Resources(cpu_millicores=64_000, memory_bytes=256 << 30)
NEED = Resources(cpu_millicores=50, memory_bytes=64 << 20)
PER_COMMIT = 2_000


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """What was made, by id."""

    tenant_id: str
    version_id: str
    site_ids: list[str]
    cluster_ids: list[str]


async def make_edge(store: str, *, endpoint: str, sites: int, nodes_each: int, clusters: int) -> Edge:
    """Writes a network into an empty store: each site has its nodes and is under one of the clusters in turn.

    `endpoint` is the clusters' backend. The app version has one component, `web`.
    """
    async with Ledger(store_for(store)).running() as ledger:
        tenant, region, version = (await ledger.commit(_company, REQUEST)).value
        site_ids: list[str] = []
        for numbers in portions(range(sites), PER_COMMIT):
            site_ids += (await ledger.commit(partial(_sites, region_id=region, numbers=numbers), REQUEST)).value
        made = partial(_clusters, count=clusters, site_ids=site_ids, endpoint=endpoint)
        cluster_ids = (await ledger.commit(made, REQUEST)).value
        wanted = [
            (site_id, cluster_ids[number % clusters], index)
            for number, site_id in enumerate(site_ids)
            for index in range(nodes_each)
        ]
        for some in portions(wanted, PER_COMMIT):
            await ledger.commit(partial(_nodes, wanted=some), REQUEST)
    return Edge(tenant_id=tenant, version_id=version, site_ids=site_ids, cluster_ids=cluster_ids)


def portions(values: Iterable[T], size: int) -> Iterator[Sequence[T]]:
    """The values in lists of at most so many."""
    left = iter(values)
    while some := list(islice(left, size)):
        yield some


def _company(edit: Edit) -> tuple[str, str, str]:
    tenant = edit.create(Tenant, name="acme").id
    app = edit.create(App, name="shop", tenant_id=tenant)
    version = edit.create(AppVersion, name="1", app_id=app.id, tenant_id=tenant)
    artifact = Artifact(type=ArtifactType.CONTAINER_IMAGE, reference="registry.example/shop:1")
    edit.create(Component, name="web", app_version_id=version.id, tenant_id=tenant, artifact=artifact, resources=NEED)
    return tenant, edit.create(Region, name="coast", centre=Position(4.0, 46.0)).id, version.id


def _sites(edit: Edit, region_id: str, numbers: Sequence[int]) -> list[str]:
    return [
        edit.create(
            Site,
            name=f"site-{number:05d}",
            region_id=region_id,
            labels={"zone": f"z{number % 40}"},
            position=Position(-4.0 + number % 100 * 0.1, 42.0 + number // 100 * 0.1),
        ).id
        for number in numbers
    ]


def _clusters(edit: Edit, count: int, site_ids: list[str], endpoint: str) -> list[str]:
    return [
        edit.create(
            Cluster,
            name=f"cluster-{number:03d}",
            driver="simulated",
            site_ids=site_ids[number::count],
            endpoint=endpoint,
        ).id
        for number in range(count)
    ]


def _nodes(edit: Edit, wanted: Sequence[tuple[str, str, int]]) -> None:
    for site_id, cluster_id, index in wanted:
        edit.create(Node, name=f"{site_id}-n{index}", site_id=site_id, cluster_id=cluster_id, capacity=NODE)
