"""What is believed of samples: which are new, whose they are, and what a source that fails is worth."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest

from drivers.port import BackendUnreachable, Sample
from graph.kinds import Instance, ScalingMetric
from graph.view import each
from lifecycle.autoscaling_rule import Measured
from lifecycle.autoscaling_samples import Reading, Sampler
from lifecycle.autoscaling_targets import targets_of
from lifecycle.connections import Connection
from lifecycle.prometheus import Prometheus
from lifecycle.share import Share
from lifecyclekit.edge import QUICK
from lifecyclekit.scaling import HandClock, Loop


class Backend:
    """A backend that measures what it is told to."""

    def __init__(self) -> None:
        self.answer: Sequence[Sample] | Exception = ()
        self.asked: list[Sequence[str]] = []

    async def ensure(self, work: Any) -> Any:
        raise AssertionError

    async def remove(self, work: Any) -> Any:
        raise AssertionError

    async def observe(self, *, after: Any) -> Any:
        raise AssertionError

    async def samples(self, *, names: Sequence[str] = ()) -> Sequence[Sample]:
        self.asked.append(names)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Bench:
    """One target, its backend, and a clock."""

    def __init__(self, edge, metric: ScalingMetric, deployment_id: str, **settings: Any) -> None:
        self.edge, self.metric, self.deployment_id = edge, metric, deployment_id
        self.backend, self.clock = Backend(), HandClock()
        connection = Connection(edge.driver, self.backend)
        self.sampler = Sampler(
            {edge.cluster_ids[0]: connection},
            view=lambda: edge.view,
            prometheus=Prometheus([], timeout_s=1),
            settings=dataclasses.replace(QUICK, **settings),
            clock=self.clock,
        )

    async def read(self, answer: Sequence[Sample] | Exception, *, after_s: float = 15) -> Reading:
        self.backend.answer = answer
        self.clock.seconds += after_s
        [target] = targets_of(self.edge.view, Share())
        return (await self.sampler.read([target]))[target.key]

    def sample(self, at_ms: int, value: float, instance: str | None = None, **other: Any) -> Sample:
        [release] = self.edge.releases(self.deployment_id)
        cpu = self.metric is ScalingMetric.CPU_UTILIZATION
        given: dict[str, Any] = {"cpu_millicores" if cpu else "requests_per_second": value}
        return Sample(
            name=release.backend_name, site_id=release.site_id, at_ms=at_ms, instance=instance, **given | other
        )


@pytest.fixture
async def bench(edge) -> Bench:
    return await made(edge, ScalingMetric.REQUESTS_PER_SECOND)


async def made(edge, metric: ScalingMetric, *, replicas: int = 1, **settings: Any) -> Bench:
    await edge.network(sites=1)
    await edge.version()
    deployment, operation = await edge.deploy(replicas={"web": replicas})
    await edge.succeeded(operation)
    await Loop(edge).policy(deployment.id, metric=metric)
    return Bench(edge, metric, deployment.id, **settings)


async def test_a_sample_counts_once_its_time_has_moved_on(bench) -> None:
    assert await bench.read([bench.sample(5, 70)]) == Reading(None, None, "its samples do not move on")
    assert await bench.read([bench.sample(6, 80)]) == Reading(Measured(whole=80))
    assert bench.backend.asked[0] == [bench.sample(0, 0).name]


async def test_what_stands_still_counts_for_a_minute(bench) -> None:
    await bench.read([bench.sample(5, 70)])
    for _ in range(5):
        assert (await bench.read([bench.sample(6, 80)])).measured == Measured(whole=80)
    got = await bench.read([bench.sample(6, 80)])
    assert (got.measured, got.stale_for_s) == (None, 75)
    assert (await bench.read([bench.sample(7, 90)])).measured == Measured(whole=90)


async def test_a_clock_that_is_set_back_or_forward_scales_nothing_by_itself(bench) -> None:
    hour = 3_600_000
    await bench.read([bench.sample(10 * hour, 70)])
    await bench.read([bench.sample(10 * hour + 1, 70)])
    assert (await bench.read([bench.sample(9 * hour, 75)])).measured == Measured(whole=75), "it was new just now"
    assert (await bench.read([bench.sample(9 * hour + 1, 80)])).measured == Measured(whole=80)
    assert (await bench.read([bench.sample(12 * hour, 85)])).measured == Measured(whole=85)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
async def test_a_value_that_cannot_be_is_none(bench, value: float) -> None:
    await bench.read([bench.sample(5, 70)])
    assert (await bench.read([bench.sample(6, value)])).why == "nothing is measured of it"


async def test_what_is_measured_elsewhere_or_of_something_else_does_not_count(bench) -> None:
    await bench.read([bench.sample(5, 70)])
    other = Sample(name=bench.sample(0, 0).name, site_id="site_other", at_ms=9, requests_per_second=500)
    another = Sample(name="other", site_id=bench.sample(0, 0).site_id, at_ms=9, requests_per_second=500)
    assert (await bench.read([other, another])).measured is None


async def test_replicas_without_a_sample_and_those_not_ready_are_counted(edge) -> None:
    bench = await made(edge, ScalingMetric.CPU_UTILIZATION, replicas=3)
    instances = [one.backend_name for one in each(edge.view, Instance)]
    assert len(instances) == 3
    one, two, _ = instances
    await bench.read([bench.sample(5, 250, one)])
    got = await bench.read([bench.sample(90_000, 250, one), bench.sample(90_001, 100, two)])
    assert got.measured == Measured(ready=(50, 20), missing=1), "percent of the 500 that one asks for"
    late = await bench.read([bench.sample(20_000, 250, one), bench.sample(90_002, 100, two)])
    assert late.measured == Measured(ready=(20,), missing=2), "a minute older than the newest"


@pytest.mark.parametrize(
    "problem", [BackendUnreachable("the control plane is away"), ValueError("a bug")], ids=["away", "bug"]
)
async def test_a_source_that_fails_says_so_and_is_no_reason_to_scale(bench, problem: Exception) -> None:
    await bench.read([bench.sample(5, 70)])
    got = await bench.read(problem, after_s=90)
    assert got.measured is None
    assert got.stale_for_s == 90
    assert got.why.startswith("its cluster")


async def test_a_cluster_that_does_not_answer_is_left_alone_for_a_while(edge) -> None:
    bench = await made(edge, ScalingMetric.REQUESTS_PER_SECOND, scaling_every_s=15.0, backoff_cap_s=300.0)
    away = BackendUnreachable("away")
    for _ in range(3):
        await bench.read(away, after_s=1)
    asked = len(bench.backend.asked)
    got = await bench.read([bench.sample(5, 70)], after_s=1)
    assert len(bench.backend.asked) == asked
    assert "left alone" in got.why
    await bench.read([bench.sample(6, 70)], after_s=60)
    assert (await bench.read([bench.sample(7, 70)], after_s=1)).measured == Measured(whole=70)


async def test_a_cluster_that_hangs_holds_up_the_round_for_one_call(edge) -> None:
    bench = await made(edge, ScalingMetric.REQUESTS_PER_SECOND, call_timeout_s=0.05)
    hanging = asyncio.Event()

    async def hang(*, names: Sequence[str] = ()) -> Sequence[Sample]:
        await hanging.wait()
        return ()

    bench.backend.samples = hang
    assert (await bench.read([])).why == "its cluster does not tell: no answer in time"
