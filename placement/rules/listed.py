"""The policy's list of the only sites that may be chosen."""

from __future__ import annotations

import numpy as np

from placement.arrays import Mask
from placement.decision import Reason
from placement.problem import Problem
from placement.rules.rule import SiteRule


def _refuses(problem: Problem) -> Mask:
    listed = frozenset(problem.policy.sites.site_ids)
    if not listed:
        return np.zeros(len(problem), dtype=bool)
    return np.fromiter((one.id not in listed for one in problem.sites), dtype=bool, count=len(problem))


def _reason(problem: Problem, site: int) -> Reason:
    count = len(problem.policy.sites.site_ids)
    message = f"it is none of the {count} sites that the policy names" if count > 1 else "the policy names another site"
    return Reason(rule="listed", need="named by the policy", have="not named", unit="", message=message)


RULE = SiteRule("listed", _refuses, _reason)
