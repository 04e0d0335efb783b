"""What documents say of where a deployment runs: refused with its field if it cannot be meant; what waits says why."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from graph.kinds import Deployment, DeploymentPhase, OperationKind
from lifecycle.deployments import deploy
from lifecycle.standings import in_words, status_of
from lifecycle.wishes import Wish
from lifecyclekit.declared import WORLD, sent, wanted
from lifecyclekit.edge import Edge, everything
from placement import compiled
from server.app import Application
from worldkit.running import application_in, data

BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"sites": {"labels": "a in b"}}, "spec.policy.sites.labels"),
    ({"groups": [{}]}, "spec.policy.groups[0]"),
    ({"minSites": 2, "maxSites": 1}, "spec.policy.maxSites"),
    ({"components": [{"component": "nope"}]}, "spec.policy.components[0].component"),
    ({"sites": {"polygon": [[{"longitude": 1, "latitude": 1}]]}}, "spec.policy.sites.polygon[0]"),
    ({"sites": {"tiers": ["COSMIC"]}}, "spec.policy.sites.tiers[0]"),
    ({"near": [{"siteId": "one"}]}, "spec.policy.near[0]"),
    ({"affinity": [{}]}, "spec.policy.affinity[0]"),
    ({"latency": [{"place": {}, "withinMs": 3}]}, "spec.policy.latency[0].place"),
    ({"coverage": [{}]}, "spec.policy.coverage[0]"),
    ({"spread": [{"by": "LABEL"}]}, "spec.policy.spread[0]"),
    ({"objective": [[]]}, "spec.policy.objective[0]"),
    ({"pinnedSiteIds": ["one"], "sites": {"excludedSiteIds": ["one"]}}, "spec.policy.pinnedSiteIds[0]"),
    ({"division": {"mode": "DEMAND"}}, "spec.policy.division.mode"),
]
DECISION = """{ deployments { nodes { name phase message
  decision { feasible status lookedAt conflicts { rule message } refusals { totalCount } } } } }"""


@pytest_asyncio.fixture
async def application(tmp_path: Path) -> Any:
    async with application_in(tmp_path) as made:
        yield made


def refusals(answer: dict[str, Any]) -> list[dict[str, Any]]:
    assert not answer["applied"], answer
    return [one["error"] for one in answer["results"] if one["action"] == "REFUSED"]


async def shown(application: Application) -> dict[str, Any]:
    [found] = (await data(application, DECISION))["deployments"]["nodes"]
    return dict(found)


async def until(application: Application, what: Any) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while not what(found := await shown(application)):
            await asyncio.sleep(0.05)
    return found


@pytest.mark.asyncio
async def test_a_policy_that_contradicts_itself_is_refused_with_its_field_whatever_becomes_of_the_deployment(
    application: Application,
) -> None:
    """New, waiting, and running."""
    for good, phase in (({"minSites": 9}, "PENDING_PLACEMENT"), ({"minSites": 1, "maxSites": 1}, "READY")):
        for policy, path in BROKEN:
            [error] = refusals(await sent(application, WORLD + wanted("live", policy=policy)))
            assert error["path"].split(": ")[-1].startswith(path), (policy, error)
            assert error["remedy"], policy
        assert (await sent(application, WORLD + wanted("live", policy=good)))["applied"]
        await until(application, lambda found, phase=phase: found["phase"] == phase)
    for policy, path in BROKEN:
        [error] = refusals(await sent(application, WORLD + wanted("live", policy=policy)))
        assert error["path"].split(": ")[-1].startswith(path), (policy, error)


@pytest.mark.asyncio
async def test_what_comes_with_the_set_can_be_named_by_its_policy(application: Application) -> None:
    policy = {"pinnedSiteIds": ["two"], "sites": {"regionIds": ["north"]}, "affinity": [{"appIds": ["t/shop"]}]}
    told = await sent(application, WORLD + wanted("live", policy=policy))
    assert told["applied"], told
    found = await until(application, lambda found: found["decision"] is not None)
    assert "affinity refuses 2" in found["message"]


@pytest.mark.asyncio
async def test_one_that_waits_says_why_site_by_site_and_says_so_anew_when_that_changes(
    application: Application,
) -> None:
    def waiting(least: int, **more: Any) -> str:
        return WORLD + wanted("live", policy={"minSites": least}, **more)

    assert (await sent(application, waiting(3)))["applied"]
    found = await until(application, lambda found: found["decision"] is not None)
    assert found["phase"] == "PENDING_PLACEMENT"
    assert found["message"] == "it cannot be placed: at least 3 sites are wanted; 2 sites pass every rule"
    decision = found["decision"]
    assert (decision["feasible"], decision["status"], decision["lookedAt"]) == (False, "INFEASIBLE", 2)
    assert [one["rule"] for one in decision["conflicts"]] == ["min_sites"]
    assert decision["refusals"]["totalCount"] == 2
    assert (await sent(application, waiting(1, replicas={"web": 900})))["applied"]
    found = await until(application, lambda found: "capacity" in str(found["message"]))
    assert [one["rule"] for one in found["decision"]["conflicts"]] == ["no_site"]
    assert (await sent(application, waiting(2, replicas={"web": 1})))["applied"]
    found = await until(application, lambda found: found["phase"] == "READY")
    assert (found["message"], found["decision"]["status"]) == (None, "FEASIBLE")


@pytest.mark.parametrize(
    ("compiling", "told"),
    [
        (False, "it has not been placed yet"),
        (
            True,
            "it has not been placed yet: what places it is being compiled, as after the first start of a version",
        ),
    ],
)
async def test_one_that_was_not_decided_yet_has_no_decision_and_says_what_it_waits_for(
    edges: Any, monkeypatch: pytest.MonkeyPatch, compiling: bool, told: str
) -> None:
    monkeypatch.setattr(compiled, "_compiling", compiling)
    async with edges(running=False) as edge:
        await edge.network()
        await edge.version()
        wish: Wish = edge.wish("later")
        started = await edge.change(
            lambda edit: deploy(edit, wish, None, visible=everything, author="user_test", wait=True)
        )
        deployment: Deployment = edge.deployment(started.deployment.id)
        assert (deployment.phase, deployment.decision_id) == (DeploymentPhase.PENDING_PLACEMENT, None)
        assert deployment.message == told
        assert in_words(status_of(deployment, [], {})) == f"0 of 0 replicas are ready: {told}"
        assert started.operation.kind is OperationKind.DEPLOY


async def test_why_it_waits_is_written_once_and_not_with_every_try(edge: Edge) -> None:
    await edge.network(sites=2)
    await edge.version()
    wish = edge.wish("later", replicas={"web": 500})
    started = await edge.change(
        lambda edit: deploy(edit, wish, None, visible=everything, author="user_test", wait=True)
    )
    deployment_id = started.deployment.id
    first = await edge.until(lambda: edge.deployment(deployment_id).decision_id, what="the decision")
    for number in range(4):
        site = edge.site_ids[number % 2]
        named = {"display_name": f"{number}"}
        await edge.change(lambda edit, at=site, named=named: edit.replace(edit.get(at), **named))
        await asyncio.sleep(0.1)
    assert edge.deployment(deployment_id).decision_id == first
    assert [one.reason for one in await edge.events(deployment_id)].count("NotPlaced") == 1
