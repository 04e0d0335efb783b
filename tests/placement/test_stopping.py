"""A decision that nobody waits for is given up between its steps; while it is wanted, that changes nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from placement.solve.model import Choice, Limits
from placement.solve.solve import solve
from placement.stopping import Stop, Stopped, look
from tests.placement.tiny_models import tiny_model


class _AfterLooks(Stop):
    """Is asked for once it has been looked at so many times."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.left = looks

    @property
    def asked(self) -> bool:
        """Counts the look."""
        self.left -= 1
        return self.left < 0


def _said(choice: Choice) -> tuple[object, ...]:
    return (
        [one.tolist() for one in choice.open],
        choice.cost.tolist(),
        None if choice.bound is None else choice.bound.tolist(),
        choice.bound_kind,
        choice.proved,
        choice.conflict,
        choice.iterations,
    )


def test_it_is_raised_only_when_it_was_asked_for() -> None:
    stop = Stop()
    look(None)
    look(stop)
    stop.ask()
    with pytest.raises(Stopped):
        look(stop)


@pytest.mark.parametrize("seed", range(12))
def test_a_search_that_is_stopped_after_any_look_ends_there_and_one_that_is_not_says_the_same(seed: int) -> None:
    model = replace(tiny_model(seed), limits=Limits())
    wanted = _said(solve(model))
    watched = _AfterLooks(10**9)
    assert _said(solve(replace(model, limits=Limits(stop=watched)))) == wanted
    looks = 10**9 - watched.left
    assert looks > 0
    for after in np.unique(np.linspace(0, looks - 1, 5).astype(int)).tolist():
        stop = _AfterLooks(after)
        with pytest.raises(Stopped):
            solve(replace(model, limits=Limits(stop=stop)))
        assert stop.left < 0
