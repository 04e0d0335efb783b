"""Which of the sites that passed: so few that every place is served, and of those the best.

A set cover. One site that serves every place is found by looking. Otherwise a greedy cover is improved by dropping, swapping
and merging sites, and then given to HiGHS for an exact answer where that is small. All limits are counts, never seconds, so
that the same problem has the same answer on any machine; ties go to the smaller row, that is to the smaller id.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from placement.arrays import Floats, Ints, Mask

MAX_EXACT_PATTERNS = 2_000
"""Sites that serve the same places are one pattern; a problem with more patterns is not given to HiGHS."""
MAX_EXACT_CELLS = 100_000
"""Patterns x places, the same."""
MAX_NODES = 2_000
"""Nodes of HiGHS's search."""
MAX_ROUNDS = 50
"""Rounds of improvement."""


@dataclass(frozen=True, slots=True)
class Cover:
    """Sites that together serve every place."""

    rows: list[int]
    """Ascending."""
    iterations: int
    proven: bool
    """Whether no cover has fewer sites."""


def cover(reached: Mask, scores: Floats) -> Cover:
    """The fewest rows of `reached` (sites, places) that serve every place; among these the greatest sum of scores.

    Every place must be served by some row. `scores` are at least 0.
    """
    places = reached.shape[1]
    if not places:
        return Cover([], 0, proven=True)
    rows = _best_of_patterns(reached, scores)
    patterns, values = reached[rows], scores[rows]
    alone = np.flatnonzero(patterns.all(axis=1))
    if len(alone):
        best = int(alone[np.argmax(values[alone])])
        return Cover([int(rows[best])], len(rows), proven=True)
    chosen, tried = _improved(patterns, values, _greedy(patterns, values))
    proven = len(chosen) == 2
    if len(rows) <= MAX_EXACT_PATTERNS and len(rows) * places <= MAX_EXACT_CELLS:
        exact = _exact(patterns, values, most=len(chosen))
        if exact is not None:
            chosen, proven = exact, True
    return Cover(sorted(int(rows[one]) for one in chosen), tried, proven=proven)


def most_served(reached: Mask, scores: Floats, *, sites: int) -> list[int]:
    """At most so many rows that serve as many places as a greedy choice can."""
    return _greedy(reached, scores, most=sites)


def best(scores: Floats, among: Mask, count: int) -> list[int]:
    """The rows with the greatest scores, ties to the smaller row."""
    rows = np.flatnonzero(among)
    ordered = rows[np.lexsort((rows, -scores[rows]))]
    return [int(one) for one in ordered[:count]]


def _best_of_patterns(reached: Mask, scores: Floats) -> Ints:
    """For each distinct set of places that is not empty, the row with the greatest score; ascending."""
    rows = np.flatnonzero(reached.any(axis=1))
    ordered = rows[np.lexsort((rows, -scores[rows]))]
    packed = np.packbits(reached[ordered], axis=1)
    _, first = np.unique(packed, axis=0, return_index=True)
    return np.sort(ordered[first])


def _greedy(patterns: Mask, values: Floats, most: int | None = None) -> list[int]:
    left = np.ones(patterns.shape[1], dtype=bool)
    chosen: list[int] = []
    while left.any() and (most is None or len(chosen) < most):
        gain = patterns[:, left].sum(axis=1)
        if not gain.max():
            break
        candidates = np.flatnonzero(gain == gain.max())
        one = int(candidates[np.argmax(values[candidates])])
        chosen.append(one)
        left &= ~patterns[one]
    return sorted(chosen)


def _improved(patterns: Mask, values: Floats, chosen: list[int]) -> tuple[list[int], int]:
    """Drops what is not needed, puts one site for two, and a better for a worse, until nothing helps."""
    tried = 0
    for _ in range(MAX_ROUNDS):
        times = patterns[chosen].sum(axis=0)
        change: tuple[list[int], list[int]] | None = None
        for one in sorted(chosen, key=lambda row: (values[row], row)):
            tried += 1
            if (times - patterns[one] > 0).all():
                change = [one], []
                break
        if change is None:
            change, more = _merge(patterns, values, chosen, times)
            tried += more
        if change is None:
            change, more = _swap(patterns, values, chosen, times)
            tried += more
        if change is None:
            break
        gone, come = change
        chosen = sorted({*chosen, *come} - set(gone))
    return chosen, tried


def _merge(
    patterns: Mask, values: Floats, chosen: list[int], times: Ints
) -> tuple[tuple[list[int], list[int]] | None, int]:
    tried = 0
    for at, one in enumerate(chosen):
        for other in chosen[at + 1 :]:
            tried += 1
            missing = times - patterns[one] - patterns[other] <= 0
            candidates = np.flatnonzero(patterns[:, missing].all(axis=1))
            if len(candidates):
                return ([one, other], [int(candidates[np.argmax(values[candidates])])]), tried
    return None, tried


def _swap(
    patterns: Mask, values: Floats, chosen: list[int], times: Ints
) -> tuple[tuple[list[int], list[int]] | None, int]:
    tried = 0
    for one in chosen:
        tried += 1
        missing = times - patterns[one] <= 0
        better = np.flatnonzero(patterns[:, missing].all(axis=1) & (values > values[one]))
        if len(better):
            return ([one], [int(better[np.argmax(values[better])])]), tried
    return None, tried


def _exact(patterns: Mask, values: Floats, *, most: int) -> list[int] | None:
    """The least number of patterns, then the greatest score, by HiGHS; None when its search ended before the proof."""
    top = float(values.max())
    # With at most `most` chosen all that scores cost together stays below one more site.
    cost = 1.0 + (1.0 - values / top if top > 0 else np.zeros(len(values))) / (most + 1)
    found = milp(
        cost,
        integrality=np.ones(len(values), dtype=np.int64),
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(csr_array(patterns.T.astype(np.float64)), lb=1),
        options={"node_limit": MAX_NODES, "mip_rel_gap": 0.0},
    )
    if found.status != 0 or found.x is None:
        return None
    chosen = [int(one) for one in np.flatnonzero(found.x > 0.5)]
    return chosen if patterns[chosen].any(axis=0).all() else None
