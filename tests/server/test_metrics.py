"""Metrics: what layers report is what a scrape shows, and callers cannot make series without bound."""

from __future__ import annotations

import asyncio
from pathlib import Path
from unittest import mock

import httpx
from prometheus_client import Counter
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families

from lifecycle.connections import Connections
from server.app import Application
from server.metrics import CONTENT_TYPE, Metrics
from worldkit.running import application_in, data


def scraped(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(metrics.text().decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def test_what_layers_report_is_what_a_scrape_shows() -> None:
    metrics = Metrics()
    metrics.request(200, "/graphql")
    metrics.request(404, "other")
    metrics.request(7, "other")
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
    metrics.driver_call_begun("simulated", "ensure")
    metrics.driver_call_begun("simulated", "ensure")
    metrics.driver_call_ended("simulated", "ensure", "unreachable", 0.3)
    metrics.watch(metrics.view_revision, lambda: 42)
    found = scraped(metrics)
    for name, labels, value in [
        ("http_requests_total", {"status_class": "2xx", "route": "/graphql"}, 1),
        ("http_requests_total", {"status_class": "4xx", "route": "other"}, 1),
        ("http_requests_total", {"status_class": "other", "route": "other"}, 1),
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
        ("driver_calls_in_flight", {"driver": "simulated", "verb": "ensure"}, 1),
        ("driver_calls_total", {"driver": "simulated", "verb": "ensure", "outcome": "unreachable"}, 1),
        ("driver_call_seconds_count", {"driver": "simulated", "verb": "ensure"}, 1),
        ("driver_call_seconds_bucket", {"driver": "simulated", "verb": "ensure", "le": "0.25"}, 0),
        ("driver_call_seconds_bucket", {"driver": "simulated", "verb": "ensure", "le": "0.5"}, 1),
        ("view_revision", {}, 42),
    ]:
        assert found[f"edgeatlas_{name}", tuple(sorted(labels.items()))] == value, name
    assert any(name == "process_resident_memory_bytes" for name, _ in found)


def test_two_servers_in_a_process_do_not_share_metrics() -> None:
    one, other = Metrics(), Metrics()
    one.refused("X")
    assert b'code="X"' in one.text()
    assert b'code="X"' not in other.text()


async def test_a_scrape_is_answered_to_operators_alone(tmp_path: Path) -> None:
    async with application_in(tmp_path) as application:
        token = await operator_token(application)
        transport = httpx.ASGITransport(application.asgi)
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            assert (await client.get("/metrics")).status_code == 401
            answer = await client.get("/metrics", headers={"Authorization": f"Bearer {token}"})
            assert (answer.status_code, answer.headers["content-type"]) == (200, CONTENT_TYPE)
            assert "# HELP edgeatlas_commits_total Commits that were acknowledged." in answer.text
            assert 'edgeatlas_http_requests_total{route="/metrics",status_class="4xx"} 1.0' in answer.text
            assert "edgeatlas_store_up 1.0" in answer.text
            assert (await client.post("/metrics")).status_code == 405


async def test_the_calls_of_a_running_server_s_drivers_are_counted(tmp_path: Path) -> None:
    async with application_in(tmp_path) as application:
        await data(
            application,
            """mutation { createCluster(input: {name: "edge", driver: "simulated", siteIds: []}) {
                ... on CreateClusterPayload { cluster { id } } } }""",
        )
        connected = ("edgeatlas_driver_calls_total", (("driver", "simulated"), ("outcome", "ok"), ("verb", "connect")))
        observing = ("edgeatlas_driver_calls_in_flight", (("driver", "simulated"), ("verb", "observe")))
        async with asyncio.timeout(60):
            while not (found := scraped(application.metrics)).get(connected) or not found.get(observing):
                await asyncio.sleep(0.01)
        assert (found[connected], found[observing]) == (1, 1)
        left = ("edgeatlas_driver_calls_left_behind", ())
        assert found[left] == 0
        with mock.patch.object(Connections, "left_behind", 3):
            assert scraped(application.metrics)[left] == 3


async def test_the_probes_need_no_sign_in_and_tell_of_a_stop(tmp_path: Path) -> None:
    async with application_in(tmp_path) as application:
        transport = httpx.ASGITransport(application.asgi)
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            assert (await client.get("/livez")).json() == {"alive": True}
            assert (await client.get("/readyz")).json()["ready"] is True
            await application.drain()
            stopping = await client.get("/readyz")
            assert (stopping.status_code, stopping.json()["ready"]) == (503, False)
            assert (await client.get("/livez")).status_code == 200


async def operator_token(application: Application) -> str:
    made = await data(
        application,
        """mutation { createServiceAccount(input: {name: "scraper", roles: [{role: OPERATOR}]}) {
            ... on CreateServiceAccountPayload { serviceAccount { id } } } }""",
    )
    owner = made["createServiceAccount"]["serviceAccount"]["id"]
    token = await data(
        application,
        """mutation($owner: ID!) { createApiToken(input: {name: "t", ownerId: $owner}) {
            ... on CreateApiTokenPayload { token } } }""",
        {"owner": owner},
    )
    return str(token["createApiToken"]["token"])


def test_the_page_for_operators_lists_each_metric_with_its_labels() -> None:
    page = (Path(__file__).parents[2] / "docs" / "operating.md").read_text()
    for collector in vars(Metrics()).values():
        if isinstance(collector, MetricWrapperBase):
            (family,) = collector.describe()
            name = family.name + ("_total" if isinstance(collector, Counter) else "")
            labels = ", ".join(f"`{label}`" for label in collector._labelnames)
            assert f"| `{name}` | {labels}{' ' if labels else ''}| " in page, name
