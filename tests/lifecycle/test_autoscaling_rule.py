"""How many replicas a measurement asks for: worked examples of the Kubernetes documentation, edges, what always holds."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.autoscaling_rule import Measured, recommended


def asked(
    *ready: float,
    whole: float | None = None,
    current: int | None = None,
    target: float = 100,
    busy: float | None = None,
    tolerance: float = 0.1,
    missing: int = 0,
    unready: int = 0,
) -> int | None:
    measured = Measured(whole=whole, ready=ready, missing=missing, unready=unready)
    there = len(ready) + missing + unready if current is None else current
    return recommended(measured, current=there, target=target, busy=busy or target, tolerance=tolerance)


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        # "If the current metric value is 200m and the desired value is 100m, the number of replicas will be doubled."
        pytest.param({"ready": [200]}, 2, id="doubled"),
        pytest.param({"ready": [200] * 3}, 6, id="doubled-three"),
        # "If the current value is instead 50m, you'll halve the number of replicas."
        pytest.param({"ready": [50] * 4}, 2, id="halved"),
        pytest.param({"ready": [50] * 3}, 2, id="halved-and-rounded-up"),
        # "The control plane skips any scaling action if the ratio is sufficiently close to 1.0."
        pytest.param({"ready": [110] * 10}, 10, id="at-the-upper-edge-of-the-tolerance"),
        pytest.param({"ready": [90] * 10}, 10, id="at-the-lower-edge-of-the-tolerance"),
        pytest.param({"ready": [111] * 10}, 12, id="above-the-tolerance"),
        pytest.param({"ready": [89] * 10}, 9, id="below-the-tolerance"),
        pytest.param({"ready": [105] * 10, "tolerance": 0.0}, 11, id="without-a-tolerance"),
        pytest.param({"ready": [100] * 7, "tolerance": 0.0}, 7, id="exactly-the-target"),
        # Idle on the way up, busy on the way down.
        pytest.param({"ready": [300, 300], "missing": 1}, 6, id="more-with-one-missing"),
        pytest.param({"ready": [120, 120], "missing": 1}, 3, id="missing-turn-it-round-to-no-change"),
        pytest.param({"ready": [40, 40], "missing": 1}, 2, id="fewer-with-one-missing"),
        pytest.param({"ready": [80, 80], "missing": 2}, 4, id="missing-keep-what-is-there"),
        pytest.param({"ready": [45], "missing": 1, "target": 50, "busy": 100}, 2, id="missing-are-wholly-busy"),
        pytest.param({"ready": [300, 300], "unready": 2}, 6, id="those-not-ready-are-idle-on-the-way-up"),
        pytest.param({"ready": [150, 150], "unready": 1}, 3, id="those-not-ready-damp"),
        pytest.param({"ready": [50, 50], "unready": 2}, 1, id="those-not-ready-do-not-count-on-the-way-down"),
        pytest.param({"ready": [], "missing": 3}, None, id="nothing-measured"),
        pytest.param({"ready": [], "unready": 3}, None, id="nothing-ready"),
        # Of all together.
        pytest.param({"ready": [], "whole": 450, "current": 1}, 5, id="whole"),
        pytest.param({"ready": [], "whole": 0, "current": 3}, 0, id="whole-of-nothing"),
        pytest.param({"ready": [], "whole": 320, "current": 3}, 3, id="whole-within-the-tolerance"),
        pytest.param({"ready": [], "whole": 700, "current": 3, "target": 7}, 100, id="whole-without-rounding-error"),
    ],
)
def test_the_number_follows_the_ratio(given_: dict, expected: int | None) -> None:
    given_ = dict(given_)
    assert asked(*given_.pop("ready"), **given_) == expected


VALUES = st.floats(0, 1e6)
TARGETS = st.floats(0.1, 1e4)
COUNTS = st.integers(0, 20)


@given(st.lists(VALUES, min_size=1, max_size=20), TARGETS, COUNTS, COUNTS, st.floats(0, 1))
def test_what_is_not_known_never_makes_more_happen(ready, target, missing, unready, tolerance) -> None:
    current = len(ready) + missing + unready
    got = recommended(
        Measured(ready=tuple(ready), missing=missing, unready=unready),
        current=current,
        target=target,
        busy=target,
        tolerance=tolerance,
    )
    plain = math.fsum(ready) / (target * len(ready))
    assert got is not None
    if got > current:
        assert plain > 1
        assert got <= math.ceil(math.fsum(ready) / target * (1 + 1e-9)), "no more than what was measured asks for"
    if got < current and missing + unready == 0:
        assert plain < 1


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.integers(1, 1000), TARGETS, st.floats(0, 1))
def test_more_load_never_asks_for_fewer_when_it_is_measured_as_a_whole(one, other, current, target, tolerance) -> None:
    low, high = sorted((one, other))
    numbers = [
        recommended(Measured(whole=value), current=current, target=target, busy=target, tolerance=tolerance)
        for value in (low, high)
    ]
    assert numbers[0] <= numbers[1]


@given(st.lists(VALUES, min_size=1, max_size=20), st.floats(1, 10), TARGETS, COUNTS, COUNTS)
def test_more_load_never_asks_for_fewer_when_replicas_are_measured(ready, factor, target, missing, unready) -> None:
    def number(values: list[float]) -> int:
        found = recommended(
            Measured(ready=tuple(values), missing=missing, unready=unready),
            current=len(values) + missing + unready,
            target=target,
            busy=target,
            tolerance=0.1,
        )
        assert found is not None
        return found

    assert number(ready) <= number([value * factor for value in ready])


def test_no_measurement_is_too_large() -> None:
    assert asked(1e308, target=1e-300) > 1_000
    assert asked(whole=1e308, current=1, target=1e-300) > 1_000
