"""Closeness: the mean latency to the places for which the site is in time, weighted by their demand."""

from __future__ import annotations

import numpy as np

from graph.kinds.policy import ScoreWeights
from placement.arrays import Floats, Ints
from placement.packing import Packing
from placement.problem import Problem
from placement.rules.latency import reach
from placement.scores.score import Score


def _weight(weights: ScoreWeights) -> float:
    return weights.latency


def _measure(problem: Problem, packing: Packing, rows: Ints) -> Floats | None:
    if not problem.targets:
        return None
    pairs, sites = reach(problem), len(problem)
    demand = problem.words.demand
    # Without demand anywhere all places are alike.
    each = np.repeat(demand if demand.any() else np.ones(len(demand)), np.diff(pairs.indptr))
    total = np.bincount(pairs.indices, weights=pairs.data * each, minlength=sites)[rows]
    weight = np.bincount(pairs.indices, weights=each, minlength=sites)[rows]
    mean: Floats = np.divide(total, weight, out=np.zeros(len(rows)), where=weight > 0)
    return mean


def _explain(value: float) -> str:
    return f"{value:.2f} ms on average to the places that it serves in time"


SCORE = Score("latency", "ms", _weight, _measure, more_is_better=False, explain=_explain)
