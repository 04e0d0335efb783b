"""The policy's list of sites that are never chosen."""

from __future__ import annotations

import numpy as np

from placement.arrays import Mask
from placement.decision import Reason
from placement.problem import Problem
from placement.rules.rule import SiteRule


def _refuses(problem: Problem) -> Mask:
    excluded = frozenset(problem.policy.sites.excluded_site_ids)
    if not excluded:
        return np.zeros(len(problem), dtype=bool)
    return np.fromiter((one.id in excluded for one in problem.sites), dtype=bool, count=len(problem))


def _reason(problem: Problem, site: int) -> Reason:
    return Reason(rule="excluded", need="not excluded", have="excluded", unit="", message="the policy excludes it")


RULE = SiteRule("excluded", _refuses, _reason)
