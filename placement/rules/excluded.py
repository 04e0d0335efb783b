"""The policy's list of sites that are never chosen."""

from __future__ import annotations

from placement.decision import Reason
from placement.problem import Problem
from placement.rules.rule import selecting_rule


def _reason(problem: Problem, site: int) -> Reason:
    return Reason(rule="excluded", need="not excluded", have="excluded", unit="", message="the policy excludes it")


RULE = selecting_rule("excluded", _reason, alike=True)
