"""Latency to the given places: a site that is in reach of none of them serves nobody.

A place's reach is a latency or, of coverage, a distance (placement/rules/distance.py); where a policy has both kinds, a
site that is in reach of no place at all is refused by both. That each place is served by one of the chosen sites is for the
choice, not for a filter of one site.
"""

from __future__ import annotations

import numpy as np

from placement.arrays import Floats, Mask
from placement.decision import Reason
from placement.problem import Problem
from placement.rules.rule import SiteRule, nobody


def limits(problem: Problem) -> Floats:
    """(targets, 1): the most latency for each, ms; infinite for those whose reach is a distance."""
    return np.array([one.within_ms for one in problem.targets], dtype=np.float64).reshape(-1, 1)


def in_time(problem: Problem) -> Mask:
    """(targets, sites): whether the site is in reach of the target by all its limits: time or distance, and bandwidth."""
    return _in_reach(problem, bandwidth=True)


def near_enough(problem: Problem) -> Mask:
    """(targets, sites): whether the site is in reach of the target by time or distance, whatever the bandwidth."""
    return _in_reach(problem, bandwidth=False)


def _in_reach(problem: Problem, *, bandwidth: bool) -> Mask:
    mask: Mask = problem.latency <= limits(problem)
    allowed = problem.words.allowed
    if allowed is not None:
        for target in np.flatnonzero(allowed.restricted).tolist():
            if bandwidth or problem.targets[target].within_km is not None:
                keeping = np.zeros(len(problem), dtype=bool)
                keeping[allowed.sites_of(target)] = True
                mask[target] &= keeping
    return mask


def serves_nobody(problem: Problem) -> Mask:
    """(sites,): whether the site is in reach of no place by time or distance."""
    refused: Mask = np.logical_not(np.any(near_enough(problem), axis=0))
    return refused


def _refuses(problem: Problem) -> Mask:
    if all(one.within_km is not None for one in problem.targets):
        return nobody(problem)
    return serves_nobody(problem)


def _reason(problem: Problem, site: int) -> Reason:
    timed = [n for n, one in enumerate(problem.targets) if one.within_km is None]
    latency = problem.latency[timed, site]
    closest = int(np.argmin(latency / limits(problem)[timed, 0]))
    target = problem.targets[timed[closest]]
    if not np.isfinite(latency[closest]):
        return Reason(
            rule="latency",
            need="a way over links that are up",
            have="none",
            unit="",
            message="no links that are up lead to it from any of the places",
        )
    have = float(latency[closest])
    return Reason(
        rule="latency",
        need=f"{target.within_ms:g}",
        have=f"{have:.3f}",
        unit="ms",
        message=f"it is {have:.2f} ms from {target.place}, which needs {target.within_ms:g} ms",
    )


RULE = SiteRule("latency", _refuses, _reason)
