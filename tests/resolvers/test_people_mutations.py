"""People, programs and what they hold, through the schema: what is answered once, never, and to whom."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from access.changes import create_token
from access.links import redeem_link
from access.viewer import Viewer, now_ms, viewer_of
from graph.edit import Edit
from graph.kinds import Role, RoleBinding, Tenant, User
from graph.request import Request
from graph.store import RecordPage
from server.app import Application
from worldkit.running import application_in, data

REQUEST = Request(author="test", action="test")
ERROR = "... on Error { code message remedy path }"
MARKER = "s3cr3t-marker-value"
PASSWORD = "correct horse battery staple"


@pytest.fixture
async def application(tmp_path: Path) -> AsyncIterator[Application]:
    async with application_in(tmp_path) as made:
        yield made


async def ask(application: Application, field: str, answer: str, given: dict[str, Any], **how: Any) -> Any:
    name = f"{field[0].upper()}{field[1:]}"
    text = f"""mutation($input: {name}Input!) {{ done: {field}(input: $input) {{
      __typename ... on {name}Payload {{ {answer} }} {ERROR} }} }}"""
    return (await data(application, text, {"input": given}, **how))["done"]


async def change(application: Application, function: Any) -> Any:
    return (await application.ledger.commit(function, REQUEST)).value


async def admin_of(application: Application, tenant_id: str | None, *, name: str, role: Role) -> Viewer:
    def make(edit: Edit) -> str:
        made = edit.create(User, name=name)
        edit.create(RoleBinding, subject_id=made.id, role=role, tenant_id=tenant_id)
        return made.id

    found = viewer_of(application.ledger.view, await change(application, make))
    assert found is not None
    return found


async def everything_kept(application: Application) -> str:
    """What the log, the audit and the view hold, as one text."""
    commits = await application.ledger.store.commits_after(0)
    records = await application.ledger.store.records(RecordPage(collection="audit", limit=1_000))
    view = application.ledger.view
    entities = [view.get(one) for kind in ("User", "Secret", "ApiToken", "ServiceAccount") for one in view.ids(kind)]
    return f"{commits} {[bytes(one.body) for one in records]} {entities}"


async def test_a_secrets_values_are_set_and_never_shown(application: Application) -> None:
    shown = "secret { id name keys version labels { key } tenant { id } }"
    values = [{"key": "b", "value": MARKER}, {"key": "a", "value": f"{MARKER}-2"}]
    made = await ask(application, "createSecret", shown, {"name": "kube", "values": values, "idempotencyKey": "k"})
    assert made["secret"]["keys"] == ["a", "b"]
    assert made["secret"]["version"] == 1
    again = await ask(application, "createSecret", shown, {"name": "kube", "values": values, "idempotencyKey": "k"})
    assert again == made
    secret_id = made["secret"]["id"]
    changed = await ask(application, "updateSecret", shown, {"id": secret_id, "displayName": "Kube"})
    assert changed["secret"]["version"] == 1, "what is not given stays"
    changed = await ask(
        application, "updateSecret", shown, {"id": secret_id, "values": [{"key": "c", "value": MARKER}]}
    )
    assert (changed["secret"]["keys"], changed["secret"]["version"]) == (["c"], 2)
    twice = await ask(application, "updateSecret", shown, {"id": secret_id, "values": [values[0], values[0]]})
    assert (twice["code"], twice["path"]) == ("INVALID_INPUT", "input.values[1].key")
    for text in (json.dumps([made, again, changed, twice]), await everything_kept(application)):
        assert MARKER not in text
    gone = await ask(application, "deleteSecret", "deletedIds", {"id": secret_id})
    assert gone["deletedIds"] == [secret_id]
    assert await application.ledger.store.private(f"secret:{secret_id}") is None


async def test_a_tokens_text_is_answered_once_and_kept_nowhere(application: Application) -> None:
    tenant = await change(application, lambda edit: edit.create(Tenant, name="t").id)
    shown = "token apiToken { id name role expiresAt owner { id } tenant { id } }"
    account = await ask(application, "createServiceAccount", "serviceAccount { id }", {
        "name": "ci", "tenantId": tenant, "roles": [{"role": "DEVELOPER", "tenantId": tenant}],
    })  # fmt: skip
    given = {
        "name": "deploy",
        "ownerId": account["serviceAccount"]["id"],
        "role": "VIEWER",
        "expiresAt": "2040-01-01T00:00:00.000Z",
        "idempotencyKey": "k",
    }
    made = await ask(application, "createApiToken", shown, given)
    text = made["token"]
    assert len(text) > 20
    assert made["apiToken"]["expiresAt"] == "2040-01-01T00:00:00.000Z"
    assert made["apiToken"]["role"] == "VIEWER"
    again = await ask(application, "createApiToken", shown, given)
    assert again == {**made, "token": None}
    assert text not in await everything_kept(application)
    listed = await data(application, "{ apiTokens { nodes { id name } } }")
    assert [one["id"] for one in listed["apiTokens"]["nodes"]] == [made["apiToken"]["id"]]
    gone = await ask(application, "deleteApiToken", "deletedIds", {"id": made["apiToken"]["id"]})
    assert gone["__typename"] == "DeleteApiTokenPayload"
    taken = await ask(application, "createApiToken", shown, {**given, "idempotencyKey": None, "ownerId": tenant})
    assert taken["code"] == "NOT_FOUND"


async def test_a_user_is_made_with_its_roles_and_its_password_is_nowhere(application: Application) -> None:
    shown = "user { id name email disabled }"
    given = {
        "name": "ann",
        "email": "ann@example.org",
        "password": PASSWORD,
        "roles": [{"role": "VIEWER"}],
        "idempotencyKey": "k",
    }
    made = await ask(application, "createUser", shown, given)
    assert made["user"]["name"] == "ann"
    assert await ask(application, "createUser", shown, given) == made
    user_id = made["user"]["id"]
    (binding,) = application.ledger.view.ids("RoleBinding", "subject_id", user_id)
    assert PASSWORD not in await everything_kept(application)
    weak = await ask(application, "createUser", shown, {"name": "bob", "password": "short"})
    assert (weak["code"], weak["path"]) == ("INVALID_INPUT", "input.password")
    assert "short" not in json.dumps(weak)
    disabled = await ask(application, "updateUser", shown, {"id": user_id, "disabled": True})
    assert disabled["user"]["disabled"] is True
    unbound = await ask(application, "deleteRoleBinding", "deletedIds", {"id": binding})
    assert unbound["deletedIds"] == [binding]
    gone = await ask(application, "deleteUser", "deletedIds", {"id": user_id})
    assert gone["deletedIds"] == [user_id]


async def test_a_role_is_bound_once_and_seen_by_whom_it_concerns(application: Application) -> None:
    tenant = await change(application, lambda edit: edit.create(Tenant, name="t").id)
    tina = await admin_of(application, tenant, name="tina", role=Role.TENANT_ADMIN)
    user = await ask(
        application,
        "createUser",
        "user { id }",
        {"name": "ann", "roles": [{"role": "VIEWER", "tenantId": tenant}]},
        viewer=tina,
    )
    shown = "roleBinding { id role subject { id } tenant { id } }"
    given = {"subjectId": user["user"]["id"], "role": "DEVELOPER", "tenantId": tenant}
    bound = await ask(application, "createRoleBinding", shown, given, viewer=tina)
    assert bound["roleBinding"]["role"] == "DEVELOPER"
    assert bound["roleBinding"]["tenant"] == {"id": tenant}
    # What tina may not herself she cannot give, here or everywhere.
    for more in ({"role": "ADMIN"}, {"role": "OPERATOR"}, {"tenantId": None}):
        refused = await ask(application, "createRoleBinding", shown, {**given, **more}, viewer=tina)
        assert refused["code"] == "FORBIDDEN", more
    assert application.ledger.view.count("RoleBinding", "subject_id", user["user"]["id"]) == 2


async def test_a_key_is_the_callers_own(application: Application) -> None:
    ann = await admin_of(application, None, name="ann", role=Role.ADMIN)
    bob = await admin_of(application, None, name="bob", role=Role.ADMIN)
    shown = "region { id name }"
    first = await ask(application, "createRegion", shown, {"name": "a", "idempotencyKey": "k"}, viewer=ann)
    other = await ask(application, "createRegion", shown, {"name": "b", "idempotencyKey": "k"}, viewer=bob)
    assert other["__typename"] == "CreateRegionPayload"
    assert other["region"]["id"] != first["region"]["id"]


async def test_a_repeated_answer_is_not_told_to_whom_may_not_see_it_any_more(application: Application) -> None:
    tenant = await change(application, lambda edit: edit.create(Tenant, name="t").id)
    ann = await admin_of(application, tenant, name="ann", role=Role.DEVELOPER)
    given = {"name": "shop", "tenantId": tenant, "idempotencyKey": "k"}
    shown = "app { id name }"
    made = await ask(application, "createApp", shown, given, viewer=ann)
    assert await ask(application, "createApp", shown, given, viewer=ann) == made
    (binding,) = application.ledger.view.ids("RoleBinding", "subject_id", ann.id)
    found = application.ledger.view.get(binding)
    assert found is not None
    await change(application, lambda edit: edit.delete(found))
    late = viewer_of(application.ledger.view, ann.id)
    assert late is not None
    refused = await ask(application, "createApp", shown, given, viewer=late)
    assert refused["code"] == "FORBIDDEN"
    assert "shop" not in json.dumps(refused)
    # And a right that went while the request was under way does not count either.
    refused = await ask(application, "createApp", shown, {"name": "late", "tenantId": tenant}, viewer=ann)
    assert refused["code"] in ("FORBIDDEN", "NOT_FOUND")
    assert application.ledger.view.count("App") == 1


async def test_a_sign_in_link_works_once_and_is_kept_nowhere(application: Application) -> None:
    user = await ask(application, "createUser", "user { id }", {"name": "ann"})
    boss = await admin_of(application, None, name="boss", role=Role.ADMIN)
    given = {"userId": user["user"]["id"]}
    made = await ask(application, "createSignInLink", "user { name } link expiresAt revision", given, viewer=boss)
    assert made["user"] == {"name": "ann"}
    assert made["link"].startswith("/auth/link?token="), "this server was not told where browsers reach it"
    token = made["link"].partition("token=")[2]
    kept = await everything_kept(application)
    assert token not in kept
    records = await application.ledger.store.records(RecordPage(collection="audit", subject_id=given["userId"]))
    audited = [json.loads(bytes(one.body)) for one in records]
    assert ("createSignInLink", boss.id) in [(one["action"], one["author"]) for one in audited]
    store, view = application.ledger.store, application.ledger.view
    found = await redeem_link(store, view, token, now=now_ms())
    assert found is not None
    assert found.name == "ann"
    assert await redeem_link(store, view, token, now=now_ms()) is None

    again = await ask(application, "createSignInLink", "link", given, viewer=boss)
    ended = await ask(application, "endSessions", "user { id }", given, viewer=boss)
    assert ended["user"]["id"] == given["userId"]
    assert await redeem_link(store, view, again["link"].partition("token=")[2], now=now_ms()) is None
    await ask(application, "updateUser", "user { id }", {"id": given["userId"], "disabled": True})
    refused = await ask(application, "createSignInLink", "link", given, viewer=boss)
    assert (refused["code"], refused["path"]) == ("INVALID_STATE", "input.userId")


async def test_links_are_absolute_where_the_server_was_told_its_address(tmp_path: Path) -> None:
    async with application_in(tmp_path, public_url="https://atlas.example") as application:
        user = await ask(application, "createUser", "user { id }", {"name": "ann"})
        made = await ask(application, "createSignInLink", "link", {"userId": user["user"]["id"]})
        assert made["link"].startswith("https://atlas.example/auth/link?token=")


async def test_a_link_is_made_by_who_may_act_as_that_person_and_by_nobody_else(application: Application) -> None:
    tenant = await change(application, lambda edit: edit.create(Tenant, name="t").id)
    other = await change(application, lambda edit: edit.create(Tenant, name="other").id)
    tina = await admin_of(application, tenant, name="tina", role=Role.TENANT_ADMIN)
    ann = await admin_of(application, tenant, name="ann", role=Role.DEVELOPER)
    boss = await admin_of(application, None, name="boss", role=Role.ADMIN)
    stranger = await admin_of(application, other, name="stranger", role=Role.DEVELOPER)
    both = await admin_of(application, tenant, name="both", role=Role.VIEWER)
    await change(
        application, lambda edit: edit.create(RoleBinding, subject_id=both.id, role=Role.VIEWER, tenant_id=other)
    )

    def narrowed(edit: Edit) -> Viewer:
        token = create_token(edit, boss, name="narrow", role=Role.TENANT_ADMIN)[0]
        found = viewer_of(edit, boss.id, token=token)
        assert found is not None
        return found

    narrow = await change(application, narrowed)
    for viewer, whom, code in (
        (tina, ann, None),
        (tina, tina, None),
        (boss, tina, None),
        (tina, boss, "NOT_FOUND"),
        (tina, stranger, "NOT_FOUND"),
        (tina, both, "FORBIDDEN"),
        (ann, ann, "FORBIDDEN"),
        (ann, tina, "NOT_FOUND"),
        (narrow, boss, "FORBIDDEN"),
    ):
        made = await ask(application, "createSignInLink", "link", {"userId": whom.id}, viewer=viewer)
        assert made.get("code") == code, (viewer.name, whom.name, made)
        assert ("link" in made) is (code is None)
