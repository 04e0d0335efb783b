"""Sites that a component with sites of its own may run at: those of its own selector."""

from __future__ import annotations

from placement.arrays import Mask
from placement.decision import Reason
from placement.problem import Problem
from placement.rules.rule import SiteRule


def _refuses(problem: Problem) -> Mask:
    return ~problem.words.units[0].sites


def _reason(problem: Problem, site: int) -> Reason:
    name = problem.words.units[0].name
    return Reason(
        rule="component_sites",
        need="selected by the component's own sites",
        have="not selected",
        unit="",
        message=f"what the policy says of {name!r} does not select it",
    )


RULE = SiteRule("component_sites", _refuses, _reason, of_unit=True)
