"""Sites where what is to stay where it is does not run."""

from __future__ import annotations

from placement.arrays import Mask
from placement.decision import Reason
from placement.problem import Problem
from placement.rules.rule import SiteRule, nobody


def _refuses(problem: Problem) -> Mask:
    held = problem.words.units[0].held
    return nobody(problem) if held is None else ~held


def _reason(problem: Problem, site: int) -> Reason:
    return Reason(
        rule="held",
        need="a site where it is",
        have="another",
        unit="",
        message="it stays at the sites where it is, for these still keep its policy",
    )


RULE = SiteRule("held", _refuses, _reason, of_unit=True)
