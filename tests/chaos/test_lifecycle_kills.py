"""kill -9 of the server at random moments: what was acknowledged is finished, nothing is done twice or left over."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
import structlog.testing

from driverkit.effects import violations
from drivers.simulated import SimulatedDriver
from drivers.simulated.control import Control
from drivers.simulated.effects import Outcome
from faultkit.convergence import HANGS_AFTER_S, converging
from graph.kinds import Deployment, DeploymentPhase, Operation, OperationStatus, Release
from graph.ledger import Ledger
from graph.stores.neo4j import Neo4jStore
from graph.view import each, get_as
from lifecycle.settings import LifecycleSettings
from lifecyclekit.edge import Edge, edge_of
from lifecyclekit.fleet import Process
from lifecyclekit.peers import Peer, reached
from tests.chaos.lifecycle_victim import CONFIGURATION, know, make_network

ROOT = Path(__file__).parents[2]
DEFAULTS = LifecycleSettings()
"""What was left is seen to by the settings that a server has by default; those that are killed are quicker."""
SETTLED = (DeploymentPhase.READY, DeploymentPhase.TERMINATED)
GOOD_ENDS = (OperationStatus.SUCCEEDED, OperationStatus.SUPERSEDED, OperationStatus.CANCELLED)


class Victims:
    """Lives of a server, one after the other on the same folder."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self.process = process
        self.folder = folder

    def begin(self, seed: int, command: str = "live", *given: str) -> int:
        return int(self._ask(" ".join((command, str(self.folder), str(seed), *given))))

    def kill(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)
        assert int(self._ask(f"reap {pid}")) == -signal.SIGKILL, "it had ended before it was killed"

    async def another(self) -> None:
        """Waits until one more change is acknowledged: however slow the machine, each life does something."""
        before = len(self.acknowledged())
        await reached(lambda: len(self.acknowledged()) > before, what="another change", within_s=120)

    def acknowledged(self) -> list[dict[str, str]]:
        path = self.folder / "acknowledged.jsonl"
        lines = path.read_bytes().splitlines() if path.exists() else []
        return [msgspec.json.decode(line) for line in lines]

    def _ask(self, command: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()


@pytest.fixture
def victims(tmp_path: Path) -> Iterator[Victims]:
    program = [sys.executable, str(Path(__file__).with_name("lifecycle_victim.py"))]
    paths = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
    environment = {**os.environ, "PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1"}
    with subprocess.Popen(
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment
    ) as process:
        try:
            yield Victims(process, tmp_path)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()


async def settled(edge: Edge) -> None:
    """Waits until every deployment is where it is to be, and every operation has ended."""

    def found() -> bool:
        return not edge.view.count("Operation") and all(
            one.phase in SETTLED and one.operation_id is None for one in each(edge.view, Deployment)
        )

    await edge.until(found, what="rest")


async def check(edge: Edge, acknowledged: list[dict[str, str]]) -> None:
    """The invariants, once all is at rest, of clusters inside the process."""
    edge.check_books()
    await check_graph(edge, acknowledged)
    for number in range(len(edge.cluster_ids)):
        newest: dict[str, int] = {}
        for what, name, generation in edge.history(number):
            assert generation > newest.get(name, 0), f"{name}: {what} {generation} after {newest[name]}"
            newest[name] = generation


async def check_apart(edge: Edge, acknowledged: list[dict[str, str]], endpoint: str) -> int:
    """The same, of clusters in a process of their own; says how much they were made to do."""
    await check_graph(edge, acknowledged)
    done = 0
    for cluster_id in edge.cluster_ids:
        control = Control(endpoint, cluster_id)
        try:
            there = {one.name: (one.generation, one.replicas) for one in await control.objects()}
            effects = await control.effects()
        finally:
            control.close()
        wanted = {
            one.backend_name: (one.generation, one.running_replicas)
            for one in each(edge.view, Release, "cluster_id", cluster_id)
            if one.wanted
        }
        assert there == wanted
        assert violations(effects) == []
        done += sum(one.outcome is Outcome.DONE for one in effects)
    return done


async def check_graph(edge: Edge, acknowledged: list[dict[str, str]]) -> None:
    """What must be so in the graph."""
    for told in acknowledged:
        record = await edge.ledger.store.record("Operation", told["operation"])
        assert record is not None, f"acknowledged and lost: {told}"
        operation = msgspec.json.decode(record.body, type=Operation)
        assert operation.status in GOOD_ENDS, operation
    for deployment in each(edge.view, Deployment):
        for release in each(edge.view, Release, "deployment_id", deployment.id):
            assert release.wanted
            assert get_as(edge.view, Deployment, release.deployment_id) is not None


@dataclass
class Toll:
    """What a test of kills did."""

    kills: int = 0
    checks: int = 0
    acknowledged: int = 0
    """Changes that a caller was told of, each found finished."""
    effects: int = 0
    """What the clusters were made to do, none of it twice or out of order."""
    converged_s: float = 0.0
    """The longest from when what was begun after the last kill was ready until all was at rest."""


async def make_world(victims: Victims) -> None:
    """What all lives work on is there before the first: one that is killed early leaves no half of it."""
    async with edge_of(victims.folder, data_folder=victims.folder / "world", running=False) as edge:
        await make_network(edge, **CONFIGURATION)


async def kills(victims: Victims, *, count: int, seed: int, checked_every: int) -> Toll:
    """Kills so many lives at random moments: every other one wherever it is, the others not before a change is told."""
    dice = random.Random(seed)
    toll = Toll()
    await make_world(victims)
    while toll.kills < count:
        for _ in range(min(checked_every, count - toll.kills)):
            pid = victims.begin(dice.getrandbits(30))
            if toll.kills % 2:
                await victims.another()
                await asyncio.sleep(dice.uniform(0.0, 0.5))
            else:
                await asyncio.sleep(dice.uniform(0.1, 0.6))
            await asyncio.to_thread(victims.kill, pid)
            toll.kills += 1
        with structlog.testing.capture_logs():
            async with edge_of(victims.folder, data_folder=victims.folder / "world", settings=DEFAULTS) as edge:
                edge.cluster_ids = list(edge.view.ids("Cluster"))
                edge.deadline_s = HANGS_AFTER_S
                with converging() as took:
                    for number in range(len(edge.cluster_ids)):
                        await edge.connected(number)
                        await edge.configure(number)
                    await settled(edge)
                toll.converged_s = max(toll.converged_s, took.seconds)
                for number in range(len(edge.cluster_ids)):
                    await edge.connected(number)
                await check(edge, victims.acknowledged())
                toll.checks += 1
                toll.effects = sum(len(edge.history(number)) for number in range(len(edge.cluster_ids)))
                for number in range(len(edge.cluster_ids)):
                    await edge.configure(number, **CONFIGURATION)
    toll.acknowledged = len(victims.acknowledged())
    return toll


class Members:
    """A server and two workers on a shared store; each that is killed is begun anew at once."""

    def __init__(self, victims: Victims, dice: random.Random, store: str, nats: str) -> None:
        self.victims = victims
        self.dice = dice
        self.given = (store, nats)
        self.running: list[tuple[str, int]] = []

    def begin(self) -> None:
        for command in ("ask", "work", "work"):
            self._begin(command)

    def kill_one(self) -> None:
        command, pid = self.running.pop(self.dice.randrange(len(self.running)))
        self.victims.kill(pid)
        self._begin(command)

    def kill_all(self) -> int:
        for _, pid in self.running:
            self.victims.kill(pid)
        self.running, killed = [], len(self.running)
        return killed

    def _begin(self, command: str) -> None:
        self.running.append((command, self.victims.begin(self.dice.getrandbits(30), command, *self.given)))


async def kills_of_several(
    victims: Victims, neo4j_server, nats_server, *, count: int, seed: int, checked_every: int
) -> Toll:
    """Kills servers and workers on Neo4j and NATS, one at a time at random moments, before clusters of their own."""
    neo4j_server.clear()
    folder = victims.folder
    socket = folder / "edge.sock"
    clusters = Process(folder, "simulate", "simulate", "--socket", str(socket), "--folder", str(folder / "edge"))
    await reached(socket.exists, what="the simulated backend", within_s=60)
    endpoint = f"unix:{socket}"
    dice = random.Random(seed)
    members = Members(victims, dice, neo4j_server.store, nats_server.url)
    toll = Toll()
    try:
        async with edge_of(folder, store=Neo4jStore(neo4j_server.store), running=False) as edge:
            await make_network(edge, endpoint=endpoint)
        while toll.kills < count:
            await _behave(edge, endpoint, **{**CONFIGURATION, "outageRate": 0.05})
            await asyncio.to_thread(members.begin)
            for _ in range(min(checked_every, count - toll.kills) - len(members.running)):
                await victims.another()
                await asyncio.sleep(dice.uniform(0.0, 0.5))
                await asyncio.to_thread(members.kill_one)
                toll.kills += 1
            await victims.another()
            await asyncio.sleep(dice.uniform(0.0, 0.5))
            toll.kills += await asyncio.to_thread(members.kill_all)
            await _behave(edge, endpoint, lostReplyRate=0, outageRate=0, observeEveryMs=100)
            with structlog.testing.capture_logs():
                simulated = SimulatedDriver()
                peer = Peer(nats_server.url, Ledger(Neo4jStore(neo4j_server.store)), simulated, DEFAULTS)
                await peer.start()
                try:
                    again = Edge(peer.ledger, peer.lifecycle, simulated)
                    again.deadline_s = HANGS_AFTER_S
                    know(again)
                    with converging() as took:
                        await settled(again)
                    toll.converged_s = max(toll.converged_s, took.seconds)
                    toll.effects = await check_apart(again, victims.acknowledged(), endpoint)
                finally:
                    await peer.kill()
            toll.checks += 1
    finally:
        await asyncio.to_thread(members.kill_all)
        clusters.kill()
    toll.acknowledged = len(victims.acknowledged())
    return toll


async def _behave(edge: Edge, endpoint: str, **settings: float) -> None:
    for cluster_id in edge.cluster_ids:
        control = Control(endpoint, cluster_id)
        try:
            await control.behave(**settings)
        finally:
            control.close()


async def test_a_killed_server_finishes_what_it_acknowledged(victims, converged: Callable[[float], None]) -> None:
    toll = await kills(victims, count=16, seed=3, checked_every=8)
    converged(toll.converged_s)
    assert toll.acknowledged >= 8


async def test_what_a_killed_server_acknowledged_and_never_wrote_is_found_lost(victims) -> None:
    """The negative control: the same victim and the same check, with a store that only says that it writes."""
    await make_world(victims)
    pid = victims.begin(5, "forget")
    await victims.another()
    await asyncio.to_thread(victims.kill, pid)
    async with edge_of(victims.folder, data_folder=victims.folder / "world", running=False) as edge:
        with pytest.raises(AssertionError, match="acknowledged and lost"):
            await check_graph(edge, victims.acknowledged())


async def test_killed_servers_and_workers_finish_what_was_acknowledged(
    victims, neo4j_server, nats_server, converged: Callable[[float], None]
) -> None:
    toll = await kills_of_several(victims, neo4j_server, nats_server, count=18, seed=4, checked_every=18)
    converged(toll.converged_s)
    assert toll.kills >= 15
    assert toll.acknowledged >= 15


@pytest.mark.chaos
@pytest.mark.parametrize("seed", range(12))
async def test_a_server_killed_many_times_finishes_what_it_acknowledged(victims, report, seed: int) -> None:
    toll = await kills(victims, count=200, seed=seed, checked_every=20)
    report("server with its lifecycle, kill -9, SQLite", toll)
    assert toll.acknowledged >= 100


@pytest.mark.chaos
@pytest.mark.parametrize("seed", range(8))
async def test_servers_and_workers_killed_many_times_finish_what_was_acknowledged(
    victims, neo4j_server, nats_server, report, seed: int
) -> None:
    toll = await kills_of_several(victims, neo4j_server, nats_server, count=100, seed=seed, checked_every=25)
    report("servers and workers, kill -9, Neo4j and NATS", toll)
    assert toll.acknowledged > 50
