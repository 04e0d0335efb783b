"""A server's process has short turns and a collector that leaves alone what stays."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator

import pytest

from server import pauses


@pytest.fixture
def as_before() -> Iterator[None]:
    """What is settled for the whole process is as it was afterwards."""
    turn, thresholds = sys.getswitchinterval(), gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)
    sys.setswitchinterval(turn)


@pytest.mark.usefixtures("as_before")
@pytest.mark.parametrize("thoroughly", [False, True])
def test_turns_are_short_and_what_a_start_made_is_looked_through_no_more(thoroughly: bool) -> None:
    pauses.keep_short()
    assert sys.getswitchinterval() == pytest.approx(pauses.TURN_S)
    assert gc.get_threshold() == pauses.THRESHOLDS
    stays = [[] for _ in range(1_000)]  # type: ignore[var-annotated]  # of nothing
    pauses.set_aside(thoroughly=thoroughly)
    assert gc.get_freeze_count() >= len(stays)
    assert not any(one is stays for one in gc.get_objects())
