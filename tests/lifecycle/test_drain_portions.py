"""A drain at whose end very many stay: they are told so in portions, whoever sees to it, and none of them is large."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from faultkit.failpoints import Failpoints
from faultkit.lives import Installation
from faultkit.logical_time import run
from faultkit.user import Notes, User
from graph.kinds import Event, OperationStatus
from lifecycle import drainer
from lifecycle.portions import CHANGES_PER_COMMIT
from lifecyclekit.edge import Edge

STAY = 7
PORTION = 2

pytestmark = pytest.mark.usefixtures("small_portions")


@pytest.fixture
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    assert drainer.TOLD_PER_COMMIT <= CHANGES_PER_COMMIT
    monkeypatch.setattr(drainer, "TOLD_PER_COMMIT", PORTION)


async def make(edge: Edge) -> None:
    """Deployments at one site that are paused, and so are not moved."""
    await edge.network(sites=2)
    await edge.version()
    for number in range(STAY):
        _, operation = await edge.deploy(f"d{number}", sites=edge.site_ids[:1])
        await edge.succeeded(operation)
    for deployment_id in edge.view.ids("Deployment"):
        await edge.pause(deployment_id)


async def told(edge: Edge) -> list[Event]:
    """The events of those that stay."""
    found = []
    for deployment_id in edge.view.ids("Deployment"):
        events = [one for one in await edge.events(deployment_id) if one.reason == "NotMoved"]
        assert events, f"{deployment_id} was not told"
        assert {one.message for one in events} == {"It stays where it is: it is paused"}
        found += events
    return found


async def check_end(edge: Edge, operation_id: str) -> list[Event]:
    """The drain has ended as it should, after all were told; gives the events of those that stay."""
    over = await edge.ended(operation_id)
    assert (over.status, over.progress.failed) == (OperationStatus.FAILED, STAY)
    [end] = [one for one in await edge.events(operation_id) if one.reason == "DrainIncomplete"]
    events = await told(edge)
    assert max(Counter(one.revision for one in events).values()) <= PORTION
    assert all(one.revision < end.revision for one in events)
    return events


def test_those_that_stay_are_told_in_portions_and_then_it_ends(tmp_path: Path) -> None:
    async def live() -> None:
        async with Installation(tmp_path).life() as edge:
            await make(edge)
            events = await check_end(edge, (await edge.drain(edge.site_ids[0])).id)
            assert len(events) == STAY, "each is told once"

    run(live())


def ended_by_another(folder: Path, number: int) -> str | None:
    """Dies at one point of a drain, counted from 1, and has another process end it; the point, None when it was over."""
    installation, notes, points = Installation(folder), Notes({}), Failpoints(die_at=number, observations=0)

    async def drained(edge: Edge) -> str:
        return (await User(edge, notes).drain("drain", edge.site_ids[0])).operation

    async def dies(edge: Edge) -> None:
        await make(edge)
        installation.know(edge)
        points.armed = True
        await edge.ended(await drained(edge))

    async def live() -> None:
        await installation.until_death(points, dies)
        points.armed = False
        async with installation.life() as edge:
            events = await check_end(edge, await drained(edge))
            assert max(Counter(one.subject_id for one in events).values()) <= 2

    run(live())
    return points.passed[number - 1] if len(points.passed) >= number else None


def test_whoever_goes_on_after_a_process_that_died_in_between_ends_it(tmp_path: Path) -> None:
    died: list[str] = []
    while True:
        folder = tmp_path / str(len(died))
        folder.mkdir()
        point = ended_by_another(folder, len(died) + 1)
        if point is None:
            break
        died.append(point)
    # What is found out, a portion each, and the end.
    assert died.count("after commit of lifecycle.drain") >= 1 + -(-STAY // PORTION) + 1
