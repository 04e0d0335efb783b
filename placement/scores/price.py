"""Cheapness: the price of the cores, the memory and the accelerators that are asked for."""

from __future__ import annotations

import numpy as np

from graph.kinds.policy import ScoreWeights, Term
from placement.arrays import Floats, Ints
from placement.packing import Packing
from placement.problem import Problem
from placement.scores.score import Score
from placement.wording import number

GIB = float(1 << 30)


def price_per_hour(problem: Problem, rows: Ints) -> Floats:
    """(rows,): price units an hour of all replicas at each of the sites."""
    needs = np.asarray(problem.needed, dtype=np.float64)[None, :]
    found: Floats = prices_of(problem, needs, rows)[0]
    return found


def prices_of(problem: Problem, needs: Floats, rows: Ints) -> Floats:
    """(needs, rows): price units an hour of each need at each of the sites.

    needs: (needs, resources), by `problem.bins.resources`: millicores, bytes, bytes, accelerators by model. Storage has no
    price.
    """
    columns = problem.columns
    found: Floats = np.outer(needs[:, 0] / 1000, columns.price[rows])
    if columns.memory_price.any():
        found += np.outer(needs[:, 1] / GIB, columns.memory_price[rows])
    for at, name in enumerate(problem.bins.resources[3:], 3):
        model = columns.models.get(name)
        if model >= 0:
            found += np.outer(needs[:, at], columns.accelerator_price[rows, model])
    return found


def _weight(weights: ScoreWeights) -> float:
    return weights.price


def _measure(problem: Problem, packing: Packing, rows: Ints) -> Floats:
    return price_per_hour(problem, rows)


def _explain(value: float) -> str:
    return f"{number(value)} price units an hour for what it asks for"


SCORE = Score("price", Term.PRICE, "price units/h", 1.0, _weight, _measure, explain=_explain)
