"""A cluster that can be called: without a control plane nothing that is decided could be made so."""

from __future__ import annotations

from placement.arrays import Mask
from placement.decision import Reason
from placement.problem import Problem
from placement.rules.rule import SiteRule


def _refuses(problem: Problem) -> Mask:
    refused: Mask = problem.clusters.first_callable < 0
    return refused


def _reason(problem: Problem, site: int) -> Reason:
    state = problem.clusters
    serving = state.of_site(site)
    if serving:
        have = "none of its clusters"
        message = "; ".join(f"cluster {state.clusters[one].name!r} {state.problems[one]}" for one in serving)
    else:
        have, message = "no cluster", "no cluster serves it"
    return Reason(rule="no_cluster", need="a cluster that can be called", have=have, unit="", message=message)


RULE = SiteRule("no_cluster", _refuses, _reason)
