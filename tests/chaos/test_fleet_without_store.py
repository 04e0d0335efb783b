"""The shared store taken away under the whole lifecycle: `edgeatlas worker` processes in the middle of a deploy.

With the embedded store this is in `test_single_faults`; here the database is a server of its own that is stopped or
killed, and nobody who waits for it shares a process with who asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog.testing

from beds.neo4j.server import Neo4jServer
from driverkit.effects import violations
from drivers.simulated.control import Control
from drivers.simulated.effects import Outcome
from faultkit.convergence import HANGS_AFTER_S, converging
from graph.kinds import OperationStatus, Release, ReleasePhase
from graph.refusal import Unavailable
from graph.view import each
from lifecyclekit.fleet import Fleet, fleet_of
from lifecyclekit.peers import reached

SITES = 120
LATENCY_MS = 300
SLOW_MS = 10_000
"""How long calls take while the store is away: far more is left to do than can be done meanwhile."""
WORKERS = 2
AT_ONCE = 4
"""Calls of each worker at once."""
MOST_CLAIMED = WORKERS * 2 * AT_ONCE
"""Releases claimed at any moment: those that are called, and at most as many ahead of a slot."""
UNDER_WAY_S = 35.0
"""Calls that were claimed when the store went have ended by then."""
TAKEN: dict[str, tuple[Callable[[Neo4jServer], Any], Callable[[Neo4jServer], Any]]] = {
    "stopped": (Neo4jServer.stop, Neo4jServer.start),
    "killed": (Neo4jServer.kill, Neo4jServer.start),
}


@dataclass
class Away:
    """What happened while the store was away."""

    done_before: int
    """Things applied when it was gone."""
    done_meanwhile: int
    """By calls that were claimed then: no more than there are claims at any moment."""
    done_late: int
    """By calls that were begun after those had ended: there are none."""
    heard_s: float = 0.0
    """From the store's answer until a process that waits for it had heard that it is back."""
    converged_s: float = 0.0
    """From the store's answer until all was as wanted."""

    def check(self) -> None:
        """Fails when more was done than had been claimed, and when too little was left to show that."""
        assert self.done_before > 0, "it was not in the middle"
        assert SITES - self.done_before >= 2 * MOST_CLAIMED, f"too little was left: {self}"
        assert self.done_meanwhile <= MOST_CLAIMED, f"calls were begun without a claim: {self}"
        assert self.done_late == 0, f"calls were begun without a claim, and late: {self}"


async def done(fleet: Fleet) -> int:
    return sum(one.outcome is Outcome.DONE for one in await fleet.effects())


async def in_the_middle(fleet: Fleet) -> None:
    """Returns when some of what was asked for is done, and most is not."""
    async with asyncio.timeout(120):
        while await done(fleet) < SITES // 8:
            await asyncio.sleep(0.05)


async def without_a_store(fleet: Fleet, server: Neo4jServer, *, how: str, away_s: float) -> Away:
    """Has the store go and come back in the middle of what is asked for."""
    take, give_back = TAKEN[how]
    await in_the_middle(fleet)
    await fleet.behave(latencyMs=SLOW_MS)
    await asyncio.to_thread(take, server)
    before = await done(fleet)
    try:
        with pytest.raises(Unavailable):
            await fleet.edge.version("refused")
        await asyncio.sleep(UNDER_WAY_S)
        settled = await done(fleet)
        await asyncio.sleep(max(away_s - UNDER_WAY_S, 0.0))
        after = await done(fleet)
        await fleet.behave(latencyMs=LATENCY_MS)
    finally:
        await asyncio.to_thread(give_back, server)
    return Away(before, settled - before, after - settled)


async def there(fleet: Fleet) -> dict[str, tuple[int, int]]:
    """What the clusters have: generation and replicas by name."""
    found: dict[str, tuple[int, int]] = {}
    for cluster_id in fleet.edge.cluster_ids:
        control = Control(fleet.endpoint, cluster_id)
        try:
            found |= {one.name: (one.generation, one.replicas) for one in await control.objects()}
        finally:
            control.close()
    return found


async def deployed_without_a_store(
    folder: Path, neo4j_server: Neo4jServer, nats_server: Any, *, how: str, away_s: float
) -> Away:
    with structlog.testing.capture_logs():
        async with fleet_of(folder, neo4j_server, nats_server) as fleet:
            edge = fleet.edge
            await edge.network(sites=SITES, nodes=1, clusters=2, endpoint=fleet.endpoint)
            await edge.version()
            await fleet.behave(latencyMs=LATENCY_MS, observeEveryMs=500, lostReplyRate=0.1)
            workers = await fleet.begin(WORKERS, "--worker-concurrency", str(AT_ONCE))
            await reached(lambda: all(one.said(f"workers={WORKERS}") for one in workers), what="halves")
            deployment, operation = await edge.deploy(replicas={"web": 2})
            toll = await without_a_store(fleet, neo4j_server, how=how, away_s=away_s)
            edge.deadline_s = HANGS_AFTER_S
            with converging() as took:
                with converging() as heard:
                    await edge.until(lambda: edge.ledger.writable, what="the store")
                over = await edge.ended(operation.id)
            toll.heard_s, toll.converged_s = heard.seconds, took.seconds
            assert over.status is OperationStatus.SUCCEEDED, over.error
            releases = list(each(edge.view, Release, "deployment_id", deployment.id))
            assert {one.phase for one in releases} == {ReleasePhase.READY}
            assert await there(fleet) == {one.backend_name: (one.generation, 2) for one in releases}
            assert len(releases) == SITES
            assert edge.view.count("AppVersion") == 1, "what was refused was made"
            # It is as it was for whoever asks next.
            await edge.succeeded((await edge.scale(deployment.id, web=1)).operation)
            effects = await fleet.effects()
            assert violations(effects) == []
            assert sum(one.outcome is Outcome.DONE for one in effects) == 2 * SITES
            assert all(one.process.poll() is None for one in workers), "a worker has ended"
            return toll


@pytest.mark.chaos
@pytest.mark.parametrize(("how", "away_s"), [("stopped", 60.0), ("killed", 45.0)])
async def test_workers_whose_store_goes_in_the_middle_of_a_deploy_finish_it_when_it_is_back(
    tmp_path: Path,
    neo4j_server: Neo4jServer,
    nats_server: Any,
    report: Callable[[str, Any], None],
    how: str,
    away_s: float,
) -> None:
    toll = await deployed_without_a_store(tmp_path, neo4j_server, nats_server, how=how, away_s=away_s)
    report(f"workers without their store, {how} for {away_s:g} s in a deploy", toll)
    toll.check()


@pytest.mark.parametrize(
    ("absence", "told"),
    [
        (Away(done_before=20, done_meanwhile=MOST_CLAIMED + 1, done_late=0), "begun without a claim"),
        (Away(done_before=20, done_meanwhile=8, done_late=1), "and late"),
        (Away(done_before=SITES - MOST_CLAIMED, done_meanwhile=8, done_late=0), "too little was left"),
    ],
)
def test_an_absence_that_shows_nothing_or_calls_without_a_claim_is_found_out(absence: Away, told: str) -> None:
    with pytest.raises(AssertionError, match=told):
        absence.check()
