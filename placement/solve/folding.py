"""One figure for all tiers, where a search must rank by one.

Choices are compared tier by tier, and nothing here decides between two of them. But a greedy step divides cost by use, and
a shortlist orders thousands of candidates: for these a later tier is folded in so small that it seldom outweighs an earlier
one, and decides where the earlier are equal.
"""

from __future__ import annotations

import numpy as np

from placement.arrays import Floats
from placement.solve.model import Model

STEP = 1e-3
"""What opening an ordinary candidate weighs in a tier, against one in the tier before."""


def weights_of(model: Model) -> Floats:
    """(tiers,): the weight of each tier; 1 for the first."""
    if model.tiers == 1:
        return np.ones(1)
    sizes = np.zeros(model.tiers)
    for unit in model.units:
        if unit.count:
            sizes += np.abs(unit.open_cost).mean(axis=1)
    weights = np.ones(model.tiers)
    for tier in range(1, model.tiers):
        scale = sizes[tier - 1] / sizes[tier] if sizes[tier - 1] > 0 and sizes[tier] > 0 else 1.0
        weights[tier] = weights[tier - 1] * STEP * scale
    return weights
