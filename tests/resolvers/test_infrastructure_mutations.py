"""Cordon, uncordon and drain through the schema."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from graph.edit import Edit
from graph.kinds import Cluster, Node, Region, Site
from graph.request import Request
from server.app import Application
from worldkit.running import application_in, data

TEXT = """mutation($input: %sInput!) { done: %s(input: $input) { __typename
  ... on %sPayload { revision %s } ... on Error { code path remedy }
  ... on Conflict { currentRevision } } }"""
ENTITY = """entity { id ... on Site { schedulable } ... on Node { schedulable } ... on Cluster { schedulable } }"""


@pytest.fixture
async def application(tmp_path: Path) -> AsyncIterator[Application]:
    async with application_in(tmp_path) as made:
        yield made


async def places(application: Application) -> list[str]:
    def make(edit: Edit) -> list[str]:
        site = edit.create(Site, name="s", region_id=edit.create(Region, name="r").id)
        node = edit.create(Node, name="n", site_id=site.id)
        cluster = edit.create(Cluster, name="c", driver="simulated")
        return [site.id, node.id, cluster.id]

    made: list[str] = (await application.ledger.commit(make, Request(author="t", action="t"))).value
    return made


async def ask(application: Application, field: str, **given: Any) -> Any:
    name = field.capitalize()
    answer = "operation { id kind status }" if field == "drain" else ENTITY
    text = TEXT % (name, field, name, answer)
    return (await data(application, text, {"input": given}))["done"]


async def test_a_cordon_is_put_on_and_taken_off_and_twice_is_once(application: Application) -> None:
    for place in await places(application):
        for field, schedulable in (("cordon", False), ("uncordon", True)):
            first = await ask(application, field, id=place, idempotencyKey=f"{field}-{place}")
            assert first["entity"]["schedulable"] is schedulable
            found = application.ledger.view.get(place)
            assert getattr(found, "schedulable", None) is schedulable
            again = await ask(application, field, id=place)
            assert again["entity"]["schedulable"] is schedulable
            assert await ask(application, field, id=place, idempotencyKey=f"{field}-{place}") == first


async def test_a_cordon_of_what_has_moved_on_is_a_conflict(application: Application) -> None:
    site, *_ = await places(application)
    done = await ask(application, "cordon", id=site, expectedRevision=1)
    assert done["__typename"] == "CordonPayload"
    late = await ask(application, "uncordon", id=site, expectedRevision=1)
    assert (late["code"], late["currentRevision"]) == ("CONFLICT", done["revision"])
    late = await ask(application, "drain", id=site, expectedRevision=1)
    assert (late["code"], late["currentRevision"]) == ("CONFLICT", done["revision"])


async def test_only_places_and_machines_are_cordoned(application: Application) -> None:
    await places(application)
    region = application.ledger.view.ids("Region")[0]
    for field in ("cordon", "uncordon", "drain"):
        for entity_id in (region, "site_gone", ""):
            answer = await ask(application, field, id=entity_id)
            assert (answer["code"], answer["path"]) == ("NOT_FOUND", "input.id")


async def test_a_drain_of_an_empty_place_cordons_it_and_ends(application: Application) -> None:
    site, *_ = await places(application)
    answer = await ask(application, "drain", id=site, idempotencyKey="k")
    assert answer["operation"]["kind"] == "DRAIN"
    found = application.ledger.view.get(site)
    assert isinstance(found, Site)
    assert not found.schedulable
    again = await ask(application, "drain", id=site, idempotencyKey="k")
    assert again["operation"]["id"] == answer["operation"]["id"]
