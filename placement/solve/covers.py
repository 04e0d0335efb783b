"""What serving in steps demands of the last step: rows that hold anyway, and without which the relaxation is far too weak.

A client must have an open candidate of the front end in reach, and that an open candidate of its database. In a relaxation
each of ten front ends is open to a tenth, so a tenth of a database does for all of them. But whichever serves the client,
some database in reach of *some* front end in reach of the client is open as a whole. That cover row, composed from both
steps, often closes the whole gap between the relaxation and the exact answer.

Of covers only the least are kept: one that contains another follows from it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array

from placement.arrays import Ints, places_of
from placement.compiled import Flags, Numbers, kernel
from placement.solve.entries import stacked_rows
from placement.solve.model import Model

MAX_ROWS = 2_000
MAX_CELLS = 2_000_000
"""Rows x candidates of one unit. Larger covers are left out; they are never needed for a right answer."""


def covers(model: Model, places: Sequence[Ints]) -> dict[int, tuple[csr_array, Ints]]:
    """By unit that serves others: sets of its kept candidates of each of which one is open in every feasible choice.

    `places` is, by unit, (candidates,) its column or -1. The sets are rows over the unit's kept candidates, numbered from 0;
    with them the client of the first unit for which each is, -1: for nobody of these.
    """
    known: dict[int, tuple[csr_array, Ints]] = {}
    for number, unit in enumerate(model.units):
        if unit.clients is not None and unit.clients.count:
            found = _pattern(unit.clients.cost, np.arange(unit.clients.count), places[number])
            if found is not None:
                known[number] = found, np.arange(unit.clients.count) if number == 0 else np.full(unit.clients.count, -1)
    composed: dict[int, tuple[csr_array, Ints]] = {}
    waiting = list(model.serving)
    while ready := next((one for one in waiting if one.client in known), None):
        waiting.remove(ready)
        kept = np.flatnonzero(places[ready.client] >= 0)
        reach = _pattern(ready.reach, kept, places[ready.server])
        sets, whose = known[ready.client]
        if reach is None or sets.shape[0] * reach.shape[1] > MAX_CELLS:
            continue
        steps = csr_array(sets @ reach), whose
        if ready.server in composed:
            steps = _stacked(composed[ready.server], steps)
        composed[ready.server] = _least(steps)
        if ready.server in known:
            both = _stacked(known[ready.server], composed[ready.server])
            known[ready.server] = _least(both) if both[0].shape[0] <= MAX_ROWS else known[ready.server]
        else:
            known[ready.server] = composed[ready.server]
    return composed


def _least(sets: tuple[csr_array, Ints]) -> tuple[csr_array, Ints]:
    """The least of these sets, and for whom they are."""
    matrix, whose = sets
    which = least_sets(matrix)
    return csr_array(_ones(matrix)[which]), whose[which]


def least_sets(sets: csr_array) -> Ints:
    """Those rows that contain no other row, of equal ones the first; ascending."""
    empty = np.flatnonzero(np.diff(sets.indptr) == 0)
    if len(empty):
        return empty[:1]
    return np.flatnonzero(minimal(sets.indptr.astype(np.int64), sets.indices.astype(np.int64), sets.shape[1]))


@kernel
def minimal(indptr: Numbers, indices: Numbers, columns: int) -> Flags:
    """(rows,): those that contain no other row, of equal ones the first; none is empty.

    A row that another contains is found there by the column of it that the fewest rows have.
    """
    count = len(indptr) - 1
    often = np.zeros(columns, dtype=np.int64)
    for column in indices:
        often[column] += 1
    rare = np.empty(count, dtype=np.int64)
    begin = np.zeros(columns + 1, dtype=np.int64)
    for row in range(count):
        rare[row] = indices[indptr[row]]
        for at in range(indptr[row], indptr[row + 1]):
            if often[indices[at]] < often[rare[row]]:
                rare[row] = indices[at]
        begin[rare[row] + 1] += 1
    for column in range(columns):
        begin[column + 1] += begin[column]
    known, free = np.empty(count, dtype=np.int64), begin[:-1].copy()
    for row in range(count):
        known[free[rare[row]]] = row
        free[rare[row]] += 1
    left = np.ones(count, dtype=np.bool_)
    inside = np.full(columns, -1, dtype=np.int64)
    for row in range(count):
        size = indptr[row + 1] - indptr[row]
        for at in range(indptr[row], indptr[row + 1]):
            inside[indices[at]] = row
        for at in range(indptr[row], indptr[row + 1]):
            for place in range(begin[indices[at]], begin[indices[at] + 1]):
                other = known[place]
                length = indptr[other + 1] - indptr[other]
                if not left[row] or length > size or (length == size and other >= row):
                    continue
                entry = indptr[other]
                while entry < indptr[other + 1] and inside[indices[entry]] == row:
                    entry += 1
                left[row] = entry < indptr[other + 1]
    return left


def _pattern(matrix: csr_array, rows: Ints, places: Ints) -> csr_array | None:
    """The rows' entries in kept columns, as ones; None when it is too large."""
    kept = np.flatnonzero(places >= 0)
    if len(rows) > MAX_ROWS or len(rows) * len(kept) > MAX_CELLS:
        return None
    number = places_of(kept, len(places))
    row_number = places_of(rows, matrix.shape[0])
    of_row = row_number[np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))]
    column = number[matrix.indices]
    there = (of_row >= 0) & (column >= 0)
    starts = np.concatenate([[0], np.cumsum(np.bincount(of_row[there], minlength=len(rows)))])
    return csr_array((np.ones(int(there.sum())), column[there], starts), shape=(len(rows), len(kept)))


def _ones(matrix: csr_array) -> csr_array:
    return csr_array((np.ones(len(matrix.indices)), matrix.indices, matrix.indptr), shape=matrix.shape)


def _stacked(first: tuple[csr_array, Ints], second: tuple[csr_array, Ints]) -> tuple[csr_array, Ints]:
    """The sets of both, and for whom they are."""
    return _ones(stacked_rows([first[0], second[0]])), np.append(first[1], second[1])
