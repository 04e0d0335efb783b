"""Where the graph keeps an id, the schema has what it is the id of: as far as it is still there, and the viewer sees it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from access.viewer import SYSTEM, Grant, Viewer
from graph.edit import Edit
from graph.kinds import (
    App,
    AppVersion,
    Deployment,
    DeploymentRevision,
    Event,
    Operation,
    OperationKind,
    OperationStatus,
    Region,
    Role,
    RoleBinding,
    Site,
    Tenant,
    User,
)
from graph.kinds.deployments import GoodState
from graph.kinds.policy import LatencyTarget, Place, PlacementPolicy, SiteSelector
from graph.refusal import InvalidInput
from graph.request import Request
from server.app import Application
from server.masking import masked
from worldkit.running import application_in, ask, data

REQUEST = Request(author="test", action="test")
ACTOR = "{ id name entity { id __typename } }"


@pytest.fixture
async def application(tmp_path: Path) -> AsyncIterator[Application]:
    async with application_in(tmp_path) as made:
        yield made


async def change(application: Application, function: Any) -> Any:
    return (await application.ledger.commit(function, REQUEST)).value


def developer(tenant: str) -> Viewer:
    return Viewer(id="user_dev", name="dev", grants=frozenset({Grant(Role.DEVELOPER, tenant)}))


async def test_who_did_something_has_a_name_for_those_who_see_the_account(application: Application) -> None:
    def make(edit: Edit) -> tuple[str, str]:
        tenant = edit.create(Tenant, name="mine").id
        ann = edit.create(User, name="ann").id
        edit.create(RoleBinding, subject_id=ann, role=Role.DEVELOPER, tenant_id=tenant)
        for author in ("edgeatlas", ann, "user_gone"):
            edit.create(Event, reason="Test", message="m", tenant_id=tenant, author=author)
            edit.create(Operation, kind=OperationKind.DEPLOY, tenant_id=tenant, requested_by=author)
        return tenant, ann

    tenant, ann = await change(application, make)
    text = (
        f"{{ events(orderBy: {{field: ID, direction: ASC}}) {{ nodes {{ it: author {ACTOR} }} }} "
        f"operations(orderBy: {{field: ID, direction: ASC}}) {{ nodes {{ it: requestedBy {ACTOR} }} }} }}"
    )
    account = {"id": ann, "__typename": "User"}
    for viewer, name, entity in ((SYSTEM, "ann", account), (developer(tenant), ann, None)):
        found = await data(application, text, viewer=viewer)
        for nodes in (found["events"]["nodes"], found["operations"]["nodes"]):
            assert [one["it"] for one in nodes] == [
                {"id": "edgeatlas", "name": "edgeatlas", "entity": None},
                {"id": ann, "name": name, "entity": entity},
                {"id": "user_gone", "name": "user_gone", "entity": None},
            ]


async def test_an_event_has_what_it_happened_to_running_ended_or_gone(application: Application) -> None:
    def make(edit: Edit) -> list[str]:
        region = edit.create(Region, name="r")
        subjects = [
            edit.create(Site, name="s", region_id=region.id).id,
            edit.create(Operation, kind=OperationKind.DRAIN).id,
            edit.create(Operation, kind=OperationKind.DRAIN, status=OperationStatus.SUCCEEDED, finished_at=1).id,
        ]
        for one in (*subjects, "site_gone", None):
            edit.create(Event, reason="Test", message="m", subject_id=one)
        return subjects

    subjects = await change(application, make)
    text = "{ events(orderBy: {field: ID, direction: ASC}) { nodes { subjectId subject { id } } } }"
    nodes = (await data(application, text))["events"]["nodes"]
    assert [one["subjectId"] for one in nodes] == [*subjects, "site_gone", None]
    assert [one["subject"] for one in nodes] == [*({"id": one} for one in subjects), None, None]


async def test_a_policy_has_the_sites_and_regions_that_it_names_and_the_viewer_sees(application: Application) -> None:
    def make(edit: Edit) -> dict[str, str]:
        mine, theirs = (edit.create(Tenant, name=one).id for one in ("mine", "theirs"))
        region = edit.create(Region, name="r").id
        hidden_region = edit.create(Region, name="h", tenant_id=theirs).id
        site = edit.create(Site, name="s", region_id=region).id
        hidden = edit.create(Site, name="x", region_id=hidden_region, tenant_id=theirs).id
        app = edit.create(App, name="a", tenant_id=mine)
        version = edit.create(AppVersion, name="1", app_id=app.id, tenant_id=mine).id
        places = [Place(site_id=site), Place(site_id=hidden), Place(region_id=region), Place(region_id=hidden_region)]
        policy = PlacementPolicy(
            sites=SiteSelector(
                site_ids=[hidden, "site_gone", site],
                excluded_site_ids=[site, hidden],
                region_ids=[hidden_region, region, site],
            ),
            latency=[LatencyTarget(place=one, within_ms=5) for one in places],
        )
        revision = edit.create(
            DeploymentRevision,
            tenant_id=mine,
            deployment_id="deployment_x",
            number=1,
            app_version_id=version,
            policy=policy,
        )
        made = edit.create(
            Deployment,
            name="d",
            tenant_id=mine,
            app_version_id=version,
            policy=policy,
            revision_id=revision.id,
            good=GoodState(revision_id=revision.id, revision_number=1),
        )
        return {"mine": mine, "deployment": made.id, "site": site, "hidden": hidden, "revision": revision.id}

    made = await change(application, make)
    text = """query($id: ID!) { deployment(id: $id) {
      policy {
        sites { siteIds sites { id } excludedSites { id } regions { name } }
        latency { place { siteId site { name } region { name } } }
      }
      currentRevision { id number author { name } }
      good { revisionNumber revision { id number } decision { revision } }
    } }"""
    found = (await data(application, text, {"id": made["deployment"]}, viewer=developer(made["mine"])))["deployment"]
    assert found["policy"]["sites"] == {
        "siteIds": [made["hidden"], "site_gone", made["site"]],
        "sites": [{"id": made["site"]}],
        "excludedSites": [{"id": made["site"]}],
        "regions": [{"name": "r"}],
    }
    places = [one["place"] for one in found["policy"]["latency"]]
    assert [one["site"] for one in places] == [{"name": "s"}, None, None, None]
    assert [one["region"] for one in places] == [None, None, {"name": "r"}, None]
    assert found["currentRevision"] == {"id": made["revision"], "number": 1, "author": {"name": "edgeatlas"}}
    assert found["good"] == {
        "revisionNumber": 1,
        "revision": {"id": made["revision"], "number": 1},
        "decision": None,
    }
    theirs = await data(application, text, {"id": made["deployment"]}, viewer=developer("tenant_other"))
    assert theirs["deployment"] is None


@pytest.mark.parametrize("field", ["regions", "operations", "auditLog"])
async def test_first_and_last_together_are_refused_and_the_default_gives_way(
    application: Application, field: str
) -> None:
    text = f"query($first: Int, $last: Int) {{ {field}(first: $first, last: $last) {{ nodes {{ id }} }} }}"
    for given in ({"first": 1}, {"last": 1}, {"first": None, "last": 1}, {}):
        await data(application, text, given)
    for asked, given in (
        (text, {"first": 50, "last": 50}),
        (f"{{ {field}(first: 50, last: 1) {{ nodes {{ id }} }} }}", {}),
    ):
        errors = (await ask(application, asked, given)).errors
        assert errors is not None
        error = errors[0].original_error
        assert len(errors) == 1
        assert isinstance(error, InvalidInput)
        assert error.path == "last"


async def test_a_mistake_in_what_is_to_be_planned_is_told_by_its_argument_as_everywhere(
    application: Application,
) -> None:
    tenant = await change(application, lambda edit: edit.create(Tenant, name="mine").id)
    given = {"tenantId": tenant, "name": "d", "appVersionId": "appversion_gone"}
    plan = "query($input: DeployInput!) { planDeployment(input: $input) { feasible } }"
    reach = '{ reachable(from: "site_gone", withinLatencyMs: 1) { latencyMs } }'
    for text, variables, argument in ((plan, {"input": given}, "input.appVersionId"), (reach, None, "from")):
        errors = (await ask(application, text, variables)).errors or ()
        (told,) = masked(errors, correlation_id="c", at_most=10)
        extensions = told["extensions"]
        assert isinstance(extensions, dict)
        assert (extensions["code"], extensions["argument"]) == ("NOT_FOUND", argument)
