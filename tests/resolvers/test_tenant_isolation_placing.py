"""Tenants do not see each other in placement: plans, refusals and races, with the other's use in the way.

Both tenants run on one node of 16,000 millicores. However much one of them uses, all that the other's members are told is
the same; whoever reads the workloads of all gets the true figures, the same in plans and in what is free.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from access.viewer import SYSTEM
from graph.kinds import ReleasePhase, Role
from lifecycle.placing import Placing
from server.app import Application
from worldkit.questions import MEMBERS, OTHER, answer_of, leaks, text_of
from worldkit.running import application_in, data
from worldkit.two_tenants import MARKERS, World, two_tenants, wish_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
WRITERS = (Role.ADMIN, Role.OPERATOR, Role.TENANT_ADMIN, Role.DEVELOPER)
PLAN = """query($input: DeployInput!) { planDeployment(input: $input) {
  placements { site { name } score terms { name value weighted scaled explanation } }
  refusals { nodes { site { name } reasons { rule need have unit message } } }
  conflicts { message need have } unmet { message } objective { score } refusalsByRule { rule sites } } }"""
FREE = """query($site: ID!) { site(id: $site) { resources { total { cpuMillicores } free { cpuMillicores } }
  nodes { nodes { free { cpuMillicores } } } } }"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> Any:
    async with application_in(Path(tmp_path_factory.mktemp("placing"))) as application:
        yield application, await two_tenants(application)


async def scale(application: Application, made: World, tenant: str, count: int) -> None:
    """Has a tenant use so many replicas of 100 millicores."""
    text = """mutation($input: ScaleDeploymentInput!) { scaleDeployment(input: $input) {
      __typename ... on Error { message } } }"""
    given = {
        "id": made.ids[tenant]["Deployment"][0],
        "replicas": [{"name": f"{MARKERS[tenant]}-web", "count": count}],
    }
    answer = (await data(application, text, {"input": given}))["scaleDeployment"]
    assert answer["__typename"] == "ScaleDeploymentPayload", answer
    view = application.ledger.view
    for _ in range(1_200):
        release = view.get(view.ids("Release", "deployment_id", given["id"])[0])
        if release.phase is ReleasePhase.READY and release.observed.replicas == count:
            return  # what is observed counts as used for as long as it is there
        await asyncio.sleep(0.05)
    raise AssertionError(release)


async def all_that_is_told(application: Application, made: World, tenant: str, role: Role) -> list[Any]:
    """Plans that fit and one that does not, and what is free."""
    viewer = made.viewers[tenant, role]
    plans = (
        [wish_of(application, made, tenant, name="planned", replicas=one) for one in (1, 80, 159)]
        if role in WRITERS
        else []
    )
    asked = [await data(application, PLAN, {"input": one}, viewer=viewer) for one in plans]
    return [*asked, await data(application, FREE, {"site": made.shared_site}, viewer=viewer)]


def shortage(plan: dict[str, Any]) -> dict[str, Any]:
    """The one reason against the shared site."""
    [refusal] = [one for one in plan["planDeployment"]["refusals"]["nodes"] if one["site"]["name"] == "shared-site"]
    [reason] = refusal["reasons"]
    return dict(reason)


@pytest.mark.parametrize("tenant", ["a", "b"])
async def test_what_others_use_changes_nothing_that_a_tenant_is_told(
    world: tuple[Application, World], tenant: str
) -> None:
    application, made = world
    too_much = {"input": wish_of(application, made, tenant, name="planned", replicas=159)}
    before = {role: await all_that_is_told(application, made, tenant, role) for role in Role}
    exact = shortage(await data(application, PLAN, too_much))
    await scale(application, made, OTHER[tenant], 9)
    try:
        for role in Role:
            assert await all_that_is_told(application, made, tenant, role) == before[role]
            assert before[role][-1]["site"]["resources"] == {"total": {"cpuMillicores": 16000}, "free": None}
            if role in WRITERS:
                reason = shortage(before[role][2])
                assert (reason["rule"], reason["need"], reason["have"]) == ("capacity", "15900", None)
                assert "of its 16000 less than that is free" in reason["message"]
        now = shortage(await data(application, PLAN, too_much))
        assert (exact["have"], now["have"]) == ("15800", "15000"), "the control"
    finally:
        await scale(application, made, OTHER[tenant], 1)


DEPLOY = """mutation($input: DeployInput!) { deploy(input: $input) { __typename
  ... on DeployPayload { deployment { id message decision { conflicts { need have message } } } }
  ... on Unplaceable { plan { conflicts { need have message } } } ... on Error { message } } }"""
KEEP = """mutation($input: CreatePlanInput!) { createPlan(input: $input) { __typename
  ... on CreatePlanPayload { plan { id stuck steps { nodes { outcome why decision { conflicts { have message } } } } } }
  ... on Error { message } } }"""
MOVES = """query($drain: PlanDrainInput!, $rebalance: PlanRebalanceInput!, $whatIf: [ChangeInput!]) {
  planDrain(input: $drain, whatIf: $whatIf) { stuck steps { nodes { outcome why } } }
  planRebalance(input: $rebalance, whatIf: $whatIf) { steps { nodes { outcome why } } } }"""
TOLD = """query($id: ID!, $of: String!) { deployment(id: $id) { phase message decision { conflicts { need have message } } }
  events(filter: {subjectId: {eq: $of}}) { nodes { reason message } } }"""
END = """mutation($input: TerminateDeploymentInput!) { terminateDeployment(input: $input) { __typename } }"""


async def all_that_is_said_of_a_total(application: Application, made: World, tenant: str) -> list[Any]:
    """In every place where a reason is told in words, of totals for which there is no room."""
    viewer, view = made.viewers[tenant, Role.DEVELOPER], application.ledger.view
    by_room = {"division": {"mode": "FREE_CAPACITY"}}

    async def asked(text: str, given: dict[str, Any]) -> Any:
        return await data(application, text, given, viewer=viewer)

    def wish(name: str, total: int, **policy: Any) -> dict[str, Any]:
        return wish_of(application, made, tenant, name=name, replicas=total, **policy, **by_room)

    said = [await asked(DEPLOY, {"input": wish("refused", 200)})]
    waits = await asked(DEPLOY, {"input": wish("waits", 200) | {"waitForPlacement": True}})
    said.append({**waits["deploy"]["deployment"], "id": None})
    kept = (await asked(KEEP, {"input": {"deployment": wish("kept", 200)}}))["createPlan"]["plan"]
    said.append({**kept, "id": None})
    small = await asked(DEPLOY, {"input": wish("small", 8, own_site=True, minSites=2)})
    begun = [one["deploy"]["deployment"]["id"] for one in (waits, small)]
    own = made.ids[tenant]["Site"][0]
    less = {"capacity": {"siteIds": [made.shared_site], "factor": 0.045}}
    rebalance = {"tenantId": made.tenants[tenant], "deploymentIds": begun[1:]}
    moves = await asked(
        MOVES, {"drain": {"id": own}, "rebalance": rebalance, "whatIf": [less, {"siteLost": {"siteId": own}}]}
    )
    said.append(moves)
    said.append(await asked(TOLD, {"id": begun[0], "of": begun[0]}))
    for one in begun:
        await asked(END, {"input": {"id": one, "delete": True}})
    for _ in range(1_200):
        if not any(view.get(one) for one in begun):
            return said
        await asyncio.sleep(0.05)
    raise AssertionError([view.get(one) for one in begun])


@pytest.mark.parametrize("tenant", ["a", "b"])
async def test_no_word_of_a_total_tells_what_others_use(world: tuple[Application, World], tenant: str) -> None:
    application, made = world
    before = await all_that_is_said_of_a_total(application, made, tenant)
    refused, waiting, kept, moves, _ = before
    assert "no room for as many" in refused["deploy"]["message"]
    assert waiting["message"] == refused["deploy"]["message"] == kept["steps"]["nodes"][0]["why"]
    for plan in (moves["planDrain"], moves["planRebalance"]):
        stuck = [one for one in plan["steps"]["nodes"] if one["outcome"] == "STUCK"]
        assert any("no room for as many" in one["why"] for one in stuck), plan
    await scale(application, made, OTHER[tenant], 3)
    try:
        assert await all_that_is_said_of_a_total(application, made, tenant) == before
    finally:
        await scale(application, made, OTHER[tenant], 1)


async def test_who_reads_all_workloads_gets_one_true_figure_everywhere(world: tuple[Application, World]) -> None:
    application, made = world
    await scale(application, made, "b", 9)
    try:
        plan = await data(application, PLAN, {"input": wish_of(application, made, "a", name="planned", replicas=159)})
        site = (await data(application, FREE, {"site": made.shared_site}))["site"]
        assert shortage(plan)["have"] == "15000"
        assert site["resources"]["free"]["cpuMillicores"] == 15000
        assert [one["free"] for one in site["nodes"]["nodes"]] == [{"cpuMillicores": 15000}]
    finally:
        await scale(application, made, "b", 1)


@pytest.mark.parametrize(("tenant", "role"), MEMBERS, ids=lambda one: getattr(one, "name", one))
async def test_free_room_is_told_where_nobody_else_runs(
    world: tuple[Application, World], tenant: str, role: Role
) -> None:
    application, made = world
    found = await data(application, FREE, {"site": made.ids[tenant]["Site"][0]}, viewer=made.viewers[tenant, role])
    room = None if role is Role.GUEST else {"cpuMillicores": 4000}
    assert found["site"]["resources"]["free"] == room
    assert [one["free"] for one in found["site"]["nodes"]["nodes"]] == [room]


@pytest.mark.parametrize(("tenant", "role"), MEMBERS, ids=lambda one: getattr(one, "name", one))
async def test_a_deployment_that_does_not_fit_is_refused_without_a_word_of_the_other(
    world: tuple[Application, World], tenant: str, role: Role
) -> None:
    application, made = world
    viewer = made.viewers[tenant, role]
    inputs = [
        wish_of(application, made, tenant, name="too-much", replicas=159),
        wish_of(application, made, tenant, name="too-much", replicas=159, own_site=True, minSites=2),
        wish_of(application, made, tenant, name="too-much", replicas=500) | {"policy": {"everywhere": True}},
    ]
    for given in inputs:
        found, errors = await answer_of(application, viewer, "deploy", given)
        assert not errors
        assert not leaks(text_of(found, errors), made, tenant, set())
        assert "15800" not in str(found)
        assert found["deploy"]["__typename"] == ("Unplaceable" if role in WRITERS else "Forbidden"), found
        # The other's words in the question: there is nothing of that name.
        theirs = wish_of(application, made, OTHER[tenant], name="theirs", replicas=159, own_site=True)
        for mixed in (
            given | {"appVersionId": theirs["appVersionId"]},
            given | {"policy": theirs["policy"]},
            given | {"tenantId": theirs["tenantId"]},
        ):
            found, errors = await answer_of(application, viewer, "deploy", mixed)
            echoed = {one for one in made.words_of(OTHER[tenant]) if one in str(mixed).encode()}
            assert not leaks(text_of(found, errors), made, tenant, echoed)
            assert found["deploy"]["__typename"] in ("NotFound", "Forbidden"), found


@pytest.mark.parametrize("loser", ["a", "b"])
async def test_room_that_the_other_took_meanwhile_is_gone_without_a_figure_or_a_name(
    world: tuple[Application, World], loser: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    application, made = world
    # Decided once, so that what is found at head is what is answered; and by both before either commits.
    monkeypatch.setattr(application.services.lifecycle._decisions, "_attempts", 1)
    choose, both = Placing.choose, asyncio.Barrier(2)

    async def chosen(self: Placing, *given: Any, **options: Any) -> Any:
        found = await choose(self, *given, **options)
        await both.wait()
        return found

    monkeypatch.setattr(Placing, "choose", chosen)
    winner = OTHER[loser]
    first, (found, errors) = await asyncio.gather(
        *(
            answer_of(
                application,
                made.viewers[one, Role.DEVELOPER],
                "deploy",
                wish_of(application, made, one, name="race", replicas=100),
            )
            for one in (winner, loser)
        )
    )
    by_name = {winner: first[0], loser: found}
    ends = {one: answer["deploy"]["__typename"] for one, answer in by_name.items()}
    assert sorted(ends.values()) == ["CapacityGone", "DeployPayload"], ends
    for one, answer in by_name.items():
        assert not leaks(text_of(answer, errors), made, one, set())
        if ends[one] == "CapacityGone":
            message = next(value for key, value in answer["deploy"].items() if key.endswith("_message"))
            assert message.endswith("needs 10000 millicores, less is free"), message
    await forget(application)


async def forget(application: Application) -> None:
    """Ends the deployment that won."""
    view = application.ledger.view
    [won] = [one for one in view.ids("Deployment") if view.get(one).name.endswith("-race")]
    text = """mutation($input: TerminateDeploymentInput!) { terminateDeployment(input: $input) {
      __typename ... on Error { message } } }"""
    await data(application, text, {"input": {"id": won, "delete": True}}, viewer=SYSTEM)
    for _ in range(1_200):
        if view.get(won) is None:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(view.get(won))
