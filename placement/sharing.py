"""How many replicas run at each open site: the component's number at each, or a total divided over them."""

from __future__ import annotations

import numpy as np

from graph.kinds.policy import Division, DivisionMode
from placement.arrays import Ints
from placement.division import Indivisible
from placement.division_layers import divide_with_preference
from placement.division_weights import demand_weights, room_weights
from placement.modelling import Modelled
from placement.solve.model import Choice


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
    now = problem.current.get(problem.components[component].id)
    found = divide_with_preference(
        total,
        weights,
        rank=np.zeros(len(sites), dtype=np.int64) if ranks is None else ranks[sites],
        ids=[problem.sites[row].id for row in sites.tolist()],
        salt=problem.components[component].id,
        at_least=np.full(len(sites), min(division.min_each, total), dtype=np.int64),
        room=most,
        current=None if now is None else now[sites],
    )
    return None if isinstance(found, Indivisible) else found


def _weights(made: Modelled, unit: int, sites: Ints, division: Division) -> Ints:
    problem = made.problem
    if division.mode is DivisionMode.STATIC:
        assert problem.words.weights is not None, "a division by weights has them"
        weights: Ints = problem.words.weights[sites]
        return weights
    if division.mode is DivisionMode.FREE_CAPACITY:
        # The room is that without this deployment's own replicas, so what it has there is not added once more.
        place = np.searchsorted(made.rows(unit), sites)
        return room_weights(made.rooms[unit][:, place].min(axis=0), current=np.zeros(len(sites), dtype=np.int64))
    if not problem.targets:
        return np.ones(len(sites), dtype=np.int64)
    latency = problem.latency[:, sites]
    nearest = np.where(np.isfinite(latency).any(axis=1), np.argmin(latency, axis=1), -1)
    return demand_weights(problem.words.demand, nearest=nearest, count=len(sites))
