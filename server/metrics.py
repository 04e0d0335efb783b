"""Every metric of the server, declared in one place, in a registry of its own.

Packages below `server` do not know Prometheus: what they have to report they report to a callable that they were given
(the ledger's `on_group`, the endpoint's `EndpointMetrics`), and whoever builds them hands in one of the methods here. So
a lower layer is tested without metrics, and a metric's name and labels are found in this file alone.

Labels have few values, none of them chosen by callers: else a caller could fill the server's memory with series.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
OTHER: Final = "other"
ROUTES: Final = frozenset(
    {
        *("/", "/topology", "/map", "/list", "/entity", "/plain", "/playground", "/assets"),
        *("/graphql", "/auth", "/livez", "/readyz", "/metrics", "/backup", "/uploads", "/packages"),
    }
)
"""The first parts of the paths that are counted apart."""
_FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SLOW = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)


class Metrics:
    """The metrics of one server process. Attributes are Prometheus's; methods have the form in which layers report."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)

        # Requests
        self.http_requests = self._counter("http_requests", "Requests answered.", "status_class", "route")
        self.graphql_seconds = self._histogram(
            "graphql_seconds", "From the preparation of an operation to its answer.", _FAST, "type", "outcome"
        )
        self.documents = self._counter("graphql_documents", "Documents looked up in the cache.", "found")
        self.refusals = self._counter("refusals", "Requests and mutations refused, by the error's code.", "code")

        # The graph
        self.commits = self._counter("commits", "Commits that were acknowledged.")
        self.commit_group_size = self._histogram(
            "commit_group_drafts", "Drafts written in one transaction.", (1, 2, 4, 8, 16, 32, 64)
        )
        self.commit_group_seconds = self._histogram("commit_group_seconds", "One transaction of the store.", _FAST)
        self.view_revision = self._gauge("view_revision", "The revision that reads of this process see.")
        self.store_up = self._gauge("store_up", "1 while the store answers.")

        # Subscriptions
        self.connections = self._gauge("websocket_connections", "WebSockets that are open.")
        self.connection_closes = self._counter("websocket_closes", "WebSockets closed by the server.", "code")
        self.subscriptions = self._gauge("subscriptions", "Subscriptions that are open.")
        self.subscription_groups = self._gauge("subscription_groups", "Groups that share an execution.")
        self.events_encoded = self._counter("subscription_events", "Events executed and encoded, once for a group.")
        self.deliveries = self._counter("subscription_deliveries", "Events handed to a subscriber.")
        self.delivered_bytes = self._counter("subscription_delivered_bytes", "Bytes of those.")
        self.slow_readers = self._counter("subscription_slow_readers", "Times that a subscriber fell behind its group.")
        self.resyncs = self._counter("subscription_resyncs", "Subscribers told to begin anew.", "reason")

        # Work on the sites
        self.operations_by_status = self._gauge("operations", "Operations that are not filed yet.", "status")
        self.releases_by_phase = self._gauge("releases", "Releases by phase of their work.", "phase")
        self.driver_calls = self._counter("driver_calls", "Calls of backends that ended.", "driver", "verb", "outcome")
        self.driver_call_seconds = self._histogram(
            "driver_call_seconds", "One of those calls.", _SLOW, "driver", "verb"
        )
        self.driver_calls_in_flight = self._gauge("driver_calls_in_flight", "Calls under way.", "driver", "verb")
        self.driver_calls_left_behind = self._gauge(
            "driver_calls_left_behind", "Calls of backends and connections that were given up and have not ended."
        )
        self.share_partitions = self._gauge(
            "share_partitions", "Partitions of the work that this process holds by its lease, of 64."
        )
        self.workers_alive = self._gauge(
            "workers_alive", "Workers with a lease, as this process knows; -1 while it does not."
        )
        self.releases_behind = self._gauge(
            "releases_behind", "Releases of which a backend does not have what is wanted yet, given up or not."
        )
        self.oldest_behind_seconds = self._gauge("oldest_behind_seconds", "How long the oldest of those has been so.")
        self.ring_to_claim_seconds = self._histogram(
            "ring_to_claim_seconds", "From the first ring for a release with something to do until its claim.", _SLOW
        )
        self.applies = self._counter(
            "applies", "Calls after which a backend holds what was asked for; `no` changed nothing there.", "changed"
        )
        self.fenced = self._counter(
            "fenced", "Something older that was refused: result, generation or observer.", "what"
        )

    # How layers report; each returns at once and never raises.

    def request(self, status: int, route: str) -> None:
        """An HTTP request was answered; `route` is one of ROUTES, or "other"."""
        status_class = f"{status // 100}xx" if 100 <= status < 600 else OTHER
        self.http_requests.labels(status_class, route).inc()

    def operation(self, type_name: str, outcome: str, seconds: float) -> None:
        """A GraphQL operation was answered (or a subscription accepted)."""
        self.graphql_seconds.labels(type_name, outcome).observe(seconds)

    def document(self, found: bool) -> None:
        """A document was looked up in the cache."""
        self.documents.labels("yes" if found else "no").inc()

    def group(self, drafts: int, seconds: float) -> None:
        """The ledger wrote a group (its `on_group`)."""
        self.commits.inc(drafts)
        self.commit_group_size.observe(drafts)
        self.commit_group_seconds.observe(seconds)

    def connection(self, change: int) -> None:
        """WebSockets more (1) or less (-1)."""
        self.connections.inc(change)

    def subscription(self, change: int) -> None:
        """Subscriptions more or less."""
        self.subscriptions.inc(change)

    def subscription_group(self, change: int) -> None:
        """Groups of subscribers more or less."""
        self.subscription_groups.inc(change)

    def event(self, size_bytes: int, subscribers: int) -> None:
        """An event was encoded once for so many subscribers."""
        self.events_encoded.inc()
        self.deliveries.inc(subscribers)
        self.delivered_bytes.inc(size_bytes * subscribers)

    def behind(self) -> None:
        """A subscriber fell behind its group and catches up alone."""
        self.slow_readers.inc()

    def resync(self, reason: str) -> None:
        """A subscriber was told to begin anew."""
        self.resyncs.labels(reason).inc()

    def closed(self, code: int) -> None:
        """The server closed a WebSocket."""
        self.connection_closes.labels(str(code)).inc()

    def refused(self, code: str) -> None:
        """A request or a mutation was refused with an error of this code, one of the API's."""
        self.refusals.labels(code).inc()

    def driver_call_begun(self, driver: str, verb: str) -> None:
        """A backend is asked; the driver is an installed one, the verb one of the port's."""
        self.driver_calls_in_flight.labels(driver, verb).inc()

    def driver_call_ended(self, driver: str, verb: str, outcome: str, seconds: float) -> None:
        """It answered, failed or was given up."""
        self.driver_calls_in_flight.labels(driver, verb).dec()
        self.driver_calls.labels(driver, verb, outcome).inc()
        self.driver_call_seconds.labels(driver, verb).observe(seconds)

    def claimed(self, seconds: float) -> None:
        """A release was claimed so long after it had something to do."""
        self.ring_to_claim_seconds.observe(seconds)

    def applied(self, changed: bool) -> None:
        """A backend holds what was asked for."""
        self.applies.labels("yes" if changed else "no").inc()

    def refused_older(self, what: str) -> None:
        """A fence held: `result`, `generation` or `observer`."""
        self.fenced.labels(what).inc()

    def watch(self, gauge: Gauge, read: Callable[[], float]) -> None:
        """Read a gauge when it is scraped, instead of setting it at each change: `watch(m.view_revision, lambda: …)`."""
        gauge.set_function(read)

    def text(self) -> bytes:
        """All metrics in Prometheus's text format 0.0.4."""
        return generate_latest(self.registry)

    def _counter(self, name: str, description: str, *labels: str) -> Counter:
        return Counter(name, description, labels, namespace="edgeatlas", registry=self.registry)

    def _gauge(self, name: str, description: str, *labels: str) -> Gauge:
        return Gauge(name, description, labels, namespace="edgeatlas", registry=self.registry)

    def _histogram(self, name: str, description: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(name, description, labels, namespace="edgeatlas", buckets=buckets, registry=self.registry)


class CountedRequests:
    """ASGI middleware that counts answers by the class of their status and by the route's first part."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes everything on; looks at the status of HTTP answers only."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        first = "/" + scope["path"].split("/", 2)[1]
        route = first if first in ROUTES else OTHER

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._metrics.request(message["status"], route)
            await send(message)

        await self._app(scope, receive, counted)
