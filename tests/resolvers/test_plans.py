"""Plans through the API: who may ask, keep and apply, what is told to whom, and what one tenant sees of another's."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from access.viewer import SYSTEM, Viewer
from graph.kinds import Role
from resolvers.context import Context
from resolvers.live import LiveQuery
from resolvers.problems import RequestProblem
from resolvers.subscriptions.changes import ChangesQuery
from server.app import Application
from worldkit.questions import MEMBERS, OTHER, answer_of, answer_to, echoed_by, leaks, text_of
from worldkit.running import application_in, ask, data
from worldkit.two_tenants import MARKERS, World, two_tenants, wish_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
WRITERS = (Role.ADMIN, Role.OPERATOR, Role.TENANT_ADMIN, Role.DEVELOPER)
STEP = "outcome name moves why before { name } after { name } deployment { id } costAfter { total headroom }"
DEPLOYMENT = """query($input: DeployInput!, $whatIf: [ChangeInput!]) {
  planDeployment(input: $input, whatIf: $whatIf) { feasible placements { site { name } }
  refusals { nodes { site { name } reasons { rule message } } } } }"""
BOUND = """query($input: DeployInput!, $bound: Boolean!) {
  planDeployment(input: $input, bound: $bound) { placements { site { name } } proven gap boundKind } }"""
DRAIN = f"""query($input: PlanDrainInput!, $whatIf: [ChangeInput!], $first: Int! = 25, $after: String) {{
  planDrain(input: $input, whatIf: $whatIf, first: $first, after: $after) {{
  kind feasible moves stuck subject {{ id }} whatIf {{ siteLost {{ siteId withLinks }} }}
  steps {{ totalCount pageInfo {{ hasNextPage endCursor }} nodes {{ {STEP} decision {{ feasible }} }} }} }} }}"""
REBALANCE = f"""query($input: PlanRebalanceInput!, $whatIf: [ChangeInput!]) {{
  planRebalance(input: $input, whatIf: $whatIf) {{ moves stuck costBefore {{ total headroom }}
  steps {{ nodes {{ {STEP} }} }} }} }}"""
CREATE = """mutation($input: CreatePlanInput!) { createPlan(input: $input) { __typename
  ... on CreatePlanPayload { revision plan { id kind status feasible moves stuck stepCount expiresAt deploymentName
    author { id } subject { id } appVersion { id } deploymentLabels { key } tenant { id } whatIf { price { siteId } }
    steps { totalCount nodes { name decision { feasible } } } } }
  ... on Error { code message path remedy } } }"""
APPLY = """mutation($input: ApplyPlanInput!) { applyPlan(input: $input) { __typename
  ... on ApplyPlanPayload { revision plan { status operations { id } } operations { id kind } deployments { id name } }
  ... on PlanOutdated { reasons { code message deployment { id } } }
  ... on Error { code message path remedy } } }"""
DELETE = """mutation($input: DeletePlanInput!) { deletePlan(input: $input) { __typename
  ... on DeletePlanPayload { deletedIds } ... on Error { code path } } }"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> Any:
    async with application_in(Path(tmp_path_factory.mktemp("plans"))) as application:
        yield application, await two_tenants(application)


async def made(application: Application, given: dict[str, Any], viewer: Viewer = SYSTEM) -> dict[str, Any]:
    answer = (await data(application, CREATE, {"input": given}, viewer=viewer))["createPlan"]
    assert answer["__typename"] == "CreatePlanPayload", answer
    return dict(answer["plan"])


async def deleted(application: Application, plan_id: str) -> None:
    answer = await data(application, DELETE, {"input": {"id": plan_id}})
    assert answer["deletePlan"] == {"__typename": "DeletePlanPayload", "deletedIds": [plan_id]}


async def refusal(application: Application, text: str, given: dict[str, Any], viewer: Viewer) -> RequestProblem:
    answer = await ask(application, text, given, viewer=viewer)
    assert answer.errors, answer.data
    problem = answer.errors[0].original_error
    assert isinstance(problem, RequestProblem), problem
    return problem


def anywhere(application: Application, made: World, tenant: str, **fields: Any) -> dict[str, Any]:
    return wish_of(application, made, tenant, name="planned", own_site=True, **fields)


async def test_a_bound_is_asked_for_and_of_what_others_use_it_tells_nothing(
    world: tuple[Application, World],
) -> None:
    application, here = world
    given: dict[str, Any] = {"input": anywhere(application, here, "a", objective=[["HEADROOM"]])}
    told = {}
    for bound in (False, True):
        given["bound"] = bound
        told[bound] = (await data(application, BOUND, given, viewer=SYSTEM))["planDeployment"]
        shown = await data(application, BOUND, given, viewer=here.viewers["a", Role.DEVELOPER])
        assert shown["planDeployment"]["gap"] is None
    assert told[True] == told[False], "proved already"
    assert told[True]["gap"] == 0.0


# What if


async def test_a_developer_supposes_that_a_shared_site_is_lost(world: tuple[Application, World]) -> None:
    application, here = world
    viewer = here.viewers["a", Role.DEVELOPER]
    given: dict[str, Any] = {"input": anywhere(application, here, "a")}
    own = f"{MARKERS['a']}-site"
    everywhere = anywhere(application, here, "a", everywhere=True)
    both = (await data(application, DEPLOYMENT, {"input": everywhere}, viewer=viewer))["planDeployment"]
    assert {one["site"]["name"] for one in both["placements"]} == {"shared-site", own}
    given["whatIf"] = [{"siteLost": {"siteId": here.shared_site}}]
    without = (await data(application, DEPLOYMENT, given, viewer=viewer))["planDeployment"]
    assert {one["site"]["name"] for one in without["placements"]} == {own}
    [shared] = [one for one in without["refusals"]["nodes"] if one["site"]["name"] == "shared-site"]
    assert [one["rule"] for one in shared["reasons"]] == ["health"]


@pytest.mark.parametrize(
    ("change", "code", "argument"),
    [
        ({}, "INVALID_INPUT", "whatIf[0]"),
        ({"siteLost": {"siteId": "site_x"}, "cordon": {"entityId": "x"}}, "INVALID_INPUT", "whatIf[0]"),
        ({"siteLost": {"siteId": "site_x"}}, "NOT_FOUND", "whatIf[0].siteLost.siteId"),
        ({"demand": {"factor": -1}}, "INVALID_INPUT", "whatIf[0].demand.factor"),
        ({"price": {"siteId": "SHARED", "pricePerCoreHour": -1}}, "INVALID_INPUT", "whatIf[0].price.pricePerCoreHour"),
        ({"nodesAdded": {"siteId": "SHARED", "count": 0}}, "INVALID_INPUT", "whatIf[0].nodesAdded.count"),
        ({"link": {"linkId": "THEIRS", "state": "DOWN"}}, "NOT_FOUND", "whatIf[0].link.linkId"),
        ({"capacity": {"factor": 2, "siteIds": ["THEIR-SITE"]}}, "NOT_FOUND", "whatIf[0].capacity.siteIds[0]"),
    ],
)
async def test_what_cannot_be_supposed_is_told_with_its_argument(
    world: tuple[Application, World], change: dict[str, Any], code: str, argument: str
) -> None:
    application, here = world
    theirs = {"SHARED": here.shared_site, "THEIRS": here.ids["b"]["Link"][0], "THEIR-SITE": here.ids["b"]["Site"][0]}

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: filled(one) for key, one in value.items()}
        if isinstance(value, list):
            return [filled(one) for one in value]
        return theirs.get(value, value) if isinstance(value, str) else value

    given = {"input": anywhere(application, here, "a"), "whatIf": [filled(change)]}
    problem = await refusal(application, DEPLOYMENT, given, here.viewers["a", Role.DEVELOPER])
    assert (problem.code, problem.extensions.get("argument")) == (code, argument)


async def test_nothing_is_written_by_asking(world: tuple[Application, World]) -> None:
    application, here = world
    before = application.ledger.view.revision
    lost = [{"siteLost": {"siteId": here.shared_site}}]
    await data(application, DEPLOYMENT, {"input": anywhere(application, here, "a"), "whatIf": lost})
    await data(application, DRAIN, {"input": {"id": here.shared_site}, "whatIf": lost})
    await data(application, REBALANCE, {"input": {"tenantId": here.tenants["a"]}, "whatIf": lost})
    assert application.ledger.view.revision == before


# Drains and rebalances


@pytest.mark.parametrize("cursor", ["garbage", "", "site_" + "0" * 200, "deployment_\u00e9"])
async def test_a_cursor_of_no_page_is_refused(world: tuple[Application, World], cursor: str) -> None:
    application, here = world
    refusals = """query($input: DeployInput!, $after: String) {
      planDeployment(input: $input) { refusals(after: $after) { nodes { site { id } } } } }"""
    rebalance = """query($input: PlanRebalanceInput!, $after: String) {
      planRebalance(input: $input, after: $after) { moves } }"""
    steps = """query($after: String) { plans { nodes { steps(after: $after) { totalCount } } } }"""
    for text, given in (
        (refusals, {"input": anywhere(application, here, "a")}),
        (DRAIN, {"input": {"id": here.shared_site}}),
        (rebalance, {"input": {"tenantId": here.tenants["a"]}}),
        (steps, {}),
    ):
        answer = await ask(application, text, given | {"after": cursor})
        assert answer.errors, text
        assert "no cursor of this list" in str(answer.errors[0])


async def test_a_drain_is_planned_for_what_the_asker_sees(world: tuple[Application, World]) -> None:
    application, here = world
    given = {"input": {"id": here.shared_site}}
    every = (await data(application, DRAIN, given))["planDrain"]
    assert every["steps"]["totalCount"] == 2
    assert {one["outcome"] for one in every["steps"]["nodes"]} == {"STUCK"}, "they are held to the shared site"
    assert (every["feasible"], every["stuck"], every["subject"]) == (False, 2, {"id": here.shared_site})
    first = (await data(application, DRAIN, {**given, "first": 1}))["planDrain"]["steps"]
    assert first["pageInfo"]["hasNextPage"]
    rest = (await data(application, DRAIN, {**given, "after": first["pageInfo"]["endCursor"]}))["planDrain"]["steps"]
    assert [one["name"] for one in (*first["nodes"], *rest["nodes"])] == [
        one["name"] for one in every["steps"]["nodes"]
    ]
    for tenant in "ab":
        mine = (await data(application, DRAIN, given, viewer=here.viewers[tenant, Role.VIEWER]))["planDrain"]
        assert [one["deployment"]["id"] for one in mine["steps"]["nodes"]] == here.ids[tenant]["Deployment"]
    problem = await refusal(application, DRAIN, {"input": {"id": "site_x"}}, SYSTEM)
    assert (problem.code, problem.extensions["argument"]) == ("NOT_FOUND", "input.id")
    problem = await refusal(application, DRAIN, {**given, "first": 0}, SYSTEM)
    assert problem.extensions["argument"] == "first"


async def test_a_rebalance_is_of_one_tenants_deployments(world: tuple[Application, World]) -> None:
    application, here = world
    for tenant in "ab":
        given = {"input": {"tenantId": here.tenants[tenant]}}
        found = (await data(application, REBALANCE, given, viewer=here.viewers[tenant, Role.VIEWER]))["planRebalance"]
        assert [one["deployment"]["id"] for one in found["steps"]["nodes"]] == here.ids[tenant]["Deployment"]
        other = {"input": {"tenantId": here.tenants[OTHER[tenant]]}}
        problem = await refusal(application, REBALANCE, other, here.viewers[tenant, Role.ADMIN])
        assert problem.code == "NOT_FOUND"
        theirs = {"input": {**given["input"], "deploymentIds": here.ids[OTHER[tenant]]["Deployment"]}}
        problem = await refusal(application, REBALANCE, theirs, here.viewers[tenant, Role.ADMIN])
        assert (problem.code, problem.extensions["argument"]) == ("NOT_FOUND", "input.deploymentIds[0]")


async def test_a_rebalance_of_a_tenant_that_there_is_not_is_refused(world: tuple[Application, World]) -> None:
    application, _ = world
    nobodys = {"tenantId": "tenant_none"}
    problem = await refusal(application, REBALANCE, {"input": nobodys}, SYSTEM)
    assert (problem.code, problem.extensions["argument"]) == ("NOT_FOUND", "input.tenantId")
    answer = (await data(application, CREATE, {"input": {"rebalance": nobodys}}))["createPlan"]
    assert (answer.get("code"), answer.get("path")) == ("NOT_FOUND", "input.rebalance.tenantId")


async def test_costs_that_follow_from_others_use_are_told_in_steps(world: tuple[Application, World]) -> None:
    application, here = world
    given = {"input": {"tenantId": here.tenants["a"]}}
    exact = (await data(application, REBALANCE, given))["planRebalance"]["costBefore"]
    told = (await data(application, REBALANCE, given, viewer=here.viewers["a", Role.TENANT_ADMIN]))["planRebalance"]
    assert exact["headroom"] % 0.25
    assert told["costBefore"]["headroom"] % 0.25 == 0
    assert told["costBefore"]["total"] == pytest.approx(exact["total"] - exact["headroom"])


@pytest.mark.parametrize(("tenant", "role"), MEMBERS, ids=lambda one: getattr(one, "name", one))
async def test_no_plan_tells_of_another_tenant(world: tuple[Application, World], tenant: str, role: Role) -> None:
    application, here = world
    viewer = here.viewers[tenant, role]
    mixed = [here.shared_site, *here.ids["a"]["Site"], *here.ids["b"]["Site"], *here.ids["b"]["Node"]]
    questions: list[tuple[str, dict[str, Any]]] = []
    for one in mixed:
        questions.append(("planDrain", {"input": {"id": one}}))
        lost = [{"siteLost": {"siteId": one, "withLinks": True}}]
        questions.append(("planDrain", {"input": {"id": here.shared_site}, "whatIf": lost}))
        for other in "ab":
            questions.append(("planRebalance", {"input": {"tenantId": here.tenants[other]}, "whatIf": lost}))
            wish = anywhere(application, here, other, replicas=159, everywhere=True)
            questions.append(("planDeployment", {"input": wish, "whatIf": lost}))
    for name, given in questions:
        found, errors = await answer_to(application, viewer, name, given)
        body = text_of(found, errors)
        assert not leaks(body, here, tenant, echoed_by(here, given)), (name, given)
        assert all(isinstance(error.original_error, RequestProblem) for error in errors), (name, errors)


# Kept plans


async def priced(application: Application, here: World, price: float) -> None:
    text = (
        """mutation($input: UpdateSiteInput!) { updateSite(input: $input) { __typename ... on Error { message } } }"""
    )
    given = {"id": here.shared_site, "pricePerCoreHour": price}
    answer = await data(application, text, {"input": given})
    assert answer["updateSite"]["__typename"] == "UpdateSitePayload", answer


async def test_a_developer_keeps_and_applies_a_plan(world: tuple[Application, World]) -> None:
    application, here = world
    viewer = here.viewers["a", Role.DEVELOPER]
    price = {"price": {"siteId": here.shared_site, "pricePerCoreHour": 3.0}}
    given = {
        "deployment": anywhere(application, here, "a") | {"labels": [{"key": "team", "value": "blue"}]},
        "whatIf": [price],
        "expiresInSeconds": 600,
        "idempotencyKey": "keep-1",
    }
    plan = await made(application, given, viewer)
    assert plan == {
        **plan,
        "kind": "DEPLOYMENT",
        "status": "OPEN",
        "feasible": True,
        "deploymentName": given["deployment"]["name"],
        "author": {"id": viewer.id},
        "subject": None,
        "appVersion": {"id": given["deployment"]["appVersionId"]},
        "deploymentLabels": [{"key": "team"}],
        "tenant": {"id": here.tenants["a"]},
        "whatIf": [{"price": {"siteId": here.shared_site}}],
        "steps": {"totalCount": 1, "nodes": [{"name": given["deployment"]["name"], "decision": {"feasible": True}}]},
    }
    assert (await made(application, given, viewer))["id"] == plan["id"], "the same key"
    newest = "{ plans(filter: {kind: {eq: DEPLOYMENT}}, orderBy: [{field: ID, direction: DESC}]) { nodes { id } } }"
    listed = (await data(application, newest, viewer=viewer))["plans"]["nodes"]
    assert [one["id"] for one in listed] == [plan["id"], *here.ids["a"]["Plan"]]
    early = (await data(application, APPLY, {"input": {"id": plan["id"]}}, viewer=viewer))["applyPlan"]
    assert (early["__typename"], [one["code"] for one in early["reasons"]]) == ("PlanOutdated", ["ONLY_SUPPOSED"])
    assert "'shared-site' costs 0 an hour, not 3" in early["reasons"][0]["message"]
    await priced(application, here, 3.0)
    key = {"id": plan["id"], "idempotencyKey": "apply-1"}
    begun = (await data(application, APPLY, {"input": key}, viewer=viewer))["applyPlan"]
    assert begun["__typename"] == "ApplyPlanPayload", begun
    assert [one["kind"] for one in begun["operations"]] == ["DEPLOY"]
    assert begun["plan"]["operations"] == [{"id": one["id"]} for one in begun["operations"]]
    again = (await data(application, APPLY, {"input": key}, viewer=viewer))["applyPlan"]
    assert again["operations"] == begun["operations"]
    twice = (await data(application, APPLY, {"input": {"id": plan["id"]}}, viewer=viewer))["applyPlan"]
    assert (twice["code"], [one["code"] for one in twice["reasons"]]) == ("PLAN_OUTDATED", ["APPLIED"])
    audit = """{ auditLog(first: 50) { nodes { action outcome author { id } tenant { id } } } }"""
    entries = (await data(application, audit, viewer=here.viewers["a", Role.TENANT_ADMIN]))["auditLog"]["nodes"]
    done = {(one["action"], one["outcome"]) for one in entries if one["author"]["id"] == viewer.id}
    assert {("createPlan", "COMMITTED"), ("applyPlan", "COMMITTED")} <= done
    theirs = (await data(application, audit, viewer=here.viewers["b", Role.TENANT_ADMIN]))["auditLog"]["nodes"]
    assert viewer.id not in {one["author"]["id"] for one in theirs}
    terminate = """mutation($id: ID!) { terminateDeployment(input: {id: $id, delete: true}) { __typename } }"""
    gone = begun["deployments"][0]["id"]
    await data(application, terminate, {"id": gone})
    async with asyncio.timeout(60):
        while application.ledger.view.get(gone) is not None:
            await asyncio.sleep(0.05)
    await deleted(application, plan["id"])
    await priced(application, here, 0.0)


async def test_a_step_of_a_plan_is_found_again_by_the_cursor_of_the_one_before(
    world: tuple[Application, World],
) -> None:
    application, here = world
    plan = await made(application, {"drain": {"id": here.shared_site}})
    page = """query($id: ID!, $first: Int! = 25, $after: String) { plan(id: $id) { steps(first: $first, after: $after) {
      pageInfo { endCursor } nodes { cursor name } } } }"""
    whole = (await data(application, page, {"id": plan["id"]}))["plan"]["steps"]
    one, two = whole["nodes"]
    assert whole["pageInfo"]["endCursor"] == two["cursor"]
    asked = {"id": plan["id"], "first": 1}
    assert (await data(application, page, asked))["plan"]["steps"]["nodes"] == [one]
    assert (await data(application, page, {**asked, "after": one["cursor"]}))["plan"]["steps"]["nodes"] == [two]
    await deleted(application, plan["id"])


async def test_what_was_decided_for_one_site_is_told_by_it(world: tuple[Application, World]) -> None:
    application, here = world
    text = """query($input: DeployInput!, $site: ID!) { planDeployment(input: $input) {
      placements { site { id } score terms { name weighted } components { replicas } } placement(site: $site) {
      site { id } score terms { name weighted } components { replicas } }
      refusals(filter: {site: $site}) { nodes { site { id } } } } }"""
    viewer = here.viewers["a", Role.DEVELOPER]
    given = {"input": anywhere(application, here, "a")}
    sites = "{ sites(filter: {role: {eq: COMPUTE}}) { nodes { id } } }"
    listed = [one["id"] for one in (await data(application, sites, viewer=viewer))["sites"]["nodes"]]
    told = {
        one: (await data(application, text, {**given, "site": one}, viewer=viewer))["planDeployment"] for one in listed
    }
    chosen = {one["site"]["id"]: one for one in told[here.shared_site]["placements"]}
    assert chosen
    assert chosen.keys() < told.keys()
    for site, one in told.items():
        assert one["placement"] == chosen.get(site)
        assert [each["site"]["id"] for each in one["refusals"]["nodes"]] == ([] if site in chosen else [site])


@pytest.mark.parametrize("tenant", ["a", "b"])
async def test_a_plan_is_its_tenants_alone(world: tuple[Application, World], tenant: str) -> None:
    application, here = world
    owner, stranger = here.viewers[tenant, Role.DEVELOPER], here.viewers[OTHER[tenant], Role.ADMIN]
    plan = await made(application, {"deployment": anywhere(application, here, tenant)}, owner)
    one = "query($id: ID!) { plan(id: $id) { id } plans { totalCount } entity(id: $id) { id } }"
    mine = await data(application, one, {"id": plan["id"]}, viewer=here.viewers[tenant, Role.VIEWER])
    assert mine == {"plan": {"id": plan["id"]}, "plans": {"totalCount": 2}, "entity": {"id": plan["id"]}}
    for viewer, own in ((stranger, 1), (here.viewers[tenant, Role.GUEST], 0)):
        none = await data(application, one, {"id": plan["id"]}, viewer=viewer)
        assert none == {"plan": None, "plans": {"totalCount": own}, "entity": None}
    for text, name in ((APPLY, "applyPlan"), (DELETE, "deletePlan")):
        answer = (await data(application, text, {"input": {"id": plan["id"]}}, viewer=stranger))[name]
        assert (answer["code"], answer["path"]) == ("NOT_FOUND", "input.id")
        answer = (
            await data(application, text, {"input": {"id": plan["id"]}}, viewer=here.viewers[tenant, Role.VIEWER])
        )[name]
        assert answer["code"] == "FORBIDDEN"
    assert application.ledger.view.get(plan["id"]) is not None
    await deleted(application, plan["id"])


@pytest.mark.parametrize(("tenant", "role"), MEMBERS, ids=lambda one: getattr(one, "name", one))
async def test_who_may_not_do_it_may_not_keep_a_plan_of_it(
    world: tuple[Application, World], tenant: str, role: Role
) -> None:
    application, here = world
    viewer = here.viewers[tenant, role]
    wishes = {"deployment": anywhere(application, here, tenant)}
    drain = {"drain": {"id": here.shared_site}}
    own = {"drain": {"id": here.ids[tenant]["Site"][0]}}
    balance = {"rebalance": {"tenantId": here.tenants[tenant]}}
    infrastructure = role in (Role.ADMIN, Role.OPERATOR)
    for given, allowed in (
        (wishes, role in WRITERS),
        (drain, False),
        (own, infrastructure),
        (balance, role in WRITERS),
    ):
        found, errors = await answer_of(application, viewer, "createPlan", given)
        assert not errors
        answer = found["createPlan"]
        assert not leaks(text_of(found, errors), here, tenant, echoed_by(here, given))
        assert answer["__typename"] == ("CreatePlanPayload" if allowed else "Forbidden"), (given, answer)
        if allowed:
            kept = {one for each in here.ids.values() for one in each["Plan"]}
            [plan_id] = set(application.ledger.view.ids("Plan")) - kept
            await deleted(application, plan_id)


async def test_a_drain_of_what_all_share_is_kept_for_operators(world: tuple[Application, World]) -> None:
    application, here = world
    plan = await made(application, {"drain": {"id": here.shared_site}})
    assert (plan["kind"], plan["tenant"], plan["subject"], plan["stuck"]) == (
        "DRAIN",
        None,
        {"id": here.shared_site},
        2,
    )
    for member in here.viewers.values():
        seen = await data(application, "{ plans { nodes { id } } }", viewer=member)
        assert plan["id"] not in {one["id"] for one in seen["plans"]["nodes"]}
    await deleted(application, plan["id"])


@pytest.mark.parametrize(
    ("wrong", "code", "field"),
    [
        ({"name": ""}, "INVALID_INPUT", "name"),
        ({"name": "n" * 300}, "INVALID_INPUT", "name"),
        ({"name": f"{MARKERS['a']}-deployment"}, "ALREADY_EXISTS", "name"),
        ({"labels": [{"key": "!", "value": "x"}]}, "INVALID_INPUT", "labels[0].key"),
        ({"tenantId": "tenant_none", "policy": {"maxSites": 1}}, "NOT_FOUND", "tenantId"),
    ],
)
async def test_a_deployment_that_could_not_be_made_is_not_planned(
    world: tuple[Application, World], wrong: dict[str, Any], code: str, field: str
) -> None:
    application, here = world
    deploy = "mutation($input: DeployInput!) { deploy(input: $input) { ... on Error { code path } } }"
    wish = anywhere(application, here, "a") | wrong
    supposing = {"whatIf": [{"demand": {"factor": 2}}]}
    told = (await data(application, deploy, {"input": wish}))["deploy"]
    assert (told.get("code"), told.get("path")) == (code, f"input.{field}")
    for more in ({}, supposing):
        problem = await refusal(application, DEPLOYMENT, {"input": wish, **more}, SYSTEM)
        assert (problem.code, problem.extensions["argument"]) == (code, f"input.{field}")
        answer = (await data(application, CREATE, {"input": {"deployment": wish, **more}}))["createPlan"]
        assert (answer.get("code"), answer.get("path")) == (code, f"input.deployment.{field}"), answer


async def test_a_name_that_is_taken_can_be_planned_in_the_place_of_what_has_it(
    world: tuple[Application, World],
) -> None:
    application, here = world
    taken = {"input": wish_of(application, here, "a")}
    problem = await refusal(application, DEPLOYMENT, taken, SYSTEM)
    assert (problem.code, problem.remedy) == (
        "ALREADY_EXISTS",
        "choose another name, or give the deployment that it would replace",
    )
    text = """query($input: DeployInput!, $replaced: ID!) {
      planDeployment(input: $input, deployment: $replaced) { feasible } }"""
    [own], [theirs] = here.ids["a"]["Deployment"], here.ids["b"]["Deployment"]
    assert (await data(application, text, {**taken, "replaced": own}))["planDeployment"]["feasible"]
    problem = await refusal(application, text, {**taken, "replaced": theirs}, SYSTEM)
    assert (problem.code, problem.extensions["argument"]) == ("INVALID_INPUT", "deployment")


async def test_a_wrong_plan_is_named(world: tuple[Application, World]) -> None:
    application, here = world
    wish = anywhere(application, here, "a")
    wrong: list[tuple[dict[str, Any], str, str]] = [
        ({}, "INVALID_INPUT", "input"),
        ({"deployment": wish, "drain": {"id": here.shared_site}}, "INVALID_INPUT", "input"),
        ({"deployment": wish | {"appVersionId": "no"}}, "NOT_FOUND", "input.deployment.appVersionId"),
        ({"deployment": wish, "expiresInSeconds": 1}, "INVALID_INPUT", "input.expiresInSeconds"),
        ({"deployment": wish, "replaces": "no"}, "NOT_FOUND", "input.replaces"),
        (
            {"deployment": wish, "replaces": here.ids["b"]["Deployment"][0]},
            "INVALID_INPUT",
            "input.replaces",
        ),
        ({"drain": {"id": here.shared_site}, "replaces": "no"}, "INVALID_INPUT", "input.replaces"),
        (
            {"rebalance": {"tenantId": here.tenants["a"]}, "replaces": here.ids["a"]["Deployment"][0]},
            "INVALID_INPUT",
            "input.replaces",
        ),
        ({"drain": {"id": "no"}}, "NOT_FOUND", "input.drain.id"),
        ({"drain": {"id": here.shared_site}, "whatIf": [{}]}, "INVALID_INPUT", "input.whatIf[0]"),
        ({"rebalance": {"tenantId": here.tenants["a"], "labels": "=="}}, "INVALID_INPUT", "input.rebalance.labels"),
        (
            {"deployment": wish | {"policy": {"sites": {"siteIds": ["no"]}}}},
            "NOT_FOUND",
            "input.deployment.policy.sites.siteIds[0]",
        ),
        (
            {
                "deployment": wish
                | {"replicas": [{"name": f"{MARKERS['a']}-web", "count": 1}, {"name": "no", "count": 1}]}
            },
            "INVALID_INPUT",
            "input.deployment.replicas[1]",
        ),
    ]
    count = {"name": f"{MARKERS['a']}-web", "count": -1}
    problem = await refusal(
        application, DEPLOYMENT, {"input": wish | {"replicas": [count]}}, here.viewers["a", Role.DEVELOPER]
    )
    assert problem.extensions["argument"] == "input.replicas[0]"
    for given, code, path in wrong:
        answer = (await data(application, CREATE, {"input": given}))["createPlan"]
        assert (answer.get("code"), answer.get("path")) == (code, path), answer


async def test_room_that_is_gone_is_told_with_figures_to_those_who_may_see_them(
    world: tuple[Application, World],
) -> None:
    application, here = world
    given = {"deployment": wish_of(application, here, "a", name="large", replicas=157)}
    viewer = here.viewers["a", Role.DEVELOPER]
    plan = await made(application, given, viewer)
    scale = """mutation($input: ScaleDeploymentInput!) { scaleDeployment(input: $input) { __typename } }"""
    theirs = {"id": here.ids["b"]["Deployment"][0]}
    count = {"name": f"{MARKERS['b']}-web", "count": 9}
    await data(application, scale, {"input": {**theirs, "replicas": [count]}})
    try:
        told = (await data(application, APPLY, {"input": {"id": plan["id"]}}, viewer=viewer))["applyPlan"]
        exact = (await data(application, APPLY, {"input": {"id": plan["id"]}}))["applyPlan"]
        assert told["code"] == exact["code"] == "PLAN_OUTDATED"
        assert [one["code"] for one in told["reasons"]] == ["CAPACITY_GONE"]
        assert "15000" in exact["reasons"][0]["message"]
        assert "15000" not in str(told)
        assert not leaks(str(told).encode(), here, "a", set())
    finally:
        await data(application, scale, {"input": {**theirs, "replicas": [{**count, "count": 1}]}})
        await deleted(application, plan["id"])


async def test_kept_plans_are_told_as_they_come_and_go(world: tuple[Application, World]) -> None:
    application, here = world
    commits: list[Any] = []

    class Follower:
        def applied(self, commit: Any) -> None:
            commits.append(commit)

        def reloaded(self) -> None:
            raise AssertionError("nothing is loaded anew")

    end = application.ledger.view.follow(Follower())
    try:
        plan = await made(application, {"deployment": anywhere(application, here, "a")})
        await deleted(application, plan["id"])
        await asyncio.sleep(0)
    finally:
        end()
    kind = next(one for one in _entity_kinds() if one.value == "Plan")

    def told(viewer: Viewer) -> list[tuple[str, str]]:
        context = Context(viewer=viewer, services=application.services, correlation_id="test")
        live: LiveQuery = ChangesQuery(context, kinds=[kind], filter=None, after=None, max_rate_hz=10)
        events = [event for commit in commits for event, _ in live.delta([commit], follows=commit.revision - 1)]
        return [(one.type.name, one.id) for event in events for one in event.changes]

    assert told(here.viewers["a", Role.VIEWER]) == [("ADDED", plan["id"]), ("DELETED", plan["id"])]
    assert told(here.viewers["b", Role.ADMIN]) == []


def _entity_kinds() -> Any:
    from schema.vocabulary import NAMES

    definition = NAMES["EntityKind"]
    return getattr(definition, "wrapped_cls", definition)
