"""Large sets of documents: an operation of ordered commits that goes on where it stopped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from graph.applying import Action
from graph.documents import document_from
from graph.edit import Edit
from graph.entity import Source, SourceKind
from graph.kinds import Operation, OperationStatus, Site
from graph.store import StoreUnavailable
from graph.stores.sqlite import SqliteStore
from graph.view import get_as
from lifecycle import document_batches, document_sets, document_work
from lifecycle.document_sets import COLLECTION, DocumentSets
from storekit.wrappers import Wrapped
from worldkit.document_world import SOURCE, World, doc, network, world_on

BATCH = 10


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "graph.db"


@pytest.fixture
async def world(path: Path) -> AsyncIterator[World]:
    async with world_on(SqliteStore(path)) as made:
        yield made


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commits and batches that a few documents fill."""
    monkeypatch.setattr(document_sets, "ONE_COMMIT_CHANGES", 20)
    monkeypatch.setattr(document_batches, "BATCH_CHANGES", BATCH)


async def test_a_large_set_becomes_an_operation_of_ordered_commits(world: World, small: None) -> None:
    documents = list(reversed(network(45)))
    applied = await world.apply(documents)
    assert applied.applied
    assert applied.count(Action.CREATED) == 46
    assert applied.operation is not None
    assert applied.operation.progress.total == 5
    assert applied.operation.source == SOURCE
    operation = await world.ended(applied.operation)
    assert operation.status is OperationStatus.SUCCEEDED
    assert operation.progress.done == 5
    assert operation.finished_at is not None
    assert world.count("Site") == 45
    assert all(get_as(world.ledger.view, Site, one).source == SOURCE for one in world.ledger.view.ids("Site"))  # type: ignore[union-attr]  # each id is of one that is there
    commits = await world.ledger.store.commits_after(0)
    assert [len(one.changes) for one in commits] == [1, 11, 11, 11, 11, 7]
    # Once more: nothing to do, and no operation for it.
    again = await world.apply(documents, prune=True)
    assert again.count(Action.UNCHANGED) == 46
    assert again.operation is None


async def test_a_large_set_is_pruned_in_the_same_operation(world: World, small: None) -> None:
    await world.ended((await world.apply(network(45))).operation)
    applied = await world.apply([doc("Region", "other")], prune=True)
    assert applied.count(Action.DELETED) == 46
    assert (await world.ended(applied.operation)).status is OperationStatus.SUCCEEDED
    assert (world.count("Site"), world.count("Region")) == (0, 1)


async def test_batches_are_cut_by_their_size_as_well(
    world: World, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(document_batches, "BATCH_BYTES", 4_000)
    monkeypatch.setattr(document_sets, "ONE_COMMIT_BYTES", 5_000)
    applied = await world.apply([doc("Region", f"r{n}") for n in range(8)])
    assert applied.operation is None
    large = [
        document_from(
            {"kind": "Region", "metadata": {"name": f"x{n}", "displayName": "ä" * 1_000}, "spec": {}}, where=str(n)
        )
        for n in range(8)
    ]
    applied = await world.apply(large)
    assert applied.operation is not None
    assert applied.operation.progress.total == 8
    assert (await world.ended(applied.operation)).status is OperationStatus.SUCCEEDED


class Stopped(Exception):
    """The process died here."""


class DiesAfter(Wrapped):
    """A store that takes some transactions and then is as if the process were gone."""

    def __init__(self, inner: Any, *, writes: int) -> None:
        super().__init__(inner)
        self.left = writes

    async def leave(self, context: Any, kind: Any, problem: Any, trace: Any) -> None:
        if self.left <= 0:
            failed = ConnectionAbortedError("gone")
            await context.__aexit__(type(failed), failed, None)
            raise StoreUnavailable("the process is as good as gone")
        self.left -= 1
        await context.__aexit__(kind, problem, trace)


@pytest.mark.parametrize("writes", [1, 2, 4, 5])
async def test_an_operation_goes_on_where_a_process_that_died_left_it(path: Path, small: None, writes: int) -> None:
    documents = network(45)
    async with world_on(DiesAfter(SqliteStore(path), writes=writes)) as world:
        applied = await world.apply(documents)
        assert applied.operation is not None
        async with asyncio.timeout(60):
            while world.ledger.view.revision < writes:
                await asyncio.sleep(0.005)
        await asyncio.sleep(0.05)
        assert world.ledger.view.revision == writes
        running = get_as(world.ledger.view, Operation, applied.operation.id)
        assert running is not None
        assert running.progress.done == writes - 1
    async with world_on(SqliteStore(path)) as world:
        operation = await world.ended(applied.operation)
        assert operation.status is OperationStatus.SUCCEEDED
        assert world.count("Site") == 45
        sites = [get_as(world.ledger.view, Site, one) for one in world.ledger.view.ids("Site")]
        assert sorted(one.ordinal for one in sites if one is not None) == list(range(45)), "no batch was applied twice"
        assert len(await world.ledger.store.commits_after(0)) == 6


async def test_an_operation_waits_while_the_store_is_away_and_others_are_not_lost(
    path: Path, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(document_work, "RETRY_S", 0.02)

    class NoRecords(Wrapped):
        away = 3

        async def record(self, collection: str, record_id: str) -> Any:
            if collection == COLLECTION and self.away:
                self.away -= 1
                raise StoreUnavailable("away on purpose")
            return await self.inner.record(collection, record_id)

    async with world_on(NoRecords(SqliteStore(path))) as world:
        applied = await world.apply(network(45))
        assert (await world.ended(applied.operation)).status is OperationStatus.SUCCEEDED


async def test_an_operation_that_meets_a_refusal_ends_with_its_reason(world: World, small: None) -> None:
    documents = network(45)

    def in_the_way(edit: Edit) -> None:
        region = edit.find("Region", "r")
        assert region is not None
        edit.create(Site, name="s0030", region_id=region.id)

    applied = await world.apply(documents)
    async with asyncio.timeout(60):
        while world.ledger.view.find("Region", "r") is None:
            await asyncio.sleep(0)
    await world.change(in_the_way)
    operation = await world.ended(applied.operation)
    assert operation.status is OperationStatus.PARTIAL
    assert operation.error is not None
    assert operation.error.code == "DOCUMENT_REFUSED"
    assert "s0030" in operation.error.message
    assert operation.error.remedy
    assert world.count("Site") < 45
    # What is mended is applied again: what is there already is skipped.
    site = next(
        one for one in map(world.ledger.view.get, world.ledger.view.ids("Site")) if getattr(one, "name", "") == "s0030"
    )
    assert site is not None
    await world.change(lambda edit: edit.delete(site))
    again = await world.apply(documents)
    assert again.count(Action.CREATED) < 46
    if again.operation is not None:
        await world.ended(again.operation)
    assert world.count("Site") == 45


async def test_an_operation_whose_documents_are_gone_says_so(path: Path, small: None) -> None:
    async with world_on(SqliteStore(path), working=False) as world:
        applied = await world.apply(network(45))
        await world.ledger.store.prune(COLLECTION, before=2**52)
    async with world_on(SqliteStore(path)) as world:
        operation = await world.ended(applied.operation)
        assert operation.status is OperationStatus.FAILED
        assert operation.error is not None
        assert operation.error.code == "NOT_FOUND"


async def test_a_bug_in_a_step_ends_its_operation_and_not_the_work(
    world: World, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    healthy = world.sets._work.apply_batch

    async def step(operation: Operation, number: int, batch: Any) -> None:
        if operation.source.name == "broken":
            raise ZeroDivisionError
        await healthy(operation, number, batch)

    monkeypatch.setattr(world.sets._work, "apply_batch", step)
    broken = await world.apply(
        [doc("Region", f"b{n}") for n in range(45)], source=Source(SourceKind.DOCUMENTS, "broken")
    )
    fine = await world.apply(network(45))
    failed = await world.ended(broken.operation)
    assert failed.status is OperationStatus.FAILED
    assert failed.error is not None
    assert "division" not in failed.error.message
    assert (await world.ended(fine.operation)).status is OperationStatus.SUCCEEDED


async def test_two_processes_share_the_work_without_doing_any_of_it_twice(world: World, small: None) -> None:
    # Two workers on one ledger stand for two processes: a step that another has done is not done again.
    other = DocumentSets(world.ledger)
    async with other.running():
        applied = await world.apply(network(45))
        operation = await world.ended(applied.operation)
    assert operation.status is OperationStatus.SUCCEEDED
    assert len(await world.ledger.store.commits_after(0)) == 6
