"""How fast replicas follow: the documentation's own behaviours, and bounds, windows and steps that always hold."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.kinds import (
    ScaleChange,
    ScalingBehaviour,
    ScalingLimit,
    ScalingMetric,
    ScalingPolicy,
    ScalingSelection,
    ScalingStep,
    ScalingStepUnit,
)
from lifecycle.autoscaling_pace import Asked, Paced, paced, recent_changes

NOW = 10_000_000
PODS, PERCENT = ScalingStepUnit.PODS, ScalingStepUnit.PERCENT


def step(unit: ScalingStepUnit, value: int, period_s: int = 60) -> ScalingStep:
    return ScalingStep(unit=unit, value=value, period_s=period_s)


def policy(
    least: int = 1, most: int = 1000, *, up: ScalingBehaviour | None = None, down: ScalingBehaviour | None = None
):
    return ScalingPolicy(
        id="scalingpolicy_1",
        name="web",
        tenant_id="tenant_1",
        deployment_id="deployment_1",
        component="web",
        metric=ScalingMetric.CPU_UTILIZATION,
        target=50,
        min_replicas=least,
        max_replicas=most,
        scale_up=up or ScalingBehaviour(),
        scale_down=down or ScalingBehaviour(),
    )


def ago(seconds: float) -> int:
    return NOW - int(seconds * 1000)


def found(of: ScalingPolicy, wanted: int, current: int, *, asked=(), changes=()) -> Paced:
    return paced(
        of,
        wanted=wanted,
        current=current,
        asked=[Asked(ago(seconds), replicas) for seconds, replicas in asked],
        changes=[ScaleChange(at=ago(seconds), before=before, after=after) for seconds, before, after in changes],
        now_ms=NOW,
    )


FAST_DOWN = ScalingBehaviour(stabilisation_s=0, steps=[step(PERCENT, 100, 15)])
TEN_OR_FOUR = ScalingBehaviour(stabilisation_s=0, steps=[step(PODS, 4), step(PERCENT, 10)])
FIVE_OR_TEN = ScalingBehaviour(
    stabilisation_s=0, steps=[step(PERCENT, 10), step(PODS, 5)], selection=ScalingSelection.MIN
)


@pytest.mark.parametrize(
    ("behaviour", "wanted", "current", "expected"),
    [
        # "the default: 100 % of the replicas or 4 pods in 15 s, whichever is more"
        pytest.param({}, 100, 1, 5, id="up-four-more"),
        pytest.param({}, 100, 10, 20, id="up-twice-as-many"),
        pytest.param({}, 12, 10, 12, id="up-what-is-wanted"),
        # The documentation's example: from 80 replicas, at most 10 % (8) or 4 in a minute, whichever is more.
        pytest.param({"down": TEN_OR_FOUR}, 10, 80, 72, id="down-ten-percent"),
        pytest.param({"down": TEN_OR_FOUR}, 10, 72, 64, id="down-ten-percent-rounded"),
        pytest.param({"down": TEN_OR_FOUR}, 10, 40, 36, id="down-from-forty-on-both-are-four"),
        pytest.param({"down": TEN_OR_FOUR}, 10, 39, 35, id="down-below-forty-four"),
        # "to ensure that no more than 5 Pods are removed per minute, use a second policy with MIN"
        pytest.param({"down": FIVE_OR_TEN}, 10, 80, 75, id="down-the-smaller-change"),
        pytest.param({"down": FIVE_OR_TEN}, 10, 30, 27, id="down-the-smaller-change-is-ten-percent"),
        pytest.param({"down": FAST_DOWN}, 0, 80, 1, id="down-at-once"),
        pytest.param(
            {"up": ScalingBehaviour(selection=ScalingSelection.DISABLED)}, 80, 10, 10, id="up-is-switched-off"
        ),
        pytest.param(
            {"down": ScalingBehaviour(selection=ScalingSelection.DISABLED)}, 10, 80, 80, id="down-is-switched-off"
        ),
    ],
)
def test_a_step_bounds_the_change(behaviour: dict, wanted: int, current: int, expected: int) -> None:
    assert found(policy(**behaviour), wanted, current).replicas == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([], 72),
        ([(30, 80, 72)], 72),
        ([(59.9, 84, 80), (10, 80, 72)], 72),
        ([(60, 80, 72)], 64),
        ([(30, 70, 72)], 63),
    ],
    ids=["first", "all-of-it-was-used", "used-in-two", "the-period-is-over", "what-was-added-is-taken-away-besides"],
)
def test_a_period_counts_what_was_changed_in_it(changes, expected: int) -> None:
    current = changes[-1][2] if changes else 80
    assert found(policy(down=TEN_OR_FOUR), 10, current, changes=changes).replicas == expected


def test_down_the_greatest_of_the_window_counts_and_up_the_least() -> None:
    of = policy(up=ScalingBehaviour(stabilisation_s=60), down=FAST_DOWN)
    assert found(of, 9, 5, asked=[(70, 5), (50, 7), (20, 9)]) == Paced(7, 9, ScalingLimit.STABILISATION)
    assert found(policy(), 2, 10, asked=[(301, 10), (200, 6), (20, 3)]) == Paced(6, 2, ScalingLimit.STABILISATION)
    assert found(policy(), 2, 10, asked=[(301, 10)]) == Paced(2, 2, ScalingLimit.NONE)


def test_the_limit_says_what_keeps_the_number_from_what_is_asked_for() -> None:
    assert found(policy(most=6), 9, 5) == Paced(6, 6, ScalingLimit.MAX_REPLICAS)
    assert found(policy(most=6), 9, 6) == Paced(6, 6, ScalingLimit.MAX_REPLICAS)
    assert found(policy(least=3, down=FAST_DOWN), 1, 5) == Paced(3, 3, ScalingLimit.MIN_REPLICAS)
    assert found(policy(), 100, 10) == Paced(20, 100, ScalingLimit.RATE)
    assert found(policy(), 5, 5) == Paced(5, 5, ScalingLimit.NONE)
    assert found(policy(up=ScalingBehaviour(selection=ScalingSelection.DISABLED)), 9, 5).limited_by is (
        ScalingLimit.DISABLED
    )


def test_a_number_outside_of_the_bounds_is_brought_in_at_once() -> None:
    slow = ScalingBehaviour(stabilisation_s=3600, steps=[step(PODS, 1, 1800)])
    of = policy(least=4, most=8, up=slow, down=slow)
    assert found(of, 8, 1, changes=[(5, 3, 1)]).replicas == 4
    assert found(of, 1, 20, asked=[(5, 20)]).replicas == 8


def test_changes_are_remembered_for_the_longest_period() -> None:
    of = policy(up=ScalingBehaviour(steps=[step(PODS, 1, 120)]), down=FAST_DOWN)
    changes = [ScaleChange(at=ago(seconds), before=1, after=2) for seconds in (130, 119, 3)]
    assert recent_changes(of, changes, now_ms=NOW) == changes[1:]


STEPS = st.lists(
    st.builds(
        ScalingStep, unit=st.sampled_from(ScalingStepUnit), value=st.integers(1, 200), period_s=st.integers(1, 120)
    ),
    max_size=3,
)
BEHAVIOURS = st.builds(
    ScalingBehaviour,
    stabilisation_s=st.none() | st.integers(0, 400),
    selection=st.sampled_from(ScalingSelection),
    steps=STEPS,
)


@st.composite
def policies(draw) -> ScalingPolicy:
    least = draw(st.integers(1, 20))
    return policy(least, draw(st.integers(least, 60)), up=draw(BEHAVIOURS), down=draw(BEHAVIOURS))


@st.composite
def runs(draw) -> tuple[ScalingPolicy, int, list[int]]:
    of = draw(policies())
    return of, draw(st.integers(of.min_replicas, of.max_replicas)), draw(st.lists(st.integers(0, 80), max_size=40))


def followed(of: ScalingPolicy, current: int, wanted: list[int], *, every_s: int = 15):
    """(time, wanted, before, after) of each round."""
    asked: list[Asked] = []
    changes: list[ScaleChange] = []
    for nth, number in enumerate(wanted):
        now = NOW + nth * every_s * 1000
        got = paced(of, wanted=number, current=current, asked=asked, changes=changes, now_ms=now)
        asked.append(Asked(now, number))
        if got.replicas != current:
            changes.append(ScaleChange(at=now, before=current, after=got.replicas))
        yield now, number, current, got
        current = got.replicas


@settings(max_examples=150)
@given(runs())
def test_replicas_stay_within_the_bounds_and_on_the_way_to_what_is_asked_for(run) -> None:
    of, current, wanted = run
    rounds = list(followed(of, current, wanted))
    for nth, (now, _, before, got) in enumerate(rounds):
        assert of.min_replicas <= got.replicas <= of.max_replicas
        assert of.min_replicas <= got.desired <= of.max_replicas
        up_s = 0 if of.scale_up.stabilisation_s is None else of.scale_up.stabilisation_s
        down_s = 300 if of.scale_down.stabilisation_s is None else of.scale_down.stabilisation_s
        if got.replicas > before:
            assert of.scale_up.selection is not ScalingSelection.DISABLED
            within = [number for at, number, _, _ in rounds[: nth + 1] if now - at < up_s * 1000 or at == now]
            assert got.replicas <= max(min(within), of.min_replicas), "never above the least of the window"
        if got.replicas < before:
            assert of.scale_down.selection is not ScalingSelection.DISABLED
            within = [number for at, number, _, _ in rounds[: nth + 1] if now - at < down_s * 1000 or at == now]
            assert got.replicas >= min(max(within), of.max_replicas), "never below the greatest of the window"


@settings(max_examples=150)
@given(runs())
def test_no_direction_is_turned_within_a_window(run) -> None:
    of, current, wanted = run
    last_up: int | None = None
    down_s = 300 if of.scale_down.stabilisation_s is None else of.scale_down.stabilisation_s
    for now, number, before, got in followed(of, current, wanted):
        if got.replicas > before:
            last_up = now
        if got.replicas < before and last_up is not None:
            assert now - last_up >= down_s * 1000, "what was added stays for a window"
        assert not (got.replicas > before and number <= before)
        assert not (got.replicas < before and number >= before)


@given(policies(), st.integers(0, 80), st.integers(0, 80), st.data())
def test_who_asks_for_more_never_gets_less(of, one, other, data) -> None:
    current = data.draw(st.integers(of.min_replicas, of.max_replicas))
    asked = data.draw(st.lists(st.tuples(st.floats(0, 500), st.integers(0, 80)), max_size=8))
    low, high = sorted((one, other))
    assert found(of, low, current, asked=asked).replicas <= found(of, high, current, asked=asked).replicas
