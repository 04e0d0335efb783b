"""The policy's groups: only their sites are candidates. What they demand of a choice is kept by the solver."""

from __future__ import annotations

from placement.arrays import Mask
from placement.decision import Reason
from placement.problem import Problem
from placement.rules.rule import SiteRule, nobody


def _refuses(problem: Problem) -> Mask:
    groups = problem.words.groups
    return nobody(problem) if groups is None else ~groups.member


def _reason(problem: Problem, site: int) -> Reason:
    message = "no group of the policy selects it"
    return Reason(rule="groups", need="selected by a group", have="selected by none", unit="", message=message)


RULE = SiteRule("groups", _refuses, _reason)
