"""Latency to the given places: a site that is in reach of none of them serves nobody.

A place's reach is a latency or, of coverage, a distance (placement/rules/distance.py); where a policy has both kinds, a
site that is in reach of no place at all is refused by both. That each place is served by one of the chosen sites is for the
choice, not for a filter of one site.
"""

from __future__ import annotations

import numpy as np

from placement.arrays import Mask
from placement.decision import Reason
from placement.problem import Problem
from placement.rules.rule import SiteRule, nobody
from placement.solve.entries import Listed, empty_rows, turned
from placement.wording import beyond, number


def reach(problem: Problem) -> Listed:
    """By site: an explicit entry is a target that it is in reach of by all its limits, time or distance, and bandwidth.

    The entry is the latency in milliseconds, one way.
    """
    allowed = problem.words.allowed
    narrow = (
        [] if allowed is None else [n for n, one in enumerate(problem.targets) if one.min_bandwidth_mbps is not None]
    )
    if allowed is None or not narrow:
        return problem.latency.by_site
    pairs = problem.latency.pairs
    keep = np.ones(len(pairs.indices), dtype=bool)
    for target in narrow:
        here = slice(pairs.indptr[target], pairs.indptr[target + 1])
        keep[here] = np.isin(pairs.indices[here], allowed.sites_of(target))
    before = np.concatenate(([0], np.cumsum(keep))).astype(np.int64)
    kept = Listed(before[pairs.indptr], pairs.indices[keep], pairs.data[keep])
    return turned(kept, columns=len(problem))


def serves_nobody(problem: Problem) -> Mask:
    """(sites,): whether the site is in reach of no place by time or distance."""
    return empty_rows(problem.latency.by_site)


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
        need=number(target.within_ms),
        have=beyond(have, target.within_ms, digits=3),
        unit="ms",
        message=f"it is {beyond(have, target.within_ms, digits=2)} ms from {target.place}, "
        f"which is to be served within {number(target.within_ms)} ms",
    )


RULE = SiteRule("latency", _refuses, _reason)
