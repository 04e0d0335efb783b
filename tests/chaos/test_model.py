"""Every verb, every fault and deaths at any point, in any order, against an oracle."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from faultkit.machine import Lives

pytestmark = pytest.mark.usefixtures("quiet_logs")
HEALTH = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def run(*, examples: int, steps: int, derandomize: bool) -> int:
    """How many steps were taken."""
    before = Lives.steps
    run_state_machine_as_test(
        Lives,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=derandomize,
            database=None,
            suppress_health_check=HEALTH,
        ),
    )
    return Lives.steps - before


def test_whatever_is_asked_and_whatever_fails_the_oracle_is_right() -> None:
    assert run(examples=12, steps=25, derandomize=True) > 150
