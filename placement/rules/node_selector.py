"""A component's label selector for its nodes. Where nodes are not observed nothing matches."""

from __future__ import annotations

from placement.arrays import Mask
from placement.decision import Reason
from placement.problem import Problem
from placement.rules.rule import NodeRule, Shortage, left_out_of, shortage_reason
from placement.wording import counted, of_its_nodes


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
    need = str(component.node_selector)
    if count < of and at == shortage.component:
        # Some nodes match, and what is left after those that do not is too little.
        because = of_its_nodes(count, of, f"does not match {need}", f"do not match {need}")
        return shortage_reason(problem, rule="node_selector", shortage=shortage, because=because)
    return Reason(
        rule="node_selector",
        need=need,
        have=f"{of - count} of {counted(of, 'node')}",
        unit="",
        message=f"{component.name!r} needs nodes that match {need}: {of_its_nodes(of - count, of, 'does', 'do')}",
    )


RULE = NodeRule("node_selector", _leaves_out, _reason)
