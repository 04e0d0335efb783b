"""Affinity: each of the apps that the policy names runs at every chosen site, or in its region."""

from __future__ import annotations

import numpy as np

from graph.kinds.policy import AffinityScope
from placement.arrays import Mask
from placement.decision import Reason
from placement.problem import Problem
from placement.rules.rule import SiteRule, nobody


def _refuses(problem: Problem) -> Mask:
    wanted = problem.words.affinity
    return np.logical_or.reduce([~one.there for one in wanted]) if wanted else nobody(problem)


def _reason(problem: Problem, site: int) -> Reason:
    one = next(one for one in problem.words.affinity if not one.there[site])
    where = "in its region" if one.scope is AffinityScope.REGION else "at the site"
    have = "not there" if one.there.any() else "nowhere"
    return Reason(
        rule="affinity",
        need=f"{one.wanted} {where}",
        have=have,
        unit="",
        message=f"it goes with {one.wanted}, which {f'does not run {where}' if one.there.any() else 'runs nowhere'}",
    )


RULE = SiteRule("affinity", _refuses, _reason)
