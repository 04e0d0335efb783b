"""What is refused of one deployment, drain or cluster ends no loop and holds up nothing of the others."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

import graph.drafts
import lifecycle.connections
import lifecycle.drainer
import lifecycle.placer
import lifecycle.reconciler
from drivers.clock import SystemClock
from graph.change import encode_commit
from graph.edit import Edit
from graph.kinds import Deployment, DeploymentPhase, FailoverMode, FailoverPolicy, OperationStatus, ReleasePhase
from graph.kinds.policy import PlacementPolicy
from graph.refusal import LimitExceeded
from graph.values import Health, HealthStatus, Resources
from lifecycle.failover import Failover
from lifecycle.placer import Placer
from lifecyclekit.edge import QUICK, Edge

ONE = PlacementPolicy(min_sites=1, max_sites=1)
APPLY = FailoverPolicy(mode=FailoverMode.APPLY, toleration_seconds=3_600)


@contextlib.asynccontextmanager
async def at_work(worker: Any) -> AsyncIterator[asyncio.Task[None]]:
    """A worker that nobody starts again when it fails."""
    task = asyncio.create_task(worker.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


def too_much() -> LimitExceeded:
    return LimitExceeded("it is too much", remedy="send it in parts", path="input")


async def lose_a_site(edge: Edge, *sizes: int) -> tuple[list[Deployment], Failover]:
    """Deployments at a site that is then lost, with words of such lengths, and a failover that nobody runs yet."""
    await edge.network(sites=2, nodes=4)
    await edge.version()
    at = [edge.site_ids[0]]
    made = [(await edge.deploy(f"d{number}", sites=at, failover=APPLY))[0] for number in range(len(sizes))]

    def change(edit: Edit) -> None:
        for one, size in zip(made, sizes, strict=True):
            edit.replace(edit.get(one.id), message="x" * size)

    await edge.change(change)
    health = Health(status=HealthStatus.DOWN, reasons=["gone"], observed_at=1)
    await edge.change(lambda edit: edit.replace(edit.get(at[0]), health=health))
    return made, Failover(edge.ledger, edge.lifecycle.plans._placing, settings=QUICK, clock=SystemClock())


async def test_losses_that_are_too_much_together_or_alone_hold_up_no_others(
    edges: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with edges(running=False) as edge:
        made, failover = await lose_a_site(edge, 20_000, 20_000, 80_000, 20_000, 20_000, 20_000)
        monkeypatch.setattr(graph.drafts, "MAX_COMMIT_BYTES", 100_000)
        heavy = made.pop(2)
        async with at_work(failover) as task:
            await edge.until(
                lambda: task.done() or all(edge.deployment(one.id).displacement is not None for one in made),
                what="that what was lost is written down",
            )
            assert not task.done()
            assert edge.deployment(heavy.id).displacement is None


async def test_losses_are_written_down_in_commits_far_below_what_one_takes(edges: Any) -> None:
    async with edges(running=False) as edge:
        made, failover = await lose_a_site(edge, *[300_000] * 9)
        before = edge.view.revision
        async with at_work(failover) as task:
            await edge.until(
                lambda: task.done() or all(edge.deployment(one.id).displacement is not None for one in made),
                what="that what was lost is written down",
            )
        sizes = [len(encode_commit(one)) for one in await edge.ledger.commits_after(before)]
        assert max(sizes) < graph.drafts.MAX_COMMIT_BYTES / 3


async def test_a_release_that_cannot_be_claimed_holds_up_no_other(edges: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async with edges(running=False) as edge:
        await edge.network(sites=3)
        await edge.version()
        deployment, _ = await edge.deploy()
        [refused, *others] = [one.id for one in edge.releases(deployment.id)]
        claim = lifecycle.reconciler.claim

        def claimed(edit: Edit, wanted: Any, **given: Any) -> Any:
            if refused in wanted:
                raise too_much()
            return claim(edit, wanted, **given)

        monkeypatch.setattr(lifecycle.reconciler, "claim", claimed)
        async with edge.lifecycle.running():
            await edge.until(
                lambda: all(edge.view.get(one).phase is ReleasePhase.READY for one in others), what="the others"
            )
            assert edge.view.get(refused).phase is not ReleasePhase.READY
            monkeypatch.setattr(lifecycle.reconciler, "claim", claim)
            await edge.phase(deployment.id, DeploymentPhase.READY)


async def test_a_drain_that_cannot_be_told_holds_up_no_other(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    await edge.network(sites=4)
    await edge.version()
    record = lifecycle.drainer.record_drain
    refused: list[str] = []

    def recorded(edit: Edit, operation_id: str, **given: Any) -> Any:
        if operation_id in refused or not refused:
            refused[:] = [operation_id]
            raise too_much()
        return record(edit, operation_id=operation_id, **given)

    monkeypatch.setattr(lifecycle.drainer, "record_drain", recorded)
    first = await edge.drain(edge.site_ids[0])
    await edge.until(lambda: refused == [first.id], what="a refusal")
    second = await edge.drain(edge.site_ids[1])
    assert (await edge.ended(second.id)).status is OperationStatus.SUCCEEDED
    monkeypatch.setattr(lifecycle.drainer, "record_drain", record)
    assert (await edge.ended(first.id)).status is OperationStatus.SUCCEEDED


async def test_what_cannot_be_told_that_it_waits_holds_up_nobody_who_waits(
    edges: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with edges(running=False) as edge:
        await edge.network(sites=1, nodes=1)
        await edge.version(web={"replicas": 8})
        await edge.deploy("first")
        waiting, _ = await edge.deploy("waiting", wait=True)
        await edge.change(lambda edit: edit.replace(edit.get(waiting.id), message="nothing is known"))
        refused: list[str] = []

        def told(edit: Edit, *, deployment_id: str, **given: Any) -> None:
            refused.append(deployment_id)
            raise too_much()

        monkeypatch.setattr(lifecycle.placer, "keep_waiting", told)
        placer = Placer(edge.ledger, edge.lifecycle.plans._placing, settings=QUICK, clock=SystemClock())
        async with at_work(placer) as task:
            await edge.until(lambda: refused or task.done(), what="a refusal")
            room = Resources(cpu_millicores=16_000, memory_bytes=32 << 30)
            [node_id] = edge.view.ids("Node")
            await edge.change(lambda edit: edit.replace(edit.get(node_id), capacity=room, allocatable=None))
            await edge.until(
                lambda: task.done() or edge.deployment(waiting.id).phase is not DeploymentPhase.PENDING_PLACEMENT,
                what="that it is placed",
            )
            assert not task.done()


async def test_a_cluster_that_cannot_be_written_down_ends_no_connection_to_another(
    edges: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with edges(running=False) as edge:
        await edge.network(sites=2, clusters=2)
        connections = edge.lifecycle.connections
        refused: list[str] = []

        def down(edit: Edit, *, cluster_id: str, **given: Any) -> None:
            refused.append(cluster_id)
            raise too_much()

        monkeypatch.setattr(lifecycle.connections, "_down", down)
        await edge.configure(0, latencyMs="no number")
        async with at_work(connections) as task:
            await edge.until(lambda: len(refused) > 1 or task.done(), what="that it is refused again and again")
            assert not task.done()
            await edge.until(lambda: edge.cluster_ids[1] in connections, what="the other")
            assert set(refused) == {edge.cluster_ids[0]}
