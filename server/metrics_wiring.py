"""Hands the metrics to the layers that report, in the form in which each takes them.

Kept apart from server/metrics.py, which knows no layer: there a metric is declared, here it is connected.
"""

from __future__ import annotations

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
    )
