"""Processors that a component runs on. Where nodes are not observed the processor is not known, and not taken as fitting."""

from __future__ import annotations

import numpy as np

from placement.arrays import Mask
from placement.decision import Reason
from placement.problem import Problem
from placement.rules.rule import NodeRule, Shortage


def _leaves_out(problem: Problem, component: int) -> Mask:
    bins, needed = problem.bins, problem.components[component].architectures
    if not needed:
        return np.zeros(len(bins.site), dtype=bool)
    # The last one stands for what is not known.
    wrong = np.array([*(one not in needed for one in bins.archs), True], dtype=bool)
    return wrong[bins.arch]


def _reason(problem: Problem, site: int, shortage: Shortage) -> Reason:
    bins = problem.bins
    short = problem.components[shortage.component]
    picky = [one for at, one in enumerate(problem.components) if _leaves_out(problem, at)[bins.of_site(site)].any()]
    component = short if short in picky else picky[0]
    present = sorted({bins.archs[one] if one >= 0 else "not known" for one in bins.arch[bins.of_site(site)].tolist()})
    need, have = " or ".join(component.architectures), " and ".join(present)
    return Reason(
        rule="architecture",
        need=need,
        have=have,
        unit="",
        message=f"{component.name!r} runs on {need}; the processors here: {have}",
    )


RULE = NodeRule("architecture", _leaves_out, _reason)
