"""What is left out is needed by no choice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from test_streams import served_model
from tiny_models import best_by_force, tiny_model

from placement.solve.dominance import needed
from placement.solve.model import Clients, Model, Unit
from placement.solve.restriction import restricted


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_the_best_of_what_is_left_costs_as_much_as_the_best_of_all(seed: int, served: bool) -> None:
    model = served_model(seed) if served else tiny_model(seed)
    best, left = best_by_force(model), best_by_force(restricted(model, needed(model)))
    assert (best is None) == (left is None)
    if best is not None:
        assert left == pytest.approx(best, abs=1e-6)


def of_one(costs: list[float], rows: list[list[float]], **more: int) -> Model:
    """One unit, each client of which is served by all candidates at these costs."""
    unit = Unit("app", np.arange(len(costs)), np.array([costs]), Clients(csr_array(np.array(rows)), 0), **more)
    return Model((unit,), 1)


def test_the_dearer_of_two_that_serve_the_same_is_left_out() -> None:
    assert [one.tolist() for one in needed(of_one([1.0, 2.0], [[1.0, 1.0]]))] == [[0]]


def test_of_two_that_are_the_same_the_first_is_left() -> None:
    assert [one.tolist() for one in needed(of_one([1.0, 1.0], [[1.0, 1.0]]))] == [[0]]


def test_one_that_saves_more_on_the_way_than_it_costs_stays() -> None:
    assert [one.tolist() for one in needed(of_one([1.0, 1.5], [[2.0, 1.0]]))] == [[0, 1]]
    assert [one.tolist() for one in needed(of_one([1.0, 2.5], [[2.0, 1.0]]))] == [[0]]


def test_where_two_are_asked_for_two_stand_in_for_a_third() -> None:
    assert [one.tolist() for one in needed(of_one([1.0, 2.0, 3.0], [[1.0, 1.0, 1.0]], min_open=2))] == [[0, 1]]


def test_what_is_to_be_kept_stays() -> None:
    assert [one.tolist() for one in needed(of_one([1.0, 2.0], [[1.0, 1.0]]), keep=(np.array([1]),))] == [[0, 1]]
