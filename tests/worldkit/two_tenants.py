"""A world with two tenants, each with one of everything, whose every word carries its tenant's marker.

Whatever an answer for one tenant's member holds of the other's marker or ids has leaked. Both run on one shared site, which
a private cluster of each serves as well and finds away.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from access.viewer import SYSTEM, Viewer, viewer_of
from graph.entity import KINDS
from graph.kinds import DeploymentPhase, Role
from graph.values import HealthStatus
from packagekit.archives import CHART, tgz
from packagekit.uploads import uploaded
from server.app import Application
from worldkit.running import data

MARKERS = {"a": "alphamarker", "b": "bravomarker"}
SHARED = """
kind: Region
metadata: {name: shared-region}
spec: {centre: {longitude: 10, latitude: 50}}
---
kind: Site
metadata: {name: shared-site}
spec: {region: shared-region, tier: METRO, position: {longitude: 10, latitude: 50}}
---
kind: Node
metadata: {name: shared-node}
spec: {site: shared-site, cluster: shared-cluster, capacity: {cpuMillicores: 16000, memoryBytes: 64000000000}}
---
kind: Cluster
metadata: {name: shared-cluster}
spec: {driver: simulated, sites: [shared-site]}
"""
OWN = """
kind: Tenant
metadata: {name: MARK-tenant, displayName: MARK display, labels: {MARK-key: MARK-value}}
---
kind: Region
metadata: {name: MARK-region, tenant: MARK-tenant, labels: {MARK-key: MARK-value}}
---
kind: Site
metadata: {name: MARK-site, tenant: MARK-tenant, displayName: MARK display}
spec: {region: MARK-region, tier: METRO, position: {longitude: 10.5, latitude: 50.5}}
---
kind: Node
metadata: {name: MARK-node, tenant: MARK-tenant}
spec: {site: MARK-tenant/MARK-site, arch: MARK-arch, capacity: {cpuMillicores: 4000, memoryBytes: 8000000000}}
---
kind: Cluster
metadata: {name: MARK-cluster, tenant: MARK-tenant}
spec: {driver: simulated, sites: [shared-site, MARK-tenant/MARK-site], configuration: {awaySites: [shared-site]}}
---
kind: Link
metadata: {name: MARK-link, tenant: MARK-tenant}
spec: {fromSite: shared-site, toSite: MARK-tenant/MARK-site, latencyMs: 1}
---
kind: App
metadata: {name: MARK-app, tenant: MARK-tenant}
spec: {description: MARK description}
---
kind: AppVersion
metadata: {name: MARK-1.0}
spec: {app: MARK-tenant/MARK-app, releaseNotes: MARK notes}
---
kind: Component
metadata: {name: MARK-web}
spec:
  appVersion: MARK-tenant/MARK-app/MARK-1.0
  artifact: {type: CONTAINER_IMAGE, reference: MARK.example/web}
  resources: {cpuMillicores: 100, memoryBytes: 1000000}
  configuration: {MARK-setting: MARK-value}
---
kind: Profile
metadata: {name: MARK-profile, tenant: MARK-tenant}
spec:
  appVersion: MARK-tenant/MARK-app/MARK-1.0
  description: MARK description
  values: {MARK-web: {MARK-setting: MARK-profiled}}
---
kind: Service
metadata: {name: MARK-service, tenant: MARK-tenant}
spec: {component: MARK-tenant/MARK-app/MARK-1.0/MARK-web, ports: [{name: MARK-port, port: 80}]}
"""

APPLY = """mutation($content: String!, $name: String!) {
  applyDocuments(input: {content: $content, name: $name}) {
    __typename
    ... on ApplyDocumentsPayload { applied results { kind name action error { message path } } }
    ... on Error { message path }
  }
}"""


@dataclass
class World:
    """What was made: viewers by tenant and role, and the ids of what each tenant owns."""

    viewers: dict[tuple[str, Role], Viewer] = field(default_factory=dict)
    tenants: dict[str, str] = field(default_factory=dict)
    shared_site: str = ""
    ids: dict[str, dict[str, list[str]]] = field(default_factory=lambda: {"a": {}, "b": {}})
    """Ids by tenant and kind; for filed kinds too."""

    def words_of(self, tenant: str) -> set[bytes]:
        """Whatever may not be seen outside a tenant: its marker and its ids."""
        owned = {one for listed in self.ids[tenant].values() for one in listed}
        return {MARKERS[tenant].encode(), *(one.encode() for one in owned)}


async def two_tenants(application: Application, *, scaled: bool = False) -> World:
    """Builds the world through the API, and waits until both deployments run and, if `scaled`, have their replicas."""
    world = World()
    await _apply(application, SHARED, "shared")
    for tenant, marker in MARKERS.items():
        await _apply(application, OWN.replace("MARK", marker), f"{marker}-set")
        await _people(application, world, tenant, marker)
        await _upload(application, world, tenant, marker)
        await _deploy(application, world, tenant, marker)
    if scaled:
        for tenant, marker in MARKERS.items():
            await _scale(application, world, tenant, marker)
    await _settle(application, scalings=len(MARKERS) if scaled else 0)
    for tenant, marker in MARKERS.items():
        await _keep_a_plan(application, world, tenant, marker)
        await _collect(application, world, tenant)
        assert len(world.ids[tenant]["Release"]) == 1, marker
    return world


async def _apply(application: Application, content: str, name: str) -> None:
    answer = (await data(application, APPLY, {"content": content, "name": name}))["applyDocuments"]
    assert answer.get("applied"), answer


async def _people(application: Application, world: World, tenant: str, marker: str) -> None:
    tenant_id = application.ledger.view.find("Tenant", f"{marker}-tenant").id
    world.tenants[tenant] = tenant_id
    for role in Role:
        user = await _made(
            application,
            "User",
            {"name": f"{marker}-{role.name.lower()}", "email": f"{marker}@example.org"},
        )
        await _made(application, "RoleBinding", {"subjectId": user, "role": role.name, "tenantId": tenant_id})
        viewer = viewer_of(application.ledger.view, user)
        assert viewer is not None
        world.viewers[tenant, role] = viewer
    account = await _made(
        application,
        "ServiceAccount",
        {"name": f"{marker}-account", "tenantId": tenant_id, "roles": [{"role": "VIEWER", "tenantId": tenant_id}]},
    )
    await _made(application, "ApiToken", {"name": f"{marker}-token", "ownerId": account, "tenantId": tenant_id})
    values = [{"key": f"{marker}-key", "value": f"{marker}-sealed-value"}]
    await _made(application, "Secret", {"name": f"{marker}-secret", "tenantId": tenant_id, "values": values})


async def _upload(application: Application, world: World, tenant: str, marker: str) -> None:
    """A package of the tenant's own, and one whose bytes the other tenant has too."""
    own = {
        f"{marker}{name.removeprefix('shop')}": body.replace(b"shop", marker.encode()) for name, body in CHART.items()
    }
    for name, body in ((f"{marker}.tgz", tgz(own.items())), (f"{marker}-same.tgz", tgz(CHART.items()))):
        await uploaded(application, world.tenants[tenant], body, fileName=name)


async def _made(application: Application, kind: str, given: dict[str, Any]) -> str:
    field_name = kind[0].lower() + kind[1:]
    text = f"""mutation($input: Create{kind}Input!) {{ create{kind}(input: $input) {{
        __typename ... on Create{kind}Payload {{ {field_name} {{ id }} }} ... on Error {{ message path }} }} }}"""
    answer = (await data(application, text, {"input": given}))[f"create{kind}"]
    assert field_name in answer, answer
    return str(answer[field_name]["id"])


async def _deploy(application: Application, world: World, tenant: str, marker: str) -> None:
    world.shared_site = application.ledger.view.find("Site", "shared-site").id
    text = """mutation($input: DeployInput!) { deploy(input: $input) {
        __typename ... on DeployPayload { deployment { id } } ... on Error { message path } } }"""
    given = wish_of(application, world, tenant) | {
        "labels": [{"key": f"{marker}-key", "value": f"{marker}-value"}],
        "idempotencyKey": f"{marker}-idempotency",
    }
    for _ in range(600):
        answer = (await data(application, text, {"input": given}))["deploy"]
        if "deployment" in answer:
            return
        await asyncio.sleep(0.1)  # the cluster has not been observed yet
    raise AssertionError(answer)


async def _scale(application: Application, world: World, tenant: str, marker: str) -> None:
    """A policy that asks for two replicas; where it stands at the shared site is written by the loop."""
    view = application.ledger.view
    deployment = next(one for one in view.ids("Deployment") if view.get(one).tenant_id == world.tenants[tenant])
    given = {
        "name": f"{marker}-scaling",
        "deploymentId": deployment,
        "component": f"{marker}-web",
        "metric": "CPU_UTILIZATION",
        "target": 50,
        "minReplicas": 2,
        "maxReplicas": 2,
    }
    await _made(application, "ScalingPolicy", given)


async def _keep_a_plan(application: Application, world: World, tenant: str, marker: str) -> None:
    given = {
        "deployment": wish_of(application, world, tenant, name="kept-plan"),
        "displayName": f"{marker} display",
        "labels": [{"key": f"{marker}-key", "value": f"{marker}-value"}],
        "expiresInSeconds": 604_800,
    }
    await _made(application, "Plan", given)


def wish_of(
    application: Application,
    world: World,
    tenant: str,
    *,
    name: str = "deployment",
    replicas: int | None = None,
    own_site: bool = False,
    **policy: Any,
) -> dict[str, Any]:
    """A tenant's input of `deploy`: on the shared site, and with `own_site` on its private one."""
    view, marker = application.ledger.view, MARKERS[tenant]
    version = next(one for one in view.ids("AppVersion") if view.get(one).name == f"{marker}-1.0")
    sites = [world.shared_site, *(world.ids[tenant]["Site"] if own_site else ())]
    given: dict[str, Any] = {
        "tenantId": world.tenants[tenant],
        "name": f"{marker}-{name}",
        "appVersionId": version,
        "policy": {"sites": {"siteIds": sites}, **policy},
    }
    return given if replicas is None else given | {"replicas": [{"name": f"{marker}-web", "count": replicas}]}


async def _settle(application: Application, *, scalings: int) -> None:
    view = application.ledger.view
    for _ in range(1_200):
        deployments = [view.get(one) for one in view.ids("Deployment")]
        private = [view.get(one).health.status for one in view.ids("Cluster") if view.get(one).tenant_id]
        running = all(one.phase is DeploymentPhase.READY for one in deployments) and not view.ids("Operation")
        followed = len(view.ids("SiteScaling")) == scalings
        if running and followed and private == [HealthStatus.DEGRADED] * len(MARKERS):
            return
        await asyncio.sleep(0.05)
    raise AssertionError(([(one.name, one.phase, one.message) for one in deployments], private))


async def _collect(application: Application, world: World, tenant: str) -> None:
    view, tenant_id, marker = application.ledger.view, world.tenants[tenant], MARKERS[tenant]
    own = world.ids[tenant]
    for kind in KINDS.values():
        if kind.filed:
            continue
        for one in view.ids(kind.name):
            entity = view.get(one)
            if getattr(entity, "tenant_id", None) == tenant_id or marker in str(entity):
                own.setdefault(kind.name, []).append(one)
    for kind, query in (("Operation", "operations"), ("Event", "events")):
        listed = (await data(application, f"{{ {query}(first: 200) {{ nodes {{ id tenant {{ id }} }} }} }}"))[query]
        own[kind] = [one["id"] for one in listed["nodes"] if (one["tenant"] or {}).get("id") == tenant_id]
        assert own[kind], kind


__all__ = ["MARKERS", "SYSTEM", "World", "two_tenants", "wish_of"]
