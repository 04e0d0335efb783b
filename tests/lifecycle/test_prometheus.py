"""Values from Prometheus: which servers a tenant may ask, what an answer is taken for, servers that are not what they
should be, and a real one from end to end."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gzip
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
import pytest

from beds.prometheus.fixtures import Exporter
from beds.prometheus.server import PrometheusServer
from faultkit import broken
from graph.kinds import DeploymentPhase, PrometheusQuery, ScalingLimit, ScalingMetric
from lifecycle.metrics_endpoints import MetricsEndpoint
from lifecycle.prometheus import (
    MAX_ANSWER_BYTES,
    MetricsProblem,
    MetricsUnanswered,
    MetricsUnreachable,
    Prometheus,
    Values,
    values_in,
)
from lifecyclekit.edge import QUICK
from lifecyclekit.scaling import EVERY_S, Loop

QUERY = PrometheusQuery(endpoint="edge", query="sum by (site) (requests)")


async def test_a_tenant_asks_its_own_servers_and_everybodys() -> None:
    own, shared, other = (MetricsEndpoint(*one) for one in (("acme", "a", "u1"), ("*", "b", "u2"), ("else", "c", "u3")))
    servers = Prometheus([own, shared, other], timeout_s=1)
    assert [servers.endpoint("acme", "a"), servers.endpoint("acme", "b")] == [own, shared]
    for tenant, name in (("acme", "c"), ("else", "a"), ("acme", "d"), ("*", "c"), ("", "c")):
        with pytest.raises(MetricsProblem, match="is declared for this tenant"):
            servers.endpoint(tenant, name)


def answer(*series: tuple[dict[str, str], str], kind: str = "vector") -> bytes:
    result = [{"metric": metric, "value": [1.5, value]} for metric, value in series]
    return msgspec.json.encode({"status": "success", "data": {"resultType": kind, "result": result}})


def test_each_site_has_the_value_of_its_label() -> None:
    body = answer(({"site": "s0"}, "1.5"), ({"site": "s1", "x": "y"}, "0"))
    assert values_in(body, status=200, name="edge", label="site") == Values(1500, {"s0": 1.5, "s1": 0.0})


def test_what_is_no_number_is_left_out() -> None:
    body = answer(*(({"site": f"s{nth}"}, value) for nth, value in enumerate(["NaN", "+Inf", "-3", "x", "7"])))
    assert values_in(body, status=200, name="edge", label="site").by_site == {"s4": 7.0}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<html>", "is not Prometheus'"),
        (b"[]", "is not Prometheus'"),
        (b'{"status":"\xff"}', "is not Prometheus'"),
        (b'{"status":"success","data":{"resultType":"vector","result":' + b"[" * 200_000, "is not Prometheus'"),
        (b"[" * 200_000, "is not Prometheus'"),
        (b'{"status":"error","error":"parse error at char 3"}', "refused the query: parse error at char 3"),
        (answer(kind="scalar"), "a scalar and not a vector"),
        (b'{"status":"success","data":{"resultType":"vector","result":{"a":1}}}', "is not Prometheus'"),
        (answer(({"host": "a"}, "1")), "has no label 'site'"),
        (answer(({"site": "a", "x": "1"}, "1"), ({"site": "a", "x": "2"}, "1")), "several values for 'a'"),
    ],
)
def test_an_answer_that_is_not_a_value_a_site_is_told_as_what_it_is(body: bytes, said: str) -> None:
    with pytest.raises(MetricsProblem, match=said):
        values_in(body, status=200, name="edge", label="site")


# Servers that are not what they should be

Answering = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
async def serving() -> AsyncIterator[Callable[[Answering], Awaitable[MetricsEndpoint]]]:
    """Has something answer each connection; gives the server as it would be declared."""
    servers: list[asyncio.Server] = []

    async def serve(answering: Answering) -> MetricsEndpoint:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await answering(reader, writer)
                await writer.drain()
            except ConnectionError:
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        servers.append(server)
        return MetricsEndpoint("*", "edge", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")

    yield serve
    for one in servers:
        one.close()


async def told(endpoint: MetricsEndpoint, *, timeout_s: float = 30.0) -> MetricsProblem:
    servers = Prometheus([endpoint], timeout_s=timeout_s)
    try:
        with pytest.raises(MetricsProblem) as problem:
            await servers.values(endpoint, QUERY)
        assert endpoint.url not in str(problem.value), "a tenant is not told where a server is"
        return problem.value
    finally:
        await servers.close()


async def test_a_redirect_is_not_followed(serving) -> None:
    asked = []

    async def elsewhere(reader, writer) -> None:
        asked.append(1)
        writer.write(answer(({"site": "s0"}, "1")))

    target = await serving(elsewhere)

    async def redirect(reader, writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 302 Found\r\nlocation: {target.url}/\r\ncontent-length: 0\r\n\r\n".encode())

    assert "is not Prometheus'" in str(await told(await serving(redirect)))
    assert asked == []


async def test_an_answer_is_read_up_to_a_bound(serving) -> None:
    async def endless(reader, writer) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n")
        for _ in range(MAX_ANSWER_BYTES // 65_536 + 64):
            writer.write(b" " * 65_536)
            await writer.drain()

    problem = await told(await serving(endless))
    assert "is too large" in str(problem)
    assert isinstance(problem, MetricsUnanswered), "it is not asked for every few seconds"


async def test_an_answer_that_would_unfold_is_not_read(serving) -> None:
    body = gzip.compress(b" " * (64 * 2**20))

    async def compressed(reader, writer) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        assert b"accept-encoding: identity" in asked.lower()
        head = f"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)

    assert "answered compressed" in str(await told(await serving(compressed)))


async def test_a_query_that_is_not_answered_says_nothing_of_the_server(serving) -> None:
    async def silent(reader, writer) -> None:
        await reader.read()

    async def dripping(reader, writer) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.01)

    async def failing(reader, writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n")

    async def breaking(reader, writer) -> None:
        await reader.readuntil(b"\r\n\r\n")

    for answering in (silent, dripping, failing, breaking):
        problem = await told(await serving(answering), timeout_s=0.3)
        assert isinstance(problem, MetricsUnanswered), answering


async def test_a_server_that_is_not_there_is_unreachable() -> None:
    for url in ("http://127.0.0.1:1", "http://no-such-host.invalid"):
        assert isinstance(await told(MetricsEndpoint("*", "edge", url)), MetricsUnreachable)


async def test_however_many_questions_wait_for_one_server_another_is_asked_at_once(serving) -> None:
    async def silent(reader, writer) -> None:
        await reader.read()

    async def quick(reader, writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = answer(({"site": "s0"}, "1"))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))

    slow, other = await serving(silent), await serving(quick)
    servers = Prometheus([], timeout_s=60)
    waiting = [asyncio.create_task(servers.values(slow, QUERY)) for _ in range(120)]
    await asyncio.sleep(0.1)
    try:
        assert (await servers.values(other, QUERY)).by_site == {"s0": 1}
        assert not any(one.done() for one in waiting)
    finally:
        for one in waiting:
            one.cancel()
        await asyncio.wait(waiting)
        await servers.close()


async def test_a_server_is_told_how_long_a_query_may_take(serving) -> None:
    asked = []

    async def asking(reader, writer) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        [length] = [int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        asked.append(await reader.readexactly(length))
        body = answer(({"site": "s0"}, "1"))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))

    servers = Prometheus([], timeout_s=7)
    assert (await servers.values(await serving(asking), QUERY)).by_site == {"s0": 1}
    await servers.close()
    assert asked[0].endswith(b"&timeout=7")


HEAD = b"HTTP/1.1 200 OK\r\n\r\n"
WRONG: dict[str, tuple[bytes | None, str]] = {
    "hangs": (None, "did not answer"),
    "fails": (b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n", "answered with 500"),
    "no number": (HEAD + answer(({"site": "s0"}, "NaN")), "no value for the site"),
    "another site": (HEAD + answer(({"site": "s9"}, "900")), "no value for the site"),
    "old": (HEAD + answer(({"site": "s0"}, "900")), "do not move on"),
    "large": (HEAD + b" " * (MAX_ANSWER_BYTES + 1), "too large"),
    "nested": (
        HEAD + b'{"status":"success","data":{"resultType":"vector","result":' + b"[" * 100_000,
        "not Prometheus'",
    ),
    "nothing": (HEAD, "not Prometheus'"),
}


ROUND_S = 60.0
"""No round takes so long, on whatever machine: what hangs is given up, and all others are asked meanwhile."""


async def scaled_beside(edge, serving, wrong: str, *, round_s: float = ROUND_S) -> None:
    """One deployment follows a metrics server that is wrong, and one what its backend measures: only that one is scaled, and
    of the other it is said why it is not."""
    sent, said = WRONG[wrong]

    async def answering(reader, writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if sent is None:
            await reader.read()
        # Whatever else is wrong with an answer, it is a new one, but for the one that is old.
        moved = (sent or b"").replace(b"[1.5,", b"[%d.5," % next(answers)) if wrong != "old" else sent
        writer.write(moved or b"")

    answers = itertools.count(1)
    await edge.network(sites=1)
    await edge.version()
    ids = []
    for name in ("followed", "measured"):
        deployment, operation = await edge.deploy(name)
        await edge.succeeded(operation)
        ids.append(deployment.id)
    # Only what never answers is given up after so little: what is wrong is to be read, however busy the machine is.
    patience_s = 0.3 if sent is None else 10.0
    quick = dataclasses.replace(QUICK, samples_timeout_s=patience_s, scaling_every_s=15.0)
    loop = Loop(edge, endpoints=(await serving(answering),), settings=quick)
    policy = await loop.policy(ids[0], prometheus=QUERY)
    await loop.policy(ids[1])
    await loop.load(every=400)
    told = []
    for _ in range(40):
        try:
            async with asyncio.timeout(round_s):
                await loop.round()
        except TimeoutError:
            raise AssertionError("a round does not end") from None
        standing = loop.standing(policy)
        told.append((standing.message or "") if standing is not None else "")
        assert loop.replicas(ids[0]) == {"s0": 1}, "it was scaled by a server that is wrong"
        if said in told[-1] and loop.replicas(ids[1]) == {"s0": 4}:
            break
    assert said in told[-1], f"it was not said: {told}"
    assert standing.limited_by is ScalingLimit.NO_SAMPLES
    assert loop.replicas(ids[1]) == {"s0": 4}


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_server_that_is_wrong_scales_nothing_says_so_and_holds_up_nobody(edge, serving, wrong: str) -> None:
    await scaled_beside(edge, serving, wrong)


CONTROLS = [
    ("hangs", broken.waiting_for_any_metrics_server, "a round does not end"),
    ("fails", broken.ended_by_one_bad_answer, "answered with 500"),
    ("fails", broken.keeping_what_is_wrong_to_itself, "it was not said"),
    ("no number", broken.taking_no_number_for_none, "it was not said"),
    ("another site", broken.taking_any_sites_value, "it was scaled by"),
    ("old", broken.believing_what_stands_still, "it was scaled by"),
    ("large", broken.keeping_what_is_wrong_to_itself, "it was not said"),
    ("nested", broken.ended_by_one_bad_answer, "is not Prometheus'"),
    ("nothing", broken.ended_by_one_bad_answer, "is not Prometheus'"),
]


@pytest.mark.parametrize(
    ("wrong", "control", "found"), CONTROLS, ids=[f"{one}-{two.__name__}" for one, two, _ in CONTROLS]
)
async def test_a_loop_without_a_defence_against_a_server_that_is_wrong_is_found_out(
    edge, serving, wrong: str, control: Callable[[], contextlib.AbstractContextManager[None]], found: str
) -> None:
    with control(), pytest.raises((AssertionError, MetricsProblem), match=found):
        await scaled_beside(edge, serving, wrong, round_s=5.0 if wrong == "hangs" else ROUND_S)


def test_no_way_of_being_wrong_is_without_a_control() -> None:
    assert {one for one, _, _ in CONTROLS} == set(WRONG)


# A real one


async def scaled(loop: Loop, deployment_id: str, replicas: dict[str, int], *, every_s: float = EVERY_S) -> None:
    """Rounds until there are so many replicas by site, at most 40: on a busy machine an answer may come too late for one."""
    for _ in range(40):
        await loop.round(every_s=every_s)
        if loop.replicas(deployment_id) == replicas:
            return
    raise AssertionError(f"there are {loop.replicas(deployment_id)}, not {replicas}")


async def scraped(server: PrometheusServer, query: PrometheusQuery, expected: dict[str, float]) -> None:
    """Waits until Prometheus has read what the exporter serves."""
    endpoint = MetricsEndpoint("*", "edge", server.url)
    servers = Prometheus([endpoint], timeout_s=30)
    try:
        async with asyncio.timeout(90):
            while (await servers.values(endpoint, query)).by_site != expected:
                await asyncio.sleep(0.1)
    finally:
        await servers.close()


async def test_replicas_follow_what_a_real_prometheus_measures(
    edge, prometheus_server: PrometheusServer, exporter: Exporter
) -> None:
    await edge.network(sites=2)
    await edge.version()
    deployment, operation = await edge.deploy()
    await edge.succeeded(operation)
    loop = Loop(edge, endpoints=(MetricsEndpoint(edge.tenant_id, "edge", prometheus_server.url),))
    policy = await loop.policy(deployment.id, prometheus=QUERY)
    # Two instances at one site, and one that is known by its id.
    exporter.lines = {
        'requests{site="s0",pod="a"}': 250.0,
        'requests{site="s0",pod="b"}': 120.0,
        f'requests{{site="{edge.site_ids[1]}"}}': 210.0,
    }
    await scraped(prometheus_server, QUERY, {"s0": 370.0, edge.site_ids[1]: 210.0})
    await scaled(loop, deployment.id, {"s0": 4, "s1": 3})
    await edge.phase(deployment.id, DeploymentPhase.READY)
    # A wrong query scales nothing, and says why.
    await loop.change(policy, prometheus=msgspec.structs.replace(QUERY, query="sum by (site) (requests"))
    await loop.round(6)
    standing = loop.standing(policy)
    assert standing.limited_by is ScalingLimit.NO_SAMPLES
    assert "parse error" in standing.message
    assert loop.replicas(deployment.id) == {"s0": 4, "s1": 3}


async def test_cpu_in_cores_from_prometheus_is_a_percentage_of_what_replicas_ask_for(
    edge, prometheus_server: PrometheusServer, exporter: Exporter
) -> None:
    await edge.network(sites=1)
    await edge.version()
    deployment, operation = await edge.deploy()
    await edge.succeeded(operation)
    loop = Loop(edge, endpoints=(MetricsEndpoint("*", "edge", prometheus_server.url),))
    query = PrometheusQuery(endpoint="edge", query="sum by (place) (cores)", site_label="place")
    await loop.policy(deployment.id, prometheus=query, metric=ScalingMetric.CPU_UTILIZATION, target=80.0)
    exporter.lines = {'cores{place="s0"}': 1.15}  # of 0.5 that one asks for
    await scraped(prometheus_server, query, {"s0": 1.15})
    await scaled(loop, deployment.id, {"s0": 3})


async def test_a_prometheus_that_is_killed_scales_nothing_and_is_left_alone_until_it_is_back(
    edge, prometheus_server: PrometheusServer, exporter: Exporter
) -> None:
    await edge.network(sites=1)
    await edge.version()
    deployment, operation = await edge.deploy()
    await edge.succeeded(operation)
    loop = Loop(edge, endpoints=(MetricsEndpoint("*", "edge", prometheus_server.url),))
    policy = await loop.policy(deployment.id, prometheus=QUERY)
    exporter.lines = {'requests{site="s0"}': 300.0}
    await scraped(prometheus_server, QUERY, {"s0": 300.0})
    await scaled(loop, deployment.id, {"s0": 3})
    prometheus_server.kill()
    exporter.lines = {'requests{site="s0"}': 900.0}
    await loop.round(6)
    standing = loop.standing(policy)
    assert standing.limited_by is ScalingLimit.NO_SAMPLES
    assert standing.stale_since is not None
    assert loop.replicas(deployment.id) == {"s0": 3}
    prometheus_server.start()
    await scraped(prometheus_server, QUERY, {"s0": 900.0})
    await scaled(loop, deployment.id, {"s0": 7}, every_s=60)
