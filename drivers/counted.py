"""What is asked of backends, counted and timed at one place: around the port, so for every driver, ours and others'.

A driver that had to count by itself would do it in its own way or forget it. `CountedDriver` is handed to the registry,
which puts it around each driver that it loads; whoever calls a backend then calls through it and knows nothing of it.
What is reported has few values: the drivers that are installed, the verbs of the port, the outcomes below.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Final

from drivers.clock import Clock
from drivers.port import (
    Applied,
    Backend,
    ClusterAccess,
    Cursor,
    Driver,
    DriverProblem,
    InUseElsewhere,
    Observation,
    Permanent,
    ReleaseWork,
    RemovalWork,
    Removed,
    Retryable,
    Sample,
    SamplingBackend,
    StaleGeneration,
    Unreachable,
)
from graph.kinds import ArtifactType
from graph.refusal import Refusal

OK: Final = "ok"
BUG: Final = "bug"
"""An exception that the port does not know."""
OUTCOMES: Final[Mapping[type[BaseException], str]] = {
    Unreachable: "unreachable",
    Retryable: "retryable",
    Permanent: "permanent",
    StaleGeneration: "stale_generation",
    InUseElsewhere: "in_use_elsewhere",
    DriverProblem: "failed",
    Refusal: "refused",
    TimeoutError: "timeout",
    asyncio.CancelledError: "given_up",
}
"""How a call ended, by what it raised; the first that fits. `given_up`: its time was over, or it was no longer wanted."""


def _ignore(*_values: object) -> None:
    """The default of each: nobody counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallReports:
    """Called on the event loop; each must return at once and never raise."""

    begun: Callable[[str, str], None] = _ignore
    """A call is under way: the driver's name and the verb (`connect`, `ensure`, `remove`, `observe`, `samples`)."""
    ended: Callable[[str, str, str, float], None] = _ignore
    """It ended: driver, verb, outcome (`ok`, `bug` or one of OUTCOMES), seconds."""


@dataclass(frozen=True, slots=True)
class _Calls:
    """Reports the calls of one connection."""

    driver: str
    reports: CallReports
    clock: Clock

    @contextmanager
    def call(self, verb: str) -> Iterator[None]:
        began = self.clock.monotonic()
        self.reports.begun(self.driver, verb)
        outcome = OK
        try:
            yield
        except BaseException as problem:
            outcome = next((name for sort, name in OUTCOMES.items() if isinstance(problem, sort)), BUG)
            raise
        finally:
            self.reports.ended(self.driver, verb, outcome, self.clock.monotonic() - began)


class CountedDriver:
    """A driver whose calls are reported; in all else it is the one that it is around."""

    def __init__(self, driver: Driver, *, reports: CallReports) -> None:
        self._driver = driver
        self._reports = reports

    @property
    def name(self) -> str:
        """As the driver's."""
        return self._driver.name

    @property
    def artifacts(self) -> frozenset[ArtifactType]:
        """As the driver's."""
        return self._driver.artifacts

    def check(self, configuration: Mapping[str, Any]) -> None:
        """As the driver's; it asks no backend, so it is not counted."""
        self._driver.check(configuration)

    def connect(self, access: ClusterAccess) -> AbstractAsyncContextManager[Backend]:
        """As the driver's; each attempt is a call."""
        return self._connected(access)

    @asynccontextmanager
    async def _connected(self, access: ClusterAccess) -> AsyncIterator[Backend]:
        calls = _Calls(self.name, self._reports, access.clock)
        async with AsyncExitStack() as stack:
            with calls.call("connect"):
                backend = await stack.enter_async_context(self._driver.connect(access))
            if isinstance(backend, SamplingBackend):
                yield _CountedSamplingBackend(backend, calls)
            else:
                yield _CountedBackend(backend, calls)


class _CountedBackend:
    """A backend whose calls are reported."""

    def __init__(self, backend: Backend, calls: _Calls) -> None:
        self._backend = backend
        self._calls = calls

    async def ensure(self, work: ReleaseWork) -> Applied:
        with self._calls.call("ensure"):
            return await self._backend.ensure(work)

    async def remove(self, work: RemovalWork) -> Removed:
        with self._calls.call("remove"):
            return await self._backend.remove(work)

    async def observe(self, *, after: Cursor | None) -> Observation:
        with self._calls.call("observe"):
            return await self._backend.observe(after=after)


class _CountedSamplingBackend(_CountedBackend):
    """One that measures, whose measurements are calls like any other."""

    def __init__(self, backend: SamplingBackend, calls: _Calls) -> None:
        super().__init__(backend, calls)
        self._sampling = backend

    async def samples(self, *, names: Sequence[str] = ()) -> Sequence[Sample]:
        with self._calls.call("samples"):
            return await self._sampling.samples(names=names)
