"""What is kept of deployments' pasts: the newest of each, what is in use, and nothing of those that are long gone."""

from __future__ import annotations

import msgspec
import pytest

from graph.kinds import DeploymentPhase, DeploymentRevision, Operation, OperationStatus
from graph.store import RecordPage
from graph.view import get_as
from lifecycle.deployments import DECISIONS
from lifecycle.past import REVISIONS, DeploymentPasts
from lifecyclekit.edge import edge_of

DAY_MS = 86_400_000


async def revisions(edge, deployment_id: str) -> list[DeploymentRevision]:
    page = RecordPage(collection=REVISIONS, subject_id=deployment_id, limit=1_000, ascending=True)
    found = await edge.ledger.store.records(page)
    return [msgspec.json.decode(one.body, type=DeploymentRevision) for one in found]


async def decisions(edge, deployment_id: str) -> list[str]:
    page = RecordPage(collection=DECISIONS, subject_id=deployment_id, limit=1_000, ascending=True)
    return [one.id for one in await edge.ledger.store.records(page)]


async def numbers(edge, deployment_id: str) -> list[int]:
    return [one.number for one in await revisions(edge, deployment_id)]


async def deployed(edge, *, updates: int, name: str = "shop") -> str:
    """A deployment that is ready at its first revision, then was updated without a difference to what runs."""
    deployment, operation = await edge.deploy(name)
    await edge.succeeded(operation)
    for _ in range(updates):
        await edge.update(deployment.id)
    await edge.phase(deployment.id, DeploymentPhase.READY)
    return deployment.id


async def test_the_newest_revisions_of_each_deployment_are_kept_with_their_decisions(edge) -> None:
    await edge.network(sites=1)
    await edge.version()
    many, few = await deployed(edge, updates=9), await deployed(edge, updates=2, name="other")
    pasts = DeploymentPasts(edge.ledger, revisions=4, gone_for_ms=DAY_MS)
    # What runs was placed by the first revision: its releases were not touched since.
    assert await pasts.cut(now=0) == 2 * 5
    assert await numbers(edge, many) == [1, 7, 8, 9, 10]
    assert await numbers(edge, few) == [1, 2, 3]
    for one in (many, few):
        assert {each.decision_id for each in await revisions(edge, one)} == set(await decisions(edge, one))
    assert await pasts.cut(now=0) == 0
    await edge.succeeded((await edge.scale(many, web=2)).operation)
    assert await DeploymentPasts(edge.ledger, revisions=4, gone_for_ms=DAY_MS).cut(now=0) == 4
    assert await numbers(edge, many) == [8, 9, 10, 11], "nothing is there for the first one any more"


def _fate(edge, deployment_id: str) -> str | None:
    if any(one.failures for one in edge.releases(deployment_id)):
        return "failing"
    return "done" if edge.deployment(deployment_id).phase is DeploymentPhase.READY else None


async def test_a_change_that_is_taken_back_finds_its_last_good_revision_however_old_it_is(edge) -> None:
    await edge.network(sites=2)
    await edge.version()
    deployment_id = await deployed(edge, updates=0)
    await edge.configure(0, failureRate=1)
    # What is asked of the connection that still is may be done: a change that fails is the first of the new one.
    replicas, failing = 1, False
    while not failing:
        replicas = 3 - replicas
        await edge.scale(deployment_id, web=replicas)
        failing = await edge.until(lambda: _fate(edge, deployment_id), what="the end of a change") == "failing"
    good = edge.deployment(deployment_id).good
    for _ in range(7):
        replicas = 3 - replicas
        last = await edge.scale(deployment_id, web=replicas)
    pasts = DeploymentPasts(edge.ledger, revisions=1, gone_for_ms=DAY_MS)
    await pasts.cut(now=0)
    kept = await revisions(edge, deployment_id)
    assert kept[0].id == good.revision_id
    assert good.decision_id in await decisions(edge, deployment_id)
    assert kept[-1].number == edge.deployment(deployment_id).revision_number
    await edge.configure(0)
    over, after = await edge.cancel(last.operation.id)
    assert after.replicas == kept[0].replicas
    assert (await edge.ended(over.id)).status is OperationStatus.CANCELLED
    assert after.decision_id == good.decision_id
    await pasts.cut(now=0)
    assert good.decision_id in await decisions(edge, deployment_id), "the newest revision runs by it"


async def test_what_a_release_is_there_for_is_kept(tmp_path) -> None:
    async with edge_of(tmp_path, running=False) as edge:
        await edge.network(sites=1)
        await edge.version()
        deployment, operation = await edge.deploy()
        for _ in range(6):
            await edge.update(deployment.id)
        assert get_as(edge.view, Operation, operation.id) is None, "it was superseded"
        release = edge.releases(deployment.id)[0]
        await edge.change(lambda edit: edit.replace(release, operation_id=operation.id))
        assert await DeploymentPasts(edge.ledger, revisions=2, gone_for_ms=DAY_MS).cut(now=0) > 0
        kept = await numbers(edge, deployment.id)
        assert kept[0] == 1
        assert kept[-2:] == [6, 7]


async def test_decisions_of_moves_do_not_pile_up_on_one_revision(edge) -> None:
    await edge.network(sites=3, nodes=1)
    await edge.version()
    deployment, operation = await edge.deploy()
    await edge.succeeded(operation)
    sites = edge.site_ids
    await edge.update(deployment.id, policy=edge.wish(sites=sites[:2]).policy)
    await edge.phase(deployment.id, DeploymentPhase.READY)
    store = edge.ledger.store
    record = await store.record(DECISIONS, edge.deployment(deployment.id).decision_id)

    def move(edit) -> None:
        from graph.change import Record
        from graph.identifiers import new_id

        made = new_id(DECISIONS, at_ms=edit.at)
        edit.file(
            Record(
                collection=DECISIONS, id=made, tenant_id=None, subject_id=deployment.id, at=edit.at, body=record.body
            )
        )
        found = edit.get(deployment.id)
        edit.replace(found, decision_id=made)

    for _ in range(8):
        await edge.change(move)
    pasts = DeploymentPasts(edge.ledger, revisions=3, gone_for_ms=DAY_MS)
    await pasts.cut(now=0)
    kept = await decisions(edge, deployment.id)
    assert edge.deployment(deployment.id).decision_id == kept[-1]
    referred = {one.decision_id for one in await revisions(edge, deployment.id)}
    assert referred <= set(kept)
    assert len(set(kept) - referred) <= 3 + 1  # and the one that the last good state was placed by


async def test_the_past_of_a_deployment_that_is_gone_goes_after_its_time(edge) -> None:
    await edge.network(sites=1)
    await edge.version()
    gone, there = await deployed(edge, updates=3), await deployed(edge, updates=3, name="other")
    ending = await edge.terminate(gone, delete=True)
    await edge.until(lambda: edge.deployment(gone) is None)
    began = ending.operation.created_at
    pasts = DeploymentPasts(edge.ledger, revisions=10, gone_for_ms=DAY_MS)
    assert await pasts.cut(now=began + DAY_MS) == 0
    assert await numbers(edge, gone) == [1, 2, 3, 4]
    assert await pasts.cut(now=began + DAY_MS + 1) == 8
    assert await numbers(edge, gone) == []
    assert await decisions(edge, gone) == []
    assert await numbers(edge, there) == [1, 2, 3, 4]
    assert await pasts.cut(now=began + 9 * DAY_MS) == 0


@pytest.mark.parametrize("step", [1, 2, 7])
async def test_a_round_looks_at_so_many_deployments_and_the_next_goes_on_from_there(edge, step: int) -> None:
    await edge.network(sites=1)
    await edge.version()
    made = [await deployed(edge, updates=3, name=f"d{number}") for number in range(4)]
    for one in made:  # nothing is there for the first revisions any more
        await edge.succeeded((await edge.scale(one, web=2)).operation)
    pasts = DeploymentPasts(edge.ledger, revisions=1, gone_for_ms=DAY_MS)
    rounds = 0
    while any([len(await numbers(edge, one)) > 1 for one in made]):
        dropped = await pasts.cut(now=0, subjects=step)
        assert dropped <= step * 2 * 4
        rounds += 1
    assert rounds >= 4 // step
    assert [await numbers(edge, one) for one in made] == [[5]] * 4
