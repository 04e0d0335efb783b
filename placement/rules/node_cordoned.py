"""Cordons of nodes."""

from __future__ import annotations

from placement.decision import Reason
from placement.inventory import Mask
from placement.problem import Problem
from placement.rules.rule import NodeRule, Shortage, left_out_of, shortage_reason


def _leaves_out(problem: Problem, component: int) -> Mask:
    return problem.bins.cordoned


def _reason(problem: Problem, site: int, shortage: Shortage) -> Reason:
    count, of = left_out_of(problem, site, problem.bins.cordoned)
    return shortage_reason(
        problem, rule="node_cordoned", shortage=shortage, because=f"{count} of its {of} nodes cordoned"
    )


RULE = NodeRule("node_cordoned", _leaves_out, _reason)
