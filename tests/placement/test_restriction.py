"""A model on some of its candidates says of a choice of these what the whole model says."""

from __future__ import annotations

import numpy as np
import pytest
from solve_models import sparse, unit
from tiny_models import tiny_model

from placement.solve.evaluation import evaluate
from placement.solve.model import Clients, Model, Serving
from placement.solve.restriction import restricted


@pytest.mark.parametrize("seed", range(60))
def test_a_choice_of_some_candidates_costs_and_keeps_the_same(seed: int) -> None:
    model, draw = tiny_model(seed), np.random.default_rng(seed)
    among = tuple(np.flatnonzero(draw.random(one.count) < 0.7) for one in model.units)
    part = restricted(model, among)
    opened = tuple(np.flatnonzero(draw.random(len(kept)) < 0.6) for kept in among)
    inside = evaluate(part, opened)
    whole = evaluate(model, tuple(kept[one] for kept, one in zip(among, opened, strict=True)))
    np.testing.assert_allclose(inside.cost, whole.cost)
    # A unit without any candidate is told so.
    few = {"no_site", "min_sites"}
    assert [one.rule in few or one.rule for one in inside.broken] == [
        one.rule in few or one.rule for one in whole.broken
    ]


def test_of_all_candidates_no_table_is_made_again() -> None:
    places = Clients(sparse([{0: 1.0, 2: 0.0}, {1: 2.0}], 3), 0)
    near = sparse([{0: 0.0}, {1: 0.0}, {0: 0.0, 1: 0.0}], 2)
    model = Model((unit([1.0, 2.0, 3.0], clients=places), unit([1.0, 1.0])), 1, (Serving(1, 0, near, 0),))
    same = restricted(model, (np.arange(3), np.arange(2)))
    assert same.units[0].clients is not None
    assert same.units[0].clients.cost is places.cost
    assert same.serving[0].reach is near
    fewer = restricted(model, (np.array([0, 2]), np.array([1])))
    assert fewer.units[0].clients is not None
    assert fewer.units[0].clients.cost.toarray().tolist() == [[1.0, 0.0], [0.0, 0.0]]
    assert fewer.units[0].clients.cost.nnz == 2
    assert fewer.serving[0].reach.toarray().shape == (2, 1)
    assert fewer.serving[0].reach.nnz == 1
