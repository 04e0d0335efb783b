"""What is measured of scaled components: asked of their backends or of Prometheus, and only believed while it is new.

Sample times are by the measuring side's clock, which may be wrong by hours; here they only tell a new sample from one that
was seen before. A sample counts once its time has moved on under our eyes, and for a while after. So a metrics server that
has stopped, or one that a restarted process meets standing still, scales nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import NamedTuple

import structlog

from drivers.clock import Clock
from drivers.port import DriverProblem, Sample, SamplingBackend, Unreachable
from graph.kinds import (
    Instance,
    PrometheusQuery,
    ScalingMetric,
    Site,
)
from graph.view import Reader, each, get_as
from lifecycle.autoscaling_beginning import Beginnings
from lifecycle.autoscaling_measured import Read, measured_of, percent
from lifecycle.autoscaling_rule import Measured
from lifecycle.autoscaling_targets import Target
from lifecycle.autoscaling_turns import Turns
from lifecycle.backoff import Breakers
from lifecycle.connections import Connection
from lifecycle.prometheus import (
    MetricsProblem,
    MetricsUnanswered,
    MetricsUnreachable,
    Prometheus,
    Values,
)
from lifecycle.settings import LifecycleSettings

log = structlog.get_logger(__name__)
CLUSTERS_AT_ONCE = 16
QUERIES_AT_ONCE = 8
"""At one metrics server."""
QUERIES_AT_ONCE_A_TENANT = 2
QUERIES_A_ROUND = 64
"""Of one tenant, at one metrics server: those that were asked longest ago come first."""
NAMES_A_CALL = 500
NO_TURN = "there was no time left to ask for it"
LEFT_ALONE = "it did not answer lately and is left alone for a while"
TOO_MANY = (
    f"its tenant has more than {QUERIES_A_ROUND} queries of that server, and they take turns: ask for all sites in one"
)

Key = tuple[str, str]
Asked = tuple[str, PrometheusQuery]
"""A tenant's id, and what it asks."""


class Reading(NamedTuple):
    """What is known of a target now."""

    measured: Measured | None
    """None: nothing that is new."""
    stale_for_s: float | None = None
    """How long nothing new was measured, once that is too long."""
    why: str | None = None
    """Why nothing is measured."""


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
        now_ms: Callable[[], int],
    ) -> None:
        """`now_ms` is the graph's time."""
        self._connections = connections
        self._view = view
        self._prometheus = prometheus
        self._settings = settings
        self._clock = clock
        self._now_ms = now_ms
        self._beginnings = Beginnings(
            initialisation_s=settings.cpu_initialisation_s, readiness_s=settings.initial_readiness_s
        )
        self._clusters = Turns(at_once=CLUSTERS_AT_ONCE, each=1)
        self._servers: dict[str, Turns] = {}
        """By URL."""
        self._last_asked: dict[Asked, int] = {}
        """By query the round in which it was asked last."""
        self._rounds = 0
        self._breakers = Breakers(
            after=settings.breaker_after,
            base_s=settings.scaling_every_s,
            cap_s=settings.backoff_cap_s,
            seed=settings.seed,
        )
        self._seen: dict[Key, Seen] = {}

    async def read(self, targets: Sequence[Target]) -> dict[Key, Reading]:
        """What is known of each target now, by its key. It takes no longer than a round may, whatever hangs."""
        by_cluster: dict[str, list[Target]] = {}
        by_query: dict[Asked, list[Target]] = {}
        for one in targets:
            if one.policy.prometheus is not None:
                by_query.setdefault((one.policy.tenant_id, one.policy.prometheus), []).append(one)
            else:
                by_cluster.setdefault(one.release.cluster_id or "", []).append(one)
        found: dict[Key, Read] = {}
        until = asyncio.get_running_loop().time() + self._settings.samples_round_s
        asked = [_in_time(partial(self._of_cluster, *one), one[1], until=until) for one in by_cluster.items()]
        for query in self._whose_turn(by_query, found):
            some = by_query[query]
            asked.append(_in_time(partial(self._of_query, query, some), some, until=until))
        for answer in await asyncio.gather(*asked):
            found.update(answer)
        self._forget(by_cluster, by_query)
        now = self._clock.monotonic()
        self._seen = {one.key: self._seen.get(one.key) or Seen(first_s=now) for one in targets}
        self._beginnings.keep(self._seen)
        return {one.key: self._believed(one.key, found[one.key], now=now) for one in targets}

    def _whose_turn(self, by_query: Mapping[Asked, Sequence[Target]], found: dict[Key, Read]) -> list[Asked]:
        """The queries of this round: of each tenant so many at one server; the targets of the others are told so."""
        self._rounds += 1
        at_server: dict[tuple[str, str], list[Asked]] = {}
        for query in by_query:
            at_server.setdefault((query[0], query[1].endpoint), []).append(query)
        chosen = []
        for some in at_server.values():
            some.sort(key=lambda one: (self._last_asked.get(one, 0), one[1].query, one[1].site_label))
            chosen += some[:QUERIES_A_ROUND]
            for query in some[QUERIES_A_ROUND:]:
                found.update(_none(by_query[query], TOO_MANY))
        self._last_asked = {one: self._last_asked.get(one, 0) for one in by_query}
        return chosen

    def _forget(self, by_cluster: Mapping[str, object], by_query: Mapping[Asked, object]) -> None:
        """Remembers nothing of what is not asked any more."""
        self._clusters.keep(by_cluster)
        tenants = {tenant_id for tenant_id, _ in by_query}
        for turns in self._servers.values():
            turns.keep(tenants)
        ways = {_way_to_cluster(one) for one in by_cluster} | {_way_to_server(one) for one in self._servers}
        self._breakers.keep(ways | {_way_to_query(*one) for one in by_query})

    def _believed(self, key: Key, read: Read, *, now: float) -> Reading:
        seen = self._seen[key]
        limit = self._settings.samples_stale_s
        known = read.measured is not None and read.measured.known
        if read.at_ms:
            seen.note(read.at_ms, now=now)
        if known and seen.moved_s is not None:
            seen.told_s = seen.moved_s
            if now - seen.moved_s <= limit:
                return Reading(read.measured)
        quiet = now - (seen.first_s if seen.told_s is None else seen.told_s)
        why = "its samples do not move on" if known else read.why
        return Reading(None, quiet if quiet > limit else None, why)

    # Backends

    async def _of_cluster(self, cluster_id: str, targets: Sequence[Target]) -> dict[Key, Read]:
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
                async with self._clusters.turn(cluster_id), self._asking(_way_to_cluster(cluster_id)):
                    async with asyncio.timeout(self._settings.samples_timeout_s):
                        found = await backend.samples(names=part)
                for one in found:
                    samples.setdefault(one.name, []).append(one)
            view = self._view()
            return {one.key: self._measured(view, one, samples.get(one.release.backend_name, ())) for one in targets}
        except _LeftAlone:
            return _none(targets, f"its cluster does not tell: {LEFT_ALONE}")
        except (DriverProblem, TimeoutError) as problem:
            return _none(targets, f"its cluster does not tell: {str(problem) or 'no answer in time'}")
        except Exception:
            log.exception("autoscaling.samples_failed", cluster=cluster_id)
            return _none(targets, "its cluster's driver failed: the log of the server has more")

    def _measured(self, view: Reader, target: Target, samples: Sequence[Sample]) -> Read:
        instances = list(each(view, Instance, "release_id", target.release.id))
        aside = None
        if target.policy.metric is ScalingMetric.CPU_UTILIZATION:
            by_name = {one.instance: one for one in samples if one.instance is not None}
            aside = self._beginnings.aside(target.key, instances, by_name, now_ms=self._now_ms())
        return measured_of(target, instances, samples, aside=aside)

    @asynccontextmanager
    async def _asking(self, way: str) -> AsyncIterator[None]:
        """A call, unless what it goes to has left several unanswered lately. Raises _LeftAlone, and what is raised in it."""
        began = self._began(way)
        try:
            yield
        except (Unreachable, TimeoutError):
            self._breakers.unanswered(way, now=self._clock.monotonic())
            raise
        except asyncio.CancelledError:
            self._cut_short(way, began)
            raise
        except BaseException:
            self._breakers.answered(way)
            raise
        self._breakers.answered(way)

    # Prometheus

    async def _of_query(self, asked: Asked, targets: Sequence[Target]) -> dict[Key, Read]:
        tenant_id, query = asked
        try:
            values = await self._values(tenant_id, query)
        except MetricsProblem as problem:
            return _none(targets, str(problem))
        except _LeftAlone:
            return _none(targets, f"metrics server {query.endpoint!r}: {LEFT_ALONE}")
        except Exception:
            log.exception("autoscaling.query_failed", tenant=tenant_id, endpoint=query.endpoint)
            return _none(targets, "its metrics server's answer cannot be read: the log of the server has more")
        view = self._view()
        found = {}
        for one in targets:
            value = value_of(view, values.by_site, site_id=one.release.site_id, tenant_id=tenant_id)
            if isinstance(value, str):
                found[one.key] = Read(None, 0, value)
            else:
                cpu = one.policy.metric is ScalingMetric.CPU_UTILIZATION
                whole = percent(one, value * 1000) if cpu else value
                found[one.key] = Read(Measured(whole=whole), values.at_ms)
        return found

    async def _values(self, tenant_id: str, query: PrometheusQuery) -> Values:
        """What a query gives, once its tenant has a turn there. Raises MetricsProblem or _LeftAlone, or as a bug does."""
        endpoint = self._prometheus.endpoint(tenant_id, query.endpoint)
        turns = self._servers.get(endpoint.url)
        if turns is None:
            turns = Turns(at_once=QUERIES_AT_ONCE, each=QUERIES_AT_ONCE_A_TENANT)
            self._servers[endpoint.url] = turns
        own, server = _way_to_query(tenant_id, query), _way_to_server(endpoint.url)
        async with turns.turn(tenant_id):
            self._last_asked[tenant_id, query] = self._rounds
            began = self._began(own)
            try:
                self._began(server)
            except _LeftAlone:
                self._breakers.released(own)
                raise
            try:
                values = await self._prometheus.values(endpoint, query)
            except MetricsUnreachable:
                self._breakers.unanswered(server, now=self._clock.monotonic())
                self._breakers.released(own)
                raise
            except MetricsUnanswered:
                self._breakers.answered(server)
                self._breakers.unanswered(own, now=self._clock.monotonic())
                raise
            except MetricsProblem:
                self._breakers.answered(server)
                self._breakers.answered(own)
                raise
            except asyncio.CancelledError:
                self._breakers.released(server)
                self._cut_short(own, began)
                raise
            except BaseException:
                self._breakers.released(server)
                self._breakers.unanswered(own, now=self._clock.monotonic())
                raise
            self._breakers.answered(server)
            self._breakers.answered(own)
            return values

    # What is left alone

    def _began(self, way: str) -> float:
        """When a call that is admitted begins. Looked at once it has its turn: more is known by then. Raises _LeftAlone."""
        if not self._breakers.admit(way, now=self._clock.monotonic()):
            raise _LeftAlone
        return asyncio.get_running_loop().time()

    def _cut_short(self, way: str, began: float) -> None:
        """A call that the end of its round has ended: it counts as unanswered when it had time enough."""
        if asyncio.get_running_loop().time() - began >= self._settings.samples_timeout_s / 2:
            self._breakers.unanswered(way, now=self._clock.monotonic())
        else:
            self._breakers.released(way)


async def _in_time(
    read: Callable[[], Awaitable[dict[Key, Read]]], targets: Sequence[Target], *, until: float
) -> dict[Key, Read]:
    """What a source says by the end of the round."""
    try:
        async with asyncio.timeout_at(until):
            return await read()
    except TimeoutError:
        return _none(targets, NO_TURN)


def _way_to_cluster(cluster_id: str) -> str:
    return f"cluster {cluster_id}"


def _way_to_server(url: str) -> str:
    return f"metrics {url}"


def _way_to_query(tenant_id: str, query: PrometheusQuery) -> str:
    return f"query {tenant_id} {query.endpoint} {query.site_label} {query.query}"


class Seen:
    """Which samples of a target were seen, and when their time moved on. Seconds by the monotonic clock."""

    __slots__ = ("at_ms", "first_s", "moved_s", "told_s")

    def __init__(self, *, first_s: float) -> None:
        self.first_s = first_s
        self.at_ms: int | None = None
        self.moved_s: float | None = None
        self.told_s: float | None = None
        """When it had moved on the last time that something of it could be believed."""

    def note(self, at_ms: int, *, now: float) -> None:
        """Takes in the time of the newest sample. One that goes back was set right: what follows counts from there."""
        if self.at_ms is not None and at_ms > self.at_ms:
            self.moved_s = now
        self.at_ms = at_ms


class _LeftAlone(Exception):
    """What would be asked has left several calls unanswered."""


def value_of(reader: Reader, values: Mapping[str, float], *, site_id: str, tenant_id: str) -> float | str:
    """What a query gives for a site, by its id, or else by its name; why it gives nothing.

    A site that all share and one of the tenant's own may have the same name. It is nobody's value then: a wrong one would
    scale, and none scales nothing.
    """
    if site_id in values:
        return values[site_id]
    site = get_as(reader, Site, site_id)
    if site is None or site.name not in values:
        return "the query gives no value for the site"
    others = [reader.find("Site", site.name, scope) for scope in ("", tenant_id)]
    if any(other is not None and other.id != site_id for other in others):
        return f"the query names sites by name, and several are named {site.name!r}: name them by id"
    return values[site.name]


def _none(targets: Iterable[Target], why: str) -> dict[Key, Read]:
    return {one.key: Read(None, 0, why) for one in targets}
