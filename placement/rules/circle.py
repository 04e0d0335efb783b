"""The policy's circle: the site is no farther from its centre than the radius, by great circle."""

from __future__ import annotations

from graph.spatial import distance_km
from placement.decision import Reason
from placement.problem import Problem
from placement.rules.rule import selecting_rule
from placement.wording import beyond, number


def _reason(problem: Problem, site: int) -> Reason:
    circle, position = problem.policy.sites.circle, problem.sites[site].position
    assert circle is not None, "a policy without a circle refuses no site by it"
    need = number(circle.radius_km)
    if position is None:
        message = f"it must lie within {need} km of the circle's centre: it has no position"
        return Reason(rule="circle", need="a position in the circle", have="no position", unit="", message=message)
    have = distance_km(circle.centre, position)
    away = beyond(have, circle.radius_km, digits=1)
    message = f"it must lie within {need} km of the circle's centre: it is {away} km away"
    return Reason(rule="circle", need=need, have=beyond(have, circle.radius_km, digits=3), unit="km", message=message)


RULE = selecting_rule("circle", _reason)
