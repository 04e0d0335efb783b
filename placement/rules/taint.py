"""Taints with NO_SCHEDULE or NO_EXECUTE that the policy does not tolerate; PREFER_NO_SCHEDULE keeps nothing away."""

from __future__ import annotations

from placement.arrays import Mask
from placement.decision import Reason
from placement.problem import Problem
from placement.rules.rule import NodeRule, Shortage, left_out_of, shortage_reason
from placement.wording import of_its_nodes


def _leaves_out(problem: Problem, component: int) -> Mask:
    bins, tolerated = problem.bins, problem.words.tolerated
    return bins.tainted if tolerated is None else bins.tainted & ~tolerated[bins.node]


def _reason(problem: Problem, site: int, shortage: Shortage) -> Reason:
    count, of = left_out_of(problem, site, _leaves_out(problem, shortage.component))
    which = " that the policy does not tolerate" if problem.words.tolerated is not None else ""
    taint = f"a taint NO_SCHEDULE or NO_EXECUTE{which}"
    because = of_its_nodes(count, of, f"has {taint}", f"have {taint}")
    return shortage_reason(problem, rule="taint", shortage=shortage, because=because)


RULE = NodeRule("taint", _leaves_out, _reason)
