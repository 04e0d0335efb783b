"""Distance to the regions of users that are covered by one: a site that is in reach of no place serves nobody."""

from __future__ import annotations

import numpy as np

from graph.spatial import distances_km
from placement.arrays import Mask
from placement.decision import Reason
from placement.problem import Problem
from placement.rules.latency import serves_nobody
from placement.rules.rule import SiteRule, nobody
from placement.wording import beyond, number


def _refuses(problem: Problem) -> Mask:
    if not problem.latency.by_distance:
        return nobody(problem)
    return serves_nobody(problem)


def _reason(problem: Problem, site: int) -> Reason:
    position = problem.sites[site].position
    if position is None:
        message = "it is near no region of users: it has no position"
        return Reason(rule="distance", need="a position", have="no position", unit="", message=message)
    placed = [one for one in problem.targets if one.within_km is not None and one.position is not None]
    centres = np.array([(one.position.longitude, one.position.latitude) for one in placed if one.position is not None])
    distance = distances_km(position, centres)
    closest = int(np.argmin(distance / np.array([one.within_km for one in placed])))
    target, have = placed[closest], float(distance[closest])
    within = target.within_km or 0.0
    if have <= within:
        return Reason(
            rule="distance",
            need="a way over links that are up",
            have="none",
            unit="",
            message=f"no links that are up lead to it from {target.place}, which it is near enough to",
        )
    return Reason(
        rule="distance",
        need=number(within),
        have=beyond(have, within, digits=3),
        unit="km",
        message=f"it is {beyond(have, within, digits=1)} km from {target.place}, "
        f"which is to be served within {number(within)} km",
    )


RULE = SiteRule("distance", _refuses, _reason)
