"""The endpoint over HTTP: who is served, what is accepted, how it is answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlencode

import orjson
import pytest
import pytest_asyncio
from graphql import get_introspection_query
from structlog.testing import capture_logs

from endpointkit.served import Served, served
from endpointkit.world import World
from server.endpoint_limits import EndpointLimits
from server.graphql_http import GRAPHQL_RESPONSE, JSON, _negotiated

pytestmark = pytest.mark.asyncio(loop_scope="module")

BODY_LIMIT = 64 * 1024
BEARER = {"authorization": "Bearer ann"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def endpoint() -> AsyncIterator[Served]:
    world = World()
    world.add(5)
    async with served(world, limits=EndpointLimits(execution_s=1.0), body_limit=BODY_LIMIT) as endpoint:
        yield endpoint


def error_of(response: object) -> dict:
    (error,) = response.json()["errors"]  # type: ignore[attr-defined]  # a response of httpx
    return error["extensions"]


# --- who ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer bad"}, {"cookie": "session=bad"}])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_nobody_is_served_without_signing_in(endpoint: Served, headers: dict[str, str], method: str) -> None:
    response = await endpoint.http.request(method, endpoint.url, headers={**headers, "accept": GRAPHQL_RESPONSE})
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.headers["content-type"] == f"{GRAPHQL_RESPONSE}; charset=utf-8"
    assert error_of(response)["code"] == "UNAUTHENTICATED"
    assert "data" not in response.json()


async def test_a_stranger_is_refused_before_the_body_is_read(endpoint: Served) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(endpoint.url.split(":")[2].split("/")[0]))
    writer.write(
        b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 50000\r\n\r\n"
    )
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
    assert head.startswith(b"HTTP/1.1 401")
    assert b"connection: close" in head.lower()
    writer.close()


async def test_a_browsers_post_needs_the_header_that_other_sites_cannot_send(endpoint: Served) -> None:
    body = {"query": "{ me }"}
    cookie = {"cookie": "session=ann"}
    refused = await endpoint.http.post(endpoint.url, json=body, headers=cookie)
    assert (refused.status_code, error_of(refused)["code"]) == (403, "CSRF_HEADER_MISSING")
    served_ = await endpoint.http.post(endpoint.url, json=body, headers={**cookie, "x-edgeatlas-csrf": "1"})
    assert served_.json() == {"data": {"me": "ann"}}
    assert (await endpoint.http.get(endpoint.url, params=body, headers=cookie)).json() == {"data": {"me": "ann"}}
    assert (await endpoint.http.post(endpoint.url, json=body, headers=BEARER)).json() == {"data": {"me": "ann"}}


# --- what -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "BAD_REQUEST"),
        (b"{", "BAD_REQUEST"),
        (b"null", "BAD_REQUEST"),
        (b'"{ me }"', "BAD_REQUEST"),
        (b"\xff\xfe", "BAD_REQUEST"),
        (b'[{"query": "{ me }"}]', "BAD_REQUEST"),
        (b"[]", "BAD_REQUEST"),
        (b"{}", "BAD_REQUEST"),
        (b'{"query": ""}', "BAD_REQUEST"),
        (b'{"query": null}', "BAD_REQUEST"),
        (b'{"query": ["{ me }"]}', "BAD_REQUEST"),
        (b'{"query": "{ me }", "variables": "{}"}', "BAD_REQUEST"),
        (b'{"query": "{ me }", "variables": [1]}', "BAD_REQUEST"),
        (b'{"query": "{ me }", "operationName": 7}', "BAD_REQUEST"),
        (b'{"query": "{ me }", "extensions": 7}', "BAD_REQUEST"),
        (b'{"query": "{ me }", "variables": ' + b"[" * 30_000 + b"]" * 30_000 + b"}", "BAD_REQUEST"),
        (b'{"query": "subscription { changes { __typename } }"}', "BAD_REQUEST"),
    ],
    ids=lambda value: str(value)[:50],
)
@pytest.mark.parametrize("accept", [JSON, GRAPHQL_RESPONSE])
async def test_what_is_not_a_request_is_refused_whatever_is_accepted(
    endpoint: Served, body: bytes, code: str, accept: str
) -> None:
    headers = {**BEARER, "content-type": JSON, "accept": accept}
    response = await endpoint.http.post(endpoint.url, content=body, headers=headers)
    assert (response.status_code, error_of(response)["code"]) == (400, code)
    assert error_of(response)["remedy"]
    assert response.headers["content-type"] == f"{accept}; charset=utf-8"


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ('Application/JSON;charset="UTF-8"', 200),
        ("application/json; charset=utf-16", 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("application/graphql", 415),
        ("application/jsonp", 415),
        ("", 415),
    ],
)
async def test_a_body_is_json_in_utf_8(endpoint: Served, content_type: str, status: int) -> None:
    headers = {**BEARER, **({"content-type": content_type} if content_type else {})}
    response = await endpoint.http.post(endpoint.url, content=b'{"query": "{ me }"}', headers=headers)
    assert response.status_code == status


async def test_a_compressed_body_is_refused(endpoint: Served) -> None:
    headers = {**BEARER, "content-type": JSON, "content-encoding": "gzip"}
    response = await endpoint.http.post(endpoint.url, content=b"\x1f\x8b", headers=headers)
    assert (response.status_code, error_of(response)["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_beyond_the_limit_is_refused_while_it_is_sent(endpoint: Served, declared: bool) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(endpoint.url.split(":")[2].split("/")[0]))
    length = b"content-length: 100000000" if declared else b"transfer-encoding: chunked"
    writer.write(
        b"POST /graphql HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ann\r\ncontent-type: application/json\r\n"
        + length
        + b"\r\n\r\n"
    )
    sent = 0
    chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
    try:
        while not declared and sent < 200 * len(chunk):
            writer.write(chunk)
            await writer.drain()
            sent += len(chunk)
            await asyncio.sleep(0)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
        assert head.startswith(b"HTTP/1.1 413")
        assert b"LIMIT_EXCEEDED" in await asyncio.wait_for(reader.read(400), 60)
    except ConnectionResetError:
        assert not declared, "it may be cut off while it sends on, for the server reads no more"
    writer.close()


async def test_a_body_as_large_as_allowed_is_read(endpoint: Served) -> None:
    body = orjson.dumps({"query": "{ me }"})
    for extra, status in ((0, 200), (1, 413)):
        content = body + b" " * (BODY_LIMIT - len(body) + extra)
        headers = {**BEARER, "content-type": JSON}
        assert (await endpoint.http.post(endpoint.url, content=content, headers=headers)).status_code == status


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_only_get_and_post_are_methods(endpoint: Served, method: str) -> None:
    response = await endpoint.http.request(method, endpoint.url, headers=BEARER)
    assert response.status_code == 405
    assert response.headers["allow"] == "GET, POST"


async def test_a_mutation_by_get_is_refused_and_does_nothing(endpoint: Served) -> None:
    before = endpoint.world.feed.revision
    query = 'mutation { rename(input: {id: "site_1", name: "by get"}) { __typename } }'
    response = await endpoint.http.get(endpoint.url, params={"query": query}, headers=BEARER)
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    both = {"query": f"query Q {{ me }} {query.replace('mutation', 'mutation M')}", "operationName": "M"}
    assert (await endpoint.http.get(endpoint.url, params=both, headers=BEARER)).status_code == 405
    assert endpoint.world.feed.revision == before


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"query": "query ($n: String) { hello(name: $n) }", "variables": '{"n": "Zürich"}'}, 200),
        ({"query": "{ me }", "variables": "", "operationName": "", "extensions": ""}, 200),
        ({"query": "{ me }", "unknown": "x"}, 200),
        ({"query": "{ me }", "variables": "{"}, 400),
        ({"query": "{ me }", "variables": "7"}, 400),
        ({}, 400),
        ([("query", "{ me }"), ("query", "{ hello }")], 400),
        ([("query", "{ me }"), *[("x", "y")] * 50], 400),
    ],
)
async def test_the_parameters_of_a_get(endpoint: Served, params: object, status: int) -> None:
    url = f"{endpoint.url}?{urlencode(params)}"  # type: ignore[arg-type]  # a dict or pairs, by the table above
    response = await endpoint.http.get(url, headers={**BEARER, "accept": GRAPHQL_RESPONSE})
    assert response.status_code == status
    if "variables" in str(params) and status == 200 and "Zürich" in str(params):
        assert response.json() == {"data": {"hello": "hello Zürich"}}


async def test_an_address_that_is_no_utf_8_is_refused(endpoint: Served) -> None:
    response = await endpoint.http.get(f"{endpoint.url}?query=%ff%fe", headers=BEARER)
    assert response.status_code == 400


# --- how it is answered -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        ("application/json", JSON),
        ("application/graphql-response+json", GRAPHQL_RESPONSE),
        ("application/graphql-response+json, application/json;q=0.9", GRAPHQL_RESPONSE),
        ("application/json;q=0.5, application/graphql-response+json;q=0.6", GRAPHQL_RESPONSE),
        ("application/json, application/graphql-response+json", JSON),
        ("text/html, application/xhtml+xml, */*;q=0.8", JSON),
        ("Application/GraphQL-Response+JSON; charset=UTF-8", GRAPHQL_RESPONSE),
        ("application/json; charset=utf-16", None),
        ("application/json;q=0", None),
        ("application/json;q=x", None),
        ("text/html", None),
        (",,;;", None),
        ("text/html," * 10_000 + JSON, None),
    ],
)
async def test_the_media_type_is_the_one_that_is_liked_best(accept: str, answered: str | None) -> None:
    assert _negotiated(accept) == answered


async def test_a_media_type_that_is_not_ours_is_refused(endpoint: Served) -> None:
    assert (await endpoint.query("{ me }", headers={"accept": "text/html"})).status_code == 406


@pytest.mark.parametrize(
    "query", ["{", "{ nothing }", "query ($t: Tier!) { tier(of: $t) }", "query A { me } query B { me }"]
)
async def test_a_request_error_is_200_for_old_clients_and_400_for_new_ones(endpoint: Served, query: str) -> None:
    for accept, status in ((JSON, 200), (GRAPHQL_RESPONSE, 400)):
        response = await endpoint.query(query, headers={"accept": accept})
        assert response.status_code == status
        assert "data" not in response.json()


async def test_a_field_error_is_200_with_its_data_for_both(endpoint: Served) -> None:
    for accept in (JSON, GRAPHQL_RESPONSE):
        response = await endpoint.query('{ byIds(ids: ["site_1"]) { id broken } }', headers={"accept": accept})
        assert response.status_code == 200
        assert response.json()["data"] == {"byIds": [{"id": "site_1", "broken": None}]}


async def test_a_timeout_is_503_for_new_clients(endpoint: Served) -> None:
    response = await endpoint.query("{ slow }", headers={"accept": GRAPHQL_RESPONSE})
    assert (response.status_code, error_of(response)["code"]) == (503, "EXECUTION_TIMEOUT")


async def test_an_answer_is_not_stored_nor_sniffed_and_carries_its_correlation_id(endpoint: Served) -> None:
    response = await endpoint.query("{ me }", headers={"x-correlation-id": "mine-1"})
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["x-correlation-id"] == "mine-1"
    for unsafe in ("a b", "x" * 65, "<script>"):
        made = (await endpoint.query("{ me }", headers={"x-correlation-id": unsafe})).headers["x-correlation-id"]
        assert made != unsafe


async def test_the_correlation_id_of_a_bug_is_in_header_answer_and_log(endpoint: Served) -> None:
    with capture_logs() as logs:
        response = await endpoint.query("{ secret }", headers={"x-correlation-id": "find-me"})
    assert response.headers["x-correlation-id"] == "find-me"
    assert error_of(response)["correlationId"] == "find-me"
    assert "another tenant" not in response.text
    assert [entry["correlation_id"] for entry in logs if entry["event"] == "graphql.internal_error"] == ["find-me"]


async def test_refusals_and_answers_are_counted(endpoint: Served) -> None:
    endpoint.events.clear()
    await endpoint.query("{ nothing }")
    await endpoint.query("{ me }")
    await endpoint.query("{ gone }")
    assert endpoint.events[0] == ("refused", "GRAPHQL_VALIDATION_FAILED")
    assert [event[:3] for event in endpoint.events[1:]] == [
        ("operation", "query", "ok"),
        ("operation", "query", "errors"),
    ]


async def test_the_cost_is_told_to_who_asks(endpoint: Served) -> None:
    query = "{ sites(first: 3) { nodes { id } } }"
    assert "extensions" not in (await endpoint.query(query)).json()
    told = (await endpoint.query(query, headers={"x-edgeatlas-cost": "1"})).json()["extensions"]["cost"]
    assert told == {"requested": 5, "allowed": EndpointLimits().max_cost}


async def test_the_schema_may_be_read_by_who_is_signed_in(endpoint: Served) -> None:
    query = get_introspection_query(input_value_deprecation=True, specified_by_url=True)
    first, second = await endpoint.query(query), await endpoint.query(query)
    assert first.json()["data"]["__schema"]["queryType"]["name"] == "Query"
    assert first.content == second.content


async def test_a_mutation_is_done_and_read_back(endpoint: Served) -> None:
    variables = {"in": {"id": "site_2", "name": "Łódź"}}
    query = "mutation ($in: RenameInput!) { rename(input: $in) { ... on Renamed { site { name revision } } } }"
    site = (await endpoint.query(query, variables=variables)).json()["data"]["rename"]["site"]
    assert site["name"] == "Łódź"
    assert (await endpoint.query('{ byIds(ids: ["site_2"]) { name } }')).json()["data"]["byIds"] == [{"name": "Łódź"}]


async def test_a_client_that_leaves_in_the_middle_of_its_body_disturbs_nobody(endpoint: Served) -> None:
    for _ in range(5):
        _, writer = await asyncio.open_connection("127.0.0.1", int(endpoint.url.split(":")[2].split("/")[0]))
        writer.write(
            b"POST /graphql HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ann\r\ncontent-type: application/json\r\n"
            b'content-length: 500\r\n\r\n{"query'
        )
        await writer.drain()
        writer.transport.abort()
    assert (await endpoint.query("{ me }")).json() == {"data": {"me": "ann"}}
