"""Room left: the share of the scarcest resource that is in use at the site once the replicas are there."""

from __future__ import annotations

import numpy as np

from graph.kinds.policy import ScoreWeights, Term
from placement.arrays import Floats, Ints
from placement.bins import summed
from placement.packing import Packing
from placement.problem import Problem
from placement.scores.score import Score


def _weight(weights: ScoreWeights) -> float:
    return weights.headroom


def _measure(problem: Problem, packing: Packing, rows: Ints) -> Floats:
    bins, needed = problem.bins, problem.needed
    used = np.zeros(len(rows))
    for resource in np.flatnonzero(needed):
        usable = summed(bins.usable[:, resource], bins.first)
        after = packing.free_of(int(resource))[rows] - needed[resource]
        np.maximum(used, 1.0 - after / np.maximum(usable[rows], 1.0), out=used)
    return np.minimum(used, 1.0)


def _explain(value: float) -> str:
    return f"{value:.0%} of its scarcest resource is in use then"


SCORE = Score("headroom", Term.HEADROOM, "share", 1.0, _weight, _measure, explain=_explain, tells_use=True)
