"""Free bandwidth from the places: a site that is near enough to some, and to none of these with the bandwidth they need."""

from __future__ import annotations

import numpy as np

from placement.arrays import Mask
from placement.decision import Reason
from placement.problem import Problem
from placement.rules.latency import reach, sites_in
from placement.rules.rule import SiteRule, nobody


def _refuses(problem: Problem) -> Mask:
    if all(one.min_bandwidth_mbps is None for one in problem.targets):
        return nobody(problem)
    return sites_in(problem.latency.pairs) & ~sites_in(reach(problem))


def _reason(problem: Problem, site: int) -> Reason:
    closest = int(np.argmin(problem.latency.to(np.array([site]))[:, 0]))
    target = problem.targets[closest]
    need = target.min_bandwidth_mbps or 0.0
    return Reason(
        rule="bandwidth",
        need=f"{need:g}",
        have="less, or not known",
        unit="Mbit/s",
        message=f"the way from {target.place} has less than {need:g} Mbit/s free, or it is not known how much",
    )


RULE = SiteRule("bandwidth", _refuses, _reason)
