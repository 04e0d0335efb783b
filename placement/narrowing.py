"""Fewer candidates for components that must be near each other, so that no distances are asked for that cannot matter.

How near the sites of two units are is one search through the network a site, and thousands of them would take seconds. So
each unit that others serve is cut to those of its candidates that are among the first for somebody (`solve.dealing`), and
the units that serve it to what is in reach of these, in the same way. Where only searches look at what is kept it is less,
and found more quickly (`sifting`). What was left out is told as such, and such a model says nothing of a bound. If nothing
is found in it, the whole is searched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.sparse import csr_array

from placement.arrays import Floats, Ints, Mask
from placement.reaches import Reaches
from placement.solve.dealing import turns
from placement.solve.entries import columns_of, matrix_of, reached
from placement.solve.layout import Rows
from placement.solve.model import Unit
from placement.solve.restriction import cut
from placement.solve.shortlist import least, shortlist
from placement.units import UnitWords

WIDE = 1_000
"""Units of at most so many candidates are not cut."""
KEPT = 480
"""Candidates that a unit is cut to, about, where an exact core is made of them."""
NEAR = 60
"""Candidates of a unit around what is open, at least."""
MOST_EACH, LEAST_EACH = 400, 30
"""Those in reach of one that is open and serves them: of all such together, and of each at least."""


def narrowed(
    units: Sequence[Unit],
    words: Sequence[UnitWords],
    reach: Reaches,
    *,
    order: Sequence[int],
    tiers: int,
    start: Sequence[Ints] | None,
) -> list[Ints]:
    """By unit: the candidates that are kept, ascending, for an exact core. order: as of `sifted`."""
    kept = [np.arange(one.count) for one in units]
    weights = np.ones(tiers)
    for at in order:
        unit = units[at]
        rows = [] if unit.clients is None else [_rows(unit.clients.cost, unit.clients.tier)]
        near = [
            matrix_of(reach(units[client].sites[kept[client]], unit.sites, words[at]), columns=unit.count)
            for client in words[at].serves
        ]
        rows += [_rows(one, 0) for one in near]
        part, listed = unit, np.arange(unit.count)
        if near and unit.clients is None:
            # Whoever only serves others is of no use where nothing that it serves can be.
            inside = np.logical_or.reduce([reached(one) for one in near])
            inside[start[at] if start is not None else []] = True
            listed = np.flatnonzero(inside)
            part = cut(unit, listed)
            rows = [Rows(columns_of(one.matrix, listed), one.rows, one.tier) for one in rows]
        keep = np.empty(0, dtype=np.int64) if start is None else np.flatnonzero(np.isin(listed, start[at]))
        promised = turns(part, rows, weights, wanted=KEPT)
        kept[at] = listed[shortlist(part, promised, groups=part.groups, rows=rows, keep=keep, most=KEPT)]
    return kept


def around(
    units: Sequence[Unit], words: Sequence[UnitWords], reach: Reaches, opened: Sequence[Ints], *, tiers: int
) -> list[Ints]:
    """By unit: what is open and what could take its place or stand beside it, ascending places.

    Whoever serves others is ranked by what it does for those that are open, and whoever is served must have one in reach
    that is open.
    """
    weights = np.ones(tiers)
    kept: list[Ints] = []
    for at, unit in enumerate(units):
        if unit.count <= NEAR:
            kept.append(np.arange(unit.count))
            continue
        rows = [] if unit.clients is None else [_rows(unit.clients.cost, unit.clients.tier)]
        for client in words[at].serves if words[at].within_ms is not None else ():
            served_by = reach(units[client].sites[opened[client]], unit.sites, words[at])
            rows.append(_rows(matrix_of(served_by, columns=unit.count), 0))
        chosen = np.zeros(unit.count, dtype=bool)
        chosen[opened[at]] = True
        _choose(chosen, unit, rows, weights, np.arange(unit.count), NEAR)
        for server, served in enumerate(words):
            if at not in served.serves or served.within_ms is None:
                continue
            count = len(opened[server])
            reached_by = reach(unit.sites, units[server].sites[opened[server]], served)
            near = csr_array(matrix_of(reached_by, columns=count).T)
            each = max(LEAST_EACH, MOST_EACH // max(1, near.shape[0]))
            for one in range(near.shape[0]):
                _choose(
                    chosen, unit, rows, weights, np.sort(near.indices[near.indptr[one] : near.indptr[one + 1]]), each
                )
        kept.append(np.flatnonzero(chosen))
    return kept


def _choose(chosen: Mask, unit: Unit, rows: Sequence[Rows], weights: Floats, listed: Ints, most: int) -> None:
    """Chooses so many of those listed (ascending), by their turns."""
    if len(listed) > most:
        inside = (
            rows
            if len(listed) == unit.count
            else [Rows(columns_of(one.matrix, listed), one.rows, one.tier) for one in rows]
        )
        own = replace(unit, sites=unit.sites[listed], open_cost=unit.open_cost[:, listed])
        listed = listed[least(turns(own, inside, weights, wanted=most), most)]
    chosen[listed] = True


def clients_first(words: Sequence[UnitWords]) -> list[int]:
    """The units in an order in which each comes after those that it serves."""
    order: list[int] = []
    left = list(range(len(words)))
    while left:
        ready = [at for at in left if all(one in order for one in words[at].serves)]
        assert ready, "units that serve each other in a circle were refused"
        order += ready
        left = [at for at in left if at not in ready]
    return order


def _rows(matrix: csr_array, tier: int) -> Rows:
    return Rows(matrix, np.arange(matrix.shape[0]), tier)
