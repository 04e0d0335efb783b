"""Health: a site that its observer last found DOWN. UNKNOWN is not refused: a new site has not been observed yet."""

from __future__ import annotations

from placement.arrays import Mask
from placement.decision import Reason
from placement.problem import Problem
from placement.rules.rule import SiteRule


def _refuses(problem: Problem) -> Mask:
    return problem.columns.down


def _reason(problem: Problem, site: int) -> Reason:
    why = "; ".join(problem.sites[site].health.reasons)
    message = f"the site is down: {why}" if why else "the site is down"
    return Reason(rule="health", need="not DOWN", have="DOWN", unit="", message=message)


RULE = SiteRule("health", _refuses, _reason)
