"""What a query may cost, before it is executed."""

from __future__ import annotations

import pytest
from graphql import OperationDefinitionNode, build_schema, parse
from hypothesis import given, settings
from hypothesis import strategies as st

from endpointkit.served import Person
from endpointkit.world import Context, World
from endpointkit.world import schema as world_schema
from server.cost import CostAnalysis
from server.endpoint_limits import EndpointLimits
from server.execution import Engine, Parameters

SCHEMA = build_schema(
    """
    type Query {
      site: Site
      sites(first: Int = 50, last: Int): SiteConnection!
      open(first: Int, last: Int): SiteConnection!
      entities(ids: [ID!]!): [Node]!
      all: [Site!]!
      columns: Columns!
      any: [Thing!]!
    }
    interface Node { id: ID! }
    type Site implements Node {
      id: ID! name: String!
      links: [Link!]! many: [Link!]!
      nodes(first: Int = 50): SiteConnection!
    }
    type Link { id: ID! to: Site! }
    type Columns { latitude: [Float!]! name: [String!]! }
    type SiteConnection { nodes: [Site!]! edges: [SiteEdge!]! totalCount: Int! extra: [Link!]! }
    type SiteEdge { node: Site! cursor: String! }
    union Thing = Site | Link
    """
)
LIMITS = EndpointLimits(max_list_size=500, assumed_list_size=10, list_sizes={"Site.many": 200})


def cost(query: str, variables: dict[str, object] | None = None) -> int:
    document = parse(query)
    operation = next(node for node in document.definitions if isinstance(node, OperationDefinitionNode))
    return CostAnalysis(SCHEMA, document, limits=LIMITS).plan(operation).evaluate(variables or {})


CASES = [
    ("{ site { id name } }", {}, 3),
    ("{ sites { totalCount } }", {}, 2),
    ("{ sites { nodes { id } } }", {}, 2 + 50),
    ("{ sites(first: 3) { nodes { id name } } }", {}, 2 + 3 * 2),
    ("{ sites(first: 3) { edges { node { id } cursor } } }", {}, 2 + 3 * 3),
    ("{ sites(last: 70) { nodes { id } } }", {}, 2 + 70),
    ("{ sites(first: 3) { ... on SiteConnection { nodes { id } } } }", {}, 2 + 3),
    ("{ sites(first: 10000) { nodes { id } } }", {}, 2 + 500),
    ("{ sites(first: -5) { nodes { id } } }", {}, 2),
    ("{ sites(first: " + "9" * 5_000 + ") { nodes { id } } }", {}, 2 + 500),
    ("{ sites(first: null) { nodes { id } } }", {}, 2 + 50),
    ("{ open { nodes { id } } }", {}, 2 + 500),
    ("query ($n: Int) { sites(first: $n) { nodes { id } } }", {"n": 7}, 2 + 7),
    ("query ($n: Int) { sites(first: $n) { nodes { id } } }", {"n": None}, 2 + 50),
    ("query ($n: Int) { sites(first: $n) { nodes { id } } }", {}, 2 + 50),
    ("query ($n: Int = 9) { sites(first: $n) { nodes { id } } }", {}, 2 + 9),
    ("query ($n: Int) { sites(first: $n) { nodes { id } } }", {"n": "many"}, 2 + 500),
    ("query ($n: Int) { sites(first: $n) { nodes { id } } }", {"n": True}, 2 + 500),
    ("query ($n: Int) { sites(first: $n) { nodes { id } } }", {"n": 10**30}, 2 + 500),
    ("query ($n: Int, $m: Int) { open(first: $n, last: $m) { nodes { id } } }", {"n": 7}, 2 + 7),
    ("query ($n: Int, $m: Int) { open(first: $n, last: $m) { nodes { id } } }", {}, 2 + 500),
    ("{ sites(first: 4) { nodes { nodes(first: 5) { nodes { id } } } } }", {}, 2 + 4 * (2 + 5)),
    ("{ sites(first: 4) { nodes { links { id } } } }", {}, 2 + 4 * (1 + 10)),
    ("{ sites(first: 4) { nodes { many { id } } } }", {}, 2 + 4 * (1 + 200)),
    ("{ all { links { to { links { id } } } } }", {}, 1 + 10 * (1 + 10 * (1 + (1 + 10)))),
    ('{ entities(ids: ["a", "b"]) { id } }', {}, 1 + 2),
    ("query ($ids: [ID!]!) { entities(ids: $ids) { id } }", {"ids": ["a"] * 40}, 1 + 40),
    ("query ($ids: [ID!]!) { entities(ids: $ids) { id } }", {"ids": "a"}, 1 + 1),
    ("{ columns { latitude name } }", {}, 3),
    ("{ any { ... on Site { id name } ... on Link { id } } }", {}, 1 + 10 * 3),
    ("{ a: site { id } b: site { id } }", {}, 4),
    ("{ __schema { types { name fields { name } } } }", {}, 5),
    ("{ __typename sites(first: 2) { nodes { __typename } } }", {}, 3 + 2),
    ("{ sites(first: 3) { ...P } } fragment P on SiteConnection { nodes { ...S } } fragment S on Site { id }", {}, 5),
]


@pytest.mark.parametrize(("query", "variables", "expected"), CASES, ids=lambda value: str(value)[:60])
def test_the_cost_is_the_most_fields_that_the_answer_can_have(query: str, variables: dict, expected: int) -> None:
    assert cost(query, variables) == expected


def test_fragments_that_spread_one_another_are_analysed_once_each() -> None:
    fragments = [
        f"fragment F{n} on Site {{ a: links {{ to {{ ...F{n + 1} }} }} b: links {{ to {{ ...F{n + 1} }} }} }}"
        for n in range(60)
    ]
    query = "{ site { ...F0 } } " + " ".join(fragments) + " fragment F60 on Site { id }"
    assert cost(query) > 20**60


def test_a_document_of_fragments_over_variables_is_evaluated_once_each() -> None:
    fragments = [
        f"fragment F{n} on Site {{ a: nodes(first: $n) {{ nodes {{ ...F{n + 1} }} }} "
        f"b: nodes(first: $n) {{ nodes {{ ...F{n + 1} }} }} }}"
        for n in range(60)
    ]
    query = "query ($n: Int) { site { ...F0 } } " + " ".join(fragments) + " fragment F60 on Site { id }"
    assert cost(query, {"n": 3}) > 6**60


@settings(deadline=None)
@given(st.integers(0, 8), st.integers(0, 8), st.integers(0, 8))
def test_the_cost_is_never_less_than_the_fields_of_the_answer(sites: int, nested: int, ids: int) -> None:
    world = World()
    world.add(8)
    engine: Engine[Person] = Engine(
        world_schema._schema,
        context_factory=lambda viewer, correlation_id: Context(world, viewer, correlation_id),
        limits=EndpointLimits(),
    )
    query = """query ($n: Int!, $m: Int!, $ids: [ID!]!) {
      sites(first: $n) { totalCount nodes { id neighbours(first: $m) { name tier } label } }
      byIds(ids: $ids) { name }
    }"""
    variables = {"n": sites, "m": nested, "ids": ["site_1"] * ids}
    prepared = engine.prepare(Parameters(query, None, variables))
    answer = engine.run(prepared, Person("ann"), "c")
    assert isinstance(answer, dict)
    assert "errors" not in answer
    assert fields(answer["data"]) <= prepared.cost


def fields(value: object) -> int:
    if isinstance(value, dict):
        return len(value) + sum(fields(inner) for inner in value.values())
    return sum(fields(inner) for inner in value) if isinstance(value, list) else 0
