"""Closeness: the mean latency to the places for which the site is in time."""

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
    total = np.bincount(pairs.indices, weights=pairs.data, minlength=sites)
    mean: Floats = total[rows] / np.maximum(np.bincount(pairs.indices, minlength=sites)[rows], 1)
    return mean


def _explain(value: float) -> str:
    return f"{value:.2f} ms on average to the places that it serves in time"


SCORE = Score("latency", "ms", _weight, _measure, more_is_better=False, explain=_explain)
