"""The lifecycle over a backend in a process of its own, which loses replies and is killed: what its log proves."""

from __future__ import annotations

import asyncio
import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path

from driverkit.effects import orphans, violations
from driverkit.simulated_process import SimulatedProcess
from drivers.simulated.effects import Outcome
from faultkit.convergence import HANGS_AFTER_S, converging
from graph.kinds import DeploymentPhase, DriftPolicy, ReleasePhase
from lifecycle.settings import LifecycleSettings
from lifecyclekit.edge import QUICK, edge_of

DEFAULTS = LifecycleSettings(quarantine_after=1_000)
PATIENT = dataclasses.replace(QUICK, quarantine_after=1_000)
"""A backend that is away is no reason to give up on what is wanted of it."""


async def test_a_backend_that_loses_replies_and_is_killed_ends_as_wanted_with_nothing_done_twice(
    tmp_path: Path, converged: Callable[[float], None]
) -> None:
    with tempfile.TemporaryDirectory(prefix="edge") as short:
        process = SimulatedProcess(tmp_path / "world", socket=Path(short) / "edge.sock").start()
        try:
            async with process.control("west") as control:
                await control.behave(lostReplyRate=0.3, latencyJitterMs=4, observeEveryMs=20, seed=3)
            async with edge_of(tmp_path, settings=DEFAULTS) as edge:
                edge.deadline_s = HANGS_AFTER_S
                await edge.network(8, endpoint=process.endpoint, cluster="west")
                await edge.version()
                deployment, _ = await edge.deploy()
                await edge.phase(deployment.id, DeploymentPhase.READY)
                for replicas in (2, 3):
                    await edge.scale(deployment.id, web=replicas)
                    await asyncio.sleep(0.03 * replicas)
                    await asyncio.to_thread(process.kill)
                    await asyncio.to_thread(process.start)
                with converging() as took:
                    await edge.phase(deployment.id, DeploymentPhase.READY)
                converged(took.seconds)
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
                    assert (await control.tallies()).get("lost", 0) > 0
        finally:
            process.kill()


async def test_what_a_hand_changes_at_a_backend_is_put_right_or_only_shown_by_policy(tmp_path: Path) -> None:
    """Other replicas and other parts, at the generation that is wanted, with EdgeAtlas running and while it is not."""
    with tempfile.TemporaryDirectory(prefix="edge") as short:
        process = SimulatedProcess(tmp_path / "world", socket=Path(short) / "edge.sock").start()
        try:
            async with process.control("west") as control:
                await control.behave(observeEveryMs=20)
                async with edge_of(tmp_path, settings=PATIENT) as edge:
                    edge.deadline_s = 60
                    await edge.network(4, endpoint=process.endpoint, cluster="west")
                    await edge.version()
                    ids = {}
                    for policy in DriftPolicy:
                        made, operation = await edge.deploy(
                            policy.name.lower(), drift_policy=policy, replicas={"web": 2}
                        )
                        await edge.succeeded(operation)
                        ids[policy] = made.id
                    whole = {one.name: one for one in await control.objects()}
                    put_right = [one.backend_name for one in edge.releases(ids[DriftPolicy.CORRECT])]
                    left_so = [one.backend_name for one in edge.releases(ids[DriftPolicy.REPORT])]
                    for name in (put_right[0], left_so[0]):
                        await control.change(name, replicas=5)
                    for name in (put_right[1], left_so[1]):
                        await control.change(name, content="another image")
                    await edge.phases(ids[DriftPolicy.REPORT], DRIFTED=2)

                    async def as_wanted() -> bool:
                        now = {one.name: one for one in await control.objects()}
                        return all(
                            (now[one].replicas, now[one].generation, now[one].drift) == (2, whole[one].generation, None)
                            for one in put_right
                        )

                    async with asyncio.timeout(60):
                        while not await as_wanted():
                            await asyncio.sleep(0.02)
                    await edge.phase(ids[DriftPolicy.CORRECT], DeploymentPhase.READY)
                # Nobody looks now; who looks first afterwards sees it.
                await control.change(put_right[2], replicas=1)
                async with edge_of(tmp_path, settings=PATIENT) as edge:
                    edge.deadline_s = 60
                    async with asyncio.timeout(60):
                        while not await as_wanted():
                            await asyncio.sleep(0.02)
                    await edge.phase(ids[DriftPolicy.CORRECT], DeploymentPhase.READY)
                    shown = {one.backend_name: one for one in edge.releases(ids[DriftPolicy.REPORT])}
                    assert [shown[one].phase for one in left_so] == [ReleasePhase.DRIFTED] * 2 + [
                        ReleasePhase.READY
                    ] * 2
                    assert shown[left_so[0]].observed.drift == "has 5 replicas, 2 were applied"
                    told = [one.subject_id for one in await edge.events() if one.reason == "Drift"]
                    assert len([one for one in told if one.startswith("release_")]) == 5
                effects = await control.effects()
                assert violations(effects) == []
                again = [one.name for one in effects if one.what == "applied" and one.outcome is Outcome.DONE]
                assert sorted(again) == sorted([*put_right, *left_so, *put_right[:3]])
        finally:
            process.kill()
