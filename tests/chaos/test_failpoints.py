"""A process that dies before or after any commit of its store or any call of a driver: another one goes on from there.

The points are counted by a run in which nobody dies; then every one of them is died at, in each scenario. Whoever was not
answered asks again under the same key. In the end all is done, once, and what the dead process had still sent changes
nothing when it arrives.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import pytest

from faultkit import broken
from faultkit.crashes import OBSERVATIONS, die_at, passed
from faultkit.lives import Installation
from faultkit.scenarios import SCENARIOS
from storekit.wrappers import AnswersEarly

Broken = Callable[[], AbstractContextManager[None]]


pytestmark = pytest.mark.usefixtures("quiet_logs")


@dataclass
class Toll:
    """What a test of failpoints did."""

    deaths: int = 0
    sorts: int = 0
    """Of points: before or after which commit or which call."""


def die_everywhere(name: str, *, observations: int = OBSERVATIONS, components: int = 1) -> Toll:
    """Dies once at every point of a scenario."""
    scenario = SCENARIOS[name]
    whole = Counter(passed(scenario, observations=observations, components=components))
    died: Counter[str] = Counter()
    while True:
        point = die_at(scenario, died.total() + 1, observations=observations, components=components)
        if point is None:
            break
        died[point] += 1
    # What shares a commit and what is observed when differs a little from run to run; no other sort is left out.
    assert {point for point in whole if "+" not in point and "observe" not in point} <= set(died)
    assert died.total() >= 0.8 * whole.total()
    return Toll(died.total(), len(died))


@pytest.mark.parametrize("name", SCENARIOS)
def test_whichever_point_a_process_dies_at_another_goes_on(name: str) -> None:
    die_everywhere(name)


@pytest.mark.chaos
@pytest.mark.parametrize("components", [2, 3, 4])
@pytest.mark.parametrize("name", SCENARIOS)
def test_whichever_point_a_larger_process_dies_at_another_goes_on(report, name: str, components: int) -> None:
    report(f"failpoints, {name}", die_everywhere(name, observations=1_000, components=components))


def caught(name: str, *, within: int, **given) -> str | None:
    """The first failure of the same check, over the points of a scenario; None when there is none."""
    for number in range(1, within):
        try:
            if die_at(SCENARIOS[name], number, **given) is None:
                return None
        except AssertionError as problem:
            return str(problem)
    return None


@pytest.mark.parametrize(
    ("defence", "name", "says"),
    [
        (broken.without_the_fence, "cancel", "over"),
        (broken.without_idempotence, "update", "applied twice to effect"),
        (broken.called_before_it_is_claimed, "abandon", "the backends have"),
        (broken.without_comparing_at_the_start, "update", "never came"),
        (broken.without_new_generations, "update", "never came"),
        (broken.whoever_else_may_run, "single failover with fence", "was there"),
        (broken.started_beside_the_old_copy, "single drain", "was there"),
        (broken.withdrawn_once_replaced, "drain, dependents first", "was removed while"),
        (broken.without_steps_remembered, "autoscale", "a step was taken twice in its period"),
    ],
)
def test_without_a_defence_the_same_check_fails(defence: Broken, name: str, says: str) -> None:
    with defence():
        found = caught(name, within=150)
    assert found is not None, "nothing was found"
    assert says in found, found


def test_a_change_asked_again_without_its_key_is_found_done_twice() -> None:
    found = caught("update", within=8, keyed=False)
    assert found is not None
    assert "operations were begun for" in found, found


def test_an_acknowledgement_before_the_commit_is_found_out() -> None:
    def early(folder) -> Installation:
        return Installation(folder, store_of=AnswersEarly)

    found = caught("update", within=30, made=early)
    assert found is not None
    assert "lost" in found, found
