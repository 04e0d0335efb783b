"""Of sets of which each has one open, those that say the least are left out."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from placement.solve.covers import least_sets


def rows_of(sets: list[set[int]], columns: int) -> csr_array:
    """A row for each set, with an entry for each of its members."""
    found = np.zeros((len(sets), columns))
    for row, one in enumerate(sets):
        found[row, sorted(one)] = 1.0
    return csr_array(found)


def test_a_set_that_contains_another_follows_from_it() -> None:
    assert least_sets(rows_of([{0, 1, 2}, {1, 2}, {0, 3}], 4)).tolist() == [1, 2]


def test_of_sets_that_are_the_same_the_first_is_left() -> None:
    assert least_sets(rows_of([{1, 2}, {0}, {1, 2}, {0}], 3)).tolist() == [0, 1]


def test_beside_an_empty_set_no_other_says_anything() -> None:
    assert least_sets(rows_of([{0}, set(), {1}, set()], 2)).tolist() == [1]


@given(st.lists(st.sets(st.integers(0, 5)), max_size=12))
def test_what_is_left_contains_none_of_the_others(sets: list[set[int]]) -> None:
    wanted = [
        at
        for at, one in enumerate(sets)
        if not any(other < one or (other == one and before < at) for before, other in enumerate(sets))
    ]
    assert least_sets(rows_of(sets, 6)).tolist() == wanted
