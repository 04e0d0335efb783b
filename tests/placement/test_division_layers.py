"""Dividing over groups first: by preference with overflow, and by weights of each level."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.refusal import InvalidInput
from placement.arrays import Ints
from placement.division import Indivisible
from placement.division_layers import Level, divide_in_levels, divide_with_preference

SETTINGS = settings(max_examples=50, deadline=None, derandomize=True)


def ints(values: list[int]) -> Ints:
    return np.array(values, dtype=np.int64)


def preferred(total: int, rank: list[int], room: list[int], **more: list[int]) -> list[int]:
    count = len(rank)
    weights = ints(more.pop("weights", [1] * count))
    found = divide_with_preference(
        total,
        weights,
        rank=ints(rank),
        room=ints(room),
        ids=[f"site_{place}" for place in range(count)],
        salt="d",
        **{name: ints(values) for name, values in more.items()},  # type: ignore[arg-type]  # at_least, current
    )
    assert not isinstance(found, Indivisible), found
    return [int(one) for one in found]


def test_a_group_is_filled_before_the_next_has_any_and_emptied_in_reverse() -> None:
    rank, room = [1, 0, 0, 2], [4, 2, 2, 9]
    up = [preferred(total, rank, room) for total in range(18)]
    assert [one[1] + one[2] for one in up] == [0, 1, 2, 3] + [4] * 14
    assert [one[0] for one in up] == [0] * 5 + [1, 2, 3] + [4] * 10
    assert [one[3] for one in up] == [0] * 9 + list(range(1, 10))
    down = [preferred(total, rank, room, current=up[min(total + 1, 17)]) for total in range(17, -1, -1)]
    assert down == up[::-1]


def test_within_a_group_weights_decide() -> None:
    assert preferred(12, [0, 0, 1], [20, 20, 20], weights=[3, 1, 1]) == [9, 3, 0]
    assert preferred(44, [0, 0, 1], [20, 20, 20], weights=[3, 1, 1]) == [20, 20, 4]


def test_a_site_of_weight_0_has_no_room() -> None:
    assert preferred(6, [0, 0, 1], [5, 5, 5], weights=[1, 0, 1]) == [5, 0, 1]


def test_the_least_of_every_site_is_given_first() -> None:
    assert preferred(6, [0, 0, 1], [2, 2, 5], at_least=[0, 0, 2]) == [2, 2, 2]
    assert preferred(3, [0, 0, 1], [3, 3, 5], at_least=[0, 1, 2]) == [0, 1, 2]


def test_when_a_group_gets_room_again_it_takes_back_from_the_last() -> None:
    assert preferred(10, [0, 1, 1], [4, 8, 8], current=[0, 5, 5]) == [4, 3, 3]


def test_more_than_all_groups_have_room_for_is_said_to_be_so() -> None:
    found = divide_with_preference(9, ints([1, 1]), rank=ints([0, 1]), room=ints([4, 4]), ids=["a", "b"], salt="")
    assert found == Indivisible(9, 0, 8)


@SETTINGS
@given(st.data())
def test_with_preference_no_site_has_fewer_of_a_larger_total_and_no_later_group_has_any_too_early(
    data: st.DataObject,
) -> None:
    count = data.draw(st.integers(1, 7))
    several = {"min_size": count, "max_size": count}
    weights = data.draw(st.lists(st.integers(1, 9), **several))
    rank = data.draw(st.lists(st.integers(0, 3), **several))
    room = data.draw(st.lists(st.integers(0, 9), **several))
    before = [0] * count
    for total in range(sum(room) + 1):
        found = preferred(total, rank, room, weights=weights)
        assert sum(found) == total
        assert all(now >= then for now, then in zip(found, before, strict=True))
        used = [place for place in range(count) if found[place]]
        for place in used:
            assert all(found[other] == room[other] for other in range(count) if rank[other] < rank[place])
        before = found


def levelled(total: int, levels: list[Level], **bounds: list[int]) -> list[int]:
    kept = {name: ints(values) for name, values in bounds.items()}
    found = divide_in_levels(total, levels, salt="d", **kept)
    assert not isinstance(found, Indivisible), found
    return [int(one) for one in found]


def level(weights: list[int], parents: list[int], name: str = "x") -> Level:
    return Level([f"{name}_{place}" for place in range(len(weights))], ints(weights), ints(parents))


def test_a_group_takes_no_more_than_its_sites_do() -> None:
    levels = [level([9, 1], [0, 0]), level([1, 1, 1, 1], [0, 0, 1, 1])]
    assert levelled(20, levels) == [9, 9, 1, 1]
    assert levelled(20, levels, at_most=[2, 3, 20, 20])[:2] == [2, 3]
    assert sum(levelled(20, levels, at_least=[0, 0, 4, 4])[2:]) == 8


def test_a_group_of_weight_0_has_only_the_least_of_its_sites() -> None:
    levels = [level([1, 0], [0, 0]), level([1, 5, 5], [0, 1, 1])]
    assert levelled(9, levels, at_least=[0, 0, 2]) == [7, 0, 2]


def test_a_group_without_sites_has_none() -> None:
    assert levelled(4, [level([1, 1, 2], [0, 0, 0]), level([1, 1], [0, 2])]) == [1, 3]


def test_levels_that_do_not_take_the_total_say_so() -> None:
    levels = [level([1, 0], [0, 0]), level([1, 1], [0, 1])]
    assert divide_in_levels(9, levels, salt="", at_most=ints([5, 5])) == Indivisible(9, 0, 5)


@pytest.mark.parametrize("levels", [[], [level([1], [1])], [level([1], [0]), level([1, 1], [0, -1])]])
def test_levels_that_do_not_hang_together_are_refused(levels: list[Level]) -> None:
    with pytest.raises(InvalidInput):
        divide_in_levels(1, levels, salt="")


def test_what_runs_is_kept_at_the_levels_that_drift_and_at_no_other() -> None:
    regions, sites = level([1, 1], [0, 0]), level([9, 1, 1, 1], [0, 0, 1, 1])
    now = [1, 5, 3, 3]
    assert levelled(12, [regions, sites], current=now) == [6, 0, 3, 3]
    assert levelled(12, [regions, replace(sites, keeps=True)], current=now) == now
    given = level([1, 2], [0, 0])
    assert levelled(12, [given, replace(sites, keeps=True)], current=now) == [1, 3, 4, 4]
    assert levelled(12, [replace(given, keeps=True), replace(sites, keeps=True)], current=now) == now


@SETTINGS
@given(st.data())
def test_by_levels_no_site_has_fewer_of_a_larger_total_and_each_is_within_its_groups_quota(data: st.DataObject) -> None:
    levels, groups = [], 1
    for size in (3, 4, 6):
        several = {"min_size": size, "max_size": size}
        parents = data.draw(st.lists(st.integers(0, groups - 1), **several).map(sorted))
        levels.append(level(data.draw(st.lists(st.integers(1, 9), **several)), parents, name=f"l{size}"))
        groups = size
    reached = {int(parent) for parent in levels[2].parents}
    zones = [place for place in range(4) if place in reached]
    before = [0] * 6
    for total in range(30):
        found = levelled(total, levels)
        assert sum(found) == total
        assert all(now >= then for now, then in zip(found, before, strict=True))
        for zone in zones:
            inside = np.flatnonzero(levels[2].parents == zone)
            whole, weight = sum(found[row] for row in inside), int(levels[2].weights[inside].sum())
            for row in inside.tolist():
                share = whole * int(levels[2].weights[row])
                assert share // weight <= found[row] <= -(-share // weight)
        before = found
