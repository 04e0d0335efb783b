"""What is left out by what it costs with those that come with it is in no better choice; and rows that are known hold."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from test_streams import columns_of_choice, served_model
from tiny_models import best_by_force

from placement.arrays import Floats
from placement.solve.along import more_with, web_of
from placement.solve.evaluation import evaluate
from placement.solve.ladders import Told
from placement.solve.model import Clients, Model, Serving, Unit
from placement.solve.pool import Pool
from placement.solve.program import program
from placement.solve.relaxation import Relaxation
from placement.solve.restriction import restricted
from placement.solve.streams import chains_of


def reduced_of(model: Model) -> tuple[float, Floats] | None:
    """The bound of the relaxation, and what each candidate costs beyond it alone."""
    rows = program(model)
    found = Relaxation(rows, 0, Told(rows.ladders), chains_of(model, rows)).run()
    if not found.feasible or found.reduced is None:
        return None
    return found.value + float(rows.constants[0]), np.maximum(found.reduced[: rows.opens], 0.0)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_best_choice_is_among_those_that_are_not_left_out(seed: int) -> None:
    model = served_model(seed)
    best, found = best_by_force(model), reduced_of(model)
    if best is None or found is None:
        return
    low, alone = found
    more = more_with(model, web_of(model), alone)
    assert (more >= alone - 1e-12).all()
    ends = np.cumsum([unit.count for unit in model.units])[:-1]
    among = tuple(np.flatnonzero(one) for one in np.split(more <= best[0] - low + 1e-6, ends))
    assert best_by_force(restricted(model, among)) == pytest.approx(best)


def test_a_candidate_costs_what_it_needs_and_what_needs_it_as_well() -> None:
    """Front ends 0 and 1, each with an API of its own; API 0 costs 2 more than its bound, front end 1 costs 3 more."""
    front = Unit("front", np.arange(2), np.ones((1, 2)), Clients(csr_array(np.ones((1, 2))), 0))
    back = Unit("back", np.arange(3), np.ones((1, 3)))
    own = csr_array((np.zeros(2), (np.arange(2), np.arange(2))), shape=(2, 3))
    model = Model((front, back), 1, (Serving(1, 0, own, 0),))
    more = more_with(model, web_of(model), np.array([0.0, 3.0, 2.0, 1.0, 0.0]))
    assert more.tolist() == [2.0, 4.0, 2.0, 4.0, np.inf]


def test_of_a_unit_that_must_have_two_open_one_may_be_there_for_that_alone() -> None:
    front = Unit("front", np.arange(1), np.ones((1, 1)), Clients(csr_array(np.ones((1, 1))), 0))
    back = Unit("back", np.arange(2), np.ones((1, 2)), min_open=2)
    first = csr_array((np.zeros(1), (np.zeros(1, dtype=int), np.zeros(1, dtype=int))), shape=(1, 2))
    model = Model((front, back), 1, (Serving(1, 0, first, 0),))
    assert more_with(model, web_of(model), np.array([5.0, 0.0, 1.0])).tolist() == [5.0, 0.0, 1.0]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_rows_that_are_known_hold_for_every_choice_of_a_part(seed: int) -> None:
    model, draw = served_model(seed), np.random.default_rng(seed + 1)
    rows, pool = program(model), Pool(model, 0)
    known = pool.over(rows)
    learned = 0
    for share in (0.0, 0.3, 0.7):
        values = np.where(draw.random(rows.columns) < share, 0.0, draw.random(rows.columns))
        for chain in chains_of(model, rows):
            broken = chain.broken(values, draw.random(rows.columns))
            if broken is not None:
                known.learn(broken)
                assert known.tight(values, by=0.0) is not None
                learned += len(broken.low)
    assert len(known.rows.low) == learned
    part = tuple(np.flatnonzero(draw.random(unit.count) < 0.8) for unit in model.units)
    for among in (rows.among, part):
        left = program(model, among=among)
        again, smaller = pool.over(left), restricted(model, among)
        for opened in product((0.0, 1.0), repeat=left.opens):
            chosen = np.array(opened)
            if evaluate(model, left.opened(chosen)).feasible:
                assert (again.rows.matrix @ columns_of_choice(left, smaller, chosen) >= again.rows.low - 1e-6).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_relaxation_that_is_given_candidates_as_they_are_needed_comes_to_the_same(seed: int) -> None:
    model, draw = served_model(seed), np.random.default_rng(seed + 1)
    rows = program(model)
    whole = Relaxation(rows, 0, Told(rows.ladders), chains_of(model, rows)).run()
    some = draw.random(rows.opens) < 0.4
    part = Relaxation(rows, 0, Told(rows.ladders), chains_of(model, rows), given=some).run()
    assert part.feasible == whole.feasible
    if whole.feasible and whole.reduced is not None:
        assert part.value == pytest.approx(whole.value, abs=1e-5)
        best = best_by_force(model)
        assert best is None or part.value + float(rows.constants[0]) <= best[0] + 1e-6
