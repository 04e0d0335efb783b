"""Room left: the share of the scarcest resource that is free at the site once the replicas are there."""

from __future__ import annotations

import numpy as np

from graph.kinds.policy import ScoreWeights
from placement.arrays import Floats, Ints
from placement.bins import summed
from placement.packing import Packing
from placement.problem import Problem
from placement.scores.score import Score


def _weight(weights: ScoreWeights) -> float:
    return weights.headroom


def _measure(problem: Problem, packing: Packing, rows: Ints) -> Floats | None:
    bins, needed = problem.bins, problem.needed
    left = np.ones(len(rows))
    for resource in np.flatnonzero(needed):
        usable = summed(bins.usable[:, resource], bins.first)
        after = packing.free_of(int(resource))[rows] - needed[resource]
        left = np.minimum(left, after / np.maximum(usable[rows], 1.0))
    return np.maximum(left, 0.0)


def _explain(value: float) -> str:
    return f"{value:.0%} of its scarcest resource stays free"


SCORE = Score("headroom", "share", _weight, _measure, more_is_better=True, explain=_explain, tells_use=True)
