"""Profiles, overrides and dependencies out of documents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from graph.kinds import Component, Dependency, DependencyScope, Deployment, DeploymentPhase, Profile, Release
from graph.view import each, get_as
from lifecycle.effective import effective_of
from lifecyclekit.declared import WORLD, applied, reached, sent, wanted
from worldkit.running import application_in

PROFILED = """
---
kind: Profile
metadata: {name: large}
spec: {appVersion: t/shop/1, values: {web: {size: L}}}
---
kind: Component
metadata: {name: db}
spec:
  appVersion: t/shop/1
  artifact: {type: CONTAINER_IMAGE, reference: db}
  resources: {cpuMillicores: 100, memoryBytes: 1000000}
  dependencies: [{component: web, scope: EVERYWHERE, waitSeconds: 1}]
"""


async def test_documents_name_profiles_sites_and_dependencies_and_say_the_same_twice(tmp_path: Path) -> None:
    overrides: list[dict[str, Any]] = [
        {"component": "web", "document": "siteIds: [one]\n"},
        {"component": "web", "path": "at", "value": {"siteIds": ["x"]}, "siteIds": ["one", "two"]},
    ]
    named = wanted("shop", profile="t/shop/1/large", overrides=overrides)
    async with application_in(tmp_path) as application:
        view = application.ledger.view
        done = await applied(application, WORLD + PROFILED + named)
        assert set(done.values()) == {"CREATED"}
        await reached(application, DeploymentPhase.READY, sites=2)
        assert set((await applied(application, WORLD + PROFILED + named)).values()) == {"UNCHANGED"}
        deployment = next(each(view, Deployment))
        assert get_as(view, Profile, deployment.profile_id).name == "large"
        found = {get_as(view, Component, one.component_id).name: effective_of(view, one) for one in each(view, Release)}
        assert found == {"web": {"size": "L", "siteIds": ["one"], "at": {"siteIds": ["x"]}}, "db": {}}
        db = next(one for one in each(view, Component) if one.name == "db")
        assert db.dependencies == [Dependency(component="web", scope=DependencyScope.EVERYWHERE, wait_seconds=1)]
        changed = wanted("shop", profile=None, overrides=[])
        done = await applied(application, WORLD + PROFILED + changed)
        assert [name for name, action in done.items() if action == "UPDATED"] == ["Deployment/shop"]
        assert [effective_of(view, one) for one in each(view, Release)] == [{}, {}]


async def test_a_used_version_is_left_as_it_is_and_what_an_override_names_is_there(tmp_path: Path) -> None:
    async with application_in(tmp_path) as application:
        await applied(application, WORLD + wanted("shop"))
        await reached(application, DeploymentPhase.READY, sites=1)
        other = WORLD.replace("reference: web", "reference: another")
        assert other != WORLD
        answer = await sent(application, other + wanted("shop"))
        told = [one["error"] for one in answer["results"] if one["action"] == "REFUSED" and one["name"] == "web"]
        assert told[0]["__typename"] == "InvalidState"
        assert told[0]["remedy"] == "make a new version, and update the deployment to it"
        nowhere = wanted("shop", overrides=[{"component": "web", "path": "a", "siteIds": ["three"]}])
        answer = await sent(application, WORLD + nowhere)
        refused = {one["name"]: one["error"] for one in answer["results"] if one["action"] == "REFUSED"}
        assert refused["shop"]["path"].endswith("overrides[0].siteIds[0]")
