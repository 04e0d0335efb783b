"""Nodes that are known, for what runs beside another component: a stated capacity does not say what shares a node."""

from __future__ import annotations

from placement.arrays import Mask
from placement.decision import Reason
from placement.problem import Problem
from placement.rules.rule import NodeRule, Shortage


def _leaves_out(problem: Problem, component: int) -> Mask | None:
    return problem.bins.node < 0 if problem.components[component].beside else None


def _reason(problem: Problem, site: int, shortage: Shortage) -> Reason:
    one = next(each for each in problem.components if each.beside)
    return Reason(
        rule="pod_affinity",
        need="nodes that are observed",
        have="a stated capacity",
        unit="",
        message=(
            f"{one.name!r} runs on the nodes of {' and '.join(map(repr, sorted(one.beside)))}, and which replicas share a "
            "node is not known where nodes are not observed"
        ),
    )


RULE = NodeRule("pod_affinity", _leaves_out, _reason)
