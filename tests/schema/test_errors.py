"""Typed errors: each class of refusal as the schema shows it, to whom it concerns, and never as a bug."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import GraphQLObjectType, GraphQLUnionType, get_named_type, graphql

import drivers.port  # noqa: F401 - declares refusals of its own
import lifecycle.service  # noqa: F401 - declares refusals of its own
from access.viewer import SYSTEM, Grant, Viewer
from graph import refusal as refusals
from graph.kinds import Node, Region, Role, Site, Tenant
from graph.view import View
from resolvers.schema import graphql_schema
from schema.errors import SHOWN, SHOWN_DEPENDENTS, ErrorValue
from schemakit.asking import Asked


def every_refusal() -> list[type[refusals.Refusal]]:
    found: list[type[refusals.Refusal]] = []
    waiting = [refusals.Refusal]
    while waiting:
        for cls in waiting.pop().__subclasses__():
            waiting.append(cls)
            if not cls.__name__.startswith("_") and not cls.__module__.startswith("test"):
                found.append(cls)
    return found


@pytest.fixture
def view() -> View:
    made = View()
    made.load([Tenant(id="tenant_1", name="one"), Tenant(id="tenant_2", name="two")])
    made.load([Region(id="region_1", name="r"), Site(id="site_1", name="s", region_id="region_1", revision=7)])
    made.load(Node(id=f"node_{n:03}", name=f"n{n}", site_id="site_1") for n in range(30))
    made.load(Region(id=f"region_x{n}", name=f"x{n}", tenant_id="tenant_2") for n in range(4))
    made.loaded(revision=7, at=1, epoch="e", counters={})
    return made


async def shown(
    view: View, refusal: refusals.Refusal, fields: str, *, viewer: Viewer = SYSTEM, field: str = "deleteSite"
) -> Any:
    """What a mutation answers that was refused so."""
    schema = graphql_schema()
    mutation = schema.mutation_type
    assert mutation is not None
    before = mutation.fields[field].resolve
    mutation.fields[field].resolve = lambda *_, **__: ErrorValue(refusal)
    try:
        name = f"{field[0].upper()}{field[1:]}"
        common = "__typename ... on Error { code message remedy path retryable }"
        text = f"mutation($input: {name}Input!) {{ done: {field}(input: $input) {{ {common} {fields} }} }}"
        given = {"id": "x"} if field != "applyDocuments" else {"content": "", "name": "x"}
        answer = await graphql(schema, text, context_value=Asked(view, viewer), variable_values={"input": given})
    finally:
        mutation.fields[field].resolve = before
    assert answer.errors is None, answer.errors
    assert answer.data is not None
    return answer.data["done"]


def test_every_class_of_refusal_has_a_code_of_its_own_and_the_schema_knows_those_that_it_shows() -> None:
    codes = [cls.code for cls in SHOWN]
    assert len(set(codes)) == len(codes)
    known = graphql_schema().type_map["ErrorCode"].values  # type: ignore[attr-defined]  # an enum
    for cls in SHOWN:
        assert cls.code in known
        found = graphql_schema().type_map[cls.__name__]
        assert isinstance(found, GraphQLObjectType)
        assert [one.name for one in found.interfaces] == ["Error"]


async def test_a_refusal_that_a_mutation_does_not_list_is_told_as_one_that_it_lists(view: View) -> None:
    mutation = graphql_schema().mutation_type
    assert mutation is not None
    for cls in every_refusal():
        made = cls.__new__(cls)
        refusals.Refusal.__init__(made, "something", remedy="do this", path="input.x")
        if cls in (refusals.NotFound, refusals.AlreadyExists, refusals.Conflict, refusals.InUse):
            made.__dict__.update(what="x", key="x", existing_id="x", entity_id="x", current_revision=1, dependents=())
        for field in ("deleteSite", "applyDocuments", "cordon", "deleteApiToken"):
            answer = await shown(view, made, "", field=field)
            union = get_named_type(mutation.fields[field].type)
            assert isinstance(union, GraphQLUnionType)
            listed = {one.name for one in union.types}
            assert answer["__typename"] in listed
            if cls.__name__ in listed:
                assert answer["__typename"] == cls.__name__
            assert (answer["message"], answer["remedy"], answer["path"]) == ("something", "do this", "input.x")
            assert answer["retryable"] is cls.retryable


async def test_a_conflict_shows_what_it_is_now(view: View) -> None:
    fields = "... on Conflict { currentRevision current { id revision } }"
    refusal = refusals.Conflict("changed", entity_id="site_1", current_revision=7)
    assert (await shown(view, refusal, fields))["current"] == {"id": "site_1", "revision": 7}
    gone = refusals.Conflict("changed", entity_id="site_gone", current_revision=9)
    answer = await shown(view, gone, fields)
    assert (answer["current"], answer["currentRevision"]) == (None, 9)


async def test_in_use_shows_the_first_of_the_dependents_and_counts_them_all(view: View) -> None:
    fields = "... on InUse { dependentCount dependents { id } }"
    dependents = list(view.ids("Node"))
    answer = await shown(view, refusals.InUse("used", dependents=dependents), fields)
    assert answer["dependentCount"] == 30
    assert [one["id"] for one in answer["dependents"]] == dependents[:SHOWN_DEPENDENTS]


async def test_what_the_viewer_does_not_see_is_in_no_error(view: View) -> None:
    one = Viewer(id="user_1", name="ann", grants=frozenset({Grant(Role.VIEWER, "tenant_1")}))
    dependents = ["region_1", *(f"region_x{n}" for n in range(4))]
    fields = "... on InUse { dependentCount dependents { id } }"
    answer = await shown(view, refusals.InUse("used", dependents=dependents), fields, viewer=one)
    assert (answer["dependentCount"], answer["dependents"]) == (1, [{"id": "region_1"}])
    fields = "... on Conflict { current { id } }"
    conflict = refusals.Conflict("x", entity_id="region_x1", current_revision=1)
    assert (await shown(view, conflict, fields, viewer=one))["current"] is None
    fields = "... on AlreadyExists { existing { id } }"
    taken = refusals.AlreadyExists("x", existing_id="region_x1")
    assert (await shown(view, taken, fields, viewer=one, field="applyDocuments"))["existing"] is None
    assert (await shown(view, taken, fields, field="applyDocuments"))["existing"] == {"id": "region_x1"}


def test_a_bad_word_never_becomes_a_code_that_the_schema_does_not_know() -> None:
    class Strange(refusals.Refusal):
        code = "STRANGE"

    class Later(Strange):
        retryable = True

    assert (ErrorValue(Strange("x")).typename, ErrorValue(Strange("x")).code) == ("InvalidInput", "INVALID_INPUT")
    assert (ErrorValue(Later("x")).typename, ErrorValue(Later("x")).code) == ("Unavailable", "UNAVAILABLE")
