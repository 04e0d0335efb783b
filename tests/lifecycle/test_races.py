"""Two workers race for each release: one gets it, and it is done once.

Ten thousand times over one ledger, as the workers of one process do; and a few hundred times over two ledgers on a shared
store, as two processes do, where it is the store that has to say which of two claims came first.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping

from drivers.port import Applied
from graph.edit import Edit
from graph.kinds import Release
from graph.ledger import Ledger
from graph.stores.neo4j import Neo4jStore
from graph.view import each, get_as
from lifecycle.releases import STARTS_ANEW
from lifecycle.work import Claim, Result, claim, record
from lifecyclekit.edge import QUICK, Edge, asking

RACES = 10_000
RELEASES = 250
APART = 300
"""Races over two ledgers."""
APART_RELEASES = 30
AT_ONCE = 10
"""Releases that a worker claims in one commit, as workers do."""
Claiming = Callable[[Edit, Mapping[str, int], str], list[Claim]]


def at_their_epoch(edit: Edit, wanted: Mapping[str, int], worker: str) -> list[Claim]:
    return claim(edit, wanted, worker=worker)


def whatever_their_epoch(edit: Edit, wanted: Mapping[str, int], worker: str) -> list[Claim]:
    """A claim without the check: whoever comes, gets it."""
    found = {one: release.epoch for one in wanted if (release := get_as(edit, Release, one)) is not None}
    return claim(edit, found, worker=worker)


class Races:
    """Rounds in which both workers go for every release at the epoch that they both saw."""

    def __init__(self, edge: Edge, claiming: Claiming, *, other: Ledger | None = None) -> None:
        """`other`: the ledger of the second worker, where it has one of its own."""
        self.edge = edge
        self.claiming = claiming
        self.ledgers = {"a": edge.ledger, "b": other or edge.ledger}
        self.calls: Counter[tuple[str, int]] = Counter()
        self.winners: Counter[str | None] = Counter()
        self.late = 0
        self.dice = random.Random(5)

    async def round(self) -> None:
        for ledger in self.ledgers.values():
            assert await ledger.wait_for(self.edge.view.revision, timeout_s=60)
        seen = {one.id: one.epoch for one in each(self.edge.view, Release)}
        tries = [(worker, part) for worker in ("a", "b") for part in self.parts(list(seen))]
        self.dice.shuffle(tries)
        await asyncio.gather(*(self.one(worker, {one: seen[one] for one in part}) for worker, part in tries))

        def anew(edit: Edit) -> None:
            for one in list(each(edit, Release)):
                edit.replace(one, generation=one.generation + 1, **STARTS_ANEW)

        await self.edge.change(anew)

    def parts(self, ids: list[str]) -> list[list[str]]:
        self.dice.shuffle(ids)
        return [ids[at : at + AT_ONCE] for at in range(0, len(ids), AT_ONCE)]

    async def one(self, worker: str, wanted: Mapping[str, int]) -> None:
        ledger = self.ledgers[worker]
        committed = await ledger.commit(lambda edit: self.claiming(edit, wanted, worker), asking("claim"))
        results = []
        for got in committed.value:
            self.calls[got.release.id, got.release.generation] += 1
            self.winners[got.release.claimed_by] += 1
            results.append(Result(got, Applied(changed=True)))
        self.late += (await ledger.commit(lambda edit: record(edit, results, settings=QUICK), asking("record"))).value


async def races(edges, claiming: Claiming, *, count: int) -> Races:
    async with edges(running=False) as edge:
        await edge.network(sites=RELEASES, nodes=1)
        await edge.version()
        await edge.deploy()
        found = Races(edge, claiming)
        for _ in range(count // RELEASES):
            await found.round()
        return found


async def test_of_two_workers_that_race_for_a_release_one_gets_it(edges) -> None:
    found = await races(edges, at_their_epoch, count=RACES)
    assert len(found.calls) == RACES
    assert set(found.calls.values()) == {1}
    assert found.late == 0
    assert min(found.winners[worker] for worker in ("a", "b")) > RACES // 10


async def test_without_the_check_of_the_epoch_both_call(edges) -> None:
    """The negative control: the same races, with claims that look at no epoch."""
    found = await races(edges, whatever_their_epoch, count=4 * RELEASES)
    assert sum(found.calls.values()) > len(found.calls)


async def races_apart(edges, neo4j_server, claiming: Claiming, *, count: int) -> Races:
    """The same over two ledgers on Neo4j."""
    neo4j_server.empty()
    async with (
        edges(store=Neo4jStore(neo4j_server.store), running=False) as edge,
        Ledger(Neo4jStore(neo4j_server.store)).running() as other,
    ):
        await edge.network(sites=APART_RELEASES, nodes=1)
        await edge.version()
        await edge.deploy()
        found = Races(edge, claiming, other=other)
        for _ in range(count // APART_RELEASES):
            await found.round()
        return found


async def test_of_two_workers_with_ledgers_of_their_own_one_gets_a_release(edges, neo4j_server) -> None:
    found = await races_apart(edges, neo4j_server, at_their_epoch, count=APART)
    assert len(found.calls) == APART
    assert set(found.calls.values()) == {1}
    assert found.late == 0


async def test_without_the_check_of_the_epoch_both_of_those_call(edges, neo4j_server) -> None:
    """The negative control."""
    found = await races_apart(edges, neo4j_server, whatever_their_epoch, count=2 * APART_RELEASES)
    assert sum(found.calls.values()) > len(found.calls)
