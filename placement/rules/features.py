"""Features that the policy wants of a component's nodes, as labels. Where nodes are not observed nothing matches."""

from __future__ import annotations

from placement.arrays import Mask
from placement.decision import Reason
from placement.problem import Problem
from placement.rules.rule import NodeRule, Shortage, left_out_of, shortage_reason
from placement.wording import counted, of_its_nodes


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
    if count < of and at == shortage.component:
        # Some nodes match, and what is left after those that do not is too little.
        because = of_its_nodes(count, of, f"does not match {need}", f"do not match {need}")
        return shortage_reason(problem, rule="features", shortage=shortage, because=because)
    name, matching = problem.components[at].name, of_its_nodes(of - count, of, "does", "do")
    return Reason(
        rule="features",
        need=need,
        have=f"{of - count} of {counted(of, 'node')}",
        unit="",
        message=f"the policy wants nodes that match {need} for {name!r}: {matching}",
    )


RULE = NodeRule("features", _leaves_out, _reason)
