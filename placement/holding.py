"""A problem of which every unit stays at the sites that it has.

To hold an app to one list of sites would bring each component to the sites of the others as soon as some are apart. So each
unit is held to its own; the policy itself is as it was, and all else that it says must still be kept there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np

from placement.problem import Problem
from placement.units import UnitWords


def held_to(problem: Problem, site_ids: Mapping[str, Collection[str]]) -> Problem:
    """The problem in which each unit runs at all sites of its components and at no other.

    site_ids: by the name of a component; a unit of which none has any goes where it likes. A site that is not looked at
    cannot be kept, so that nothing is feasible then. A total is divided over those of the sites that get a part of it.
    """
    row_of = problem.columns.row_of
    units = tuple(_held(problem, one, site_ids, row_of=row_of) for one in problem.words.units)
    return replace(problem, words=replace(problem.words, units=units))


def _held(
    problem: Problem, unit: UnitWords, site_ids: Mapping[str, Collection[str]], *, row_of: Mapping[str, int]
) -> UnitWords:
    wanted = {site for at in unit.components for site in site_ids.get(problem.components[at].name, ())}
    if not wanted:
        return unit
    held = np.zeros(len(problem), dtype=bool)
    held[[row_of[one] for one in wanted if one in row_of]] = True
    least = unit.min_sites if problem.policy.division is not None else max(unit.min_sites, len(wanted))
    return replace(unit, held=held, min_sites=least)
