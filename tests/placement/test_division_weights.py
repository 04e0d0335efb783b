"""Weights for a division: as given, by free room and by demand."""

from __future__ import annotations

import numpy as np
import pytest

from graph.refusal import InvalidInput
from placement.division_weights import GREATEST, MOST_ROOM, demand_weights, given_weights, room_weights


def test_of_several_entries_that_select_a_site_the_first_counts() -> None:
    first, second = np.array([True, False, False]), np.array([True, True, False])
    assert given_weights(3, selected=[first, second], weights=[7, 2]).tolist() == [7, 2, 0]


def test_without_entries_all_sites_are_alike() -> None:
    assert given_weights(2, selected=[], weights=[]).tolist() == [1, 1]


def test_room_counts_what_the_replicas_themselves_take() -> None:
    assert room_weights(np.array([5, 3, 0]), current=np.array([0, 2, 4])).tolist() == [5, 5, 4]
    assert room_weights(np.array([5, 5, 4])).tolist() == [5, 5, 4]
    assert room_weights(np.array([2**40, -1]), current=np.array([1, 0])).tolist() == [MOST_ROOM, 0]


def test_demand_goes_to_the_nearest_site_and_keeps_its_proportions() -> None:
    demand, nearest = np.array([1.0, 0.5, 0.25, 9.0]), np.array([0, 0, 2, -1])
    assert demand_weights(demand, nearest=nearest, count=3).tolist() == [GREATEST, 0, round(GREATEST / 6)]


def test_any_demand_counts_and_none_at_all_makes_sites_alike() -> None:
    assert demand_weights(np.array([1e12, 1e-6]), nearest=np.array([0, 1]), count=2).tolist() == [GREATEST, 1]
    assert demand_weights(np.zeros(2), nearest=np.array([0, 1]), count=3).tolist() == [1, 1, 1]
    assert demand_weights(np.empty(0), nearest=np.empty(0, dtype=np.int64), count=2).tolist() == [1, 1]


@pytest.mark.parametrize("wrong", [-1.0, float("nan"), float("inf")])
def test_a_demand_that_is_no_number_from_0_is_refused(wrong: float) -> None:
    with pytest.raises(InvalidInput):
        demand_weights(np.array([wrong]), nearest=np.array([0]), count=1)
