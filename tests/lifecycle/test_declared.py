"""Deployments in documents: made, changed and taken away with their set."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from graph.kinds import Deployment, DeploymentPhase
from server.app import Application
from worldkit.running import application_in, data

APPLY = """mutation($content: String!, $prune: Boolean!) {
  applyDocuments(input: {content: $content, name: "shop", prune: $prune}) {
    __typename
    ... on ApplyDocumentsPayload { applied results { kind name action changed error { message path } } }
    ... on Error { message path }
  }
}"""
WORLD = """
kind: Region
metadata: {name: north}
---
kind: Site
metadata: {name: one}
spec: {region: north}
---
kind: Site
metadata: {name: two}
spec: {region: north}
---
kind: Cluster
metadata: {name: both}
spec: {driver: simulated, sites: [one, two]}
---
kind: Node
metadata: {name: n1}
spec: {site: one, cluster: both, capacity: {cpuMillicores: 4000, memoryBytes: 4000000000}}
---
kind: Node
metadata: {name: n2}
spec: {site: two, cluster: both, capacity: {cpuMillicores: 4000, memoryBytes: 4000000000}}
---
kind: Tenant
metadata: {name: t}
---
kind: App
metadata: {name: shop, tenant: t}
---
kind: AppVersion
metadata: {name: "1"}
spec: {app: t/shop}
---
kind: Component
metadata: {name: web}
spec:
  appVersion: t/shop/1
  artifact: {type: CONTAINER_IMAGE, reference: web}
  resources: {cpuMillicores: 500, memoryBytes: 1000000}
"""
WANTED = """
---
kind: Deployment
metadata: {name: live, tenant: t}
spec: {appVersion: t/shop/1, policy: {minSites: 1, maxSites: 1}}
"""


async def applied(application: Application, content: str, *, prune: bool = True) -> dict[str, str]:
    answer: dict[str, Any] = (await data(application, APPLY, {"content": content, "prune": prune}))["applyDocuments"]
    assert answer["applied"], answer
    return {f"{one['kind']}/{one['name']}": one["action"] for one in answer["results"]}


async def reached(application: Application, phase: DeploymentPhase | None, *, sites: int = 0) -> None:
    view = application.ledger.view
    for _ in range(400):
        found = [one for key in view.ids("Deployment") if isinstance(one := view.get(key), Deployment)]
        if phase is None and not found:
            return
        if found and found[0].phase is phase and view.count("Release") == sites:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(found)


async def test_a_deployment_follows_its_document(tmp_path: Path) -> None:
    async with application_in(tmp_path) as application:
        assert (await applied(application, WORLD + WANTED))["Deployment/live"] == "CREATED"
        await reached(application, DeploymentPhase.READY, sites=1)

        assert (await applied(application, WORLD + WANTED))["Deployment/live"] == "UNCHANGED"

        more = WANTED.replace("minSites: 1, maxSites: 1", "everywhere: true")
        assert (await applied(application, WORLD + more))["Deployment/live"] == "UPDATED"
        await reached(application, DeploymentPhase.READY, sites=2)

        assert (await applied(application, WORLD))["Deployment/live"] == "DELETED"
        await reached(application, None)
        assert application.ledger.view.count("Release") == 0
