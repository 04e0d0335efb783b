"""Reads: an entity by its id or its name, relations from both ends, pages, and waiting for a revision."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLObjectType, GraphQLUnionType, get_named_type

from access.viewer import SYSTEM
from graph.edit import Edit
from graph.entity import HIDDEN, KINDS
from graph.kinds import Link, Node, Operation, OperationKind, OperationStatus, Region, Site, Tenant
from graph.refusal import InvalidInput, LimitExceeded
from graph.request import Request
from graph.spelling import camel
from graph.view import View
from resolvers import revisions
from resolvers.problems import RequestProblem
from resolvers.queries import entities as queries
from resolvers.schema import graphql_schema
from schemakit.asking import data as seen
from server.app import Application
from server.execution import Engine, Parameters
from storekit.graphs import sample_graph
from worldkit.running import application_in, ask, data

REQUEST = Request(author="test", action="test")


@pytest.fixture
async def application(tmp_path: Path) -> AsyncIterator[Application]:
    async with application_in(tmp_path) as made:
        yield made


async def network(application: Application, sites: int = 5) -> dict[str, Any]:
    def make(edit: Edit) -> dict[str, Any]:
        tenants = [edit.create(Tenant, name=name).id for name in ("one", "two")]
        region = edit.create(Region, name="r")
        child = edit.create(Region, name="child", parent_id=region.id)
        made = [edit.create(Site, name=f"s{n}", region_id=region.id) for n in range(sites)]
        for tenant in tenants:
            edit.create(Region, name="twin", tenant_id=tenant)
        edit.create(Region, name="r", tenant_id=tenants[0])
        nodes = [edit.create(Node, name="n", site_id=one.id) for one in made[:2]]
        links = [
            edit.create(Link, from_site_id=made[0].id, to_site_id=made[n].id, latency_ms=float(n))
            for n in range(1, sites)
        ]
        return {
            "tenants": tenants,
            "region": region.id,
            "child": child.id,
            "sites": [one.id for one in made],
            "nodes": [one.id for one in nodes],
            "links": [one.id for one in links],
        }

    made: dict[str, Any] = (await application.ledger.commit(make, REQUEST)).value
    return made


async def problem(application: Application, text: str, **variables: Any) -> Any:
    answer = await ask(application, text, variables)
    assert answer.errors, answer.data
    return answer.errors[0].original_error


# Single entities


async def test_any_entity_is_found_by_its_id_and_what_is_not_there_is_null(application: Application) -> None:
    made = await network(application)
    text = "query($id: ID!) { entity(id: $id) { __typename id ... on Named { name } } }"
    for entity_id, typename in ((made["region"], "Region"), (made["sites"][0], "Site"), (made["nodes"][0], "Node")):
        found = (await data(application, text, {"id": entity_id}))["entity"]
        assert (found["__typename"], found["id"]) == (typename, entity_id)
    for entity_id in ("", "nonsense", "site_01ARZ3NDEKTSV4RRFFQ69G5FAV", "site", "_", "event_x", "operation_x"):
        assert (await data(application, text, {"id": entity_id}))["entity"] is None


async def test_entities_come_in_the_order_asked_with_null_for_what_is_not_there(application: Application) -> None:
    made = await network(application)
    ids = [made["sites"][2], "site_gone", made["region"], made["sites"][2]]
    text = "query($ids: [ID!]!) { entities(ids: $ids) { id } }"
    found = (await data(application, text, {"ids": ids}))["entities"]
    assert [one and one["id"] for one in found] == [ids[0], None, ids[2], ids[3]]
    assert (await data(application, text, {"ids": []}))["entities"] == []
    refusal = await problem(application, text, ids=["x"] * (queries.MAX_IDS + 1))
    assert isinstance(refusal, InvalidInput)
    assert refusal.path == "ids"


async def test_an_operation_that_has_ended_is_still_found_by_its_id(application: Application) -> None:
    async def change(function: Any) -> Any:
        return (await application.ledger.commit(function, REQUEST)).value

    operation = await change(lambda edit: edit.create(Operation, kind=OperationKind.RETRY, requested_by="ann"))
    await change(lambda edit: edit.replace(operation, status=OperationStatus.SUCCEEDED))
    assert application.ledger.view.get(operation.id) is None
    for text in ("entity", "operation"):
        found = await data(application, f"query($id: ID!) {{ found: {text}(id: $id) {{ id }} }}", {"id": operation.id})
        assert found["found"] == {"id": operation.id}
    found = await data(application, "query($ids: [ID!]!) { entities(ids: $ids) { id } }", {"ids": [operation.id]})
    assert found["entities"] == [{"id": operation.id}]


async def test_a_named_entity_is_found_by_its_name_and_within_what_scopes_it(application: Application) -> None:
    made = await network(application)
    text = "query($name: String, $within: ID, $id: ID) { region(name: $name, within: $within, id: $id) { id } }"

    async def find(**given: Any) -> Any:
        return (await data(application, text, given))["region"]

    assert await find(name="r") == {"id": made["region"]}, "what belongs to nobody comes first"
    private = await find(name="r", within=made["tenants"][0])
    assert private is not None
    assert private["id"] != made["region"]
    assert await find(name="r", within=made["tenants"][1]) is None
    assert await find(name="nobody") is None
    assert await find(id=made["region"], name="r") == {"id": made["region"]}
    assert await find(id=made["region"], name="other") is None
    assert await find(id=made["sites"][0]) is None, "an id of another kind is none of this one"
    refusal = await problem(application, text, name="twin")
    assert isinstance(refusal, InvalidInput)
    assert refusal.path == "within"
    assert "2" in refusal.message
    refusal = await problem(application, text)
    assert isinstance(refusal, InvalidInput)
    node = "query($name: String, $within: ID) { node(name: $name, within: $within) { id } }"
    assert isinstance(await problem(application, node, name="n"), InvalidInput)
    found = await data(application, node, {"name": "n", "within": made["sites"][1]})
    assert found["node"] == {"id": made["nodes"][1]}


# Relations


async def test_relations_are_there_from_both_ends(application: Application) -> None:
    made = await network(application)
    text = """query($region: ID!, $site: ID!) {
      region(id: $region) {
        parent { id }
        children { nodes { id parent { id } } totalCount }
        sites(first: 2, orderBy: [{field: NAME, direction: DESC}]) {
          totalCount nodes { name region { id } } pageInfo { hasNextPage endCursor }
        }
      }
      site(id: $site) { nodes { nodes { id site { id } } } links { id fromSite { id } toSite { id } } }
    }"""
    found = await data(application, text, {"region": made["region"], "site": made["sites"][0]})
    region, site = found["region"], found["site"]
    assert region["parent"] is None
    assert region["children"] == {"nodes": [{"id": made["child"], "parent": {"id": made["region"]}}], "totalCount": 1}
    assert region["sites"]["totalCount"] == 5
    assert [one["name"] for one in region["sites"]["nodes"]] == ["s4", "s3"]
    assert {one["region"]["id"] for one in region["sites"]["nodes"]} == {made["region"]}
    assert region["sites"]["pageInfo"]["hasNextPage"]
    assert site["nodes"]["nodes"] == [{"id": made["nodes"][0], "site": {"id": made["sites"][0]}}]
    assert [one["id"] for one in site["links"]] == sorted(made["links"])
    other = await data(application, "query($id: ID!) { site(id: $id) { links { id } } }", {"id": made["sites"][2]})
    assert other["site"]["links"] == [{"id": made["links"][1]}], "a link is found from either end"


async def test_every_reference_can_be_followed_and_comes_back(tmp_path: Path) -> None:
    """Whatever refers to something is in its target's list of referrers, for all kinds, as the schema has them."""
    graph = sample_graph(9, of_each=4)
    view = View()
    view.load(graph)
    view.loaded(revision=1, at=1, epoch="e", counters={})
    schema = graphql_schema()
    followed = 0
    for entity in graph:
        kind = entity.SPEC
        for field in kind.refs:
            assert field.ref is not None
            targets = field.targets(entity)
            shown = _relation(kind.name, field.name)
            if shown is None:
                continue
            answer = await seen(
                view,
                f"query($id: ID!) {{ entity(id: $id) {{ ... on {kind.name} {{ {shown} {{ id }} }} }} }}",
                id=entity.id,
            )
            value = answer["entity"][shown]
            assert [one["id"] for one in (value if isinstance(value, list) else [value] if value else [])] == list(
                targets
            )
            back = field.ref.reverse if field.ref.reverse is not None else kind.plural
            for target_id in targets:
                target = view.get(target_id)
                assert target is not None
                target_type = schema.type_map[target.SPEC.name]
                assert isinstance(target_type, GraphQLObjectType)
                if not back or back not in target_type.fields:
                    continue
                if get_named_type(target_type.fields[back].type) is not schema.type_map.get(f"{kind.name}Connection"):
                    continue
                inner = f"... on {target.SPEC.name} {{ {back}(first: 500) {{ nodes {{ id }} }} }}"
                text = f"query($id: ID!) {{ entity(id: $id) {{ {inner} }} }}"
                listed = {one["id"] for one in (await seen(view, text, id=target_id))["entity"][back]["nodes"]}
                same = [one for one in kind.refs if one.ref is not None and (one.ref.reverse or kind.plural) == back]
                if len(same) == 1 or field is same[0]:
                    assert entity.id in listed, f"{target.SPEC.name}.{back} has {kind.name}.{field.name}"
                    followed += 1
    assert followed > 60


def _relation(kind: str, field: str) -> str | None:
    found = graphql_schema().type_map[kind]
    assert isinstance(found, GraphQLObjectType)
    base = camel(field.removesuffix("_ids").removesuffix("_id"))
    for name in (base, f"{base}s"):
        declared = found.fields.get(name)
        if declared is not None and not declared.args and "id" in getattr(get_named_type(declared.type), "fields", {}):
            return name
    return None


async def test_what_is_hidden_can_be_asked_for_nowhere() -> None:
    schema = graphql_schema()
    for kind in KINDS.values():
        for field in kind.fields.values():
            if HIDDEN in field.marks:
                name = camel(field.name)
                for type_name in (
                    kind.name,
                    f"{kind.name}Filter",
                    f"Create{kind.name}Input",
                    f"Update{kind.name}Input",
                ):
                    assert name not in getattr(schema.type_map.get(type_name), "fields", {}), type_name
                order = schema.type_map.get(f"{kind.name}OrderField")
                assert field.name.upper() not in getattr(order, "values", {})


# Waiting for a revision


async def test_a_read_may_wait_for_the_revision_that_a_write_was_told(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await network(application)
    now = application.ledger.view.revision
    for text in (
        "query($id: ID!, $at: BigInt) { found: entity(id: $id, atLeastRevision: $at) { id } }",
        "query($id: ID!, $at: BigInt) { found: region(id: $id, atLeastRevision: $at) { id } }",
    ):
        for revision in (None, 0, now):
            found = await data(application, text, {"id": made["region"], "at": revision})
            assert found["found"] == {"id": made["region"]}
        waiting = asyncio.create_task(data(application, text, {"id": made["region"], "at": now + 1}))
        await asyncio.sleep(0.02)
        assert not waiting.done()
        await application.ledger.commit(lambda edit: edit.create(Region, name=f"later-{edit.next_revision}"), REQUEST)
        assert (await waiting)["found"] == {"id": made["region"]}
        now = application.ledger.view.revision
        monkeypatch.setattr(revisions, "REVISION_WAIT_S", 0.02)
        late = await problem(application, text, id=made["region"], at=now + 5)
        monkeypatch.undo()
        assert isinstance(late, RequestProblem), text
        assert late.code == "REVISION_NOT_REACHED"
        assert late.retryable
        assert late.extensions == {"asked": now + 5, "reached": now, "epoch": application.ledger.view.epoch}


async def test_a_list_may_wait_as_well(application: Application) -> None:
    await network(application)
    now = application.ledger.view.revision
    text = "query($at: BigInt) { regions(atLeastRevision: $at) { totalCount } }"
    before = (await data(application, text, {"at": now}))["regions"]["totalCount"]
    assert (await data(application, text, {"at": None}))["regions"]["totalCount"] == before
    waiting = asyncio.create_task(data(application, text, {"at": now + 1}))
    await asyncio.sleep(0.02)
    assert not waiting.done()
    await application.ledger.commit(lambda edit: edit.create(Region, name="later"), REQUEST)
    assert (await waiting)["regions"]["totalCount"] == before + 1


# Pages


async def test_a_page_is_cut_and_continued_by_its_cursors(application: Application) -> None:
    await network(application, sites=7)
    text = """query($first: Int, $after: String, $last: Int, $before: String) {
      sites(first: $first, after: $after, last: $last, before: $before) {
        nodes { name } edges { cursor node { name } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
      }
    }"""

    async def page(**given: Any) -> Any:
        return (await data(application, text, given))["sites"]

    names: list[str] = []
    cursor = None
    while True:
        got = await page(first=3, after=cursor)
        names += [one["name"] for one in got["nodes"]]
        assert [one["node"] for one in got["edges"]] == got["nodes"]
        assert got["pageInfo"]["startCursor"] == got["edges"][0]["cursor"]
        cursor = got["pageInfo"]["endCursor"]
        assert cursor == got["edges"][-1]["cursor"]
        if not got["pageInfo"]["hasNextPage"]:
            break
    assert names == [f"s{n}" for n in range(7)]
    back = await page(last=2, before=cursor)
    assert [one["name"] for one in back["nodes"]] == ["s4", "s5"]
    assert back["pageInfo"]["hasPreviousPage"]
    empty = await page(first=0)
    assert empty["nodes"] == []
    assert empty["pageInfo"]["startCursor"] is None
    assert [one["name"] for one in (await page(last=2))["nodes"]] == ["s5", "s6"], (
        "the default size gives way to `last`"
    )


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        ("first: -1", "first"),
        ("first: 501", "first"),
        ("last: 501", "last"),
        ('first: 1, after: "nonsense"', "after"),
        ('last: 1, before: "nonsense"', "before"),
        ('filter: {labels: "a in ("}', "filter.labels"),
    ],
)
async def test_what_cannot_be_paged_is_refused_by_argument(application: Application, arguments: str, path: str) -> None:
    refusal = await problem(application, f"{{ sites({arguments}) {{ nodes {{ id }} }} }}")
    assert isinstance(refusal, InvalidInput | LimitExceeded)
    assert refusal.path == path


async def test_a_total_is_counted_when_it_is_selected_and_not_before(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    from graph import listing

    await network(application)
    counted: list[str] = []
    count_of = listing.count_of

    def spy(reader: Any, kind: str, **more: Any) -> int:
        counted.append(kind)
        return count_of(reader, kind, **more)

    monkeypatch.setattr(listing, "count_of", spy)
    await data(application, "{ sites { nodes { id } edges { cursor } pageInfo { hasNextPage } } }")
    assert counted == []
    found = await data(application, "query($yes: Boolean!) { sites { totalCount @include(if: $yes) } }", {"yes": False})
    assert found == {"sites": {}}
    assert counted == []
    found = await data(
        application, "{ sites(first: 1) { totalCount } regions { totalCount nodes { sites { totalCount } } } }"
    )
    assert found["sites"]["totalCount"] == 5
    assert counted.count("Site") == 1 + 5
    assert counted.count("Region") == 1


# Refusals and bugs


def told(application: Application, text: str, **variables: Any) -> Any:
    """What the endpoint's engine answers, with its masking."""
    endpoint = application.endpoint
    engine: Engine[Any] = endpoint.engine
    prepared = engine.prepare(Parameters(text, None, variables))
    return engine.run(prepared, SYSTEM, "correlation-1")


async def answered(application: Application, text: str, **variables: Any) -> Any:
    answer = told(application, text, **variables)
    return await answer if asyncio.iscoroutine(answer) or asyncio.isfuture(answer) else answer


async def test_a_read_that_is_refused_says_why_with_a_code_and_a_bug_does_not(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    await network(application)
    answer = await answered(application, '{ sites(filter: {labels: "a in ("}) { nodes { id } } }')
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "INVALID_INPUT"
    assert error["extensions"]["argument"] == "filter.labels"
    assert error["extensions"]["remedy"]
    assert "label selector" in error["message"]
    monkeypatch.setattr(revisions, "REVISION_WAIT_S", 0.01)
    answer = await answered(application, '{ entity(id: "x", atLeastRevision: 999999) { id } }')
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "REVISION_NOT_REACHED"
    assert error["extensions"]["retryable"] is True

    def broken(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("the secret is 17")

    monkeypatch.setattr(type(application.ledger.view), "find", broken)
    answer = await answered(application, '{ region(name: "r") { id } }')
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "INTERNAL"
    assert error["extensions"]["correlationId"] == "correlation-1"
    assert "17" not in str(answer)


async def test_a_bug_in_a_mutation_is_masked_and_a_refusal_is_data(application: Application) -> None:
    answer = await answered(
        application, 'mutation { deleteRegion(input: {id: "x"}) { __typename ... on Error { code } } }'
    )
    assert answer["data"]["deleteRegion"] == {"__typename": "NotFound", "code": "NOT_FOUND"}
    assert "errors" not in answer


def test_every_mutation_answers_with_a_payload_or_an_error() -> None:
    mutations = graphql_schema().mutation_type
    assert mutations is not None
    for name, field in mutations.fields.items():
        union = get_named_type(field.type)
        assert isinstance(union, GraphQLUnionType), name
        assert list(field.args) == ["input"], name
        payloads = [one for one in union.types if all(face.name != "Error" for face in one.interfaces)]
        assert [one.name for one in payloads] == [f"{name[0].upper()}{name[1:]}Payload"]
        assert "revision" in payloads[0].fields
        names = {one.name for one in union.types}
        assert {"InvalidInput", "NotFound", "Forbidden", "LimitExceeded", "IdempotencyMismatch", "Unavailable"} <= names
