"""A query whose caller goes away is cancelled, however it was asked; a mutation is seen through."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import orjson
import pytest
import pytest_asyncio

from endpointkit.served import Served, served
from endpointkit.world import World
from server.endpoint_limits import EndpointLimits

pytestmark = pytest.mark.asyncio(loop_scope="module")

SLOW = "{ slow }"
RENAME = 'mutation { rename(input: {id: "site_1", name: "renamed"}) { __typename } }'


@pytest_asyncio.fixture(loop_scope="module")
async def endpoint() -> AsyncIterator[Served]:
    world = World(holds=True)
    world.add(3)
    async with served(world, limits=EndpointLimits(execution_s=60.0)) as endpoint:
        yield endpoint


async def _connection(endpoint: Served, query: str) -> asyncio.StreamWriter:
    """A connection on which the query was sent and that nobody reads."""
    port = int(endpoint.url.split(":")[2].split("/")[0])
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    body = orjson.dumps({"query": query})
    writer.write(
        b"POST /graphql HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ann\r\ncontent-type: application/json\r\n"
        + f"content-length: {len(body)}\r\n\r\n".encode()
        + body
    )
    return writer


async def _told(endpoint: Served) -> str:
    return await asyncio.wait_for(endpoint.world.waits.get(), 10)


async def test_a_query_is_cancelled_when_its_connection_is_closed(endpoint: Served) -> None:
    writer = await _connection(endpoint, SLOW)
    assert await _told(endpoint) == "begun"
    writer.close()
    assert await _told(endpoint) == "cancelled"
    assert (await endpoint.query("{ me }")).json() == {"data": {"me": "ann"}}, "and the next is answered"


async def test_a_query_whose_caller_stays_is_answered(endpoint: Served) -> None:
    asked = asyncio.create_task(endpoint.query(SLOW))
    assert await _told(endpoint) == "begun"
    endpoint.world.gate.set()
    assert (await asked).json() == {"data": {"slow": "at last"}}
    assert await _told(endpoint) == "ended"
    # On a connection that is kept the one who watched the first is not in the way of the second.
    assert [(await endpoint.query(SLOW)).json() for _ in range(3)] == [{"data": {"slow": "at last"}}] * 3


async def test_a_mutation_is_seen_through(endpoint: Served) -> None:
    writer = await _connection(endpoint, RENAME)
    assert await _told(endpoint) == "begun"
    writer.close()
    await writer.wait_closed()
    assert (await endpoint.query("{ me }")).json() == {"data": {"me": "ann"}}, "the server has had time to see it go"
    endpoint.world.gate.set()
    assert await _told(endpoint) == "ended"
    while endpoint.world.sites["site_1"].name != "renamed":
        await asyncio.sleep(0)


@pytest.mark.parametrize("how", ["complete", "close"])
async def test_a_query_over_a_websocket_is_cancelled(endpoint: Served, how: str) -> None:
    async with endpoint.client() as client:
        await client.subscribe(SLOW, id="7")
        assert await _told(endpoint) == "begun"
        if how == "complete":
            await client.send({"type": "complete", "id": "7"})
            assert await _told(endpoint) == "cancelled"
    if how == "close":
        assert await _told(endpoint) == "cancelled"
