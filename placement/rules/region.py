"""The policy's regions: the site lies in one of them or in a region below."""

from __future__ import annotations

from placement.decision import Reason
from placement.problem import Problem
from placement.rules.rule import regions_of, selecting_rule


def _reason(problem: Problem, site: int) -> Reason:
    need = regions_of(problem, problem.policy.sites.region_ids)
    have = regions_of(problem, [problem.sites[site].region_id])
    message = f"it must lie in {need} or below: it lies in {have}"
    return Reason(rule="region", need=need, have=have, unit="", message=message)


RULE = selecting_rule("region", _reason)
