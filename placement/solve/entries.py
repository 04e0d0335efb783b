"""Passes over the entries of sparse matrices: who is in reach of whom, at what cost.

With 500 places and 10,000 sites there are millions of entries, so each pass looks at each entry once and makes nothing of
their size that it does not give back.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from placement.arrays import Floats, Ints, Mask
from placement.compiled import Flags, Numbers, Row, Small, kernel


def parts_of(matrix: csr_array) -> tuple[Ints, Small, Floats]:
    """Where each row begins; of each entry the column and the figure; as kernels take them."""
    return (
        matrix.indptr.astype(np.int64, copy=False),
        matrix.indices.astype(np.int32, copy=False),
        matrix.data.astype(np.float64, copy=False),
    )


def columns_of(matrix: csr_array, columns: Ints, *, factor: Floats | None = None) -> csr_array:
    """Some columns of a matrix, which ascend; explicit zeros stay. `factor` (rows,): what each row is multiplied by."""
    place = np.full(matrix.shape[1], -1, dtype=np.int32)
    place[columns] = np.arange(len(columns), dtype=np.int32)
    if factor is None:
        factor = np.ones(matrix.shape[0])
    start, indices, data = _columns(*parts_of(matrix), place, factor)
    return csr_array((data, indices, start.astype(np.int32)), shape=(matrix.shape[0], len(columns)))


def reached(matrix: csr_array) -> Mask:
    """(columns,): those that have an entry."""
    found = np.zeros(matrix.shape[1], dtype=bool)
    _reach(matrix.indices.astype(np.int32, copy=False), found)
    return found


def cheapest(cost: csr_array, open: Mask) -> Floats:
    """(rows,): the least entry of each row among the open columns; infinite without one."""
    return nearest(cost, open)[1]


def nearest(cost: csr_array, open: Mask) -> tuple[Ints, Floats]:
    """(rows,): the open column with the least entry of each row, the first of equal ones, and that entry; -1 and infinite
    without one."""
    return _nearest(*parts_of(cost), open)


@kernel
def _reach(indices: Small, found: Flags) -> None:
    for column in indices:
        found[column] = True


@kernel
def _columns(indptr: Numbers, indices: Small, data: Row, place: Small, factor: Row) -> tuple[Numbers, Small, Row]:
    count = len(indptr) - 1
    start = np.zeros(count + 1, dtype=np.int64)
    # As many as there may be: what is not written to is never made, and one more is written that says nothing.
    column, found = np.empty(len(indices) + 1, dtype=np.int32), np.empty(len(indices) + 1)
    free = 0
    for row in range(count):
        for entry in range(indptr[row], indptr[row + 1]):
            at = place[indices[entry]]
            column[free], found[free] = at, data[entry] * factor[row]
            free += at >= 0
        start[row + 1] = free
    return start, column[:free], found[:free]


@kernel
def _nearest(indptr: Numbers, indices: Small, data: Row, open: Flags) -> tuple[Numbers, Row]:
    count = len(indptr) - 1
    column, found = np.full(count, -1, dtype=np.int64), np.full(count, np.inf)
    for row in range(count):
        for entry in range(indptr[row], indptr[row + 1]):
            if open[indices[entry]] and data[entry] < found[row]:
                column[row], found[row] = indices[entry], data[entry]
    return column, found


@kernel
def taken(sites: Numbers, latency: Row, limit: float, place: Small, column: Small, found: Row, free: int) -> int:
    """Writes what one search reached within a limit into `column` and `found` from `free` on; where the next begins.

    place: (vertices,) the column of each; -1: none. The entry after the last is written too, and says nothing.
    """
    for at in range(len(sites)):
        to = place[sites[at]]
        column[free], found[free] = to, latency[at]
        free += (to >= 0) & (latency[at] <= limit)
    return free
