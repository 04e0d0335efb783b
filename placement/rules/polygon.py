"""The policy's polygon: the site lies inside or on its edge."""

from __future__ import annotations

from placement.decision import Reason
from placement.problem import Problem
from placement.rules.rule import place_of, selecting_rule


def _reason(problem: Problem, site: int) -> Reason:
    have = place_of(problem, site)
    message = f"it must lie inside the policy's polygon: it has {have}"
    return Reason(rule="polygon", need="inside the polygon", have=have, unit="", message=message)


RULE = selecting_rule("polygon", _reason)
