"""A server that plans without a pause, and what others wait for small questions meanwhile.

The plans and the questions are real requests over two connections; the plans are of composite apps, one after the other.
The server looks after all clusters of the world as it would after real ones. Simulated clusters live in its own process, so
that 10,000 of them, each looked at every second, would take a core by themselves: here one serves 50 sites, and the measure
begins when the server has connected to all.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from bench.measures.requests import ONE_FIELD, Caller
from bench.measures.served import Served
from bench.worlds import SOURCE, commits_of
from bench.worlds.apps import APP, TENANT, AppToPlace, owners
from bench.worlds.fibre import FibreWorld
from graph.entity import Entity
from graph.kinds import AppVersion, Cluster, Node
from graph.kinds.geography import LatencyTarget
from graph.store import WriteBatch
from graph.stores import store_for

EVERY_S = 0.01
"""How often a question is asked."""
SITES_A_CLUSTER = 50
CLUSTERS = """{
  all: clusters(first: 1) { totalCount }
  ready: clusters(first: 1, filter: {health: {in: [READY]}}) { totalCount }
}"""
PLAN = "query ($input: DeployInput!) { planDeployment(input: $input) { feasible } }"


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """What was asked while a server planned."""

    waits_s: list[float]
    """Of each question: from when it was due to be asked to having the answer."""
    plans: int
    """Finished meanwhile."""
    late: int
    """Plans that the server gave up, for they took longer than a request may."""


async def store_with_apps(store: str, world: FibreWorld, listed: Sequence[AppToPlace]) -> None:
    """Writes a world and the apps, each a version of its own, into an empty store."""
    opened = store_for(store)
    await opened.open()
    entities: list[Entity] = [*_with_fewer_clusters(world), *owners()]
    for number, app in enumerate(listed):
        version = version_of(number)
        entities.append(AppVersion(id=version, name=app.name, app_id=APP, tenant_id=TENANT, source=SOURCE, revision=1))
        entities += [msgspec.structs.replace(one, app_version_id=version, source=SOURCE) for one in app.components]
    try:
        async with opened.begin() as transaction:
            head = await transaction.head()
        for commit in commits_of(entities, head=head):
            async with opened.begin() as transaction:
                await transaction.head()
                await transaction.write(WriteBatch(commits=[commit]))
    finally:
        await opened.close()


def _with_fewer_clusters(world: FibreWorld) -> Iterator[Entity]:
    """The world's entities, with a cluster for each so many sites."""
    serving = {site.id: at // SITES_A_CLUSTER * SITES_A_CLUSTER for at, site in enumerate(world.sites)}
    ids = [one.id for one in world.sites]
    for one in world.entities:
        if isinstance(one, Cluster):
            first = serving[one.site_ids[0]]
            if ids[first] == one.site_ids[0]:
                yield msgspec.structs.replace(one, site_ids=ids[first : first + SITES_A_CLUSTER])
        elif isinstance(one, Node):
            yield msgspec.structs.replace(one, cluster_id=world.clusters[serving[one.site_id]].id)
        else:
            yield one


def wait_for_clusters(served: Served, *, at_most_s: float = 60.0) -> None:
    """Returns when the server has found all clusters to be ready. Raises RuntimeError when that takes longer."""
    until = time.perf_counter() + at_most_s
    with Caller(served) as caller:
        while time.perf_counter() < until:
            found = caller.ask(CLUSTERS)
            if found["ready"]["totalCount"] == found["all"]["totalCount"]:
                return
            time.sleep(0.5)
    raise RuntimeError(f"the server has not connected to all clusters within {at_most_s} s")


def version_of(number: int) -> str:
    """The id of the version that is made of the app with this number."""
    return f"appversion_{number + 1000:026d}"


def asked_meanwhile(
    served: Served, *, plans: Sequence[dict[str, Any]], site_ids: Sequence[str], for_s: float
) -> Meanwhile:
    """Asks for one field of one site after the other while plans are made back to back.

    A question is due every `EVERY_S`, whether the one before it was answered in time or not: what holds the server up for
    long then keeps many waiting, as it would keep as many users.
    """
    ended, made, late, failed = threading.Event(), 0, 0, list[Exception]()

    def plan() -> None:
        nonlocal made, late
        try:
            with Caller(served) as caller:
                while not ended.is_set():
                    answer = caller.send(caller.request(PLAN, {"input": plans[(made + late) % len(plans)]}))
                    if b'"errors"' not in answer:
                        made += 1
                    elif b"EXECUTION_TIMEOUT" in answer:
                        late += 1
                    else:
                        raise RuntimeError(f"the server answered with errors: {answer[:300]!r}")
        except (OSError, RuntimeError) as error:
            failed.append(error)

    planning = threading.Thread(target=plan)
    with Caller(served) as caller:
        questions = [caller.request(ONE_FIELD, {"id": one}) for one in site_ids]
        for question in questions[:50]:
            caller.send(question)
        planning.start()
        waits: list[float] = []
        began = time.perf_counter()
        while (due := began + len(waits) * EVERY_S) < began + for_s and not failed:
            time.sleep(max(0.0, due - time.perf_counter()))
            caller.send(questions[len(waits) % len(questions)])
            waits.append(time.perf_counter() - due)
        ended.set()
        planning.join()
    if failed:
        raise failed[0]
    return Meanwhile(waits, made, late)


def plan_input(app: AppToPlace, *, version: str) -> dict[str, Any]:
    """What `planDeployment` is asked for an app."""
    policy = app.policy
    return {
        "tenantId": TENANT,
        "name": app.name,
        "appVersionId": version,
        "policy": {
            "latency": [_latency(one) for one in policy.latency],
            "residencyRegionIds": policy.residency_region_ids,
            "components": [
                {
                    "component": one.component,
                    "apart": one.apart,
                    "serves": one.serves,
                    "withinMs": one.within_ms,
                    "minSites": one.min_sites,
                    "onePerNode": one.one_per_node,
                }
                for one in policy.components
            ],
            "weights": msgspec.to_builtins(policy.weights),
            "objective": [[term.name for term in terms] for terms in policy.objective],
        },
    }


def _latency(target: LatencyTarget) -> dict[str, Any]:
    position = target.place.position
    assert position is not None, "the places of these apps are positions"
    return {
        "place": {
            "name": target.place.name,
            "position": {"longitude": position.longitude, "latitude": position.latitude},
        },
        "withinMs": target.within_ms,
        "demand": target.demand,
    }
