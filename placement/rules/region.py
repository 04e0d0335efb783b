"""The policy's regions: the site lies in one of them or in a region below."""

from __future__ import annotations

from placement.arrays import Mask
from placement.decision import Reason
from placement.problem import Problem
from placement.rules.rule import SiteRule


def _refuses(problem: Problem) -> Mask:
    return ~problem.in_region


def _reason(problem: Problem, site: int) -> Reason:
    need, have = " or ".join(problem.policy.sites.region_ids), problem.sites[site].region_id
    message = f"it must lie in {need} or below: it lies in {have}"
    return Reason(rule="region", need=need, have=have, unit="", message=message)


RULE = SiteRule("region", _refuses, _reason)
