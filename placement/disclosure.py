"""A decision for those who may not see what others use.

Placement counts every tenant's releases, whoever asks, so what it says of free room would tell a tenant what the others
use, and repeated plans would follow their scaling. To whoever may not see that, a reason says that room is short and not how
much there is, and what goes into a score by free room is told in coarse steps. What was decided is the same: whether
something fits shows itself to anybody who may place, as it does with every scheduler.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from placement.decision import Decision, Objective, Reason, ScoreTerm, SitePlacement, Tier
from placement.scores import SCORES

STEP = 0.25
"""The step in which shares and scores are told that follow from what others use."""
SCORE_UNIT = "cost"
_TELLING = frozenset(one.name for one in SCORES if one.tells_use)


def reason_without_use(reason: Reason) -> Reason:
    """The reason, without how much room there is and with scores in steps; the same when it tells nothing of that."""
    if reason.untold:
        return msgspec.structs.replace(reason, have=None, message=reason.untold)
    if reason.unit == SCORE_UNIT and reason.have is not None:
        need, have = _floor(float(reason.need)), _floor(float(reason.have))
        return msgspec.structs.replace(
            reason,
            need=f"{need:.2f}",
            have=f"{have:.2f}",
            message="it passes every rule and is not needed: the chosen sites do without it",
        )
    return reason


def reasons_without_use(reasons: Sequence[Reason]) -> list[Reason]:
    """The reasons as `reason_without_use` tells them.

    Shortages are told by their units: which of them comes first would tell how much of what is left.
    """
    first = {one.rule: at for at, one in reversed(list(enumerate(reasons)))}
    ordered = sorted(reasons, key=lambda one: (first[one.rule], one.unit if one.untold else ""))
    return [reason_without_use(one) for one in ordered]


def placement_without_use(placement: SitePlacement) -> SitePlacement:
    """The placement with scores in steps; the same when free room did not count in them."""
    if not any(one.name in _TELLING for one in placement.terms):
        return placement
    terms = [_term_without_use(one) for one in placement.terms]
    return msgspec.structs.replace(placement, terms=terms, score=sum(one.weighted for one in terms))


def objective_without_use(objective: Objective, placements: Sequence[SitePlacement]) -> Objective:
    """The objective with the score that the placements have for whoever may not see what others use, and costs in steps."""
    return msgspec.structs.replace(
        objective,
        score=sum(placement_without_use(one).score for one in placements),
        tiers=[_tier_without_use(one) for one in objective.tiers],
    )


def tells_use(decision: Decision) -> bool:
    """Whether free room counts in the tier by which the gap of a decision is told."""
    return any(_TELLING & set(one.terms) for one in decision.objective.tiers)


def _tier_without_use(tier: Tier) -> Tier:
    if not _TELLING & set(tier.terms):
        return tier
    return msgspec.structs.replace(tier, cost=_floor(tier.cost), bound=None)


def _term_without_use(term: ScoreTerm) -> ScoreTerm:
    if term.name not in _TELLING:
        return term
    value, scaled = _floor(term.value), _floor(term.scaled)
    explain = next(one.explain for one in SCORES if one.name == term.name)
    return msgspec.structs.replace(
        term, value=value, scaled=scaled, weighted=scaled * term.weight, explanation=f"at least {explain(value)}"
    )


def _floor(value: float) -> float:
    return math.floor(value / STEP) * STEP
