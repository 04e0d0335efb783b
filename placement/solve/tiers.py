"""Tiers one after the other: rows that hold a program to what those before came to, and bounds that count whole steps."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from placement.arrays import Floats
from placement.solve.ladders import Rows
from placement.solve.program import Program
from placement.solve.relaxation import WHOLE

SAME = 1e-9
"""Relative: costs of a tier that are no further apart are equal."""


def held_before(rows: Program, tier: int, cost: Floats) -> Rows | None:
    """Rows that hold for choices that cost no more than this in each tier before; None where nothing costs anything there.

    cost: (tiers,).
    """
    held = [_held(rows, one, float(cost[one])) for one in range(tier) if rows.costs[one].any()]
    if not held:
        return None
    most = np.array([one for _, one in held])
    return Rows(csr_array(np.array([row for row, _ in held])), np.full(len(held), -np.inf), most)


def _held(rows: Program, tier: int, cost: float) -> tuple[Floats, float]:
    """A row, and what it is at most, that holds for choices that cost no more in the tier; it costs something there."""
    coefficients = rows.costs[tier]
    most = cost - float(rows.constants[tier])
    # A row of size 1: a greater one is broken by columns that are at their bounds but for HiGHS's tolerance.
    scale = 1.0 / float(np.abs(coefficients).max())
    step = rows.step(tier)
    spare = step / 2 if step else SAME * max(1.0, abs(most))
    return coefficients * scale, (most + spare) * scale


def rounded_up(low: float, step: float) -> float:
    """The least multiple of the step that is not below, when there is a step."""
    return float(np.ceil(low / step - WHOLE) * step) if step and np.isfinite(low) else low
