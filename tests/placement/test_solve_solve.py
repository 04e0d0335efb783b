"""What a search finds keeps every rule, is no worse than what ran before, and is the same everywhere."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from solve_models import NO_CORE, best, check, every, group, models, opened, sparse, unit

from placement.solve.evaluation import better, evaluate
from placement.solve.model import Apart, Budget, Clients, Domains, Limits, Model, Serving
from placement.solve.solve import polished, solve

ROOT = Path(__file__).parents[2]
FOUR = (4.0, 3.0, 2.0, 1.0)
CLIENTS = Clients(sparse([{0: 0.0, 1: 5.0}, {1: 0.0, 2: 0.0}, {2: 1.0, 3: 1.0}], 4), 0)
NEXT = sparse([{0: 0.0, 1: 1.0}, {1: 0.0, 2: 1.0}, {2: 0.0, 3: 1.0}, {3: 0.0}], 4)
PRICES = np.array([1.0, 5.0, 5.0, 5.0])

CASES = [
    ("nothing asked: the cheapest", Model((unit(FOUR),), 1), [(3,)]),
    ("ties go to the smaller", Model((unit((1.0, 1.0, 1.0)),), 1), [(0,)]),
    ("every client served", Model((unit(FOUR, clients=CLIENTS),), 1), [(0, 2)]),
    ("a site less for a dearer way", Model((unit((4.0, 3.0, 2.0, 1.0), clients=CLIENTS, max_open=2),), 1), [(0, 2)]),
    ("so many sites", Model((unit(FOUR, min_open=3),), 1), [(1, 2, 3)]),
    ("a mandatory group", Model((unit(FOUR, groups=(group((0, 1), 2),)),), 1), [(0, 1)]),
    ("one of a group", Model((unit(FOUR, groups=(group((0, 1), 1),)),), 1), [(1,)]),
    ("at most so many of a group", Model((unit(FOUR, min_open=2, groups=(group((2, 3), 0, 1),)),), 1), [(1, 3)]),
    ("domains", Model((unit(FOUR, domains=(Domains(np.array([0, 1, 1, 1]), min_domains=2),)),), 1), [(0, 3)]),
    (
        "one domain",
        Model((unit(FOUR, min_open=2, domains=(Domains(np.array([0, 0, 1, 0]), max_domains=1),)),), 1),
        [(1, 3)],
    ),
    (
        "one in each domain",
        Model((unit(FOUR, min_open=2, domains=(Domains(np.array([0, 0, 1, 1]), max_each=1),)),), 1),
        [(1, 3)],
    ),
    ("room", Model((unit(FOUR, room=np.array([4, 1, 1, 1]), total=4),), 1), [(0,)]),
    ("a budget", Model((unit((9.0, 3.0, 2.0, 1.0)),), 1, budgets=(Budget((PRICES,), 4.0),)), [(0,)]),
    ("served", Model((unit(FOUR, clients=CLIENTS), unit(FOUR)), 1, (Serving(1, 0, NEXT, 0),)), [(0, 2), (0, 2)]),
    ("apart", Model((unit(FOUR), unit(FOUR)), 1, apart=(Apart(0, 1),)), [(3,), (2,)]),
    (
        "the cheaper alternative",
        Model((unit(FOUR),), 1, alternatives=(((group((0, 1), 2),), (group((1, 2), 2),)),)),
        [(1, 2)],
    ),
    ("the first tier first", Model((unit([[1.0, 1.0, 2.0], [5.0, 4.0, 0.0]]),), 2), [(1,)]),
]


@pytest.mark.parametrize(("model", "open"), [case[1:] for case in CASES], ids=[one[0] for one in CASES])
def test_each_rule_alone_is_kept_at_the_least_cost(model: Model, open: list[tuple[int, ...]]) -> None:
    found = solve(replace(model, limits=NO_CORE))
    assert found.broken == ()
    assert check(model, [one.tolist() for one in found.open]) == pytest.approx(best(model))
    assert [tuple(one.tolist()) for one in found.open] == open


def test_what_cannot_be_kept_is_named() -> None:
    model = Model((unit(FOUR, max_open=1, groups=(group((0, 1), 2, label="both"),)),), 1, limits=NO_CORE)
    found = solve(model)
    assert not found.feasible
    assert {one.rule for one in found.broken} <= {"max_sites", "group"}


def test_a_unit_without_candidates_is_an_answer_and_no_fault() -> None:
    empty = unit([[]])
    found = solve(Model((unit(FOUR), empty), 1, (Serving(1, 0, sparse([{}] * 4, 0), 0),), limits=NO_CORE))
    assert "no_site" in {one.rule for one in found.broken}
    assert found.open[1].tolist() == []


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(models())
def test_what_is_found_feasible_is_so_and_costs_what_it_says(model: Model) -> None:
    found = solve(model)
    cost = check(model, [one.tolist() for one in found.open])
    assert found.feasible == (cost is not None)
    if cost is not None:
        assert found.cost.tolist() == pytest.approx(cost)
        least = best(model)
        assert least is not None
        assert not better(found.cost, np.array(least))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(models(Limits()))
def test_with_a_core_nothing_better_is_missed_in_a_small_model(model: Model) -> None:
    found, least = solve(model), best(model)
    assert found.feasible == (least is not None)
    if least is not None:
        assert found.cost.tolist() == pytest.approx(least)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(models(), st.randoms(use_true_random=False))
def test_what_runs_is_never_left_for_something_worse(model: Model, random: object) -> None:
    feasible = [one for one in every(model) if check(model, one) is not None]
    if not feasible:
        return
    start = opened(*random.choice(feasible))  # type: ignore[attr-defined]  # a choice is there
    found = solve(replace(model, start=start))
    assert found.feasible
    assert not better(evaluate(model, start).cost, found.cost)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(models(), st.randoms(use_true_random=False))
def test_what_is_polished_keeps_every_rule_and_costs_no_more(model: Model, random: object) -> None:
    feasible = [one for one in every(model) if check(model, one) is not None]
    if not feasible:
        return
    begun = evaluate(model, opened(*random.choice(feasible)))  # type: ignore[attr-defined]  # a choice is there
    found = polished(model, begun)
    assert check(model, [one.tolist() for one in found.open]) == pytest.approx(found.cost.tolist())
    assert not better(begun.cost, found.cost)


def test_a_choice_is_polished_to_what_is_cheaper_beside_it() -> None:
    model = Model((unit(FOUR, clients=CLIENTS), unit(FOUR)), 1, (Serving(1, 0, NEXT, 0),))
    begun = evaluate(model, opened((0, 1, 3), (0, 2, 3)))
    found = polished(model, begun)
    assert found.cost.tolist() == best(model)
    assert better(found.cost, begun.cost)


def large(seed: int, *, candidates: int = 1_200, clients: int = 60, units: int = 3) -> Model:
    """Sites and clients in a square, each client with the nearest in reach; each unit serves the one before it."""
    random = np.random.default_rng(seed)
    places = random.random((candidates, 2))
    prices = random.gamma(4.0, 0.25, candidates) + 0.2

    def nearest(points: np.ndarray, most: int) -> csr_array:
        distance = np.sqrt(((points[:, None] - places[None]) ** 2).sum(2))
        order = np.argsort(distance, axis=1, kind="stable")[:, :most]
        return sparse([{int(one): float(row[one]) for one in chosen} for row, chosen in zip(distance, order, strict=True)],
                      candidates)  # fmt: skip

    asked = Clients(nearest(random.random((clients, 2)), 80), 0)
    made = tuple(unit(prices * (1 + number), clients=asked if number == 0 else None) for number in range(units))
    reach = nearest(places, 60)
    serving = tuple(Serving(number, number - 1, reach, 0) for number in range(1, units))
    return Model(made, 1, serving, limits=NO_CORE)


def test_units_too_large_to_be_searched_whole_are_searched_all_the_same() -> None:
    model = large(3)
    found = solve(model)
    assert found.feasible
    assert found.iterations > 0


def test_an_accepted_choice_stays_accepted_when_capacity_is_added() -> None:
    few = large(4, candidates=400, units=1)
    start = solve(few)
    assert start.feasible
    site = replace(few.units[0], room=np.full(400, 1), total=len(start.open[0]))
    crowded = replace(few, units=(site,), start=start.open)
    roomier = replace(crowded, units=(replace(site, room=np.full(400, 3)),))
    for model in (crowded, roomier):
        found = solve(model)
        assert found.feasible
        assert not better(evaluate(model, start.open).cost, found.cost)


def test_the_answer_is_the_same_in_a_process_with_other_hashes() -> None:
    code = (
        "import importlib.util, sys; sys.path.insert(0, 'tests/placement');"
        "spec = importlib.util.spec_from_file_location('m', 'tests/placement/test_solve_solve.py');"
        "m = importlib.util.module_from_spec(spec); spec.loader.exec_module(m);"
        "c = m.solve(m.large(5)); print([o.tolist() for o in c.open], c.cost.tolist(), c.iterations)"
    )
    answers = set()
    for seed in ("1", "77"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        )
        answers.add(done.stdout)
    here = solve(large(5))
    answers.add(f"{[one.tolist() for one in here.open]} {here.cost.tolist()} {here.iterations}\n")
    assert len(answers) == 1


@pytest.mark.parametrize("limits", [NO_CORE, Limits(exact_candidates=0)], ids=["searches", "core"])
def test_as_many_domains_as_are_asked_for_are_found_among_many_candidates(limits: Limits) -> None:
    count, domains = 1_200, 400
    costs = 1.0 + np.arange(count) % 7
    spread = Domains(np.arange(count), min_domains=domains)
    found = solve(Model((unit(costs.tolist(), domains=(spread,)),), 1, limits=limits))
    assert found.feasible
    assert found.cost[0] == np.sort(costs)[:domains].sum()
