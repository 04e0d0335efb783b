"""Data residency: nothing of the app runs outside the regions that the policy names, or below them."""

from __future__ import annotations

from placement.arrays import Mask
from placement.decision import Reason
from placement.problem import Problem
from placement.rules.rule import SiteRule, nobody, regions_of


def _refuses(problem: Problem) -> Mask:
    inside = problem.words.residency
    return nobody(problem) if inside is None else ~inside


def _reason(problem: Problem, site: int) -> Reason:
    need = regions_of(problem, problem.policy.residency_region_ids)
    have = regions_of(problem, [problem.sites[site].region_id])
    message = f"its data may not leave {need}: the site lies in {have}"
    return Reason(rule="residency", need=need, have=have, unit="", message=message)


RULE = SiteRule("residency", _refuses, _reason)
