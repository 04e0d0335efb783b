"""What a choice becomes on nodes: replicas by site, packed with everything else that was chosen for the same site.

Sites were screened unit by unit, so units that meet at a site are packed there once more together, and totals are divided
here. What does not fit is told as crowded; the choice is then made anew without it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter

import numpy as np

from graph.kinds.policy import Term
from placement.arrays import Floats, Ints, Mask
from placement.bins import Bins, summed
from placement.decision import ComponentPlacement, ScoreTerm, ServedPlace, SitePlacement
from placement.division import Indivisible
from placement.first_fit import Fitted, first_fitted
from placement.modelling import Measured, Modelled
from placement.packing import Packing, first_order, pack
from placement.problem import Problem
from placement.scores.moves import moves
from placement.scores.price import prices_of
from placement.sharing import shared_out
from placement.solve.model import Choice


@dataclass(frozen=True, slots=True)
class Layout:
    """A choice on nodes."""

    rows: tuple[Ints, ...]
    """By unit: the sites that run something of it, as rows of the problem, ascending."""
    replicas: tuple[Ints, ...]
    """By unit: (components, sites) replicas."""
    assigned: dict[tuple[int, int], dict[str, int]]
    """By (component, site): replicas by node id."""
    cluster: dict[int, str | None]
    """By site: the control plane."""
    crowded: tuple[tuple[int, int], ...] = ()
    """Units and sites that do not fit on nodes."""
    undivided: str = ""
    """Why a total cannot be divided over the open sites; empty when all are."""
    fits: Mapping[tuple[int, int], int] = field(default_factory=dict)
    """By (component, site) where not all fits: how many replicas do."""
    own: bool = False
    """Whether sites have numbers of replicas of their own: of a total that is divided, or given to single sites."""


def laid_out(made: Modelled, choice: Choice) -> Layout:
    """The choice on nodes: exact, for pooled capacity is not to be trusted."""
    shared = shared_out(made, choice)
    if isinstance(shared, Indivisible):
        nothing = tuple(np.empty(0, dtype=np.int64) for _ in made.units)
        return Layout(nothing, nothing, {}, {}, undivided=shared.message)
    rows, replicas = shared
    assigned: dict[tuple[int, int], dict[str, int]] = {}
    cluster: dict[int, str | None] = {}
    if len(made.units) == 1 and made.problem.policy.division is None:
        unit, packing = made.units[0], made.screenings[0].packing
        for row in rows[0].tolist():
            cluster[row] = _packed(made, packing, row, unit.components, assigned)
        return Layout(rows, replicas, assigned, cluster)
    divided = made.problem.policy.division is not None
    count = len(made.problem.components)
    sites = np.array(sorted({row for one in rows for row in one.tolist()}), dtype=np.int64)
    wanted = np.zeros((count, len(sites)), dtype=np.int64)
    last = np.full(len(sites), -1, dtype=np.int64)
    bins = made.problem.bins
    eligible: list[Mask] = [np.empty(0, dtype=bool)] * count
    there = bins.rows_of(sites)
    for at, unit in enumerate(made.units):
        places = np.searchsorted(sites, rows[at])
        for n, component in enumerate(unit.components):
            wanted[component, places] = replicas[at][n]
            eligible[component] = made.eligible(at, component)[there]
        last[places] = at
    listed, components = sites.tolist(), made.problem.components
    order = first_order(bins, components)
    fitted = first_fitted(bins, components, sites, rows=there, eligible=eligible, wanted=wanted, order=order)
    if fitted is not None:
        _note_fitted(bins, fitted, listed, assigned)
        groups = bins.group[bins.first[sites]].tolist()
        cluster = {row: bins.group_cluster[group] for row, group in zip(listed, groups, strict=True)}
        return Layout(rows, replicas, assigned, cluster, own=divided)
    packing = pack(bins.of_sites(sites), components, eligible=eligible, sites=len(sites), replicas=wanted)
    _note(packing, made.problem.bins.node_ids, listed, assigned)
    for at in np.flatnonzero(packing.fits).tolist():
        group = int(packing.group[at])
        cluster[listed[at]] = (
            made.problem.clusters.callable_id(listed[at]) if group < 0 else packing.bins.group_cluster[group]
        )
    short = np.flatnonzero(~packing.fits).tolist()
    crowded = [(int(last[at]), listed[at]) for at in short]
    fits = {(one, listed[at]): int(packing.placed[one, at]) for at in short for one in range(count)}
    return Layout(rows, replicas, assigned, cluster, tuple(crowded), fits=fits, own=divided)


def placements_of(made: Modelled, layout: Layout) -> list[SitePlacement]:
    """The chosen sites by ascending id, each with what runs there, what it costs and whom it serves."""
    problem = made.problem
    components: defaultdict[int, list[tuple[int, ComponentPlacement]]] = defaultdict(list)
    for at, unit in enumerate(made.units):
        for n, component in enumerate(unit.components):
            component_id, replicas = problem.components[component].id, layout.replicas[at][n].tolist()
            for row, count in zip(layout.rows[at].tolist(), replicas, strict=True):
                placed = ComponentPlacement(
                    component_id=component_id,
                    replicas=count,
                    assignments=layout.assigned.get((component, row), {}),
                    cluster_id=layout.cluster[row],
                )
                components[row].append((component, placed))
    served, latency = _serves(made, layout.rows[0])
    serves = dict(zip(layout.rows[0].tolist(), served, strict=True))
    listed = sorted(components)
    terms = _terms(made, layout, np.array(listed, dtype=np.int64), latency)
    return [
        SitePlacement(
            site_id=problem.sites[row].id,
            components=[one for _, one in sorted(components[row], key=itemgetter(0))],
            score=sum([one.weighted for one in told]),
            terms=told,
            serves=serves.get(row, []),
        )
        for row, told in zip(listed, terms, strict=True)
    ]


def price_of(made: Modelled, layout: Layout) -> float:
    """Price units an hour of all replicas that are laid out."""
    problem, total = made.problem, 0.0
    for at, unit in enumerate(made.units):
        total += float((layout.replicas[at] * _price_each(problem, unit.components, layout.rows[at])).sum())
    return total


def _price_each(problem: Problem, components: Sequence[int], rows: Ints) -> Floats:
    """(components, rows): price units an hour of one replica of each at each site."""
    needs = np.array([problem.components[one].need for one in components], dtype=np.float64)
    return prices_of(problem, needs, rows)


def moves_of(made: Modelled, layout: Layout) -> int:
    """Components at sites where they did not run before."""
    if not layout.own:
        return sum(int(moves(unit.problem, rows).sum()) for unit, rows in zip(made.units, layout.rows, strict=True))
    return sum(int(_new(made, at, layout).sum()) for at in range(len(made.units)))


def _new(made: Modelled, unit: int, layout: Layout) -> Ints:
    """(sites,): of a unit's components with replicas at each of its sites, how many did not run there."""
    current, rows = made.problem.current, layout.rows[unit]
    found = np.zeros(len(rows), dtype=np.int64)
    for n, one in enumerate(made.units[unit].problem.components):
        if one.id in current:
            found += (layout.replicas[unit][n] > 0) & (current[one.id][rows] == 0)
    return found


def _in_use(made: Modelled, unit: int, layout: Layout) -> Floats:
    """(sites,): the share of the scarcest resource that is in use with the replicas that each site was given."""
    problem, rows = made.problem, layout.rows[unit]
    bins, packing = problem.bins, made.screenings[unit].packing
    needed = np.array([problem.components[one].need for one in made.units[unit].components], dtype=np.float64)
    asked = layout.replicas[unit].T @ needed
    used = np.zeros(len(rows))
    for resource in np.flatnonzero(asked.any(axis=0)).tolist():
        usable = summed(bins.usable[:, resource], bins.first)[rows]
        after = packing.free_of(resource)[rows] - asked[:, resource]
        np.maximum(used, np.where(asked[:, resource] > 0, 1.0 - after / np.maximum(usable, 1.0), 0.0), out=used)
    return np.minimum(used, 1.0)


def _note(
    packing: Packing, node_ids: Sequence[str], rows: Sequence[int], assigned: dict[tuple[int, int], dict[str, int]]
) -> None:
    """Notes which nodes the components have at the sites where all fits; `rows` are those sites in the problem."""
    bins = packing.bins
    counted = (bins.node >= 0) & (bins.group == packing.group[bins.site]) & packing.fits[bins.site]
    for component, take in enumerate(packing.take):
        here = np.flatnonzero((take > 0) & counted)
        for site, node, count in zip(
            bins.site[here].tolist(), bins.node[here].tolist(), take[here].tolist(), strict=True
        ):
            assigned.setdefault((component, rows[site]), {})[node_ids[node]] = count


def _note_fitted(
    bins: Bins, fitted: Fitted, rows: Sequence[int], assigned: dict[tuple[int, int], dict[str, int]]
) -> None:
    """The same of what fits at once."""
    nodes, node_ids = bins.node[fitted.row].tolist(), bins.node_ids
    told = zip(fitted.component.tolist(), fitted.place.tolist(), nodes, fitted.replicas.tolist(), strict=True)
    for component, place, node, count in told:
        if node >= 0:
            assigned.setdefault((component, rows[place]), {})[node_ids[node]] = count


def _packed(
    made: Modelled,
    packing: Packing,
    row: int,
    components: Sequence[int],
    assigned: dict[tuple[int, int], dict[str, int]],
) -> str | None:
    """Notes which nodes the components have at a site; the cluster that they go to."""
    bins = packing.bins
    group = int(packing.group[row])
    if group < 0:
        return made.problem.clusters.callable_id(row)
    here = bins.of_site(row)
    inside = np.flatnonzero((bins.group[here] == group) & (bins.node[here] >= 0)).tolist()
    nodes = bins.node[here].tolist()
    for n, component in enumerate(components):
        counts = packing.taken.of(n, here.start, here.stop).tolist()
        taken = {bins.node_ids[nodes[one]]: counts[one] for one in inside if counts[one]}
        if taken:
            assigned[component, row] = taken
    return bins.group_cluster[group]


def _terms(made: Modelled, layout: Layout, sites: Ints, latency: Floats) -> list[list[ScoreTerm]]:
    """By site: its terms, each of all units that run there.

    sites: rows of the problem, ascending; latency: by the first unit's sites, each one's part of the mean latency, ms.
    """
    found: list[list[ScoreTerm]] = [[] for _ in sites]
    places = [np.searchsorted(sites, rows) for rows in layout.rows]
    candidates = [np.searchsorted(made.rows(at), rows) for at, rows in enumerate(layout.rows)]
    for several in zip(*made.measured, strict=True):
        score, weight, tier = several[0].score, several[0].weight, several[0].tier
        value = np.zeros(len(sites))
        # What would be the same figures is the same array.
        scaled = value if score.scale == 1.0 else np.zeros(len(sites))
        weighted = scaled if weight == 1.0 else np.zeros(len(sites))
        for at, one in enumerate(several):
            if one.score.measure is not None:
                values = one.values[candidates[at]]
            else:
                values = np.zeros(len(places[at])) if at else latency
            if layout.own:
                values = _of_shares(made, at, layout, one, values)
            value[places[at]] += values
            if scaled is not value:
                scaled[places[at]] += values / score.scale
            if weighted is not scaled:
                weighted[places[at]] += values / score.scale * weight
        figures = zip(found, value.tolist(), scaled.tolist(), weighted.tolist(), strict=True)
        for told, figure, share, part in figures:
            told.append(
                ScoreTerm(
                    name=score.name,
                    value=figure,
                    unit=score.unit,
                    scaled=share,
                    weight=weight,
                    weighted=part,
                    explanation=score.explain(figure),
                    tier=tier,
                )
            )
    return found


def _of_shares(made: Modelled, unit: int, layout: Layout, measured: Measured, values: Floats) -> Floats:
    """What a score is of the replicas that each site was given, and not of those that it was chosen with."""
    if measured.score.term is Term.HEADROOM:
        return _in_use(made, unit, layout)
    if measured.score.term is Term.MOVES:
        return _new(made, unit, layout).astype(np.float64)
    if measured.score.term is Term.PRICE:
        problem = made.problem
        each = _price_each(problem, made.units[unit].components, layout.rows[unit])
        found: Floats = (layout.replicas[unit] * each).sum(axis=0)
        return found
    return values


def _serves(made: Modelled, sites: Ints) -> tuple[list[list[ServedPlace]], Floats]:
    """By the first unit's sites: the places that each is the nearest of, and each one's part of the mean latency, ms."""
    problem = made.problem
    found: list[list[ServedPlace]] = [[] for _ in sites]
    part = np.zeros(len(sites))
    if not len(sites):
        return found, part
    site, latency = problem.latency.to(sites)
    served = np.flatnonzero(site >= 0)
    place = np.searchsorted(sites, site[served])
    part += np.bincount(place, latency[served] * made.demand[served], len(sites))
    targets = problem.targets
    for n, at, ms in zip(served.tolist(), place.tolist(), latency[served].tolist(), strict=True):
        target = targets[n]
        within_km = target.within_km
        within_ms = None if within_km else target.within_ms
        found[at].append(ServedPlace(place=target.place, latency_ms=ms, within_ms=within_ms, within_km=within_km))
    return found, part
