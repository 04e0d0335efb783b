"""Scaling beside real parts: workers that share a Neo4j by leases, and a backend in a process of its own."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path

from beds.nats.server import NatsServers
from driverkit.simulated_process import SimulatedProcess
from drivers.simulated import SimulatedDriver
from faultkit.convergence import HANGS_AFTER_S, converging
from graph.kinds import DeploymentPhase
from graph.ledger import Ledger
from lifecyclekit.edge import QUICK, Edge, edge_of
from lifecyclekit.peers import Peer, reached, settled, store_of
from lifecyclekit.scaling import Loop

EAGER = dataclasses.replace(QUICK, scaling_every_s=0.1, takeover_s=1.0, handover_s=0.2)


def load(requests: float) -> list[dict]:
    return [{"requestsPerSecond": [[0, requests]]}]


async def test_two_workers_scale_each_site_once_and_one_goes_on_for_both(
    neo4j_server, nats_server: NatsServers, converged: Callable[[float], None]
) -> None:
    neo4j_server.empty()
    simulated = SimulatedDriver()
    first = Peer(nats_server.url, Ledger(store_of(neo4j_server)), simulated, EAGER)
    second = Peer(nats_server.url, Ledger(store_of(neo4j_server)), simulated, EAGER)
    peers = [await first.start(), await second.start()]
    edge = Edge(first.ledger, first.lifecycle, simulated)
    edge.deadline_s = HANGS_AFTER_S
    try:
        await reached(lambda: settled(peers), what="fair shares")
        await edge.network(sites=8, loads=load(100))
        await edge.version()
        deployment, operation = await edge.deploy()
        await edge.succeeded(operation)
        loop = Loop(edge)
        await loop.policy(deployment.id)
        await edge.configure(loads=load(300))
        await edge.until(lambda: set(loop.replicas(deployment.id).values()) == {3}, what="three replicas everywhere")
        await edge.phase(deployment.id, DeploymentPhase.READY)
        told = [one.message for one in await edge.events(deployment.id) if one.reason == "Scaled"]
        assert len(told) == 8, "each site once, by whoever has it"
        await second.kill()
        with converging() as took:
            await reached(lambda: len(first.share.partitions) == 64, what="the other's share", within_s=HANGS_AFTER_S)
            await edge.configure(loads=load(500))
            await edge.until(lambda: set(loop.replicas(deployment.id).values()) == {5}, what="five replicas everywhere")
            await edge.phase(deployment.id, DeploymentPhase.READY)
        converged(took.seconds)
        edge.check_books()
    finally:
        for one in peers:
            await one.kill()


async def test_replicas_follow_the_load_that_a_backend_in_its_own_process_is_set_to(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="edge") as short:
        process = SimulatedProcess(tmp_path / "world", socket=Path(short) / "edge.sock").start()
        try:
            async with process.control("west") as control:
                await control.behave(loads=load(100), observeEveryMs=20)
                async with edge_of(tmp_path, settings=EAGER) as edge:
                    edge.deadline_s = 60
                    await edge.network(4, endpoint=process.endpoint, cluster="west")
                    await edge.version()
                    deployment, _ = await edge.deploy()
                    await edge.phase(deployment.id, DeploymentPhase.READY)
                    loop = Loop(edge)
                    await loop.policy(deployment.id)
                    for requests, replicas in ((250, 3), (600, 6)):
                        await control.behave(loads=load(requests), observeEveryMs=20)
                        await edge.until(
                            lambda replicas=replicas: set(loop.replicas(deployment.id).values()) == {replicas}
                        )
                        await edge.phase(deployment.id, DeploymentPhase.READY)
                    assert {one.replicas for one in await control.objects()} == {6}
        finally:
            process.kill()
