"""How many replicas run at each open site: the component's number at each, or a total divided over them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from graph.kinds.policy import Division, DivisionMode
from placement.arrays import Ints, Mask
from placement.division import Indivisible
from placement.division_policy import OpenSites, divide_by_policy
from placement.modelling import Modelled
from placement.solve.model import Choice


def shared_out(made: Modelled, choice: Choice) -> tuple[tuple[Ints, ...], tuple[Ints, ...]] | Indivisible:
    """By unit: the sites that run something of it, and (components, sites) replicas; or why a total cannot be divided."""
    division = made.problem.policy.division
    rows, replicas = [], []
    for at, unit in enumerate(made.units):
        sites = made.rows(at)[choice.open[at]]
        if division is None:
            count = np.array([made.problem.components[one].replicas for one in unit.components], dtype=np.int64)
            rows.append(sites)
            replicas.append(np.repeat(count[:, None], len(sites), axis=1))
            continue
        rooms = made.rooms[at][:, choice.open[at]]
        shares = []
        for place, component in enumerate(unit.components):
            must = np.isin(sites, made.must[at]) if made.must else np.zeros(len(sites), dtype=bool)
            found = _divided(made, component, sites, room=rooms[place], division=division, must=must)
            if isinstance(found, Indivisible):
                return found
            shares.append(found)
        together = np.array(shares, dtype=np.int64).reshape(len(shares), len(sites))
        used = together.any(axis=0)
        rows.append(sites[used])
        replicas.append(together[:, used])
    return tuple(rows), tuple(replicas)


def _divided(
    made: Modelled, component: int, sites: Ints, *, room: Ints, division: Division, must: Mask
) -> Ints | Indivisible:
    problem = made.problem
    words, one = problem.words, problem.components[component]
    if not one.replicas:
        return np.zeros(len(sites), dtype=np.int64)
    now = problem.current.get(one.id)
    nearest = np.full(len(problem.targets), -1, dtype=np.int64)
    if len(problem.targets) and len(sites):
        site, _ = problem.latency.to(sites)
        nearest = np.where(site >= 0, np.searchsorted(sites, site), -1)
    open_sites = OpenSites(
        ids=[problem.sites[row].id for row in sites.tolist()],
        room=room,
        given=np.ones(len(sites), dtype=np.int64) if words.weights is None else words.weights[sites],
        rank=None if words.preference is None else words.preference[sites],
        current=None if now is None else now[sites],
        least=must.astype(np.int64),
        regions=words.regions,
        rows=sites,
    )
    salt = f"{problem.salt}/{one.name}"
    found = divide_by_policy(one.replicas, division, sites=open_sites, salt=salt, demand=words.demand, nearest=nearest)
    if isinstance(found, Indivisible) and division.mode is DivisionMode.DEMAND:
        # Sites that are the nearest of nobody take what the others have no room for, as if they had the least demand.
        everyone = replace(open_sites, current=None, everyone=True)
        found = divide_by_policy(
            one.replicas, division, sites=everyone, salt=salt, demand=words.demand, nearest=nearest
        )
    return found
