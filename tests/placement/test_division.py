"""Dividing a total: within quota, never less of more, whatever the bounds, and the same as giving replicas one by one."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from math import ceil, floor

import numpy as np
import pytest
from division_steps import Steps
from hash_seeds import printed_by_each
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.refusal import InvalidInput
from placement.arrays import Ints
from placement.division import Indivisible, divide, divide_again

SETTINGS = settings(max_examples=80, deadline=None, derandomize=True)


def ints(values: list[int]) -> Ints:
    return np.array(values, dtype=np.int64)


@dataclass(frozen=True)
class Sites:
    """Sites with what they take."""

    weights: list[int]
    least: list[int]
    most: list[int]
    salt: str = "deployment_1"

    @property
    def ids(self) -> list[str]:
        return [f"site_{place}" for place in range(len(self.weights))]

    @property
    def steps(self) -> Steps:
        return Steps(self.weights, self.least, self.most, self.ids, self.salt)

    @property
    def limits(self) -> tuple[int, int]:
        return self.steps.limits

    def divided(self, total: int, current: list[int] | None = None) -> list[int]:
        kept = {"ids": self.ids, "salt": self.salt, "at_least": ints(self.least), "at_most": ints(self.most)}
        found = (
            divide(total, ints(self.weights), **kept)  # type: ignore[arg-type]  # as they are
            if current is None
            else divide_again(total, ints(self.weights), current=ints(current), **kept)  # type: ignore[arg-type]  # bounds and names
        )
        assert not isinstance(found, Indivisible), found
        return [int(one) for one in found]


@st.composite
def some_sites(draw: st.DrawFn) -> Sites:
    count = draw(st.integers(1, 6))
    largest = draw(st.sampled_from([2, 10, 1_000, 2**31 - 1, 2**53 - 1]))
    several = {"min_size": count, "max_size": count}
    weights = draw(st.lists(st.integers(0, largest), **several))
    least = draw(st.lists(st.sampled_from([0, 0, 0, 1, 3]), **several))
    room = draw(st.lists(st.sampled_from([0, 1, 4, 9, 30]), **several))
    return Sites(weights, least, [low + more for low, more in zip(least, room, strict=True)], draw(st.text(max_size=4)))


@SETTINGS
@given(some_sites())
def test_every_total_is_divided_as_if_replicas_were_given_one_by_one(sites: Sites) -> None:
    for total, expected in sites.steps.one_by_one():
        assert sites.divided(total) == expected
        if total > 30:
            break


@SETTINGS
@given(some_sites())
def test_each_site_has_its_share_rounded_down_or_up_within_its_bounds_and_the_sum_is_the_total(sites: Sites) -> None:
    bottom, top = sites.limits
    for total in range(bottom, min(top, bottom + 40) + 1):
        found = sites.divided(total)
        assert sum(found) == total
        for has, share, low, high in zip(found, sites.steps.shares(total), sites.least, sites.most, strict=True):
            assert floor(share) <= has <= ceil(share)
            assert low <= has <= max(low, high)


@SETTINGS
@given(some_sites())
def test_no_site_has_fewer_replicas_of_a_larger_total(sites: Sites) -> None:
    bottom, top = sites.limits
    before = sites.divided(bottom)
    for total in range(bottom + 1, min(top, bottom + 40) + 1):
        found = sites.divided(total)
        assert all(now >= then for now, then in zip(found, before, strict=True))
        before = found


@SETTINGS
@given(some_sites(), st.randoms(use_true_random=False))
def test_the_order_in_which_sites_are_given_does_not_matter(sites: Sites, random: object) -> None:
    order = list(range(len(sites.weights)))
    random.shuffle(order)  # type: ignore[attr-defined]  # hypothesis' random.Random
    bottom, top = sites.limits
    total = (bottom + top) // 2
    shuffled = divide(
        total,
        ints([sites.weights[place] for place in order]),
        ids=[sites.ids[place] for place in order],
        salt=sites.salt,
        at_least=ints([sites.least[place] for place in order]),
        at_most=ints([sites.most[place] for place in order]),
    )
    assert not isinstance(shuffled, Indivisible)
    expected = sites.divided(total)
    assert [int(one) for one in shuffled] == [expected[place] for place in order]


@pytest.mark.parametrize(
    ("weights", "least", "most"),
    [
        ([1224, 101, 296, 157, 4991, 880], [0, 1, 0, 0, 0, 0], [40, 100, 40, 99, 99, 1]),
        (
            [116, 909, 177, 111, 7724, 123, 284, 111, 134, 246, 199, 2757, 2450],
            [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0],
            [101, 41, 5, 3, 99, 99, 1, 5, 1, 1, 3, 5, 5],
        ),
        (
            [7416, 141, 147, 130, 315, 151, 171, 393, 136, 220, 1448, 282],
            [1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 2],
            [41, 3, 5, 5, 1, 40, 5, 1, 7, 1, 5, 7],
        ),
    ],
)
def test_a_replica_that_is_due_late_may_be_given_before_an_earlier_one_was_allowed(
    weights: list[int], least: list[int], most: list[int]
) -> None:
    sites = Sites(weights, least, most)
    for total, expected in sites.steps.one_by_one():
        assert sites.divided(total) == expected
        if total > 80:
            break


@pytest.mark.parametrize("largest", [7, 2**31 - 1])
@pytest.mark.parametrize("bounded", [False, True])
def test_ten_thousand_sites_and_a_million_replicas_keep_to_the_same_rules(largest: int, bounded: bool) -> None:
    count, total = 10_000, 700_001
    random = np.random.default_rng(7)
    weights = random.integers(1, largest, count, endpoint=True)
    ids = [f"site_{place:05}" for place in range(count)]
    least = random.integers(0, 3, count) if bounded else None
    most = random.integers(60, 400, count) if bounded else None
    found = divide(total, weights, ids=ids, salt="s", at_least=least, at_most=most)
    more = divide(total + 7, weights, ids=ids, salt="s", at_least=least, at_most=most)
    assert not isinstance(found, Indivisible)
    assert not isinstance(more, Indivisible)
    assert int(found.sum()) == total
    assert int(more.sum()) == total + 7
    assert np.all(more >= found)
    if least is not None and most is not None:
        assert np.all((least <= found) & (found <= most))
    else:
        whole = int(weights.sum())
        for has, weight in zip(found.tolist(), weights.tolist(), strict=True):
            assert total * weight // whole <= has <= -(-total * weight // whole)


@pytest.mark.parametrize(
    ("total", "weights", "least", "most", "expected"),
    [
        (0, [], [], [], []),
        (0, [3, 1], [0, 0], [9, 9], [0, 0]),
        (8, [3, 1], [0, 0], [9, 9], [6, 2]),
        (8, [3, 1], [0, 0], [4, 9], [4, 4]),
        (8, [3, 1], [0, 3], [9, 9], [5, 3]),
        (5, [3, 0], [0, 0], [9, 9], [5, 0]),
        (5, [3, 0], [0, 2], [9, 9], [3, 2]),
        (4, [0, 0], [1, 3], [9, 9], [1, 3]),
        (12, [6, 12, 18], [0, 0, 0], [6, 12, 18], [2, 4, 6]),
        (10, [50, 2, 2, 2], [0] * 4, [99] * 4, None),
    ],
)
def test_bounds_come_first_and_what_is_left_goes_by_weight(
    total: int, weights: list[int], least: list[int], most: list[int], expected: list[int] | None
) -> None:
    found = Sites(weights, least, most).divided(total)
    if expected is None:
        assert found[0] in (8, 9)
        assert sum(found) == total
    else:
        assert found == expected


@pytest.mark.parametrize(
    ("total", "weights", "least", "most", "expected", "words"),
    [
        (1, [1, 1], [1, 1], [5, 5], (2, 2), "1 replica cannot be divided: the sites take at least 2"),
        (11, [1, 1], [0, 0], [5, 5], (0, 10), "11 replicas cannot be divided: the sites take at most 10"),
        (7, [1, 0], [0, 1], [5, 5], (1, 6), "7 replicas cannot be divided: the sites take at most 6"),
        (3, [], [], [], (0, 0), "3 replicas cannot be divided: the sites take at most 0"),
        (3, [1, 1], [2, 0], [1, 5], None, "1 site must have more replicas than it may"),
    ],
)
def test_a_total_that_the_bounds_do_not_take_is_said_to_be_so(
    total: int,
    weights: list[int],
    least: list[int],
    most: list[int],
    expected: tuple[int, int] | None,
    words: str,
) -> None:
    ids = [str(place) for place in range(len(weights))]
    found = divide(total, ints(weights), ids=ids, salt="", at_least=ints(least), at_most=ints(most))
    assert isinstance(found, Indivisible)
    assert found.message == words
    if expected:
        # What is more than the total is not looked at.
        assert (found.least, min(found.most, 2 * total)) == expected
    else:
        assert found.crossed == (0,)


@pytest.mark.parametrize(
    ("total", "weights", "least", "words"),
    [
        (-1, [1], [0], "-1 replicas"),
        (1_000_001, [1], [0], "1000001 replicas"),
        (1, [-1], [0], "weight"),
        (1, [2**53], [0], "weight"),
        (1, [1], [-1], "fewer than 0"),
        (1, [1, 1], [0], "one length"),
    ],
)
def test_numbers_out_of_range_are_refused(total: int, weights: list[int], least: list[int], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        divide(total, ints(weights), ids=["a"] * len(weights), salt="", at_least=ints(least))


def test_a_tie_goes_to_the_smaller_weight_which_has_more_of_its_share_outstanding() -> None:
    # Shares of 2 are 1.33 and 0.67; second replica of one and first of the other are due at the same time.
    assert Sites([2, 1], [0, 0], [9, 9]).divided(2) == [1, 1]


def test_sites_of_one_weight_take_turns_over_deployments() -> None:
    ids = ["member1", "member2", "member3", "member4", "member5"]
    wins = np.zeros(5, dtype=np.int64)
    for deployment in range(1_000):
        found = divide(6, np.ones(5, dtype=np.int64), ids=ids, salt=f"deployment_{deployment}")
        assert not isinstance(found, Indivisible)
        wins += found - 1
    assert int(wins.sum()) == 1_000
    assert 160 <= int(wins.min()) <= int(wins.max()) <= 240


def test_one_deployment_has_one_answer_in_every_process() -> None:
    program = (
        "import numpy as np; from placement.division import divide;"
        "w = np.array([5, 5, 5, 2, 2, 1, 1, 1, 1, 7] * 9); ids = ['site_' + str(i) for i in range(90)];"
        "print([divide(t, w, ids=ids, salt='d').tolist() for t in range(0, 200, 7)])"
    )
    answers = printed_by_each(program, PYTHONPATH=os.pathsep.join(sys.path))
    assert len(answers) == 1


@SETTINGS
@given(some_sites(), st.data())
def test_what_runs_is_only_added_to_or_only_taken_from_whatever_the_weights_became(
    sites: Sites, data: st.DataObject
) -> None:
    bottom, top = sites.limits
    current = [
        data.draw(st.integers(low, high if weight else low))
        for weight, low, high in zip(sites.weights, sites.least, sites.most, strict=True)
    ]
    total = data.draw(st.integers(bottom, top))
    found = sites.divided(total, current)
    assert sum(found) == total
    changed = [now - then for now, then in zip(found, current, strict=True)]
    assert not (min(changed) < 0 < max(changed))
    assert sum(map(abs, changed)) == abs(total - sum(current))


@SETTINGS
@given(some_sites(), st.data())
def test_with_the_same_weights_what_runs_does_not_matter(sites: Sites, data: st.DataObject) -> None:
    bottom, top = sites.limits
    total, other = data.draw(st.integers(bottom, top)), data.draw(st.integers(bottom, top))
    assert sites.divided(total, sites.divided(other)) == sites.divided(total)


def test_a_site_that_is_closed_gives_what_it_had_to_the_others() -> None:
    assert Sites([1, 1, 1], [0, 0, 0], [0, 9, 9]).divided(6, [2, 2, 2]) == [0, 3, 3]
