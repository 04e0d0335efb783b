"""A total divided as the policy's words ask."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graph.kinds.policy import Division, DivisionMode
from placement.division import Indivisible
from placement.division_policy import OpenSites, divide_by_policy

STATIC, FREE, DEMAND = DivisionMode.STATIC, DivisionMode.FREE_CAPACITY, DivisionMode.DEMAND


def divided(total: int, division: Division, **fields: Any) -> list[int] | Indivisible:
    demand = np.array(fields.pop("demand", []), dtype=np.float64)
    nearest = np.array(fields.pop("nearest", []), dtype=np.int64)
    kept = {"room": [50, 30, 20], "given": [1, 1, 1], **fields}
    arrays = {name: np.array(values) for name, values in kept.items()}
    sites = OpenSites(ids=[f"site_{place}" for place in range(len(arrays["room"]))], **arrays)
    found = divide_by_policy(total, division, sites=sites, salt="d", demand=demand, nearest=nearest)
    return found if isinstance(found, Indivisible) else [int(one) for one in found]


@pytest.mark.parametrize(
    ("total", "division", "fields", "expected"),
    [
        (10, Division(mode=STATIC), {"given": [5, 3, 2]}, [5, 3, 2]),
        (10, Division(mode=FREE), {}, [5, 3, 2]),
        (10, Division(mode=DEMAND), {"demand": [1.0, 4.0, 3.0], "nearest": [2, 0, 1]}, [5, 4, 1]),
        (10, Division(mode=DEMAND), {"demand": [1.0, 4.0], "nearest": [2, -1]}, [0, 0, 10]),
        (9, Division(mode=DEMAND), {}, [3, 3, 3]),
        (10, Division(mode=STATIC, min_each=2), {"given": [9, 1, 0]}, [6, 2, 2]),
        (10, Division(mode=STATIC, max_each=4), {"given": [9, 1, 1]}, [4, 3, 3]),
        (60, Division(mode=STATIC), {}, [20, 20, 20]),
        (90, Division(mode=STATIC), {}, [40, 30, 20]),
        (60, Division(mode=FREE), {"rank": [1, 0, 2]}, [30, 30, 0]),
        (60, Division(mode=FREE, max_each=25), {"rank": [1, 0, 2]}, [25, 25, 10]),
        (60, Division(mode=FREE, min_each=3), {"rank": [1, 0, 2]}, [27, 30, 3]),
    ],
)
def test_each_word_decides_what_it_says(
    total: int, division: Division, fields: dict[str, Any], expected: list[int]
) -> None:
    assert divided(total, division, **fields) == expected


@pytest.mark.parametrize(
    ("total", "division", "expected"),
    [
        (101, Division(mode=STATIC), Indivisible(101, 0, 100)),
        (5, Division(mode=STATIC, min_each=2), Indivisible(5, 6, 18)),
        (13, Division(mode=STATIC, max_each=4), Indivisible(13, 0, 12)),
    ],
)
def test_more_or_less_than_the_words_allow_is_said_to_be_so(
    total: int, division: Division, expected: Indivisible
) -> None:
    found = divided(total, division)
    assert isinstance(found, Indivisible)
    assert (found.total, found.least) == (expected.total, expected.least)
    assert total < found.least or found.most == expected.most


@pytest.mark.parametrize(
    ("mode", "expected"),
    [(STATIC, [4, 4, 4]), (FREE, [1, 1, 10]), (DEMAND, [1, 1, 10])],
)
def test_what_runs_is_kept_when_weights_drift_and_not_when_somebody_gave_them(
    mode: DivisionMode, expected: list[int]
) -> None:
    assert divided(12, Division(mode=mode), current=[1, 1, 10]) == expected


def test_what_runs_where_there_is_no_room_any_more_goes_elsewhere() -> None:
    assert divided(12, Division(mode=FREE), room=[4, 9, 9], current=[6, 3, 3]) == [4, 4, 4]


def test_a_preferred_site_that_has_room_again_is_filled_first_whatever_runs() -> None:
    assert divided(12, Division(mode=FREE), room=[8, 9, 9], rank=[0, 1, 1], current=[0, 6, 6]) == [8, 2, 2]
