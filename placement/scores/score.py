"""What a score is: a measure of sites with its unit, and in which direction it is good."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from graph.kinds.policy import ScoreWeights
from placement.arrays import Floats, Ints
from placement.packing import Packing
from placement.problem import Problem


@dataclass(frozen=True, slots=True)
class Score:
    """A measure of the sites that passed."""

    name: str
    unit: str
    weight: Callable[[ScoreWeights], float]
    measure: Callable[[Problem, Packing, Ints], Floats | None]
    """The value for each of the sites at these rows; None when it says nothing about this problem."""
    more_is_better: bool
    explain: Callable[[float], str]
    """One sentence for a site's value."""
    tells_use: bool = False
    """Whether the value follows from what all tenants use, which not everybody may see."""


def scaled(values: Floats, *, more_is_better: bool) -> Floats:
    """0-1 over the values, 1 the best; all 1 when they do not differ."""
    low, high = float(values.min()), float(values.max())
    if not high > low:
        return np.ones(len(values))
    share: Floats = (values - low) / (high - low)
    return share if more_is_better else 1 - share
