"""How far a decision is from the best at most, when deciding has not told: from the relaxation of the whole problem.

Deciding looks at the most promising sites alone where there are many, which proves nothing of the others. The relaxation
looks at all of them, and takes seconds where deciding takes tenths of one, so it is asked for apart. What it gives is the
same for the same problem: its limits are counts.
"""

from __future__ import annotations

import dataclasses

import msgspec
import numpy as np

from placement.modelling import modelled
from placement.solve.bound import lp_bound
from placement.solve.dominance import needed
from placement.solve.evaluation import better
from placement.solve.mip import PROOF
from placement.solve.model import Choice, Limits
from placement.solve.program import pairs
from placement.solve.restriction import restricted
from placement.stopping import Stop, look
from placement.verdict import Verdict

MAX_SEARCHES = 10_000
"""Sites of a unit that serves or is served, from each of which the network is searched: of the smaller of the two."""
MAX_REACH = 4_000_000
"""Pairs in reach of each other, before those are left out that others stand in for."""
MAX_PAIRS = 300_000
"""And after."""
MAX_STEPS = 3_000
"""Of the simplex, for each tier: what takes seconds, and not tens of them."""
KIND = "LP"


def bounded(verdict: Verdict, *, most_pairs: int = MAX_PAIRS, stop: Stop | None = None) -> Verdict:
    """The verdict with a bound of kind `LP` and the gap to it, where that is higher than what deciding has told.

    It is the same verdict when it is proved to be the best, is not feasible, or divides a total, whose cost follows only
    from the division; and when the problem is too large: when more than `most_pairs` of places and sites, or of sites of two
    units, are within reach of each other, those left out that others stand in for.
    Raises Stopped when that is asked for meanwhile.
    """
    made, choice = verdict.told.made, verdict.told.choice
    problem = made.problem
    if not verdict.feasible or verdict.proven or choice is None or problem.policy.division is not None:
        return verdict
    passed = [int(one.passed.sum()) for one in made.screenings]
    words = problem.words.units
    searches = [min(passed[at], passed[other]) for at, one in enumerate(words) for other in one.serves]
    if max(searches, default=0) > MAX_SEARCHES:
        return verdict
    look(stop)
    model = modelled(
        problem,
        made.units,
        made.screenings,
        [one.passed for one in made.screenings],
        timed=made.model.units[0].clients is not None,
        narrow=False,
        limits=Limits(stop=stop),
    ).model
    if pairs(model) > MAX_REACH:
        return verdict
    look(stop)
    # What others stand in for changes nothing of the least cost.
    bound = lp_bound(restricted(model, needed(model)), cost=choice.cost, most_pairs=most_pairs, most_steps=MAX_STEPS)
    if bound is None:
        return verdict
    known = [one.bound for one in verdict.objective.tiers if one.bound is not None]
    if known:
        before = np.array(known)
        bound = np.maximum(bound, before)
        if not better(before, bound):
            return verdict
    return _with(verdict, dataclasses.replace(choice, bound=bound))


def _with(verdict: Verdict, choice: Choice) -> Verdict:
    """The verdict with the choice's bound."""
    assert choice.bound is not None, "it was found"
    near = PROOF * np.maximum(1.0, np.abs(choice.cost))
    tiers = [
        msgspec.structs.replace(tier, bound=bound)
        for tier, bound in zip(verdict.objective.tiers, choice.bound.tolist(), strict=True)
    ]
    return msgspec.structs.replace(
        verdict,
        objective=msgspec.structs.replace(verdict.objective, tiers=tiers),
        bound_kind=KIND,
        gap=choice.gap(),
        proven=bool((choice.bound >= choice.cost - near).all()),
    )
