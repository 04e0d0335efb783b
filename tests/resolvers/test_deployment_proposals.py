"""Proposals, revisions, labels and kept plans of deployments as the API shows them: entities, and not ids alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from graph.kinds import Deployment, Operation, Role
from graph.view import each, get_as
from worldkit.running import application_in, data
from worldkit.two_tenants import two_tenants, wish_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
ADMIN, DEVELOPER = Role.TENANT_ADMIN, Role.DEVELOPER
PROPOSAL = """proposal { number kind driftPolicy requiresApproval author { id } authors { id }
  appVersion { name } profile { name }
  operation { id status kind } revision { number outcome author { id } authors { id } } decision { feasible } }"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> Any:
    async with application_in(Path(tmp_path_factory.mktemp("proposals"))) as application:
        yield application, await two_tenants(application)


async def mutate(world: Any, name: str, given: dict[str, Any], selected: str, *, role: Role = ADMIN) -> dict[str, Any]:
    application, made = world
    kind = name[0].upper() + name[1:]
    text = (
        f"mutation($input: {kind}Input!) {{ {name}(input: $input) {{ __typename "
        f"... on {kind}Payload {{ {selected} }} ... on Error {{ code message remedy path }} }} }}"
    )
    answer: dict[str, Any] = (await data(application, text, {"input": given}, viewer=made.viewers["a", role]))[name]
    return answer


async def deployment(world: Any, id: str, selected: str) -> dict[str, Any]:
    application, made = world
    text = f"query($id: ID!) {{ deployment(id: $id) {{ {selected} }} }}"
    found: dict[str, Any] = await data(application, text, {"id": id}, viewer=made.viewers["a", ADMIN])
    return found["deployment"]


async def test_a_proposal_shows_what_it_is_of_and_its_revisions_what_became_of_them(world) -> None:
    application, made = world
    admin, developer = (made.viewers["a", role].id for role in (ADMIN, DEVELOPER))
    given = wish_of(application, made, "a", name="proposed", replicas=1) | {"requiresApproval": True}
    begun = await mutate(world, "deploy", given, f"deployment {{ id {PROPOSAL} }}", role=DEVELOPER)
    shown = begun["deployment"]["proposal"]
    assert shown["operation"] == {"id": shown["operation"]["id"], "status": "RUNNING", "kind": "DEPLOY"}
    assert shown["revision"] == {
        "number": 1,
        "outcome": "WAITING",
        "author": {"id": developer},
        "authors": [{"id": developer}],
    }
    assert shown["decision"] == {"feasible": True}
    id = begun["deployment"]["id"]
    asked = await mutate(world, "updateDeployment", {"id": id, "driftPolicy": "REPORT"}, f"deployment {{ {PROPOSAL} }}")
    shown = asked["deployment"]["proposal"]
    assert (shown["driftPolicy"], [one["id"] for one in shown["authors"]]) == ("REPORT", [developer, admin])
    again = await mutate(world, "updateDeployment", {"id": id, "driftPolicy": "REPORT"}, "revision")
    assert (again["code"], again["path"]) == ("INVALID_STATE", "input.id")
    await mutate(world, "approveDeployment", {"id": id, "revisionNumber": 2}, "revision")
    past = await deployment(
        world, id, "driftPolicy revisions { nodes { number outcome driftPolicy requiresApproval } }"
    )
    assert past["driftPolicy"] == "REPORT"
    outcomes = {one["number"]: one["outcome"] for one in past["revisions"]["nodes"]}
    assert outcomes[1] == "NEVER_APPROVED"
    assert outcomes[2] in ("UNDER_WAY", "READY")
    assert {one["driftPolicy"] for one in past["revisions"]["nodes"]} == {"CORRECT", "REPORT"}
    assert all(one["requiresApproval"] for one in past["revisions"]["nodes"])


async def test_labels_and_a_name_are_changed_without_anything_being_done_anew(world) -> None:
    application, made = world
    begun = await mutate(
        world, "deploy", wish_of(application, made, "a", name="named", replicas=1), "deployment { id }"
    )
    id = begun["deployment"]["id"]
    before = get_as(application.ledger.view, Deployment, id)
    assert before is not None
    given = {
        "id": id,
        "labels": [{"key": "team", "value": "blue"}],
        "displayName": "The shop",
        "idempotencyKey": "name",
    }
    shown = "deployment { displayName labels { key value } generation revisionNumber }"
    named = await mutate(world, "relabelDeployment", given, shown)
    assert named["deployment"] == {
        "displayName": "The shop",
        "labels": [{"key": "team", "value": "blue"}],
        "generation": before.generation,
        "revisionNumber": before.revision_number,
    }
    assert await mutate(world, "relabelDeployment", given, shown) == named
    assert {one.kind.name for one in each(application.ledger.view, Operation, "subject_id", id)} <= {"DEPLOY"}
    cleared = await mutate(world, "relabelDeployment", {"id": id, "displayName": None}, "deployment { displayName }")
    assert cleared["deployment"]["displayName"] is None
    for wrong, code, path in (
        ({}, "INVALID_INPUT", "input"),
        ({"labels": [{"key": "-", "value": "x"}]}, "INVALID_INPUT", "input.labels[0].key"),
        ({"displayName": "x", "expectedRevision": 1}, "CONFLICT", "input.expectedRevision"),
    ):
        refused = await mutate(world, "relabelDeployment", {"id": id, **wrong}, shown)
        assert (refused["code"], refused["path"]) == (code, path), refused
    theirs = await mutate(world, "relabelDeployment", {"id": made.ids["b"]["Deployment"][0], "displayName": "x"}, shown)
    assert theirs["code"] == "NOT_FOUND"


async def test_a_kept_plan_has_the_profile_the_values_and_the_rules_that_it_was_made_with(world) -> None:
    application, made = world
    wish = wish_of(application, made, "a", name="planned", replicas=1)
    component = wish["replicas"][0]["name"]
    profile = await mutate(
        world,
        "createProfile",
        {"name": "planned", "appVersionId": wish["appVersionId"], "values": {component: {"size": "L"}}},
        "profile { id }",
    )
    wanted = {
        **wish,
        "profileId": profile["profile"]["id"],
        "overrides": [{"component": component, "path": "size", "value": "XL"}],
        "failover": {"mode": "REPORT"},
        "driftPolicy": "REPORT",
        "requiresApproval": True,
    }
    shown = "plan { id profile { name } overrides { path value } failover { mode } driftPolicy requiresApproval }"
    kept = await mutate(world, "createPlan", {"deployment": wanted}, shown)
    assert kept["plan"] == {
        "id": kept["plan"]["id"],
        "profile": {"name": "planned"},
        "overrides": [{"path": "size", "value": "XL"}],
        "failover": {"mode": "REPORT"},
        "driftPolicy": "REPORT",
        "requiresApproval": True,
    }
    rules = "profile { name } failover { mode } driftPolicy requiresApproval proposal { overrides { value } }"
    applied = await mutate(world, "applyPlan", {"id": kept["plan"]["id"]}, f"deployments {{ id {rules} }}")
    [made_of_it] = applied["deployments"]
    assert made_of_it == {
        "id": made_of_it["id"],
        "profile": {"name": "planned"},
        "failover": {"mode": "REPORT"},
        "driftPolicy": "REPORT",
        "requiresApproval": True,
        "proposal": {"overrides": [{"value": "XL"}]},
    }
    await mutate(world, "approveDeployment", {"id": made_of_it["id"], "revisionNumber": 1}, "revision")
    found = await deployment(world, made_of_it["id"], "releases { nodes { profile { name } values } }")
    assert {(one["profile"]["name"], one["values"]["size"]) for one in found["releases"]["nodes"]} == {
        ("planned", "XL")
    }


@pytest.mark.parametrize(
    ("wrong", "argument"),
    [
        ({"profileId": "profile_none"}, "input.profileId"),
        ({"overrides": [{"component": "none", "path": "a", "value": 1}]}, "input.overrides[0].component"),
    ],
)
async def test_a_plan_refuses_what_deploying_would_refuse(world, wrong, argument) -> None:
    application, made = world
    wish = wish_of(application, made, "a", name="wrong", replicas=1)
    text = "query($input: DeployInput!) { planDeployment(input: $input) { feasible } }"
    with pytest.raises(AssertionError, match=r"there is no (Profile|component)"):
        await data(application, text, {"input": {**wish, **wrong}}, viewer=made.viewers["a", ADMIN])
    kept = await mutate(world, "createPlan", {"deployment": {**wish, **wrong}}, "plan { id }")
    assert kept["path"] == argument.replace("input.", "input.deployment.")
