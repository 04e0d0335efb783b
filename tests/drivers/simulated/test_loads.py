"""Load curves and the samples that follow from them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driverkit.work import CLUSTER, NAME, FixedInventory, work
from drivers.counted import CallReports, CountedDriver
from drivers.port import ClusterAccess, SamplingBackend
from drivers.simulated import SimulatedDriver
from drivers.simulated.loads import Load, Serving, samples_of, value_at


class FixedClock:
    def __init__(self) -> None:
        self.ms = 0

    def now_ms(self) -> int:
        return self.ms

    def monotonic(self) -> float:
        return self.ms / 1000

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing is waited for")


DAY = Load(requests_per_second=[(0, 10), (6, 10), (12, 100), (24, 10)], repeat_s=24)


@pytest.mark.parametrize(
    ("load", "second", "value"),
    [
        (DAY, 0, 10),
        (DAY, 3, 10),
        (DAY, 9, 55),
        (DAY, 12, 100),
        (DAY, 18, 55),
        (DAY, 24 + 9, 55),
        (msgspec.structs.replace(DAY, repeat_s=0), 100, 10),
        (msgspec.structs.replace(DAY, begins_at_ms=5_000), 14, 55),
        (msgspec.structs.replace(DAY, begins_at_ms=5_000), 1, 10),
        (Load(requests_per_second=[(5, 7)]), 0, 7),
        (Load(requests_per_second=[(5, 7), (5, 9)]), 5, 9),
    ],
)
def test_a_curve_is_straight_between_its_points_and_level_outside(load: Load, second: float, value: float) -> None:
    assert value_at(load, now_ms=int(second * 1000)) == pytest.approx(value)


@given(
    st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)), min_size=1, max_size=8).map(sorted),
    st.integers(0, 10**9),
    st.sampled_from([0, 60, 86_400]),
)
def test_a_curve_stays_between_its_lowest_and_highest_point(points: Any, now_ms: int, repeat_s: int) -> None:
    value = value_at(Load(requests_per_second=points, repeat_s=repeat_s), now_ms=now_ms)
    values = [one for _, one in points]
    assert min(values) * (1 - 1e-9) <= value <= max(values) * (1 + 1e-9)


@given(st.integers(0, 9), st.floats(0, 1e6), st.floats(0, 1e3), st.floats(0, 1e3))
def test_ready_instances_share_what_arrives(ready: int, arriving: float, idle: float, each: float) -> None:
    load = Load(requests_per_second=[(0, arriving)], idle_cpu_millicores=idle, cpu_millicores_per_request=each)
    one = Serving(
        name="n", site_id="s", site="S", component="c", ready=[(f"i{number}", "node") for number in range(ready)]
    )
    whole, *parts = samples_of([load], [one], now_ms=5)
    assert (whole.instance, whole.requests_per_second, whole.cpu_millicores) == (None, arriving, None)
    assert len(parts) == ready
    if ready:
        assert sum(part.requests_per_second or 0 for part in parts) == pytest.approx(arriving)
        assert sum(part.cpu_millicores or 0 for part in parts) == pytest.approx(idle * ready + each * arriving)


async def test_a_driver_measures_what_is_ready_and_counts_the_call() -> None:
    calls: list[str] = []
    driver = CountedDriver(SimulatedDriver(), reports=CallReports(begun=lambda _, verb: calls.append(verb)))
    clock = FixedClock()
    access = ClusterAccess(
        id=CLUSTER,
        name="lab",
        endpoint=None,
        configuration={
            "readyAfterMs": 1_000,
            "loads": [
                {"site": "Aveiro", "component": "frontend", "requestsPerSecond": [[0, 0], [10, 100]]},
                {"requestsPerSecond": [[0, 5]]},
            ],
        },
        clock=clock,
        inventory=FixedInventory(),
    )
    async with driver.connect(access) as backend:
        assert isinstance(backend, SamplingBackend)
        await backend.ensure(work())
        assert [(one.instance, one.requests_per_second) for one in await backend.samples()] == [(None, 0)]
        clock.ms = 5_000
        whole, one, other = await backend.samples(names=[NAME, "not-there"])
        assert (whole.requests_per_second, whole.at_ms) == (50, 5_000)
        assert {one.node_id, other.node_id} == {"node_a1", "node_a2"}
        assert [one.requests_per_second, other.requests_per_second] == [25, 25]
        await backend.ensure(work(name="other", component="backend"))
        assert {one.name: one.requests_per_second for one in await backend.samples(names=["other"])} == {"other": 5}
    assert calls == ["connect", "ensure", "samples", "samples", "ensure", "samples"]
