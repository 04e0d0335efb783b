"""Passes over the entries of sparse matrices: who is in reach of whom, at what cost.

With 500 places and 10,000 sites there are millions of entries, so each pass looks at each entry once and makes nothing of
their size that it does not give back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from placement.arrays import Floats, Ints, Mask
from placement.compiled import Flags, Numbers, Row, Small, kernel

_AS_MADE = vars(csr_array((0, 0)))
"""What a sparse matrix has besides its entries and its shape."""


class Listed(NamedTuple):
    """A sparse matrix as kernels take it: its entries row by row."""

    start: Numbers
    """(rows + 1,): where each row begins."""
    column: Small
    """(entries,) ascending in each row."""
    value: Row
    """(entries,)."""


def parts_of(matrix: csr_array) -> tuple[Ints, Small, Floats]:
    """Where each row begins; of each entry the column and the figure; as kernels take them."""
    return (
        matrix.indptr.astype(np.int64, copy=False),
        matrix.indices.astype(np.int32, copy=False),
        matrix.data.astype(np.float64, copy=False),
    )


def columns_of(matrix: csr_array, columns: Ints) -> csr_array:
    """Some columns of a matrix, which ascend; explicit zeros stay."""
    found = kept_columns(Listed(*parts_of(matrix)), columns, columns=matrix.shape[1])
    return matrix_of(found, columns=len(columns))


def kept_columns(rows: Listed, kept: Ints, *, columns: int) -> Listed:
    """The same of what has so many columns."""
    place = np.full(columns, -1, dtype=np.int32)
    place[kept] = np.arange(len(kept), dtype=np.int32)
    return Listed(*_columns(*rows, place))


def turned(rows: Listed, *, columns: int) -> Listed:
    """What has so many columns, with these as rows; explicit zeros stay."""
    return Listed(*_turned(*rows, columns))


def rows_at(matrix: csr_array, rows: Ints) -> csr_array:
    """Some rows of a matrix, in this order."""
    return matrix_of(Listed(*_rows_at(*parts_of(matrix), rows)), columns=matrix.shape[1])


def stacked_rows(parts: Sequence[csr_array]) -> csr_array:
    """The rows of all, one matrix after the other; explicit zeros stay. One alone is given back as it is."""
    if len(parts) == 1:
        return parts[0]
    ends = np.cumsum([0, *(len(one.indices) for one in parts)]).tolist()
    starts = [one.indptr[1:] + end for one, end in zip(parts, ends, strict=False)]
    return csr_array(
        (
            np.concatenate([one.data for one in parts]),
            np.concatenate([one.indices for one in parts]),
            np.concatenate([parts[0].indptr[:1], *starts]),
        ),
        shape=(sum(one.shape[0] for one in parts), parts[0].shape[1]),
    )


def matrix_of(rows: Listed, *, columns: int) -> csr_array:
    """The matrix of so many columns that has these entries."""
    found: csr_array = csr_array.__new__(csr_array)
    # What its own making sets, without the checks, which take longer than most that is done with it.
    vars(found).update(
        _AS_MADE,
        _shape=(len(rows.start) - 1, columns),
        data=rows.value,
        indices=rows.column,
        indptr=rows.start.astype(np.int32),
    )
    return found


def empty_rows(rows: Listed) -> Mask:
    """(rows,): those without an entry."""
    found: Mask = rows.start[1:] == rows.start[:-1]
    return found


def reached(matrix: csr_array) -> Mask:
    """(columns,): those that have an entry."""
    found = np.zeros(matrix.shape[1], dtype=bool)
    _reach(matrix.indices.astype(np.int32, copy=False), found)
    return found


def cheapest(cost: csr_array, open: Mask, *, rows: Ints | None = None) -> Floats:
    """(rows,): the least entry of each of these rows, of all when none are given, among the open columns; infinite without
    one."""
    among = np.arange(cost.shape[0]) if rows is None else rows
    return _cheapest(*parts_of(cost), among, open)


def least_of(matrix: csr_array, figures: Floats) -> Floats:
    """(rows,): the least figure (of each column one) among the columns that have an entry in each row; infinite without."""
    indptr, indices, _ = parts_of(matrix)
    return _least_of(indptr, indices, figures)


def nearest(by_column: Listed, columns: Ints, *, rows: int) -> tuple[Ints, Floats]:
    """(rows,): of some columns (ascending) the one with the least entry of each row, the first of equal ones, and the entry;
    -1 and infinite without one. by_column: the matrix with its columns as rows."""
    return _nearest_column(*by_column, columns, rows)


@kernel
def weighed(indptr: Numbers, indices: Small, data: Row, figures: Row) -> Row:
    """(rows,): the sum of the entries of each, times the figures of their columns."""
    found = np.zeros(len(indptr) - 1)
    for row in range(len(found)):
        for entry in range(indptr[row], indptr[row + 1]):
            found[row] += data[entry] * figures[indices[entry]]
    return found


@kernel
def weighed_by_row(indptr: Numbers, indices: Small, data: Row, figures: Row, columns: int) -> Row:
    """(columns,): the sum of the entries of each, times the figures of their rows."""
    found = np.zeros(columns)
    for row in range(len(figures)):
        for entry in range(indptr[row], indptr[row + 1]):
            found[indices[entry]] += data[entry] * figures[row]
    return found


@kernel
def _rows_at(indptr: Numbers, indices: Small, data: Row, rows: Numbers) -> tuple[Numbers, Small, Row]:
    start = np.zeros(len(rows) + 1, dtype=np.int64)
    for at in range(len(rows)):
        start[at + 1] = start[at] + indptr[rows[at] + 1] - indptr[rows[at]]
    column, found = np.empty(start[-1], dtype=np.int32), np.empty(start[-1])
    for at in range(len(rows)):
        first = indptr[rows[at]]
        for entry in range(start[at + 1] - start[at]):
            column[start[at] + entry], found[start[at] + entry] = indices[first + entry], data[first + entry]
    return start, column, found


@kernel
def _reach(indices: Small, found: Flags) -> None:
    for column in indices:
        found[column] = True


@kernel
def _turned(indptr: Numbers, indices: Small, data: Row, columns: int) -> tuple[Numbers, Small, Row]:
    start = np.zeros(columns + 1, dtype=np.int64)
    for column in indices:
        start[column + 1] += 1
    for column in range(columns):
        start[column + 1] += start[column]
    free, row_of, value = start[:-1].copy(), np.empty(len(indices), dtype=np.int32), np.empty(len(indices))
    for row in range(len(indptr) - 1):
        for entry in range(indptr[row], indptr[row + 1]):
            at = free[indices[entry]]
            row_of[at], value[at] = row, data[entry]
            free[indices[entry]] = at + 1
    return start, row_of, value


@kernel
def put_by_column(rows: Listed, first: int, free: Numbers, row_of: Small, value: Row) -> None:
    """Writes the entries of some rows to where each column has the next `free` one; `first` is the number of the first row.

    Of rows that are put one after the other, `row_of` and `value` are then what `turned` gives of all.
    """
    for row in range(len(rows.start) - 1):
        for entry in range(rows.start[row], rows.start[row + 1]):
            at = free[rows.column[entry]]
            row_of[at], value[at] = first + row, rows.value[entry]
            free[rows.column[entry]] = at + 1


@kernel
def _columns(indptr: Numbers, indices: Small, data: Row, place: Small) -> tuple[Numbers, Small, Row]:
    count = len(indptr) - 1
    start = np.zeros(count + 1, dtype=np.int64)
    # As many as there may be: what is not written to is never made, and one more is written that says nothing.
    column, found = np.empty(len(indices) + 1, dtype=np.int32), np.empty(len(indices) + 1)
    free = 0
    for row in range(count):
        for entry in range(indptr[row], indptr[row + 1]):
            at = place[indices[entry]]
            column[free], found[free] = at, data[entry]
            free += at >= 0
        start[row + 1] = free
    return start, column[:free], found[:free]


@kernel
def _cheapest(indptr: Numbers, indices: Small, data: Row, rows: Numbers, open: Flags) -> Row:
    found = np.full(len(rows), np.inf)
    for at in range(len(rows)):
        for entry in range(indptr[rows[at]], indptr[rows[at] + 1]):
            if open[indices[entry]]:
                found[at] = min(found[at], data[entry])
    return found


@kernel
def _least_of(indptr: Numbers, indices: Small, figures: Row) -> Row:
    found = np.full(len(indptr) - 1, np.inf)
    for row in range(len(found)):
        for entry in range(indptr[row], indptr[row + 1]):
            found[row] = min(found[row], figures[indices[entry]])
    return found


@kernel
def _nearest_column(start: Numbers, row_of: Small, value: Row, columns: Numbers, rows: int) -> tuple[Numbers, Row]:
    column, found = np.full(rows, -1, dtype=np.int64), np.full(rows, np.inf)
    for one in columns:
        for entry in range(start[one], start[one + 1]):
            if value[entry] < found[row_of[entry]]:
                column[row_of[entry]], found[row_of[entry]] = one, value[entry]
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
