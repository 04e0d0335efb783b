"""The policy's list of the only sites that may be chosen."""

from __future__ import annotations

from placement.decision import Reason
from placement.problem import Problem
from placement.rules.rule import selecting_rule


def _reason(problem: Problem, site: int) -> Reason:
    count = len(set(problem.policy.sites.site_ids))
    message = (
        f"it is not one of the {count} sites that the policy names" if count > 1 else "the policy names another site"
    )
    return Reason(rule="listed", need="named by the policy", have="not named", unit="", message=message)


RULE = selecting_rule("listed", _reason, alike=True)
