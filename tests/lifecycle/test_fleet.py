"""Several `edgeatlas worker` processes over one Neo4j: spread, killed, stopped, and nothing done twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import httpx

from beds.parts import free_port
from driverkit.effects import violations
from drivers.simulated.effects import Outcome
from faultkit.convergence import converging
from graph.kinds import OperationStatus
from lifecyclekit.fleet import fleet_of
from lifecyclekit.peers import reached

SITES = 60
"""So many that no worker is without one in each of two clusters: which are its own follows from their ids."""


async def test_workers_share_the_work_and_take_over_that_of_the_killed_and_the_stopped(
    tmp_path: Path, neo4j_server, nats_server, converged: Callable[[float], None]
) -> None:
    async with fleet_of(tmp_path, neo4j_server, nats_server) as fleet:
        edge = fleet.edge
        await edge.network(sites=SITES, nodes=1, clusters=2, endpoint=fleet.endpoint)
        await edge.version()
        await fleet.behave(latencyMs=200, lostReplyRate=0.1, observeEveryMs=100)
        port = free_port()
        [first, second], [third] = await asyncio.gather(fleet.begin(2), fleet.begin(1, "--worker-port", str(port)))
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            answers = [(await client.get(path)).status_code for path in ("/livez", "/readyz", "/metrics")]
        assert answers == [200, 200, 401], "metrics take a token, as the server's do"
        # Only when each has its third is the work asked for.
        await reached(lambda: all(one.said("workers=3") for one in (first, second, third)), what="thirds")

        deployment, operation = await edge.deploy()
        await edge.succeeded(operation)
        by_cluster = {}
        for one in await fleet.effects():
            if one.outcome is Outcome.DONE:
                by_cluster.setdefault(one.by, 0)
                by_cluster[one.by] += 1
        assert sum(by_cluster.values()) == SITES
        assert len(by_cluster) == 6, "three workers, each with a connection to both clusters"

        # One dies in the middle of its calls.
        operation = (await edge.scale(deployment.id, web=2)).operation
        await edge.until(lambda: any(one.phase.name == "APPLYING" for one in edge.releases(deployment.id)))
        first.kill()
        with converging() as took:
            await edge.succeeded(operation)
        converged(took.seconds)

        # One is stopped in the middle of its calls, and ends them.
        operation = (await edge.scale(deployment.id, web=1)).operation
        await edge.until(lambda: any(one.phase.name == "APPLYING" for one in edge.releases(deployment.id)))
        assert second.terminate() == 0
        await edge.succeeded(operation)

        over = await edge.ended((await edge.terminate(deployment.id)).operation.id)
        assert over.status is OperationStatus.SUCCEEDED
        assert violations(await fleet.effects()) == []
        assert third.process.poll() is None
