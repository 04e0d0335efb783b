"""Whatever happens to subscribers, in any order: each ends with the truth, and sees no gap and no step back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from endpointkit.served import Person
from endpointkit.subscriptions import CHANGES, SITES
from endpointkit.world import Context, World, schema
from server.broadcast import Broadcast
from server.endpoint_limits import EndpointLimits
from server.execution import Engine, Parameters
from server.groups import Member
from server.outbox import Outbox


@dataclass
class Subscriber:
    """A client without a network: it reads when it is told to, and checks what it reads."""

    broadcast: Broadcast[Person]
    engine: Engine[Person]
    world: World
    query: str
    state: dict[str, str] = field(default_factory=dict)
    revision: int = -1
    since: int = -1
    """It must know of all that changed after this revision."""
    reading: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def knows_all(self) -> bool:
        """Whether it knows the newest name of every site that it must know of."""
        wanted = {str(site.id) for revision, site in self.world.history if revision > self.since}
        if self.query is SITES:
            wanted = set(self.world.sites)
        return self.revision >= 0 and all(self.state.get(key) == self.world.sites[key].name for key in wanted)

    async def send(self, message: Any) -> None:
        await self.reading.wait()
        (event,) = orjson.loads(message["text"])["payload"]["data"].values()
        kind = event["__typename"]
        if kind == "Delta":
            assert event["follows"] <= self.revision, "a gap"
            assert event["revision"] > self.revision, "twice, or backwards"
        elif kind == "Heartbeat":
            assert event["revision"] >= self.revision, "backwards"
        if kind in ("Restart", "Snapshot"):
            self.state = {}
        if kind == "Restart" or self.revision < 0:
            self.since = event["revision"]
        self.state.update({site["id"]: site["name"] for site in event.get("sites", [])})
        self.revision = event["revision"]

    async def connect(self) -> None:
        after = str(self.revision) if self.revision >= 0 else None
        prepared = self.engine.prepare(Parameters(self.query, None, {"after": after}))
        viewer = Person("ann")
        executor, query = await self.engine.subscribe(prepared, viewer, "c")
        outbox = Outbox(self.send, limit_bytes=400)
        member = Member(
            head='{"id":"1","type":"next","payload":', outbox=outbox, viewer=viewer, query=query, correlation_id="c"
        )
        self.tasks = [
            asyncio.create_task(outbox.write()),
            asyncio.create_task(self.broadcast.serve(prepared, executor, member)),
        ]

    async def disconnect(self) -> None:
        for task in self.tasks:
            task.cancel()
        for result in await asyncio.gather(*self.tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result
        self.tasks = []


@asynccontextmanager
async def groups(world: World) -> AsyncIterator[tuple[Broadcast[Person], Engine[Person]]]:
    engine: Engine[Person] = Engine(
        schema._schema,
        context_factory=lambda viewer, correlation_id: Context(world, viewer, correlation_id),
        limits=EndpointLimits(max_rate_hz=500.0, heartbeat_s=0.01, max_tail_events=4),
    )
    broadcast = Broadcast(engine, world.feed)
    pump = asyncio.create_task(broadcast.run())
    try:
        yield broadcast, engine
    finally:
        pump.cancel()
        await asyncio.gather(pump, return_exceptions=True)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("rename"), st.integers(0, 3)),
        st.tuples(st.just("burst"), st.integers(2, 12)),
        st.tuples(st.just("touch"), st.just(0)),
        st.tuples(st.just("connect"), st.integers(0, 3)),
        st.tuples(st.just("disconnect"), st.integers(0, 3)),
        st.tuples(st.just("pause"), st.integers(0, 3)),
        st.tuples(st.just("read"), st.integers(0, 3)),
        st.tuples(st.just("yield"), st.integers(1, 6)),
        st.tuples(st.just("rest"), st.just(0)),
    ),
    min_size=5,
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS, kept=st.sampled_from([3, 8, 1_000]))
def test_whatever_happens_each_client_ends_with_the_truth_and_never_sees_a_gap_or_a_step_back(
    steps: list[tuple[str, int]], kept: int
) -> None:
    async def play() -> None:
        world = World(kept=kept, catch_up_limit=6)
        world.add(4)
        names = iter(range(100_000))
        async with groups(world) as (broadcast, engine):
            clients = [Subscriber(broadcast, engine, world, query) for query in (SITES, SITES, CHANGES, CHANGES)]
            for client in clients:
                client.reading.set()
            for step, number in steps:
                match step:
                    case "rename":
                        world.rename(f"site_{number}", f"name {next(names)}")
                    case "burst":
                        for _ in range(number):
                            world.rename(f"site_{number % 4}", f"name {next(names)}")
                    case "touch":
                        world.touch()
                    case "connect":
                        if not clients[number].tasks:
                            await clients[number].connect()
                    case "disconnect":
                        await clients[number].disconnect()
                    case "pause":
                        clients[number].reading.clear()
                    case "read":
                        clients[number].reading.set()
                    case "yield":
                        for _ in range(number):
                            await asyncio.sleep(0)
                    case "rest":
                        await asyncio.sleep(0.004)
            for client in clients:
                client.reading.set()
                if not client.tasks:
                    await client.connect()
            async with asyncio.timeout(60):
                while not all(client.knows_all() for client in clients):
                    for client in clients:
                        for task in client.tasks:
                            if task.done():
                                task.result()
                    await asyncio.sleep(0.002)
            for client in clients:
                await client.disconnect()
            assert broadcast.groups == 0

    asyncio.run(play())
