"""The choice of sites: as few and as good as looking at every choice finds."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from placement.choice import best, cover, most_served


@st.composite
def instances(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    sites, places = draw(st.integers(1, 8)), draw(st.integers(1, 5))
    reached = np.array(draw(st.lists(st.lists(st.booleans(), min_size=places, max_size=places), min_size=sites,
                                     max_size=sites)))  # fmt: skip
    reached[0, ~reached.any(axis=0)] = True
    scores = np.array(draw(st.lists(st.integers(0, 8), min_size=sites, max_size=sites))) / 4
    return reached, scores


def brute_force(reached: np.ndarray, scores: np.ndarray) -> tuple[int, float]:
    for size in range(1, len(reached) + 1):
        covers = [
            float(scores[list(chosen)].sum())
            for chosen in itertools.combinations(range(len(reached)), size)
            if reached[list(chosen)].any(axis=0).all()
        ]
        if covers:
            return size, max(covers)
    raise AssertionError("every place is served by some site")


@settings(max_examples=120, deadline=None)
@given(instances())
def test_a_cover_has_the_fewest_sites_and_of_these_the_greatest_score(
    instance: tuple[np.ndarray, np.ndarray],
) -> None:
    reached, scores = instance
    found = cover(reached, scores)
    assert reached[found.rows].any(axis=0).all()
    assert found.rows == sorted(set(found.rows))
    assert found.proven
    assert (len(found.rows), round(float(scores[found.rows].sum()), 6)) == brute_force(reached, scores)


def test_without_places_no_site_is_needed() -> None:
    assert cover(np.ones((3, 0), dtype=bool), np.ones(3)).rows == []


def test_ties_go_to_the_smaller_row() -> None:
    assert cover(np.ones((4, 2), dtype=bool), np.ones(4)).rows == [0]
    assert best(np.array([1.0, 2.0, 2.0, 2.0]), np.array([True, True, False, True]), 2) == [1, 3]


def test_a_problem_too_large_for_an_exact_answer_is_covered_all_the_same() -> None:
    random = np.random.default_rng(7)
    reached = random.random((6_000, 120)) < 0.05
    reached[0, ~reached.any(axis=0)] = True
    scores = random.random(6_000)
    found = cover(reached, scores)
    assert reached[found.rows].any(axis=0).all()
    assert not found.proven
    # No site of it can be spared.
    for row in found.rows:
        rest = [one for one in found.rows if one != row]
        assert not reached[rest].any(axis=0).all()
    assert cover(reached, scores).rows == found.rows


def test_as_many_places_as_possible_are_served_when_not_all_can_be() -> None:
    reached = np.array([[1, 1, 0, 0], [0, 1, 1, 1], [1, 0, 0, 0]], dtype=bool)
    assert most_served(reached, np.zeros(3), sites=1) == [1]
