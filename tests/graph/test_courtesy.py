"""The system's own changes are held back for the moment that deciding takes, and have half of the time at least."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.courtesy import HOLD_S, Courtesy

T = 1_000.0
MS = 0.001


def left(courtesy: Courtesy, now: float) -> float:
    return courtesy.left_s(now=now)


def test_nothing_is_held_back_while_nobody_is_about_to_change_anything():
    assert left(Courtesy(), T) == 0


def test_it_is_held_back_until_the_change_is_ready():
    courtesy = Courtesy()
    courtesy.begins(now=T)
    assert left(courtesy, T + MS) == pytest.approx(HOLD_S - MS)
    courtesy.ends(now=T + 2 * MS)
    assert left(courtesy, T + 2 * MS) == 0


def test_it_is_not_held_back_for_longer_than_a_moment():
    courtesy = Courtesy()
    courtesy.begins(now=T)
    assert left(courtesy, T + HOLD_S) == 0
    assert left(courtesy, T + 10 * HOLD_S) == 0


def test_of_several_changes_the_last_ends_it_and_none_prolongs_it():
    courtesy = Courtesy()
    courtesy.begins(now=T)
    courtesy.begins(now=T + 5 * MS)
    courtesy.ends(now=T + 6 * MS)
    assert left(courtesy, T + 6 * MS) == pytest.approx(HOLD_S - 6 * MS)
    courtesy.ends(now=T + 7 * MS)
    assert left(courtesy, T + 7 * MS) == 0


@pytest.mark.parametrize("took", [2 * MS, HOLD_S])
def test_afterwards_it_goes_on_for_as_long_as_it_was_held_back(took: float):
    courtesy = Courtesy()
    courtesy.begins(now=T)
    courtesy.ends(now=T + took)
    courtesy.begins(now=T + 1.9 * took)
    assert left(courtesy, T + 1.9 * took) == 0
    courtesy.ends(now=T + 2 * took)
    courtesy.begins(now=T + 2 * took)
    assert left(courtesy, T + 2 * took) == pytest.approx(HOLD_S)


@given(st.lists(st.tuples(st.sampled_from(["begins", "ends", "looks"]), st.floats(0, 0.03)), max_size=80))
def test_whatever_comes_at_least_half_of_the_time_is_the_systems_own(steps: list[tuple[str, float]]):
    courtesy, now, coming = Courtesy(), T, 0
    held = free = 0.0
    for what, passes in steps:
        # Whoever holds until `left_s` is over looks again then.
        stays = min(left(courtesy, now), passes)
        held, free = held + stays, free + passes - stays
        now += stays
        assert stays == passes or left(courtesy, now) == 0
        now += passes - stays
        if what == "begins":
            courtesy.begins(now=now)
            coming += 1
        elif what == "ends" and coming:
            courtesy.ends(now=now)
            coming -= 1
        assert 0 <= left(courtesy, now) <= HOLD_S
    assert held <= free + HOLD_S + 1e-6
