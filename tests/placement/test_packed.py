"""What is packed into the same amounts is packed once, and never told of other amounts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
from placement_graphs import GIB, Builder, amount

from graph.kinds import Node
from graph.view import each
from placement import packing
from placement.engine import decide
from placement.kept import ENTRY_BYTES, Kept, Shelf
from placement.lone_packing import packed_alone
from placement.packed import MOST, Packed
from placement.problem import Problem
from placement.projection import Projection


def packed(shelf: Shelf) -> Packed:
    """For amounts of four bins, kept on a shelf."""
    free = np.zeros((4, 3), dtype=np.int64)
    return Kept(shelf).get((1,), lambda: Packed(free, free, shelf))


def test_what_is_made_of_the_same_is_made_once_and_of_an_equal_array_again() -> None:
    shelf = Shelf()
    kept, mask = packed(shelf), np.ones(4, dtype=bool)
    made = [kept.get((one, "rule", 2), lambda: (np.zeros(3), None)) for one in (mask, mask, mask.copy())]
    assert made[0] is made[1]
    assert made[0] is not made[2]
    assert (len(kept), kept.nbytes_held) == (2, 2 * (ENTRY_BYTES + 24 + 4))
    assert shelf.nbytes == kept.nbytes_held + ENTRY_BYTES


def test_there_are_so_many_at_most_and_those_that_went_are_not_counted() -> None:
    shelf = Shelf()
    kept, mask = packed(shelf), np.ones(4, dtype=bool)
    for n in range(2 * MOST):
        assert kept.get((mask, n), lambda n=n: np.full(3, n)).tolist() == [n] * 3  # type: ignore[misc]  # the type of a default is not seen
    assert (len(kept), kept.nbytes_held) == (MOST, MOST * (ENTRY_BYTES + 24) + 4)
    assert shelf.nbytes == kept.nbytes_held + ENTRY_BYTES


def world(build: Builder) -> tuple[Projection, Any]:
    """Six sites, one of which has no room for the component, with a projection that follows the graph."""
    for n in range(6):
        build.site(nodes=2, node={"capacity": amount(400 if n == 3 else 4000, 16 * GIB), "schedulable": n != 4})
    component = build.component(resources=amount(1000, GIB), replicas=3)
    projection = Projection(build.view)
    build.view.follow(projection)
    return projection, component


def told(problem: Problem) -> bytes:
    return msgspec.json.encode(decide(problem).whole())


def test_a_component_that_is_decided_on_again_is_not_packed_again_until_room_changes(
    build: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    projection, component = world(build)
    calls = []

    def counted(*args: Any, **named: Any) -> Any:
        calls.append(args)
        return packed_alone(*args, **named)

    monkeypatch.setattr(packing, "packed_alone", counted)
    first = told(build.problem(component, projection=projection))
    assert calls
    calls.clear()
    assert told(build.problem(component, projection=projection)) == first
    assert not calls
    for change in ({"foreign_use": amount(3500)}, {"schedulable": False}):
        for one in list(each(build.view, Node))[:2]:
            build.change(one, **change)
        now = told(build.problem(component, projection=projection))
        assert calls
        assert now == told(build.problem(component, projection=Projection(build.view)))
        assert now != first
        calls.clear()
        first = now


def test_amounts_of_its_own_have_nothing_of_what_is_kept(build: Builder) -> None:
    projection, component = world(build)
    problem = build.problem(component, projection=projection)
    assert decide(problem).feasible
    bins = problem.bins
    assert bins.packed is not None
    none_left = replace(bins, free=np.zeros_like(bins.free))
    assert not decide(replace(problem, bins=none_left)).feasible
    assert decide(problem).feasible
