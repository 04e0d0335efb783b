"""Hands the metrics to the layers that report, in the form in which each takes them.

Kept apart from server/metrics.py, which knows no layer: there a metric is declared, here it is connected.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from drivers.counted import CallReports, CountedDriver
from drivers.port import Driver
from graph.kinds import OperationStatus, ReleasePhase
from graph.ledger import Ledger
from graph.view import View
from lifecycle.backlog import Backlog
from lifecycle.connections import Connections
from lifecycle.reports import WorkReports
from lifecycle.share import Share
from server.endpoint_metrics import EndpointMetrics
from server.metrics import Metrics


def of_endpoint(metrics: Metrics) -> EndpointMetrics:
    """What the GraphQL endpoint calls."""
    return EndpointMetrics(
        operation=metrics.operation,
        document=metrics.document,
        connections=metrics.connection,
        subscriptions=metrics.subscription,
        groups=metrics.subscription_group,
        event=metrics.event,
        behind=metrics.behind,
        resync=metrics.resync,
        closed=metrics.closed,
        refused=metrics.refused,
    )


def of_graph(metrics: Metrics, ledger: Ledger) -> None:
    """What is read from the graph when it is scraped, index lookups all."""
    view = ledger.view
    metrics.watch(metrics.view_revision, lambda: float(view.revision))
    metrics.watch(metrics.store_up, lambda: 0.0 if ledger.stale else 1.0)
    for status in OperationStatus:
        metrics.watch(
            metrics.operations_by_status.labels(status.name), _counted(view, "Operation", "status", status.name)
        )
    for phase in ReleasePhase:
        metrics.watch(metrics.releases_by_phase.labels(phase.name), _counted(view, "Release", "phase", phase.name))


def of_drivers(metrics: Metrics) -> Callable[[Driver], Driver]:
    """What goes around each driver that is loaded."""
    return partial(CountedDriver, reports=CallReports(begun=metrics.driver_call_begun, ended=metrics.driver_call_ended))


def of_work(metrics: Metrics) -> WorkReports:
    """What the lifecycle's workers call."""
    return WorkReports(claimed=metrics.claimed, applied=metrics.applied, fenced=metrics.refused_older)


def of_backlog(metrics: Metrics, backlog: Backlog, ledger: Ledger) -> None:
    """What is still to do, read when it is scraped."""
    metrics.watch(metrics.releases_behind, lambda: float(len(backlog)))
    metrics.watch(metrics.oldest_behind_seconds, lambda: backlog.oldest_s(now_ms=ledger.now_ms()))


def of_connections(metrics: Metrics, connections: Connections) -> None:
    """What is read from the connections to clusters when it is scraped."""
    metrics.watch(metrics.driver_calls_left_behind, lambda: float(connections.left_behind))


def of_share(metrics: Metrics, share: Share) -> None:
    """What is read from this process's share of the work when it is scraped."""
    metrics.watch(metrics.share_partitions, lambda: float(len(share.partitions)))
    metrics.watch(metrics.workers_alive, lambda: -1.0 if share.workers is None else float(len(share.workers)))


def _counted(view: View, kind: str, field: str, value: str) -> Callable[[], float]:
    return lambda: float(view.count(kind, field, value))
