"""Shipped bounds: an app that changed loses its own, another world or other costs lose all; files are merged by app."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from bench.worlds.apps import AppToPlace, apps
from bench.worlds.bounds import (
    BELOW,
    EXACT,
    NONE,
    BatchBound,
    Bound,
    Bounds,
    app_mark,
    batch_mark,
    shipped,
    world_mark,
    write,
)
from bench.worlds.fibre import SCALES, FibreWorld
from graph.kinds import Component, Site
from graph.kinds.policy import ScoreWeights
from graph.values import Resources
from placement import scores
from placement.scores import latency

NAME = "S-1-composite"


@pytest.fixture(scope="module")
def world() -> FibreWorld:
    return FibreWorld(SCALES["S"])


@pytest.fixture
def listed(world: FibreWorld) -> list[AppToPlace]:
    return apps(world, 3)


def of(world: FibreWorld, listed: list[AppToPlace], **found: float) -> Bounds:
    bounds = Bounds()
    bounds.put(NAME, world, listed, {f"app-{name[1:]}": Bound(BELOW, cost) for name, cost in found.items()})
    return bounds


def _component(app: AppToPlace, **fields: object) -> AppToPlace:
    first: Component = structs.replace(app.components[0], **fields)
    return replace(app, components=(first, *app.components[1:]))


CHANGES: dict[str, Callable[[AppToPlace], AppToPlace]] = {
    "a word of the policy": lambda app: replace(app, policy=structs.replace(app.policy, max_sites=3)),
    "a weight": lambda app: replace(app, policy=structs.replace(app.policy, weights=ScoreWeights(price=3.0))),
    "a word of a component": lambda app: replace(
        app,
        policy=structs.replace(
            app.policy, components=[structs.replace(one, min_sites=2) for one in app.policy.components]
        ),
    ),
    "what a replica needs": lambda app: _component(app, resources=Resources(cpu_millicores=1, memory_bytes=1)),
    "replicas": lambda app: _component(app, replicas=7),
    "a node selector": lambda app: _component(app, node_selector="disk=tape"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_an_app_that_has_changed_loses_its_own_bound_and_no_other(
    world: FibreWorld, listed: list[AppToPlace], change: Callable[[AppToPlace], AppToPlace]
) -> None:
    bounds = of(world, listed, a0=1.0, a1=2.0, a2=3.0)
    assert bounds.holding(NAME, world, listed) == bounds.apps[NAME]
    changed = [listed[0], change(listed[1]), listed[2]]
    assert bounds.holding(NAME, world, changed).keys() == {"app-0", "app-2"}
    bounds.put(NAME, world, changed, {"app-1": Bound(EXACT, 5.0)})
    assert bounds.holding(NAME, world, changed)["app-1"] == Bound(EXACT, 5.0)
    assert bounds.holding(NAME, world, listed).keys() == {"app-0", "app-2"}
    assert batch_mark(changed) != batch_mark(listed)


def test_what_is_called_otherwise_is_the_same_to_a_bound(listed: list[AppToPlace]) -> None:
    assert app_mark(replace(listed[0], name="other")) == app_mark(listed[0])
    assert app_mark(_component(listed[0], id="component_other")) == app_mark(listed[0])


def test_another_price_anywhere_or_another_scale_of_costs_loses_every_bound(
    world: FibreWorld, listed: list[AppToPlace], monkeypatch: pytest.MonkeyPatch
) -> None:
    bounds, other = of(world, listed, a0=1.0, a1=2.0), FibreWorld(SCALES["S"])
    at = next(n for n, one in enumerate(other.entities) if isinstance(one, Site))
    site = other.entities[at]
    assert isinstance(site, Site)
    assert world_mark(other) == world_mark(world)
    other.entities[at] = structs.replace(site, price_per_core_hour=site.price_per_core_hour + 0.01)
    assert bounds.holding(NAME, other, listed) == {}
    slower = tuple(replace(one, scale=20.0) if one is latency.SCORE else one for one in scores.SCORES)
    monkeypatch.setattr("bench.worlds.bounds.SCORES", slower)
    assert bounds.holding(NAME, world, listed) == {}
    bounds.batches[NAME] = BatchBound("mark", most=1, least={}, room=0.0)
    bounds.put(NAME, other, listed, {"app-2": Bound(NONE)})
    assert bounds.holding(NAME, other, listed) == {"app-2": Bound(NONE)}
    assert NAME not in bounds.batches


def test_of_two_files_the_nearer_bound_of_each_app_is_taken_and_none_of_another_app_or_world(
    world: FibreWorld, listed: list[AppToPlace], tmp_path: Path
) -> None:
    mine, theirs = of(world, listed, a0=1.0, a1=2.0), of(world, listed, a0=1.5, a1=1.5, a2=3.0)
    theirs.put("M-1-simple", world, listed, {"app-0": Bound(NONE)})
    write(theirs, tmp_path / "theirs.gz")
    mine.merge(shipped(tmp_path / "theirs.gz"))
    assert [mine.apps[NAME][one.name].cost for one in listed] == [1.5, 2.0, 3.0]
    assert mine.holding("M-1-simple", world, listed) == {"app-0": Bound(NONE)}
    changed = [CHANGES["replicas"](one) for one in listed]
    mine.merge(of(world, changed, a0=9.0))
    mine.merge(Bounds(worlds={NAME: "another"}, marks=theirs.marks, apps={NAME: {"app-0": Bound(BELOW, 9.0)}}))
    assert mine.apps[NAME]["app-0"] == Bound(BELOW, 1.5)
    assert shipped(tmp_path / "none.gz") == Bounds()
