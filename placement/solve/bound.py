"""What no choice can cost less than, from the relaxation of the whole model; it takes seconds, so it is asked for apart.

A bound says how far an answer can be from the best at most. It is that of a relaxation, in which sites are open in part, and
so mostly below what any choice costs: the gap to it overstates.
"""

from __future__ import annotations

import numpy as np

from placement.arrays import Floats
from placement.solve.ladders import Told
from placement.solve.model import Model
from placement.solve.pool import Pool
from placement.solve.program import pairs, program
from placement.solve.relaxation import Relaxation
from placement.solve.streams import chains_of
from placement.solve.tiers import held_before, rounded_up

MAX_PAIRS = 400_000
"""Pairs in reach of a model whose relaxation is solved."""
MAX_STEPS = 20_000
"""Of the simplex, for each tier."""


def lp_bound(
    model: Model, *, cost: Floats | None = None, most_pairs: int | None = None, most_steps: int = MAX_STEPS
) -> Floats | None:
    """(tiers,) no choice costs less in each tier: for `Choice.bound` of kind `LP`.

    With the `cost` of a choice, a later tier's bound is for choices no worse than it in the tiers before; without, for all.
    most_steps: of the simplex, for each tier.
    None: the model is larger than `most_pairs` (`MAX_PAIRS`), or nothing keeps it, or HiGHS came to no answer.
    """
    if pairs(model) > (MAX_PAIRS if most_pairs is None else most_pairs):
        return None
    bounds = np.zeros(model.tiers)
    for tier in range(model.tiers):
        rows = program(model, served=tier + 1)
        more = None if cost is None else held_before(rows, tier, cost)
        told = Told(rows.ladders)
        told.begin(None)
        known = Pool(model, tier).over(rows) if model.serving else None
        asked = Relaxation(rows, tier, told, chains_of(model, rows), more, known)
        found = asked.run(most_steps=most_steps, stop=model.limits.stop)
        if not found.feasible:
            return None
        bounds[tier] = rounded_up(found.value + float(rows.constants[tier]), rows.step(tier))
    return bounds if cost is None else np.minimum(bounds, cost)
