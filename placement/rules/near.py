"""Nearness to given sites: latency, and free bandwidth on the way of least latency."""

from __future__ import annotations

import numpy as np

from placement.arrays import Mask
from placement.decision import Reason
from placement.problem import Problem
from placement.rules.rule import SiteRule, bandwidth_reason, nobody


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
        have = float(one.latency[site])
        return Reason(
            rule="near",
            need=f"{one.wanted.within_ms:g}",
            have=f"{have:.3f}",
            unit="ms",
            message=f"it is {have:.2f} ms from site {name}, which needs {one.wanted.within_ms:g} ms",
        )
    return bandwidth_reason(
        "near", need=one.wanted.min_bandwidth_mbps or 0.0, have=float(one.width[site]), to=f"site {name}"
    )


RULE = SiteRule("near", _refuses, _reason)
