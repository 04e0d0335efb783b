"""What is believed of samples: which are new, whose they are, and what a source that fails is worth."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest

from drivers.port import BackendUnreachable, Sample
from faultkit import broken
from graph.kinds import Instance, InstanceStatus, PrometheusQuery, ScalingMetric, Site, Tenant
from graph.view import each
from lifecycle.autoscaling_index import Scaled
from lifecycle.autoscaling_rule import Measured, recommended
from lifecycle.autoscaling_samples import (
    LEFT_ALONE,
    NO_TURN,
    QUERIES_A_ROUND,
    QUERIES_AT_ONCE_A_TENANT,
    TOO_MANY,
    Reading,
    Sampler,
    value_of,
)
from lifecycle.autoscaling_targets import Target
from lifecycle.connections import Connection
from lifecycle.metrics_endpoints import MetricsEndpoint
from lifecycle.prometheus import MetricsProblem, MetricsUnanswered, MetricsUnreachable, Prometheus, Values
from lifecycle.share import Share
from lifecyclekit.edge import QUICK
from lifecyclekit.scaling import HandClock, Loop
from tests.placement.placement_graphs import Builder


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
            now_ms=edge.ledger.now_ms,
        )

    async def read(self, answer: Sequence[Sample] | Exception, *, after_s: float = 15) -> Reading:
        self.backend.answer = answer
        self.clock.seconds += after_s
        [target] = Scaled(self.edge.view).targets(Share())
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


async def test_a_cluster_that_hangs_is_given_up(edge) -> None:
    bench = await made(edge, ScalingMetric.REQUESTS_PER_SECOND, samples_timeout_s=0.05)
    hanging = asyncio.Event()

    async def hang(*, names: Sequence[str] = ()) -> Sequence[Sample]:
        await hanging.wait()
        return ()

    bench.backend.samples = hang
    assert (await bench.read([])).why == "its cluster does not tell: no answer in time"


async def test_a_round_ends_whatever_hangs(edge) -> None:
    bench = await made(edge, ScalingMetric.REQUESTS_PER_SECOND, samples_timeout_s=60.0, samples_round_s=0.05)
    hanging = asyncio.Event()

    async def hang(*, names: Sequence[str] = ()) -> Sequence[Sample]:
        await hanging.wait()
        return ()

    bench.backend.samples = hang
    assert (await bench.read([])).why == NO_TURN


# What the documentation of the Kubernetes controller says of pods that are missing, not ready, failed or going


CPU = 500
"""Millicores that one replica asks for."""


@pytest.mark.parametrize(
    ("status", "sampled", "expected"),
    [
        # By instance: its status, and the percent of its CPU that was measured, if it was; target 50 %.
        pytest.param("RRR", [100, 100, 100], 6, id="all-are-ready"),
        pytest.param("RRP", [100, 100, None], 4, id="one-not-ready-counts-as-idle-when-replicas-are-added"),
        pytest.param("RRP", [100, 100, 400], 4, id="one-not-ready-is-set-aside-though-it-was-measured"),
        pytest.param("RRP", [20, 20, 400], 1, id="one-not-ready-does-not-count-when-they-are-taken-away"),
        pytest.param("RRR", [100, 100, None], 4, id="one-missing-counts-as-idle-when-replicas-are-added"),
        pytest.param("RRR", [20, 20, None], 3, id="one-missing-counts-as-wholly-busy-when-they-are-taken-away"),
        pytest.param("RRR", [60, 60, None], 3, id="one-missing-turns-the-direction-and-nothing-is-done"),
        pytest.param("RRF", [100, 100, 400], 4, id="one-that-failed-is-left-out"),
        pytest.param("RRT", [100, 100, 0], 4, id="one-that-is-going-is-left-out"),
        pytest.param("RRU", [100, 100, 0], 4, id="one-that-cannot-be-seen-is-left-out"),
        pytest.param("RR-", [100, 100, 0], 4, id="one-that-is-not-its-own-is-left-out"),
        pytest.param("RRR", [52, 53, 54], 3, id="within-the-tolerance"),
        pytest.param("PPP", [100, 100, 100], None, id="none-is-ready"),
        pytest.param("RRB", [100, 100, 400], 12, id="one-that-was-ready-and-is-too-busy-to-answer-counts"),
        pytest.param("BBB", [100, 100, 100], 6, id="all-are-too-busy-to-answer"),
        pytest.param("RRR", [None, None, None], None, id="none-is-measured"),
    ],
)
async def test_pods_count_as_the_documentation_says(edge, status: str, sampled: list[float | None], expected) -> None:
    bench = await made(edge, ScalingMetric.CPU_UTILIZATION, replicas=3, samples_stale_s=60.0)
    [target] = Scaled(edge.view).targets(Share())
    statuses = {"R": "RUNNING", "P": "PENDING", "F": "FAILED", "T": "TERMINATING", "U": "UNKNOWN"}
    names = sorted(one.backend_name for one in each(edge.view, Instance))

    class Reported:
        """The graph as it would be with these statuses."""

        def __getattr__(self, name: str) -> Any:
            return getattr(edge.view, name)

        def get(self, entity_id: str) -> Any:
            found = edge.view.get(entity_id)
            if not isinstance(found, Instance):
                return found
            letter = status[names.index(found.backend_name)]
            if letter == "-":
                return msgspec.structs.replace(found, backend_name="another", status=InstanceStatus.FAILED)
            if letter == "B":
                # Ready for long, and not any more since a while ago.
                long_ago = edge.ledger.now_ms() - 3_600_000
                return msgspec.structs.replace(found, status=InstanceStatus.PENDING, created_at=long_ago)
            return msgspec.structs.replace(found, status=InstanceStatus[statuses[letter]])

    bench.sampler._view = Reported
    got = Reading(None)
    for at in (5, 6):
        samples = [
            bench.sample(at, CPU * percent / 100, name)
            for name, percent in zip(names, sampled, strict=True)
            if percent is not None
        ]
        bench.backend.answer = samples
        bench.clock.seconds += 15
        got = (await bench.sampler.read([target]))[target.key]
    if expected is None:
        assert got.measured is None
        return
    number = recommended(got.measured, current=3, target=50, busy=100, tolerance=0.1)
    assert number == expected


# Prometheus: many tenants, one server


class Server(Prometheus):
    """A metrics server that answers each query as it is told to."""

    def __init__(self) -> None:
        super().__init__([MetricsEndpoint("*", "edge", "http://metrics")], timeout_s=60)
        self.asked: Counter[str] = Counter()
        self.answers: Mapping[str, float | Exception | None] = {}
        """By query; None: it hangs. What is not here is 100 everywhere."""
        self.at_once = self.most_at_once = 0
        self.hangs = asyncio.Event()
        """Set: what hangs is given up."""
        self._time = 0

    async def values(self, endpoint: MetricsEndpoint, query: PrometheusQuery) -> Values:
        self.asked[query.query] += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(0)
            answer = self.answers.get(query.query, 100.0)
            if answer is None:
                await self.hangs.wait()
                raise MetricsUnanswered("no answer in time")
            if isinstance(answer, Exception):
                raise answer
            self._time += 1
            return Values(self._time, {"s0": answer or 0.0})
        finally:
            self.at_once -= 1


class Shared:
    """A server and the tenants that ask it, each with targets of its own."""

    def __init__(self, edge, **settings: Any) -> None:
        self.server = Server()
        self.clock = HandClock()
        self.view = edge.view
        given: dict[str, Any] = {"samples_round_s": 60.0, "scaling_every_s": 15.0, "backoff_cap_s": 300.0}
        self.sampler = Sampler(
            {},
            view=lambda: edge.view,
            prometheus=self.server,
            settings=dataclasses.replace(QUICK, **{**given, **settings}),
            clock=self.clock,
            now_ms=edge.ledger.now_ms,
        )
        [self.target] = Scaled(edge.view).targets(Share())

    def of(self, tenant: str, *queries: str) -> list[Target]:
        return [
            self.target._replace(
                policy=msgspec.structs.replace(
                    self.target.policy,
                    id=f"{tenant}-{query}",
                    tenant_id=tenant,
                    prometheus=PrometheusQuery(endpoint="edge", query=query),
                )
            )
            for query in queries
        ]

    async def read(self, *targets: Target, after_s: float = 15) -> dict[str, Reading]:
        """By the query."""
        self.clock.seconds += after_s
        found = await self.sampler.read(targets)
        return {one.policy.prometheus.query: found[one.key] for one in targets}


@pytest.fixture
async def shared(edge) -> Shared:
    await made(edge, ScalingMetric.REQUESTS_PER_SECOND)
    return Shared(edge)


async def beside_queries_that_hang(shared: Shared) -> None:
    """One tenant's query is asked in each round while forty of another's hang."""
    hanging = [f"slow-{number}" for number in range(40)]
    shared.server.answers = dict.fromkeys(hanging)
    targets = [*shared.of("greedy", *hanging), *shared.of("other", "quick")]
    for nth in range(6):
        shared.server.hangs.clear()
        round_ = asyncio.ensure_future(shared.read(*targets))
        for _ in range(200):
            await asyncio.sleep(0)
        asked = shared.server.asked["quick"]
        if asked != nth + 1:
            shared.server.hangs.set()
            await round_
            raise AssertionError(f"it had {asked} of {nth + 1} turns while the others hung")
        shared.server.hangs.set()
        got = await round_
        assert got["quick"].measured == (Measured(whole=100) if nth else None)
        assert got["slow-0"].measured is None
    assert shared.server.most_at_once <= QUERIES_AT_ONCE_A_TENANT + 1


async def test_one_tenants_queries_that_hang_neither_take_the_turns_nor_close_the_server_for_the_others(shared) -> None:
    await beside_queries_that_hang(shared)


async def test_one_tenants_queries_that_may_take_all_turns_are_found_out(shared) -> None:
    with broken.with_all_turns_for_one_tenant(), pytest.raises(AssertionError, match="while the others hung"):
        await beside_queries_that_hang(shared)


@pytest.mark.parametrize("problem", [MetricsUnanswered("timed out"), ValueError("a bug")], ids=["unanswered", "bug"])
async def test_a_query_that_is_not_answered_is_left_alone_and_no_other(shared, problem: Exception) -> None:
    shared.server.answers = {"bad": problem}
    targets = shared.of("one", "bad", "good")
    for _ in range(5):
        got = await shared.read(*targets, after_s=1)
    assert (shared.server.asked["bad"], shared.server.asked["good"]) == (3, 5)
    assert got["bad"].why == f"metrics server 'edge': {LEFT_ALONE}"
    assert got["good"].measured == Measured(whole=100)
    shared.server.answers = {}
    await shared.read(*targets, after_s=60)
    assert shared.server.asked["bad"] == 4, "tried again after a while"


async def test_a_query_that_is_refused_is_asked_again_and_closes_nothing(shared) -> None:
    shared.server.answers = {"bad": MetricsProblem("parse error")}
    targets = shared.of("one", "bad", "good")
    for _ in range(5):
        got = await shared.read(*targets, after_s=1)
    assert (shared.server.asked["bad"], shared.server.asked["good"]) == (5, 5)
    assert got["bad"].why == "parse error"


async def test_a_server_that_cannot_be_reached_is_left_alone_for_all_and_those_that_wait_know_it_at_once(
    shared,
) -> None:
    queries = [f"q{number:02}" for number in range(30)]
    shared.server.answers = dict.fromkeys(queries, MetricsUnreachable("away"))
    targets = [*shared.of("one", *queries[:15]), *shared.of("two", *queries[15:])]
    await shared.read(*targets)
    asked = shared.server.asked.total()
    assert asked <= 3 + 2 * QUERIES_AT_ONCE_A_TENANT, "it is looked at once there is a turn, and not before"
    got = await shared.read(*targets, after_s=1)
    assert shared.server.asked.total() == asked
    assert LEFT_ALONE in got["q29"].why
    shared.server.answers = {}
    await shared.read(*targets, after_s=60)
    assert shared.server.asked.total() == asked + 1, "one tries it"
    got = await shared.read(*targets, after_s=1)
    assert shared.server.asked.total() == asked + 31, "and the others follow"


async def test_a_tenant_has_so_many_queries_in_a_round_and_they_take_turns(shared) -> None:
    queries = [f"q{number:03}" for number in range(QUERIES_A_ROUND + 6)]
    targets = [*shared.of("one", *queries), *shared.of("two", "own")]
    got = await shared.read(*targets)
    assert (shared.server.asked.total(), shared.server.asked["own"]) == (QUERIES_A_ROUND + 1, 1)
    assert {query for query, one in got.items() if one.why == TOO_MANY} == set(queries[QUERIES_A_ROUND:])
    await shared.read(*targets)
    assert all(shared.server.asked[one] for one in queries), "those that were left come first"


async def test_what_is_not_asked_any_more_is_forgotten(shared) -> None:
    for nth in range(20):
        query = f"rewritten-{nth}"
        shared.server.answers = {query: MetricsUnanswered("timed out")}
        await shared.read(*shared.of("one", query))
    assert len(shared.sampler._breakers._ways) <= 1
    assert len(shared.sampler._last_asked) == 1


async def test_an_answer_that_stands_still_is_not_new(shared, monkeypatch) -> None:
    """As that of a cache before the server, which gives an old one for ever."""

    async def cached(endpoint: MetricsEndpoint, query: PrometheusQuery) -> Values:
        return Values(7, {"s0": 900.0})

    monkeypatch.setattr(shared.server, "values", cached)
    targets = shared.of("one", "cached")
    for _ in range(6):
        got = (await shared.read(*targets))["cached"]
        assert got.measured is None
    assert (got.stale_for_s, got.why) == (75, "its samples do not move on")


def test_a_value_is_a_sites_by_its_id_or_by_a_name_that_is_no_others() -> None:
    build = Builder()
    mine, others = build.tenant, build.make(Tenant, name="others")
    shared = build.site(name="Vienna")
    alone = build.site(name="Graz")
    own = build.site(name="Vienna", tenant_id=mine.id)

    def found(site: Site, tenant: Tenant = mine, **values: float) -> float | str:
        return value_of(build.view, values, site_id=site.id, tenant_id=tenant.id)

    assert found(alone, Graz=2.0) == 2.0
    assert found(alone, **{"Graz": 2.0, alone.id: 3.0}) == 3.0, "an id says more than a name"
    assert "no value" in str(found(alone, Vienna=2.0))
    for site in (shared, own):
        assert "several are named 'Vienna'" in str(found(site, Vienna=2.0))
        assert found(site, **{"Vienna": 2.0, site.id: 5.0}) == 5.0
    assert found(shared, others, Vienna=2.0) == 2.0, "the other tenant has one site of that name"
