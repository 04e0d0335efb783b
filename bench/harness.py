"""The form of every benchmark: its measures, their targets, and how a busy or slow machine is allowed for.

A figure alone says little: the same code is twice as slow beside a compiler. So each run tells the machine's load (the
1-minute average) and a calibration: how long a fixed loop of pure Python takes here, relative to the machine on which
the targets were set. An absolute target (a rate, a time) is eased by that factor; one that is a ratio, a size or a count
is not (`scaled=False`). A machine that is faster than the reference keeps the plain targets, for what bounds a figure
there may be its disk. Each figure should be the median of repeats; `repeated` gives them.

A benchmark is a module with a function that is handed a `Bench`, and ends with `run("name", function)`:

    async def figures(bench: Bench) -> None:
        rates = [await commits_per_s() for _ in range(5)]
        bench.at_least("commits", median(rates), unit="1/s", target=2_000)

    if __name__ == "__main__":
        run("spine", figures)

It ends within 15 minutes (`limit_s`); longer work is a module of its own, named `…_long`, with a limit of its own. With
`--json` the last line of standard output is {"bench", "load", "calibration", "measures": [{"name", "value", "unit",
"target", "met"}]}, where `target` is as declared, before easing, and `met` is null for what has none.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import faulthandler
import gc
import inspect
import math
import os
import signal
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from types import FrameType
from typing import Literal, NoReturn

import msgspec
from rich.console import Console
from rich.table import Table

LIMIT_S = 900.0
REFERENCE_LOOP_S = 0.060
"""Seconds of `calibration_loop` on the two-core machine on which the targets were set, idle, CPython 3.11."""
_BUSY = 3.0

Figures = Callable[["Bench"], None] | Callable[["Bench"], Awaitable[None]]


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """One figure. `met` is None when there is no target."""

    name: str
    value: float
    unit: str
    target: str | None = None
    met: bool | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a run prints as JSON."""

    bench: str
    load: float
    calibration: float
    measures: list[Measure]


class TookTooLong(Exception):
    """The benchmark did not end within its limit."""


class Bench:
    """Collects the measures of one run."""

    def __init__(
        self,
        name: str,
        *,
        calibration: float,
        only: Sequence[str] = (),
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        """`calibration` is this machine's slowness relative to the reference; `say` prints a line of progress."""
        self.name = name
        self.calibration = calibration
        self.only = tuple(only)
        self.say = say
        self.measures: list[Measure] = []

    @property
    def easing(self) -> float:
        """The factor by which absolute targets are eased: never below 1."""
        return max(1.0, self.calibration)

    def wants(self, part: str) -> bool:
        """Whether a part of the benchmark is to be run: all are, unless some were chosen with `--only`."""
        return not self.only or part in self.only

    def at_least(self, name: str, value: float, *, unit: str, target: float, scaled: bool = True) -> None:
        """A figure that is better when larger, such as a rate."""
        self._add(name, value, unit, f">= {target:,g}", value >= (target / self.easing if scaled else target))

    def at_most(self, name: str, value: float, *, unit: str, target: float, scaled: bool = True) -> None:
        """A figure that is better when smaller, such as a time; `scaled=False` for memory."""
        self._add(name, value, unit, f"<= {target:,g}", value <= (target * self.easing if scaled else target))

    def note(self, name: str, value: float, *, unit: str) -> None:
        """A figure without a target."""
        self._add(name, value, unit, None, None)

    def _add(self, name: str, value: float, unit: str, target: str | None, met: bool | None) -> None:
        if any(measure.name == name for measure in self.measures):
            raise ValueError(f"the measure {name!r} was given twice: each figure has a measure of its own")
        if not math.isfinite(value):
            raise ValueError(f"the measure {name!r} is {value}, which is no figure")
        self.measures.append(Measure(name=name, value=value, unit=unit, target=target, met=met))
        self.say(f"{name}: {shown(value)} {unit}" + (f" ({target})" if target else ""))


def calibration_loop() -> int:
    """A fixed piece of pure Python: arithmetic and a dictionary that fits the cache."""
    state, seen = 0, {}
    for step in range(400_000):
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        seen[state & 1023] = step
    return state


def calibrated(*, repeats: int = 9) -> float:
    """This machine's slowness at this moment: the loop's median wall time over the reference's."""
    return statistics.median(repeated(lambda: seconds(calibration_loop), times=repeats)) / REFERENCE_LOOP_S


def repeated(measure: Callable[[], float], *, times: int = 5, warm: int = 1) -> list[float]:
    """What `measure` returns, `times` times, after `warm` runs that do not count."""
    for _ in range(warm):
        measure()
    return [measure() for _ in range(times)]


def seconds(work: Callable[[], object], *, clock: Callable[[], float] = time.perf_counter) -> float:
    """Wall seconds of `work`, or CPU seconds with `clock=time.process_time`; the garbage collector waits meanwhile."""
    with undisturbed():
        began = clock()
        work()
        return clock() - began


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Collect garbage now and not within."""
    gc.collect()
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0 to 1) of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def median(values: Sequence[float]) -> float:
    """The middle value."""
    return statistics.median(values)


def shown(value: float) -> str:
    """A figure for people: three significant digits, thousands apart."""
    digits = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
    return f"{round(value, digits):,.{min(digits, 9)}f}"


def run(name: str, figures: Figures, *, limit_s: float = LIMIT_S) -> NoReturn:
    """Run a benchmark as a command and exit: 0 also when targets were missed (1 with --strict), 3 when it took too long.

    What was measured before a benchmark was ended by its limit is printed all the same.
    """
    parser = argparse.ArgumentParser(prog=f"make bench NAME={name}")
    parser.add_argument("--json", action="store_true", help="print the report as JSON on the last line")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a target is missed")
    parser.add_argument("--only", action="append", default=[], metavar="PART", help="run only this part; repeatable")
    given = parser.parse_args()
    progress = Console(stderr=True)
    progress.print(f"{name}: calibrating", highlight=False)
    before = calibrated()
    bench = Bench(
        name,
        calibration=before,
        only=given.only,
        say=lambda text: progress.print(f"  {text}", highlight=False, markup=False),
    )
    if before > _BUSY:
        bench.say(f"this machine is {before:.1f} times slower than the reference now: the figures say little")
    late = None
    try:
        with limited(limit_s):
            result = figures(bench)
            if inspect.iscoroutine(result):
                asyncio.run(result)
    except TookTooLong as error:
        late = error
    report = Report(bench=name, load=os.getloadavg()[0], calibration=round(before, 3), measures=bench.measures)
    Console(width=None if sys.stdout.isatty() else 120).print(_table(report, easing=bench.easing))
    if given.json:
        sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
    if late:
        progress.print(f"{name}: {late}", style="red", highlight=False)
        sys.exit(3)
    sys.exit(1 if given.strict and any(measure.met is False for measure in bench.measures) else 0)


@contextlib.contextmanager
def limited(limit_s: float) -> Iterator[None]:
    """Raise TookTooLong in the main thread after `limit_s` seconds; what does not end by that is ended 30 s later."""

    def end(number: int, frame: FrameType | None) -> NoReturn:
        raise TookTooLong(f"not finished after {limit_s:,.0f} s; longer work belongs into a benchmark named …-long")

    earlier = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    faulthandler.dump_traceback_later(limit_s + 30, exit=True)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, earlier)
        faulthandler.cancel_dump_traceback_later()


def _table(report: Report, *, easing: float) -> Table:
    eased = f", so absolute targets are eased by {easing:.2f}" if easing > 1 else ""
    table = Table(
        title=report.bench,
        title_justify="left",
        caption=f"load {report.load:.1f}, calibration {report.calibration:.2f}{eased}",
        caption_justify="left",
    )
    justified: list[tuple[str, Literal["left", "right"]]] = [
        ("measure", "left"),
        ("value", "right"),
        ("unit", "left"),
        ("target", "right"),
        ("met", "left"),
    ]
    for heading, justify in justified:
        table.add_column(heading, justify=justify)
    for measure in report.measures:
        met = {None: "", True: "[green]yes", False: "[red]no"}[measure.met]
        table.add_row(measure.name, shown(measure.value), measure.unit, measure.target or "", met)
    return table
