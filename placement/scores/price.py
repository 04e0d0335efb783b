"""Cheapness: the price of the cores that are asked for."""

from __future__ import annotations

from graph.kinds.policy import ScoreWeights, Term
from placement.arrays import Floats, Ints
from placement.packing import Packing
from placement.problem import Problem
from placement.scores.score import Score


def price_per_hour(problem: Problem, rows: Ints) -> Floats:
    """Price units an hour of all replicas at each of the sites: cores x price of a core."""
    cores = float(problem.needed[0]) / 1000
    prices: Floats = problem.columns.price[rows] * cores
    return prices


def _weight(weights: ScoreWeights) -> float:
    return weights.price


def _measure(problem: Problem, packing: Packing, rows: Ints) -> Floats:
    return price_per_hour(problem, rows)


def _explain(value: float) -> str:
    return f"{value:g} price units an hour for its cores"


SCORE = Score("price", Term.PRICE, "price units/h", 1.0, _weight, _measure, explain=_explain)
