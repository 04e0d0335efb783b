"""How fast replicas follow what is asked for: bounds, windows and steps, as the Kubernetes HorizontalPodAutoscaler has them.

Of the numbers that were asked for within a window the most careful counts: the least when replicas are added, the most when
they are taken away. What then remains may change by so much in a period, counted from what there was when the period began.
The bounds hold in any case; a number outside of them is brought to the nearer one at once. (Kubernetes documentation,
"Horizontal Pod Autoscaling", configurable scaling behaviour.)

A pure function: what was asked for and what was changed before come in as values with their times.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from graph.kinds import (
    ScaleChange,
    ScalingBehaviour,
    ScalingLimit,
    ScalingPolicy,
    ScalingSelection,
    ScalingStep,
    ScalingStepUnit,
)

UP_WINDOW_S = 0
DOWN_WINDOW_S = 300
UP_STEPS = (
    ScalingStep(unit=ScalingStepUnit.PERCENT, value=100, period_s=15),
    ScalingStep(unit=ScalingStepUnit.PODS, value=4, period_s=15),
)
DOWN_STEPS = (ScalingStep(unit=ScalingStepUnit.PERCENT, value=100, period_s=15),)


class Asked(NamedTuple):
    """A number of replicas that was asked for."""

    at_ms: int
    replicas: int


class Paced(NamedTuple):
    """What is to be."""

    replicas: int
    desired: int
    """What is asked for within the bounds."""
    limited_by: ScalingLimit


def up_steps(policy: ScalingPolicy) -> Sequence[ScalingStep]:
    """How much may be added within which periods."""
    return policy.scale_up.steps or UP_STEPS


def down_steps(policy: ScalingPolicy) -> Sequence[ScalingStep]:
    """How much may be taken away within which periods."""
    return policy.scale_down.steps or DOWN_STEPS


def up_window_s(policy: ScalingPolicy) -> int:
    """Seconds of which the least number counts."""
    return UP_WINDOW_S if policy.scale_up.stabilisation_s is None else policy.scale_up.stabilisation_s


def down_window_s(policy: ScalingPolicy) -> int:
    """Seconds of which the greatest number counts."""
    return DOWN_WINDOW_S if policy.scale_down.stabilisation_s is None else policy.scale_down.stabilisation_s


def longest_window_s(policy: ScalingPolicy) -> int:
    """Seconds for which what was asked for still counts."""
    return max(up_window_s(policy), down_window_s(policy))


def recent_changes(policy: ScalingPolicy, changes: Iterable[ScaleChange], *, now_ms: int) -> list[ScaleChange]:
    """The changes that still count for some step."""
    longest = max(one.period_s for one in (*up_steps(policy), *down_steps(policy)))
    return [one for one in changes if _within(one.at, longest, now_ms)]


def paced(
    policy: ScalingPolicy,
    *,
    wanted: int,
    current: int,
    asked: Iterable[Asked],
    changes: Sequence[ScaleChange],
    now_ms: int,
) -> Paced:
    """The replicas that a site gets, when `wanted` is what its measurements ask for now.

    `asked` is what was asked for before, `changes` what was changed; times that lie ahead count as now.
    """
    least, most = policy.min_replicas, policy.max_replicas
    desired = min(max(wanted, least), most)
    if current < least:
        return Paced(least, desired, ScalingLimit.NONE)
    if current > most:
        return Paced(most, desired, ScalingLimit.NONE)
    replicas = _stabilised(policy, wanted, current=current, asked=asked, now_ms=now_ms)
    limited = ScalingLimit.NONE if replicas == wanted else ScalingLimit.STABILISATION
    # Bounds are told before windows: they are what somebody can change.
    if wanted != desired and min(max(replicas, least), most) == desired:
        limited = ScalingLimit.MAX_REPLICAS if wanted > most else ScalingLimit.MIN_REPLICAS
    replicas = min(max(replicas, least), most)
    if replicas == current:
        return Paced(current, desired, limited)
    up = replicas > current
    behaviour = policy.scale_up if up else policy.scale_down
    if behaviour.selection is ScalingSelection.DISABLED:
        return Paced(current, desired, ScalingLimit.DISABLED)
    steps = up_steps(policy) if up else down_steps(policy)
    bound = _furthest(behaviour, steps, current=current, changes=changes, now_ms=now_ms, up=up)
    if up and replicas > bound:
        return Paced(bound, desired, ScalingLimit.RATE)
    if not up and replicas < bound:
        return Paced(bound, desired, ScalingLimit.RATE)
    return Paced(replicas, desired, limited)


def _stabilised(policy: ScalingPolicy, wanted: int, *, current: int, asked: Iterable[Asked], now_ms: int) -> int:
    up_s, down_s = up_window_s(policy), down_window_s(policy)
    low = high = wanted
    for one in asked:
        if _within(one.at_ms, up_s, now_ms):
            low = min(low, one.replicas)
        if _within(one.at_ms, down_s, now_ms):
            high = max(high, one.replicas)
    return min(max(current, low), high)


def _furthest(
    behaviour: ScalingBehaviour,
    steps: Sequence[ScalingStep],
    *,
    current: int,
    changes: Sequence[ScaleChange],
    now_ms: int,
    up: bool,
) -> int:
    """How far replicas may go in a direction now; not to the other side of the current number."""
    proposed = []
    for step in steps:
        began = current - sum(one.after - one.before for one in changes if _within(one.at, step.period_s, now_ms))
        if step.unit is ScalingStepUnit.PODS:
            proposed.append(began + step.value if up else began - step.value)
        elif up:
            # Whole numbers of hundredths: a product of floats may lie just above a whole number.
            proposed.append(-(-began * (100 + step.value) // 100))
        else:
            proposed.append(math.trunc(began * (100 - step.value) / 100))
    widest = behaviour.selection is ScalingSelection.MAX
    chosen = max(proposed) if up is widest else min(proposed)
    return max(chosen, current) if up else min(max(chosen, 0), current)


def _within(at_ms: int, seconds: int, now_ms: int) -> bool:
    """Whether a time lies in the last so many seconds; the clock may have been set back since."""
    return now_ms - at_ms < seconds * 1000
