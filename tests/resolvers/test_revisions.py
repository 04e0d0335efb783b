"""Minimum revisions of another epoch: refused, never misread, whichever way the graph was restored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from graph.kinds import Region
from graph.request import Request
from resolvers import revisions
from resolvers.problems import EpochChanged, RevisionNotReached
from resolvers.schema import graphql_schema
from server.app import Application
from worldkit.running import application_in, ask, data

REQUEST = Request(author="test", action="test")
READS = {
    "entity": "query($id: ID!, $at: BigInt, $epoch: String) {"
    " found: entity(id: $id, atLeastRevision: $at, epoch: $epoch) { id } }",
    "entities": "query($id: ID!, $at: BigInt, $epoch: String) {"
    " found: entities(ids: [$id], atLeastRevision: $at, epoch: $epoch) { id } }",
    "single": "query($id: ID!, $at: BigInt, $epoch: String) {"
    " found: region(id: $id, atLeastRevision: $at, epoch: $epoch) { id } }",
    "list": "query($id: ID!, $at: BigInt, $epoch: String) {"
    " found: regions(filter: {id: [$id]}, atLeastRevision: $at, epoch: $epoch) { nodes { id } } }",
}
MAKE = """mutation($name: String!) {
  createRegion(input: {name: $name}) { ... on CreateRegionPayload { revision epoch region { id } } }
}"""


@pytest.fixture
async def application(tmp_path: Path) -> AsyncIterator[Application]:
    async with application_in(tmp_path) as made:
        yield made


async def restored(application: Application) -> None:
    """The graph gets a new epoch, as a restore gives it; the next commit shows it to the process."""
    await application.ledger.store.new_epoch()
    await application.ledger.commit(lambda edit: edit.create(Region, name="since"), REQUEST)


@pytest.mark.parametrize("text", READS.values(), ids=READS)
@pytest.mark.parametrize("ahead", [-1, 0, 1, 1_000_000, None])
async def test_a_revision_of_another_epoch_is_refused_at_once_be_it_below_the_head_or_above(
    application: Application, text: str, ahead: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revisions, "REVISION_WAIT_S", 3_600.0)
    made = (await data(application, MAKE, {"name": "r"}))["createRegion"]
    asked = {"id": made["region"]["id"], "epoch": made["epoch"], "at": made["revision"]}
    assert (await data(application, text, asked))["found"]
    await restored(application)
    head = application.ledger.view.revision
    async with asyncio.timeout(60):  # it is not waited for, which would be an hour
        answer = await ask(application, text, asked | {"at": None if ahead is None else head + ahead})
    assert answer.errors
    refusal: Any = answer.errors[0].original_error
    assert isinstance(refusal, EpochChanged)
    assert refusal.code == "EPOCH_CHANGED"
    assert not refusal.retryable
    assert refusal.remedy
    assert refusal.extensions == {"epoch": application.ledger.view.epoch, "revision": head}
    assert (await data(application, text, asked | {"epoch": refusal.extensions["epoch"], "at": head}))["found"]


@pytest.mark.parametrize("epoch", ["", "nonsense", "x" * 10_000])
async def test_an_epoch_that_never_was_is_refused_as_another(application: Application, epoch: str) -> None:
    answer = await ask(application, READS["entity"], {"id": "region_1", "at": 0, "epoch": epoch})
    assert answer.errors
    assert isinstance(answer.errors[0].original_error, EpochChanged)


@pytest.mark.parametrize("told", [True, False])
async def test_who_waits_while_the_graph_is_restored_is_told_so(application: Application, told: bool) -> None:
    made = (await data(application, MAKE, {"name": "r"}))["createRegion"]
    asked = {"id": made["region"]["id"], "at": made["revision"] + 1, "epoch": made["epoch"] if told else None}
    waiting = asyncio.create_task(ask(application, READS["entity"], asked))
    await asyncio.sleep(0.02)
    assert not waiting.done()
    await restored(application)
    answer = await waiting
    assert answer.errors
    assert isinstance(answer.errors[0].original_error, EpochChanged)


async def test_a_revision_without_an_epoch_that_is_never_reached_names_the_epoch_that_it_was_looked_for_in(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revisions, "REVISION_WAIT_S", 0.01)
    answer = await ask(application, READS["entity"], {"id": "region_1", "at": 10**9})
    assert answer.errors
    refusal: Any = answer.errors[0].original_error
    assert isinstance(refusal, RevisionNotReached)
    assert refusal.extensions["epoch"] == application.ledger.view.epoch
    assert refusal.remedy is not None
    assert "epoch" in refusal.remedy


async def test_whatever_tells_a_revision_to_be_kept_tells_its_epoch(application: Application) -> None:
    info = (await data(application, "{ serverInfo { epoch revision } topology { epoch revision } }", {})).values()
    assert {one["epoch"] for one in info} == {application.ledger.view.epoch}
    assert (await data(application, MAKE, {"name": "r"}))["createRegion"]["epoch"] == application.ledger.view.epoch
    for name, declared in graphql_schema().type_map.items():
        if name.endswith("Payload") or (name.startswith(("Change", "Topology")) and "cursor" in fields(declared)):
            assert {"revision", "epoch"} <= set(fields(declared)), name


def fields(declared: Any) -> Any:
    return getattr(declared, "fields", {})
