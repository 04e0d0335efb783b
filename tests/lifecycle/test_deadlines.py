"""Deadlines of operations: an end with reasons, and what is wanted stays wanted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.kinds import DeploymentPhase, Operation, OperationKind, OperationStatus, ReleasePhase, ReleaseStanding
from graph.refusal import InvalidInput
from lifecycle.deadlines import Deadlines, check_deadline, is_overdue
from lifecyclekit.edge import asking, everything


def operation(number: int, **fields) -> Operation:
    return Operation(id=f"o{number}", kind=OperationKind.DEPLOY, subject_id=f"d{number}", **fields)


@given(st.lists(st.integers(0, 100), max_size=20), st.integers(0, 100))
def test_each_deadline_is_told_once_when_it_has_passed(times: list[int], now: int) -> None:
    deadlines = Deadlines()
    for number, at in enumerate(times):
        deadlines.note(operation(number, deadline_at=at))
    deadlines.note(operation(99))
    passed = deadlines.passed(now=now)
    assert sorted(passed) == sorted(f"d{number}" for number, at in enumerate(times) if at <= now)
    assert deadlines.passed(now=now) == []
    rest = [at for at in times if at > now]
    assert deadlines.next_in_s(now=now) == ((min(rest) - now) / 1000 if rest else None)


@pytest.mark.parametrize(
    ("status", "deadline", "expected"),
    [
        (OperationStatus.RUNNING, 10, True),
        (OperationStatus.RUNNING, 11, False),
        (OperationStatus.RUNNING, None, False),
        (OperationStatus.CANCELLING, 5, False),
        (OperationStatus.SUCCEEDED, 5, False),
    ],
)
def test_only_what_runs_can_be_over_time(status: OperationStatus, deadline: int | None, expected: bool) -> None:
    assert is_overdue(operation(1, status=status, deadline_at=deadline), at=10) is expected


@pytest.mark.parametrize("seconds", [0.0, -1.0, 1e9])
def test_a_deadline_that_is_none_is_refused(seconds: float) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_deadline(seconds)
    assert refused.value.path == "input.deadlineSeconds"


async def deploy(edge, *, deadline_s: float, wait: bool = False, **wish):
    committed = await edge.lifecycle.deploy(
        edge.wish(**wish), asking("deploy"), visible=everything, wait=wait, deadline_s=deadline_s
    )
    return committed.value.deployment, committed.value.operation


async def test_an_operation_that_waits_for_a_site_ends_at_its_deadline_and_its_work_goes_on(edges, patient) -> None:
    async with edges(settings=patient) as edge:
        await ends_and_goes_on(edge)


async def ends_and_goes_on(edge) -> None:
    await edge.network(sites=3, failingSites=["s1"])
    await edge.version()
    await edge.connected()
    deployment, started = await deploy(edge, deadline_s=3.0)
    over = await edge.ended(started.id)
    assert (over.status, over.progress.done, over.progress.total) == (OperationStatus.PARTIAL, 2, 3)
    assert over.error is not None
    assert over.error.code == "DEADLINE_PASSED"
    assert "1 of 3 releases were not done in time" in over.error.message
    assert "site s1 refused the call for now" in over.error.message
    assert [one.standing for one in over.outcomes].count(ReleaseStanding.UNFINISHED) == 1
    degraded = await edge.phase(deployment.id, DeploymentPhase.DEGRADED)
    assert degraded.message == "1 under way of 3 releases"
    await edge.configure()
    await edge.phase(deployment.id, DeploymentPhase.READY)
    assert len(edge.releases(deployment.id)) == 3


async def test_an_operation_of_which_nothing_was_done_has_failed(edge) -> None:
    await edge.network(sites=1, latencyMs=60_000)
    await edge.version()
    _, started = await deploy(edge, deadline_s=0.4)
    assert (await edge.ended(started.id)).status is OperationStatus.FAILED


async def test_an_operation_that_is_done_in_time_knows_nothing_of_its_deadline(edge) -> None:
    await edge.network(sites=2)
    await edge.version()
    _, started = await deploy(edge, deadline_s=60)
    assert started.deadline_at is not None
    await edge.succeeded(started)


async def test_a_deployment_that_could_not_be_placed_in_time_is_placed_when_it_can_be(edge) -> None:
    await edge.network(sites=1)
    await edge.version()
    deployment, started = await deploy(edge, deadline_s=0.3, wait=True, replicas={"web": 40})
    over = await edge.ended(started.id)
    assert over.status is OperationStatus.FAILED
    assert over.error is not None
    assert "could not be placed in time" in over.error.message
    assert edge.deployment(deployment.id).phase is DeploymentPhase.PENDING_PLACEMENT

    def roomier(edit) -> None:
        for node_id in list(edit.ids("Node")):
            node = edit.get(node_id)
            edit.replace(node, capacity=node.capacity.times(20))

    await edge.change(roomier)
    ready = await edge.phase(deployment.id, DeploymentPhase.READY)
    assert [one.phase for one in edge.releases(ready.id)] == [ReleasePhase.READY]


async def test_deadlines_are_kept_over_a_restart(edges) -> None:
    async with edges() as edge:
        await edge.network(sites=1, latencyMs=60_000)
        await edge.version()
        _, started = await deploy(edge, deadline_s=0.5)
    async with edges() as again:
        again.cluster_ids, again.site_ids = edge.cluster_ids, edge.site_ids
        assert (await again.ended(started.id)).status is OperationStatus.FAILED
