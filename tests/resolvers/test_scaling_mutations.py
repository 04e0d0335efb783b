"""Scaling policies over the API and by documents, and who may see and change them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from graph.kinds import Role
from worldkit.running import application_in, data
from worldkit.two_tenants import MARKERS, two_tenants

pytestmark = pytest.mark.asyncio(loop_scope="module")
WHOLE = """id name component metric target minReplicas maxReplicas tolerance deployment { id name } tenant { id }
  scaleUp { stabilisationS selection steps { unit value periodS } } scaleDown { stabilisationS }
  prometheus { endpoint query siteLabel } sites(first: 5) { totalCount nodes { replicas limitedBy site { name } } }"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> Any:
    async with application_in(Path(tmp_path_factory.mktemp("scaling"))) as application:
        yield application, await two_tenants(application)


def deployment_of(world: Any, tenant: str) -> str:
    return world[1].ids[tenant]["Deployment"][0]


async def ask(world: Any, text: str, *, role: Role | None = Role.DEVELOPER, tenant: str = "a", **variables: Any) -> Any:
    application, made = world
    more = {} if role is None else {"viewer": made.viewers[tenant, role]}
    return await data(application, text, variables, **more)


async def verb(world: Any, name: str, given: dict[str, Any], **who: Any) -> dict[str, Any]:
    payload = "deletedIds" if name.startswith("delete") else f"scalingPolicy {{ {WHOLE} }}"
    title = name[0].upper() + name[1:]
    text = f"""mutation($input: {title}Input!) {{ done: {name}(input: $input) {{ __typename
        ... on {title}Payload {{ {payload} }} ... on Error {{ code message path }} }} }}"""
    answer: dict[str, Any] = (await ask(world, text, input=given, **who))["done"]
    return answer


def policy(world: Any, tenant: str = "a", **fields: Any) -> dict[str, Any]:
    return {
        "name": "web",
        "deploymentId": deployment_of(world, tenant),
        "component": f"{MARKERS[tenant]}-web",
        "metric": "CPU_UTILIZATION",
        "target": 60.0,
        "maxReplicas": 5,
        **fields,
    }


async def test_a_policy_is_made_changed_found_and_deleted(world) -> None:
    given = policy(
        world,
        scaleUp={"stabilisationS": 30, "steps": [{"unit": "PODS", "value": 2, "periodS": 60}]},
        prometheus={"endpoint": "edge", "query": "sum by (site) (cores)"},
        idempotencyKey="one",
    )
    made = (await verb(world, "createScalingPolicy", given))["scalingPolicy"]
    assert (await verb(world, "createScalingPolicy", given))["scalingPolicy"]["id"] == made["id"]
    assert made["tenant"]["id"] == world[1].tenants["a"]
    assert (made["minReplicas"], made["tolerance"], made["scaleDown"]) == (1, 0.1, {"stabilisationS": None})
    assert made["scaleUp"] == {
        "stabilisationS": 30,
        "selection": "MAX",
        "steps": [{"unit": "PODS", "value": 2, "periodS": 60}],
    }
    assert made["prometheus"] == {"endpoint": "edge", "query": "sum by (site) (cores)", "siteLabel": "site"}
    changed = await verb(world, "updateScalingPolicy", {"id": made["id"], "target": 70.0, "prometheus": None})
    assert (changed["scalingPolicy"]["target"], changed["scalingPolicy"]["prometheus"]) == (70.0, None)
    text = """query($after: String, $deployment: ID!) {
        scalingPolicies(first: 1, after: $after, filter: {component: {contains: "web"}, metric: {in: [CPU_UTILIZATION]}}) {
          totalCount nodes { id } pageInfo { hasNextPage } }
        deployment(id: $deployment) { scalingPolicies { nodes { name } } }
        siteScalings(filter: {limitedBy: {in: [ROOM, NO_SAMPLES]}}) { totalCount } }"""
    found = await ask(world, text, deployment=deployment_of(world, "a"))
    assert found["scalingPolicies"] == {
        "totalCount": 1,
        "nodes": [{"id": made["id"]}],
        "pageInfo": {"hasNextPage": False},
    }
    assert found["deployment"]["scalingPolicies"]["nodes"] == [{"name": "web"}]
    assert (await verb(world, "deleteScalingPolicy", {"id": made["id"]}))["deletedIds"] == [made["id"]]


async def test_a_policy_that_cannot_be_meant_says_which_field_it_is(world) -> None:
    for fields, path in (
        ({"minReplicas": 6}, "input.maxReplicas"),
        ({"target": 0.0}, "input.target"),
        ({"component": "db"}, "input.component"),
        ({"tolerance": 1.5}, "input.tolerance"),
        ({"scaleDown": {"stabilisationS": 3601}}, "input.scaleDown.stabilisationS"),
        ({"scaleUp": {"steps": [{"unit": "PODS", "value": 0, "periodS": 60}]}}, "input.scaleUp.steps[0].value"),
    ):
        answer = await verb(world, "createScalingPolicy", policy(world, **fields))
        assert (answer["__typename"], answer["path"]) == ("InvalidInput", path), fields


async def test_who_only_reads_changes_nothing_and_another_tenants_deployment_is_not_there(world) -> None:
    refused = await verb(world, "createScalingPolicy", policy(world), role=Role.VIEWER)
    assert refused["code"] == "FORBIDDEN"
    answer = await verb(world, "createScalingPolicy", policy(world, "b"), tenant="a")
    assert answer["code"] == "NOT_FOUND"
    made = (await verb(world, "createScalingPolicy", policy(world, "b"), tenant="b"))["scalingPolicy"]
    assert (await verb(world, "deleteScalingPolicy", {"id": made["id"]}, tenant="a"))["code"] == "NOT_FOUND"
    seen = await ask(world, "{ scalingPolicies { totalCount } }", tenant="a")
    assert seen["scalingPolicies"]["totalCount"] == 0
    await verb(world, "deleteScalingPolicy", {"id": made["id"]}, tenant="b")


STANDING = """query($deployment: ID!) { siteScalings(filter: {deployment: $deployment}) { nodes {
  value desired replicas limitedBy message staleSince lastChange { at before after why }
  policy { component target minReplicas maxReplicas } deployment { id } site { id }
  release { replicas component { name } site { id } } } }
  deployment(id: $deployment) { siteScalings { totalCount } } }"""


async def test_an_operator_sees_what_is_measured_wanted_and_there_at_each_site_and_why_it_changed_last(world) -> None:
    deployment = deployment_of(world, "a")
    made = (await verb(world, "createScalingPolicy", policy(world, minReplicas=2)))["scalingPolicy"]
    for _ in range(1_200):
        found = await ask(world, STANDING, deployment=deployment)
        if any(one["lastChange"] for one in found["siteScalings"]["nodes"]):
            break
        await asyncio.sleep(0.05)
    [one] = found["siteScalings"]["nodes"]
    assert found["deployment"]["siteScalings"]["totalCount"] == 1
    assert (one["replicas"], one["desired"], one["deployment"]["id"]) == (2, 2, deployment)
    assert one["policy"] == {
        "component": f"{MARKERS['a']}-web",
        "target": 60.0,
        "minReplicas": 2,
        "maxReplicas": 5,
    }
    assert (one["release"]["replicas"], one["release"]["site"]) == (2, one["site"])
    assert one["release"]["component"]["name"] == one["policy"]["component"]
    assert (one["lastChange"]["before"], one["lastChange"]["after"]) == (1, 2)
    assert one["lastChange"]["why"] == "outside of the policy's bounds; desired 2"
    assert (await ask(world, "{ siteScalings { totalCount } }", tenant="b"))["siteScalings"]["totalCount"] <= 1
    other = await ask(world, STANDING, deployment=deployment_of(world, "b"), tenant="b")
    assert deployment not in [each["deployment"]["id"] for each in other["siteScalings"]["nodes"]]
    await verb(world, "deleteScalingPolicy", {"id": made["id"]})


DOCUMENTS = """
kind: ScalingPolicy
metadata: {name: web}
spec:
  deployment: MARK-tenant/MARK-new
  component: MARK-web
  metric: REQUESTS_PER_SECOND
  target: 100
  maxReplicas: MOST
  scaleDown: {stabilisationS: 60, selection: MIN, steps: [{unit: PERCENT, value: 10, periodS: 60}]}
---
kind: Deployment
metadata: {name: MARK-new, tenant: MARK-tenant}
spec: {appVersion: MARK-app/MARK-1.0, policy: {sites: {siteIds: [shared-site]}}}
"""
APPLY = """mutation($input: ApplyDocumentsInput!) { done: applyDocuments(input: $input) { __typename
  ... on ApplyDocumentsPayload { applied results { kind action changed error { message path } } }
  ... on Error { message path } } }"""


async def test_documents_have_a_policy_beside_the_deployment_that_it_is_for(world) -> None:
    async def apply(content: str, **more: Any) -> list[tuple[str, str]]:
        text = content.replace("MARK", MARKERS["a"])
        answer = (await ask(world, APPLY, role=None, input={"content": text, "name": "scaling", **more}))["done"]
        assert answer.get("applied"), answer
        return [(one["kind"], one["action"]) for one in answer["results"]]

    both = DOCUMENTS.replace("MOST", "7")
    assert set(await apply(both)) == {("ScalingPolicy", "CREATED"), ("Deployment", "CREATED")}
    assert {action for _, action in await apply(both)} == {"UNCHANGED"}
    more = await apply(DOCUMENTS.replace("MOST", "9"))
    assert set(more) == {("ScalingPolicy", "UPDATED"), ("Deployment", "UNCHANGED")}
    alone = both.partition("---")[2]
    assert ("ScalingPolicy", "DELETED") in await apply(alone, prune=True)
