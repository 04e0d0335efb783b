"""Groups of preference: a site in none of them is no choice, not even the last."""

from __future__ import annotations

from placement.arrays import Mask
from placement.decision import Reason
from placement.problem import Problem
from placement.rules.rule import SiteRule, nobody


def _refuses(problem: Problem) -> Mask:
    rank = problem.words.preference
    return nobody(problem) if rank is None else rank < 0


def _reason(problem: Problem, site: int) -> Reason:
    count = len(problem.policy.preferences)
    message = (
        f"it is in none of the {count} groups of preference" if count > 1 else "it is not among the preferred sites"
    )
    return Reason(rule="preferences", need="in a group of preference", have="in none", unit="", message=message)


RULE = SiteRule("preferences", _refuses, _reason)
