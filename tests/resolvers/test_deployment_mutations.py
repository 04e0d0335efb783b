"""What a deployment is asked through the API beside where it runs: its deadline, and what happens when it drifts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from graph.kinds import Release, Role
from graph.view import each
from worldkit.running import application_in, data
from worldkit.two_tenants import MARKERS, two_tenants, wish_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
STARTED = "deployment { id driftPolicy phase } operation { id status deadlineAt createdAt }"
PAUSED = "deployment { id phase }"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> Any:
    async with application_in(Path(tmp_path_factory.mktemp("deployments"))) as application:
        yield application, await two_tenants(application)


async def mutate(
    world: Any, name: str, given: dict[str, Any], selected: str = STARTED, *, role: Role = Role.TENANT_ADMIN
) -> dict[str, Any]:
    application, made = world
    kind = name[0].upper() + name[1:]
    text = (
        f"mutation($input: {kind}Input!) {{ {name}(input: $input) {{ __typename "
        f"... on {kind}Payload {{ {selected} }} ... on Error {{ code message path }} }} }}"
    )
    answer: dict[str, Any] = (await data(application, text, {"input": given}, viewer=made.viewers["a", role]))[name]
    return answer


async def test_a_deployment_has_a_drift_policy_and_its_operation_a_deadline(world) -> None:
    application, made = world
    given = wish_of(application, made, "a", name="watched", replicas=1)
    begun = await mutate(world, "deploy", {**given, "driftPolicy": "REPORT", "deadlineSeconds": 600})
    assert begun["__typename"] == "DeployPayload", begun
    assert begun["deployment"]["driftPolicy"] == "REPORT"
    assert begun["operation"]["deadlineAt"] > begun["operation"]["createdAt"]
    deployment_id = begun["deployment"]["id"]
    changed = await mutate(world, "updateDeployment", {"id": deployment_id, "driftPolicy": "CORRECT"})
    assert changed["deployment"]["driftPolicy"] == "CORRECT"
    assert changed["operation"]["deadlineAt"] is None
    gone = await mutate(world, "terminateDeployment", {"id": deployment_id, "deadlineSeconds": 0.5})
    assert gone["operation"]["deadlineAt"] is not None


async def test_a_deadline_that_is_none_is_refused_with_its_field(world) -> None:
    application, made = world
    given = wish_of(application, made, "a", name="hasty", replicas=1)
    refused = await mutate(world, "deploy", {**given, "deadlineSeconds": 0})
    assert (refused["code"], refused["path"]) == ("INVALID_INPUT", "input.deadlineSeconds")


async def test_a_deployment_is_paused_stopped_resumed_and_taken_back(world) -> None:
    application, made = world
    begun = await mutate(world, "deploy", wish_of(application, made, "a", name="held", replicas=1))
    given = {"id": begun["deployment"]["id"]}
    await mutate(world, "updateDeployment", {**given, "driftPolicy": "REPORT"})
    assert (await mutate(world, "pauseDeployment", given, PAUSED))["deployment"]["phase"] == "PAUSED"
    refused = await mutate(world, "stopDeployment", given)
    assert (refused["code"], refused["path"]) == ("INVALID_STATE", "input.id")
    key = {"idempotencyKey": "resume-once"}
    resumed = await mutate(world, "resumeDeployment", {**given, **key})
    assert resumed["__typename"] == "ResumeDeploymentPayload", resumed
    assert await mutate(world, "resumeDeployment", {**given, **key}) == resumed
    stopped = await mutate(world, "stopDeployment", {**given, "deadlineSeconds": 60})
    assert stopped["operation"]["deadlineAt"] is not None
    taken_back = await mutate(world, "rollbackDeployment", {**given, "revisionNumber": 1})
    assert taken_back["__typename"] == "RollbackDeploymentPayload", taken_back
    refused = await mutate(world, "rollbackDeployment", {**given, "revisionNumber": 0})
    assert (refused["code"], refused["path"]) == ("INVALID_INPUT", "input.revisionNumber")
    assert "it has 1 to 3" in refused["message"]


@pytest.mark.parametrize("name", ["pauseDeployment", "stopDeployment", "resumeDeployment", "rollbackDeployment"])
async def test_a_verb_does_not_tell_of_what_is_anothers(world, name) -> None:
    _, made = world
    own = {"revisionNumber": 1} if name == "rollbackDeployment" else {}
    refused = await mutate(world, name, {"id": made.ids["b"]["Deployment"][0], **own}, PAUSED)
    assert refused["code"] == "NOT_FOUND"


async def test_single_sites_are_added_adjusted_and_removed(world) -> None:
    application, made = world
    begun = await mutate(world, "deploy", wish_of(application, made, "a", name="sited", replicas=1))
    given = {"id": begun["deployment"]["id"]}
    release = next(each(application.ledger.view, Release, "deployment_id", given["id"]))
    component = f"{MARKERS['a']}-web"
    adjusted = await mutate(
        world,
        "adjustSite",
        {**given, "siteId": release.site_id, "replicas": [{"name": component, "count": 2}]},
        "deployment { adjustments { site { id } component replicas } }",
    )
    assert adjusted["deployment"]["adjustments"] == [
        {"site": {"id": release.site_id}, "component": component, "replicas": 2}
    ], adjusted
    refused = await mutate(world, "removeSites", {**given, "siteIds": [release.site_id]})
    assert (refused["code"], refused["path"]) == ("INVALID_STATE", "input.siteIds")
    refused = await mutate(world, "addSites", {**given, "siteIds": []})
    assert (refused["code"], refused["path"]) == ("INVALID_INPUT", "input.siteIds")
    refused = await mutate(world, "addSites", {**given, "siteIds": [made.ids["b"]["Site"][0]]})
    assert (refused["code"], refused["path"]) == ("NOT_FOUND", "input.siteIds[0]")


async def test_a_migration_has_its_steps(world) -> None:
    application, made = world
    begun = await mutate(world, "deploy", wish_of(application, made, "a", name="moving", replicas=1))
    given = {"id": begun["deployment"]["id"]}
    refused = await mutate(world, "migrateDeployment", given)
    assert (refused["code"], refused["path"]) == ("INVALID_INPUT", "input.appVersionId")
    refused = await mutate(world, "migrateDeployment", {**given, "toSiteIds": [made.ids["b"]["Site"][0]]})
    assert (refused["code"], refused["path"]) == ("NOT_FOUND", "input.toSiteIds[0]")
    version_id = application.ledger.view.get(given["id"]).app_version_id
    asked = {**given, "appVersionId": version_id}
    moved = await mutate(world, "migrateDeployment", asked, "operation { kind status steps { name status } }")
    assert moved["operation"] == {"kind": "MIGRATE", "status": "RUNNING", "steps": []}, moved


async def test_what_is_asked_again_under_its_key_is_answered_as_the_first_time(world) -> None:
    application, made = world
    deployed = {**wish_of(application, made, "a", name="repeated", replicas=1), "idempotencyKey": "again-deploy"}
    first = await mutate(world, "deploy", deployed)
    assert await mutate(world, "deploy", deployed) == first
    given = {"id": first["deployment"]["id"]}
    for name, more in (
        ("updateDeployment", {"driftPolicy": "REPORT"}),
        ("scaleDeployment", {"replicas": [{"name": f"{MARKERS['a']}-web", "count": 2}]}),
        ("terminateDeployment", {}),
    ):
        asked = {**given, **more, "idempotencyKey": f"again-{name}"}
        begun = await mutate(world, name, asked)
        assert begun["__typename"].endswith("Payload"), begun
        assert await mutate(world, name, asked) == begun


async def test_a_change_is_approved_by_who_may_and_not_by_who_may_only_ask(world) -> None:
    application, made = world
    given = wish_of(application, made, "a", name="gated", replicas=1) | {"requiresApproval": True}
    proposal = "number kind author { id } appVersion { id } replicas { name count }"
    proposed = f"deployment {{ id phase proposal {{ {proposal} }} approved {{ by {{ id }} }} }}"
    begun = await mutate(world, "deploy", given, proposed, role=Role.DEVELOPER)
    assert begun["deployment"]["phase"] == "PENDING_APPROVAL", begun
    assert begun["deployment"]["proposal"]["number"] == 1
    of = {"id": begun["deployment"]["id"]}
    asked = {**of, "revisionNumber": 1}
    for role in (Role.DEVELOPER, Role.VIEWER):
        refused = await mutate(world, "approveDeployment", asked, "revision", role=role)
        assert (refused["code"], "APPROVE_WORKLOADS" in refused["message"]) == ("FORBIDDEN", True), refused
    loose = {**of, "requiresApproval": False}
    refused = await mutate(world, "updateDeployment", loose, role=Role.DEVELOPER)
    assert (refused["code"], refused["path"]) == ("FORBIDDEN", "input.requiresApproval")
    refused = await mutate(world, "approveDeployment", {**of, "revisionNumber": 2})
    assert (refused["code"], refused["path"]) == ("INVALID_STATE", "input.revisionNumber")
    approved = await mutate(world, "approveDeployment", asked, proposed)
    assert approved["deployment"]["proposal"] is None, approved
    assert approved["deployment"]["approved"]["by"]["id"] == made.viewers["a", Role.TENANT_ADMIN].id
    assert (await mutate(world, "updateDeployment", loose))["__typename"] == "UpdateDeploymentPayload"
