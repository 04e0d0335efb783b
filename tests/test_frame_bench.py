"""The form of benchmarks: what programs read from them, and how targets are eased."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import harness
from bench.harness import Bench, TookTooLong, limited, quantile, repeated, seconds, shown

ROOT = Path(__file__).parents[1]
_TRIAL = """
import asyncio, os
from bench.harness import Bench, run

async def figures(bench: Bench) -> None:
    bench.at_least("commits", 5000.0, unit="1/s", target=2_000)
    bench.at_most("memory", 500.0, unit="MB", target=450, scaled=False)
    bench.note("seen", 3.0, unit="")
    if bench.wants("sleep"):
        await asyncio.sleep(float(os.environ.get("SLEEP", "0")))

run("trial", figures, limit_s=1.0)
"""


def _run(*arguments: str, sleep_s: int = 0) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _TRIAL, *arguments],
        cwd=ROOT,
        env={**os.environ, "SLEEP": str(sleep_s)},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def test_the_last_line_is_the_report_as_json() -> None:
    done = _run("--json")
    report = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 0, done.stderr
    assert list(report) == ["bench", "load", "calibration", "measures"]
    assert (report["bench"], report["load"] >= 0, report["calibration"] > 0) == ("trial", True, True)
    assert report["measures"] == [
        {"name": "commits", "value": 5000.0, "unit": "1/s", "target": ">= 2,000", "met": True},
        {"name": "memory", "value": 500.0, "unit": "MB", "target": "<= 450", "met": False},
        {"name": "seen", "value": 3.0, "unit": "", "target": None, "met": None},
    ]


def test_people_get_a_table_with_load_and_calibration() -> None:
    done = _run()
    assert all(word in done.stdout for word in ("measure", "commits", "5,000", ">= 2,000", "load", "calibration"))
    assert "{" not in done.stdout


def test_a_missed_target_fails_the_command_only_when_asked() -> None:
    assert _run("--strict").returncode == 1


def test_parts_of_a_benchmark_can_be_chosen() -> None:
    assert _run("--only", "figures", "--only", "more", sleep_s=30).returncode == 0
    assert Bench("trial", calibration=1).wants("anything")


def test_a_benchmark_that_takes_too_long_is_ended_with_what_it_has() -> None:
    done = _run("--json", sleep_s=30)
    assert done.returncode == 3
    assert "not finished after 1 s" in done.stderr
    assert len(json.loads(done.stdout.splitlines()[-1])["measures"]) == 3


@pytest.mark.parametrize(
    ("calibration", "rate", "time_s", "size"),
    [(1.0, True, True, False), (0.5, True, True, False), (2.0, True, True, False), (0.99, True, True, False)],
)
def test_a_figure_within_its_target_is_met_on_every_machine_and_a_size_never_eased(
    calibration: float, rate: bool, time_s: bool, size: bool
) -> None:
    bench = Bench("trial", calibration=calibration)
    bench.at_least("rate", 100, unit="1/s", target=100)
    bench.at_most("time", 1, unit="s", target=1)
    bench.at_most("size", 1.01, unit="MB", target=1, scaled=False)
    assert [measure.met for measure in bench.measures] == [rate, time_s, size]


@given(st.floats(0.01, 100), st.floats(0.01, 1e6), st.floats(0.01, 1e6))
def test_a_slower_machine_never_turns_a_met_target_into_a_missed_one(slow: float, value: float, target: float) -> None:
    def judged(calibration: float) -> list[bool | None]:
        bench = Bench("trial", calibration=calibration)
        bench.at_least("rate", value, unit="1/s", target=target)
        bench.at_most("time", value, unit="s", target=target)
        return [measure.met for measure in bench.measures]

    for at_reference, when_slow in zip(judged(1.0), judged(slow), strict=True):
        assert when_slow or not at_reference


def test_a_slow_machine_eases_rates_and_times() -> None:
    bench = Bench("trial", calibration=2.0)
    bench.at_least("rate", 50, unit="1/s", target=100)
    bench.at_least("too slow", 49, unit="1/s", target=100)
    bench.at_most("time", 2, unit="s", target=1)
    bench.at_most("too long", 2.1, unit="s", target=1)
    assert [measure.met for measure in bench.measures] == [True, False, True, False]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_figure_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="no figure"):
        Bench("trial", calibration=1).note("x", value, unit="s")


def test_a_measure_is_given_once() -> None:
    bench = Bench("trial", calibration=1)
    bench.note("x", 1, unit="s")
    with pytest.raises(ValueError, match="twice"):
        bench.note("x", 2, unit="s")


def test_runs_that_warm_do_not_count() -> None:
    values = iter([100.0, 1.0, 2.0, 3.0])
    assert repeated(lambda: next(values), times=3, warm=1) == [1.0, 2.0, 3.0]


def test_time_is_taken_by_the_clock_that_is_given() -> None:
    ticks = iter([10.0, 12.5])
    assert seconds(lambda: None, clock=lambda: next(ticks)) == 2.5


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1), (0.5, 5), (0.9, 9), (0.99, 10), (1.0, 10)])
def test_a_quantile_is_a_value_that_was_measured(share: float, expected: float) -> None:
    assert quantile([3, 1, 2, 10, 9, 8, 7, 6, 5, 4], share) == expected


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.001234, "0.00123"), (1.5, "1.50"), (12.34, "12.3"), (2345.6, "2,346"), (-3.14159, "-3.14")],
)
def test_figures_are_shown_with_three_digits(value: float, text: str) -> None:
    assert shown(value) == text


def test_a_limit_ends_work_that_does_not_look_at_the_clock() -> None:
    with pytest.raises(TookTooLong), limited(0.2):
        time.sleep(60)


def test_the_calibration_loop_is_fixed() -> None:
    assert harness.calibration_loop() == harness.calibration_loop() == 1202407296
