"""Every metric of the server, declared in one place, in a registry of its own.

Packages below `server` do not know Prometheus: what they have to report they report to a callable that they were given
(the ledger's `on_group`, the endpoint's `EndpointMetrics`), and whoever builds them hands in one of the methods here. So
a lower layer is tested without metrics, and a metric's name and labels are found in this file alone.

Labels have few values. The names of GraphQL operations are chosen by callers, so only the first hundred get a series of
their own; the rest share "other", for else a caller could fill the server's memory with series.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector
from starlette.types import Receive, Scope, Send

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
OTHER: Final = "other"
_NAME = re.compile(r"[_A-Za-z][_0-9A-Za-z]{0,63}")
_FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LONG = (0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0)


class NamedSeries:
    """The values that a label chosen by callers may take: the first `limit` well-formed ones, then "other"."""

    def __init__(self, *, limit: int = 100) -> None:
        self._limit = limit
        self._known: set[str] = set()

    def label(self, name: str | None) -> str:
        """The label for `name`; "anonymous" for none."""
        if not name:
            return "anonymous"
        if name in self._known:
            return name
        if len(self._known) >= self._limit or not _NAME.fullmatch(name):
            return OTHER
        self._known.add(name)
        return name


class Metrics:
    """The metrics of one server process. Attributes are Prometheus's; methods have the form in which layers report."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.operations = NamedSeries()

        # Requests
        self.http_requests = self._counter("http_requests", "Requests answered.", "status_class", "operation")
        self.graphql_seconds = self._histogram(
            "graphql_seconds", "From the preparation of an operation to its answer.", _FAST, "type", "outcome"
        )
        self.documents = self._counter("graphql_documents", "Documents looked up in the cache.", "found")
        self.refusals = self._counter("refusals", "Requests and mutations refused, by the error's code.", "code")
        self.login_failures = self._counter("login_failures", "Sign-ins refused.", "way")

        # The graph
        self.commits = self._counter("commits", "Commits that were acknowledged.")
        self.commit_group_size = self._histogram(
            "commit_group_drafts", "Drafts written in one transaction.", (1, 2, 4, 8, 16, 32, 64)
        )
        self.commit_group_seconds = self._histogram("commit_group_seconds", "One transaction of the store.", _FAST)
        self.view_revision = self._gauge("view_revision", "The revision that reads of this process see.")
        self.follower_lag_seconds = self._gauge(
            "follower_lag_seconds", "Age of the newest commit when it was followed."
        )
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
        self.release_seconds = self._histogram("release_seconds", "One pass over one release.", _LONG, "outcome")
        self.driver_calls = self._counter("driver_calls", "Calls of drivers.", "driver", "call", "outcome")
        self.driver_seconds = self._histogram("driver_seconds", "One call of a driver.", _LONG, "driver", "call")

    # How layers report; each returns at once and never raises.

    def request(self, status: int, operation: str | None) -> None:
        """An HTTP request was answered; `operation` is the GraphQL operation's name where there is one."""
        status_class = f"{status // 100}xx" if 100 <= status < 600 else OTHER
        self.http_requests.labels(status_class, self.operations.label(operation)).inc()

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

    def login_failed(self, way: str) -> None:
        """A sign-in was refused: by `password`, `link` or `token`."""
        self.login_failures.labels(way).inc()

    def release_pass(self, outcome: str, seconds: float) -> None:
        """The reconciler finished one pass over one release."""
        self.release_seconds.labels(outcome).observe(seconds)

    def driver_call(self, driver: str, call: str, outcome: str, seconds: float) -> None:
        """A driver's call ended."""
        self.driver_calls.labels(driver, call, outcome).inc()
        self.driver_seconds.labels(driver, call).observe(seconds)

    def watch(self, gauge: Gauge, read: Callable[[], float]) -> None:
        """Read a gauge when it is scraped, instead of setting it at each change: `watch(m.view_revision, lambda: …)`."""
        gauge.set_function(read)

    def text(self) -> bytes:
        """All metrics in Prometheus's text format 0.0.4."""
        return generate_latest(self.registry)

    async def respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application of `/metrics`. Who may ask is decided before."""
        if scope["type"] != "http":
            return
        allowed = scope["method"] in ("GET", "HEAD")
        body = self.text() if allowed else b"only GET is answered here\n"
        headers = [(b"content-type", CONTENT_TYPE.encode()), (b"content-length", str(len(body)).encode())]
        headers += [(b"cache-control", b"no-store")] if allowed else [(b"allow", b"GET, HEAD")]
        await send({"type": "http.response.start", "status": 200 if allowed else 405, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _counter(self, name: str, description: str, *labels: str) -> Counter:
        return Counter(name, description, labels, namespace="edgeatlas", registry=self.registry)

    def _gauge(self, name: str, description: str, *labels: str) -> Gauge:
        return Gauge(name, description, labels, namespace="edgeatlas", registry=self.registry)

    def _histogram(self, name: str, description: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(name, description, labels, namespace="edgeatlas", buckets=buckets, registry=self.registry)
