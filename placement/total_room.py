"""Totals that the sites that pass cannot have, whatever is chosen: proved by adding up, before anything is searched.

A site takes at most what fits of one component alone, so a component whose total is above the sum of that over the sites
with the most room has no place. It is no proof of the contrary: components share what is free.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from placement.arrays import Ints, Mask
from placement.decision import Reason
from placement.problem import Problem
from placement.unit_problems import Unit
from placement.wording import counted


@dataclass(frozen=True, slots=True)
class Excess:
    """A component whose total has no room."""

    reason: Reason
    irreducible: tuple[str, ...]
    """The policy's words of which none can be left out of the proof."""


def excesses(
    problem: Problem, units: Sequence[Unit], *, candidates: Sequence[Mask], rooms: Sequence[Ints]
) -> list[Excess]:
    """The components whose totals are above what the sites that pass take, in the order of the units and components.

    candidates, rooms: by unit; (sites,) and (components, sites), replicas of each component alone.
    """
    division = problem.policy.division
    if division is None:
        return []
    found = []
    for unit, candidate, room in zip(units, candidates, rooms, strict=True):
        each = room[:, candidate]
        if division.max_each is not None:
            each = np.minimum(each, division.max_each)
        most = unit.words.max_sites
        for n, at in enumerate(unit.components):
            component = problem.components[at]
            every = int(each[n].sum())
            have = every if most is None else int(np.sort(each[n])[::-1][:most].sum())
            if component.replicas > have:
                limits = ("max_sites",) if every >= component.replicas else ()
                found.append(_excess(component.name, component.replicas, have, division.max_each, most, limits))
    return found


def _excess(
    name: str, need: int, have: int, max_each: int | None, max_sites: int | None, limits: tuple[str, ...]
) -> Excess:
    wanted = f"{counted(need, 'replica')} of {name!r} {'is' if need == 1 else 'are'} wanted in all"
    sites, have_room, no_room = "the sites that pass", "have room", "have no room"
    if limits:
        sites = "the site that takes the most" if max_sites == 1 else f"the {max_sites} sites that take the most"
        have_room, no_room = ("has room", "has no room") if max_sites == 1 else (have_room, no_room)
    each = "" if max_each is None else f", at most {max_each} each"
    return Excess(
        reason=Reason(
            rule="total",
            need=str(need),
            have=str(have),
            unit="replicas",
            message=f"{wanted}; {sites} {have_room} for {have}{each}",
            untold=f"{wanted}; {sites} {no_room} for as many{each}",
        ),
        irreducible=(*limits, "total"),
    )
