"""Processors that a component runs on. Where nodes are not observed the processor is not known, and not taken as fitting."""

from __future__ import annotations

from placement.arrays import Mask
from placement.decision import Reason
from placement.problem import Problem
from placement.rules.rule import NodeRule, Shortage, left_out_of, shortage_reason
from placement.wording import of_its_nodes


def _leaves_out(problem: Problem, component: int) -> Mask | None:
    return problem.bins.other_archs[component]


def _reason(problem: Problem, site: int, shortage: Shortage) -> Reason:
    short = problem.components[shortage.component]
    left_out = {
        at: mask
        for at in range(len(problem.components))
        if (mask := _leaves_out(problem, at)) is not None and mask[problem.bins.of_site(site)].any()
    }
    at = shortage.component if shortage.component in left_out else next(iter(left_out))
    component = problem.components[at]
    wanted = " or ".join(component.architectures)
    wrong, of = left_out_of(problem, site, left_out[at])
    if wrong < of and component is short:
        # Some nodes suit, and what is left after those that do not is too little.
        lacks = f"no processor of {wanted}"
        because = of_its_nodes(wrong, of, f"has {lacks}", f"have {lacks}")
        return shortage_reason(problem, rule="architecture", shortage=shortage, because=because)
    there = " and ".join(_present(problem, site, left_out[at]))
    nodes = of_its_nodes(wrong, of, f"has {there}", f"have {there}")
    return Reason(
        rule="architecture",
        need=wanted,
        have=there,
        unit="",
        message=f"{component.name!r} runs on {wanted}, and {nodes}",
    )


def _present(problem: Problem, site: int, left_out: Mask) -> list[str]:
    """The processors of the nodes that are left out, by name."""
    bins = problem.bins
    here = bins.of_site(site)
    return sorted(
        {bins.archs[one] if one >= 0 else "one that is not known" for one in bins.arch[here][left_out[here]].tolist()}
    )


RULE = NodeRule("architecture", _leaves_out, _reason)
