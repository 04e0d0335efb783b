"""The endpoint over WebSocket: the protocol, who may connect, and what a client may not do to the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
import pytest_asyncio
from websockets.exceptions import ConnectionClosed, InvalidStatus

from endpointkit.served import Served, reached, served
from endpointkit.world import World
from server.endpoint_limits import EndpointLimits
from server.graphql_ws import same_origin


@asynccontextmanager
async def small() -> AsyncIterator[Served]:
    world = World()
    world.add(3)
    limits = EndpointLimits(
        init_timeout_s=1.5,
        max_connections_per_viewer=3,
        max_subscriptions_per_connection=4,
        max_message_bytes=4_000,
        message_burst=40,
        heartbeat_s=0.5,
        execution_s=1.5,
        allowed_origins=frozenset({"https://console.example.org"}),
    )
    async with served(world, limits=limits) as endpoint:
        yield endpoint


@pytest.fixture
async def endpoint() -> AsyncIterator[Served]:
    async with small() as endpoint:
        yield endpoint


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared() -> AsyncIterator[Served]:
    """One server for the tables, whose cases leave nothing behind."""
    async with small() as endpoint:
        yield endpoint


async def test_a_query_and_a_mutation_are_answered_and_completed(endpoint: Served) -> None:
    async with endpoint.client() as client:
        await client.subscribe("{ hello }", id="a")
        assert await client.next() == {"id": "a", "type": "next", "payload": {"data": {"hello": "hello you"}}}
        assert await client.next() == {"id": "a", "type": "complete"}
        await client.subscribe(
            "mutation ($in: RenameInput!) { rename(input: $in) { ... on Renamed { site { name } } } }",
            id="b",
            variables={"in": {"id": "site_1", "name": "Zürich"}},
        )
        answer = await client.next()
        assert answer["payload"] == {"data": {"rename": {"site": {"name": "Zürich"}}}}
        assert await client.next() == {"id": "b", "type": "complete"}


async def test_an_operation_that_is_refused_ends_with_an_error_and_its_id_is_free_again(endpoint: Served) -> None:
    async with endpoint.client() as client:
        for query, code in [
            ("{ hello", "GRAPHQL_PARSE_FAILED"),
            ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
            ("query ($t: Tier!) { tier(of: $t) }", "BAD_USER_INPUT"),
            ('subscription { changes(after: "never") { __typename } }', "BAD_CURSOR"),
            ("subscription { ticks }", "INTERNAL"),
            ("{ slow }", "EXECUTION_TIMEOUT"),
        ]:
            await client.subscribe(query, id="same")
            message = await client.next()
            assert (message["id"], message["type"]) == ("same", "error"), query
            assert message["payload"][0]["extensions"]["code"] == code
            assert "secret" not in str(message)


async def test_a_ping_is_answered_with_its_payload_before_and_after_the_acknowledgement(endpoint: Served) -> None:
    async with endpoint.client(init=False) as client:
        await client.send({"type": "ping", "payload": {"n": 1}})
        assert await client.next() == {"type": "pong", "payload": {"n": 1}}
        await client.send({"type": "connection_init"})
        assert await client.next() == {"type": "connection_ack"}
        await client.send({"type": "ping"})
        assert await client.next() == {"type": "pong"}
        await client.send({"type": "pong"})
        assert await client.quiet()


PROTOCOL_BREACHES = [
    ([{"type": "subscribe", "id": "1", "payload": {"query": "{ hello }"}}], 4401),
    ([{"type": "complete", "id": "1"}], 4400),
    (["not json"], 4400),
    (["[]"], 4400),
    (['{"type": 7}'], 4400),
    ([b'{"type": "connection_init"}'], 4400),
    ([{"type": "connection_init", "payload": "text"}], 4400),
    ([{"type": "connection_init", "payload": {"authorization": "Bearer bad"}}], 4403),
    ([{"type": "connection_init", "payload": {"authorization": "Bearer \u00fc"}}], 4403),
    ([{"type": "connection_init"}, {"type": "connection_init"}], 4429),
    ([{"type": "connection_init"}, {"type": "nonsense"}], 4400),
    ([{"type": "connection_init"}, {"type": "subscribe", "payload": {"query": "{ hello }"}}], 4400),
    ([{"type": "connection_init"}, {"type": "subscribe", "id": "", "payload": {"query": "{ hello }"}}], 4400),
    ([{"type": "connection_init"}, {"type": "subscribe", "id": "x" * 129, "payload": {"query": "{ hello }"}}], 4400),
    ([{"type": "connection_init"}, {"type": "subscribe", "id": "1"}], 4400),
    ([{"type": "connection_init"}, {"type": "subscribe", "id": "1", "payload": {"query": 1}}], 4400),
    ([{"type": "connection_init"}, {"type": "subscribe", "id": "1", "payload": [{"query": "{ hello }"}]}], 4400),
    ([{"type": "connection_init"}, {"type": "complete"}], 4400),
    ([{"type": "connection_init"}, *[{"type": "subscribe", "id": "1", "payload": {"query": "{ slow }"}}] * 2], 4409),
    ([{"type": "connection_init"}, {"type": "ping", "payload": {"x": "y" * 4_000}}], 1009),
    ([], 4408),
]


async def test_pings_do_not_put_off_the_time_to_say_who_it_is(endpoint: Served) -> None:
    async with endpoint.client(init=False) as client:
        with suppress(ConnectionClosed):
            for _ in range(60):
                await client.send({"type": "ping"})
                await client.next()
                await asyncio.sleep(0.05)
        assert (await client.closed())[0] == 4408


@pytest.mark.parametrize(("messages", "code"), PROTOCOL_BREACHES, ids=lambda value: str(value)[-60:])
@pytest.mark.asyncio(loop_scope="module")
async def test_a_breach_of_the_protocol_closes_with_its_code(shared: Served, messages: list, code: int) -> None:
    async with shared.client(init=False) as client:
        for message in messages:
            await client.send(message)
        assert (await client.closed())[0] == code


async def test_only_graphql_transport_ws_is_spoken(endpoint: Served) -> None:
    for subprotocols in (["graphql-ws"], None):
        async with endpoint.client(init=False, subprotocols=subprotocols) as client:
            assert (await client.closed())[0] == 4406


async def test_a_token_in_connection_init_signs_in_and_wins_over_the_cookie(endpoint: Served) -> None:
    async with endpoint.client(token=None, init=False) as client:
        await client.send({"type": "connection_init", "payload": {"authorization": "Bearer bob"}})
        assert await client.next() == {"type": "connection_ack"}
        await client.subscribe("{ me }")
        assert (await client.event()) == "bob"
    own = endpoint.url.removesuffix("/graphql")
    async with endpoint.client(token=None, headers={"cookie": "session=eve", "origin": own}, init=False) as client:
        await client.send({"type": "connection_init", "payload": {"token": "bob"}})
        assert await client.next() == {"type": "connection_ack"}
        await client.subscribe("{ me }")
        assert (await client.event()) == "bob"


async def test_without_any_credential_nothing_is_served(endpoint: Served) -> None:
    async with endpoint.client(token=None, init=False) as client:
        await client.send({"type": "connection_init"})
        assert await client.closed() == (4403, "Forbidden")


UPGRADES = [
    ({"authorization": "Bearer bad"}, 401),
    ({"authorization": "Bearer ann", "origin": "https://evil.example"}, 403),
    ({"authorization": "Bearer ann", "origin": "null"}, 403),
    ({"cookie": "session=ann"}, 403),
    ({"cookie": "session=ann", "origin": "https://evil.example"}, 403),
    ({"cookie": "session=ann", "origin": "OWN"}, None),
    ({"cookie": "session=ann", "origin": "https://console.example.org"}, None),
    ({"authorization": "Bearer ann", "origin": "OWN"}, None),
    ({"authorization": "Bearer ann"}, None),
]


@pytest.mark.parametrize(("headers", "status"), UPGRADES, ids=str)
@pytest.mark.asyncio(loop_scope="module")
async def test_the_upgrade_is_refused_for_bad_tokens_and_foreign_origins(
    shared: Served, headers: dict[str, str], status: int | None
) -> None:
    own = shared.url.removesuffix("/graphql")
    given = {name: own if value == "OWN" else value for name, value in headers.items()}
    if status is None:
        async with shared.client(token=None, headers=given) as client:
            await client.subscribe("{ me }")
            assert (await client.event()) == "ann"
        return
    with pytest.raises(InvalidStatus) as refused:
        async with shared.client(token=None, headers=given):
            pass
    assert refused.value.response.status_code == status


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        ("https://a.example", "a.example", True),
        ("https://a.example", "a.example:443", True),
        ("http://a.example:8080", "a.example:8080", True),
        ("http://a.example", "a.example:8080", False),
        ("https://a.example.evil", "a.example", False),
        ("https://evil/a.example", "a.example", False),
        ("https://A.example", "a.EXAMPLE", True),
        ("null", "a.example", False),
        ("", "", False),
        ("file://", "", False),
        ("https://[::1]:1", "[::1]:1", True),
        ("https://a.example:notaport", "a.example", False),
    ],
)
def test_an_origin_is_our_own_when_host_and_port_are(origin: str, host: str, same: bool) -> None:
    assert same_origin(origin, host) is same


async def test_operations_beyond_the_limit_are_refused_and_the_others_go_on(endpoint: Served) -> None:
    async with endpoint.client() as client:
        for number in range(5):
            await client.subscribe("subscription { changes { __typename } }", id=str(number))
        messages = [await client.next() for _ in range(5)]
        (refused,) = [message for message in messages if message["type"] == "error"]
        assert refused["id"] == "4"
        assert refused["payload"][0]["extensions"]["limit"] == "operations under way"
        await client.send({"type": "complete", "id": "0"})
        await client.subscribe("{ hello }", id="5")
        assert (await client.next())["payload"] == {"data": {"hello": "hello you"}}


async def test_connections_of_one_viewer_are_limited_and_counted_down(endpoint: Served) -> None:
    async with endpoint.client(), endpoint.client(), endpoint.client():
        async with endpoint.client(init=False) as fourth:
            await fourth.send({"type": "connection_init"})
            code, reason = await fourth.closed()
            assert code == 1013
            assert "too many connections" in str(reason)
        async with endpoint.client(token="bob"):
            pass
    async with endpoint.client():
        pass


async def test_ten_thousand_subscribes_on_one_connection_are_cut_off(endpoint: Served) -> None:
    async with endpoint.client() as client:
        try:
            for number in range(10_000):
                await client.subscribe("subscription { sites { __typename } }", id=str(number))
        except ConnectionClosed:
            pass
        assert (await client.closed())[0] == 1008
    await reached(lambda: endpoint.endpoint.websocket.connections == 0, what="the end of the connection")
    assert endpoint.endpoint.broadcast.groups == 0


async def test_a_client_that_goes_away_leaves_nothing_behind(endpoint: Served) -> None:
    for _ in range(5):
        async with endpoint.client() as client:
            await client.subscribe("subscription { sites { __typename } }")
            await client.subscribe("{ slow }", id="2")
            await client.event()
            client.connection.transport.abort()
    await reached(lambda: endpoint.endpoint.websocket.connections == 0, what="the end of all connections")
    assert endpoint.endpoint.broadcast.groups == 0
    assert sum(event[1] for event in endpoint.events if event[0] == "subscriptions") == 0


async def test_complete_ends_a_subscription_and_an_unknown_id_is_no_breach(endpoint: Served) -> None:
    async with endpoint.client() as client:
        await client.send({"type": "complete", "id": "unknown"})
        await client.subscribe("subscription { sites { __typename } }")
        assert await client.event() == {"__typename": "Snapshot"}
        await client.send({"type": "complete", "id": "1"})
        await reached(lambda: endpoint.endpoint.broadcast.groups == 0, what="the end of the group")
        endpoint.world.rename("site_0", "later")
        assert await client.quiet()


async def test_whoever_loses_permission_is_disconnected_before_the_next_delivery(endpoint: Served) -> None:
    async with endpoint.client(token="ann") as ann, endpoint.client(token="bob") as bob:
        for client in (ann, bob):
            await client.subscribe("subscription { sites { __typename } }")
            await client.event()
        endpoint.revoked.add("ann")
        endpoint.world.rename("site_0", "after")
        assert await ann.closed() == (4403, "Forbidden")
        assert await bob.event() == {"__typename": "Delta"}
    with pytest.raises(ConnectionClosed):
        async with endpoint.client(token="ann"):
            pass


async def test_an_idle_subscriber_who_loses_permission_is_disconnected_within_a_heartbeat(endpoint: Served) -> None:
    async with endpoint.client() as client:
        await client.subscribe('subscription { operation(id: "op_1") }')
        await client.event()
        endpoint.revoked.add("ann")
        assert (await client.closed())[0] == 4403


async def test_at_shutdown_subscribers_are_told_to_come_back() -> None:
    async with served() as endpoint, endpoint.client() as client:
        await client.subscribe("subscription { changes { __typename } }")
        await client.event()
        endpoint.server.should_exit = True
        assert (await client.closed())[0] == 1012


async def test_drain_closes_every_connection_and_waits_for_it(endpoint: Served) -> None:
    async with endpoint.client() as one, endpoint.client() as two:
        await endpoint.endpoint.drain()
        assert endpoint.endpoint.websocket.connections == 0
        assert (await one.closed())[0] == 1012
        assert (await two.closed())[0] == 1012
        with pytest.raises(InvalidStatus) as refused:
            async with endpoint.client():
                pass
        assert refused.value.response.status_code == 503
