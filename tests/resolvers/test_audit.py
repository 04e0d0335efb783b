"""Whose audit a request belongs to: a tenant's auditors read what was tried in it, granted or refused, and nobody else's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from access.viewer import SYSTEM, Viewer
from graph.kinds import Role
from server.app import Application
from worldkit.questions import OTHER
from worldkit.running import application_in, data
from worldkit.two_tenants import MARKERS, World, two_tenants, wish_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
LOG = """query($filter: AuditEntryFilter, $last: Int) { auditLog(filter: $filter, first: $last) { nodes {
  action outcome code path tenant { id } subjectId count changeCount changes { entityId change } } } }"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> Any:
    async with application_in(Path(tmp_path_factory.mktemp("audit"))) as application:
        yield application, await two_tenants(application)


async def mutate(application: Application, name: str, given: dict[str, Any], viewer: Viewer) -> dict[str, Any]:
    kind = name[0].upper() + name[1:]
    text = f"mutation($input: {kind}Input!) {{ {name}(input: $input) {{ __typename ... on Error {{ code }} }} }}"
    answer: dict[str, Any] = (await data(application, text, {"input": given}, viewer=viewer))[name]
    return answer


async def audited(application: Application, viewer: Viewer, **filter: Any) -> list[dict[str, Any]]:
    """What the audit tells a viewer, with what waits to be written."""
    assert application.services.refusals is not None
    await application.services.refusals.write()
    found = await data(application, LOG, {"filter": filter or None, "last": 200}, viewer=viewer)
    nodes: list[dict[str, Any]] = found["auditLog"]["nodes"]
    return nodes


def refused_requests(application: Application, made: World) -> list[tuple[str, dict[str, Any], str, str | None]]:
    """What a's members ask and are refused: the action, the input, the code, and the subject that is audited."""
    ours, theirs, shared = made.ids["a"], made.ids["b"], made.shared_site
    tenant = made.tenants["a"]
    return [
        ("cordon", {"id": shared}, "FORBIDDEN", shared),
        ("cordon", {"id": ours["Site"][0]}, "FORBIDDEN", ours["Site"][0]),
        ("cordon", {"id": theirs["Site"][0]}, "NOT_FOUND", theirs["Site"][0]),
        ("deleteSite", {"id": shared}, "FORBIDDEN", shared),
        ("deleteApp", {"id": theirs["App"][0]}, "NOT_FOUND", theirs["App"][0]),
        ("createLink", {"fromSiteId": shared, "toSiteId": shared, "latencyMs": 1}, "FORBIDDEN", None),
        ("createApp", {"name": "theirs", "tenantId": made.tenants["b"]}, "NOT_FOUND", None),
        ("createApp", {"name": f"{MARKERS['a']}-app", "tenantId": tenant}, "ALREADY_EXISTS", None),
        ("createComponent", component(ours["AppVersion"][0]), "INVALID_STATE", None),
        ("createUser", {"name": f"{MARKERS['a']}-viewer"}, "FORBIDDEN", None),
        ("deploy", wish_of(application, made, "a", name="big", replicas=500), "UNPLACEABLE", None),
        ("terminateDeployment", {"id": "x" * 5_000}, "NOT_FOUND", None),
    ]


def component(version_id: str) -> dict[str, Any]:
    return {
        "name": f"{MARKERS['a']}-web",
        "appVersionId": version_id,
        "artifact": {"type": "CONTAINER_IMAGE", "reference": "x"},
        "resources": {"cpuMillicores": 1, "memoryBytes": 1},
    }


async def test_what_a_tenants_members_were_refused_is_in_that_tenants_audit(
    world: tuple[Application, World],
) -> None:
    application, made = world
    developer = made.viewers["a", Role.DEVELOPER]
    auditor, other = made.viewers["a", Role.TENANT_ADMIN], made.viewers["b", Role.TENANT_ADMIN]
    asked = refused_requests(application, made)
    for action, given, code, _ in asked:
        assert (await mutate(application, action, given, developer)).get("code") == code, action
    found = (await audited(application, auditor, outcome={"eq": "REFUSED"}, author={"eq": developer.id}))[::-1]
    assert [(one["action"], one["code"], one["subjectId"]) for one in found] == [
        (action, code, subject) for action, _, code, subject in asked
    ]
    assert {one["tenant"]["id"] for one in found} == {made.tenants["a"]}
    assert found[0]["path"] is None or found[0]["path"].startswith("input")
    about = await audited(application, auditor, subjectId={"eq": made.shared_site})
    assert [one["action"] for one in about if one["outcome"] == "REFUSED"] == ["deleteSite", "cordon"]
    # Ids of another tenant that were guessed at show in the audit of who guessed, and not in that tenant's.
    assert await audited(application, other, author={"eq": developer.id}) == []


async def test_an_administrators_refusal_belongs_to_the_tenant_that_it_concerns(
    world: tuple[Application, World],
) -> None:
    application, made = world
    given = {"name": f"{MARKERS['b']}-app", "tenantId": made.tenants["b"]}
    assert (await mutate(application, "createApp", given, SYSTEM))["code"] == "ALREADY_EXISTS"
    assert (await mutate(application, "deleteRegion", {"id": "region_none"}, SYSTEM))["code"] == "NOT_FOUND"
    by_tenant = {
        tenant: [
            (one["action"], one["code"])
            for one in await audited(
                application,
                made.viewers[tenant, Role.TENANT_ADMIN],
                author={"eq": SYSTEM.id},
                outcome={"eq": "REFUSED"},
            )
        ]
        for tenant in "ab"
    }
    assert by_tenant == {"a": [], "b": [("createApp", "ALREADY_EXISTS")]}


@pytest.mark.parametrize("tenant", ["a", "b"])
async def test_making_and_deleting_a_token_of_a_tenants_account_is_in_its_audit(
    world: tuple[Application, World], tenant: str
) -> None:
    application, made = world
    auditor, account = made.viewers[tenant, Role.TENANT_ADMIN], made.ids[tenant]["ServiceAccount"][0]
    given = {"name": "unnarrowed", "ownerId": account}
    assert (await mutate(application, "createApiToken", given, SYSTEM))["__typename"] == "CreateApiTokenPayload"
    view = application.ledger.view
    [token] = [one for one in view.ids("ApiToken", "owner_id", account) if view.get(one).name == "unnarrowed"]
    await mutate(application, "deleteApiToken", {"id": token}, SYSTEM)
    found = await audited(application, auditor, subjectId={"eq": token})
    assert [(one["action"], one["outcome"], one["changes"]) for one in found] == [
        ("deleteApiToken", "COMMITTED", [{"entityId": token, "change": "DELETED"}]),
        ("createApiToken", "COMMITTED", [{"entityId": token, "change": "CREATED"}]),
    ]
    assert await audited(application, made.viewers[OTHER[tenant], Role.TENANT_ADMIN], subjectId={"eq": token}) == []


async def test_refusals_past_the_limit_of_a_minute_are_counted_in_the_tenants_audit(
    world: tuple[Application, World],
) -> None:
    application, made = world
    viewer = made.viewers["b", Role.VIEWER]
    for _ in range(75):
        await mutate(application, "cordon", {"id": made.shared_site}, viewer)
    assert application.services.refusals is not None
    await application.services.refusals.write(everything=True)
    found = await audited(application, made.viewers["b", Role.TENANT_ADMIN], author={"eq": viewer.id})
    assert sum(one["count"] for one in found) == 75
    assert all(one["outcome"] == "REFUSED" for one in found)
