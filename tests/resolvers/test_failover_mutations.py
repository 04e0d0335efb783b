"""`fence` and `resumeFailover` through the schema, and a failover policy in a deployment's inputs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from graph.edit import Edit
from graph.kinds import Node, NodeStatus, Region, Site
from graph.request import Request
from graph.values import Health, HealthStatus
from server.app import Application
from worldkit.running import application_in, data

FENCE = """mutation($input: FenceInput!) { done: fence(input: $input) { __typename
  ... on FencePayload { revision entity { id ... on Site { fence { at by { id } } } ... on Node { fence { by { id } } } } }
  ... on Error { code message path remedy } } }"""
RESUME = """mutation($input: ResumeFailoverInput!) { done: resumeFailover(input: $input) { __typename
  ... on ResumeFailoverPayload { hold { id lost sites resumedAt resumedBy { id } region { name } } revision }
  ... on Error { code message path remedy } } }"""
HOLDS = "{ failoverHolds { nodes { id lost sites resumedAt } } }"


@pytest.fixture
async def application(tmp_path: Path) -> AsyncIterator[Application]:
    async with application_in(tmp_path) as made:
        yield made


async def change(application: Application, function: Any) -> Any:
    return (await application.ledger.commit(function, Request(author="t", action="t"))).value


async def places(application: Application) -> tuple[str, str, str]:
    """A site that is down, a node that is not ready at a site that answers, and that site."""

    def make(edit: Edit) -> tuple[str, str, str]:
        region = edit.create(Region, name="r").id
        down = Health(status=HealthStatus.DOWN, reasons=["gone"], observed_at=1)
        lost, there = (
            edit.create(Site, name="lost", region_id=region),
            edit.create(Site, name="there", region_id=region),
        )
        edit.replace(lost, health=down)
        node = edit.create(Node, name="n", site_id=there.id)
        edit.replace(node, status=NodeStatus.NOT_READY)
        return lost.id, node.id, there.id

    made: tuple[str, str, str] = await change(application, make)
    return made


async def ask(application: Application, text: str, **given: Any) -> dict[str, Any]:
    answer: dict[str, Any] = (await data(application, text, {"input": given}))["done"]
    return answer


async def test_what_does_not_answer_is_fenced_once_and_what_does_is_not(application: Application) -> None:
    lost, node, there = await places(application)
    for entity_id in (lost, node):
        first = await ask(application, FENCE, id=entity_id, idempotencyKey=f"k-{entity_id}")
        assert first["entity"]["fence"]["by"]["id"], first
        assert await ask(application, FENCE, id=entity_id, idempotencyKey=f"k-{entity_id}") == first
        again = await ask(application, FENCE, id=entity_id)
        assert again["entity"]["fence"]["by"] == first["entity"]["fence"]["by"]
    answer = await ask(application, FENCE, id=there)
    assert (answer["code"], answer["path"], answer["remedy"]) == ("INVALID_STATE", "input.id", "drain it")
    for entity_id in ("site_gone", ""):
        assert (await ask(application, FENCE, id=entity_id))["code"] == "NOT_FOUND"


async def held(application: Application, *, lost: int, sites: int) -> dict[str, Any]:
    """A hold that began by itself, for so many sites were lost at once."""

    def make(edit: Edit) -> None:
        region = edit.create(Region, name="wide").id
        for number in range(sites):
            site = edit.create(Site, name=f"s{number}", region_id=region)
            if number < lost:
                edit.replace(site, health=Health(status=HealthStatus.DOWN, reasons=["gone"], observed_at=edit.at))

    await change(application, make)
    async with asyncio.timeout(60):
        while not (found := (await data(application, HOLDS))["failoverHolds"]["nodes"]):
            await asyncio.sleep(0.05)
    [hold] = found
    return dict(hold)


async def test_a_hold_is_ended_by_who_knows_how_many_are_lost(application: Application) -> None:
    hold = await held(application, lost=12, sites=40)
    assert (hold["lost"], hold["sites"], hold["resumedAt"]) == (12, 40, None)
    hold_id = hold["id"]
    answer = await ask(application, RESUME, id=hold_id, lostSites=11)
    assert (answer["code"], answer["path"]) == ("INVALID_STATE", "input.lostSites")
    assert "12 of 40 sites" in answer["message"]
    first = await ask(application, RESUME, id=hold_id, lostSites=12, idempotencyKey="k")
    assert first["hold"]["resumedAt"] is not None
    assert first["hold"]["resumedBy"]["id"]
    assert first["hold"]["region"] is None
    assert await ask(application, RESUME, id=hold_id, lostSites=12, idempotencyKey="k") == first
    assert (await ask(application, RESUME, id="failoverhold_gone", lostSites=1))["code"] == "NOT_FOUND"
