"""What a long run says while it runs, and the sums of what it did at its end."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog.testing

_DONE = pytest.StashKey[dict[str, dict[str, float]]]()


@pytest.fixture
def quiet_logs() -> Iterator[None]:
    """Keeps what is logged from being rendered: these tests make things fail thousands of times."""
    with structlog.testing.capture_logs():
        yield


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Callable[[str, Any], None]:
    """`report(what, toll)` prints the counts of a dataclass at once and again, added up by `what`, at the end of the run.

    A field that ends in `_s` is a duration, of which the longest is kept.
    """
    capture = request.config.pluginmanager.getplugin("capturemanager")
    assert capture is not None
    began = time.monotonic()

    def say(what: str, toll: Any) -> None:
        counts = {**dataclasses.asdict(toll), "seconds": round(time.monotonic() - began, 1)}
        sums = request.config.stash.setdefault(_DONE, {}).setdefault(what, {})
        for name, value in counts.items():
            sums[name] = max(sums.get(name, 0), value) if name.endswith("_s") else sums.get(name, 0) + value
        with capture.global_and_fixture_disabled():
            print(f"\n  {what}: {_listed(counts)}", flush=True)

    return say


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was done to what, in numbers."""
    done = terminalreporter.config.stash.get(_DONE, {})
    if done:
        terminalreporter.section("what the faults came to")
        for what, sums in sorted(done.items()):
            terminalreporter.write_line(f"{what}: {_listed(sums)}")


def _listed(counts: dict[str, float]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {round(value, 1):,}" for name, value in counts.items())
