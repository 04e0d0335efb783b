"""A Neo4j server that is killed, stopped, frozen or out of disk while writers of two ledgers commit, and what it has then.

The writers go on through it all: they are refused while the server is away, and must be heard again once it is back.
Freezing is the hardest on the store: the server goes on with transactions that their writers gave up long ago. It is frozen
a few milliseconds after a COMMIT was sent, another number each time: before the server has read it, in the middle of it, and
between what it did and its answer.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from beds.neo4j.server import Neo4jServer
from faultkit.convergence import converging
from graph.ledger import Ledger, Request
from graph.refusal import Refusal, Unavailable
from graph.store import Store
from graph.stores.neo4j import Neo4jStore
from graph.stores.neo4j_client import Timeouts
from storekit import races
from storekit.checks import State
from storekit.kills import checked
from storekit.wrappers import TellsOfCommits

REQUEST = Request(author="user_1", action="test")
LEDGERS = 2
WRITERS = 8
"""Of each ledger."""
COMMITS = 30
"""Acknowledged before each fault, and again after it."""
WITHIN_S = 180.0
"""From one commit to the next one: a machine that does other work is slow, and a writer that is not heard never ends."""
FROZEN_S = 12.0
BLINK_S = 5.0
"""Long enough for a COMMIT to be given up, and for nothing else."""
FROZEN_AFTER_S = (0.0, 0.001, 0.002, 0.004, 0.006, 0.008, 0.012, 0.016)
"""A COMMIT was sent, by turns."""
AGAIN_S = 0.5
"""Before who was refused tries again."""
IMPATIENT = Timeouts(connect=5.0, statement=8.0, lock=8.0, commit=3.0)
"""Less than a server is frozen for, so that it is given up in the middle of a transaction."""


@dataclass
class ServerToll:
    """What a test of server faults did."""

    faults: int = 0
    checks: int = 0
    told: int = 0
    """Commits that were acknowledged, and found at the end."""
    refused: int = 0
    """Commits that were refused or left open while the server was away."""
    revision: int = 0
    """Commits in the log, acknowledged or not."""
    converged_s: float = 0.0
    """The longest from a server that answers again to the 30th commit, by when all writers were heard again."""


async def kill(server: Neo4jServer, sent: asyncio.Event, number: int) -> None:
    """kill -9, and a new start on what it left."""
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)


async def stop(server: Neo4jServer, sent: asyncio.Event, number: int) -> None:
    """A clean stop and a new start."""
    await asyncio.to_thread(server.stop)
    await asyncio.to_thread(server.start)


async def freeze(server: Neo4jServer, sent: asyncio.Event, number: int) -> None:
    """Neither answers nor ends for longer than its clients wait; then it goes on as if nothing had been."""
    await blink(server, sent, number, frozen_s=FROZEN_S)


async def blink(server: Neo4jServer, sent: asyncio.Event, number: int, *, frozen_s: float = BLINK_S) -> None:
    """The same, but only for as long as who sent a COMMIT waits."""
    sent.clear()
    await sent.wait()
    await asyncio.sleep(FROZEN_AFTER_S[number % len(FROZEN_AFTER_S)])
    server.freeze()
    try:
        await asyncio.sleep(frozen_s)
    finally:
        server.thaw()


async def fill(server: Neo4jServer, sent: asyncio.Event, number: int) -> None:
    """The disk is full; then there is room, and the server is started again, as its database asks for."""
    server.limit_files(65_536)
    await asyncio.sleep(FROZEN_S)
    await kill(server, sent, number)


FAULTS: dict[str, Callable[[Neo4jServer, asyncio.Event, int], Awaitable[None]]] = {
    "kill": kill,
    "stop": stop,
    "freeze": freeze,
    "blink": blink,
    "fill": fill,
}
"""Each is given when a COMMIT is sent, and how many faults there were before."""


@contextlib.asynccontextmanager
async def _impatient(
    server: Neo4jServer, before: Callable[[Store], Store], sent: asyncio.Event
) -> AsyncIterator[Ledger]:
    """A ledger that gives the server up soon, but for its start: what a server has never been asked takes it long."""
    store = Neo4jStore(server.store)
    async with Ledger(before(TellsOfCommits(store, sent))).running() as ledger:
        store._client.timeouts = IMPATIENT
        yield ledger


def found_wrong(problem: BaseException) -> bool:
    """Whether a check did not hold, here or in a task of a group; that a wait came to its end says nothing of the graph."""
    if isinstance(problem, BaseExceptionGroup):
        return problem.subgroup(AssertionError) is not None
    return isinstance(problem, AssertionError)


async def faults_under_load(
    server: Neo4jServer, faults: Sequence[str], *, before: Callable[[Store], Store] = lambda store: store
) -> ServerToll:
    """Does each of the faults to the server, which holds an empty graph, and checks the graph after each.

    `before` puts another store before each writer's.
    """
    toll = ServerToll()
    told: dict[str, int] = {}
    state = State()

    async def write(ledger: Ledger, key: str, stopped: asyncio.Event) -> None:
        step = 0
        while not stopped.is_set():
            step += 1
            try:
                done = await ledger.commit(races.several_entities(f"{key}-{step}", 1.0), REQUEST)
            except Unavailable:
                toll.refused += 1
                await asyncio.sleep(AGAIN_S)
            except Refusal as refusal:
                raise AssertionError(f"{key}-{step} was asked for once, and refused: {refusal.message}") from refusal
            else:
                told[f"{key}-{step}"] = done.revision

    async def more() -> None:
        seen = len(told)
        until = seen + COMMITS
        async with asyncio.timeout(WITHIN_S) as limit:
            while (now := len(told)) < until:
                if now != seen:
                    seen = now
                    limit.reschedule(asyncio.get_running_loop().time() + WITHIN_S)
                await asyncio.sleep(0.05)

    async with contextlib.AsyncExitStack() as open_:
        store = Neo4jStore(server.store)
        await store.open()  # first, and with patience: it makes the constraints and indexes
        open_.push_async_callback(store.close)
        sent = asyncio.Event()
        ledgers = [await open_.enter_async_context(_impatient(server, before, sent)) for _ in range(LEDGERS)]
        for number, fault in enumerate(faults):
            stopped = asyncio.Event()
            async with asyncio.TaskGroup() as writers:
                for which, ledger in enumerate(ledgers):
                    for writer in range(WRITERS):
                        writers.create_task(write(ledger, f"{number}-{which}-{writer}", stopped))
                await more()
                await FAULTS[fault](server, sent, number)
                with converging() as took:
                    await more()
                toll.converged_s = max(toll.converged_s, took.seconds)
                stopped.set()
            toll.faults += 1
            state = await checked(store, state, told)
            toll.checks += 1
            for ledger in ledgers:
                assert await ledger.wait_for(state.revision, timeout_s=WITHIN_S), "a view stays behind"
                assert all(ledger.view.get(key) == entity for key, entity in state.live.items())
        await checked(store, State(), told)
    toll.told, toll.revision = len(told), state.revision
    return toll
