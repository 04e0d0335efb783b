"""A Neo4j database as an operator sees it: Cypher beside the store, and a small network to look at."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import neo4j
import pytest

from beds.neo4j.server import Neo4jServer
from graph.edit import Edit
from graph.entity import Entity
from graph.kinds import Cluster, Link, Node, Region, Site
from graph.ledger import Ledger
from graph.stores.neo4j import Neo4jStore
from graph.stores.neo4j_statements import STATEMENTS
from graph.values import Position, Resources
from storekit.checks import loaded

__all__ = ["Ask", "ask", "check_relationships", "ledger", "live", "network", "store"]

Ask = Callable[..., Awaitable[list[Any]]]


@pytest.fixture
async def ask(neo4j_server: Neo4jServer) -> AsyncIterator[Ask]:
    """`await ask(cypher, **parameters)`: rows of a statement, as an operator runs it; the database is empty at first."""
    async with neo4j.AsyncGraphDatabase.driver(
        neo4j_server.url, auth=(neo4j_server.user, neo4j_server.password), notifications_min_severity="OFF"
    ) as driver:

        async def run(text: str, **parameters: Any) -> list[Any]:
            async with driver.session(database="neo4j") as session:
                result = await session.run(text, parameters)  # type: ignore[arg-type]  # texts of the tests below
                return [record.values() if len(record) > 1 else record[0] async for record in result]

        await run("MATCH (n) CALL (n) { DETACH DELETE n } IN TRANSACTIONS OF 5000 ROWS")
        yield run


@pytest.fixture
async def store(ask: Ask, neo4j_server: Neo4jServer) -> AsyncIterator[Neo4jStore]:
    """An open store with nothing in it."""
    handle = Neo4jStore(neo4j_server.store)
    await handle.open()
    yield handle
    await handle.close()


@pytest.fixture
async def ledger(ask: Ask, neo4j_server: Neo4jServer) -> AsyncIterator[Ledger]:
    """A ledger over an empty graph."""
    async with Ledger(Neo4jStore(neo4j_server.store)).running() as running:
        yield running


def network(edit: Edit) -> dict[str, str]:
    """Two regions, three sites, two links, a cluster of two nodes; ids by name."""
    south = edit.create(Region, name="south")
    city = edit.create(Region, name="Zürich", parent_id=south.id)
    sites = [
        edit.create(Site, name=name, region_id=city.id, position=Position(8.5, 47.4), labels={"zone": zone})
        for name, zone in (("one", "a"), ("two", "b"), ("three", "a"))
    ]
    links = [
        edit.create(Link, from_site_id=sites[0].id, to_site_id=other.id, latency_ms=latency)
        for other, latency in ((sites[1], 0.5), (sites[2], 2.0))
    ]
    cluster = edit.create(Cluster, name="k8s", driver="simulated", site_ids=[sites[0].id, sites[1].id])
    nodes = [
        edit.create(
            Node,
            name=name,
            site_id=sites[0].id,
            cluster_id=cluster.id,
            capacity=Resources(cpu_millicores=cores * 1_000),
        )
        for name, cores in (("n1", 4), ("n2", 16))
    ]
    named = {one.name: one.id for one in (south, city, *sites, cluster, *nodes)}
    return named | {"first-link": links[0].id, "second-link": links[1].id}


async def live(store: Neo4jStore) -> dict[str, Entity]:
    return (await loaded(store)).live


async def check_relationships(entities: dict[str, Entity], ask: Ask) -> None:
    """Every reference is one relationship, and no relationship is anything else."""
    expected = []
    for entity in entities.values():
        statements = STATEMENTS[entity.SPEC.name]
        if statements.ends is not None:
            expected.append([getattr(entity, statements.ends[0]), "LINK", getattr(entity, statements.ends[1])])
            continue
        for field in entity.SPEC.refs:
            assert field.ref is not None
            expected.extend([entity.id, field.ref.relation, target] for target in dict.fromkeys(field.targets(entity)))
    assert sorted(await ask("MATCH (a)-[r]->(b) RETURN a.id, type(r), b.id")) == sorted(expected)
