"""Candidates of units that serve each other: which columns are kept."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from placement.narrowing import NEAR, around
from placement.solve.entries import Listed, columns_of, parts_of
from placement.solve.model import Clients, Unit
from placement.units import UnitWords


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


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_around_what_is_open_there_is_what_is_open_and_the_cheapest_in_reach_of_it(seed: int) -> None:
    draw = np.random.default_rng(seed)
    front, back = NEAR + 140, NEAR + 90
    near = draw.random((front, back)) < 0.15
    served = sparse_of(draw.random((5, front)) < 0.5)
    units = [
        Unit("front", np.arange(front), draw.random((1, front)), Clients(served, 0)),
        Unit("back", np.arange(back), draw.random((1, back))),
    ]
    words = [words_of("front"), words_of("back", serves=(0,), within_ms=1.0)]

    def reach(clients: np.ndarray, servers: np.ndarray, of: UnitWords) -> Listed:
        assert of.name == "back"
        return Listed(*parts_of(sparse_of(near[np.ix_(clients, servers)])))

    opened = [np.sort(draw.choice(front, 4, replace=False)), np.sort(draw.choice(back, 3, replace=False))]
    kept = around(units, words, reach, opened, tiers=1)
    assert all(np.isin(one, mine).all() for one, mine in zip(opened, kept, strict=True))
    assert all(len(mine) < one.count for one, mine in zip(units, kept, strict=True))
    for one in opened[0].tolist():
        others = np.flatnonzero(near[one])
        if len(others):
            assert others[np.argmin(units[1].open_cost[0][others])] in kept[1]
    for one in opened[1].tolist():
        others = np.flatnonzero(near[:, one] & (np.diff(csr_array(served.T).indptr) > 0))
        if len(others):
            assert others[np.argmin(units[0].open_cost[0][others])] in kept[0]


def test_units_that_are_small_are_kept_as_they_are_around_what_is_open() -> None:
    units = [Unit("front", np.arange(NEAR), np.ones((1, NEAR)))]
    [kept] = around(units, [words_of("front")], lambda *_: sparse_of(np.zeros((0, 0))), [np.array([3])], tiers=1)
    assert kept.tolist() == list(range(NEAR))


def sparse_of(pairs: np.ndarray) -> csr_array:
    """Where there is something, an entry that is 0."""
    row, column = np.nonzero(pairs)
    return csr_array((np.zeros(len(row)), (row, column)), shape=pairs.shape)


def words_of(name: str, *, serves: tuple[int, ...] = (), within_ms: float | None = None) -> UnitWords:
    """What is said of a unit."""
    return UnitWords(name, (0,), np.ones(1, dtype=bool), 1, None, serves, within_ms)
