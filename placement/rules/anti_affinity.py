"""Anti-affinity: none of the apps that the policy names runs at a chosen site, or in its region.

It goes both ways: so does a deployment whose own policy names this one.
"""

from __future__ import annotations

import numpy as np

from graph.kinds.policy import AffinityScope
from placement.arrays import Mask
from placement.decision import Reason
from placement.problem import Problem
from placement.rules.rule import SiteRule, nobody
from placement.wording import listed


def _refuses(problem: Problem) -> Mask:
    shunned = problem.words.anti_affinity
    return np.logical_or.reduce([one.there for one in shunned]) if shunned else nobody(problem)


def _reason(problem: Problem, site: int) -> Reason:
    one = next(one for one in problem.words.anti_affinity if one.there[site])
    where = "in its region" if one.scope is AffinityScope.REGION else "at the site"
    names = one.at(site)
    have, runs = listed(names, between=" and "), "runs" if len(names) == 1 else "run"
    why = "whose policy keeps this one away" if one.theirs else "which the policy keeps away from"
    return Reason(
        rule="anti_affinity",
        need=f"without {one.wanted} {where}",
        have=have,
        unit="",
        message=f"{have} {runs} {where}, {why}",
    )


RULE = SiteRule("anti_affinity", _refuses, _reason)
