"""What all tests share: the fixtures of the real parts, and a summary of those that could not be had.

A skipped real part is told with its reason at the end of every run, and in CI a run in which no test passed or failed
is a failure (pytest's status 5): all skipped would otherwise look like all is well.

Examples of property tests follow from the test alone, and none has a time to keep: what passes on one machine passes on a
slower one, and a run says the same of a change as the run before. `--hypothesis-profile=default` looks for others.
"""

from __future__ import annotations

import gc
import os
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings

from beds.parts import SKIP_MARK
from graph import identifiers

pytest_plugins = [
    "beds.chromium.fixtures",
    "beds.nats.fixtures",
    "beds.neo4j.fixtures",
    "beds.node.fixtures",
    "beds.prometheus.fixtures",
    "beds.proxy.fixtures",
]

settings.register_profile("steady", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")

_ran = pytest.StashKey[int]()
_CONVERGED = "seconds from the end of the last fault until all was as wanted"


@pytest.fixture(autouse=True)
def identifiers_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Identifiers rise for as long as a process lives: one test's clock of next month must not be the next test's."""
    monkeypatch.setattr(identifiers, "_source", identifiers.UlidSource())


@pytest.fixture
def converged(record_property: Callable[[str, object], None]) -> Callable[[float], None]:
    """`converged(seconds)` tells how long a test of real parts took to be as wanted after its last fault, for the summary.

    A test that has several faults tells the longest, or each.
    """
    return lambda seconds: record_property(_CONVERGED, seconds)


def pytest_configure(config: pytest.Config) -> None:
    """Nothing has run yet. Where tests are dealt out to processes, this one is told how each of them ended."""
    config.stash[_ran] = 0
    config.pluginmanager.register(_Count(config))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what asks for the Neo4j server, so that `-m neo4j` and `-m "not neo4j"` choose by need."""
    for item in items:
        if "neo4j_server" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.neo4j)


def pytest_collection_finish() -> None:
    """What is alive before the first test stays; see below."""
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """At the end of a file the collector is relieved of what is alive, as a server's is: it looked through millions of
    objects of tests long over again and again, which took a fifth of the time of all."""
    if nextitem is None or nextitem.path != item.path:
        gc.collect()
        gc.freeze()


class _Count:
    """Counts the tests whose body was run, in whichever process."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.outcome != "skipped":
            self._config.stash[_ran] += 1


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """In CI, no test run is a failure."""
    nothing = session.config.stash[_ran] == 0 and not session.config.option.collectonly
    if nothing and exitstatus == pytest.ExitCode.OK and os.environ.get("CI"):
        session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The real parts that were not run, each with its reason and the number of tests that it cost; and how soon faults were
    over."""
    took = {
        report.nodeid: max(float(value) for name, value in report.user_properties if name == _CONVERGED)
        for report in terminalreporter.stats.get("passed", [])
        if any(name == _CONVERGED for name, _ in report.user_properties)
    }
    if took:
        terminalreporter.section(_CONVERGED)
        for test, seconds in sorted(took.items()):
            terminalreporter.write_line(f"{seconds:6.1f}  {test}")
    missing: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        if isinstance(report.longrepr, tuple):
            _, found, reason = report.longrepr[2].partition(SKIP_MARK)
            if found:
                missing[reason] += 1
    if missing:
        terminalreporter.section("real parts not run")
        for reason, tests in sorted(missing.items()):
            terminalreporter.write_line(f"{reason} ({tests} {'test' if tests == 1 else 'tests'} skipped)")
