"""The books of many releases are kept a few at a time, so that nobody waits for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from drivers.clock import SystemClock
from graph.edit import Edit
from graph.kinds import Deployment, DeploymentPhase, OperationStatus, ReleasePhase
from graph.refusal import Refusal, Unavailable
from lifecycle import bookkeeper
from lifecycle.bookkeeper import Bookkeeper, keep_books
from lifecyclekit.edge import QUICK, Edge

SITES = 3
REFUSED = Refusal("no")
AWAY = Unavailable("the store is away", remedy="try again")


async def all_ready(edge: Edge, *, deployments: int) -> list[Deployment]:
    """Deployments at three sites each, all of whose releases are ready, and no books kept of that."""
    await edge.network(sites=SITES)
    await edge.version()
    made = [(await edge.deploy(f"d{number}"))[0] for number in range(deployments)]

    def ready(edit: Edit) -> None:
        for deployment in made:
            for one in edge.releases(deployment.id):
                edit.replace(one, phase=ReleasePhase.READY, applied_generation=one.generation)

    await edge.change(ready)
    return made


async def kept(
    edge: Edge, made: Sequence[Deployment], monkeypatch: pytest.MonkeyPatch, *, failing: dict[int, Exception]
) -> list[list[str]]:
    """Which deployments' books were kept by each commit until those of all were; some commits fail, by their number."""
    commits: list[list[str]] = []

    def keep(edit: Edit, *, deployment_ids: list[str]) -> None:
        commits.append(deployment_ids)
        if problem := failing.get(len(commits) - 1):
            raise problem
        keep_books(edit, deployment_ids=deployment_ids)

    monkeypatch.setattr(bookkeeper, "keep_books", keep)
    task = asyncio.create_task(Bookkeeper(edge.ledger, settings=QUICK, clock=SystemClock()).run())
    try:
        await edge.until(
            lambda: all(edge.deployment(one.id).phase is DeploymentPhase.READY for one in made), what="all books"
        )
    finally:
        task.cancel()
        await asyncio.wait([task])
    return commits


async def test_a_commit_keeps_the_books_of_so_many_releases(edges: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bookkeeper, "RELEASES_PER_COMMIT", 2 * SITES)
    async with edges(running=False) as edge:
        made = await all_ready(edge, deployments=5)
        commits = await kept(edge, made, monkeypatch, failing={})
    ids = [one.id for one in made]
    assert commits[:3] == [ids[:2], ids[2:4], ids[4:]]


async def test_the_books_of_one_deployment_are_kept_at_once_however_large_it_is(
    edges: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bookkeeper, "RELEASES_PER_COMMIT", SITES - 1)
    async with edges(running=False) as edge:
        made = await all_ready(edge, deployments=2)
        commits = await kept(edge, made, monkeypatch, failing={})
        operations = [one.operation_id for one in made]
        assert [(await edge.ended(one)).status for one in operations if one] == [OperationStatus.SUCCEEDED] * 2
    assert commits[:2] == [[one.id] for one in made]


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("problem", [REFUSED, AWAY], ids=["refused", "away"])
async def test_a_commit_that_fails_leaves_no_books_behind(
    edges: Any, monkeypatch: pytest.MonkeyPatch, number: int, problem: Exception
) -> None:
    monkeypatch.setattr(bookkeeper, "RELEASES_PER_COMMIT", 2 * SITES)
    monkeypatch.setattr(bookkeeper, "STORE_PAUSE_S", 0.01)
    # What is refused is looked at again when all is.
    async with edges(running=False) as edge:
        made = await all_ready(edge, deployments=5)
        commits = await kept(edge, made, monkeypatch, failing={number: problem})
    assert {one for some in commits for one in some} == {one.id for one in made}
