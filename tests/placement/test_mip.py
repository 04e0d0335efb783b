"""The exact answer agrees with trying every choice, over all words of the model."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from tiny_models import best_by_force, tiny_model

from placement.solve.core import core, improve
from placement.solve.evaluation import better, evaluate
from placement.solve.mip import exact
from placement.solve.model import Clients, Limits, Model, Serving, Unit, nobody
from placement.solve.restriction import restricted
from placement.solve.solve import solve


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_exact_answer_is_the_best_of_all_choices(seed: int) -> None:
    model = tiny_model(seed)
    best = best_by_force(model)
    found = exact(model)
    assert found is not None
    assert found.proved
    assert found.feasible == (best is not None)
    if best is not None:
        assert found.cost == pytest.approx(best, abs=1e-6)
        assert found.bound == pytest.approx(best, abs=1e-6)
        assert found.bound_kind == "EXACT"
        assert found.gap() == 0.0
        assert (evaluate(model, found.open).cost == found.cost).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_a_start_changes_nothing_of_the_answers_cost(seed: int, other: int) -> None:
    model = tiny_model(seed)
    draw = np.random.default_rng(other)
    start = evaluate(model, tuple(np.flatnonzero(draw.random(unit.count) < 0.7) for unit in model.units))
    found, again = exact(model), improve(model, start)
    assert found is not None
    assert again.feasible == found.feasible
    assert again.proved
    if found.feasible:
        assert again.cost == pytest.approx(found.cost, abs=1e-6)
        assert again.bound_kind == "EXACT"


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_among_some_candidates_nothing_is_claimed_of_the_others(seed: int, other: int) -> None:
    model = tiny_model(seed)
    draw = np.random.default_rng(other)
    among = tuple(np.flatnonzero(draw.random(unit.count) < 0.7) for unit in model.units)
    if all(len(kept) == unit.count for kept, unit in zip(among, model.units, strict=True)):
        return
    found, whole = exact(model, among=among), exact(model)
    assert whole is not None
    if found is not None:
        assert found.feasible
        assert not found.proved
        assert found.bound is None
        assert all(np.isin(opened, kept).all() for opened, kept in zip(found.open, among, strict=True))
        assert not better(found.cost, whole.cost)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_a_choice_of_a_part_costs_and_keeps_the_same_in_the_whole(seed: int, other: int) -> None:
    model = tiny_model(seed)
    draw = np.random.default_rng(other)
    among = tuple(np.flatnonzero(draw.random(unit.count) < 0.8) for unit in model.units)
    part = restricted(model, among)
    inside = tuple(np.flatnonzero(draw.random(unit.count) < 0.6) for unit in part.units)
    of_part = evaluate(part, inside)
    of_whole = evaluate(model, tuple(kept[one] for kept, one in zip(among, inside, strict=True)))
    assert of_part.cost == pytest.approx(of_whole.cost)
    rules = [(one.rule, one.unit, one.need, one.have, one.label) for one in of_whole.broken if one.rule != "no_site"]
    assert [one for one in rules if one[0] != "min_sites"] == [
        (one.rule, one.unit, one.need, one.have, one.label)
        for one in of_part.broken
        if one.rule not in ("no_site", "min_sites")
    ]


def test_places_that_nobody_reaches_are_proved_infeasible() -> None:
    clients = Clients(csr_array(np.array([[1.0, 2.0], [0.0, 0.0]])), 0)
    model = Model((Unit("app", np.arange(2), np.ones((1, 2)), clients),), 1)
    found = exact(model)
    assert found is not None
    assert found.proved
    assert [one.rule for one in found.broken] == ["min_sites", "clients"]


def test_without_nodes_nothing_is_claimed() -> None:
    model = odd_circle(9)
    assert exact(model, node_limit=0) is None
    whole = evaluate(model, (np.arange(9),))
    kept = exact(model, incumbent=whole, node_limit=0)
    assert kept is not None
    assert not kept.proved
    assert kept.bound_kind == "LP"
    assert kept.bound is not None
    assert 4.5 <= kept.bound[0] <= 5.0


def test_costs_in_whole_steps_round_the_bound_up() -> None:
    found = exact(odd_circle(9))
    assert found is not None
    assert found.cost.tolist() == [5.0]
    assert found.proved


def odd_circle(count: int) -> Model:
    """Each client is reached by a candidate and the next: the relaxation opens every one by half."""
    rows = np.repeat(np.arange(count), 2)
    columns = (rows + np.tile([0, 1], count)) % count
    cost = csr_array((np.zeros(2 * count), (rows, columns)), shape=(count, count))
    return Model((Unit("app", np.arange(count), np.ones((1, count)), Clients(cost, 0)),), 1)


def towns(seed: int, *, sites: int, places: int, core_candidates: int = 12) -> Model:
    """Front ends near places, databases near front ends, on a square."""
    draw = np.random.default_rng(seed)
    where, towns = draw.random((sites, 2)), draw.random((places, 2))
    units = []
    for name in ("front", "db"):
        costs = np.vstack([np.ones(sites), np.round(draw.random(sites) + 0.5, 3)])
        units.append(Unit(name, np.arange(sites), costs))
    far = np.hypot(*(towns[:, None] - where[None]).transpose(2, 0, 1))
    apart = np.hypot(*(where[:, None] - where[None]).transpose(2, 0, 1))
    units[0] = Unit("front", units[0].sites, units[0].open_cost, Clients(near(far, 0.35), 1))
    reach = near(apart, 0.3)
    return Model(
        tuple(units),
        2,
        (Serving(1, 0, reach, 1, "serves"),),
        limits=Limits(core_candidates=core_candidates, exact_candidates=10),
    )


def near(distances: np.ndarray, limit: float) -> csr_array:
    row, column = np.nonzero(distances <= limit)
    return csr_array((np.round(distances[row, column], 3), (row, column)), shape=distances.shape)


@pytest.mark.parametrize("seed", range(4))
def test_a_core_is_never_worse_than_its_incumbent_and_never_better_than_the_best(seed: int) -> None:
    model = towns(seed, sites=40, places=15)
    incumbent = evaluate(model, (np.arange(40), np.arange(40)))
    found = improve(model, incumbent)
    whole = exact(model)
    assert whole is not None
    assert whole.proved
    assert found.feasible
    assert better(found.cost, incumbent.cost)
    assert not better(found.cost, whole.cost)
    assert found.cost[0] <= whole.cost[0] + 1


def test_a_core_has_the_open_and_some_for_every_place() -> None:
    model = towns(3, sites=60, places=20)
    opened = (np.array([7, 50]), np.array([3]))
    kept = core(model, evaluate(model, opened))
    for one, unit in zip(opened, kept, strict=True):
        assert np.isin(one, unit).all()
        assert (np.diff(unit) > 0).all()
        assert len(unit) < 60
    assert model.units[0].clients is not None
    reach = model.units[0].clients.cost[:, kept[0]]
    assert (np.diff(reach.indptr) > 0).all()


def test_an_incumbent_that_is_not_feasible_is_replaced_by_one_that_is() -> None:
    model = towns(1, sites=40, places=15)
    nothing = evaluate(model, (nobody(), nobody()))
    assert not nothing.feasible
    assert improve(model, nothing).feasible


def test_without_a_core_the_incumbent_stays() -> None:
    model = towns(1, sites=20, places=5, core_candidates=0)
    incumbent = evaluate(model, (np.arange(20), np.arange(20)))
    assert improve(model, incumbent) is incumbent


def test_the_same_model_has_the_same_answer_in_every_process() -> None:
    code = (
        "from test_mip import towns; from placement.solve.core import improve\n"
        "from placement.solve.evaluation import evaluate; import numpy as np\n"
        "m = towns(2, sites=50, places=20)\n"
        "c = improve(m, evaluate(m, (np.arange(50), np.arange(50))))\n"
        "print([one.tolist() for one in c.open], c.cost.tolist(), c.iterations)"
    )
    here = Path(__file__).parent
    answers = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": f"{here.parent.parent}:{here}"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(answers) == 1


@pytest.mark.parametrize("seed", range(4))
def test_candidates_few_enough_to_be_all_promising_are_searched_as_they_are(seed: int) -> None:
    """Somewhat more candidates than are branched over, of which the most promising are all."""
    model = towns(seed, sites=54, places=60)
    first = solve(replace(model, limits=Limits(core_candidates=0, exact_candidates=0)))
    found = exact(model, incumbent=first)
    assert found is not None
    assert found.feasible
    assert not better(first.cost, found.cost)
    assert found.proved
