"""What is measured of scaled components: asked of their backends or of Prometheus, and only believed while it is new.

Sample times are by the measuring side's clock, which may be wrong by hours; here they only tell a new sample from one that
was seen before. A sample counts once its time has moved on under our eyes, and for a while after. So a metrics server that
has stopped, or one that a restarted process meets standing still, scales nothing.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import structlog

from drivers.clock import Clock
from drivers.port import DriverProblem, Sample, SamplingBackend, Unreachable
from graph.kinds import (
    Instance,
    InstanceStatus,
    PrometheusQuery,
    ScalingMetric,
    Site,
    Tenant,
)
from graph.view import Reader, each, get_as
from lifecycle.autoscaling_rule import Measured
from lifecycle.autoscaling_targets import Target
from lifecycle.backoff import Breakers
from lifecycle.connections import Connection
from lifecycle.prometheus import MetricsProblem, MetricsUnreachable, Prometheus, value_of
from lifecycle.settings import LifecycleSettings

log = structlog.get_logger(__name__)
AT_ONCE = 16
NAMES_A_CALL = 500
SPREAD_MS = 60_000
"""How much older than the newest a replica's sample may be: after that it counts as missing."""
NOT_MEASURED = "nothing is measured of it"

T = TypeVar("T")


class Reading(NamedTuple):
    """What is known of a target now."""

    measured: Measured | None
    """None: nothing that is new."""
    stale_for_s: float | None = None
    """How long nothing new was measured, once that is too long."""
    why: str | None = None
    """Why nothing is measured."""


class _Read(NamedTuple):
    """What one target's source said."""

    measured: Measured | None
    at_ms: int
    """The time of the newest sample, by the measuring side's clock."""
    why: str | None = None


class Sampler:
    """Reads samples, and remembers which it has seen."""

    def __init__(
        self,
        connections: Mapping[str, Connection],
        *,
        view: Callable[[], Reader],
        prometheus: Prometheus,
        settings: LifecycleSettings,
        clock: Clock,
    ) -> None:
        self._connections = connections
        self._view = view
        self._prometheus = prometheus
        self._settings = settings
        self._clock = clock
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._breakers = Breakers(
            after=settings.breaker_after,
            base_s=settings.scaling_every_s,
            cap_s=settings.backoff_cap_s,
            seed=settings.seed,
        )
        self._seen: dict[tuple[str, str], Seen] = {}

    async def read(self, targets: Sequence[Target]) -> dict[tuple[str, str], Reading]:
        """What is known of each target now, by its key. No source holds up another for longer than a call may take."""
        by_cluster: dict[str, list[Target]] = {}
        by_query: dict[tuple[str, PrometheusQuery], list[Target]] = {}
        for one in targets:
            if one.policy.prometheus is not None:
                tenant = get_as(self._view(), Tenant, one.policy.tenant_id)
                by_query.setdefault((tenant.name if tenant else "", one.policy.prometheus), []).append(one)
            else:
                by_cluster.setdefault(one.release.cluster_id or "", []).append(one)
        found: dict[tuple[str, str], _Read] = {}
        asked = [self._of_cluster(cluster_id, some) for cluster_id, some in by_cluster.items()]
        asked += [self._of_query(tenant, query, some) for (tenant, query), some in by_query.items()]
        for answer in await asyncio.gather(*asked):
            found.update(answer)
        now = self._clock.monotonic()
        self._seen = {one.key: self._seen.get(one.key) or Seen(first_s=now) for one in targets}
        return {one.key: self._believed(one.key, found[one.key], now=now) for one in targets}

    def _believed(self, key: tuple[str, str], read: _Read, *, now: float) -> Reading:
        seen = self._seen[key]
        if read.measured is not None and read.measured.known:
            seen.note(read.at_ms, now=now)
        limit = self._settings.samples_stale_s
        if read.measured is not None and seen.moved_s is not None and now - seen.moved_s <= limit:
            return Reading(read.measured)
        quiet = now - (seen.first_s if seen.moved_s is None else seen.moved_s)
        return Reading(None, quiet if quiet > limit else None, read.why or "its samples do not move on")

    # Backends

    async def _of_cluster(self, cluster_id: str, targets: Sequence[Target]) -> dict[tuple[str, str], _Read]:
        connection = self._connections.get(cluster_id)
        if connection is None:
            return _none(targets, "its cluster is not connected to")
        backend = connection.backend
        if not isinstance(backend, SamplingBackend):
            return _none(targets, "its cluster's driver measures nothing")
        names = sorted({one.release.backend_name for one in targets})
        parts = [names[at : at + NAMES_A_CALL] for at in range(0, len(names), NAMES_A_CALL)]
        samples: dict[str, list[Sample]] = {}
        try:
            for part in parts:
                async with asyncio.timeout(self._settings.call_timeout_s):
                    found = await self._guarded(f"cluster {cluster_id}", backend.samples(names=part))
                for one in found:
                    samples.setdefault(one.name, []).append(one)
        except (DriverProblem, TimeoutError, _LeftAlone) as problem:
            return _none(targets, f"its cluster does not tell: {str(problem) or 'no answer in time'}")
        except Exception:
            log.exception("autoscaling.samples_failed", cluster=cluster_id)
            return _none(targets, "its cluster's driver failed: the log of the server has more")
        view = self._view()
        return {one.key: _measured(view, one, samples.get(one.release.backend_name, ())) for one in targets}

    # Prometheus

    async def _of_query(
        self, tenant: str, query: PrometheusQuery, targets: Sequence[Target]
    ) -> dict[tuple[str, str], _Read]:
        try:
            endpoint = self._prometheus.endpoint(tenant, query.endpoint)
            values = await self._guarded(f"metrics {endpoint.url}", self._prometheus.values(endpoint, query))
        except (MetricsProblem, _LeftAlone) as problem:
            return _none(targets, str(problem))
        view, at_ms = self._view(), int(self._clock.monotonic() * 1000)
        found = {}
        for one in targets:
            site = get_as(view, Site, one.release.site_id)
            value = value_of(values, site_id=one.release.site_id, site=site.name if site is not None else "")
            if value is None:
                found[one.key] = _Read(None, 0, "the query gives no value for the site")
            else:
                cpu = one.policy.metric is ScalingMetric.CPU_UTILIZATION
                whole = _percent(one, value * 1000) if cpu else value
                found[one.key] = _Read(Measured(whole=whole), at_ms)
        return found

    async def _guarded(self, way: str, call: Awaitable[T]) -> T:
        """A call, unless what it goes to has left several unanswered lately. Raises _LeftAlone, and what it raises."""
        if not self._breakers.admit(way, now=self._clock.monotonic()):
            if asyncio.iscoroutine(call):
                call.close()
            raise _LeftAlone("it did not answer lately and is left alone for a while")
        try:
            async with self._turns:
                answer = await call
        except (Unreachable, MetricsUnreachable, TimeoutError):
            self._breakers.unanswered(way, now=self._clock.monotonic())
            raise
        except asyncio.CancelledError:
            self._breakers.unanswered(way, now=self._clock.monotonic())
            raise
        except BaseException:
            self._breakers.answered(way)
            raise
        self._breakers.answered(way)
        return answer


class Seen:
    """Which samples of a target were seen, and when their time moved on. Seconds by the monotonic clock."""

    __slots__ = ("at_ms", "first_s", "moved_s")

    def __init__(self, *, first_s: float) -> None:
        self.first_s = first_s
        self.at_ms: int | None = None
        self.moved_s: float | None = None

    def note(self, at_ms: int, *, now: float) -> None:
        """Takes in the time of the newest sample. One that goes back was set right: what follows counts from there."""
        if self.at_ms is not None and at_ms > self.at_ms:
            self.moved_s = now
        self.at_ms = at_ms


class _LeftAlone(Exception):
    """What would be asked has left several calls unanswered."""


def _none(targets: Iterable[Target], why: str) -> dict[tuple[str, str], _Read]:
    return {one.key: _Read(None, 0, why) for one in targets}


def _measured(view: Reader, target: Target, samples: Sequence[Sample]) -> _Read:
    """A target's samples beside the instances that are known of it."""
    taken = [
        (one, value)
        for one in samples
        if one.site_id == target.release.site_id and (value := _value(target, one)) is not None
    ]
    if not taken:
        return _Read(None, 0, NOT_MEASURED)
    newest = max(one.at_ms for one, _ in taken)
    whole = next((value for one, value in taken if one.instance is None), None)
    if whole is not None:
        return _Read(Measured(whole=whole), newest)
    ready = {one.instance: value for one, value in taken if newest - one.at_ms <= SPREAD_MS}
    missing = unready = 0
    for instance in each(view, Instance, "release_id", target.release.id):
        if instance.backend_name in ready:
            continue
        missing += instance.status is InstanceStatus.RUNNING
        unready += instance.status is InstanceStatus.PENDING
    return _Read(Measured(ready=tuple(ready.values()), missing=missing, unready=unready), newest)


def _value(target: Target, sample: Sample) -> float | None:
    """What was measured, where it can be meant."""
    cpu = target.policy.metric is ScalingMetric.CPU_UTILIZATION
    value = sample.cpu_millicores if cpu else sample.requests_per_second
    if value is None or not math.isfinite(value) or value < 0:
        return None
    return _percent(target, value) if cpu else value


def _percent(target: Target, millicores: float) -> float:
    """Percent of the CPU that one replica asks for."""
    return 100.0 * millicores / (target.release.resources.cpu_millicores or 1)
