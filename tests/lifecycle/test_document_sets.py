"""Sets of documents over the embedded store: one commit or none, whatever the graph does meanwhile."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from graph.applying import Action
from graph.edit import Edit
from graph.entity import Source, SourceKind
from graph.kinds import Region, Site
from graph.refusal import IdempotencyMismatch, InvalidInput, LimitExceeded
from graph.stores.sqlite import SqliteStore
from lifecycle import document_batches, document_sets, document_trials
from lifecycle.document_answers import Applied
from worldkit.document_world import World, doc, network, world_on

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


def told(applied: Applied) -> list[tuple[str, str, Action, list[str]]]:
    return [(one.kind, one.name, one.action, one.changed) for one in applied.outcomes]


# One commit


async def test_a_set_is_one_commit_and_the_same_set_again_is_none(world: World) -> None:
    first = await world.apply(network(30))
    assert (first.applied, first.revision, first.operation) == (True, 1, None)
    assert first.count(Action.CREATED) == 31
    again = await world.apply(network(30), prune=True)
    assert again.applied
    assert again.count(Action.UNCHANGED) == 31
    assert world.ledger.view.revision == 1


async def test_a_refused_document_refuses_the_set(world: World) -> None:
    applied = await world.apply([*network(3), doc("Site", "bad", region="nowhere")])
    assert not applied.applied
    assert applied.count(Action.REFUSED) == 1
    assert world.ledger.view.revision == 0


async def test_a_dry_run_says_what_applying_does_and_does_nothing(world: World) -> None:
    await world.apply(network(5))
    wanted = [doc("Region", "r", demand=2.0), doc("Site", "s0001", region="r"), doc("Site", "new", region="r")]
    dry = await world.apply(wanted, prune=True, dry_run=True)
    assert not dry.applied
    assert world.ledger.view.revision == 1
    done = await world.apply(wanted, prune=True)
    assert done.applied
    assert told(done) == told(dry)
    assert {name: action for _, name, action, _ in told(done)} == {
        "r": Action.UPDATED,
        "s0001": Action.UNCHANGED,
        "new": Action.CREATED,
        **{f"s{n:04}": Action.DELETED for n in (0, 2, 3, 4)},
    }


async def test_two_who_apply_the_same_at_once_make_it_once(world: World) -> None:
    both = await asyncio.gather(*(world.apply(network(20)) for _ in range(4)))
    assert all(one.applied for one in both)
    assert sorted(one.count(Action.CREATED) for one in both) == [0, 0, 0, 21]
    assert world.count("Site") == 20
    assert world.ledger.view.revision == 1


async def test_what_comes_between_the_trial_and_the_lock_is_told(world: World) -> None:
    await world.apply([doc("Region", "r")])
    region = world.ledger.view.find("Region", "r")
    assert region is not None
    applying = asyncio.create_task(world.apply([doc("Site", "s", region="r"), doc("Site", "t", region=region.id)]))
    deleting = asyncio.create_task(world.change(lambda edit: edit.delete(region)))
    applied, gone = await asyncio.gather(applying, deleting, return_exceptions=True)
    assert isinstance(applied, Applied)
    if isinstance(gone, list):
        assert not applied.applied
        assert world.count("Site") == 0
        assert applied.count(Action.REFUSED) == 2
    else:
        assert applied.applied


async def test_a_single_change_that_no_commit_holds_is_refused_at_once(world: World) -> None:
    ring = [[{"longitude": n / 1_000_000, "latitude": 50.123456789} for n in range(150_000)]]
    ring[0].append(ring[0][0])
    with pytest.raises(LimitExceeded) as problem:
        await world.apply([doc("Region", "large", boundary=ring)])
    assert "large" in problem.value.message
    assert world.ledger.view.revision == 0


# The same key again


@pytest.mark.parametrize("sites", [3, 40])
async def test_the_same_key_gives_the_first_answer_whatever_has_changed_since(
    world: World, small: None, sites: int
) -> None:
    first = await world.apply(network(sites), key="k")
    if first.operation is not None:
        await world.ended(first.operation)
    await world.apply([], prune=True, allow_empty=True)
    again = await world.apply(network(sites), key="k")
    assert [again.count(one) for one in Action] == [first.count(one) for one in Action]
    assert (again.applied, again.revision) == (True, first.revision)
    assert again.operation == first.operation
    assert [(one.kind, one.name, one.id) for one in again.shown] == [
        (one.kind, one.name, one.id) for one in first.shown
    ]
    with pytest.raises(IdempotencyMismatch):
        await world.apply(network(sites), key="k", digest="other")


async def test_a_key_of_a_set_that_changed_nothing_is_kept(world: World) -> None:
    await world.apply(network(2))
    first = await world.apply(network(2), key="k")
    assert first.count(Action.UNCHANGED) == 3
    await world.apply([], prune=True, allow_empty=True)
    assert (await world.apply(network(2), key="k")).count(Action.UNCHANGED) == 3
    assert world.count("Site") == 0


async def test_a_key_that_is_raced_is_answered_once(world: World) -> None:
    answers = await asyncio.gather(*(world.apply(network(5), key="k") for _ in range(4)))
    assert {one.count(Action.CREATED) for one in answers} == {6}
    assert {one.revision for one in answers} == {1}


async def test_a_refused_or_dry_run_leaves_its_key_free(world: World) -> None:
    await world.apply([doc("Site", "s", region="nowhere")], key="k")
    await world.apply(network(1), key="k", digest="dry", dry_run=True)
    assert (await world.apply(network(1), key="k", digest="done")).count(Action.CREATED) == 2


# While the graph changes


async def test_sets_that_are_tried_while_the_graph_changes_under_them_end_in_order(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(document_trials, "SLICE", 2)  # the event loop goes on between any two documents
    random_ = random.Random(7)
    stop = False

    async def meddle() -> None:
        while not stop:
            await asyncio.sleep(0)
            ids = list(world.ledger.view.ids("Site"))
            if not ids:
                continue
            chosen = random_.choice(ids)

            def change(edit: Edit, chosen: str = chosen) -> None:
                site = edit.get(chosen)
                if isinstance(site, Site):
                    if random_.random() < 0.5:
                        edit.delete(site)
                    else:
                        edit.replace(site, display_name=str(random_.random()))

            await world.change(change)

    async def apply_some(name: str) -> None:
        source = Source(SourceKind.DOCUMENTS, name)
        for _ in range(6):
            wanted = random_.sample(range(30), 20)
            documents = [doc("Region", f"r-{name}"), *(doc("Site", f"{name}-{n}", region=f"r-{name}") for n in wanted)]
            applied = await world.apply(documents, source=source, prune=True)
            assert applied.applied, [one.error for one in applied.outcomes if one.error is not None]

    meddling = asyncio.create_task(meddle())
    await asyncio.gather(*(apply_some(name) for name in ("a", "b", "a")))
    stop = True
    await meddling
    commits = await world.ledger.store.commits_after(0, limit=10_000)
    assert [one.revision for one in commits] == list(range(1, len(commits) + 1))
    state: dict[str, Any] = {}
    for commit in commits:
        for change in commit.changes:
            state[change.id] = change.after
    assert {key for key, value in state.items() if value is not None} == {
        one for kind in ("Region", "Site") for one in world.ledger.view.ids(kind)
    }


class Meddled:
    """Lets something happen after each trial of a set, before its commit."""

    def __init__(self, world: World, *meddling: Any) -> None:
        self._try_out = world.sets.try_out
        self._world = world
        self._meddling = list(meddling)
        self.trials = 0
        world.sets.try_out = self.try_out  # type: ignore[method-assign]  # the way in between trial and commit

    async def try_out(self, *given: Any) -> Any:
        tried = await self._try_out(*given)
        self.trials += 1
        if self._meddling:
            await self._world.change(self._meddling.pop(0))
        return tried


def renaming(world: World, name: str, to: str) -> Any:
    def change(edit: Edit) -> None:
        found = edit.find("Site", name)
        assert found is not None
        edit.replace(found, name=to)

    return change


async def test_a_set_that_is_overtaken_is_tried_anew(world: World) -> None:
    await world.apply(network(3))
    meddled = Meddled(world, renaming(world, "s0001", "moved"))
    applied = await world.apply(network(3), prune=True, key="k")
    assert meddled.trials == 2
    assert {name: action for _, name, action, _ in told(applied)} == {
        "r": Action.UNCHANGED,
        "s0000": Action.UNCHANGED,
        "s0001": Action.CREATED,
        "s0002": Action.UNCHANGED,
        "moved": Action.DELETED,
    }
    assert world.count("Site") == 3


async def test_what_has_nothing_to_do_with_a_set_overtakes_it_not(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(document_trials.Tried, "whole_at_head", None)
    await world.apply(network(3))
    meddled = Meddled(world, lambda edit: edit.create(Region, name="elsewhere"))
    applied = await world.apply(network(4))
    assert (meddled.trials, applied.count(Action.CREATED)) == (1, 1)


async def test_a_set_that_keeps_being_overtaken_is_applied_at_head_as_a_whole(world: World) -> None:
    await world.apply(network(3))
    there, gone = renaming(world, "a", "s0001"), renaming(world, "s0001", "a")
    meddled = Meddled(world, gone, there, gone)
    applied = await world.apply([*network(3), doc("Site", "new", region="r")])
    assert meddled.trials == document_sets.TRIALS
    assert applied.applied
    assert applied.count(Action.CREATED) == 2, "the new one, and the one that was renamed"
    assert world.ledger.view.find("Site", "a") is not None


async def test_a_refusal_that_was_overtaken_is_looked_at_again(world: World) -> None:
    meddled = Meddled(world, lambda edit: edit.create(Region, name="late"))
    applied = await world.apply([doc("Site", "s", region="late")])
    assert applied.applied
    assert meddled.trials == 2


async def test_the_loop_goes_on_while_a_set_is_tried_and_pruned(world: World) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0)
            ticks += 1

    ticking = asyncio.create_task(tick())
    await world.apply(network(640), dry_run=True)
    assert ticks >= 640 // document_trials.SLICE - 2
    await world.apply(network(640))
    ticks = 0
    await world.apply([doc("Region", "r")], prune=True, dry_run=True)
    assert ticks >= 640 // document_trials.SLICE - 2
    ticking.cancel()


# Nothing left


async def test_a_set_is_emptied_only_when_that_is_said(world: World) -> None:
    await world.apply(network(2))
    with pytest.raises(InvalidInput) as problem:
        await world.apply([], prune=True)
    assert problem.value.path == "input.allowEmpty"
    assert "allowEmpty" in (problem.value.remedy or "")
    assert "'main'" in problem.value.message
    dry = await world.apply([], prune=True, dry_run=True)
    assert dry.count(Action.DELETED) == 3
    assert (await world.apply([])).outcomes == [], "without pruning nothing goes"
    assert world.count("Site") == 2
    gone = await world.apply([], prune=True, allow_empty=True)
    assert told(gone) == told(dry)
    assert (world.count("Site"), world.count("Region")) == (0, 0)


@pytest.mark.parametrize("name", ["", " ", "a/b", " a", "a\n", "x" * 254])
async def test_what_is_no_name_names_no_set(world: World, name: str) -> None:
    with pytest.raises(InvalidInput) as problem:
        await world.apply(network(1), source=Source(SourceKind.DOCUMENTS, name))
    assert problem.value.path == "input.name"
