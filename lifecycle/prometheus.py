"""Values from a Prometheus server: one instant query, one value for each site.

A tenant writes the query, the operator alone says which servers there are and for whom: a URL in a tenant's hand would let
him reach whatever this process can. So a server is named, found among those that were declared for the tenant, and asked
without redirects, proxies of the environment, compression, or an answer of any size: it may be anybody's by now. What a
query may read of a server is the server's own matter: one that several tenants may ask shows them each other's series.
(Prometheus documentation, HTTP API.)

A server that cannot be reached is nobody's fault who asks; one that does not answer a query in time, or breaks off, may be
fine for all other queries. The two are told apart, for the first is left alone by everybody and the second by that query.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from typing import NamedTuple

import httpx
import msgspec

from graph.kinds import PrometheusQuery
from lifecycle.metrics_endpoints import EVERYBODY, MetricsEndpoint

MAX_ANSWER_BYTES = 4 * 1024 * 1024
MAX_TOLD = 200
"""Characters of a server's own words that are repeated."""


class MetricsProblem(Exception):
    """Nothing could be read. The text is shown to the tenant: it names the server by its name and holds no URL."""


class MetricsUnreachable(MetricsProblem):
    """The server could not be reached: it is left alone for a while."""


class MetricsUnanswered(MetricsProblem):
    """The server was reached and did not answer the query as it should: the query is left alone for a while."""


class Values(NamedTuple):
    """What a query gives."""

    at_ms: int
    """When it was worked out, UTC milliseconds by the server's clock; 0 when it gives nothing."""
    by_site: dict[str, float]
    """By the text of the site label."""


_NOT_REACHED = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.UnsupportedProtocol,
    httpx.ProxyError,
    httpx.InvalidURL,
)


class _Series(msgspec.Struct, frozen=True):
    metric: dict[str, str] = {}
    value: tuple[float, str] | None = None


class _Data(msgspec.Struct, frozen=True, rename="camel"):
    result_type: str = ""
    result: msgspec.Raw = msgspec.Raw(b"[]")


class _Answer(msgspec.Struct, frozen=True, rename="camel"):
    status: str = ""
    data: _Data = _Data()
    error: str = ""


class Prometheus:
    """The declared servers. Close it after use."""

    def __init__(self, endpoints: Iterable[MetricsEndpoint], *, timeout_s: float) -> None:
        self._endpoints = {(one.tenant_id, one.name): one for one in endpoints}
        self._timeout_s = timeout_s
        self._client: httpx.AsyncClient | None = None

    async def close(self) -> None:
        """Closes all connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def endpoint(self, tenant_id: str, name: str) -> MetricsEndpoint:
        """The server of that name that a tenant may ask. Raises MetricsProblem."""
        found = self._endpoints.get((tenant_id, name)) or self._endpoints.get((EVERYBODY, name))
        if found is None:
            raise MetricsProblem(f"no metrics server {name!r} is declared for this tenant: ask the operator")
        return found

    async def values(self, endpoint: MetricsEndpoint, query: PrometheusQuery) -> Values:
        """What the query gives now. Raises MetricsProblem, MetricsUnreachable or MetricsUnanswered."""
        name = endpoint.name
        try:
            async with asyncio.timeout(self._timeout_s):
                status, body = await self._ask(endpoint, query.query)
        except TimeoutError:
            raise MetricsUnanswered(f"metrics server {name!r} did not answer in {self._timeout_s:g} s") from None
        except _NOT_REACHED as problem:
            raise MetricsUnreachable(f"metrics server {name!r} cannot be reached ({type(problem).__name__})") from None
        except (httpx.HTTPError, httpx.StreamError) as problem:
            raise MetricsUnanswered(f"metrics server {name!r} broke off ({type(problem).__name__})") from None
        if status >= 500:
            raise MetricsUnanswered(f"metrics server {name!r} answered with {status}")
        return values_in(body, status=status, name=name, label=query.site_label)

    async def _ask(self, endpoint: MetricsEndpoint, query: str) -> tuple[int, bytes]:
        if self._client is None:
            # To connect may take half of the time, so that what cannot be reached is known for that.
            patience = httpx.Timeout(self._timeout_s, connect=self._timeout_s / 2)
            # How many ask at once is the asker's own matter: no server's slowness has the questions to others wait.
            self._client = httpx.AsyncClient(
                follow_redirects=False,
                trust_env=False,
                timeout=patience,
                limits=httpx.Limits(max_connections=None),
            )
        url = f"{endpoint.url}/api/v1/query"
        asked = {"query": query, "timeout": f"{self._timeout_s:g}"}
        plain = {"accept-encoding": "identity"}
        async with self._client.stream("POST", url, data=asked, headers=plain) as answer:
            if answer.headers.get("content-encoding", "identity") != "identity":
                # Some bytes of it could become any number.
                raise MetricsUnanswered(
                    f"metrics server {endpoint.name!r} answered compressed, which was not asked for"
                )
            body = bytearray()
            async for part in answer.aiter_raw():
                body += part
                if len(body) > MAX_ANSWER_BYTES:
                    raise MetricsUnanswered(
                        f"the answer of metrics server {endpoint.name!r} is too large: aggregate by site"
                    )
            return answer.status_code, bytes(body)


def values_in(body: bytes, *, status: int, name: str, label: str) -> Values:
    """The values in an answer to an instant query, by the text of a label. What is no number, or below 0, is left out.

    Raises MetricsProblem.
    """
    try:
        answer = msgspec.json.decode(body, type=_Answer)
    except _UNREADABLE:
        raise MetricsProblem(f"what metrics server {name!r} answered ({status}) is not Prometheus'") from None
    if answer.status != "success":
        raise MetricsProblem(f"metrics server {name!r} refused the query: {answer.error[:MAX_TOLD] or status}")
    if answer.data.result_type != "vector":
        raise MetricsProblem(f"the query gives a {answer.data.result_type[:20]} and not a vector with a value a site")
    try:
        series = msgspec.json.decode(answer.data.result, type=list[_Series])
    except _UNREADABLE:
        raise MetricsProblem(f"what metrics server {name!r} answered is not Prometheus'") from None
    times = [one.value[0] for one in series if one.value is not None and math.isfinite(one.value[0])]
    return Values(round(max(times, default=0.0) * 1000), _by_label(series, label))


_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What comes of bytes that are not what they should be, nested without end among them."""


def _by_label(series: Iterable[_Series], label: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for one in series:
        site = one.metric.get(label)
        if site is None:
            raise MetricsProblem(f"a result of the query has no label {label!r}: aggregate by it")
        if site in found:
            raise MetricsProblem(f"the query gives several values for {site[:MAX_TOLD]!r}: aggregate by {label}")
        value = _number(one.value)
        if value is not None:
            found[site] = value
    return found


def _number(value: tuple[float, str] | None) -> float | None:
    try:
        number = float(value[1]) if value is not None else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
