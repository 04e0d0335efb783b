"""The policy's tiers."""

from __future__ import annotations

import numpy as np

from placement.arrays import Mask
from placement.decision import Reason
from placement.problem import Problem
from placement.rules.rule import SiteRule


def _refuses(problem: Problem) -> Mask:
    tiers = problem.policy.sites.tiers
    if not tiers:
        return np.zeros(len(problem), dtype=bool)
    return np.fromiter((one.tier.name not in tiers for one in problem.sites), dtype=bool, count=len(problem))


def _reason(problem: Problem, site: int) -> Reason:
    need, have = " or ".join(problem.policy.sites.tiers), problem.sites[site].tier.name
    return Reason(rule="tier", need=need, have=have, unit="", message=f"its tier must be {need}: it is {have}")


RULE = SiteRule("tier", _refuses, _reason)
