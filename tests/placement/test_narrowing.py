"""Candidates of units that serve each other: which columns are kept."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from placement.solve.entries import columns_of


def _matrix(rows: list[list[int]], columns: int) -> csr_array:
    starts = np.cumsum([0, *(len(one) for one in rows)])
    indices = np.array([column for one in rows for column in one], dtype=np.int32)
    return csr_array((np.arange(len(indices), dtype=np.float64), indices, starts), shape=(len(rows), columns))


reaches = st.lists(st.lists(st.integers(0, 5), unique=True).map(sorted), min_size=1, max_size=6)


@settings(max_examples=60)
@given(reaches, st.sets(st.integers(0, 5)).map(sorted))
def test_columns_that_are_kept_keep_their_entries_and_zeros_stay(rows: list[list[int]], kept: list[int]) -> None:
    matrix = _matrix(rows, 6)
    found = columns_of(matrix, np.array(kept, dtype=np.int64))
    for at, row in enumerate(rows):
        here = slice(found.indptr[at], found.indptr[at + 1])
        wanted = [
            (kept.index(column), matrix.data[matrix.indptr[at] + n]) for n, column in enumerate(row) if column in kept
        ]
        assert list(zip(found.indices[here].tolist(), found.data[here].tolist(), strict=True)) == wanted
