"""Changes cancelled and rolled back at random moments: what was asked for last is there, and nothing else."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from faultkit import broken
from faultkit.logical_time import run
from faultkit.memory import memory_folder
from faultkit.moments import Toll, taken_back

pytestmark = pytest.mark.usefixtures("quiet_logs")


def moments(*, worlds: range, count: int) -> Toll:
    """So many in each of some worlds, which follow from their numbers."""
    toll = Toll()
    for seed in worlds:
        with tempfile.TemporaryDirectory(dir=memory_folder()) as folder:
            run(taken_back(Path(folder), count=count, seed=seed, toll=toll), seed=seed)
    return toll


def check_toll(toll: Toll, *, count: int) -> None:
    """As many moments as were to be, of which enough were in time to be cancelled, and enough were rolled back."""
    assert toll.moments == count
    assert toll.cancelled + toll.too_late + toll.rolled_back == count
    assert toll.cancelled > count / 6
    assert toll.rolled_back > count / 3


def test_what_is_taken_back_at_any_moment_is_as_it_was() -> None:
    check_toll(moments(worlds=range(3), count=40), count=120)


@pytest.mark.chaos
@pytest.mark.parametrize("part", range(4))
def test_what_is_taken_back_at_two_thousand_moments_is_as_it_was(report, part: int) -> None:
    toll = moments(worlds=range(100 + part * 10, 110 + part * 10), count=50)
    report("cancelled or rolled back at a random moment", toll)
    check_toll(toll, count=500)


def test_a_cancellation_that_only_forgets_is_found_out() -> None:
    with broken.cancelled_by_forgetting(), pytest.raises(AssertionError, match="asked for was"):
        moments(worlds=range(1), count=20)


def test_a_rollback_that_changes_nothing_that_runs_is_found_out() -> None:
    with broken.rolled_back_in_name_alone(), pytest.raises(AssertionError, match="asked for was"):
        moments(worlds=range(1), count=20)
