"""Dedicated nodes: those that run others are no nodes for a component that wants them to itself, and the other way round.

Who runs there is not told, nor on how many: they may be other tenants'. Where nodes are not observed nobody knows what else
they run, and none is taken as free of others.
"""

from __future__ import annotations

from placement.arrays import Mask
from placement.decision import Reason
from placement.problem import Problem
from placement.rules.rule import NodeRule, Shortage, all_replicas, replicas_of


def _leaves_out(problem: Problem, component: int) -> Mask | None:
    words, node = problem.words, problem.bins.node
    left_out = None if words.taken is None else words.taken[node]
    if words.busy is not None and words.components[component].dedicated:
        busy = words.busy[node]
        left_out = busy if left_out is None else left_out | busy
    return left_out


def _reason(problem: Problem, site: int, shortage: Shortage) -> Reason:
    component = problem.components[shortage.component]
    count = replicas_of(component.replicas)
    if problem.words.components[shortage.component].dedicated:
        because = f"{component.name!r} wants nodes that run nothing else"
    else:
        because = "some of its nodes are for others alone"
    return Reason(
        rule="dedicated",
        need=str(component.replicas),
        have=str(shortage.placed),
        unit="replicas",
        message=f"{because}: what is left takes {shortage.placed} of {count} of {component.name!r}",
        untold=f"{because}: what is left does not take {all_replicas(component.replicas)} of {component.name!r}",
    )


RULE = NodeRule("dedicated", _leaves_out, _reason)
