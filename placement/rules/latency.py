"""Latency to the given places: a site that is in time for none of them serves nobody.

That each place is served by one of the chosen sites is for the choice (placement/choice.py), not for a filter of one site.
"""

from __future__ import annotations

import numpy as np

from placement.arrays import Floats, Mask
from placement.decision import Reason
from placement.problem import Problem
from placement.rules.rule import SiteRule


def limits(problem: Problem) -> Floats:
    """(targets, 1): the most latency for each, ms."""
    return np.array([one.within_ms for one in problem.targets], dtype=np.float64).reshape(-1, 1)


def in_time(problem: Problem) -> Mask:
    """(targets, sites): whether the site is within the target's latency."""
    return problem.latency <= limits(problem)


def _refuses(problem: Problem) -> Mask:
    if not problem.targets:
        return np.zeros(len(problem), dtype=bool)
    refused: Mask = np.logical_not(np.any(in_time(problem), axis=0))
    return refused


def _reason(problem: Problem, site: int) -> Reason:
    latency = problem.latency[:, site]
    closest = int(np.argmin(latency / limits(problem)[:, 0]))
    target = problem.targets[closest]
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
