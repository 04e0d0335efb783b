"""Status and waiting as the API shows them."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from graph.edit import Edit
from graph.kinds import Release, Role
from graph.request import Request
from graph.view import each
from lifecycle.awaited import of_deployment
from lifecycle.drift import drifted
from lifecycle.settings import LifecycleSettings
from resolvers.queries import waiting
from resolvers.queries.waiting import WORK_A_LOOK, WORK_A_RELEASE
from schema.work import Work
from worldkit.running import application_in, data
from worldkit.two_tenants import two_tenants, wish_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
STATUS = """query($id: ID!) { deployment(id: $id) { phase possibleVerbs
  status { summary replicas { desired applied ready unknown } components { component replicas { ready } }
           retiringReadyReplicas reasons { code message releases } }
  siteStatuses { totalCount nodes { site { id } releases { desired ready } retiringReadyReplicas unseenSince
                                     reasons { code } } }
  unready: siteStatuses(ready: false) { totalCount nodes { site { id } } }
  releases { nodes { status { ready unseenSince replicas { desired ready } reason { code } } } }
} }"""
WAIT = """query($id: ID!, $until: WaitCondition!, $for: Float!) {
  waitFor(id: $id, until: $until, timeoutSeconds: $for) {
    reached over summary missing { code } deployment { phase } operation { status } } }"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> Any:
    async with application_in(Path(tmp_path_factory.mktemp("status"))) as application:
        yield application, await two_tenants(application)


async def begun(world: Any, name: str) -> dict[str, Any]:
    return await changed(world, "deploy", wish_of(world[0], world[1], "a", name=name, replicas=1))


async def changed(world: Any, name: str, given: dict[str, Any]) -> dict[str, Any]:
    application, made = world
    kind = name[0].upper() + name[1:]
    text = (
        f"mutation($input: {kind}Input!) {{ {name}(input: $input) {{ __typename "
        f"... on {kind}Payload {{ deployment {{ id }} operation {{ id }} }} ... on Error {{ message }} }} }}"
    )
    viewer = made.viewers["a", Role.TENANT_ADMIN]
    answer: dict[str, Any] = (await data(application, text, {"input": given}, viewer=viewer))[name]
    assert answer["__typename"] == f"{kind}Payload", answer
    return answer


async def waited(world: Any, id: str, until: str = "READY", *, for_s: float = 8.0, tenant: str = "a") -> dict[str, Any]:
    application, made = world
    viewer = made.viewers[tenant, Role.TENANT_ADMIN]
    found: dict[str, Any] = await data(application, WAIT, {"id": id, "until": until, "for": for_s}, viewer=viewer)
    return found["waitFor"]


async def until(world: Any, id: str, condition: str) -> dict[str, Any]:
    """Asks again until it is reached, as a script does."""
    for _ in range(8):
        found = await waited(world, id, condition)
        if found["reached"]:
            return found
    raise AssertionError(found)


async def test_a_deployment_tells_what_is_desired_applied_and_ready(world) -> None:
    application, made = world
    deployment_id = (await begun(world, "counted"))["deployment"]["id"]
    await until(world, deployment_id, "READY")
    viewer = made.viewers["a", Role.TENANT_ADMIN]
    found = (await data(application, STATUS, {"id": deployment_id}, viewer=viewer))["deployment"]
    replicas = found["status"]["replicas"]
    assert replicas["desired"] == replicas["applied"] == replicas["ready"] > 0
    assert replicas["unknown"] == 0
    assert found["status"]["retiringReadyReplicas"] == 0
    assert found["status"]["reasons"] == []
    assert found["status"]["summary"] == f"{replicas['ready']} of {replicas['desired']} replicas are ready"
    sites = found["siteStatuses"]["nodes"]
    assert found["siteStatuses"]["totalCount"] == len({one["site"]["id"] for one in sites}) > 0
    assert all(one["releases"]["ready"] == one["releases"]["desired"] for one in sites)
    assert found["unready"] == {"totalCount": 0, "nodes": []}
    assert all(one["status"]["ready"] and one["status"]["reason"] is None for one in found["releases"]["nodes"])
    assert {"UPDATE", "STOP", "PAUSE", "TERMINATE"} <= set(found["possibleVerbs"])
    assert not {"RESUME", "APPROVE"} & set(found["possibleVerbs"])


async def test_a_wait_answers_when_it_is_reached_or_says_what_is_missing(world) -> None:
    made = await begun(world, "awaited")
    deployment_id = made["deployment"]["id"]
    found = await until(world, made["operation"]["id"], "READY")
    assert (found["over"], found["operation"]["status"], found["missing"]) == (True, "SUCCEEDED", [])
    assert (await until(world, deployment_id, "APPLIED"))["deployment"]["phase"] == "READY"
    early = await waited(world, deployment_id, "GONE", for_s=0)
    assert (early["reached"], early["over"]) == (False, False)
    await changed(world, "terminateDeployment", {"id": deployment_id, "delete": True})
    assert (await until(world, deployment_id, "GONE"))["deployment"] is None


async def test_a_wait_that_is_in_vain_is_answered_at_once(world) -> None:
    deployment_id = (await begun(world, "ended"))["deployment"]["id"]
    await changed(world, "terminateDeployment", {"id": deployment_id})
    await until(world, deployment_id, "GONE")
    found = await waited(world, deployment_id, "READY")
    assert (found["reached"], found["over"], found["summary"]) == (False, True, "it is terminated")


EVENTS = """query($deployment: ID!, $release: ID!, $site: ID!) {
  deployment(id: $deployment) { events(filter: {reason: {eq: "Drift"}}) { nodes { message subjectId } } }
  release(id: $release) { events(filter: {reason: {eq: "Drift"}}) { nodes { message subjectId } } }
  site(id: $site) { events(filter: {reason: {eq: "Drift"}}) { nodes { message subjectId } } }
}"""


async def test_drift_is_asked_for_of_a_deployment_a_release_and_a_site_by_its_tenant_alone(world) -> None:
    application, made = world
    deployment_id = (await begun(world, "drifting"))["deployment"]["id"]
    await until(world, deployment_id, "READY")

    def drift(edit: Edit) -> Release:
        here = each(edit, Release, "deployment_id", deployment_id)
        shared = [one for one in here if edit.get(one.site_id).tenant_id is None]
        drifted(edit, shared[0], "has 9 replicas, 1 was applied", remedied="applied", settings=LifecycleSettings())
        return shared[0]

    release = (await application.ledger.commit(drift, Request(author="user_1", action="test"))).value
    ids = {"deployment": deployment_id, "release": release.id, "site": release.site_id}
    found = await data(application, EVENTS, ids, viewer=made.viewers["a", Role.TENANT_ADMIN])
    for name, entity_id in ids.items():
        [event] = found[name]["events"]["nodes"]
        assert event["subjectId"] == entity_id
        assert event["message"].endswith("has 9 replicas, 1 was applied; it is applied again.")
    others = await data(application, EVENTS, ids, viewer=made.viewers["b", Role.TENANT_ADMIN])
    assert others == {"deployment": None, "release": None, "site": {"events": {"nodes": []}}}


async def test_a_stopped_deployment_has_nothing_of_nothing_and_may_be_resumed(world) -> None:
    application, made = world
    deployment_id = (await begun(world, "halted"))["deployment"]["id"]
    await until(world, deployment_id, "READY")
    stopped = await changed(world, "stopDeployment", {"id": deployment_id})
    await until(world, stopped["operation"]["id"], "READY")
    viewer = made.viewers["a", Role.TENANT_ADMIN]
    found = (await data(application, STATUS, {"id": deployment_id}, viewer=viewer))["deployment"]
    assert found["status"]["summary"] == "0 of 0 replicas are ready: it is stopped: none of its replicas is to run"
    assert [one["code"] for one in found["status"]["reasons"]] == ["STOPPED"]
    assert "RESUME" in found["possibleVerbs"]
    assert "STOP" not in found["possibleVerbs"]


async def test_a_wait_ends_with_its_time(world) -> None:
    deployment_id = (await begun(world, "patient"))["deployment"]["id"]
    began = time.monotonic()
    found = await waited(world, deployment_id, "GONE", for_s=0.2)
    assert not found["reached"]
    assert time.monotonic() - began >= 0.2


async def test_waits_are_paid_for_out_of_the_requests_budget(world, monkeypatch) -> None:
    application, made = world
    deployment_id = (await begun(world, "paid"))["deployment"]["id"]
    await until(world, deployment_id, "APPLIED")
    cost = WORK_A_LOOK + WORK_A_RELEASE * application.ledger.view.count("Release", "deployment_id", deployment_id)
    assert cost > WORK_A_LOOK
    aliases = " ".join(
        f"w{number}: waitFor(id: $id, until: APPLIED, timeoutSeconds: 0) {{ reached }}" for number in range(4)
    )
    viewer = made.viewers["a", Role.TENANT_ADMIN]
    for least, enough in ((4 * cost, True), (4 * cost - 1, False)):
        monkeypatch.setattr("resolvers.context.Work", partial(Work, least))
        asked = data(application, f"query($id: ID!) {{ {aliases} }}", {"id": deployment_id}, viewer=viewer)
        if enough:
            assert (await asked)["w3"] == {"reached": True}
        else:
            with pytest.raises(AssertionError, match="would look at too much"):
                await asked


async def test_a_wait_that_has_no_budget_for_another_look_says_how_it_stands(world, monkeypatch) -> None:
    deployment_id = (await begun(world, "poor"))["deployment"]["id"]
    monkeypatch.setattr("resolvers.context.Work", partial(Work, 2 * WORK_A_LOOK + 1))
    looks = []
    monkeypatch.setattr(waiting, "of_deployment", lambda *given: looks.append(1) or of_deployment(*given))
    found = await waited(world, deployment_id, "GONE", for_s=0.5)
    assert (found["reached"], found["over"]) == (False, False)
    assert len(looks) <= 2


@pytest.mark.parametrize("until_", ["READY", "APPLIED"])
async def test_a_wait_does_not_tell_of_what_is_anothers(world, until_) -> None:
    application, made = world
    text = WAIT
    given = {"id": made.ids["b"]["Deployment"][0], "until": until_, "for": 0.0}
    with pytest.raises(AssertionError, match="there is no deployment"):
        await data(application, text, given, viewer=made.viewers["a", Role.TENANT_ADMIN])


async def test_a_wait_for_something_else_is_refused(world) -> None:
    application, made = world
    given = {"id": made.ids["a"]["Site"][0], "until": "READY", "for": 0.0}
    with pytest.raises(AssertionError, match="no deployment or operation"):
        await data(application, WAIT, given, viewer=made.viewers["a", Role.TENANT_ADMIN])
