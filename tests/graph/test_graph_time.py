"""The graph's own time: never back, never standing, and the machine's again as soon as that has caught up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from graph.graph_time import GraphTime

HOUR_MS = 3_600_000


def readings(clock: list[int], *, least_ms: int = 0) -> list[int]:
    waiting = iter(clock)
    time = GraphTime(lambda: next(waiting))
    return [time.now_ms(least_ms=least_ms) for _ in clock]


def test_it_is_the_clocks_while_that_rises() -> None:
    assert readings([5, 9, 9, 1_000]) == [5, 9, 9, 1_000]


def test_it_goes_at_half_the_rate_when_the_clock_was_set_back_until_both_are_the_same() -> None:
    began = 10 * HOUR_MS
    clock = [began, *(began - HOUR_MS + 600_000 * one for one in range(14))]
    found = readings(clock)
    assert found[1] == began, "the jump itself takes no time"
    assert found[1:13] == [began + 300_000 * one for one in range(12)]
    assert found[13:] == clock[13:]


def test_a_graph_that_is_ahead_of_a_process_that_begins_is_caught_up_with() -> None:
    assert readings([1_000, 1_100, 3_000], least_ms=2_000) == [2_000, 2_050, 3_000]


@given(st.lists(st.integers(0, 10_000), min_size=1), st.integers(0, 10_000))
def test_it_never_falls_nor_is_behind_the_clock_or_the_graph(clock: list[int], least_ms: int) -> None:
    found = readings(clock, least_ms=least_ms)
    assert found == sorted(found)
    assert all(one >= max(now, least_ms) for one, now in zip(found, clock, strict=True))


def test_many_short_readings_are_as_much_as_a_long_one() -> None:
    assert readings([5_000, *range(1_000, 1_101)])[-1] == readings([5_000, 1_000, 1_100])[-1] == 5_050
