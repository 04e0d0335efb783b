"""A small world as documents, with deployments in it, sent as a caller sends them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from graph.kinds import Deployment, DeploymentPhase
from server.app import Application
from worldkit.running import data

APPLY = """mutation($content: String!, $prune: Boolean!) {
  applyDocuments(input: {content: $content, name: "shop", prune: $prune, allowEmpty: true}) {
    __typename
    ... on ApplyDocumentsPayload {
      applied operation { id } results { kind name action changed error { __typename message remedy path } }
    }
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


async def sent(application: Application, content: str, *, prune: bool = True) -> dict[str, Any]:
    answer: dict[str, Any] = (await data(application, APPLY, {"content": content, "prune": prune}))["applyDocuments"]
    return answer


async def applied(application: Application, content: str, *, prune: bool = True) -> dict[str, str]:
    answer = await sent(application, content, prune=prune)
    assert answer["applied"], answer
    return {f"{one['kind']}/{one['name']}": one["action"] for one in answer["results"]}


def wanted(name: str, *, version: str = "1", **spec: Any) -> str:
    policy = {"minSites": 1, "maxSites": 1}
    return "\n---\n" + json.dumps(
        {
            "kind": "Deployment",
            "metadata": {"name": name, "tenant": "t"},
            "spec": {"appVersion": f"t/shop/{version}", "policy": policy, **spec},
        }
    )


async def reached(application: Application, phase: DeploymentPhase | None, *, sites: int = 0) -> None:
    """Waits until the only deployment is in a phase at so many sites; None: until there is none."""
    view = application.ledger.view
    for _ in range(1_200):
        found = [one for key in view.ids("Deployment") if isinstance(one := view.get(key), Deployment)]
        if phase is None and not found:
            return
        if found and found[0].phase is phase and view.count("Release") == sites:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(found)
