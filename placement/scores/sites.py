"""How many sites are chosen: each counts the same."""

from __future__ import annotations

import numpy as np

from graph.kinds.policy import ScoreWeights, Term
from placement.arrays import Floats, Ints
from placement.packing import Packing
from placement.problem import Problem
from placement.scores.score import Score


def _weight(weights: ScoreWeights) -> float:
    return weights.sites


def _measure(problem: Problem, packing: Packing, rows: Ints) -> Floats:
    return np.ones(len(rows))


def _explain(value: float) -> str:
    return "one more site"


SCORE = Score("sites", Term.SITES, "sites", 1.0, _weight, _measure, explain=_explain)
