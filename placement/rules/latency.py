"""Latency to the given places: a site that is in reach of none of them serves nobody.

A place's reach is a latency or, of coverage, a distance (placement/rules/distance.py); where a policy has both kinds, a
site that is in reach of no place at all is refused by both. That each place is served by one of the chosen sites is for the
choice, not for a filter of one site.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from placement.arrays import Mask
from placement.decision import Reason
from placement.problem import Problem
from placement.rules.rule import SiteRule, nobody


def reach(problem: Problem) -> csr_array:
    """(targets, sites): an explicit entry is in reach of the target by all its limits, time or distance, and bandwidth.

    The entry is the latency in milliseconds, one way.
    """
    pairs, allowed = problem.latency.pairs, problem.words.allowed
    narrow = (
        [] if allowed is None else [n for n, one in enumerate(problem.targets) if one.min_bandwidth_mbps is not None]
    )
    if allowed is None or not narrow:
        return pairs
    keep = np.ones(len(pairs.indices), dtype=bool)
    for target in narrow:
        here = slice(pairs.indptr[target], pairs.indptr[target + 1])
        keep[here] = np.isin(pairs.indices[here], allowed.sites_of(target))
    before = np.concatenate(([0], np.cumsum(keep)))
    return csr_array((pairs.data[keep], pairs.indices[keep], before[pairs.indptr]), shape=pairs.shape)


def serves_nobody(problem: Problem) -> Mask:
    """(sites,): whether the site is in reach of no place by time or distance."""
    begin = problem.latency.by_site.start
    found: Mask = begin[1:] == begin[:-1]
    return found


def _refuses(problem: Problem) -> Mask:
    if not problem.latency.by_time:
        return nobody(problem)
    return serves_nobody(problem)


def _reason(problem: Problem, site: int) -> Reason:
    closest, have = problem.latency.closest(site)
    target = problem.targets[closest]
    if not np.isfinite(have):
        return Reason(
            rule="latency",
            need="a way over links that are up",
            have="none",
            unit="",
            message="no links that are up lead to it from any of the places",
        )
    return Reason(
        rule="latency",
        need=f"{target.within_ms:g}",
        have=f"{have:.3f}",
        unit="ms",
        message=f"it is {have:.2f} ms from {target.place}, which needs {target.within_ms:g} ms",
    )


RULE = SiteRule("latency", _refuses, _reason)
