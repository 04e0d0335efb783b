"""Nearness to given sites: latency, and free bandwidth on the way of least latency."""

from __future__ import annotations

import numpy as np

from placement.arrays import Mask
from placement.decision import Reason
from placement.problem import Problem
from placement.rules.rule import SiteRule, bandwidth_reason, nobody
from placement.wording import beyond, number


def _refuses(problem: Problem) -> Mask:
    near = problem.words.near
    return np.logical_or.reduce([one.too_far() | one.too_narrow() for one in near]) if near else nobody(problem)


def _reason(problem: Problem, site: int) -> Reason:
    one = next(one for one in problem.words.near if one.too_far()[site] or one.too_narrow()[site])
    name = repr(one.site.name)
    if not np.isfinite(one.latency[site]):
        return Reason(
            rule="near",
            need="a way over links that are up",
            have="none",
            unit="",
            message=f"no links that are up lead to it from site {name}",
        )
    if one.too_far()[site]:
        have, within = float(one.latency[site]), one.wanted.within_ms or 0.0
        return Reason(
            rule="near",
            need=number(within),
            have=beyond(have, within, digits=3),
            unit="ms",
            message=f"it is {beyond(have, within, digits=2)} ms from site {name}, and must be within {number(within)} ms",
        )
    return bandwidth_reason(
        "near", need=one.wanted.min_bandwidth_mbps or 0.0, have=float(one.width[site]), to=f"site {name}"
    )


RULE = SiteRule("near", _refuses, _reason)
