"""The places that no choice serves: which limit keeps each from it, and how near the nearest site comes.

A place has a limit of time, with or without bandwidth on the way, or one of distance. The words and figures are those of the
limit that is not kept: a place that is in time and lacks bandwidth is not told of milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graph.spatial import distances_km
from placement.arrays import Floats, Ints, Mask
from placement.decision import NearMiss, UnmetTarget
from placement.latency import Target
from placement.modelling import Modelled
from placement.problem import Problem
from placement.rules import OF_PLACES
from placement.rules.bandwidth import RULE as BANDWIDTH
from placement.rules.distance import RULE as DISTANCE
from placement.rules.latency import RULE as LATENCY
from placement.solve.model import Choice
from placement.wording import beyond, number

NEAR_MISSES = 5
"""How many nearer but refused sites are told of a place that cannot be served."""


def unmet_of(made: Modelled, choice: Choice) -> list[UnmetTarget]:
    """The places that the nearest choice leaves out, in the policy's order."""
    left = sorted({item for one in choice.broken if one.rule == "clients" and one.unit == 0 for item in one.items})
    passing = made.screenings[0].passed_but_for(OF_PLACES)
    return [_unmet(made, one, passing) for one in left]


def limit_of(unmet: Sequence[UnmetTarget]) -> str:
    """The rule that keeps all of them from being served; `places` when it is not the same for all."""
    found = {one.rule for one in unmet}
    return found.pop() if len(found) == 1 else "places"


def _unmet(made: Modelled, target: int, passing: Mask) -> UnmetTarget:
    problem = made.problem
    wanted = problem.targets[target]
    if wanted.within_km is not None:
        return _too_distant(made, target, wanted, passing)
    latency = problem.latency.row(target)
    nearest = _least(latency, passing)
    have = None if nearest is None else float(latency[nearest])
    within = f"{number(wanted.within_ms)} ms"
    rule = LATENCY.name
    if have is None:
        message = f"no site with a way to {wanted.place} passes the other rules"
    elif have > wanted.within_ms:
        away = beyond(have, wanted.within_ms, digits=2)
        message = f"{wanted.place} is to be served within {within}; the nearest site that passes is {away} ms away"
    else:
        widest = _widest(problem, target, wanted, passing & (latency <= wanted.within_ms))
        if widest is None:
            message = (
                f"{wanted.place} could be served in {have:.2f} ms, but not together with all else that is asked for"
            )
        else:
            rule, message = BANDWIDTH.name, widest
    return UnmetTarget(
        place=wanted.place,
        rule=rule,
        within_ms=wanted.within_ms,
        site_id=None if nearest is None else problem.sites[nearest].id,
        latency_ms=have,
        message=message,
        nearer=_nearer(made, target, latency, np.inf if have is None else have),
    )


def _too_distant(made: Modelled, target: int, wanted: Target, passing: Mask) -> UnmetTarget:
    problem = made.problem
    distance, latency = _distances(problem, wanted), problem.latency.row(target)
    within_km = wanted.within_km
    assert within_km is not None, "the caller has looked"
    # What is near enough and has no way to the place could not serve it.
    nearest = _least(distance, passing & (np.isfinite(latency) | (distance > within_km)))
    have = None if nearest is None else float(distance[nearest])
    if have is None:
        within = f"{number(within_km)} km"
        what = "a position" if _least(distance, passing) is None else "a position and a way to it"
        message = f"no site with {what} passes the other rules, and {wanted.place} needs one within {within}"
    elif have <= within_km:
        message = f"{wanted.place} could be served from {have:.1f} km, but not together with all else that is asked for"
    else:
        away = beyond(have, within_km, digits=1)
        message = (
            f"{wanted.place} needs a site within {number(within_km)} km; the nearest that passes is {away} km away"
        )
    way = None if nearest is None or np.isinf(latency[nearest]) else float(latency[nearest])
    return UnmetTarget(
        place=wanted.place,
        rule=DISTANCE.name,
        within_ms=None,
        within_km=within_km,
        site_id=None if nearest is None else problem.sites[nearest].id,
        latency_ms=way,
        distance_km=have,
        message=message,
        nearer=_nearer(made, target, distance, np.inf if have is None else have),
    )


def _widest(problem: Problem, target: int, wanted: Target, in_time: Mask) -> str | None:
    """Why no site in time has the bandwidth that a place needs; None when one has, or none is needed."""
    allowed = problem.words.allowed
    if wanted.min_bandwidth_mbps is None or allowed is None or in_time[allowed.sites_of(target)].any():
        return None
    free = [have for site in np.flatnonzero(in_time).tolist() if not np.isnan(have := allowed.free_to(target, site))]
    needs = f"{wanted.place} needs {number(wanted.min_bandwidth_mbps)} Mbit/s free on the way"
    if not free:
        return f"{needs}, and of no site in time that passes is it known how much is free"
    return f"{needs}; the most to a site in time that passes is {number(max(free))} Mbit/s"


def _distances(problem: Problem, wanted: Target) -> Floats:
    """(sites,): kilometres by great circle from a place; infinite for sites without a position."""
    found = np.full(len(problem), np.inf)
    if wanted.position is None:
        return found
    degrees = problem.columns.degrees
    placed = np.flatnonzero(~np.isnan(degrees[:, 0]))
    found[placed] = distances_km(wanted.position, degrees[placed])
    return found


def _least(measure: Floats, among: Mask) -> int | None:
    """The row with the least of a measure among some; the first of equal ones; None when it is finite of none."""
    rows: Ints = np.flatnonzero(among & np.isfinite(measure))
    return int(rows[np.argmin(measure[rows])]) if len(rows) else None


def _nearer(made: Modelled, target: int, measure: Floats, bound: float) -> list[NearMiss]:
    """The nearest of the sites that are nearer than the one that passes, with the other rules that refuse them."""
    problem, screening = made.problem, made.screenings[0]
    latency = problem.latency.row(target)
    closer = np.flatnonzero(np.isfinite(measure) & np.isfinite(latency) & (measure < bound))
    closer = closer[np.argsort(measure[closer], kind="stable")][:NEAR_MISSES]
    return [
        NearMiss(
            site_id=problem.sites[row].id,
            latency_ms=float(latency[row]),
            rules=[one for one in screening.rules_against(row) if one not in OF_PLACES],
        )
        for row in closer.tolist()
    ]
