"""Tenants do not see each other: every field of the schema, asked as each tenant's members in each role.

The queries are made from the schema itself, so a field that is added is asked too. Every answer's bytes are searched for the
other tenant's marker and ids; an id that the question itself named may be echoed and is not counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
from graphql import GraphQLField, get_named_type, is_required_argument

from access.viewer import Viewer
from graph.kinds import Role
from graph.refusal import Refusal
from resolvers.problems import RequestProblem
from resolvers.schema import graphql_schema
from server.app import Application
from worldkit.questions import MEMBERS, OTHER, answer_of, answer_to, changes_asked, echoed_by, leaks, text_of
from worldkit.running import application_in, ask
from worldkit.two_tenants import MARKERS, World, two_tenants, wish_of


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> Any:
    async with application_in(Path(tmp_path_factory.mktemp("tenants")), scaling_every_s=1) as application:
        yield application, await two_tenants(application, scaled=True)


pytestmark = pytest.mark.asyncio(loop_scope="module")


def root_questions(application: Application, world: World) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each root query with every sort of argument."""
    for name, field in graphql_schema().query_type.fields.items():
        for given in root_arguments(application, name, field, world):
            yield name, given
    for given in plans(application, world):
        yield "planDeployment", given


def plans(application: Application, world: World) -> Iterator[dict[str, Any]]:
    """Plans of both tenants: on shared and own sites, that fit and that do not, anew and in a deployment's place."""
    for tenant in "ab":
        for replicas in (1, 30, 159, 500):
            yield {"input": wish_of(application, world, tenant, name="planned", replicas=replicas)}
            own = wish_of(application, world, tenant, name="own", replicas=replicas, own_site=True, everywhere=True)
            yield {"input": own}
        anywhere = wish_of(application, world, tenant, name="planned")
        yield {"input": anywhere | {"policy": {"everywhere": True}}}
        yield {"input": anywhere | {"policy": {"minSites": 5}}}
        for site in (world.shared_site, world.ids[tenant]["Site"][0]):
            target = {"place": {"siteId": site}, "withinMs": 0.5}
            yield {"input": anywhere | {"policy": {"latency": [target], "maxSites": 1}}}
        for deployment in (world.ids["a"]["Deployment"][0], world.ids["b"]["Deployment"][0]):
            yield {"input": wish_of(application, world, tenant, replicas=159), "deployment": deployment}


def all_ids(world: World) -> list[str]:
    return [one for tenant in "ab" for listed in world.ids[tenant].values() for one in listed]


def names_of(application: Application, world: World, kind: str) -> list[str]:
    """What both tenants' entities of a kind are called, the first two of each."""
    listed = [one for tenant in "ab" for one in world.ids[tenant].get(kind, [])[:2]]
    return [application.ledger.view.get(one).name for one in listed]


def root_arguments(application: Application, name: str, field: GraphQLField, world: World) -> Iterator[dict[str, Any]]:
    required = [one for one, argument in field.args.items() if is_required_argument(argument)]
    if not required and name not in singles(field):
        yield {}
    if "id" in field.args:
        kind = name[0].upper() + name[1:]
        for tenant in "ab":
            listed = world.ids[tenant]
            some = listed.get(kind) or [one for each in listed.values() for one in each[:2]]
            yield from ({"id": one} for one in some[:30])
    if "ids" in field.args:
        yield {"ids": all_ids(world)[:400]}
    if "name" in field.args:
        yield from ({"name": one} for one in names_of(application, world, name[0].upper() + name[1:]))
    if "from" in field.args:
        for tenant in "ab":
            for one in world.ids[tenant]["Site"]:
                other = world.ids[OTHER[tenant]]["Site"][0]
                yield {"from": one, "to": other} if "to" in field.args else {"from": one, "withinLatencyMs": 100.0}
    if "position" in field.args:
        yield {"position": {"longitude": 10.4, "latitude": 50.4}}
    if "region" in field.args:
        yield from ({"region": world.ids[tenant]["Region"][0]} for tenant in "ab")
    terms = getattr(get_named_type(field.args["filter"].type), "fields", {}) if "filter" in field.args else {}
    for key in ("subjectId", "deploymentId"):
        if key in terms:
            for tenant in "ab":
                yield from ({"filter": {key: {"eq": each[0]}}} for each in world.ids[tenant].values())
    if "labels" in terms:
        yield from ({"filter": {"labels": f"{marker}-key"}} for marker in MARKERS.values())
    if "last" in field.args:
        yield {"last": 5}


def singles(field: GraphQLField) -> set[str]:
    """Root fields that answer nothing without an id or a name, or a place."""
    return {
        name
        for name, one in graphql_schema().query_type.fields.items()
        if one is field and ({"id", "name"} & set(one.args) or {"region", "polygon"} <= set(one.args))
    }


@pytest.mark.parametrize(("tenant", "role"), MEMBERS, ids=lambda one: getattr(one, "name", one))
async def test_no_field_shows_another_tenants_things(world: tuple[Application, World], tenant: str, role: Role) -> None:
    application, made = world
    viewer = made.viewers[tenant, role]
    asked, with_data = 0, 0
    for name, given in root_questions(application, made):
        found, errors = await answer_to(application, viewer, name, given)
        body = text_of(found, errors)
        assert not leaks(body, made, tenant, echoed_by(made, given)), (name, given)
        bugs = [error for error in errors if not isinstance(error.original_error, (Refusal, RequestProblem))]
        assert not bugs, (name, given, bugs)
        asked += 1
        with_data += found is not None
    assert asked > 250
    assert with_data > asked // 2


@pytest.mark.parametrize(("tenant", "role"), MEMBERS, ids=lambda one: getattr(one, "name", one))
async def test_totals_of_records_count_just_what_is_listed(
    world: tuple[Application, World], tenant: str, role: Role
) -> None:
    application, made = world
    text = """query($first: Int, $after: String) { found: %s(first: $first, after: $after%s) {
        totalCount totalCountIsExact nodes { id } pageInfo { hasNextPage endCursor } } }"""

    async def whole(field: str, filter: str) -> tuple[dict[str, Any], list[str]]:
        """The last page, and all that is on any."""
        given: dict[str, Any] = {"first": 7, "after": None}
        listed: list[str] = []
        while True:
            answer = await ask(application, text % (field, filter), given, viewer=made.viewers[tenant, role])
            assert answer.errors is None, answer.errors
            page = (answer.data or {})["found"]
            listed += [one["id"] for one in page["nodes"]]
            if not page["pageInfo"]["hasNextPage"]:
                return page, listed
            given["after"] = page["pageInfo"]["endCursor"]

    everything = 0
    for field in ("operations", "events", "deploymentRevisions", "auditLog"):
        if field == "auditLog" and role not in (Role.ADMIN, Role.OPERATOR, Role.TENANT_ADMIN):
            continue
        owners = [f', filter: {{tenant: "{made.tenants[one]}"}}' for one in (tenant, OTHER[tenant])]
        for filter in ("", *owners, ", filter: {not: {id: []}}"):
            page, listed = await whole(field, filter)
            for _ in range(3):  # what the server itself files between two pages is counted, and on none of them
                if page["totalCount"] != len(listed):
                    page, listed = await whole(field, filter)
            assert page["totalCount"] == len(listed) == len(set(listed)), (field, filter)
            assert page["totalCountIsExact"] is True
            assert not listed or filter != owners[1], "the other tenant's"
            everything += len(listed)
    assert everything > 0 or role is Role.GUEST


async def test_the_search_finds_what_an_operator_of_both_sees(world: tuple[Application, World]) -> None:
    """The negative control: with all rights the same questions do show both tenants."""
    application, made = world
    everybody = Viewer(
        id="", name="", grants=frozenset({one for viewer in made.viewers.values() for one in viewer.grants})
    )
    found: set[bytes] = set()
    for name, given in root_questions(application, made):
        shown, _ = await answer_to(application, everybody, name, given)
        found.update(leaks(orjson.dumps(shown, default=str), made, "a", echoed_by(made, given)))
    missing = made.words_of("b") - found
    assert MARKERS["b"].encode() in found
    assert len(missing) < len(made.words_of("b")) // 4, missing


@pytest.mark.parametrize(("tenant", "role"), MEMBERS, ids=lambda one: getattr(one, "name", one))
async def test_no_mutation_touches_or_tells_of_another_tenants_things(
    world: tuple[Application, World], tenant: str, role: Role
) -> None:
    application, made = world
    viewer, theirs = made.viewers[tenant, role], made.ids[OTHER[tenant]]
    before = {one: application.ledger.view.get(one) for one in all_ids(made)}
    for name, given in changes_asked(theirs):
        if name == "applyDocuments":
            content = f"kind: Tenant\nmetadata: {{name: {MARKERS[OTHER[tenant]]}-tenant, displayName: taken}}"
            given |= {"content": content, "name": f"{MARKERS[OTHER[tenant]]}-set"}
        found, errors = await answer_of(application, viewer, name, given)
        echoed = {word for word in made.words_of(OTHER[tenant]) if word in orjson.dumps(given)}
        body = text_of(found, errors)
        assert not leaks(body, made, tenant, echoed), (name, body[:500])
        assert not errors, (name, errors)
    after = {one: application.ledger.view.get(one) for one in made.ids[OTHER[tenant]]["Deployment"]}
    for one, entity in before.items():
        if one in {x for listed in theirs.values() for x in listed}:
            assert application.ledger.view.get(one) == entity, one
    assert all(after.values())


async def test_an_idempotency_key_of_another_is_as_if_it_were_never_used(world: tuple[Application, World]) -> None:
    application, made = world
    viewer = made.viewers["a", Role.TENANT_ADMIN]
    text = """mutation($key: String!, $tenant: ID!) {
        createApp(input: {tenantId: $tenant, name: "keyed", idempotencyKey: $key}) {
        __typename ... on CreateAppPayload { app { name } } ... on Error { message } } }"""
    answer = await ask(
        application, text, {"key": f"{MARKERS['b']}-idempotency", "tenant": made.tenants["a"]}, viewer=viewer
    )
    assert answer.data == {"createApp": {"__typename": "CreateAppPayload", "app": {"name": "keyed"}}}
