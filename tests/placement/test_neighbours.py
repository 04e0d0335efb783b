"""Bits of who is within reach of whom, against sets of numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placement.arrays import Ints
from placement.neighbours import Near, bits_of, pairs_in, words_for
from placement.solve.entries import turned

COUNT = 200
rows_of_bits = st.lists(st.sets(st.integers(0, COUNT - 1)), max_size=6)
columns = st.sets(st.integers(0, COUNT - 1)).map(sorted)


def _table(rows: list[set[int]]) -> np.ndarray[tuple[int, int], np.dtype[np.uint64]]:
    table = np.zeros((len(rows), words_for(COUNT)), dtype=np.uint64)
    for at, row in enumerate(rows):
        sites = np.array(sorted(row), dtype=np.int64)
        table[at] = bits_of(sites, np.zeros(len(sites)), 0.0, count=COUNT)
    return table


def _numbers(listed: list[int]) -> Ints:
    return np.array(listed, dtype=np.int64)


@pytest.mark.parametrize(("count", "words"), [(0, 0), (1, 1), (64, 1), (65, 2), (10_000, 157)])
def test_as_many_words_as_the_bits_need(count: int, words: int) -> None:
    assert words_for(count) == words


def _near(rows: list[set[int]]) -> Near:
    """The rows in a table that has others too, and in another order."""
    table = _table([set(range(COUNT)), *rows[::-1]])
    return Near(table, np.arange(len(rows), 0, -1, dtype=np.int64))


def test_what_is_beyond_the_limit_has_no_bit() -> None:
    sites, latency = _numbers([0, 63, 64, 199]), np.array([0.0, 2.0, 2.5, 1.0])
    near = Near(bits_of(sites, latency, 2.0, count=COUNT)[None, :], _numbers([0]))
    assert pairs_in(near, np.arange(COUNT)).column.tolist() == [0, 63, 199]


@settings(max_examples=80, deadline=None)
@given(rows_of_bits, columns, st.booleans())
def test_pairs_are_the_bits_among_the_columns_and_are_all_zero(
    rows: list[set[int]], listed: list[int], few: bool
) -> None:
    # Few columns are asked for one by one, and many as whole words.
    asked = listed if few else listed + [-1] * COUNT
    pairs = pairs_in(_near(rows), _numbers(asked))
    assert len(pairs.start) == len(rows) + 1
    assert not pairs.value.any()
    for at, row in enumerate(rows):
        found = pairs.column[pairs.start[at] : pairs.start[at + 1]].tolist()
        assert found == [place for place, one in enumerate(listed) if one in row]


def test_a_column_without_a_bit_is_in_reach_of_nobody() -> None:
    pairs = pairs_in(_near([set(range(COUNT))]), _numbers([-1, 5, -1, 7]))
    assert pairs.column.tolist() == [1, 3]


@settings(max_examples=80, deadline=None)
@given(rows_of_bits, columns)
def test_turned_pairs_are_the_same_the_other_way_round(rows: list[set[int]], listed: list[int]) -> None:
    other = turned(pairs_in(_near(rows), _numbers(listed)), columns=len(listed))
    assert len(other.start) == len(listed) + 1
    for at, one in enumerate(listed):
        found = other.column[other.start[at] : other.start[at + 1]].tolist()
        assert found == [row for row, bits in enumerate(rows) if one in bits]
