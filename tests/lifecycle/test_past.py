"""What is kept of deployments' pasts: the newest of each, what is in use, and nothing of those that are long gone."""

from __future__ import annotations

import msgspec
import pytest

from graph.kinds import DeploymentPhase, DeploymentRevision, Operation, OperationStatus
from graph.store import RecordPage
from graph.view import get_as
from lifecycle.deployments import DECISIONS
from lifecycle.past import REVISIONS, DeploymentPasts
from tests.lifecycle.bench import bench_of

DAY_MS = 86_400_000


async def revisions(bench, deployment_id: str) -> list[DeploymentRevision]:
    page = RecordPage(collection=REVISIONS, subject_id=deployment_id, limit=1_000, ascending=True)
    found = await bench.ledger.store.records(page)
    return [msgspec.json.decode(one.body, type=DeploymentRevision) for one in found]


async def decisions(bench, deployment_id: str) -> list[str]:
    page = RecordPage(collection=DECISIONS, subject_id=deployment_id, limit=1_000, ascending=True)
    return [one.id for one in await bench.ledger.store.records(page)]


async def numbers(bench, deployment_id: str) -> list[int]:
    return [one.number for one in await revisions(bench, deployment_id)]


async def deployed(bench, *, updates: int, name: str = "shop") -> str:
    """A deployment that is ready at its first revision, then was updated without a difference to what runs."""
    deployment, operation = await bench.deploy(name)
    await bench.succeeded(operation)
    for _ in range(updates):
        await bench.update(deployment.id)
    await bench.phase(deployment.id, DeploymentPhase.READY)
    return deployment.id


async def test_the_newest_revisions_of_each_deployment_are_kept_with_their_decisions(bench) -> None:
    await bench.network(sites=1)
    await bench.version()
    many, few = await deployed(bench, updates=9), await deployed(bench, updates=2, name="other")
    pasts = DeploymentPasts(bench.ledger, revisions=4, gone_for_ms=DAY_MS)
    # What runs was placed by the first revision: its releases were not touched since.
    assert await pasts.cut(now=0) == 2 * 5
    assert await numbers(bench, many) == [1, 7, 8, 9, 10]
    assert await numbers(bench, few) == [1, 2, 3]
    for one in (many, few):
        assert {each.decision_id for each in await revisions(bench, one)} == set(await decisions(bench, one))
    assert await pasts.cut(now=0) == 0
    await bench.succeeded((await bench.scale(many, web=2)).operation)
    assert await DeploymentPasts(bench.ledger, revisions=4, gone_for_ms=DAY_MS).cut(now=0) == 4
    assert await numbers(bench, many) == [8, 9, 10, 11], "nothing is there for the first one any more"


async def test_a_change_that_is_taken_back_finds_its_last_good_revision_however_old_it_is(bench) -> None:
    await bench.network(sites=2)
    await bench.version()
    deployment_id = await deployed(bench, updates=0)
    good = bench.deployment(deployment_id).good
    await bench.configure(0, failureRate=1)
    await bench.connected()
    for replicas in range(2, 9):
        last = await bench.scale(deployment_id, web=1 + replicas % 2)
    pasts = DeploymentPasts(bench.ledger, revisions=1, gone_for_ms=DAY_MS)
    await pasts.cut(now=0)
    kept = await revisions(bench, deployment_id)
    assert kept[0].id == good.revision_id
    assert good.decision_id in await decisions(bench, deployment_id)
    assert kept[-1].number == bench.deployment(deployment_id).revision_number
    await bench.configure(0)
    over, after = await bench.cancel(last.operation.id)
    assert after.replicas == kept[0].replicas
    assert (await bench.ended(over.id)).status is OperationStatus.CANCELLED
    assert after.decision_id == good.decision_id
    await pasts.cut(now=0)
    assert good.decision_id in await decisions(bench, deployment_id), "the newest revision runs by it"


async def test_what_a_release_is_there_for_is_kept(tmp_path) -> None:
    async with bench_of(tmp_path, running=False) as bench:
        await bench.network(sites=1)
        await bench.version()
        deployment, operation = await bench.deploy()
        for _ in range(6):
            await bench.update(deployment.id)
        assert get_as(bench.view, Operation, operation.id) is None, "it was superseded"
        release = bench.releases(deployment.id)[0]
        await bench.change(lambda edit: edit.replace(release, operation_id=operation.id))
        assert await DeploymentPasts(bench.ledger, revisions=2, gone_for_ms=DAY_MS).cut(now=0) > 0
        kept = await numbers(bench, deployment.id)
        assert kept[0] == 1
        assert kept[-2:] == [6, 7]


async def test_decisions_of_moves_do_not_pile_up_on_one_revision(bench) -> None:
    await bench.network(sites=3, nodes=1)
    await bench.version()
    deployment, operation = await bench.deploy()
    await bench.succeeded(operation)
    sites = bench.site_ids
    await bench.update(deployment.id, policy=bench.wish(sites=sites[:2]).policy)
    await bench.phase(deployment.id, DeploymentPhase.READY)
    store = bench.ledger.store
    record = await store.record(DECISIONS, bench.deployment(deployment.id).decision_id)

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
        await bench.change(move)
    pasts = DeploymentPasts(bench.ledger, revisions=3, gone_for_ms=DAY_MS)
    await pasts.cut(now=0)
    kept = await decisions(bench, deployment.id)
    assert bench.deployment(deployment.id).decision_id == kept[-1]
    referred = {one.decision_id for one in await revisions(bench, deployment.id)}
    assert referred <= set(kept)
    assert len(set(kept) - referred) <= 3 + 1  # and the one that the last good state was placed by


async def test_the_past_of_a_deployment_that_is_gone_goes_after_its_time(bench) -> None:
    await bench.network(sites=1)
    await bench.version()
    gone, there = await deployed(bench, updates=3), await deployed(bench, updates=3, name="other")
    ending = await bench.terminate(gone, delete=True)
    await bench.until(lambda: bench.deployment(gone) is None)
    began = ending.operation.created_at
    pasts = DeploymentPasts(bench.ledger, revisions=10, gone_for_ms=DAY_MS)
    assert await pasts.cut(now=began + DAY_MS) == 0
    assert await numbers(bench, gone) == [1, 2, 3, 4]
    assert await pasts.cut(now=began + DAY_MS + 1) == 8
    assert await numbers(bench, gone) == []
    assert await decisions(bench, gone) == []
    assert await numbers(bench, there) == [1, 2, 3, 4]
    assert await pasts.cut(now=began + 9 * DAY_MS) == 0


@pytest.mark.parametrize("step", [1, 2, 7])
async def test_a_round_looks_at_so_many_deployments_and_the_next_goes_on_from_there(bench, step: int) -> None:
    await bench.network(sites=1)
    await bench.version()
    made = [await deployed(bench, updates=3, name=f"d{number}") for number in range(4)]
    for one in made:  # nothing is there for the first revisions any more
        await bench.succeeded((await bench.scale(one, web=2)).operation)
    pasts = DeploymentPasts(bench.ledger, revisions=1, gone_for_ms=DAY_MS)
    rounds = 0
    while any([len(await numbers(bench, one)) > 1 for one in made]):
        dropped = await pasts.cut(now=0, subjects=step)
        assert dropped <= step * 2 * 4
        rounds += 1
    assert rounds >= 4 // step
    assert [await numbers(bench, one) for one in made] == [[5]] * 4
