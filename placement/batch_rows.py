"""Which kinds of room say something that no other kind says: what an exact choice is asked with.

The same room of a site is counted in a hundred ways, of which most forbid what another forbids already. To a relaxation they
cost little; a search that branches solves it hundreds of times, and looks for cuts in every row. A row is left out when
another of the same site has at least as much in each column, both as shares of their room.
"""

from __future__ import annotations

import numpy as np

from placement.arrays import Floats, Ints, Mask

SAME = 1e-9
"""Shares of room that differ by no more are equal."""
FULL = 1e9
"""A share of room that is not there at all."""


def telling(takes: Floats, room: Floats, site: Ints) -> Mask:
    """(rows,) those that no other row stands in for.

    takes: (rows, columns) what each column takes, 0 or more; room: (rows,) how much there is; site: (rows,) whose it is.
    """
    share = np.where(takes > 0, np.minimum(takes / np.maximum(room, 1.0 / FULL)[:, None], FULL), 0.0)
    found = np.zeros(len(share), dtype=bool)
    _, first = np.unique(share, axis=0, return_index=True)
    # By site, the rows that take the most first: what stands in for another takes at least as much.
    order = first[np.lexsort((first, -share[first].sum(axis=1), site[first]))]
    begins = np.flatnonzero(np.diff(site[order], prepend=-1))
    for here in np.split(order, begins[1:]):
        kept: list[int] = []
        for row in here.tolist():
            if not kept or not (share[kept] >= share[row] - SAME).all(axis=1).any():
                kept.append(row)
        found[kept] = True
    return found
