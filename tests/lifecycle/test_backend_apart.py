"""The lifecycle over a backend in a process of its own, which loses replies and is killed: what its log proves."""

from __future__ import annotations

import asyncio
import dataclasses
import tempfile
from pathlib import Path

from driverkit.effects import orphans, violations
from driverkit.simulated_process import SimulatedProcess
from drivers.simulated.effects import Outcome
from graph.kinds import DeploymentPhase
from lifecyclekit.edge import QUICK, edge_of

PATIENT = dataclasses.replace(QUICK, quarantine_after=1_000)
"""A backend that is away is no reason to give up on what is wanted of it."""


async def test_a_backend_that_loses_replies_and_is_killed_ends_as_wanted_with_nothing_done_twice(
    tmp_path: Path,
) -> None:
    with tempfile.TemporaryDirectory(prefix="edge") as short:
        process = SimulatedProcess(tmp_path / "world", socket=Path(short) / "edge.sock").start()
        try:
            async with process.control("west") as control:
                await control.behave(lostReplyRate=0.3, latencyJitterMs=4, observeEveryMs=20, seed=3)
            async with edge_of(tmp_path, settings=PATIENT) as edge:
                edge.deadline_s = 60
                await edge.network(8, endpoint=process.endpoint, cluster="west")
                await edge.version()
                deployment, _ = await edge.deploy()
                await edge.phase(deployment.id, DeploymentPhase.READY)
                for replicas in (2, 3):
                    await edge.scale(deployment.id, web=replicas)
                    await asyncio.sleep(0.03 * replicas)
                    await asyncio.to_thread(process.kill)
                    await asyncio.to_thread(process.start)
                await edge.phase(deployment.id, DeploymentPhase.READY)
                async with process.control("west") as control:
                    held = {one.name: (one.generation, one.replicas) for one in await control.objects()}
                    assert held == {
                        one.backend_name: (one.generation, 3) for one in edge.releases(deployment.id) if one.wanted
                    }
                    assert len(held) == 8
                    started = await edge.terminate(deployment.id, delete=True)
                    await edge.succeeded(started.operation)
                    effects = await control.effects()
                    assert violations(effects) == []
                    assert orphans((one.name for one in await control.objects()), wanted=[]) == []
                    assert {one.outcome for one in effects} >= {Outcome.DONE, Outcome.NOTHING}, "replies were lost"
        finally:
            process.kill()
