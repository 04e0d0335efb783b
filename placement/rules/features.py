"""Features that the policy wants of a component's nodes, as labels. Where nodes are not observed nothing matches."""

from __future__ import annotations

from placement.arrays import Mask
from placement.decision import Reason
from placement.problem import Problem
from placement.rules.rule import NodeRule, Shortage, left_out_of


def _leaves_out(problem: Problem, component: int) -> Mask | None:
    having = problem.words.components[component].has_features
    return None if having is None else ~having[problem.bins.node]


def _reason(problem: Problem, site: int, shortage: Shortage) -> Reason:
    here = problem.bins.of_site(site)
    left_out = {
        at: mask
        for at in range(len(problem.components))
        if (mask := _leaves_out(problem, at)) is not None and mask[here].any()
    }
    at = shortage.component if shortage.component in left_out else next(iter(left_out))
    need = str(problem.words.components[at].features)
    count, of = left_out_of(problem, site, left_out[at])
    return Reason(
        rule="features",
        need=need,
        have=f"{of - count} of {of} nodes",
        unit="",
        message=f"the policy wants nodes with {need} for {problem.components[at].name!r}: {of - count} of {of} have that",
    )


RULE = NodeRule("features", _leaves_out, _reason)
