"""Deployments asked for over the API, and how long they take until every release of them is ready.

What is asked while something converges is a point query a tenth of a second, so that looking costs next to nothing.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import msgspec

from bench.measures.edges import Edge
from bench.measures.requests import Caller
from bench.measures.served import Served

LOOK_S = 0.1
DEPLOY = """mutation ($input: DeployInput!) { deploy(input: $input) {
  __typename ... on DeployPayload { deployment { id } operation { id } } ... on Error { message }
} }"""
PHASE = "query ($id: ID!) { deployment(id: $id) { phase message } }"
READY = "query ($id: ID!) { deployment(id: $id) { releases(first: 1, filter: {phase: {eq: READY}}) { totalCount } } }"
CLUSTERS = "{ clusters(first: 500) { nodes { health { status } } } }"
NODES = "{ nodes(first: 1, filter: {status: {eq: READY}}) { totalCount } }"


class Converged(msgspec.Struct, frozen=True):
    """What one deployment took."""

    cpu_s: float
    """Of the server, from before it was asked for until its end was seen."""
    answered_s: float
    wall_s: float


def wish(edge: Edge, name: str, site_ids: Sequence[str] = ()) -> dict[str, Any]:
    """The variables of a deploy to these sites, or to all of them."""
    policy: dict[str, Any] = {"everywhere": True}
    if site_ids:
        policy["sites"] = {"siteIds": list(site_ids)}
    return {"input": {"tenantId": edge.tenant_id, "name": name, "appVersionId": edge.version_id, "policy": policy}}


def asked(caller: Caller, edge: Edge, name: str, site_ids: Sequence[str] = ()) -> str:
    """Deploys; the deployment's id. Raises RuntimeError when it is refused."""
    answer = caller.ask(DEPLOY, wish(edge, name, site_ids))["deploy"]
    if answer["__typename"] != "DeployPayload":
        raise RuntimeError(f"the deployment was refused: {answer}")
    found: str = answer["deployment"]["id"]
    return found


def until_ready(caller: Caller, deployment_ids: Sequence[str], *, within_s: float) -> None:
    """Returns when all are READY. Raises RuntimeError when they are not in time."""
    deadline = time.monotonic() + within_s
    for one in deployment_ids:
        while (found := caller.ask(PHASE, {"id": one})["deployment"])["phase"] != "READY":
            if time.monotonic() > deadline:
                raise RuntimeError(f"deployment {one} is not ready after {within_s:.0f} s: {found}")
            time.sleep(LOOK_S)


def until_observed(caller: Caller, *, nodes: int, within_s: float = 120.0) -> None:
    """Returns when all clusters and nodes were seen: what a server does at its first start is no part of a deployment."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        clusters = caller.ask(CLUSTERS)["clusters"]["nodes"]
        answered = all(one["health"]["status"] == "READY" for one in clusters)
        if answered and caller.ask(NODES)["nodes"]["totalCount"] >= nodes:
            return
        time.sleep(LOOK_S)
    raise RuntimeError(f"not all clusters and nodes were seen within {within_s:.0f} s")


def deployed(served: Served, caller: Caller, edge: Edge, name: str, *, within_s: float = 180.0) -> Converged:
    """Deploys to all sites and waits until all of it is ready."""
    before, began = served.cpu_s(), time.perf_counter()
    made = asked(caller, edge, name)
    answered = time.perf_counter() - began
    until_ready(caller, [made], within_s=within_s)
    took = Converged(served.cpu_s() - before, answered, time.perf_counter() - began)
    ready = caller.ask(READY, {"id": made})["deployment"]["releases"]["totalCount"]
    if ready != len(edge.site_ids):
        raise RuntimeError(f"{ready} releases are ready, not one for each of {len(edge.site_ids)} sites")
    return took
