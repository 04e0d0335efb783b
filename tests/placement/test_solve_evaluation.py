"""A choice's cost and all that it breaks are what the model says, rule by rule."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from solve_models import check, entries, group, models, opened, sparse, unit

from placement.solve.entries import cheapest
from placement.solve.evaluation import better, evaluate
from placement.solve.model import Apart, Broken, Budget, Clients, Domains, Model, Serving, mask_of

THREE = (1.0, 2.0, 4.0)
DOMAIN = np.array([0, 0, 1])
CLIENTS = Clients(sparse([{0: 3.0, 1: 1.0}, {2: 0.0}], 3), 0)
REACH = sparse([{0: 1.0}, {}, {1: 2.0, 2: 0.5}], 3)
PAIR = (unit(THREE), unit(THREE, name="other"))

CASES = [
    ("no candidates", Model((unit([[]]),), 1), [()], [Broken("no_site", 0, 1, 0)], [0]),
    ("too few", Model((unit(THREE, min_open=2),), 1), [(1,)], [Broken("min_sites", 0, 2, 1)], [2]),
    ("too many", Model((unit(THREE, max_open=1),), 1), [(0, 1)], [Broken("max_sites", 0, 1, 2)], [3]),
    (
        "group short",
        Model((unit(THREE, groups=(group((1, 2), 2, label="g"),)),), 1),
        [(0, 1)],
        [Broken("group", 0, 2, 1, "g")],
        [3],
    ),
    (
        "group full",
        Model((unit(THREE, groups=(group((1, 2), 0, 1, label="g"),)),), 1),
        [(1, 2)],
        [Broken("group", 0, 1, 2, "g")],
        [6],
    ),
    (
        "few domains",
        Model((unit(THREE, domains=(Domains(DOMAIN, min_domains=2, label="d"),)),), 1),
        [(0, 1)],
        [Broken("spread", 0, 2, 1, "d")],
        [3],
    ),
    (
        "many domains",
        Model((unit(THREE, domains=(Domains(DOMAIN, max_domains=1),)),), 1),
        [(0, 2)],
        [Broken("spread", 0, 1, 2)],
        [5],
    ),
    (
        "crowded domain",
        Model((unit(THREE, domains=(Domains(DOMAIN, max_each=1),)),), 1),
        [(0, 1, 2)],
        [Broken("spread", 0, 1, 2, items=(0,))],
        [7],
    ),
    (
        "no room",
        Model((unit(THREE, room=np.array([1, 2, 3]), total=4),), 1),
        [(0, 1)],
        [Broken("total", 0, 4, 3)],
        [3],
    ),
    ("all served", Model((unit(THREE, clients=CLIENTS),), 1), [(0, 1, 2)], [], [8]),
    (
        "a client left out",
        Model((unit(THREE, clients=CLIENTS),), 1),
        [(0,)],
        [Broken("clients", 0, 2, 1, "", (1,))],
        [4],
    ),
    ("served", Model(PAIR, 1, (Serving(1, 0, REACH, 0),)), [(0, 2), (0, 1, 2)], [], [13.5]),
    (
        "not served",
        Model(PAIR, 1, (Serving(1, 0, REACH, 0, "db"),)),
        [(0, 1, 2), (1,)],
        [Broken("serves", 1, 3, 1, "db", (0, 1))],
        [11],
    ),
    (
        "not apart",
        Model(PAIR, 1, apart=(Apart(0, 1, "far"),)),
        [(0, 2), (1, 2)],
        [Broken("never_with", 0, 0, 1, "far", (2,))],
        [11],
    ),
    (
        "too dear",
        Model(PAIR, 1, budgets=(Budget((np.array(THREE), np.array(THREE)), 5.0, "price"),)),
        [(0,), (0, 2)],
        [Broken("price_ceiling", -1, 5.0, 6.0, "price")],
        [6],
    ),
    (
        "no alternative",
        Model((unit(THREE),), 1, alternatives=(((group((0,), 1, label="a"),), (group((1,), 1, label="b"),)),)),
        [(2,)],
        [Broken("group", 0, 1, 0, "a | b")],
        [4],
    ),
]


@pytest.mark.parametrize(
    ("model", "open", "broken", "cost"), [case[1:] for case in CASES], ids=[one[0] for one in CASES]
)
def test_each_rule_is_found_broken_with_its_figures(
    model: Model, open: list[tuple[int, ...]], broken: list[Broken], cost: list[float]
) -> None:
    found = evaluate(model, opened(*open))
    assert list(found.broken) == broken
    assert found.cost.tolist() == cost
    assert found.feasible == (not broken)


def test_serving_and_opening_count_in_their_tiers() -> None:
    costs = [[1.0, 1.0], [5.0, 7.0]]
    model = Model((unit(costs, clients=Clients(sparse([{0: 2.0, 1: 1.0}], 2), 1)),), 2)
    assert evaluate(model, opened((0, 1))).cost.tolist() == [2.0, 13.0]


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        ([1.0, 5.0], [2.0, 0.0], True),
        ([1.0, 5.0], [1.0, 4.0], False),
        ([1.0 + 1e-12, 3.0], [1.0, 4.0], True),
        ([1e6, 3.0], [1e6 + 1e-5, 2.0], False),
        ([1.0], [1.0], False),
    ],
)
def test_choices_are_compared_tier_by_tier(one: list[float], other: list[float], found: bool) -> None:
    assert better(np.array(one), np.array(other)) is found


@settings(max_examples=150, deadline=None)
@given(models(), st.data())
def test_evaluation_agrees_with_a_check_written_on_its_own(model: Model, data: st.DataObject) -> None:
    choice = [data.draw(st.sets(st.integers(0, one.count - 1))) for one in model.units]
    found, cost = evaluate(model, opened(*choice)), check(model, choice)
    assert found.feasible == (cost is not None)
    if cost is not None:
        assert found.cost.tolist() == pytest.approx(cost)


def test_the_cheapest_of_a_row_is_looked_for_among_the_open_columns() -> None:
    matrix = sparse([{0: 1.0, 2: 0.0}, {}, {1: 3.0, 2: 4.0}], 3)
    for open in itertools.chain.from_iterable(itertools.combinations(range(3), size) for size in range(4)):
        expected = [min((row[one] for one in open if one in row), default=np.inf) for row in entries(matrix)]
        assert cheapest(matrix, mask_of(np.array(open, dtype=np.int64), 3)).tolist() == expected
