"""A server process that changes deployments at random until it is killed; run by path, as a program.

It imports everything once and forks for each life, so that a test of many kills is not a test of Python's start. Commands
come as lines on stdin: `live FOLDER SEED` forks a server with its workers inside, on the embedded store, and `forget` one
whose store only says that it writes, on a network that is there; `ask` and `work FOLDER SEED STORE NATS` fork one of several
processes over a shared store, one that is asked for changes and works, and one that only works. The child's process id is
printed; `reap PID` waits for a child that was killed. What a child was told to be committed it appends to
FOLDER/acknowledged.jsonl, each line in one write.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import random
import sys
from pathlib import Path
from typing import Any

import msgspec
import structlog

from drivers.simulated import SimulatedDriver
from graph.kinds import Deployment, DeploymentPhase, Operation
from graph.ledger import Ledger
from graph.refusal import Refusal
from graph.store import Store
from graph.stores.neo4j import Neo4jStore
from graph.view import each
from lifecyclekit.edge import QUICK, Edge, edge_of
from lifecyclekit.peers import Peer
from placement.ready import make_ready
from storekit.wrappers import WritesNothing

SITES = 8
CONFIGURATION = {"latencyMs": 2, "latencyJitterMs": 6, "readyAfterMs": 5, "lostReplyRate": 0.1, "outageRate": 0.05}

PEERS = dataclasses.replace(QUICK, takeover_s=1.0, handover_s=0.2, quarantine_after=1_000)


async def live(folder: Path, seed: int, *, store: Store | None = None) -> None:
    """Changes deployments until the process is killed."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    dice = random.Random(seed)
    fd = os.open(folder / "acknowledged.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    async with edge_of(folder, data_folder=folder / "world", store=store) as edge:
        await _change_for_ever(edge, dice, fd)


async def member(folder: Path, seed: int, store: str, nats: str, *, asks: bool) -> None:
    """Works with others on a shared store until the process is killed; the network is there already."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    simulated = SimulatedDriver()
    peer = await Peer(nats, Ledger(Neo4jStore(store)), simulated, PEERS).start()
    if not asks:
        await asyncio.Event().wait()
    fd = os.open(folder / "acknowledged.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    await _change_for_ever(Edge(peer.ledger, peer.lifecycle, simulated), random.Random(seed), fd)


async def make_network(edge: Edge, **configuration: Any) -> None:
    """What the deployments of all lives run on."""
    await edge.network(sites=SITES, clusters=2, **configuration)
    await edge.version("1", web={}, db={})
    await edge.version("2", reference="shop:2", web={}, db={})


async def _change_for_ever(edge: Edge, dice: random.Random, fd: int) -> None:
    know(edge)
    while True:
        try:
            told = await _change(edge, dice)
        except Refusal:
            told = None
        if told is not None:
            os.write(fd, msgspec.json.encode(told) + b"\n")
        await asyncio.sleep(dice.uniform(0, 0.03))


def know(edge: Edge) -> None:
    """Finds the names of what an earlier life has made."""
    view = edge.view
    edge.tenant_id = view.ids("Tenant")[0]
    edge.site_ids = list(view.ids("Site"))
    edge.cluster_ids = list(view.ids("Cluster"))
    edge.version_id = view.ids("AppVersion")[0]


async def _change(edge: Edge, dice: random.Random) -> dict[str, Any] | None:
    """One change at random; what was acknowledged, or None when there was nothing to do."""
    deployments = [one for one in each(edge.view, Deployment) if one.phase is not DeploymentPhase.TERMINATED]
    what = dice.choice(["deploy", "scale", "update", "version", "roll back", "migrate", "terminate", "cancel"])
    if what == "deploy" or not deployments:
        if len(deployments) > 6:
            return None
        sites = dice.sample(edge.site_ids, dice.randint(1, SITES))
        name = f"d{dice.getrandbits(40):x}"
        deployment, operation = await edge.deploy(name, sites=sites)
        return {"what": "deploy", "deployment": deployment.id, "operation": operation.id}
    one = dice.choice(deployments)
    if what == "scale":
        started = await edge.scale(one.id, web=dice.randint(0, 3))
    elif what == "update":
        wish = edge.wish(sites=dice.sample(edge.site_ids, dice.randint(1, SITES)))
        started = await edge.update(one.id, policy=wish.policy)
    elif what == "version":
        started = await edge.update(one.id, app_version_id=dice.choice(edge.view.ids("AppVersion")))
    elif what == "roll back":
        started = await edge.rollback(one.id, dice.randint(1, one.revision_number))
    elif what == "migrate":
        started = await edge.migrate(one.id, site_ids=dice.sample(edge.site_ids, dice.randint(1, SITES)))
    elif what == "terminate":
        started = await edge.terminate(one.id, delete=dice.random() < 0.5)
    else:
        running = [found.id for found in each(edge.view, Operation)]
        if not running:
            return None
        operation, _ = await edge.cancel(dice.choice(running))
        return {"what": "cancel", "deployment": operation.subject_id, "operation": operation.id}
    return {"what": what, "deployment": one.id, "operation": started.operation.id}


def main() -> None:
    """Forks a life for each command, until stdin ends. What placement has compiled is loaded once, for all lives."""
    make_ready()
    for line in sys.stdin:
        command, *given = line.split()
        if command == "reap":
            _, status = os.waitpid(int(given[0]), 0)
            print(os.waitstatus_to_exitcode(status), flush=True)
            continue
        child = os.fork()
        if child == 0:
            folder, seed = Path(given[0]), int(given[1])
            if command == "live":
                asyncio.run(live(folder, seed))
            elif command == "forget":
                asyncio.run(live(folder, seed, store=WritesNothing(folder / "graph.db")))
            else:
                asyncio.run(member(folder, seed, *given[2:], asks=command == "ask"))
            os._exit(0)
        print(child, flush=True)


if __name__ == "__main__":
    main()
