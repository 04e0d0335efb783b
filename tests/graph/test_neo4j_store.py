"""What protects the graph on a real Neo4j server, and how the store opens, waits and reads there."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import neo4j
import pytest

from beds.neo4j.server import Neo4jServer
from graph.change import Change, Commit
from graph.edit import Edit
from graph.entity import Entity
from graph.identifiers import new_ulid
from graph.kinds import Operation, OperationKind, OperationStatus, Site
from graph.ledger import Ledger
from graph.request import Request
from graph.store import SCHEMA_NUMBER, Compacted, SchemaTooNew, StoreProblem, StoreUnavailable, WriteBatch
from graph.stores import neo4j as store_module
from graph.stores import neo4j_load as load_module
from graph.stores import neo4j_log as commit_log
from graph.stores import neo4j_records as filed
from graph.stores import neo4j_transaction as writing
from graph.stores.neo4j import Neo4jStore
from graph.stores.neo4j_client import Begun, Client, Timeouts
from graph.stores.neo4j_migration import SCHEMA
from graph.stores.neo4j_statements import STATEMENTS, Lists
from storekit.cypher import Ask, ask, ledger, live, network, store
from storekit.fixtures import plain_logs
from storekit.graphs import Chain, audit, created, head_of, region, sample_graph, write

__all__ = ["ask", "ledger", "plain_logs", "store"]
REQUEST = Request(author="user_1", action="test")


def all_statements(*kinds: str) -> list[tuple[str, list[str]]]:
    """Every statement that writes, and those that read entities and records, with their parameters."""
    lists: list[Lists] = [writing._LOG, writing._USUAL_AND_LOG, *writing._RARE]
    chosen = [STATEMENTS[kind] for kind in kinds or STATEMENTS]
    for one in chosen:
        lists += [one.create, *one.take, *one.put]
    found = [(one.text, list(one.names)) for one in lists]
    found.append((writing._LOCK, ["writer", "after", "until"]))
    found.append((load_module._HOW_MANY, []))
    found += [(one.page, ["after", "size"]) for one in chosen]
    for shape in filed.shapes():
        found.append((filed.page_text(shape), ["collection"]))
        if not shape.ascending:
            found.append((filed.count_text(shape), ["collection"]))
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
                parameters |= {"above": "x", "below": "y", "since": 1, "until": 2}
            text = text.replace("CYPHER replan=skip", "")
            done = await driver.execute_query(f"EXPLAIN {text}", parameters, database_="neo4j")  # type: ignore[arg-type]  # a text made here, where the driver wants a literal
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
        await ledger.commit(lambda edit: edit.replace(edit.get(made["one"]), display_name="x"), REQUEST)  # type: ignore[type-var]  # it is there
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
        for module in (store_module, writing, commit_log, filed)
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


async def test_a_kind_of_which_there_is_none_is_not_asked_for(
    store: Neo4jStore, neo4j_server: Neo4jServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = {one.page: kind for kind, one in STATEMENTS.items()}
    asked: list[str] = []
    once = Client.ask

    async def listened(self: Client, statement: str, /, **parameters: Any) -> Any:
        if statement in pages:
            asked.append(pages[statement])
        return await once(self, statement, **parameters)

    monkeypatch.setattr(Client, "ask", listened)
    assert await live(store) == {}
    assert asked == []
    async with Ledger(Neo4jStore(neo4j_server.store)).running() as ledger:
        await ledger.commit(network, REQUEST)
    asked.clear()
    found = await live(store)
    assert sorted(asked) == ["Cluster", "Link", "Node", "Region", "Site"]
    assert {one.SPEC.name for one in found.values()} == set(asked)


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


async def test_a_load_begins_when_what_was_committed_before_can_be_found(
    store: Neo4jStore, neo4j_server: Neo4jServer
) -> None:
    """A commit is seen bit by bit until it lets go of the lock."""
    async with store.begin() as writing_meanwhile:
        await writing_meanwhile.head()
        begun = asyncio.create_task(store.load())
        done, _ = await asyncio.wait([begun], timeout=2.0)
        assert not done
    assert (await begun).head.revision == 0


@pytest.mark.parametrize("told", [True, False])
async def test_what_others_have_committed_is_read_with_the_lock_by_who_says_where_it_stands(
    store: Neo4jStore, monkeypatch: pytest.MonkeyPatch, told: bool
) -> None:
    monkeypatch.setattr(writing, "READ_ALONG", 3)
    chain = Chain(await head_of(store))
    await write(store, [chain.commit(*created(region("large", display_name="x" * 40_000)))])
    for number in range(4):
        await write(store, [chain.commit(*created(region(f"r{number}")))])
    asked: list[str] = []
    async with store.begin() as transaction:
        assert (await transaction.head(after=0 if told else None)).revision == 5
        ask = transaction.ask

        async def counted(text: str, /, **parameters: Any) -> Any:
            asked.append(text)
            return await ask(text, **parameters)

        monkeypatch.setattr(transaction, "ask", counted)
        first = [one.revision for one in await transaction.commits_after(0)]
        pages = [text for text in asked if text == commit_log._AFTER]
        assert (first, len(pages)) == (([1, 2, 3], 0) if told else ([1, 2, 3, 4, 5], 1))
        # What is asked from anywhere else is read anew.
        assert [one.revision for one in await transaction.commits_after(3)] == [4, 5]


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
