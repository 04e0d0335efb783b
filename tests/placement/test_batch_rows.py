"""Kinds of room that others stand in for are left out of an exact choice, and nothing else is let through by that."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placement.batch_rows import telling


@pytest.mark.parametrize(
    ("takes", "room", "site", "kept"),
    [
        ([[1, 1], [1, 1]], [2, 2], [0, 0], [True, False]),
        ([[1, 1], [2, 2]], [2, 4], [0, 0], [True, False]),
        ([[1, 1], [1, 0]], [1, 1], [0, 0], [True, False]),
        ([[1, 1], [1, 0]], [2, 1], [0, 0], [True, True]),
        ([[1, 0], [0, 1]], [1, 1], [0, 0], [True, True]),
        ([[1, 1], [1, 0]], [1, 1], [0, 1], [True, True]),
        ([[0, 1], [0, 1]], [0, 5], [0, 0], [True, False]),
    ],
)
def test_a_row_stands_in_for_what_takes_less_of_the_same_site(
    takes: list[list[float]], room: list[float], site: list[int], kept: list[bool]
) -> None:
    assert telling(np.array(takes, dtype=float), np.array(room, dtype=float), np.array(site)).tolist() == kept


rows = st.tuples(st.lists(st.integers(0, 4), min_size=4, max_size=4), st.integers(0, 6), st.integers(0, 1))


@settings(max_examples=200, deadline=None)
@given(st.lists(rows, min_size=1, max_size=8))
def test_what_is_left_lets_through_what_all_let_through(given: list[tuple[list[int], int, int]]) -> None:
    takes = np.array([one for one, _, _ in given], dtype=float)
    room = np.array([one for _, one, _ in given], dtype=float)
    kept = telling(takes, room, np.array([one for _, _, one in given]))
    for chosen in itertools.product((0, 1), repeat=4):
        fits = takes @ np.array(chosen) <= room
        assert fits.all() == fits[kept].all()
