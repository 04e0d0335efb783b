"""Fewer candidates for units that only searches look at, without a table of places and candidates.

Which candidates promise most (`solve.shortlist`) is read off all of them. Before the exact core that is done on the unit's
own matrix of places and candidates (`narrowing`); for a search alone making that matrix takes as long as all else. So places
are read from the pairs in reach as the problem has them, site by site: only those of candidates are looked at, and the
matrix is made of the candidates that are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from placement.arrays import Floats, Ints
from placement.compiled import Flags, Numbers, Row, Small, kernel
from placement.reaches import Reaches
from placement.solve.entries import Listed, matrix_of
from placement.solve.model import Clients, Unit, nobody
from placement.solve.shortlist import SPARE, STRETCH, count, least, listed, save, some_for_each
from placement.units import UnitWords

WIDE = 320
"""Units of at most so many candidates are not cut."""
SEARCHED = 64
"""Candidates that a unit is cut to, about."""
SAMPLED = 32
"""Candidates of a unit, the most promising, that the units which serve it are cut by."""


@dataclass(frozen=True, slots=True)
class Places:
    """The places that the first unit serves, and what serving each costs."""

    by_site: Listed
    """(sites, places): the latency of each pair in reach, ms."""
    factor: Floats
    """(places,): what a millisecond costs."""
    tier: int

    def clients(self, rows: Ints) -> Clients:
        """The places as clients of the candidates at some sites, which ascend."""
        found = Listed(*_of_sites(*self.by_site, rows, self.factor))
        return Clients(cost=matrix_of(found, columns=len(rows)), tier=self.tier)


def sifted(
    units: Sequence[Unit],
    words: Sequence[UnitWords],
    reaches: Reaches,
    *,
    order: Sequence[int],
    places: Places | None,
    start: Sequence[Ints] | None,
) -> list[Ints]:
    """By unit: the candidates that are kept, ascending.

    order: the units, each after those that it serves. The first unit serves the places.
    """
    kept = [np.arange(one.count) for one in units]
    promising = list(kept)
    for at in order:
        unit = units[at]
        near = [reaches(units[one].sites[promising[one]], unit.sites, words[at]) for one in words[at].serves]
        own = unit.open_cost.sum(axis=0)
        if at or places is None:
            promised = _of_clients(_together(near), own) if near else own
        else:
            promised = _of_places(places, near, unit.sites, own)
        keep = nobody() if start is None else start[at]
        chosen = listed(unit, promised, groups=unit.groups, keep=keep, most=SEARCHED)
        if unit.count > SEARCHED:
            # Whoever has few of these in reach has the best of those that it has.
            if places is not None and not at:
                _some_for_places(*places.by_site[:2], unit.sites, promised, len(places.factor), chosen)
            for one in near:
                some_for_each(one.start, one.column, np.arange(len(one.start) - 1), promised, chosen)
        if near and at:
            # Whoever only serves others is of no use where nothing that it serves can be.
            useful = np.isfinite(promised)
            useful[keep] = True
            chosen &= useful
        kept[at] = np.flatnonzero(chosen)
        if any(at in other.serves for other in words):
            best = promised[kept[at]]
            sample = np.zeros(unit.count, dtype=bool)
            sample[kept[at][least(best, SAMPLED)]] = True
            if places is not None and not at:
                inside = sample[kept[at]]
                _some_for_places(*places.by_site[:2], unit.sites[kept[at]], best, len(places.factor), inside)
                sample[kept[at]] = inside
            for one in near:
                some_for_each(one.start, one.column, np.arange(len(one.start) - 1), promised, sample)
            promising[at] = np.flatnonzero(sample & chosen)
    return kept


def _together(near: Sequence[Listed]) -> Listed:
    """The rows of all, one after the other."""
    if len(near) == 1:
        return near[0]
    ends = np.cumsum([0, *(len(one.column) for one in near)]).tolist()
    starts = [one.start[1:] + end for one, end in zip(near, ends, strict=False)]
    return Listed(
        np.concatenate([np.zeros(1, dtype=np.int64), *starts]),
        np.concatenate([one.column for one in near]),
        np.concatenate([one.value for one in near]),
    )


def _of_places(places: Places, near: Sequence[Listed], sites: Ints, own: Floats) -> Floats:
    """(candidates,): the reduced cost of each of those that serve the places, and others."""
    begin = places.by_site.start
    counts = (begin[sites + 1] - begin[sites]).astype(np.float64)
    for one in near:
        count(one.start, one.column, np.arange(len(one.start) - 1), counts)
    share, promised = own / np.maximum(counts, 1.0), own.copy()
    _save_places(*places.by_site, places.factor, sites, share, promised)
    for one in near:
        save(one.start, one.column, one.value, np.arange(len(one.start) - 1), share, 1.0, promised)
    return promised


def _of_clients(clients: Listed, own: Floats) -> Floats:
    """(candidates,): the reduced cost of each of those that serve others alone; infinite of those that reach none."""
    return _saved(clients.start, clients.column, own)


@kernel
def _saved(start: Numbers, column: Small, own: Row) -> Row:
    """(columns,): what each costs less what it saves the rows, which being served costs nothing; infinite without a row."""
    counts = np.zeros(len(own))
    for one in column:
        counts[np.uint32(one)] += 1.0
    share, promised = np.empty(len(own)), np.empty(len(own))
    for at in range(len(own)):
        share[at], promised[at] = own[at] / max(counts[at], 1.0), own[at] if counts[at] else np.inf
    for row in range(len(start) - 1):
        pays, begin, end = np.inf, np.uint64(start[row]), np.uint64(start[row + 1])
        for entry in range(begin, end):
            pays = min(pays, share[np.uint32(column[entry])])
        pays *= STRETCH
        if pays > 0.0:
            for entry in range(begin, end):
                promised[np.uint32(column[entry])] -= pays
    return promised


@kernel
def _save_places(start: Numbers, place: Small, ms: Row, factor: Row, sites: Numbers, share: Row, promised: Row) -> None:
    """Takes off each candidate what it saves the places of what they pay."""
    pays = np.full(len(factor), np.inf)
    for at in range(len(sites)):
        own = share[at]
        for entry in range(np.uint64(start[sites[at]]), np.uint64(start[sites[at] + 1])):
            to = np.uint32(place[entry])
            # Without a branch, which would be taken as often as not.
            pays[to] = min(pays[to], own + factor[to] * ms[entry])
    for one in range(len(pays)):
        pays[one] *= STRETCH
    for at in range(len(sites)):
        left = promised[at]
        for entry in range(np.uint64(start[sites[at]]), np.uint64(start[sites[at] + 1])):
            to = np.uint32(place[entry])
            left -= max(pays[to] - factor[to] * ms[entry], 0.0)
        promised[at] = left


@kernel
def _some_for_places(start: Numbers, place: Small, sites: Numbers, promised: Row, places: int, chosen: Flags) -> None:
    """Chooses the best for each place that few of the chosen serve."""
    served = np.zeros(places, dtype=np.int64)
    for at in range(len(sites)):
        if chosen[at]:
            for entry in range(np.uint64(start[sites[at]]), np.uint64(start[sites[at] + 1])):
                served[np.uint32(place[entry])] += 1
    # What is to be less for each place: nothing is for those that enough serve.
    limit, lacking = np.full(places, -np.inf), 0
    for one in range(places):
        if served[one] < SPARE:
            limit[one] = np.inf
            lacking += 1
    if not lacking:
        return
    best, counts = np.empty((places, SPARE), dtype=np.int64), np.zeros(places, dtype=np.int64)
    for candidate in range(len(sites)):
        figure = promised[candidate]
        for entry in range(np.uint64(start[sites[candidate]]), np.uint64(start[sites[candidate] + 1])):
            to = np.uint32(place[entry])
            if not figure < limit[to]:
                continue
            at = min(counts[to], SPARE - 1)
            while at and figure < promised[best[to, at - 1]]:
                best[to, at] = best[to, at - 1]
                at -= 1
            best[to, at] = candidate
            counts[to] = min(counts[to] + 1, SPARE)
            if counts[to] == SPARE:
                limit[to] = promised[best[to, SPARE - 1]]
    for one in range(places):
        for at in range(counts[one]):
            chosen[best[one, at]] = True


@kernel
def _of_sites(start: Numbers, place: Small, ms: Row, sites: Numbers, factor: Row) -> tuple[Numbers, Small, Row]:
    """(places, sites): what serving each place from these sites costs, place by place."""
    begin = np.zeros(len(factor) + 1, dtype=np.int64)
    for site in sites:
        for entry in range(np.uint64(start[site]), np.uint64(start[site + 1])):
            begin[np.uint32(place[entry]) + np.uint32(1)] += 1
    for at in range(len(factor)):
        begin[at + 1] += begin[at]
    free, column, cost = begin[:-1].copy(), np.empty(begin[-1], dtype=np.int32), np.empty(begin[-1])
    for at in range(len(sites)):
        for entry in range(np.uint64(start[sites[at]]), np.uint64(start[sites[at] + 1])):
            to = np.uint32(place[entry])
            into = np.uint64(free[to])
            column[into], cost[into] = at, ms[entry] * factor[to]
            free[to] += 1
    return begin, column, cost
