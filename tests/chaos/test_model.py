"""Every verb, every fault and deaths at any point, in any order, against an oracle."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from faultkit import broken
from faultkit.machine import Lives
from faultkit.machine_lives import Lived

Broken = Callable[[], AbstractContextManager[None]]

pytestmark = pytest.mark.usefixtures("quiet_logs")


@dataclass
class Toll:
    """What a test of the model did."""

    steps: int = 0
    deaths: int = 0
    copies_moved: int = 0
    """Of what must never run twice, each to where no other was."""
    left_in_order: int = 0
    """How often what another component depends on left a place, after that one."""
    sites_declared_lost: int = 0
    hangs: int = 0
    """Of the control plane."""
    late: int = 0
    """Calls that it did later, for nobody who still waited."""
    examples: int = 0


def steps_of(*, examples: int, steps: int, number: int) -> Toll:
    """So many examples, which follow from a number; a failure is told with the steps that led to it."""
    before = _counted()
    machine = seed(number)(type("Lives", (Lives,), {}))
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
    return Toll(*(now - then for now, then in zip(_counted(), before, strict=True)), examples=examples)


def _counted() -> tuple[int, ...]:
    """What all machines have done by now."""
    one = Lived
    return one.steps, one.deaths, one.copies_moved, one.left_in_order, one.words, one.hangs, one.late


def test_whatever_is_asked_and_whatever_fails_the_oracle_is_right() -> None:
    toll = steps_of(examples=20, steps=40, number=1)
    assert toll.steps > 400
    assert toll.deaths > 0
    assert toll.copies_moved > 0
    assert toll.left_in_order > 0
    assert toll.hangs > 0


@pytest.mark.chaos
@pytest.mark.parametrize("number", range(100, 108))
def test_over_twenty_thousand_steps_the_oracle_is_right(report, number: int) -> None:
    toll = steps_of(examples=90, steps=50, number=number)
    report("the model of all verbs and faults", toll)
    assert toll.steps > 2_500
    assert toll.copies_moved > 20


SEEDS = range(2, 14)
"""From which sequences are drawn, one after the other, until one meets what is broken."""


def until_found_out(*, first: int = SEEDS[0]) -> None:
    """`first` is the seed to begin with, where it was met when it was last looked for; all others follow."""
    for number in (first, *(one for one in SEEDS if one != first)):
        steps_of(examples=20, steps=40, number=number)


NOT_BEGUN_ANEW = r"rest never came; releases .*'PENDING', (\d+), \1, True"
"""A release is to be worked on, at the generation that it has already."""


def test_without_new_generations_the_oracle_finds_it() -> None:
    with broken.without_new_generations(), pytest.raises(AssertionError, match=NOT_BEGUN_ANEW):
        until_found_out()


OUTRUN = r"generation \d+ (applied|removed) over \d+|orphans"
"""A call that arrived late was done: over something newer, or after what it is for had been given up."""


def test_without_a_fence_calls_that_arrive_late_are_found_out() -> None:
    with broken.without_the_fence(), pytest.raises(AssertionError, match=OUTRUN):
        until_found_out(first=7)


@pytest.mark.parametrize(
    ("defence", "first"), [(broken.whoever_else_may_run, 2), (broken.started_beside_the_old_copy, 5)]
)
def test_a_second_copy_of_what_must_never_run_twice_is_found_out(defence: Broken, first: int) -> None:
    with defence(), pytest.raises(AssertionError, match=r"came while .* was there"):
        until_found_out(first=first)
