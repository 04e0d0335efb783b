"""The graph as an operator sees it with Cypher, on a real server."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from graph.edit import Edit
from graph.entity import KINDS
from graph.kinds import (
    ApiToken,
    Cluster,
    Node,
    Region,
    Release,
    ServiceAccount,
    Site,
    User,
)
from graph.ledger import Ledger
from graph.refusal import InUse
from graph.request import Request
from graph.stores.neo4j import Neo4jStore
from graph.stores.neo4j_statements import STATEMENTS
from storekit import races
from storekit.checks import check_whole
from storekit.cypher import Ask, ask, check_relationships, ledger, live, network, store
from storekit.fixtures import plain_logs
from storekit.graphs import Chain, created, head_of, sample_graph, write

__all__ = ["ask", "ledger", "plain_logs", "store"]
REQUEST = Request(author="user_1", action="test")


async def test_sites_regions_and_links_are_found_as_they_are_drawn(ledger: Ledger, ask: Ask) -> None:
    await ledger.commit(network, REQUEST)
    assert await ask(
        "MATCH (s:Site)-[:IN_REGION]->(r:Region)-[:PART_OF]->(p:Region) RETURN s.name, r.name, p.name ORDER BY s.name"
    ) == [["one", "Zürich", "south"], ["three", "Zürich", "south"], ["two", "Zürich", "south"]]
    assert await ask(
        "MATCH p = shortestPath((a:Site {name: 'two'})-[:LINK*]-(b:Site {name: 'three'}))"
        " RETURN reduce(ms = 0.0, l IN relationships(p) | ms + l.latency_ms)"
    ) == [2.5]
    assert await ask(
        "MATCH (c:Cluster)-[:SERVES]->(s:Site) OPTIONAL MATCH (n:Node)-[:AT_SITE]->(s)"
        " RETURN s.name, sum(n.capacity_cpu_millicores) ORDER BY s.name"
    ) == [["one", 20_000], ["two", 0]]
    assert await ask("MATCH (s:Site) WHERE 'zone=a' IN s.labels AND s.schedulable RETURN s.name ORDER BY s.name") == [
        "one",
        "three",
    ]
    assert await ask("MATCH (s:Site {name: 'one'}) RETURN s.position_longitude, s.tier") == [[8.5, "DISTRICT"]]
    assert await ask("MATCH (n:Link) RETURN count(n)") == [0], "links are edges and nothing else"


async def test_workloads_are_related_to_all_that_they_stand_on(ledger: Ledger, ask: Ask) -> None:
    await races.make_workload(ledger)

    def tokens(edit: Edit) -> None:
        user = edit.create(User, name="ann")
        robot = edit.create(ServiceAccount, name="robot")
        edit.create(ApiToken, name="t1", owner_id=user.id)
        edit.create(ApiToken, name="t2", owner_id=robot.id)

    await ledger.commit(tokens, REQUEST)
    assert await ask("MATCH (t:ApiToken)-[:OF]->(o) RETURN t.name, labels(o)[0] ORDER BY t.name") == [
        ["t1", "User"],
        ["t2", "ServiceAccount"],
    ]
    assert await ask(
        "MATCH (c:Component)-[:PART_OF]->(v:AppVersion)-[:VERSION_OF]->(a:App)-[:BELONGS_TO]->(t:Tenant)"
        " RETURN count(DISTINCT t)"
    ) == [1]


async def test_relationships_follow_the_references(store: Neo4jStore, ask: Ask) -> None:
    graph = sample_graph(3)
    entities = {name: [one for one in graph if one.SPEC.name == name] for name in KINDS}
    chain = Chain(await head_of(store))
    await write(store, [chain.commit(*created(*graph))])
    before = next(one for one in entities["Release"] if isinstance(one, Release))
    nodes = [one.id for one in entities["Node"]]
    after = msgspec.structs.replace(
        before,
        cluster_id=None if before.cluster_id else entities["Cluster"][0].id,
        assignments={nodes[0]: 7, nodes[1]: 1},
        revision=9,
    )
    await write(store, [chain.commit((before, after))])
    assert await ask(
        "MATCH (:Release {id: $id})-[r:RESERVES]->(n:Node) RETURN n.id, r.count ORDER BY n.id", id=before.id
    ) == sorted([[nodes[0], 7], [nodes[1], 1]])
    assert await ask("MATCH (:Release {id: $id})-[r:VIA_CLUSTER]->(c) RETURN c.id", id=before.id) == (
        [after.cluster_id] if after.cluster_id else []
    )
    again = msgspec.structs.replace(after, assignments={nodes[1]: 4}, revision=10)
    await write(store, [chain.commit((after, again))])
    assert await ask("MATCH (:Release {id: $id})-[r:RESERVES]->(n) RETURN n.id, r.count", id=before.id) == [
        [nodes[1], 4]
    ]
    await check_relationships(await live(store), ask)


async def test_after_many_changes_each_reference_is_one_relationship(ledger: Ledger, ask: Ask) -> None:
    made = (await ledger.commit(network, REQUEST)).value

    def move(edit: Edit) -> None:
        south, two, cluster = (edit.get(made[name]) for name in ("south", "two", "k8s"))
        node = edit.get(made["n1"])
        assert isinstance(south, Region)
        assert isinstance(two, Site)
        assert isinstance(cluster, Cluster)
        assert isinstance(node, Node)
        edit.replace(two, region_id=south.id)
        edit.replace(cluster, site_ids=[made["three"], made["two"]])
        edit.replace(node, cluster_id=None)

    def remove(edit: Edit) -> None:
        link = edit.get(made["first-link"])
        assert link is not None
        edit.delete(link)

    await ledger.commit(move, REQUEST)
    await ledger.commit(remove, REQUEST)
    assert isinstance(ledger.store, Neo4jStore)
    await check_relationships((await check_whole(ledger.store)).live, ask)
    with pytest.raises(InUse):
        await ledger.commit(lambda edit: edit.delete(edit.get(made["three"])), REQUEST)  # type: ignore[arg-type]  # it is there


async def test_names_can_be_exchanged_in_one_commit(ledger: Ledger) -> None:
    made = (await ledger.commit(network, REQUEST)).value

    def exchange(edit: Edit) -> None:
        one, two = edit.get(made["one"]), edit.get(made["two"])
        assert one is not None
        assert two is not None
        edit.replace(one, name="passing")
        edit.replace(two, name="one")
        edit.replace(edit.get(one.id) or one, name="two")

    await ledger.commit(exchange, REQUEST)
    assert isinstance(ledger.store, Neo4jStore)
    state = await check_whole(ledger.store)
    assert getattr(state.live[made["one"]], "name", None) == "two"


DOCS = Path(__file__).parents[2] / "docs" / "neo4j.md"


async def test_the_documented_questions_have_answers(ledger: Ledger, ask: Ask) -> None:
    await races.make_workload(ledger)
    await ledger.commit(network, REQUEST)
    questions = re.findall(r"```cypher\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert len(questions) > 5
    answers = [await ask(question) for question in questions]
    assert [len(one) > 0 for one in answers[:4]] == [True] * 4


def test_the_documented_relationships_are_those_that_there_are() -> None:
    rows = re.findall(r"^\| ([\w ]+) \| `([A-Z_]+)` \| ([\w, ]+) \|$", DOCS.read_text(), re.MULTILINE)
    said = {(source, relation, target) for source, relation, targets in rows for target in targets.split(", ")}
    expected = {
        ("whatever has a tenant" if one.type == "BELONGS_TO" else name, one.type, one.target)
        for name, statements in STATEMENTS.items()
        for one in statements.relations
    }
    assert said == expected | {("Site", "LINK", "Site")}
