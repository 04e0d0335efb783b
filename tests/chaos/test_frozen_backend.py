"""The control plane of some of a deployment's sites is frozen in the middle, as a process: it takes calls and is silent.

In logical time this is in `tests/lifecycle/test_hangs.py`; here what is sent to it waits in its sockets, and is done when it
goes on though whoever sent it has given it up.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from driverkit.effects import orphans, violations
from driverkit.simulated_process import SimulatedProcess
from drivers.simulated.control import Control
from drivers.simulated.effects import Outcome
from drivers.simulated.planned import PlannedFault
from faultkit.convergence import HANGS_AFTER_S, converging
from faultkit.scenarios import SMALL
from graph.edit import Edit
from graph.kinds import Cluster, DeploymentPhase, Operation, OperationStatus, Release, ReleasePhase
from graph.values import HealthStatus
from graph.view import get_as
from lifecycle.settings import LifecycleSettings
from lifecyclekit.edge import QUICK, Edge, edge_of

pytestmark = pytest.mark.usefixtures("quiet_logs")
SITES = 24
"""Of each of the two control planes."""
AT_ONCE = 8
"""Calls: those to what is frozen have all slots, until they give them back."""
DONE_BEFORE = 4
"""Calls to what is to be frozen that are done before it is."""
SILENCE_S = 4.0
SETTINGS = dataclasses.replace(
    QUICK,
    silence_s=SILENCE_S,
    call_timeout_s=3.5,
    disconnect_s=1.0,
    quarantine_after=1_000,
    concurrency=AT_ONCE,
    concurrency_per_cluster=AT_ONCE,
)
DOWN_WITHIN_S = 3 * SILENCE_S
FROZEN_S = SILENCE_S
"""At least, from when it is known to be down."""


@dataclass
class Bed:
    """Two control planes with as many sites each, in processes of their own; the first is to be frozen."""

    edge: Edge
    process: SimulatedProcess
    frozen: Control
    other: Control

    def sites(self, number: int) -> list[str]:
        return self.edge.site_ids[number::2]

    def cluster(self, number: int) -> Cluster:
        found = get_as(self.edge.view, Cluster, self.edge.cluster_ids[number])
        assert found is not None
        return found

    def behind(self, number: int, deployment_id: str) -> list[Release]:
        cluster_id = self.edge.cluster_ids[number]
        return [one for one in self.edge.releases(deployment_id) if one.cluster_id == cluster_id]


@contextlib.asynccontextmanager
async def bed_of(folder: Path, settings: LifecycleSettings) -> AsyncIterator[Bed]:
    async with contextlib.AsyncExitStack() as stack:
        short = stack.enter_context(tempfile.TemporaryDirectory(prefix="edge"))
        processes, controls = [], []
        for name in ("frozen", "other"):
            process = SimulatedProcess(folder / name, socket=Path(short) / f"{name}.sock").start()
            stack.callback(process.kill)
            control = await stack.enter_async_context(process.control("edge"))
            await control.behave(latencyMs=300, observeEveryMs=100)
            processes.append(process)
            controls.append(control)
        edge = await stack.enter_async_context(edge_of(folder, settings=settings))

        def apart(edit: Edit) -> None:
            cluster = get_as(edit, Cluster, edge.cluster_ids[1])
            assert cluster is not None
            edit.replace(cluster, endpoint=processes[1].endpoint)

        await edge.network(2 * SITES, nodes=1, clusters=2, endpoint=processes[0].endpoint, cluster="edge")
        await edge.change(apart)
        await edge.version(web=SMALL)
        for number in range(2):
            await edge.until(lambda number=number: edge.cluster_ids[number] in edge.lifecycle.connections, what="both")
        yield Bed(edge, processes[0], *controls)


async def in_the_middle(bed: Bed) -> None:
    """Returns when some of what was asked for is done at what is to be frozen, and most is not: it hangs until then."""
    async with asyncio.timeout(60):
        while sum(one.outcome is Outcome.DONE for one in await bed.frozen.effects()) < DONE_BEFORE:
            await asyncio.sleep(0.02)
    await bed.frozen.forget_plans()


async def within(seconds: float, edge: Edge, found: Callable[[], Any], *, what: str) -> None:
    before, edge.deadline_s = edge.deadline_s, seconds
    try:
        await edge.until(found, what=what)
    finally:
        edge.deadline_s = before


async def deployed_while_frozen(folder: Path, settings: LifecycleSettings) -> float:
    """Gives how long it took until all was as wanted once what was frozen went on, seconds."""
    async with bed_of(folder, settings) as bed:
        edge = bed.edge
        await bed.frozen.plan(PlannedFault.HANG, skip=DONE_BEFORE, count=100_000)
        shop, _ = await edge.deploy("shop")
        await in_the_middle(bed)
        with bed.process.frozen():
            _, beside = await edge.deploy("beside", sites=bed.sites(1))
            await within(60.0, edge, lambda: get_as(edge.view, Operation, beside.id) is None, what="the other's end")
            await within(DOWN_WITHIN_S, edge, lambda: is_down(bed), what="that it is down")
            # A newer generation: what was sent of the older one is still on its way.
            scaled = (await edge.scale(shop.id, web=2)).operation
            await within(60.0, edge, lambda: of_the_other_are_ready(bed, shop.id), what="what is behind the other")
            await asyncio.sleep(FROZEN_S)
            assert is_down(bed)
            assert bed.cluster(1).health.status is HealthStatus.READY
            assert not all(one.phase is ReleasePhase.READY for one in bed.behind(0, shop.id))
        edge.deadline_s = HANGS_AFTER_S
        with converging() as took:
            await edge.phase(shop.id, DeploymentPhase.READY)
            assert (await edge.ended(scaled.id)).status is OperationStatus.SUCCEEDED
            assert (await edge.ended(beside.id)).status is OperationStatus.SUCCEEDED
            await edge.until(lambda: bed.cluster(0).health.status is HealthStatus.READY, what="that it is back")
        await check(bed)
        return took.seconds


def is_down(bed: Bed) -> bool:
    health = bed.cluster(0).health
    return health.status is HealthStatus.DOWN and health.reasons == [f"nothing was heard of it for {SILENCE_S:g} s"]


def of_the_other_are_ready(bed: Bed, deployment_id: str) -> bool:
    found = bed.behind(1, deployment_id)
    return all(one.phase is ReleasePhase.READY and one.running_replicas == 2 for one in found)


async def check(bed: Bed) -> None:
    """Both have what is wanted and nothing else, and nothing was done twice or over something newer."""
    wanted = {
        one.backend_name: (one.generation, one.running_replicas)
        for deployment in bed.edge.view.ids("Deployment")
        for one in bed.edge.releases(deployment)
    }
    there = {
        one.name: (one.generation, one.replicas) for each in (bed.frozen, bed.other) for one in await each.objects()
    }
    assert there == wanted
    assert orphans(there, wanted=list(wanted)) == []
    assert violations(await bed.frozen.effects()) == []
    assert violations(await bed.other.effects()) == []


async def test_what_is_behind_another_control_plane_goes_on_and_all_is_as_wanted_once_it_is_back(
    tmp_path: Path, converged: Callable[[float], None]
) -> None:
    converged(await deployed_while_frozen(tmp_path, SETTINGS))


async def test_a_product_that_waits_for_answers_without_a_bound_is_found_out(tmp_path: Path) -> None:
    patient = dataclasses.replace(SETTINGS, silence_s=3_600.0, call_timeout_s=3_600.0)
    with pytest.raises(AssertionError, match="that it is down never came"):
        await deployed_while_frozen(tmp_path, patient)
