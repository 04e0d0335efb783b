"""What many writers do at once through a ledger, in one process or in several, and what each was answered.

Every race is a coroutine on a ledger that returns plain data, so that it runs in a process of its own as well.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from graph.change import Record
from graph.edit import Edit
from graph.identifiers import new_id
from graph.kinds import (
    App,
    AppVersion,
    Artifact,
    ArtifactType,
    Component,
    Deployment,
    Event,
    Link,
    Node,
    Region,
    Release,
    Site,
    Tenant,
)
from graph.kinds.policy import PlacementPolicy
from graph.ledger import Ledger
from graph.refusal import CapacityGone, Refusal, Unavailable
from graph.request import Committed, Idempotency, Request
from graph.values import Resources
from graph.view import each, get_as

REQUEST = Request(author="user_1", action="test")
WRITERS = 64
REPLICA_MILLICORES = 300
NODE_MILLICORES = 1_000


def several_entities(key: str, demand: float) -> Callable[[Edit], str]:
    """A change of several entities, a counter, a filed event, a record and a private value that belong together."""

    def change(edit: Edit) -> str:
        region = edit.create(Region, name=key, demand=demand)
        one = edit.create(Site, name=f"{key}-a", region_id=region.id, labels={"key": key})
        two = edit.create(Site, name=f"{key}-b", region_id=region.id, labels={"key": key})
        edit.create(Link, from_site_id=one.id, to_site_id=two.id, latency_ms=1.0, labels={"key": key})
        edit.create(Event, reason="Made", message=key, subject_id=region.id)
        edit.file(
            Record(
                collection="decision",
                id=new_id("decision", at_ms=edit.at),
                tenant_id=None,
                subject_id=region.id,
                at=edit.at,
                body=msgspec.Raw(msgspec.json.encode({"key": key})),
            )
        )
        edit.keep_private(f"private:{key}", key.encode())
        return region.id

    return change


async def make_workload(ledger: Ledger) -> dict[str, str]:
    """A node with room for three replicas, and all that a release on it refers to; their ids."""

    def change(edit: Edit) -> dict[str, str]:
        tenant = edit.create(Tenant, name="tenant")
        region = edit.create(Region, name="region")
        site = edit.create(Site, name="site", region_id=region.id)
        node = edit.create(
            Node, name="node", site_id=site.id, capacity=Resources(cpu_millicores=NODE_MILLICORES, memory_bytes=2**30)
        )
        app = edit.create(App, name="app", tenant_id=tenant.id)
        version = edit.create(AppVersion, name="1", app_id=app.id, tenant_id=tenant.id)
        component = edit.create(
            Component,
            name="web",
            app_version_id=version.id,
            tenant_id=tenant.id,
            artifact=Artifact(type=ArtifactType.CONTAINER_IMAGE, reference="web:1"),
            resources=Resources(cpu_millicores=REPLICA_MILLICORES, memory_bytes=1),
        )
        deployment = edit.create(
            Deployment, name="d", tenant_id=tenant.id, app_version_id=version.id, policy=PlacementPolicy()
        )
        return {
            "tenant_id": tenant.id,
            "site_id": site.id,
            "node_id": node.id,
            "component_id": component.id,
            "deployment_id": deployment.id,
            "region_id": region.id,
        }

    return (await ledger.commit(change, REQUEST)).value


def reserve(ids: dict[str, str]) -> Callable[[Edit], str]:
    """Takes room for one replica on the node, or refuses."""

    def change(edit: Edit) -> str:
        node = get_as(edit, Node, ids["node_id"])
        assert node is not None
        used = sum(
            one.resources.cpu_millicores * one.assignments[node.id]
            for one in each(edit, Release, "assignments", node.id)
        )
        if used + REPLICA_MILLICORES > node.usable.cpu_millicores:
            raise CapacityGone(f"{node.name} has {node.usable.cpu_millicores - used} millicores left")
        return edit.create(
            Release,
            tenant_id=ids["tenant_id"],
            deployment_id=ids["deployment_id"],
            component_id=ids["component_id"],
            site_id=ids["site_id"],
            resources=Resources(cpu_millicores=REPLICA_MILLICORES, memory_bytes=1),
            assignments={node.id: 1},
        ).id

    return change


def add_one(region_id: str) -> Callable[[Edit], float]:
    """Adds one to a region's demand."""

    def change(edit: Edit) -> float:
        region = get_as(edit, Region, region_id)
        assert region is not None
        return edit.replace(region, demand=region.demand + 1).demand

    return change


def _named(edit: Edit, name: str) -> Region:
    found = edit.find("Region", name)
    return found if isinstance(found, Region) else edit.create(Region, name=name)


async def warm(ledger: Ledger) -> None:
    """Makes and deletes a region, so that a server that has just started has seen such a commit before the race."""
    name = f"warm-{id(ledger)}-{os.getpid()}"
    async with asyncio.timeout(120):
        while True:
            try:
                await ledger.commit(lambda edit: _named(edit, name).id, REQUEST)
                await ledger.commit(lambda edit: edit.replace(_named(edit, name), demand=1.0).id, REQUEST)
                await ledger.commit(lambda edit: edit.delete(_named(edit, name))[0].id, REQUEST)
                return
            except Unavailable:
                await asyncio.sleep(0.5)


async def outcome(attempt: Awaitable[Committed[Any]]) -> str:
    """What an attempt was answered, in one word."""
    try:
        done = await attempt
    except Refusal as refusal:
        return refusal.code
    return "again" if done.replayed is not None else "ok"


async def one_name(ledger: Ledger, name: str) -> list[str]:
    """All make a region of the same name."""
    return await asyncio.gather(
        *(outcome(ledger.commit(lambda edit: edit.create(Region, name=name).id, REQUEST)) for _ in range(WRITERS))
    )


async def last_room(ledger: Ledger, *ids: str) -> list[str]:
    """All reserve room on the same node."""
    wanted = dict(zip(ids[::2], ids[1::2], strict=True))
    return await asyncio.gather(*(outcome(ledger.commit(reserve(wanted), REQUEST)) for _ in range(WRITERS)))


async def one_key(ledger: Ledger, key: str) -> list[str]:
    """All send the same request under the same idempotency key."""

    async def attempt(number: int) -> str:
        done = await ledger.commit(
            lambda edit: edit.create(Region, name=f"{key}-{id(ledger)}-{number}").id,
            Request(author="user_1", action="test", idempotency=Idempotency(key=key, body_digest="same")),
            remember=lambda made, revision: msgspec.json.encode({"id": made, "revision": revision}),
        )
        if done.replayed is not None:
            made: str = msgspec.json.decode(done.replayed)["id"]
            return made
        return str(done.value)

    return await asyncio.gather(*(attempt(number) for number in range(WRITERS)))


async def tally(ledger: Ledger, region_id: str) -> list[str]:
    """All add one to the same field, four times each."""

    async def attempt() -> list[str]:
        return [await outcome(ledger.commit(add_one(region_id), REQUEST)) for _ in range(4)]

    return [one for answers in await asyncio.gather(*(attempt() for _ in range(WRITERS))) for one in answers]


async def making_and_deleting(ledger: Ledger, seed: str) -> list[str]:
    """All make and delete regions and sites that refer to each other, at random."""

    async def attempt(number: int) -> list[str]:
        random_ = random.Random(f"{seed}-{number}")
        answers = []
        for step in range(10):
            answers.append(await outcome(ledger.commit(_step(random_, f"{seed}-{number}-{step}"), REQUEST)))
        return answers

    return [one for answers in await asyncio.gather(*(attempt(n) for n in range(WRITERS))) for one in answers]


def _step(random_: random.Random, key: str) -> Callable[[Edit], None]:
    draw, pick = random_.random(), random_.random()

    def change(edit: Edit) -> None:
        regions = edit.ids("Region")
        if draw < 0.3 or not regions:
            edit.create(Region, name=key)
            return
        region = edit.get(regions[int(pick * len(regions))])
        assert isinstance(region, Region)
        if draw < 0.6:
            edit.create(Site, name=key, region_id=region.id)
        elif draw < 0.7:
            edit.replace(region, demand=draw)
        else:
            edit.delete(region, cascade=draw > 0.9)

    return change


RACES: dict[str, Callable[..., Awaitable[list[str]]]] = {
    "one_name": one_name,
    "last_room": last_room,
    "one_key": one_key,
    "tally": tally,
    "making_and_deleting": making_and_deleting,
}
