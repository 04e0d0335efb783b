"""Divisions that users of Karmada published, and what other methods make of them.

The other methods are written here as their issues describe them, so that each table shows the fault and its absence.
Issues are those of github.com/karmada-io/karmada.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from placement.division import Indivisible, divide, divide_again
from placement.division_layers import Level, divide_in_levels
from placement.division_weights import room_weights


def quota(total: int, weights: dict[str, int], *, salt: str = "deployment_1", least: int = 0) -> list[int]:
    found = divide(
        total,
        np.array(list(weights.values())),
        ids=list(weights),
        salt=salt,
        at_least=np.full(len(weights), least),
    )
    assert not isinstance(found, Indivisible), found
    return [int(one) for one in found]


def rounded_down_then_in_order(total: int, weights: dict[str, int]) -> list[int]:
    """Karmada to 1.15: shares rounded down, then one more each by weight and name until the total is reached."""
    whole = sum(weights.values())
    found = {name: total * weight // whole for name, weight in weights.items()}
    order = sorted(weights, key=lambda name: (-weights[name], name))
    for name in order[: total - sum(found.values())]:
        found[name] += 1
    return list(found.values())


def webster(total: int, weights: dict[str, int]) -> list[int]:
    """Karmada from 1.16: one by one to the largest w / (2 a + 1)."""
    found = dict.fromkeys(weights, 0)
    for _ in range(total):
        found[min(weights, key=lambda name: (-Fraction(weights[name], 2 * found[name] + 1), name))] += 1
    return list(found.values())


def shrinks(answers: list[list[int]]) -> list[int]:
    """The totals at which some site has less than at the total before."""
    return [
        total
        for total in range(1, len(answers))
        if any(now < then for now, then in zip(answers[total], answers[total - 1], strict=True))
    ]


LANGUAGE_MODELS = {"southcentralus": 170, "westus": 110, "eastus2": 60}


def test_issue_6735_no_site_shrinks_while_the_total_grows_from_0_to_40() -> None:
    assert rounded_down_then_in_order(5, LANGUAGE_MODELS) == [3, 2, 0]
    assert rounded_down_then_in_order(6, LANGUAGE_MODELS) == [4, 1, 1]
    assert 6 in shrinks([rounded_down_then_in_order(total, LANGUAGE_MODELS) for total in range(41)])
    assert not shrinks([quota(total, LANGUAGE_MODELS) for total in range(41)])


@pytest.mark.parametrize(
    ("total", "expected"),
    [
        (1, [1, 0, 0]),
        (2, [1, 1, 0]),
        (3, [2, 1, 0]),
        (4, [2, 1, 1]),
        (5, [3, 1, 1]),
        (6, [3, 2, 1]),
        (10, [5, 3, 2]),
        (17, [9, 5, 3]),
        (34, [17, 11, 6]),
        (40, [20, 13, 7]),
    ],
)
def test_issue_6735_as_a_table(total: int, expected: list[int]) -> None:
    assert quota(total, LANGUAGE_MODELS) == expected


def test_a_method_that_does_not_shrink_sites_may_still_leave_the_quota() -> None:
    weights = {"big": 50, "a": 2, "b": 2, "c": 2}
    share = Fraction(50 * 10, 56)
    assert webster(10, weights)[0] == 10 > -(-share // 1) == 9
    assert quota(10, weights)[0] == 9


@pytest.mark.parametrize(
    ("total", "weights", "was", "expected", "with_one_each"),
    [
        (2, {"a": 2, "b": 1}, [2, 0], [1, 1], [1, 1]),
        (4, {"a": 9, "b": 1}, [4, 0], [4, 0], [3, 1]),
        (8, {"a": 9, "b": 1}, [8, 0], [8, 0], [7, 1]),
        (10, {"a": 9, "b": 1}, [9, 1], [9, 1], [9, 1]),
    ],
)
def test_issue_6424_a_site_of_small_weight_has_none_at_first_unless_one_each_is_asked_for(
    total: int, weights: dict[str, int], was: list[int], expected: list[int], with_one_each: list[int]
) -> None:
    assert rounded_down_then_in_order(total, weights) == was
    assert quota(total, weights) == expected
    assert quota(total, weights, least=1) == with_one_each


def test_issue_4220_over_deployments_the_odd_replica_goes_to_each_member_as_often() -> None:
    weights = {"member1": 1, "member2": 1}
    assert rounded_down_then_in_order(3, weights) == [2, 1]
    extra = sum(quota(3, weights, salt=f"deployment_{number}")[0] - 1 for number in range(1_000))
    assert 450 <= extra <= 550


def test_issue_4220_what_runs_stays_when_the_total_grows_and_a_changed_weight_counts() -> None:
    even, heavy = dict.fromkeys("abcd", 1), {"a": 2, "b": 1, "c": 1, "d": 1}
    for number in range(50):
        answers = [quota(total, even, salt=str(number)) for total in range(9)]
        assert not shrinks(answers)
        assert sorted(answers[6]) == [1, 1, 2, 2]
        assert quota(6, heavy, salt=str(number)) == [3, 1, 1, 1]
    assert quota(5, heavy) == [2, 1, 1, 1]
    assert quota(10, heavy) == [4, 2, 2, 2]


def test_issue_3727_weights_of_regions_then_zones_then_clusters() -> None:
    levels = [
        Level(["region1", "region2"], np.array([70, 30]), np.array([0, 0])),
        Level(["az1", "az2", "az3"], np.array([50, 50, 100]), np.array([0, 0, 1])),
        Level([f"cluster{n}" for n in range(1, 6)], np.array([1, 1, 1, 1, 1]), np.array([0, 0, 1, 1, 2])),
    ]
    for salt in map(str, range(20)):
        found = divide_in_levels(100, levels, salt=salt)
        assert not isinstance(found, Indivisible)
        # The issue: 18 / 17 / 18 / 17 / 30. Which of two alike has the 18 is a tie.
        assert (sorted(found[:2]), sorted(found[2:4]), int(found[4])) == ([17, 18], [17, 18], 30)


def test_documented_example_of_division_by_room() -> None:
    assert quota(12, {"A": 6, "B": 12, "C": 18}) == [2, 4, 6]


def by_most_room(total: int, room: list[int], current: list[int]) -> list[int]:
    """Dynamic division when only what is new is divided: by the free room that was last reported."""
    weights = {str(place): free for place, free in enumerate(room)}
    added = webster(total - sum(current), weights)
    return [has + more for has, more in zip(current, added, strict=True)]


@pytest.mark.parametrize("stale", [False, True], ids=["room is fresh", "room was read before the first step"])
@pytest.mark.parametrize("free", [[100, 100, 100], [110, 100, 90], [101, 100, 100], [60, 30, 30]])
def test_steps_of_one_from_1_to_40_end_where_one_step_ends(free: list[int], stale: bool) -> None:
    ids, current, one_step = ["member1", "member2", "member3"], [0, 0, 0], None
    for total in range(1, 41):
        room = free if stale else [have - has for have, has in zip(free, current, strict=True)]
        weights = np.array(free) if stale else room_weights(np.array(room), current=np.array(current))
        found = divide_again(total, weights, current=np.array(current), ids=ids, salt="d")
        one_step = divide(total, np.array(free), ids=ids, salt="d")
        assert not isinstance(found, Indivisible)
        assert not isinstance(one_step, Indivisible)
        assert found.tolist() == one_step.tolist()
        current = found.tolist()
    assert max(abs(has - Fraction(40 * have, sum(free))) for has, have in zip(current, free, strict=True)) < 1


def test_dividing_only_what_is_new_by_room_reported_late_sends_all_to_one() -> None:
    current = [0, 0, 0]
    for total in range(1, 41):
        current = by_most_room(total, [101, 100, 100], current)
    assert current == [40, 0, 0]


def test_room_that_others_take_and_give_moves_nothing_that_runs() -> None:
    ids, current = ["member1", "member2", "member3"], [14, 13, 13]
    for room in ([5, 90, 90], [90, 5, 90], [0, 0, 0]):
        weights = room_weights(np.array(room), current=np.array(current))
        found = divide_again(40, weights, current=np.array(current), ids=ids, salt="d")
        assert not isinstance(found, Indivisible)
        assert found.tolist() == current
