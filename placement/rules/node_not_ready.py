"""Nodes that their cluster reports as not ready. One that nothing has observed yet is given the chance."""

from __future__ import annotations

from placement.decision import Reason
from placement.inventory import Mask
from placement.problem import Problem
from placement.rules.rule import NodeRule, Shortage, left_out_of, shortage_reason


def _leaves_out(problem: Problem, component: int) -> Mask:
    return problem.bins.not_ready


def _reason(problem: Problem, site: int, shortage: Shortage) -> Reason:
    count, of = left_out_of(problem, site, problem.bins.not_ready)
    return shortage_reason(
        problem, rule="node_not_ready", shortage=shortage, because=f"{count} of its {of} nodes not ready"
    )


RULE = NodeRule("node_not_ready", _leaves_out, _reason)
