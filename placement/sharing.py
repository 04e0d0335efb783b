"""How many replicas run at each open site: the component's number at each, or a total divided over them."""

from __future__ import annotations

import numpy as np

from graph.kinds.policy import Division, DivisionMode
from placement.arrays import Ints
from placement.division import Indivisible
from placement.division_preference import divide_with_preference
from placement.modelling import Modelled
from placement.solve.model import Choice

LARGEST_SHARE = 1_000_000
"""Demand is counted in so many parts of the whole."""


def shared_out(made: Modelled, choice: Choice) -> tuple[tuple[Ints, ...], tuple[Ints, ...]] | None:
    """By unit: the sites that run something of it, and (components, sites) replicas. None when a total cannot be divided."""
    rows, replicas = [], []
    for at, unit in enumerate(made.units):
        sites = made.rows(at)[choice.open[at]]
        components = made.problem.components
        division = made.problem.policy.division
        if division is None:
            count = np.array([components[one].replicas for one in unit.components], dtype=np.int64)
            rows.append(sites)
            replicas.append(np.repeat(count[:, None], len(sites), axis=1))
            continue
        weights = _weights(made, at, sites, division)
        shares = []
        for place, one in enumerate(unit.components):
            room = made.rooms[at][place][choice.open[at]]
            found = _divided(made, at, one, sites, weights=weights, room=room, division=division)
            if found is None:
                return None
            shares.append(found)
        together = np.array(shares, dtype=np.int64).reshape(len(shares), len(sites))
        used = together.any(axis=0)
        rows.append(sites[used])
        replicas.append(together[:, used])
    return tuple(rows), tuple(replicas)


def _divided(
    made: Modelled, unit: int, component: int, sites: Ints, *, weights: Ints, room: Ints, division: Division
) -> Ints | None:
    problem = made.problem
    most = room if division.max_each is None else np.minimum(room, division.max_each)
    total = problem.components[component].replicas
    ranks = problem.words.preference
    found = divide_with_preference(
        total,
        weights,
        rank=np.zeros(len(sites), dtype=np.int64) if ranks is None else ranks[sites],
        ids=[problem.sites[row].id for row in sites.tolist()],
        salt=problem.components[component].id,
        at_least=np.full(len(sites), min(division.min_each, total), dtype=np.int64),
        at_most=most,
    )
    return None if isinstance(found, Indivisible) else found


def _weights(made: Modelled, unit: int, sites: Ints, division: Division) -> Ints:
    problem = made.problem
    if division.mode is DivisionMode.STATIC:
        weights: Ints = problem.words.static_weights[sites]
        return weights
    if division.mode is DivisionMode.FREE_CAPACITY:
        place = np.searchsorted(made.rows(unit), sites)
        return np.min([one[place] for one in made.rooms[unit]], axis=0)
    nearest = np.argmin(problem.latency[:, sites], axis=1) if problem.targets else np.empty(0, dtype=np.int64)
    served = np.bincount(nearest, weights=made.demand, minlength=len(sites))
    return np.rint(served * LARGEST_SHARE).astype(np.int64)
