"""A process that lives for a day while everything goes wrong again and again: it holds no more at the end than before.

In logical time, whose day takes minutes; with the model's verbs, faults and oracle.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import pytest

from faultkit import broken
from faultkit.soak import soaking

pytestmark = pytest.mark.usefixtures("quiet_logs")
STEPS = 16
"""In a round."""
GROWS_AT_MOST = 1_500
"""Bytes a round, in which some hundred entities are made and gone again: less than ten bytes of each."""
TABLES = 16_384
"""Bytes by which two rounds may differ though nothing is left over: a dictionary or list that was emptied keeps the room
that it had, until it is filled again, and the first of some things stays for the rest, so it takes a few rounds until all
that may be there is. Of 360 kB; measured over 60 rounds they are up to 8 kB apart, and no more at the end than at the
tenth."""
OBJECTS_AT_MOST = 0.5
"""A round, of the process's own objects, and of ids of what is gone: of either one a round is found out."""
HOUR_S = 3_600.0


@dataclass
class Toll:
    """What a long run did."""

    rounds: int
    steps: int
    tasks: int
    files: int
    bytes_held: int
    grew_a_round: int
    objects: int
    objects_a_round: float


def soaked(*, seed: int, rounds: int, lasts_s: float, warm: int) -> Toll:
    """So many rounds, of which the first ones are not looked at."""
    with soaking(seed) as soak:
        held = [soak.round(steps=STEPS, lasts_s=lasts_s) for _ in range(rounds)]
        steps = soak.steps
    looked_at = held[warm:]
    first, last = looked_at[0], looked_at[-1]
    assert last.tasks <= first.tasks, f"from {first.tasks} to {last.tasks} tasks"
    assert last.files <= first.files, f"from {first.files} to {last.files} open files"
    gone = growth([len(one.gone) for one in looked_at])
    assert gone <= OBJECTS_AT_MOST, f"it still names what is gone: {[len(one.gone) for one in held]}, {last.gone[:20]}"
    objects = growth([one.objects for one in looked_at])
    assert objects <= OBJECTS_AT_MOST, f"it keeps {objects:.1f} objects a round: {[one.objects for one in held]}"
    grew = growth([one.bytes for one in looked_at])
    between = rounds_between(len(looked_at))
    most = GROWS_AT_MOST + TABLES / between
    assert grew <= most, f"it grows by {grew:.0f} bytes a round: {[one.bytes for one in held]}"
    return Toll(rounds, steps, last.tasks, last.files, last.bytes, round(grew), last.objects, objects)


def growth(held: Sequence[float]) -> float:
    """How much a round, from the middle of the first third to that of the last."""
    third = max(1, len(held) // 3)
    return (statistics.median(held[-third:]) - statistics.median(held[:third])) / rounds_between(len(held))


def rounds_between(rounds: int) -> int:
    """From the middle of the first third to that of the last."""
    return rounds - max(1, rounds // 3)


def test_a_process_through_which_much_has_gone_holds_no_more_than_before() -> None:
    soaked(seed=1, rounds=7, lasts_s=60.0, warm=2)


@pytest.mark.chaos
@pytest.mark.parametrize("seed", [11, 12])
def test_a_process_that_lived_for_a_day_holds_no_more_than_before(
    report: Callable[[str, object], None], seed: int
) -> None:
    report("a day of faults, in logical time", soaked(seed=seed, rounds=24, lasts_s=HOUR_S, warm=4))


@pytest.mark.parametrize(
    ("defence", "says"),
    [
        (broken.that_keeps_every_commit, "bytes a round"),
        (broken.that_notes_who_has_gone, "names what is gone"),
        (broken.that_keeps_the_pulse_of_each_connection, "objects a round"),
        (broken.whose_connections_leave_a_task, "tasks"),
    ],
)
def test_a_process_that_lets_go_of_less_than_it_takes_is_found_out(
    defence: Callable[[], AbstractContextManager[None]], says: str
) -> None:
    with defence(), pytest.raises(AssertionError, match=says):
        soaked(seed=1, rounds=4, lasts_s=10.0, warm=1)
