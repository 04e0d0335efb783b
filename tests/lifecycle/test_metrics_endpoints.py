"""Which metrics servers an operator declares, and for whom: a tenant is its id, whatever it calls itself."""

from __future__ import annotations

import pytest

from graph.kinds import PrometheusQuery, Tenant
from graph.view import get_as
from lifecycle.metrics_endpoints import MetricsEndpoint, WrongEndpoint
from lifecycle.prometheus import Values
from lifecyclekit.scaling import Loop

TENANT = "tenant_01J9ZQ3M5R7T9V1X3Z5B7D9F1H"
QUERY = PrometheusQuery(endpoint="edge", query="sum by (site) (requests)")


@pytest.mark.parametrize(
    ("text", "tenant_id", "url"),
    [
        (f"{TENANT}/edge=http://127.0.0.1:9090", TENANT, "http://127.0.0.1:9090"),
        ("*/edge=https://metrics.example/prometheus/", "*", "https://metrics.example/prometheus"),
    ],
)
def test_a_server_is_declared_for_a_tenant_or_for_all(text: str, tenant_id: str, url: str) -> None:
    assert MetricsEndpoint.parse(text) == MetricsEndpoint(tenant_id, "edge", url)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "edge=http://a",
        "*/=http://a",
        "/edge=http://a",
        "a/b/c=http://a",
        "*/edge",
        "*/edge=",
        "*/edge=file:///etc/passwd",
        "*/edge=http://",
        "*/edge=http://a:port",
        "*/edge=http://a?x=1",
        "*/edge=http://a#x",
        "*/edge=http://user:secret@a",
    ],
)
def test_what_cannot_be_meant_is_no_declaration(text: str) -> None:
    with pytest.raises(WrongEndpoint):
        MetricsEndpoint.parse(text)


@pytest.mark.parametrize("tenant", ["acme", "tenant_", "tenant_acme", f"{TENANT}0", TENANT.lower()])
def test_a_tenant_is_not_declared_by_its_name(tenant: str) -> None:
    with pytest.raises(WrongEndpoint, match="by what is not its id"):
        MetricsEndpoint.parse(f"{tenant}/edge=http://a")


async def test_a_tenant_that_takes_anothers_name_is_not_let_into_its_metrics(edge, monkeypatch) -> None:
    await edge.network(sites=1)
    await edge.version()
    deployment, operation = await edge.deploy()
    await edge.succeeded(operation)
    victim = await edge.change(lambda edit: edit.create(Tenant, name="victim").id)
    loop = Loop(edge, endpoints=(MetricsEndpoint(victim, "edge", "http://127.0.0.1:1"),))
    asked = []

    async def values(endpoint: MetricsEndpoint, query: PrometheusQuery) -> Values:
        asked.append(endpoint)
        return Values(loop.clock.now_ms(), {"s0": 500.0})

    monkeypatch.setattr(loop.scaler._prometheus, "values", values)
    policy = await loop.policy(deployment.id, prometheus=QUERY)

    def rename(edit) -> None:
        edit.replace(get_as(edit, Tenant, victim), name="victim-before")
        edit.replace(get_as(edit, Tenant, edge.tenant_id), name="victim")

    await edge.change(rename)
    await loop.round(6)
    assert asked == []
    assert loop.replicas(deployment.id) == {"s0": 1}
    assert "is declared for this tenant" in loop.standing(policy).message
