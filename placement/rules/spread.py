"""Spread: a site that lies in no domain, for want of the label or of a region of the level, could not be counted."""

from __future__ import annotations

import numpy as np

from graph.kinds.policy import SpreadBy
from placement.arrays import Mask
from placement.decision import Reason
from placement.problem import Problem
from placement.rules.rule import SiteRule, nobody


def _refuses(problem: Problem) -> Mask:
    spread = problem.words.spread
    return np.logical_or.reduce([one.domain < 0 for one in spread]) if spread else nobody(problem)


def _reason(problem: Problem, site: int) -> Reason:
    one = next(one for one in problem.words.spread if one.domain[site] < 0)
    if one.spread.by is SpreadBy.LABEL:
        need, have = f"label {one.spread.label}", f"no {one.spread.label}"
    else:
        need, have = f"in a region of level {one.spread.level}", "in none"
    message = f"the app is spread by {one.kind}, and the site has none"
    return Reason(rule="spread", need=need, have=have, unit="", message=message)


RULE = SiteRule("spread", _refuses, _reason)
