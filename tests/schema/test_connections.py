"""Connections of every kind: each order that the schema offers, in both directions, and the arguments that all have."""

from __future__ import annotations

from functools import cmp_to_key
from typing import Any

import pytest
from graphql import GraphQLEnumType, GraphQLObjectType

from graph.entity import HIDDEN, KINDS, Entity, Kind
from graph.kinds import Operation, Region, Site
from graph.view import View
from resolvers.schema import graphql_schema
from schema.connections import PAGE_SIZE
from schemakit.asking import Asked, ask, data
from storekit.graphs import sample_graph

LISTED = [one for one in KINDS.values() if not one.filed and one.type is not Operation]


@pytest.fixture(scope="module")
def view() -> View:
    made = View()
    made.load(sample_graph(8, of_each=14))
    made.loaded(revision=1, at=1, epoch="e", counters={})
    return made


def in_order(entities: list[Entity], field: str, descending: bool) -> list[str]:
    def compare(one: Entity, other: Entity) -> int:
        mine, theirs = (getattr(each, field) for each in (one, other))
        mine, theirs = (getattr(each, "name", each) for each in (mine, theirs))
        if mine is None or theirs is None:
            return (mine is None) - (theirs is None)
        less = (mine > theirs) - (mine < theirs)
        return -less if descending else less

    by_id = sorted(entities, key=lambda one: one.id, reverse=descending and field == "created_at")
    return [one.id for one in sorted(by_id, key=cmp_to_key(compare))]


@pytest.mark.parametrize("kind", LISTED, ids=lambda one: one.name)
async def test_every_order_of_every_kind_is_its_fields(view: View, kind: Kind) -> None:
    fields = graphql_schema().type_map[f"{kind.name}OrderField"]
    assert isinstance(fields, GraphQLEnumType)
    assert {"ID", "CREATED_AT", "UPDATED_AT", "REVISION"} <= set(fields.values)
    assert ("NAME" in fields.values) is kind.named
    entities = [one for one in map(view.get, view.ids(kind.name)) if one is not None]
    text = f"query($o: [{kind.name}Order!]) {{ found: {kind.plural}(orderBy: $o, first: 500) {{ nodes {{ id }} }} }}"
    for name, value in fields.values.items():
        field = str(getattr(value.value, "value", value.value))
        assert HIDDEN not in kind.fields[field].marks
        if field == "created_at":
            continue  # by its index: samples have times that do not go with their ids
        for direction in ("ASC", "DESC"):
            answer = await data(view, text, o=[{"field": name, "direction": direction}])
            assert [one["id"] for one in answer["found"]["nodes"]] == in_order(entities, field, direction == "DESC"), (
                name
            )
        plain = await data(view, text, o=[{"field": name}])
        assert [one["id"] for one in plain["found"]["nodes"]] == in_order(entities, field, False)


@pytest.mark.parametrize("kind", LISTED, ids=lambda one: one.name)
async def test_every_connection_has_the_same_arguments_and_fields(view: View, kind: Kind) -> None:
    schema = graphql_schema()
    assert schema.query_type is not None
    field = schema.query_type.fields[kind.plural]
    assert list(field.args)[:6] == ["first", "after", "last", "before", "filter", "orderBy"]
    assert field.args["first"].default_value == PAGE_SIZE
    connection = schema.type_map[f"{kind.name}Connection"]
    assert isinstance(connection, GraphQLObjectType)
    assert {name: str(one.type) for name, one in connection.fields.items()} == {
        "nodes": f"[{kind.name}!]!",
        "edges": f"[{kind.name}Edge!]!",
        "pageInfo": "PageInfo!",
        "totalCount": "Int!",
    }
    text = f"{{ found: {kind.plural} {{ nodes {{ __typename }} totalCount pageInfo {{ hasNextPage }} }} }}"
    found = (await data(view, text))["found"]
    assert found["totalCount"] == view.count(kind.name) == len(found["nodes"]) == 14
    assert {one["__typename"] for one in found["nodes"]} == {kind.name}
    assert not found["pageInfo"]["hasNextPage"]


async def test_a_page_is_no_larger_than_the_server_allows(view: View) -> None:
    from graphql import graphql

    context = Asked(view, page_size_max=3)
    answer = await graphql(graphql_schema(), "{ sites(first: 4) { nodes { id } } }", context_value=context)
    assert answer.errors
    answer = await graphql(graphql_schema(), "{ sites(first: 3) { nodes { id } } }", context_value=context)
    assert answer.errors is None


async def test_orders_are_taken_one_after_the_other() -> None:
    view = View()
    view.load([Region(id="region_1", name="r")])
    view.load(
        Site(id=f"site_{n}", name=f"s{9 - n}", region_id="region_1", ordinal=n % 3, price_per_core_hour=float(n % 2))
        for n in range(9)
    )
    view.loaded(revision=1, at=1, epoch="e", counters={})
    text = """{ sites(orderBy: [{field: ORDINAL, direction: DESC}, {field: PRICE_PER_CORE_HOUR}, {field: NAME}]) {
      nodes { ordinal pricePerCoreHour name } } }"""
    found = [tuple(one.values()) for one in (await data(view, text))["sites"]["nodes"]]
    assert found == sorted(found, key=lambda one: (-one[0], one[1], one[2]))


async def test_a_cursor_is_of_its_own_order_and_kind_of_list(view: View) -> None:
    page = "sites(first: 2, after: $after, orderBy: $o) { pageInfo { endCursor } }"
    text = f"query($after: String, $o: [SiteOrder!]) {{ {page} }}"
    cursor = (await data(view, text))["sites"]["pageInfo"]["endCursor"]
    await data(view, text, after=cursor)
    for order in ([{"field": "ORDINAL"}], [{"field": "NAME", "direction": "DESC"}], [{"field": "ID"}]):
        answer: Any = await ask(view, text, after=cursor, o=order)
        assert answer.errors, order
        assert "another order" in str(answer.errors[0])
