"""A component's label selector for its nodes. Where nodes are not observed nothing matches."""

from __future__ import annotations

from placement.arrays import Mask
from placement.decision import Reason
from placement.problem import Problem
from placement.rules.rule import NodeRule, Shortage, left_out_of


def _leaves_out(problem: Problem, component: int) -> Mask | None:
    return problem.bins.other_labels[component]


def _reason(problem: Problem, site: int, shortage: Shortage) -> Reason:
    bins = problem.bins.of_site(site)
    left_out = {
        at: mask
        for at in range(len(problem.components))
        if (mask := _leaves_out(problem, at)) is not None and mask[bins].any()
    }
    at = shortage.component if shortage.component in left_out else next(iter(left_out))
    component = problem.components[at]
    count, of = left_out_of(problem, site, left_out[at])
    return Reason(
        rule="node_selector",
        need=str(component.node_selector),
        have=f"{of - count} of {of} nodes",
        unit="",
        message=f"{component.name!r} needs nodes that match {component.node_selector}: {of - count} of {of} do",
    )


RULE = NodeRule("node_selector", _leaves_out, _reason)
