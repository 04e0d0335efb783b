"""Cordons of the site and of its clusters: nothing new is placed there."""

from __future__ import annotations

from placement.arrays import Mask
from placement.decision import Reason
from placement.problem import Problem
from placement.rules.rule import SiteRule


def _refuses(problem: Problem) -> Mask:
    refused: Mask = ~problem.columns.schedulable | problem.clusters.all_cordoned()
    return refused


def _reason(problem: Problem, site: int) -> Reason:
    if not problem.sites[site].schedulable:
        message = "the site is cordoned"
    else:
        names = ", ".join(repr(problem.clusters.clusters[one].name) for one in problem.clusters.of_site(site))
        message = f"every cluster that serves it is cordoned: {names}"
    return Reason(rule="cordon", need="schedulable", have="cordoned", unit="", message=message)


RULE = SiteRule("cordon", _refuses, _reason)
