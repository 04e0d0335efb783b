"""Time that passes when nothing is left to do: days of pauses in milliseconds, and no race with a busy machine.

The event loop's clock stands still while anything is ready and jumps to the next timer when nothing is. What threads do
elsewhere is done at once here, the store's commits after a pause of their own, and identifiers follow from a seed: so the
same run is the same run. A test may wait for days, a limit of 30 s means what it says on any machine, and a test that would
hang is told so at once: where there is neither work nor a timer, nothing will ever happen again.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import selectors
import sqlite3
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar
from unittest import mock

from graph import identifiers
from graph.stores.sqlite_errors import breaks_connection, translated
from graph.stores.sqlite_thread import BrokenConnectionError, SqliteThread

T = TypeVar("T")
BEGAN_MS = 1_700_000_000_000
"""What a clock of UTC says when a loop begins, milliseconds."""
JOB_S = 0.001
"""How long the store's thread takes for a job."""


TURNS = 20_000
PASSES_S = 0.1
"""Less time than this in so many turns of the loop: something goes round without waiting."""


class Stuck(Exception):
    """Nothing will ever happen again, or the same for ever."""


class _Selector(selectors.DefaultSelector):
    loop: LogicalLoop

    def __init__(self) -> None:
        super().__init__()
        self._look_at = TURNS
        self._since = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Stuck("neither work nor a timer is left")
        self.loop.turns += 1
        if self.loop.turns >= self._look_at:
            if self.loop.now - self._since < PASSES_S:
                raise Stuck(f"no time passes: {sorted(map(_where, asyncio.all_tasks(self.loop)))}")
            self._look_at, self._since = self.loop.turns + TURNS, self.loop.now
        self.loop.now += max(timeout, 0.0)
        return []


def _where(task: asyncio.Task[Any]) -> str:
    frames = [f"{one.f_code.co_name}:{one.f_lineno}" for one in task.get_stack()]
    return f"{task.get_name()} in {' < '.join(frames)}"


class LogicalLoop(asyncio.SelectorEventLoop):
    """An event loop with a clock of its own, at 0 in the beginning. Nothing outside of it can wake it."""

    def __init__(self) -> None:
        selector = _Selector()
        selector.loop = self
        self.now = 0.0
        self.turns = 0
        """How often it has gone round."""
        super().__init__(selector)
        self._clock_resolution = 1e-6

    def time(self) -> float:
        return self.now

    def quiet_intervals(self, every_s: float) -> int:
        """How many intervals it takes until anything else happens, at least one."""
        if self._ready or not self._scheduled:
            return 1
        return max(math.ceil((self._scheduled[0].when() - self.now) / every_s), 1)

    def run_in_executor(self, executor: object, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as problem:  # noqa: BLE001 - it is whoever waits that is told
            future.set_exception(problem)
        return future


def until_next_look_s(every_s: float) -> float:
    """How long whoever looks every so often for what others do may leave it, seconds.

    In logical time nothing happens between two timers: it is as long as it takes until the next one is over, in whole
    intervals, and all looks before that would find what this one did. On any other loop it is the interval.
    """
    loop = asyncio.get_running_loop()
    return every_s * loop.quiet_intervals(every_s) if isinstance(loop, LogicalLoop) else every_s


class LogicalClock:
    """The loop's time as the product is handed it; `ahead_ms` is how far its UTC is off, and may be changed at any time."""

    def __init__(self, *, ahead_ms: int = 0) -> None:
        self.ahead_ms = ahead_ms

    def now_ms(self) -> int:
        return BEGAN_MS + self.ahead_ms + int(asyncio.get_running_loop().time() * 1000)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _SeededIds(identifiers.UlidSource):
    def __init__(self, seed: int) -> None:
        super().__init__()
        self._dice = random.Random(seed)

    def make(self, *, at_ms: int | None = None) -> str:
        self._drawn = self._drawn or self._dice.randbytes(1_280)
        now = BEGAN_MS + int(asyncio.get_running_loop().time() * 1000)
        return super().make(at_ms=now if at_ms is None else at_ms)


def run(coroutine: Coroutine[Any, Any, T], *, seed: int = 0) -> T:
    """Runs it to its end in logical time."""
    with logical(seed), asyncio.Runner(loop_factory=LogicalLoop) as runner:
        return runner.run(coroutine)


@contextlib.contextmanager
def logical(seed: int) -> Iterator[None]:
    """What a loop of logical time needs around it."""
    with (
        mock.patch.object(SqliteThread, "run", _at_once),
        mock.patch.object(identifiers, "_source", _SeededIds(seed)),
    ):
        yield


async def _at_once(self: SqliteThread, work: Callable[[sqlite3.Connection], T], *, to_the_end: bool = False) -> T:
    """A job as the store's thread does it, in the loop's own; whoever waits for it waits for a moment."""
    await asyncio.sleep(JOB_S)
    kept = vars(self)
    try:
        if "logical" not in kept:
            kept["logical"] = self._connect()
        return work(kept["logical"])
    except sqlite3.Error as problem:
        if "logical" in kept and breaks_connection(problem):
            kept.pop("logical").close()
        raise translated(problem, database=self._database) from problem
    except BrokenConnectionError as problem:
        kept.pop("logical").close()
        raise problem.reason from problem
