"""The policy's tiers."""

from __future__ import annotations

from placement.decision import Reason
from placement.problem import Problem
from placement.rules.rule import selecting_rule


def _reason(problem: Problem, site: int) -> Reason:
    need, have = " or ".join(dict.fromkeys(problem.policy.sites.tiers)), problem.sites[site].tier.name
    return Reason(rule="tier", need=need, have=have, unit="", message=f"its tier must be {need}: it is {have}")


RULE = selecting_rule("tier", _reason)
