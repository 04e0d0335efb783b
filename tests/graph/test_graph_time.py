"""The graph's own time: never back, never standing, and the machine's again as soon as that has caught up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from graph.graph_time import GraphTime

HOUR_MS = 3_600_000
BEGAN_MS = 10 * HOUR_MS


def readings(clock: list[tuple[int, int]], *, least_ms: int = 0) -> list[int]:
    """What is read at these moments: milliseconds that have passed, and the machine's clock then."""
    now = (0, 0)
    time = GraphTime(lambda: now[1], monotonic=lambda: now[0] / 1000)
    found = []
    for now in clock:  # noqa: B007 - the two clocks read it
        found.append(time.now_ms(least_ms=least_ms))
    return found


def test_it_is_the_clocks_while_that_is_right() -> None:
    assert readings([(0, 5), (4, 9), (4, 9), (995, 1_000)]) == [5, 9, 9, 1_000]


def test_it_goes_at_half_the_rate_when_the_clock_was_set_back_until_both_are_the_same() -> None:
    clock = [(0, BEGAN_MS), *((600_000 * one, BEGAN_MS - HOUR_MS + 600_000 * one) for one in range(14))]
    found = readings(clock)
    assert found[1] == BEGAN_MS, "the jump itself takes no time"
    assert found[1:13] == [BEGAN_MS + 300_000 * one for one in range(12)]
    assert found[13:] == [now for _, now in clock[13:]]


def test_a_clock_that_is_set_back_and_forth_takes_it_nowhere() -> None:
    there_and_back = [(2 * one, BEGAN_MS + 2 * one - (HOUR_MS if one % 2 else 0)) for one in range(13)]
    assert readings(there_and_back)[-1] == BEGAN_MS + 24


def test_a_graph_that_is_ahead_of_a_process_that_begins_is_caught_up_with() -> None:
    assert readings([(0, 1_000), (100, 1_100), (2_000, 3_000)], least_ms=2_000) == [2_000, 2_050, 3_000]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 300)), min_size=1, max_size=60), st.integers(0, HOUR_MS))
def test_processes_that_write_by_turns_do_not_hurry_it(turns: list[tuple[int, int]], ahead_ms: int) -> None:
    passed = 0
    times = [GraphTime(lambda: BEGAN_MS + passed, monotonic=lambda: passed / 1000) for _ in range(5)]
    newest = BEGAN_MS + ahead_ms
    for process, more in turns:
        passed += more
        newest = times[process].now_ms(least_ms=newest)
        assert newest <= max(BEGAN_MS + passed, BEGAN_MS + ahead_ms + passed // 2)


@given(st.lists(st.integers(0, 10_000), min_size=1), st.integers(0, 10_000))
def test_it_never_falls_nor_is_behind_the_clock_or_the_graph(clock: list[int], least_ms: int) -> None:
    found = readings([(7 * at, now) for at, now in enumerate(clock)], least_ms=least_ms)
    assert found == sorted(found)
    assert all(one >= max(now, least_ms) for one, now in zip(found, clock, strict=True))


def test_many_short_readings_are_as_much_as_a_long_one() -> None:
    short = [(0, 5_000), *((one, 1_000 + one) for one in range(101))]
    assert readings(short)[-1] == readings([(0, 5_000), (0, 1_000), (100, 1_100)])[-1] == 5_050
