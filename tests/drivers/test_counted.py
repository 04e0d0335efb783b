"""Calls of backends are counted at the port: by driver, verb and outcome, whatever the driver is and however they end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from drivers.clock import SystemClock
from drivers.counted import OUTCOMES, CallReports, CountedDriver
from drivers.port import (
    Applied,
    Backend,
    ClusterAccess,
    Cursor,
    DriverProblem,
    InUseElsewhere,
    InvalidConfiguration,
    Observation,
    Permanent,
    ReleaseWork,
    RemovalWork,
    Removed,
    Retryable,
    StaleGeneration,
    Unreachable,
)
from drivers.registry import DriverRegistry
from drivers.simulated import SimulatedDriver

WORK = RemovalWork(name="shop-1", owner="cluster_1", site_id="site_1", site="Aveiro", generation=1)
ACCESS = ClusterAccess(id="cluster_1", name="c", endpoint=None, configuration={}, clock=SystemClock())


class Unwilling(SimulatedDriver):
    """A driver whose calls end in one way."""

    def __init__(self, problem: BaseException, *, connects: bool = True) -> None:
        self.problem = problem
        self.connects = connects

    @contextlib.asynccontextmanager
    async def connect(self, access: ClusterAccess) -> AsyncIterator[Backend]:
        if not self.connects:
            raise self.problem
        yield self

    async def ensure(self, work: ReleaseWork) -> Applied:
        raise self.problem

    async def remove(self, work: RemovalWork) -> Removed:
        raise self.problem

    async def observe(self, *, after: Cursor | None) -> Observation:
        raise self.problem


@dataclass
class Told:
    """What was reported."""

    under_way: dict[tuple[str, str], int] = field(default_factory=dict)
    ended: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def reports(self) -> CallReports:
        return CallReports(begun=self._begun, ended=self._ended)

    def _begun(self, driver: str, verb: str) -> None:
        self.under_way[driver, verb] = self.under_way.get((driver, verb), 0) + 1

    def _ended(self, driver: str, verb: str, outcome: str, seconds: float) -> None:
        assert seconds >= 0
        self.under_way[driver, verb] -= 1
        self.ended.append((driver, verb, outcome))


@pytest.mark.parametrize(
    ("problem", "outcome"),
    [
        (Unreachable("it does not answer"), "unreachable"),
        (Retryable("busy"), "retryable"),
        (Permanent("never"), "permanent"),
        (StaleGeneration(name="shop-1", asked=1, held=2), "stale_generation"),
        (InUseElsewhere("another process"), "in_use_elsewhere"),
        (DriverProblem("of a sort of its own"), "failed"),
        (InvalidConfiguration("no such key", driver="d", key="k"), "refused"),
        (TimeoutError(), "timeout"),
        (asyncio.CancelledError(), "given_up"),
        (ZeroDivisionError(), "bug"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_how_a_call_ended_is_told_and_what_it_raised_passes(problem: BaseException, outcome: str) -> None:
    told = Told()
    async with CountedDriver(Unwilling(problem), reports=told.reports).connect(ACCESS) as backend:
        for call in (backend.remove(WORK), backend.observe(after=None)):
            with pytest.raises(type(problem)) as raised:
                await call
            assert raised.value is problem
    with pytest.raises(type(problem)):
        async with CountedDriver(Unwilling(problem, connects=False), reports=told.reports).connect(ACCESS):
            pass
    assert told.ended == [
        ("simulated", "connect", "ok"),
        *(("simulated", verb, outcome) for verb in ("remove", "observe", "connect")),
    ]
    assert set(told.under_way.values()) == {0}


def test_each_way_to_fail_that_the_port_has_is_an_outcome_of_its_own() -> None:
    assert set(DriverProblem.__subclasses__()) <= set(OUTCOMES)
    assert len(set(OUTCOMES.values())) == len(OUTCOMES)


async def test_a_call_under_way_is_told_and_one_that_is_given_up_is_over() -> None:
    told = Told()
    configuration = {"latencyMs": 60_000}
    access = ClusterAccess(id="c", name="c", endpoint=None, configuration=configuration, clock=SystemClock())
    async with CountedDriver(SimulatedDriver(), reports=told.reports).connect(access) as backend:
        call = asyncio.create_task(backend.remove(WORK))
        while ("simulated", "remove") not in told.under_way:
            await asyncio.sleep(0)
        assert told.under_way["simulated", "remove"] == 1
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert told.under_way["simulated", "remove"] == 0
    assert told.ended[-1] == ("simulated", "remove", "given_up")


def test_the_registry_puts_it_around_each_driver_that_it_loads_once() -> None:
    told = Told()
    registry = DriverRegistry(
        {"simulated": SimulatedDriver}, around=lambda driver: CountedDriver(driver, reports=told.reports)
    )
    found = registry.get("simulated")
    assert isinstance(found, CountedDriver)
    assert found is registry.get("simulated")
    assert (found.name, found.artifacts) == (SimulatedDriver().name, SimulatedDriver().artifacts)
    with pytest.raises(InvalidConfiguration):
        registry.check("simulated", {"latencyMs": -5})
    assert told.ended == []
