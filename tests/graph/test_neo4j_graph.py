"""The graph as an operator sees it with Cypher, on a real server, and what protects it there."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import neo4j
import pytest

from beds.neo4j.server import Neo4jServer
from graph.change import Change, Commit
from graph.edit import Edit
from graph.entity import KINDS, Entity
from graph.identifiers import new_ulid
from graph.kinds import (
    ApiToken,
    Cluster,
    Link,
    Node,
    Operation,
    OperationKind,
    OperationStatus,
    Region,
    Release,
    ServiceAccount,
    Site,
    User,
)
from graph.ledger import Ledger, Request
from graph.refusal import InUse
from graph.store import SCHEMA_NUMBER, Compacted, SchemaTooNew, StoreProblem, StoreUnavailable, WriteBatch
from graph.stores import neo4j as store_module
from graph.stores import neo4j_load as load_module
from graph.stores import neo4j_log as commit_log
from graph.stores import neo4j_records as filed
from graph.stores.neo4j import Neo4jStore
from graph.stores.neo4j_client import Begun, Client, Timeouts
from graph.stores.neo4j_migration import SCHEMA
from graph.stores.neo4j_statements import STATEMENTS, Lists
from graph.values import Position, Resources
from storekit import races
from storekit.checks import check_whole, loaded
from storekit.fixtures import plain_logs
from storekit.graphs import Chain, audit, created, head_of, region, sample_graph, write

__all__ = ["plain_logs"]
REQUEST = Request(author="user_1", action="test")
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
        await ledger.commit(lambda edit: edit.delete(edit.get(made["three"])), REQUEST)  # type: ignore[arg-type]


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


# What protects it


def all_statements(*kinds: str) -> list[tuple[str, list[str]]]:
    """Every statement that writes, and those that read entities and records, with their parameters."""
    lists: list[Lists] = [store_module._LOG, *store_module._RARE]
    chosen = [STATEMENTS[kind] for kind in kinds or STATEMENTS]
    for one in chosen:
        lists += [one.create, *one.take, *one.put]
    found = [(one.text, list(one.names)) for one in lists]
    found += [(one.page, ["after", "size"]) for one in chosen]
    found += [(text, ["collection", "after", "subject", "limit"]) for text in filed._PAGES.values()]
    return found


def operators(plan: dict[str, Any]) -> list[str]:
    return [
        str(plan["operatorType"]).split("@")[0],
        *(name for one in plan.get("children", []) for name in operators(one)),
    ]


@pytest.mark.neo4j
async def test_every_statement_finds_by_an_index_even_as_an_empty_graph_plans_it(
    store: Neo4jStore, neo4j_server: Neo4jServer
) -> None:
    async with neo4j.AsyncGraphDatabase.driver(
        neo4j_server.url, auth=(neo4j_server.user, neo4j_server.password), notifications_min_severity="OFF"
    ) as driver:
        for text, names in all_statements("Release", "Link", "Region", "ApiToken"):
            parameters: dict[str, Any] = {name: [] for name in names} | {
                "was": 0,
                "revision": 0,
                "at": 0,
                "tenants": [""],
            }
            if "$after" in text or "collection" in names:
                parameters |= {"after": "x", "collection": "audit", "subject": "x", "limit": 1, "size": 1}
            text = text.replace("CYPHER replan=skip", "")
            done = await driver.execute_query(f"EXPLAIN {text}", parameters, database_="neo4j")  # type: ignore[arg-type]
            assert done.summary.plan is not None
            used = operators(done.summary.plan)
            scans = [one for one in used if "Scan" in one]
            assert not scans, f"{scans} in {text}"
            if "ORDER BY" in text and "$tenants" not in text:
                assert "Sort" not in used, f"not in the index's order: {used}: {text}"


async def test_what_was_removed_by_hand_is_noticed_and_nothing_is_committed(ledger: Ledger, ask: Ask) -> None:
    made = (await ledger.commit(network, REQUEST)).value
    await ask("MATCH (r:Region {id: $id}) DETACH DELETE r", id=made["south"])
    revision = ledger.view.revision

    def refer(edit: Edit) -> None:
        edit.create(Site, name="four", region_id=made["south"])

    with pytest.raises(StoreProblem, match="Something else"):
        await ledger.commit(refer, REQUEST)
    assert await ask("MATCH (s:Site {name: 'four'}) RETURN count(s)") == [0]
    assert await ask("MATCH (m:Meta {key: 'graph'}) RETURN m.revision") == [revision]
    assert await ask("MATCH (c:Commit) RETURN count(c)") == [revision]


async def test_what_was_changed_by_hand_is_noticed(ledger: Ledger, ask: Ask) -> None:
    made = (await ledger.commit(network, REQUEST)).value
    await ask("MATCH (s:Site {id: $id}) SET s.revision = 77", id=made["one"])
    with pytest.raises(StoreProblem, match="Something else"):
        await ledger.commit(lambda edit: edit.replace(edit.get(made["one"]), display_name="x"), REQUEST)  # type: ignore[type-var]
    assert await ask("MATCH (s:Site {id: $id}) RETURN s.display_name", id=made["one"]) == [None]


async def test_the_database_itself_refuses_to_lose_what_others_refer_to(store: Neo4jStore, ask: Ask) -> None:
    chain = Chain(await head_of(store))
    parent = region("parent")
    site = Site(id="site_1", name="s", region_id=parent.id)
    await write(store, [chain.commit(*created(parent, site))])
    with pytest.raises(StoreProblem, match="relationships"):
        await write(store, [chain.commit((parent, None))])
    assert await ask("MATCH (:Site)-[:IN_REGION]->(r:Region) RETURN r.id") == [parent.id]
    assert (await head_of(store)).revision == 1


async def test_a_name_is_taken_once_whatever_a_writer_believes(store: Neo4jStore) -> None:
    chain = Chain(await head_of(store))
    await write(store, [chain.commit(*created(region("same")))])
    with pytest.raises(StoreProblem, match="already exists"):
        await write(store, [chain.commit(*created(region("same")))])


HOSTILE = "'}) DETACH DELETE n // \"} RETURN 1 `]->() DELETE n // $rows {row: 1} \u0000 \\ \\u0027 東京 %="


async def test_text_is_never_part_of_a_statement(store: Neo4jStore, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    text, said = HOSTILE, set[str]()
    run, ask_once = Begun.ask, Client.ask

    async def listened(self: Begun, statement: str, /, **parameters: Any) -> Any:
        said.add(statement)
        return await run(self, statement, **parameters)

    async def listened_once(self: Client, statement: str, /, **parameters: Any) -> Any:
        said.add(statement)
        return await ask_once(self, statement, **parameters)

    monkeypatch.setattr(Begun, "ask", listened)
    monkeypatch.setattr(Client, "ask", listened_once)
    chain = Chain(await head_of(store))
    hostile = [with_text(one, text) for one in sample_graph(5)]
    await write(store, [chain.commit(*created(*hostile), counters={text: 3})], private={text: b"v"}, records=[audit(1)])
    assert await live(store) == {one.id: one for one in hostile if not one.SPEC.filed}
    await store.put_ephemeral(text, text.encode(), expires_at=10)
    assert await store.take_ephemeral(text, now=1) == text.encode()
    assert await store.private(text) == b"v"
    assert await store.record(text, text) is None
    assert said <= {statement for statement, _ in all_statements()} | {
        value
        for module in (store_module, commit_log, filed)
        for value in vars(module).values()
        if isinstance(value, str)
    } | {load_module._COUNTERS}
    assert await ask("MATCH (m:Meta {key: 'graph'}) RETURN m.revision") == [1]


def with_text(entity: Entity, text: str) -> Entity:
    """The entity with this text in every field of text that is no reference and no id."""
    fields = {
        name: text + entity.id if name == "name" else text
        for name, field in entity.SPEC.fields.items()
        if field.ref is None and field.type in (str, str | None) and name not in ("id", "driver")
    }
    return msgspec.structs.replace(entity, labels={text: text}, **fields)


# Opening


async def test_a_database_of_another_program_is_refused(ask: Ask, neo4j_server: Neo4jServer) -> None:
    await ask("CREATE (:Site {owner: 'someone else'})")
    with pytest.raises(StoreProblem, match="another program"):
        await Neo4jStore(neo4j_server.store).open()
    await ask("MATCH (s:Site) DELETE s")


async def test_a_newer_schema_is_read_and_not_written(store: Neo4jStore, ask: Ask, neo4j_server: Neo4jServer) -> None:
    chain = Chain(await head_of(store))
    await write(store, [chain.commit(*created(region("kept")))])
    await ask("MATCH (m:Meta {key: 'graph'}) SET m.schema = $schema", schema=SCHEMA_NUMBER + 1)
    newer = Neo4jStore(neo4j_server.store)
    assert (await newer.open()).schema == SCHEMA_NUMBER + 1
    assert len(await live(newer)) == 1
    with pytest.raises(SchemaTooNew):
        await write(newer, [chain.commit(*created(region("refused")))])
    with pytest.raises(SchemaTooNew):
        await newer.new_epoch()
    await newer.close()


async def test_a_wrong_password_an_absent_server_and_an_unknown_database_are_said_at_once(
    neo4j_server: Neo4jServer,
) -> None:
    with pytest.raises(StoreProblem, match="refuses the user or the password") as refused:
        await Neo4jStore(neo4j_server.url, user="neo4j", password="wrong-password").open()
    assert "wrong-password" not in str(refused.value)
    with pytest.raises(StoreUnavailable, match="does not answer"):
        await Neo4jStore("bolt://127.0.0.1:1", timeouts=Timeouts(connect=1.0)).open()
    with pytest.raises(StoreProblem, match="nosuch"):
        await Neo4jStore(f"{neo4j_server.store}/nosuch").open()


async def test_a_cluster_url_works_with_one_server(ask: Ask, neo4j_server: Neo4jServer) -> None:
    store = Neo4jStore(neo4j_server.store.replace("bolt://", "neo4j://"))
    await store.open()
    chain = Chain(await head_of(store))
    await write(store, [chain.commit(*created(region("routed")))])
    assert len(await live(store)) == 1
    await store.close()


async def test_the_server_says_how_it_is_backed_up(store: Neo4jStore, tmp_path: Any) -> None:
    with pytest.raises(StoreProblem, match="neo4j-admin database dump neo4j"):
        await store.backup(tmp_path / "copy")


# Waits and holes


async def test_a_lock_that_is_held_too_long_is_a_typed_error(store: Neo4jStore, neo4j_server: Neo4jServer) -> None:
    impatient = Neo4jStore(neo4j_server.store, timeouts=Timeouts(lock=0.5))
    await impatient.open()
    async with store.begin() as holder:
        await holder.head()
        async with impatient.begin() as waiting:
            with pytest.raises(StoreUnavailable, match="in time"):
                await waiting.head()
    async with impatient.begin() as again:
        assert (await again.head()).revision == 0
    await impatient.close()


async def test_a_hole_in_the_log_is_never_skipped(store: Neo4jStore, ask: Ask) -> None:
    chain = Chain(await head_of(store))
    for number in range(4):
        await write(store, [chain.commit(*created(region(f"r{number}")))])
    await ask("MATCH (c:Commit {revision: 3}) DELETE c")
    assert [one.revision for one in await store.commits_after(0)] == [1, 2]
    with pytest.raises(StoreProblem, match="no commit 3"):
        await store.commits_after(2)
    await store.compact(keep_commits=1, keep_after=0)
    with pytest.raises(Compacted):
        await store.commits_after(2)
    assert [one.revision for one in await store.commits_after(3)] == [4]


async def test_large_commits_are_followed_in_pages_of_bounded_size(store: Neo4jStore) -> None:
    chain = Chain(await head_of(store))
    large = "x" * 5_000_000
    for number in range(8):
        await write(store, [chain.commit(*created(region(f"r{number}", display_name=large)))])
    first = await store.commits_after(0)
    assert 5 <= len(first) < 8
    assert [one.revision for one in await store.commits_after(len(first))] == list(range(len(first) + 1, 9))


async def test_an_operation_is_a_node_while_it_runs(ledger: Ledger, ask: Ask) -> None:
    made = (await ledger.commit(lambda edit: edit.create(Operation, kind=OperationKind.DRAIN), REQUEST)).value
    assert await ask("MATCH (o:Operation) RETURN o.id, o.status") == [[made.id, "RUNNING"]]
    await ledger.commit(lambda edit: edit.replace(made, status=OperationStatus.SUCCEEDED), REQUEST)
    assert await ask("MATCH (o:Operation) RETURN count(o)") == [0]
    assert await ask("MATCH (r:Record {collection: 'Operation'}) RETURN r.id") == [made.id]


async def test_one_of_many_takers_gets_what_is_kept_for_a_while(store: Neo4jStore) -> None:
    await store.put_ephemeral("link", b"once", expires_at=100)
    taken = await asyncio.gather(*(store.take_ephemeral("link", now=1) for _ in range(12)))
    assert sorted(taken, key=str) == sorted([b"once", *[None] * 11], key=str)


async def test_a_store_that_is_not_open_says_so(neo4j_server: Neo4jServer) -> None:
    closed = Neo4jStore(neo4j_server.store)
    with pytest.raises(StoreUnavailable, match="not open"):
        await closed.commits_after(0)
    async with closed.begin() as transaction:
        with pytest.raises(StoreUnavailable, match="not open"):
            await transaction.head()


async def test_a_commit_out_of_order_is_refused(store: Neo4jStore) -> None:
    commit = Commit(
        revision=7,
        draft_id=new_ulid(),
        at=1,
        author="a",
        action="b",
        changes=[Change("Region", "x", None, region("r"))],
    )
    async with store.begin() as transaction:
        await transaction.head()
        with pytest.raises(StoreProblem, match="do not follow"):
            await transaction.write(WriteBatch(commits=[commit]))
    assert (await head_of(store)).revision == 0


async def test_constraints_are_made_once_by_whoever_comes_first(neo4j_server: Neo4jServer, ask: Ask) -> None:
    for name in await ask("SHOW CONSTRAINTS YIELD name WHERE name CONTAINS '_record_' OR name CONTAINS '_user_'"):
        await ask(f"DROP CONSTRAINT {name}")
    stores = [Neo4jStore(neo4j_server.store) for _ in range(4)]
    heads = await asyncio.gather(*(one.open() for one in stores))
    assert len({head.epoch for head in heads}) == 1
    found = await ask("SHOW INDEXES YIELD name, state WHERE state = 'ONLINE' RETURN name")
    assert set(SCHEMA) <= set(found)
    assert await ask("MATCH (m:Meta {key: 'graph'}) RETURN count(m)") == [1]
    await asyncio.gather(*(one.close() for one in stores))
