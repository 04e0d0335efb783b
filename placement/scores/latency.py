"""Closeness: the mean latency to the places, weighted by their demand. A site has the share of the places it serves."""

from __future__ import annotations

from graph.kinds.policy import ScoreWeights, Term
from placement.scores.score import Score

SCALE_MS = 10.0
"""A mean of so much costs the term's weight."""


def _weight(weights: ScoreWeights) -> float:
    return weights.latency


def _explain(value: float) -> str:
    return f"{value:.2f} ms of the mean latency over all places, from those that it serves"


SCORE = Score("latency", Term.LATENCY, "ms", SCALE_MS, _weight, None, explain=_explain)
