"""Taints with NO_SCHEDULE or NO_EXECUTE. Components tolerate none; PREFER_NO_SCHEDULE keeps nothing away."""

from __future__ import annotations

from placement.arrays import Mask
from placement.decision import Reason
from placement.problem import Problem
from placement.rules.rule import NodeRule, Shortage, left_out_of, shortage_reason


def _leaves_out(problem: Problem, component: int) -> Mask:
    return problem.bins.tainted


def _reason(problem: Problem, site: int, shortage: Shortage) -> Reason:
    count, of = left_out_of(problem, site, problem.bins.tainted)
    because = f"{count} of its {of} nodes tainted NO_SCHEDULE or NO_EXECUTE"
    return shortage_reason(problem, rule="taint", shortage=shortage, because=because)


RULE = NodeRule("taint", _leaves_out, _reason)
