"""Metrics: what layers report is what a scrape shows, and callers cannot make series without bound."""

from __future__ import annotations

import httpx
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from server.metrics import CONTENT_TYPE, Metrics, NamedSeries


def scraped(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(metrics.text().decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def test_what_layers_report_is_what_a_scrape_shows() -> None:
    metrics = Metrics()
    metrics.request(200, "Sites")
    metrics.request(404, None)
    metrics.request(7, "not a name!")
    metrics.operation("query", "ok", 0.002)
    metrics.document(True)
    metrics.group(5, 0.01)
    metrics.group(3, 0.01)
    metrics.connection(1)
    metrics.subscription(1)
    metrics.subscription(1)
    metrics.subscription(-1)
    metrics.subscription_group(1)
    metrics.event(100, 1000)
    metrics.behind()
    metrics.resync("compacted")
    metrics.closed(4409)
    metrics.refused("NAME_TAKEN")
    metrics.login_failed("password")
    metrics.release_pass("ready", 1.5)
    metrics.driver_call("simulated", "apply", "ok", 0.2)
    metrics.watch(metrics.view_revision, lambda: 42)
    found = scraped(metrics)
    for name, labels, value in [
        ("http_requests_total", {"status_class": "2xx", "operation": "Sites"}, 1),
        ("http_requests_total", {"status_class": "4xx", "operation": "anonymous"}, 1),
        ("http_requests_total", {"status_class": "other", "operation": "other"}, 1),
        ("graphql_seconds_count", {"type": "query", "outcome": "ok"}, 1),
        ("graphql_documents_total", {"found": "yes"}, 1),
        ("commits_total", {}, 8),
        ("commit_group_drafts_sum", {}, 8),
        ("commit_group_drafts_count", {}, 2),
        ("websocket_connections", {}, 1),
        ("subscriptions", {}, 1),
        ("subscription_groups", {}, 1),
        ("subscription_events_total", {}, 1),
        ("subscription_deliveries_total", {}, 1000),
        ("subscription_delivered_bytes_total", {}, 100_000),
        ("subscription_slow_readers_total", {}, 1),
        ("subscription_resyncs_total", {"reason": "compacted"}, 1),
        ("websocket_closes_total", {"code": "4409"}, 1),
        ("refusals_total", {"code": "NAME_TAKEN"}, 1),
        ("login_failures_total", {"way": "password"}, 1),
        ("release_seconds_count", {"outcome": "ready"}, 1),
        ("driver_calls_total", {"driver": "simulated", "call": "apply", "outcome": "ok"}, 1),
        ("view_revision", {}, 42),
    ]:
        assert found[f"edgeatlas_{name}", tuple(sorted(labels.items()))] == value, name
    assert any(name == "process_resident_memory_bytes" for name, _ in found)


def test_two_servers_in_a_process_do_not_share_metrics() -> None:
    one, other = Metrics(), Metrics()
    one.refused("X")
    assert b'code="X"' in one.text()
    assert b'code="X"' not in other.text()


@given(st.lists(st.text(max_size=80), max_size=60))
def test_callers_cannot_make_labels_without_bound(names: list[str]) -> None:
    series = NamedSeries(limit=5)
    labels = {series.label(name) for name in names}
    assert len(labels) <= 7
    assert all(label.isascii() and len(label) <= 64 for label in labels)


async def test_a_scrape_is_answered_in_the_text_format() -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(Metrics().respond), base_url="http://server") as client:
        answer = await client.get("/metrics")
        assert (answer.status_code, answer.headers["content-type"]) == (200, CONTENT_TYPE)
        assert "# HELP edgeatlas_commits_total Commits that were acknowledged." in answer.text
        head = await client.head("/metrics")
        assert (head.status_code, head.content) == (200, b"")
        refused = await client.post("/metrics")
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
