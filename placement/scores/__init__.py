"""The scores of placement, one a file.

To add one: write `placement/scores/<name>.py` with a `SCORE`, give it a weight in `ScoreWeights` (graph/kinds/policy.py),
add one line to `SCORES`, and one table to `tests/placement/test_scores.py`.
"""

from placement.scores import headroom, latency, moves, price, sites
from placement.scores.score import Score

SCORES: tuple[Score, ...] = (sites.SCORE, latency.SCORE, headroom.SCORE, price.SCORE, moves.SCORE)
"""In the order in which terms are given."""

__all__ = ["SCORES", "Score"]
