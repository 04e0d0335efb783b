"""Candidates dealt out to those that they would serve, so that none of these is left with poor ones.

By what they promise all in all (`shortlist`) the best candidates are neighbours of each other, where many clients are. What
a best choice opens is among the first for somebody: of the sites in reach of one place, or of one open site of another unit,
ordered by what opening and serving from them costs, mostly among the first ten. Two orders are looked at: by each client's
share of what opening costs, as if all that are in reach shared it, and by that cost alone, for who serves few.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from placement.arrays import Floats
from placement.compiled import Numbers, Row, Small, kernel
from placement.solve.entries import parts_of
from placement.solve.layout import Rows
from placement.solve.model import Unit
from placement.solve.shortlist import count, put_in

LONGEST, SHORTEST = 256, 24
"""How many places of a client's order are told apart, at most and at least."""
OFTEN = 8
"""How many times all places of all clients' orders hold as many as are wanted."""


def turns(unit: Unit, rows: Sequence[Rows], weights: Floats, *, wanted: int) -> Floats:
    """(candidates,) less is better: the best place in any client's order, and of equal ones who has the smallest share.

    rows: all clients that it is wanted for. wanted: about how many are going to be taken.
    """
    own: Floats = weights @ unit.open_cost
    parts = [parts_of(one.matrix) for one in rows]
    clients = sum(len(one.rows) for one in rows)
    if not clients:
        return own
    counts = np.zeros(unit.count)
    for (indptr, indices, _), one in zip(parts, rows, strict=True):
        count(indptr, indices, one.rows, counts)
    share = own / np.maximum(counts, 1.0)
    long = int(np.clip(OFTEN * wanted // clients, SHORTEST, LONGEST))
    best = np.full(unit.count, long, dtype=np.int64)
    for part, one in zip(parts, rows, strict=True):
        weight = float(weights[one.tier])
        _deal(*part, one.rows, share, weight, long, best)
        _deal(*part, one.rows, own, weight, long, best)
    order = np.empty(unit.count)
    order[np.argsort(share, kind="stable")] = np.arange(unit.count) / unit.count
    return best + order


@kernel
def _deal(
    indptr: Numbers, indices: Small, cost: Row, rows: Numbers, price: Row, weight: float, long: int, best: Numbers
) -> None:
    """Lowers each candidate's place to that in the order of any of these rows: by its price and what serving costs."""
    first, figures = np.empty(long, dtype=np.int64), np.empty(long)
    for row in rows:
        count = 0
        for entry in range(indptr[row], indptr[row + 1]):
            candidate = indices[entry]
            count = put_in(first, figures, count, candidate, price[candidate] + weight * cost[entry])
        for at in range(count):
            if at < best[first[at]]:
                best[first[at]] = at
