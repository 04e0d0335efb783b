"""Tenants do not see each other through filters, orders and pages.

What an answer leaves out can tell as much as what it holds: a filter that names another tenant's thing must find nothing,
and an order by what is hidden, or a page after another's cursor, must show nothing of it. The questions are made from the
fields of the schema's own inputs.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
from graphql import (
    DocumentNode,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLList,
    get_named_type,
    get_nullable_type,
    is_required_argument,
    is_required_input_field,
)

from access.viewer import SYSTEM
from graph.entity import KINDS
from graph.kinds import Role
from graph.refusal import Refusal
from resolvers.problems import RequestProblem
from resolvers.schema import graphql_schema
from server.app import Application
from worldkit.questions import MEMBERS, OTHER, leaks, prepared, text_of, told
from worldkit.running import application_in
from worldkit.two_tenants import MARKERS, World, two_tenants

pytestmark = pytest.mark.asyncio(loop_scope="module")
NAMING = {"eq", "in", "contains", "startsWith", "endsWith", "id", "labels", "name", "system"}
"""Operators that ask for what they name."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> Any:
    async with application_in(Path(tmp_path_factory.mktemp("filters")), scaling_every_s=1) as application:
        yield application, await two_tenants(application, scaled=True)


def lists() -> dict[str, GraphQLField]:
    """The root fields that give a page by a filter, and ask for nothing else."""
    return {
        name: field
        for name, field in graphql_schema().query_type.fields.items()
        if get_named_type(field.type).name.endswith("Connection")
        and "filter" in field.args
        and "region" not in field.args
        and not any(is_required_argument(one) for one in field.args.values())
    }


def page_of(name: str, arguments: tuple[str, ...]) -> DocumentNode:
    """A page with ids and names only, for there are thousands of questions."""
    page = get_named_type(lists()[name].type)
    node = get_named_type(page.fields["nodes"].type)
    named = " name" if "name" in getattr(node, "fields", {}) else ""
    total = " totalCount" if "totalCount" in page.fields else ""
    return prepared("query", name, arguments, f"{{ nodes {{ __typename id{named} }} pageInfo {{ endCursor }}{total} }}")


def terms(kind: GraphQLInputObjectType, world: World, tenant: str) -> Iterator[tuple[dict[str, Any], bool]]:
    """Filters of one term each about a tenant's things, and whether they ask for what they name."""
    for name, field in kind.fields.items():
        if name in ("and", "or", "not"):
            continue
        for value, naming in values(name, get_nullable_type(field.type), world, tenant):
            yield {name: value}, naming


def values(
    name: str, kind: Any, world: World, tenant: str, *, inside: tuple[str, ...] = ()
) -> Iterator[tuple[Any, bool]]:
    """Values of a type, and whether they ask for what they name; `inside`: the filters that this one is part of."""
    marker = MARKERS[tenant]
    if isinstance(kind, GraphQLList):
        of = get_nullable_type(kind.of_type)
        yield from (([one], naming) for one, naming in values(name, of, world, tenant, inside=inside))
    elif isinstance(kind, GraphQLEnumType):
        yield from ((one, False) for one in list(kind.values)[:2])
    elif isinstance(kind, GraphQLInputObjectType):
        required = {key: one for key, one in kind.fields.items() if is_required_input_field(one)}
        if required:
            filled = {
                key: next(values(key, get_nullable_type(one.type), world, tenant))[0] for key, one in required.items()
            }
            yield filled, False
            return
        if kind.name in inside:
            return
        for key, one in kind.fields.items():
            if key in ("and", "or", "not"):
                continue
            of = get_nullable_type(one.type)
            for value, naming in values(key, of, world, tenant, inside=(*inside, kind.name)):
                yield {key: value}, naming and key in NAMING
    elif kind.name == "ID":
        known = world.ids[tenant].get(name[0].upper() + name[1:], [])[:1]
        yield from ((one, True) for one in known or [listed[0] for listed in world.ids[tenant].values()])
    elif kind.name == "String":
        texts = {"labels": [f"{marker}-key", f"{marker}-key={marker}-value"]}
        own = [world.ids[tenant]["Site"][0], world.ids[tenant]["Deployment"][0], world.ids[tenant]["User"][0]]
        yield from ((one, True) for one in texts.get(name, [marker, f"{marker}-set", *own]))
    elif kind.name == "Boolean":
        yield from ((True, False), (False, False))
    else:
        sample = {"Int": 1, "BigInt": 1, "Float": 1.0, "DateTime": "2020-01-01T00:00:00Z"}[kind.name]
        yield sample, False


Asked = dict[str, list[tuple[dict[str, Any], bool]]]
"""For each list, terms that it takes, with whether they ask for what they name."""
CHUNK = 24


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def taken(world: tuple[Application, World]) -> dict[str, Asked]:
    """The terms about each tenant's things that are no mistakes, as an administrator finds."""
    application, made = world
    found: dict[str, Asked] = {"a": {}, "b": {}}
    for tenant, asked in found.items():
        for name, field in lists().items():
            asked[name] = []
            for term, naming in terms(get_named_type(field.args["filter"].type), made, tenant):
                _, errors = await told(application, SYSTEM, page_of(name, ("filter",)), {"filter": term})
                assert all(isinstance(one.original_error, (Refusal, RequestProblem)) for one in errors), (term, errors)
                if not errors:
                    asked[name].append((term, naming))
    assert sum(len(one) for one in found["a"].values()) > 500
    return found


def filters_of(asked: list[tuple[dict[str, Any], bool]], *, singly: bool) -> Iterator[tuple[dict[str, Any], bool]]:
    """Filters of the terms, and whether all that they ask for is what they name."""
    for naming in (True, False):
        alike = [term for term, one in asked if one is naming]
        for chunk in (alike[at : at + CHUNK] for at in range(0, len(alike), CHUNK)):
            yield {"or": chunk}, naming
            yield {"not": {"or": chunk}}, False
        if singly and naming:
            yield from ((term, True) for term in alike)


@pytest.mark.parametrize(("tenant", "role"), MEMBERS, ids=lambda one: getattr(one, "name", one))
async def test_no_filter_finds_or_shows_what_is_anothers(
    world: tuple[Application, World], taken: dict[str, Asked], tenant: str, role: Role
) -> None:
    application, made = world
    viewer, other = made.viewers[tenant, role], OTHER[tenant]
    empty = 0
    for name, asked in taken[other].items():
        # One by one they take the ways of the indexes; that these do not depend on the role is known.
        for wanted, naming in filters_of(asked, singly=role is Role.DEVELOPER):
            given = {"filter": wanted}
            found, errors = await told(application, viewer, page_of(name, ("filter",)), given)
            question = orjson.dumps(given)
            echoed = {word for word in made.words_of(other) if word in question}
            assert not leaks(text_of(found, errors), made, tenant, echoed), (name, given)
            assert all(isinstance(one.original_error, (Refusal, RequestProblem)) for one in errors), (given, errors)
            if naming and not errors:
                assert found[name]["nodes"] == [], (name, given)
                empty += 1
    assert empty > (250 if role is Role.DEVELOPER else 20)


async def test_the_same_filters_find_ones_own(world: tuple[Application, World], taken: dict[str, Asked]) -> None:
    """The control: a filter that names a thing does find it for who sees it."""
    application, made = world
    finding = set()
    for name, asked in taken["a"].items():
        for term, naming in asked:
            if naming:
                found, errors = await told(
                    application, made.viewers["a", Role.ADMIN], page_of(name, ("filter",)), {"filter": term}
                )
                if not errors and found[name]["nodes"]:
                    finding.add((name, next(iter(term))))
    assert len(finding) > 60, finding
    # Nothing is held where no site is lost.
    assert {name for name, _ in finding} == set(lists()) - {"failoverHolds"}


def orders() -> Iterator[tuple[str, Any]]:
    """Each list with each of its orders."""
    for name, field in lists().items():
        if "orderBy" not in field.args:
            continue
        order = get_named_type(field.args["orderBy"].type)
        for option in get_named_type(order.fields["field"].type).values:
            by = {"field": option, "direction": "DESC"}
            yield name, [by] if isinstance(get_nullable_type(field.args["orderBy"].type), GraphQLList) else by


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cursors(world: tuple[Application, World]) -> dict[str, dict[str, str]]:
    """Where the first page of each tenant's administrator ends, by tenant and by list and order."""
    application, made = world
    found: dict[str, dict[str, str]] = {"a": {}, "b": {}}
    for tenant, mine in found.items():
        for name, by in orders():
            asked = page_of(name, ("orderBy", "first"))
            page, _ = await told(application, made.viewers[tenant, Role.ADMIN], asked, {"orderBy": by, "first": 1})
            if page and page[name]["pageInfo"]["endCursor"]:
                mine[f"{name} {by}"] = page[name]["pageInfo"]["endCursor"]
        assert len(mine) > 100
    return found


@pytest.mark.parametrize(("tenant", "role"), MEMBERS, ids=lambda one: getattr(one, "name", one))
async def test_no_order_and_no_cursor_of_another_shows_what_is_anothers(
    world: tuple[Application, World], cursors: dict[str, dict[str, str]], tenant: str, role: Role
) -> None:
    application, made = world
    viewer, answered = made.viewers[tenant, role], 0
    for name, by in orders():
        after = cursors[OTHER[tenant]].get(f"{name} {by}")
        for given in ({"orderBy": by}, {"orderBy": by, "after": after}):
            found, errors = await told(application, viewer, page_of(name, tuple(given)), given)
            assert not leaks(text_of(found, errors), made, tenant, {(after or "").encode()}), (name, by)
            assert all(isinstance(one.original_error, (Refusal, RequestProblem)) for one in errors), (given, errors)
            answered += found is not None
    assert answered > 150


async def test_every_kind_that_is_listed_is_filtered() -> None:
    listed = {get_named_type(get_named_type(one.type).fields["nodes"].type).name for one in lists().values()}
    assert {kind.name for kind in KINDS.values()} - listed <= {"Instance"}
