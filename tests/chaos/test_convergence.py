"""Who is late after a fault is found out, and only a machine that is slow excuses it, up to a bound."""

from __future__ import annotations

import time

import pytest

from faultkit import convergence
from faultkit.convergence import check_late, converging


@pytest.mark.parametrize(("seconds", "slowness"), [(29.9, 0.5), (29.9, 1.0), (59.0, 2.0), (119.0, 50.0)])
def test_who_is_as_soon_as_the_machine_lets_him_is_not_late(seconds: float, slowness: float) -> None:
    check_late(seconds, slowness=slowness)


@pytest.mark.parametrize(("seconds", "slowness"), [(30.1, 0.5), (30.1, 1.0), (61.0, 2.0), (121.0, 50.0)])
def test_who_takes_longer_is_late(seconds: float, slowness: float) -> None:
    with pytest.raises(AssertionError, match="after the last fault"):
        check_late(seconds, slowness=slowness)


def test_only_what_is_late_has_the_machine_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[int] = []

    def calibrated(*, repeats: int) -> float:
        measured.append(repeats)
        return 1.0

    monkeypatch.setattr(convergence, "calibrated", calibrated)
    with converging() as took:
        time.sleep(0.01)
    assert took.seconds >= 0.01
    assert not measured
    monkeypatch.setattr(convergence, "CONVERGED_WITHIN_S", 0.001)
    with pytest.raises(AssertionError, match="after the last fault"), converging():
        time.sleep(0.01)
    assert measured
