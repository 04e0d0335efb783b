"""Profiles, overrides and what comes of them at a site, through the API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from graph.kinds import Role
from worldkit.running import application_in, data
from worldkit.two_tenants import MARKERS, two_tenants, wish_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
VALUES = """query($id: ID!) { deployment(id: $id) {
  profile { name } overrides { component path value document siteIds siteSelector sites { id } }
  releases { nodes { values overrides site { id } } }
  revisions { nodes { number profile { name } overrides { path value } } } } }"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> Any:
    async with application_in(Path(tmp_path_factory.mktemp("values"))) as application:
        yield application, await two_tenants(application)


async def mutate(world: Any, name: str, given: dict[str, Any], selected: str, *, tenant: str = "a") -> dict[str, Any]:
    application, made = world
    kind = name[0].upper() + name[1:]
    text = (
        f"mutation($input: {kind}Input!) {{ {name}(input: $input) {{ __typename "
        f"... on {kind}Payload {{ {selected} }} ... on Error {{ code message remedy path }} }} }}"
    )
    viewer = made.viewers[tenant, Role.TENANT_ADMIN]
    answer: dict[str, Any] = (await data(application, text, {"input": given}, viewer=viewer))[name]
    return answer


async def asked(world: Any, text: str, *, tenant: str = "a", **variables: Any) -> Any:
    application, made = world
    return await data(application, text, variables, viewer=made.viewers[tenant, Role.TENANT_ADMIN])


async def test_what_a_deployment_runs_with_is_given_shown_and_kept_with_its_revisions(world) -> None:
    application, made = world
    wish = wish_of(application, made, "a", name="valued", replicas=1)
    version, component = wish["appVersionId"], wish["replicas"][0]["name"]
    profile = await mutate(
        world,
        "createProfile",
        {"name": "large", "appVersionId": version, "values": {component: {"size": "L", "log": {"level": "info"}}}},
        "profile { id usedAt }",
    )
    assert profile["profile"]["usedAt"] is None, profile
    overrides = [
        {"component": component, "path": "log.level", "value": "debug"},
        {"component": component, "document": "log: {format: json}\n"},
    ]
    begun = await mutate(
        world, "deploy", {**wish, "profileId": profile["profile"]["id"], "overrides": overrides}, "deployment { id }"
    )
    assert begun["__typename"] == "DeployPayload", begun
    shown = (await asked(world, VALUES, id=begun["deployment"]["id"]))["deployment"]
    assert shown["profile"] == {"name": "large"}
    assert shown["overrides"] == [
        {"siteIds": [], "siteSelector": None, "sites": [], "path": None, "value": None, "document": None, **one}
        for one in overrides
    ]
    for release in shown["releases"]["nodes"]:
        assert release["values"]["size"] == "L"
        assert release["values"]["log"] == {"level": "debug", "format": "json"}
    changed = await mutate(
        world,
        "updateDeployment",
        {"id": begun["deployment"]["id"], "profileId": None, "overrides": []},
        "deployment { profile { name } overrides { path } }",
    )
    assert changed["deployment"] == {"profile": None, "overrides": []}
    kept = (await asked(world, VALUES, id=begun["deployment"]["id"]))["deployment"]["revisions"]["nodes"]
    assert {one["number"]: one["profile"] and one["profile"]["name"] for one in kept} == {1: "large", 2: None}
    refused = await mutate(world, "updateProfile", {"id": profile["profile"]["id"], "values": {}}, "profile { id }")
    assert (refused["code"], refused["path"]) == ("INVALID_STATE", "input.values")


async def test_another_tenants_profile_is_as_if_it_were_not_there(world) -> None:
    application, made = world
    theirs = wish_of(application, made, "b", name="valued", replicas=1)
    profile = await mutate(
        world,
        "createProfile",
        {"name": "theirs", "appVersionId": theirs["appVersionId"], "values": {}},
        "profile { id }",
        tenant="b",
    )
    given = {**wish_of(application, made, "a", name="thief", replicas=1), "profileId": profile["profile"]["id"]}
    refused = await mutate(world, "deploy", given, "deployment { id }")
    assert (refused["code"], refused["path"]) == ("NOT_FOUND", "input.profileId")
    assert MARKERS["b"] not in str(refused)


@pytest.mark.parametrize(
    ("override", "path"),
    [
        ({"path": "a..b", "value": 1}, "input.overrides[0].path"),
        ({"document": "a: ["}, "input.overrides[0].document"),
        ({"value": [1]}, "input.overrides[0].value"),
        ({"path": "a", "siteIds": ["site_gone"]}, "input.overrides[0].siteIds[0]"),
        ({"path": "a", "siteSelector": "("}, "input.overrides[0].siteSelector"),
        ({"path": "a", "component": "nobody"}, "input.overrides[0].component"),
    ],
)
async def test_an_override_that_cannot_be_meant_is_refused_with_its_field(world, override: Any, path: str) -> None:
    application, made = world
    wish = wish_of(application, made, "a", name="wrong", replicas=1)
    given = {**wish, "overrides": [{"component": wish["replicas"][0]["name"], **override}]}
    refused = await mutate(world, "deploy", given, "deployment { id }")
    assert refused.get("path") == path, refused
