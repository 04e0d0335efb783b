"""How many apps have a place together is said only where of each app it is known whether it has one alone."""

from __future__ import annotations

import pytest

from bench.placement import BATCHES, SHORT, TOGETHER
from bench.placement_batch_bounds import bounds_alone
from bench.worlds.apps import crowded
from bench.worlds.bounds import NONE, Bound, Bounds, name_of, shipped
from bench.worlds.fibre import SCALES, FibreWorld


@pytest.fixture(scope="module")
def world() -> FibreWorld:
    return FibreWorld(SCALES["S"], free=SHORT)


def test_an_app_without_a_bound_is_not_taken_as_one_that_has_no_place(world: FibreWorld) -> None:
    listed = crowded(world, 3)
    name = name_of(world, "crowded")
    bounds = Bounds()
    bounds.put(name, world, listed, {"app-0": Bound(NONE), "app-2": Bound(NONE)})
    with pytest.raises(SystemExit, match="no bound of app-1:"):
        bounds_alone(bounds, world, listed)
    bounds.put(name, world, listed, {"app-1": Bound("exact", 2.5)})
    assert bounds_alone(bounds, world, listed) == bounds.apps[name]


def test_bounds_of_another_network_are_none(world: FibreWorld) -> None:
    listed = crowded(world, 2)
    name = name_of(world, "crowded")
    bounds = Bounds()
    bounds.put(name, world, listed, {one.name: Bound(NONE) for one in listed})
    bounds.worlds[name] = "another"
    with pytest.raises(SystemExit, match="no bound of app-0, app-1:"):
        bounds_alone(bounds, world, listed)


@pytest.mark.parametrize("seed", BATCHES)
def test_every_app_of_a_shipped_batch_has_a_bound_of_its_own(seed: int) -> None:
    world = FibreWorld(SCALES["S"], seed=seed, free=SHORT)
    listed = crowded(world, TOGETHER, seed=seed)
    alone = bounds_alone(shipped(), world, listed)
    assert list(alone) == [one.name for one in listed]
