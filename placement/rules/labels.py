"""The policy's label selector."""

from __future__ import annotations

from placement.decision import Reason
from placement.problem import Problem
from placement.rules.rule import selecting_rule


def _reason(problem: Problem, site: int) -> Reason:
    labels = problem.sites[site].labels
    failed = [one for one in problem.labels.requirements if not one.holds(labels)]
    have = ",".join(f"{one.key}={labels[one.key]}" if one.key in labels else f"no {one.key}" for one in failed)
    need = ",".join(str(one) for one in failed)
    return Reason(rule="labels", need=need, have=have, unit="", message=f"its labels must match {need}: it has {have}")


RULE = selecting_rule("labels", _reason)
