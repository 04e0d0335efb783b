"""A server that dies, a network that cuts or swallows: what was acknowledged stays, what was not is known or asked again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from beds.neo4j.server import Neo4jServer
from beds.proxy.proxy import Direction, FaultProxy
from faultkit.convergence import HANGS_AFTER_S, converging
from graph.kinds import Region
from graph.ledger import Ledger
from graph.refusal import Unavailable
from graph.request import Request
from graph.store import StoreUnavailable, UnknownOutcome
from graph.stores.neo4j import Neo4jStore
from graph.stores.neo4j_client import Timeouts
from storekit import races
from storekit.checks import check_whole
from storekit.fixtures import plain_logs
from storekit.graphs import Chain, created, head_of, region, write
from storekit.server_faults import COMMITS, faults_under_load

__all__ = ["plain_logs"]
REQUEST = Request(author="user_1", action="test")
COMMIT = bytes([0x00, 0x02, 0xB0, 0x12, 0x00, 0x00])
"""A Bolt message of two bytes: a structure of no fields with COMMIT's signature, 0x12 (Bolt Protocol, Message types)."""
REPLY = b"bookmark"
"""What only the reply to COMMIT has."""


@pytest.fixture
def empty(neo4j_server: Neo4jServer) -> Neo4jServer:
    """The server, with nothing in it."""
    neo4j_server.empty()
    return neo4j_server


@pytest.fixture
async def proxied(
    empty: Neo4jServer, fault_proxy: Callable[[int], FaultProxy]
) -> AsyncIterator[tuple[Neo4jStore, FaultProxy]]:
    """A store behind a proxy that breaks connections, not opened yet."""
    proxy = fault_proxy(empty.port)
    store = Neo4jStore(
        f"bolt://127.0.0.1:{proxy.port}", user=empty.user, password=empty.password, timeouts=Timeouts(connect=20.0)
    )
    yield store, proxy
    await store.close()


def cut_at_commit(proxy: FaultProxy, *, after: bool) -> None:
    """Cuts the next COMMIT before the server has it, or its reply before the client has it."""
    if after:
        proxy.cut_when(lambda data: REPLY in data, direction=Direction.TO_CLIENT, forward=False)
    else:
        proxy.cut_when(lambda data: COMMIT in data, direction=Direction.TO_SERVER, forward=False)


@pytest.mark.parametrize("after", [True, False], ids=["after the server had it", "before the server had it"])
async def test_a_connection_cut_at_commit_leaves_an_unknown_outcome_that_the_draft_id_settles(
    proxied: tuple[Neo4jStore, FaultProxy], after: bool
) -> None:
    store, proxy = proxied
    await store.open()
    chain = Chain(await head_of(store))
    commit = chain.commit(*created(region("cut")))
    cut_at_commit(proxy, after=after)
    with pytest.raises(UnknownOutcome):
        await write(store, [commit])
    async with store.begin() as transaction:
        head = await transaction.head()
        done = await transaction.done_before([commit.draft_id])
    assert done == ({commit.draft_id: 1} if after else {})
    assert head.revision == len(done)


async def test_no_commit_is_lost_or_made_twice_while_connections_are_cut_at_commit(
    proxied: tuple[Neo4jStore, FaultProxy], empty: Neo4jServer
) -> None:
    store, proxy = proxied
    ledger = Ledger(store, group_size=4)
    async with ledger.running():
        counted = (await ledger.commit(lambda edit: edit.create(Region, name="counted"), REQUEST)).value
        answers: list[int] = []

        async def writer() -> None:
            done = 0
            while done < 6:
                try:
                    answers.append((await ledger.commit(races.add_one(counted.id), REQUEST)).revision)
                except Unavailable:  # cut before COMMIT, with another's: certainly not made
                    await asyncio.sleep(0.05)
                else:
                    done += 1

        async def cutter() -> None:
            for number in range(8):
                cut_at_commit(proxy, after=number % 2 == 0)
                await asyncio.sleep(0.1)

        await asyncio.gather(cutter(), *(writer() for _ in range(8)))
        proxy.mend()
        assert proxy.cuts > 0
        state = await check_whole(store)
        found = state.live[counted.id]
        assert isinstance(found, Region)
        assert found.demand == len(answers) == 48
        assert sorted(answers) == list(range(2, 50))


async def test_connections_that_were_cut_while_idle_cost_nobody_a_commit(
    proxied: tuple[Neo4jStore, FaultProxy],
) -> None:
    store, proxy = proxied
    await store.open()
    chain = Chain(await head_of(store))
    for number in range(3):
        proxy.cut()
        await write(store, [chain.commit(*created(region(f"r{number}")))])
        proxy.cut()
        assert len(await store.commits_after(0)) == number + 1
    proxy.cut()
    await store.put_ephemeral("k", b"v", expires_at=9)
    assert await store.ephemeral("k", now=1) == b"v"


async def test_a_network_that_swallows_is_away_within_a_bound(
    empty: Neo4jServer, fault_proxy: Any, converged: Callable[[float], None]
) -> None:
    proxy = fault_proxy(empty.port)
    store = Neo4jStore(f"bolt://127.0.0.1:{proxy.port}", user=empty.user, password=empty.password)
    await store.open()
    patient, store._client.timeouts = store._client.timeouts, Timeouts(connect=1.0, statement=1.0, lock=1.0, commit=1.0)
    proxy.hold()
    async with asyncio.timeout(HANGS_AFTER_S):
        with pytest.raises(StoreUnavailable):
            await store.commits_after(0)
        with pytest.raises(StoreUnavailable):
            async with store.begin() as transaction:
                await transaction.head()
    proxy.mend()
    store._client.timeouts = patient
    with converging() as took:
        assert (await until_answered(store)).live == {}
    converged(took.seconds)
    await store.close()


async def test_reads_go_on_and_writes_are_refused_while_the_server_is_away(
    proxied: tuple[Neo4jStore, FaultProxy], converged: Callable[[float], None]
) -> None:
    store, proxy = proxied
    async with Ledger(store).running() as ledger:
        await ledger.commit(lambda edit: edit.create(Region, name="before"), REQUEST)
        proxy.refuse()
        with pytest.raises(Unavailable):
            await ledger.commit(lambda edit: edit.create(Region, name="refused"), REQUEST)
        assert ledger.stale
        assert ledger.view.find("Region", "before") is not None
        proxy.mend()
        with converging() as took:
            await asyncio.wait_for(until_committed(ledger, "after"), HANGS_AFTER_S)
        converged(took.seconds)
        assert not ledger.stale
        assert {getattr(one, "name", "") for one in (await check_whole(store)).live.values()} == {"before", "after"}


async def until_committed(ledger: Ledger, name: str) -> None:
    while True:
        try:
            await ledger.commit(lambda edit: edit.create(Region, name=name), REQUEST)
        except Unavailable:
            await asyncio.sleep(0.2)
        else:
            return


async def until_answered(store: Neo4jStore) -> Any:
    async with asyncio.timeout(HANGS_AFTER_S):
        while True:
            try:
                return await check_whole(store)
            except StoreUnavailable:
                await asyncio.sleep(0.5)


@pytest.mark.parametrize("fault", ["kill", "freeze"])
async def test_a_server_that_fails_under_load_has_all_that_it_acknowledged(
    empty: Neo4jServer, converged: Callable[[float], None], fault: str
) -> None:
    toll = await faults_under_load(empty, [fault])
    converged(toll.converged_s)
    assert toll.told >= 2 * COMMITS
