"""`applyDocuments` through the schema: what it answers, to whom, and that a repeated key repeats its answer."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from access.viewer import Viewer, viewer_of
from graph.edit import Edit
from graph.entity import Source, SourceKind
from graph.kinds import App, Region, Role, RoleBinding, Site, Tenant, User
from graph.request import Request
from server.app import Application
from worldkit.running import application_in, data

REQUEST = Request(author="test", action="test")
APPLY = """mutation($input: ApplyDocumentsInput!) { done: applyDocuments(input: $input) {
  __typename
  ... on ApplyDocumentsPayload {
    applied created updated unchanged deleted refused revision
    results { kind name where action id changed error { __typename code message remedy path
      ... on InUse { dependentCount dependents { id } } ... on AlreadyExists { existing { id } } } }
    operation { id status }
  }
  ... on Error { code message remedy path }
} }"""
SET = """
kind: Region
metadata: {name: münchen, labels: {zone: west}}
---
kind: Site
metadata: {name: s1}
spec: {region: münchen, tier: METRO}
"""


@pytest.fixture
async def application(tmp_path: Path) -> AsyncIterator[Application]:
    async with application_in(tmp_path) as made:
        yield made


async def apply(application: Application, content: str, *, viewer: Viewer | None = None, **given: Any) -> Any:
    more = {} if viewer is None else {"viewer": viewer}
    variables = {"input": {"content": content, "name": "main", **given}}
    return (await data(application, APPLY, variables, **more))["done"]


async def change(application: Application, function: Any) -> Any:
    return (await application.ledger.commit(function, REQUEST)).value


async def user(application: Application, name: str, role: Role, tenant_id: str | None) -> Viewer:
    def make(edit: Edit) -> str:
        made = edit.create(User, name=name)
        edit.create(RoleBinding, subject_id=made.id, role=role, tenant_id=tenant_id)
        return made.id

    found = viewer_of(application.ledger.view, await change(application, make))
    assert found is not None
    return found


def counts(answer: Any) -> tuple[int, int, int, int, int]:
    return tuple(answer[one] for one in ("created", "updated", "unchanged", "deleted", "refused"))


async def test_a_set_is_applied_and_told_document_by_document(application: Application) -> None:
    first = await apply(application, SET)
    assert (first["applied"], counts(first), first["operation"]) == (True, (2, 0, 0, 0, 0), None)
    assert [(one["kind"], one["name"], one["where"], one["action"]) for one in first["results"]] == [
        ("Region", "münchen", "document:2", "CREATED"),
        ("Site", "s1", "document:5", "CREATED"),
    ]
    site = application.ledger.view.find("Site", "s1")
    assert isinstance(site, Site)
    assert first["results"][1]["id"] == site.id
    assert site.source == Source(SourceKind.DOCUMENTS, "main")
    assert first["revision"] == site.revision
    again = await apply(application, SET, prune=True)
    assert counts(again) == (0, 0, 2, 0, 0)
    changed = await apply(application, SET.replace("METRO", "DISTRICT"))
    told = changed["results"][0]
    assert (told["name"], told["action"], told["changed"]) == ("s1", "UPDATED", ["tier"])
    gone = await apply(application, "", prune=True, allowEmpty=True)
    assert counts(gone) == (0, 0, 0, 2, 0)
    assert application.ledger.view.count("Site") == 0


async def test_a_dry_run_changes_nothing_and_says_the_same(application: Application) -> None:
    revision = application.ledger.view.revision
    dry = await apply(application, SET, dryRun=True)
    assert (dry["applied"], counts(dry)) == (False, (2, 0, 0, 0, 0))
    assert application.ledger.view.revision == revision
    assert counts(await apply(application, SET)) == counts(dry)


async def test_refused_documents_come_first_with_their_reasons_and_nothing_is_applied(application: Application) -> None:
    answer = await apply(application, SET + "---\nkind: Site\nmetadata: {name: s2}\nspec: {region: nowhere}\n")
    assert (answer["applied"], counts(answer)) == (False, (2, 0, 0, 0, 1))
    first = answer["results"][0]
    assert (first["action"], first["name"], first["id"]) == ("REFUSED", "s2", None)
    assert first["error"]["__typename"] == "NotFound"
    assert first["error"]["path"] == "document:9: spec.region"
    assert first["error"]["remedy"]
    assert application.ledger.view.count("Region") == 0


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"content": "kind: [", "name": "main"}, "INVALID_INPUT"),
        ({"content": "kind: Pod", "name": "main"}, "INVALID_INPUT"),
        ({"content": "{", "name": "main"}, "INVALID_INPUT"),
        ({"content": SET, "name": "  "}, "INVALID_INPUT"),
        ({"content": SET, "name": "main", "sourceKind": "USER"}, "INVALID_INPUT"),
        ({"content": SET, "name": "main", "sourceKind": "SYSTEM"}, "INVALID_INPUT"),
        ({"content": SET, "name": "main", "idempotencyKey": ""}, "INVALID_INPUT"),
    ],
)
async def test_what_is_no_set_is_refused_as_a_whole(application: Application, given: Any, code: str) -> None:
    answer = (await data(application, APPLY, {"input": given}))["done"]
    assert answer["code"] == code
    assert answer["path"]
    assert answer["remedy"]
    assert application.ledger.view.count("Region") == 0


async def test_the_same_key_repeats_the_answer_and_another_body_is_refused(application: Application) -> None:
    first = await apply(application, SET, idempotencyKey="k")
    await apply(application, "", prune=True, allowEmpty=True)
    assert await apply(application, SET, idempotencyKey="k") == first
    assert application.ledger.view.count("Site") == 0
    other = await apply(application, SET, idempotencyKey="k", prune=True)
    assert (other["code"], other["path"]) == ("IDEMPOTENCY_MISMATCH", "input.idempotencyKey")


async def test_what_a_tenant_may_not_see_is_in_no_result(application: Application) -> None:
    def make(edit: Edit) -> tuple[str, str, str]:
        mine, theirs = edit.create(Tenant, name="mine"), edit.create(Tenant, name="theirs-marker")
        region = edit.create(Region, name="shared", source=Source(SourceKind.DOCUMENTS, "main"))
        private = edit.create(Region, name="hidden-marker", tenant_id=theirs.id, parent_id=region.id)
        edit.create(App, name="app-marker", tenant_id=theirs.id, source=Source(SourceKind.DOCUMENTS, "main"))
        return mine.id, theirs.id, private.id

    mine, theirs, private = await change(application, make)
    ann = await user(application, "ann", Role.DEVELOPER, mine)
    text = "\n---\n".join(
        [
            "kind: App\nmetadata: {name: a, tenant: theirs-marker}",
            f"kind: App\nmetadata: {{name: b, tenant: {theirs}}}",
            "kind: AppVersion\nmetadata: {name: '1'}\nspec: {app: theirs-marker/app-marker}",
            "kind: Region\nmetadata: {name: x}",
            "kind: App\nmetadata: {name: fine, tenant: mine}",
        ]
    )
    answer = await apply(application, text, viewer=ann)
    assert {one["name"]: one["error"] and one["error"]["__typename"] for one in answer["results"]} == {
        "a": "NotFound",
        "b": "NotFound",
        "1": "NotFound",
        "x": "Forbidden",
        "fine": None,
    }
    for one in answer["results"]:
        if one["error"] is not None:
            assert "marker" not in json.dumps({key: one["error"][key] for key in ("remedy", "__typename")})
    operator = await user(application, "olga", Role.OPERATOR, None)
    # Whoever prunes is told of what depends on a thing only as far as it sees it.
    tenant_admin = await user(application, "tina", Role.TENANT_ADMIN, mine)
    for viewer in (ann, tenant_admin):
        answer = await apply(application, "", viewer=viewer, prune=True, allowEmpty=True)
        assert private not in json.dumps(answer)
        assert "hidden-marker" not in json.dumps(answer)
        assert "app-marker" not in json.dumps(answer)
    answer = await apply(application, "", viewer=operator, prune=True, dryRun=True)
    assert private in json.dumps(answer)


async def test_results_are_bounded_and_the_counts_are_not(application: Application) -> None:
    many = "\n---\n".join(f"kind: Region\nmetadata: {{name: r{n}}}" for n in range(2_100))
    answer = await apply(application, many)
    assert counts(answer) == (2_100, 0, 0, 0, 0)
    assert len(answer["results"]) == 2_000


async def test_a_set_is_its_tenants_or_the_installations_and_each_prunes_its_own(application: Application) -> None:
    def make(edit: Edit) -> tuple[str, str]:
        return edit.create(Tenant, name="mine").id, edit.create(Tenant, name="theirs").id

    mine, theirs = await change(application, make)
    ann = await user(application, "ann", Role.DEVELOPER, mine)
    bob = await user(application, "bob", Role.DEVELOPER, theirs)
    app = "kind: App\nmetadata: {name: a}"
    for viewer in (ann, bob):
        assert counts(await apply(application, app, viewer=viewer))[0] == 1
    assert counts(await apply(application, SET))[0] == 2
    other = app.replace("a}", "b}")
    assert counts(await apply(application, other, viewer=ann, prune=True)) == (1, 0, 0, 1, 0)
    assert counts(await apply(application, "kind: Region\nmetadata: {name: münchen}", prune=True)) == (0, 0, 1, 1, 0)
    assert application.ledger.view.count("App") == 2
    assert counts(await apply(application, "", prune=True, allowEmpty=True, tenantId=theirs)) == (0, 0, 0, 1, 0)
    missing = await apply(application, app, viewer=ann, tenantId=theirs)
    assert (missing["code"], missing["path"]) == ("NOT_FOUND", "input.tenantId")


async def test_an_empty_set_is_pruned_only_when_that_is_said(application: Application) -> None:
    await apply(application, SET)
    for nothing in ("", "---\n---\n", "# nothing\n", "[]", '{"kind": "List", "items": []}'):
        answer = await apply(application, nothing, prune=True)
        assert (answer["__typename"], answer["path"]) == ("InvalidInput", "input.allowEmpty")
        assert "allowEmpty: true" in answer["remedy"]
        assert counts(await apply(application, nothing, prune=True, dryRun=True)) == (0, 0, 0, 2, 0)
    assert application.ledger.view.count("Site") == 1


@pytest.mark.parametrize(
    ("spec", "kind", "path"),
    [
        ("driver: kubernets, sites: [s1]", "UnknownDriver", "spec.driver"),
        ("driver: simulated, configuration: {colour: hunter2}", "InvalidConfiguration", "spec.configuration.colour"),
    ],
)
async def test_a_cluster_is_checked_by_its_driver_as_when_it_is_made_by_itself(
    application: Application, spec: str, kind: str, path: str
) -> None:
    answer = await apply(application, f"{SET}---\nkind: Cluster\nmetadata: {{name: c}}\nspec: {{{spec}}}\n")
    assert not answer["applied"]
    error = answer["results"][0]["error"]
    assert (error["__typename"], error["path"]) == (kind, f"document:9: {path}")
    assert "hunter2" not in json.dumps(error)
    good = f"{SET}---\nkind: Cluster\nmetadata: {{name: c}}\nspec: {{driver: simulated, configuration: {{seed: 1}}}}\n"
    assert (await apply(application, good))["applied"]
    bad = await apply(application, good.replace("seed: 1", "seed: x"))
    assert bad["results"][0]["error"]["__typename"] == "InvalidConfiguration"
