"""Spans of operations, over HTTP and WebSocket: what they hang under, what they tell, and what strangers may not do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased
from opentelemetry.trace import SpanKind, StatusCode

from endpointkit.served import Client, Served, served
from endpointkit.world import World
from server.tracing import caller_in_headers, caller_in_payload, here, span

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CALLER = f"00-{TRACE}-{PARENT}-01"
UNSAMPLED = f"00-{TRACE}-{PARENT}-00"
SITES = "subscription Sites { sites { __typename ... on Delta { sites { name } } } }"
AWAITED = "subscription Late { sites { __typename ... on Delta { sites { awaited } } } }"
RENAME = """mutation Rename($in: RenameInput!) { rename(input: $in) { ... on Renamed { site { name } } } }"""


class Kept:
    """What the exporter was given."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self._exporter = exporter

    def named(self, name: str) -> Sequence[ReadableSpan]:
        return [one for one in self._exporter.get_finished_spans() if one.name == name]

    async def one(self, name: str, *, number: int = 1) -> ReadableSpan:
        """The last of that many spans of this name, waited for: some end after the client has its answer."""
        async with asyncio.timeout(60):
            while len(self.named(name)) < number:
                await asyncio.sleep(0.005)
        assert len(self.named(name)) == number
        return self.named(name)[-1]


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    """Tracing as it is when a collector is configured; the global can be set once a process, so it is lent here."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(sampler=ParentBased(ALWAYS_ON), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    yield Kept(exporter)
    provider.shutdown()


@pytest.fixture
def world() -> World:
    world = World()
    world.add(2)
    return world


Ask = Callable[[Served, str], Awaitable[object]]


async def by_http(endpoint: Served, query: str) -> object:
    return await endpoint.query(query, headers={"traceparent": CALLER, "x-correlation-id": "cafe"})


async def by_upgrade(endpoint: Served, query: str) -> object:
    async with endpoint.client(headers={"traceparent": CALLER, "x-correlation-id": "cafe"}) as client:
        await client.subscribe(query)
        return await client.next()


async def by_init(endpoint: Served, query: str) -> object:
    headers = {"traceparent": f"00-{'1' * 32}-{'2' * 16}-01", "x-correlation-id": "cafe"}
    async with endpoint.client(headers=headers, init=False) as client:
        await acknowledged(client, traceparent=CALLER)
        await client.subscribe(query)
        return await client.next()


async def acknowledged(client: Client, **payload: object) -> None:
    await client.send({"type": "connection_init", "payload": payload})
    assert await client.next() == {"type": "connection_ack"}


@pytest.mark.parametrize("ask", [by_http, by_upgrade, by_init])
async def test_an_operation_has_a_span_under_its_caller_s(kept: Kept, world: World, ask: Ask) -> None:
    async with served(world) as endpoint:
        await ask(endpoint, "query Greeting { hello }")
    found = await kept.one("graphql.operation")
    attributes = dict(found.attributes or {})
    assert str(attributes.pop("correlation_id")).startswith("cafe")
    assert attributes == {
        "graphql.operation.type": "query",
        "graphql.operation.name": "Greeting",
        "graphql.transport": "http" if ask is by_http else "websocket",
    }
    assert (found.kind, found.status.status_code) == (SpanKind.SERVER, StatusCode.UNSET)
    assert found.parent is not None
    assert (f"{found.parent.trace_id:032x}", f"{found.parent.span_id:016x}") == (TRACE, PARENT)
    assert found.parent.is_remote


@pytest.mark.parametrize("ask", [by_http, by_upgrade])
@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("{ secret }", "INTERNAL"),
        ("{ gone }", "REVISION_GONE"),
        ("query Q($size: Int!) { sites(first: $size) { totalCount } }", "Refused: Variable '$size'"),
    ],
)
async def test_an_operation_that_failed_is_marked_so_without_what_is_hidden(
    kept: Kept, world: World, ask: Ask, query: str, reason: str
) -> None:
    async with served(world) as endpoint:
        await ask(endpoint, query)
    found = await kept.one("graphql.operation")
    assert found.status.status_code is StatusCode.ERROR
    assert (found.status.description or "").startswith(reason)
    assert "another tenant" not in str(found.status.description)


async def test_each_query_and_mutation_of_a_connection_has_its_own_span(kept: Kept, world: World) -> None:
    async with served(world) as endpoint, endpoint.client() as client:
        await client.subscribe(RENAME, id="a", variables={"in": {"id": "site_0", "name": "Zürich"}})
        await kept.one("graphql.operation")
        await client.subscribe("{ hello }", id="b")
        second = await kept.one("graphql.operation", number=2)
    first = kept.named("graphql.operation")[0]
    assert (first.attributes or {})["graphql.operation.type"] == "mutation"
    assert first.parent is None
    assert second.parent is None
    assert first.context.trace_id != second.context.trace_id
    assert "graphql.operation.name" not in (second.attributes or {})


@pytest.mark.parametrize("document", [SITES, AWAITED], ids=["at once", "awaited"])
async def test_an_event_has_one_span_for_its_whole_group_and_each_subscription_one_for_its_start(
    kept: Kept, world: World, document: str
) -> None:
    async with served(world) as endpoint, endpoint.client(init=False) as ann, endpoint.client(token="bob") as bob:
        await acknowledged(ann, traceparent=CALLER)
        for client, numbers in ((ann, range(1)), (bob, range(1, 6))):
            for number in numbers:
                await client.subscribe(document, id=str(number))
                assert (await client.event())["__typename"] == "Snapshot"
                await kept.one("subscription.begin", number=number + 1)
        assert not kept.named("subscription.event")
        world.rename("site_1", "once")
        await ann.event()
        event = await kept.one("subscription.event")
    starts, beginnings = kept.named("graphql.operation"), kept.named("subscription.begin")
    assert (len(starts), len(beginnings)) == (6, 6)
    for start, beginning in zip(starts, beginnings, strict=True):
        assert beginning.parent is not None
        assert beginning.parent.span_id == start.context.span_id
    assert f"{starts[0].context.trace_id:032x}" == TRACE
    assert event.parent is None, "an event belongs to none of its subscribers' traces"
    assert [link.context.span_id for link in event.links] == [starts[0].context.span_id]
    assert dict(event.attributes or {}) == {
        "graphql.operation.name": "Sites" if document == SITES else "Late",
        "subscription.events": 1,
        "subscription.subscribers": 6,
        "graph.revision": world.feed.revision,
    }


async def test_a_subscription_that_is_refused_ends_its_span_as_failed(kept: Kept, world: World) -> None:
    async with served(world) as endpoint, endpoint.client() as client:
        await client.subscribe('subscription { changes(after: "never") { __typename } }')
        assert (await client.next())["type"] == "error"
    found = await kept.one("graphql.operation")
    assert found.status.status_code is StatusCode.ERROR
    assert not kept.named("subscription.begin")


async def test_a_caller_who_does_not_sample_is_not_traced(kept: Kept, world: World) -> None:
    async with served(world) as endpoint:
        answer = await endpoint.query("{ hello }", headers={"traceparent": UNSAMPLED})
        assert answer.json()["data"] == {"hello": "hello you"}
        async with endpoint.client(headers={"traceparent": UNSAMPLED}) as client:
            await client.subscribe(SITES)
            await client.event()
            await client.subscribe("{ hello }", id="2")
            await client.next()
    assert not kept.named("graphql.operation")
    assert not kept.named("subscription.begin"), "what is below a span that is not sampled is not sampled either"


# What strangers send


HOSTILE: list[tuple[object, object]] = [
    ("", None),
    ("x", None),
    (f"00-{'0' * 32}-{PARENT}-01", None),
    (f"00-{TRACE}-{'0' * 16}-01", None),
    (f"ff-{TRACE}-{PARENT}-01", None),
    (f"00-{TRACE.upper()}-{PARENT}-01", None),
    (f"{CALLER}-more", None),
    (f"{CALLER}\n{CALLER}", None),
    (f"{CALLER},{CALLER}", None),
    ("00-" + "a" * 100_000, None),
    (f"01-{TRACE}-{PARENT}-01-" + "a" * 100_000, None),
    ("\x00\xff" * 20, "\x00"),
    ("٠٠-" + TRACE, None),
    (7, 8),
    ([CALLER], {"a": 1}),
    ({"traceparent": CALLER}, None),
    (None, "vendor=1"),
    (True, True),
]


@pytest.mark.parametrize(("parent", "state"), HOSTILE, ids=lambda value: repr(value)[:20])
def test_a_parent_that_is_none_is_as_if_it_had_not_been_said(kept: Kept, parent: object, state: object) -> None:
    assert caller_in_payload({"traceparent": parent, "tracestate": state}) is None
    if isinstance(parent, str):
        sent = parent.encode("latin-1", "replace")
        assert caller_in_headers([(b"traceparent", sent), (b"tracestate", str(state).encode())]) is None


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (["vendor=1,other=2"], {"vendor": "1", "other": "2"}),
        (["vendor=1", "other=2"], {"vendor": "1", "other": "2"}),
        (["vendor=" + "x" * 600], {}),
        ([",".join(f"v{number}=1" for number in range(100))], {}),
        (["=,=;\x00"], {}),
        (["vendor=1,vendor=2"], {}),
        ([""], {}),
    ],
    ids=["one list", "two lists", "long", "many", "no list", "twice", "empty"],
)
def test_a_state_goes_on_when_it_is_one_and_takes_nothing_with_it_when_not(
    kept: Kept, states: list[str], expected: dict[str, str]
) -> None:
    headers = [(b"traceparent", CALLER.encode()), *((b"tracestate", one.encode()) for one in states)]
    found = trace.get_current_span(caller_in_headers(headers)).get_span_context()
    assert f"{found.trace_id:032x}" == TRACE
    assert dict(found.trace_state) == expected


def test_two_parents_are_none(kept: Kept) -> None:
    assert caller_in_headers([(b"traceparent", CALLER.encode())] * 2) is None


async def test_what_is_no_parent_refuses_nobody(kept: Kept, world: World) -> None:
    async with served(world) as endpoint:
        headers = {"traceparent": "00-zz", "tracestate": "&" * 8_000}
        assert (await endpoint.query("{ hello }", headers=headers)).status_code == 200
        async with endpoint.client(headers=headers, init=False) as client:
            await acknowledged(client, traceparent=["x"], tracestate=CALLER)
            await client.subscribe("{ hello }")
            assert (await client.next())["type"] == "next"
    assert [one.parent for one in kept.named("graphql.operation")] == [None, None]


def test_nothing_is_read_of_a_caller_s_trace_when_none_is_configured() -> None:
    assert caller_in_headers([(b"traceparent", CALLER.encode())]) is None
    assert caller_in_payload({"traceparent": CALLER}) is None
    with span("query"):
        assert here() is None
