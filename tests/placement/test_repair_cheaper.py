from dataclasses import replace

import numpy as np
import pytest
from tiny_models import best_by_force, tiny_model

from placement.repair_cheaper import cheaper
from placement.solve.evaluation import evaluate
from placement.solve.model import Budget, Model
from placement.solve.solve import solve


def moves_drawn(model: Model, seed: int) -> list[np.ndarray]:
    draw = np.random.default_rng(seed)
    return [draw.choice([0.0, 1.0], one.count) for one in model.units]


@pytest.mark.parametrize("first", range(0, 120, 30))
def test_of_all_choices_with_no_more_moves_it_is_the_cheapest(first):
    bettered = 0
    for seed in range(first, first + 30):
        model = tiny_model(seed)
        new = moves_drawn(model, seed)
        # One that is feasible, found for other costs.
        other = np.random.default_rng(seed + 1)
        units = tuple(replace(one, open_cost=other.random(one.open_cost.shape)) for one in model.units)
        begin = evaluate(model, solve(replace(model, units=units)).open)
        if not begin.feasible:
            continue
        found = cheaper(model, begin, new)
        moved = sum(float(amounts[one].sum()) for amounts, one in zip(new, begin.open, strict=True))
        best = best_by_force(replace(model, budgets=(*model.budgets, Budget(tuple(new), moved))))
        assert best is not None
        assert evaluate(model, found.open).feasible
        assert sum(float(amounts[one].sum()) for amounts, one in zip(new, found.open, strict=True)) <= moved
        assert found.cost.tolist() == pytest.approx(list(best), abs=1e-6)
        bettered += found.cost.tolist() != begin.cost.tolist()
    assert bettered
