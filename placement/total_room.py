"""Totals that the sites that pass cannot have, whatever is chosen: proved by adding up, before anything is searched.

A site takes at most what fits of one component alone, and one without a weight its least, so a component whose total is
above the sum of that over the sites that take the most has no place. It is no proof of the contrary: components share what
is free.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graph.kinds.policy import Division
from placement.arrays import Ints, Mask
from placement.decision import Reason
from placement.division import MOST_REPLICAS
from placement.problem import Problem
from placement.unit_problems import Unit
from placement.wording import counted


@dataclass(frozen=True, slots=True)
class Excess:
    """A component whose total has no room."""

    reason: Reason
    irreducible: tuple[str, ...]
    """The policy's words of which none can be left out of the proof."""


def excesses(problem: Problem, units: Sequence[Unit], *, passed: Sequence[Mask], rooms: Sequence[Ints]) -> list[Excess]:
    """The components whose totals are above what the sites that pass take, in the order of the units and components.

    passed, rooms: by unit; (sites,) and (components, sites), replicas of each component alone.
    """
    division = problem.policy.division
    if division is None:
        return []
    found = []
    by_weight = _most_by_weight(problem, division)
    for unit, mask, room in zip(units, passed, rooms, strict=True):
        each = room[:, mask]
        if division.max_each is not None:
            each = np.minimum(each, division.max_each)
        for n, at in enumerate(unit.components):
            component, most = problem.components[at], unit.words.max_sites
            have = _taken(each[n], by_weight[mask], most)
            if component.replicas <= have:
                continue
            # Each limit that is not needed for the proof is left out of it, and told of no more.
            weights: Ints | None = by_weight[mask]
            if (more := _taken(each[n], None, most)) < component.replicas:
                weights, have = None, more
            if (more := _taken(each[n], weights, None)) < component.replicas:
                most, have = None, more
            found.append(_excess(component.name, component.replicas, have, division, weights is not None, most))
    return found


def _most_by_weight(problem: Problem, division: Division) -> Ints:
    """(sites,): the most replicas of each by its weight: without one its least, or one where it is chosen in any case."""
    found = np.full(len(problem), MOST_REPLICAS, dtype=np.int64)
    if problem.words.weights is not None:
        idle = problem.words.weights == 0
        found[idle] = division.min_each
        pinned = problem.words.pinned[idle[problem.words.pinned]]
        found[pinned] = max(division.min_each, 1)
    return found


def _taken(room: Ints, by_weight: Ints | None, max_sites: int | None) -> int:
    """What sites take of one component: so many of them, those that take the most."""
    each = room if by_weight is None else np.minimum(room, by_weight)
    return int(each.sum() if max_sites is None else np.sort(each)[::-1][:max_sites].sum())


def _excess(name: str, need: int, have: int, division: Division, weighed: bool, max_sites: int | None) -> Excess:
    wanted = f"{counted(need, 'replica')} of {name!r} {'is' if need == 1 else 'are'} wanted in all"
    sites, one = "the sites that pass", False
    if max_sites is not None:
        one = max_sites == 1
        sites = "the site that takes the most" if one else f"the {max_sites} sites that take the most"
    if weighed:
        sites = f"by the weights that the policy gives {sites}"
        told, untold = f"{'takes' if one else 'take'} {have}", f"{'does' if one else 'do'} not take as many"
    else:
        told, untold = f"{'has' if one else 'have'} room for {have}", f"{'has' if one else 'have'} no room for as many"
    each = "" if division.max_each is None else f", at most {division.max_each} each"
    limits = ("division.weights" if division.weights else "division.levels",) if weighed else ()
    return Excess(
        reason=Reason(
            rule="total",
            need=str(need),
            have=str(have),
            unit="replicas",
            message=f"{wanted}; {sites} {told}{each}",
            untold=f"{wanted}; {sites} {untold}{each}",
        ),
        irreducible=(*limits, *(("max_sites",) if max_sites is not None else ()), "total"),
    )
