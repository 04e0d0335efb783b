"""A component's label selector for its nodes. Where nodes are not observed nothing matches."""

from __future__ import annotations

import numpy as np

from placement.arrays import Mask
from placement.decision import Reason
from placement.problem import Problem
from placement.rules.rule import NodeRule, Shortage, left_out_of


def _leaves_out(problem: Problem, component: int) -> Mask:
    matching = problem.bins.selector_match[component]
    return np.zeros(len(problem.bins.site), dtype=bool) if matching is None else ~matching


def _reason(problem: Problem, site: int, shortage: Shortage) -> Reason:
    bins = problem.bins.of_site(site)
    choosy = [at for at in range(len(problem.components)) if _leaves_out(problem, at)[bins].any()]
    at = shortage.component if shortage.component in choosy else choosy[0]
    component = problem.components[at]
    count, of = left_out_of(problem, site, _leaves_out(problem, at))
    return Reason(
        rule="node_selector",
        need=str(component.node_selector),
        have=f"{of - count} of {of} nodes",
        unit="",
        message=f"{component.name!r} needs nodes that match {component.node_selector}: {of - count} of {of} do",
    )


RULE = NodeRule("node_selector", _leaves_out, _reason)
