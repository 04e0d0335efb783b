"""Staying: components at sites where they did not run before. Counts only for what runs already."""

from __future__ import annotations

import numpy as np

from graph.kinds.policy import ScoreWeights, Term
from placement.arrays import Floats, Ints
from placement.packing import Packing
from placement.problem import Problem
from placement.scores.score import Score


def _weight(weights: ScoreWeights) -> float:
    return weights.moves


def moves(problem: Problem, rows: Ints) -> Floats:
    """How many of the components each of the sites would be new for; 0 everywhere when none runs anywhere."""
    there = np.array([problem.current[one.id][rows] > 0 for one in problem.components if one.id in problem.current])
    return (~there).sum(axis=0).astype(np.float64) if len(there) else np.zeros(len(rows))


def _measure(problem: Problem, packing: Packing, rows: Ints) -> Floats:
    return moves(problem, rows)


def _explain(value: float) -> str:
    return f"{value:g} components that did not run there before"


SCORE = Score("moves", Term.MOVES, "moves", 1.0, _weight, _measure, explain=_explain)
