"""Looking around what was chosen: what narrowing left out is found again, and what is cut anew is the same problem."""

from __future__ import annotations

import numpy as np
import pytest
from test_bounding import APART, network, policy
from tiny_models import best_by_force

from placement import modelling, narrowing
from placement.choosing import Choosing
from placement.modelling import Modelled, modelled, recut
from placement.problem import Problem
from placement.rules import RULES
from placement.screening import screen
from placement.solve.evaluation import better, evaluate
from placement.solve.model import Limits
from placement.unit_problems import unit_problems

SITES = 7


@pytest.fixture(autouse=True)
def narrow_at_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is narrowed to next to nothing, and looked around at next to nothing."""
    monkeypatch.setattr(modelling, "WIDE", 2)
    monkeypatch.setattr(narrowing, "KEPT", 2)
    monkeypatch.setattr(narrowing, "NEAR", 3)
    monkeypatch.setattr(narrowing, "MOST_EACH", 4)
    monkeypatch.setattr(narrowing, "LEAST_EACH", 1)


def posed(seed: int) -> Problem:
    build, components = network(seed, sites=SITES)
    return build.problem(*components, policy=policy(seed, components=APART))


def searching(problem: Problem) -> Choosing:
    units = unit_problems(problem)
    screenings = screen([one.problem for one in units], RULES)
    return Choosing(problem, units, screenings, timed=True, limits=Limits())


def made_of(search: Choosing, *, narrow: bool) -> Modelled:
    return modelled(
        search.problem, search.units, search.screenings, search.candidates, timed=True, narrow=narrow, limits=Limits()
    )


@pytest.mark.parametrize("seed", range(10))
def test_what_is_found_around_a_choice_is_better_and_no_better_than_the_best_of_all(seed: int) -> None:
    draw = np.random.default_rng(seed)
    search = searching(posed(seed))
    made, whole = made_of(search, narrow=True), made_of(search, narrow=False).model
    best = best_by_force(whole)
    # Everything of some candidates is open, which is feasible or not, and never the best.
    near = recut(made, [np.flatnonzero(draw.random(one.count) < 0.8) for one in whole.units])
    begin = evaluate(near.model, tuple(np.arange(one.count) for one in near.model.units))
    if not begin.feasible:
        near = recut(made, [np.arange(one.count) for one in whole.units])
        begin = evaluate(near.model, tuple(np.arange(one.count) for one in near.model.units))
    assert begin.feasible is (best is not None)
    if best is None:
        return
    looked, choice = search._around(near, begin)
    assert better(choice.cost, begin.cost)
    assert list(best) <= [one + 1e-7 for one in choice.cost.tolist()]
    # The choice is one of the whole, and costs there what it is said to cost.
    opened = tuple(
        np.searchsorted(every.sites, looked.rows(at)[one])
        for at, (every, one) in enumerate(zip(whole.units, choice.open, strict=True))
    )
    again = evaluate(whole, opened)
    assert again.feasible
    assert again.cost.tolist() == pytest.approx(choice.cost.tolist())


@pytest.mark.parametrize("seed", range(10))
def test_what_is_cut_anew_is_the_same_problem_on_other_candidates(seed: int) -> None:
    draw = np.random.default_rng(seed)
    search = searching(posed(seed))
    made, whole = made_of(search, narrow=True), made_of(search, narrow=False).model
    kept = [np.flatnonzero(draw.random(one.count) < 0.7) for one in whole.units]
    near = recut(made, kept)
    assert [one.sites.tolist() for one in near.model.units] == [
        every.sites[mine].tolist() for every, mine in zip(whole.units, kept, strict=True)
    ]
    for _ in range(30):
        opened = tuple(np.flatnonzero(draw.random(len(one)) < 0.4) for one in kept)
        mine = evaluate(near.model, opened)
        theirs = evaluate(whole, tuple(every[one] for every, one in zip(kept, opened, strict=True)))
        assert mine.feasible is theirs.feasible
        if mine.feasible:
            assert mine.cost.tolist() == pytest.approx(theirs.cost.tolist())
    everything = recut(made, [np.arange(one.count) for one in whole.units])
    assert not everything.narrow
    assert near.narrow is any(len(mine) < one.count for mine, one in zip(kept, whole.units, strict=True))
