"""Free bandwidth from the places: a site that is near enough to some, and to none of these with the bandwidth they need."""

from __future__ import annotations

import numpy as np

from placement.arrays import Mask
from placement.decision import Reason
from placement.problem import Problem
from placement.rules.latency import reach
from placement.rules.rule import SiteRule, bandwidth_reason, nobody
from placement.solve.entries import empty_rows


def _refuses(problem: Problem) -> Mask:
    if problem.words.allowed is None or all(one.min_bandwidth_mbps is None for one in problem.targets):
        return nobody(problem)
    return ~empty_rows(problem.latency.by_site) & empty_rows(reach(problem))


def _reason(problem: Problem, site: int) -> Reason:
    closest = int(np.argmin(problem.latency.to(np.array([site]))[1]))
    target = problem.targets[closest]
    allowed = problem.words.allowed
    have = np.nan if allowed is None else allowed.free_to(closest, site)
    return bandwidth_reason("bandwidth", need=target.min_bandwidth_mbps or 0.0, have=have, to=target.place)


RULE = SiteRule("bandwidth", _refuses, _reason)
