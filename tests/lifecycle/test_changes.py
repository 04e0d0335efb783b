"""Changes of deployments: only what differs is touched, later changes win, and what is taken back comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from graph.edit import Edit
from graph.kinds import (
    Component,
    Deployment,
    DeploymentPhase,
    Node,
    NodeStatus,
    OperationKind,
    OperationStatus,
    Release,
    ReleasePhase,
)
from graph.kinds.policy import PlacementPolicy, SiteSelector
from graph.refusal import AlreadyExists, Conflict, IdempotencyMismatch, InvalidInput, InvalidState, NotFound
from graph.request import Idempotency
from graph.view import each
from lifecycle.decisions import Decisions
from lifecycle.unplaceable import Unplaceable
from placement.verdict import refusals_at


def policy(*sites: str) -> PlacementPolicy:
    return PlacementPolicy(everywhere=True, sites=SiteSelector(site_ids=list(sites)))


async def test_an_update_touches_only_what_differs(edge) -> None:
    await edge.network(sites=4)
    await edge.version(web={}, db={})
    one, two, three, four = edge.site_ids
    deployment, operation = await edge.deploy(sites=[one, two, three])
    await edge.succeeded(operation)
    before = {one.id: one for one in edge.releases(deployment.id)}
    started = await edge.update(deployment.id, policy=policy(two, three, four))
    assert started.operation.progress.total == 4
    await edge.succeeded(started.operation)
    after = {one.id: one for one in edge.releases(deployment.id)}
    assert {one.site_id for one in after.values()} == {two, three, four}
    kept = before.keys() & after.keys()
    assert {before[one].site_id for one in kept} == {two, three}
    assert all(after[one].generation == 1 and after[one].epoch == before[one].epoch for one in kept)
    assert {one.generation for one in after.values() if one.site_id == four} == {2}
    edge.check_books()


async def test_a_version_that_changes_one_component_leaves_the_other(edge) -> None:
    await edge.network(sites=2)
    await edge.version(web={}, db={})
    deployment, operation = await edge.deploy()
    await edge.succeeded(operation)
    web = {"artifact": msgspec.structs.replace(next(each(edge.view, Component)).artifact, reference="shop:2")}
    version = await edge.version("2", web=web, db={})
    started = await edge.update(deployment.id, app_version_id=version)
    assert started.operation.progress.total == 2
    await edge.succeeded(started.operation)
    for release in edge.releases(deployment.id):
        component = edge.view.get(release.component_id)
        assert component.app_version_id == version
        assert release.generation == (2 if component.name == "web" else 1)


async def test_an_update_without_a_difference_is_done_at_once(edge) -> None:
    await edge.network(sites=2)
    await edge.version()
    deployment, operation = await edge.deploy()
    await edge.succeeded(operation)
    over = await edge.succeeded((await edge.update(deployment.id)).operation)
    assert over.progress.total == 0
    assert edge.deployment(deployment.id).revision_number == 2


async def test_scaling_stays_at_the_sites_and_counts_what_is_free(edge) -> None:
    await edge.network(sites=3, nodes=1)
    await edge.version()
    deployment, operation = await edge.deploy()
    await edge.succeeded(operation)
    started = await edge.scale(deployment.id, web=6)
    await edge.succeeded(started.operation)
    assert started.operation.kind is OperationKind.SCALE
    assert {(one.site_id, one.replicas, one.generation) for one in edge.releases(deployment.id)} == {
        (site, 6, 2) for site in edge.site_ids
    }
    with pytest.raises(Unplaceable) as refused:
        await edge.scale(deployment.id, web=9)
    assert refusals_at(refused.value.decision, edge.site_ids)
    assert edge.deployment(deployment.id).replicas == {"web": 6}
    await edge.succeeded((await edge.scale(deployment.id, web=0)).operation)
    assert (await edge.phase(deployment.id, DeploymentPhase.READY)).replicas == {"web": 0}
    edge.check_books()


async def test_an_operation_keeps_what_became_of_its_releases_when_a_later_one_works_on_them(edge) -> None:
    await edge.network(sites=4)
    await edge.version()
    one, two, three, four = edge.site_ids
    deployment, operation = await edge.deploy(sites=[one, two, three])
    first = await edge.succeeded(operation)
    assert {each.site_id: each.standing.name for each in first.outcomes} == dict.fromkeys((one, two, three), "DONE")
    assert {each.release_id for each in first.outcomes} == {each.id for each in edge.releases(deployment.id)}
    moved = await edge.succeeded((await edge.update(deployment.id, policy=policy(three, four))).operation)
    assert {each.site_id: each.standing.name for each in moved.outcomes} == {
        four: "DONE",
        one: "REMOVED",
        two: "REMOVED",
    }
    ended = await edge.succeeded((await edge.terminate(deployment.id)).operation)
    assert {(each.site_id, each.standing.name) for each in ended.outcomes} == {(three, "REMOVED"), (four, "REMOVED")}
    assert all(each.backend_name and each.component_name == "web" and each.site_name for each in ended.outcomes)


async def test_termination_removes_everything_and_keeps_or_deletes_the_deployment(edge) -> None:
    await edge.network(sites=3)
    await edge.version(web={}, db={"depends_on": ["web"]})
    for name, delete in (("kept", False), ("deleted", True)):
        deployment, operation = await edge.deploy(name)
        await edge.succeeded(operation)
        started = await edge.terminate(deployment.id, delete=delete)
        assert (await edge.terminate(deployment.id, delete=delete)).operation.id == started.operation.id
        await edge.succeeded(started.operation)
        assert not edge.releases(deployment.id)
        if delete:
            await edge.until(lambda gone=deployment.id: edge.deployment(gone) is None)
        else:
            await edge.phase(deployment.id, DeploymentPhase.TERMINATED)
            with pytest.raises(InvalidState):
                await edge.update(deployment.id)
            with pytest.raises(InvalidState):
                await edge.terminate(deployment.id)
            await edge.succeeded((await edge.terminate(deployment.id, delete=True)).operation)
            await edge.until(lambda gone=deployment.id: edge.deployment(gone) is None)
    assert not edge.world().objects
    edge.check_books()


async def test_terminate_and_deploy_at_once_leaves_the_new_one(edge) -> None:
    await edge.network(sites=4, latencyMs=5)
    await edge.version()
    first, operation = await edge.deploy("first")
    await edge.succeeded(operation)
    await edge.terminate(first.id, delete=True)
    second, operation = await edge.deploy("second")
    await edge.succeeded(operation)
    await edge.until(lambda: edge.deployment(first.id) is None)
    assert len(edge.releases(second.id)) == 4
    edge.check_books()


async def test_a_later_change_supersedes_the_operation_under_way(edge) -> None:
    await edge.network(sites=6, latencyMs=500)
    await edge.version()
    deployment, first = await edge.deploy()
    second = (await edge.scale(deployment.id, web=3)).operation
    assert second.progress.total == 6
    await edge.succeeded(second)
    assert (await edge.ended(first.id)).status is OperationStatus.SUPERSEDED
    assert {one.replicas for one in edge.releases(deployment.id)} == {3}
    edge.check_books()


@pytest.mark.parametrize("when", ["at once", "half way"])
async def test_a_cancelled_first_deployment_is_removed_again(edge, when) -> None:
    await edge.network(sites=8, latencyMs=20, latencyJitterMs=3_000)
    await edge.version()
    deployment, operation = await edge.deploy()
    if when == "half way":
        await edge.until(
            lambda: sum(one.phase is ReleasePhase.READY for one in edge.releases(deployment.id)) > 1, what="half"
        )
    asked, _ = await edge.cancel(operation.id)
    assert asked.status is OperationStatus.CANCELLING
    await edge.configure()
    assert (await edge.ended(operation.id)).status is OperationStatus.CANCELLED
    await edge.phase(deployment.id, DeploymentPhase.TERMINATED)
    assert not edge.world().objects
    edge.check_books()


async def test_a_cancelled_update_goes_back_to_the_last_good_state(edge) -> None:
    await edge.network(sites=4)
    await edge.version()
    one, two, three, four = edge.site_ids
    deployment, operation = await edge.deploy(sites=[one, two, three])
    await edge.succeeded(operation)
    await edge.phase(deployment.id, DeploymentPhase.READY)
    await edge.configure(failingSites=["s3"])
    version = await edge.version("2", reference="shop:2")
    started = await edge.update(deployment.id, app_version_id=version, policy=policy(two, three, four))
    asked, _ = await edge.cancel(started.operation.id)
    again, _ = await edge.cancel(started.operation.id)
    assert (asked.status, again.id) == (OperationStatus.CANCELLING, asked.id)
    await edge.configure()
    assert (await edge.ended(started.operation.id)).status is OperationStatus.CANCELLED
    after = await edge.phase(deployment.id, DeploymentPhase.READY)
    assert (after.app_version_id, after.policy.sites.site_ids) == (deployment.app_version_id, [one, two, three])
    assert after.revision_number == 3
    assert {one.site_id for one in edge.releases(deployment.id)} == {one, two, three}
    edge.check_books()


async def test_what_cannot_be_cancelled_is_refused(edge) -> None:
    await edge.network(sites=2, latencyMs=50)
    await edge.version()
    deployment, operation = await edge.deploy()
    await edge.succeeded(operation)
    with pytest.raises(InvalidState, match="SUCCEEDED"):
        await edge.cancel(operation.id)
    with pytest.raises(NotFound):
        await edge.cancel("operation_00000000000000000000000000")
    ending = (await edge.terminate(deployment.id)).operation
    with pytest.raises(InvalidState, match="termination"):
        await edge.cancel(ending.id)
    with pytest.raises(InvalidState):
        await edge.retry(ending.id)


async def test_what_ends_while_it_is_being_cancelled_is_told_to_have_ended(edge, monkeypatch) -> None:
    await edge.network(sites=2)
    await edge.version()
    deployment, operation = await edge.deploy()
    await edge.succeeded(operation)
    scaling = (await edge.scale(deployment.id, web=2)).operation
    inner = Decisions.earlier

    async def slow(self: Decisions, *given: Any, **named: Any) -> Any:
        found = await inner(self, *given, **named)
        await edge.ended(scaling.id)
        return found

    monkeypatch.setattr(Decisions, "earlier", slow)
    with pytest.raises(InvalidState, match="SUCCEEDED"):
        await edge.cancel(scaling.id)


async def test_a_change_keeps_a_site_whose_nodes_are_away_though_it_is_not_yet_believed_to_be(edges) -> None:
    """Nodes are found away at once, the site when it has been so for a moment."""
    async with edges(running=False) as edge:
        await edge.network(sites=2)
        await edge.version()
        second = await edge.version("2", reference="shop:2")
        deployment, _ = await edge.deploy()
        away = edge.site_ids[1]
        nodes = [one.id for one in each(edge.view, Node, "site_id", away)]

        def lose(count: int) -> Callable[[Edit], None]:
            return lambda edit: [
                edit.replace(edit.get(one), status=NodeStatus.NOT_READY if one in nodes[:count] else NodeStatus.READY)
                for one in nodes
            ]

        await edge.change(lose(len(nodes)))
        await edge.update(deployment.id, app_version_id=second)
        assert {one.site_id for one in edge.releases(deployment.id) if one.wanted} == set(edge.site_ids)
        # One that is left takes it: nobody waits for a machine beside it.
        await edge.change(lose(1))
        await edge.update(deployment.id, replicas={"web": 2})
        [there] = [one for one in edge.releases(deployment.id) if one.site_id == away]
        assert there.assignments == {nodes[1]: 2}


async def test_a_deployment_waits_for_room_and_is_placed_when_there_is(edge) -> None:
    await edge.network(sites=2, nodes=1)
    await edge.version()
    big = {"web": 8}
    first, operation = await edge.deploy("first", replicas=big)
    await edge.succeeded(operation)
    with pytest.raises(Unplaceable):
        await edge.deploy("second", replicas=big)
    second, waiting = await edge.deploy("second", replicas=big, wait=True)
    assert second.phase is DeploymentPhase.PENDING_PLACEMENT
    assert waiting.status is OperationStatus.RUNNING
    assert "cannot be placed" in (second.message or "")
    await edge.terminate(first.id)
    await edge.succeeded(waiting)
    assert (await edge.phase(second.id, DeploymentPhase.READY)).decision_id != second.decision_id
    assert len(edge.releases(second.id)) == 2
    edge.check_books()


async def test_a_deployment_that_waits_for_room_can_be_cancelled_or_changed(edge) -> None:
    await edge.network(sites=2, nodes=1)
    await edge.version()
    one, waiting = await edge.deploy("one", replicas={"web": 20}, wait=True)
    await edge.cancel(waiting.id)
    assert (await edge.ended(waiting.id)).status is OperationStatus.CANCELLED
    await edge.phase(one.id, DeploymentPhase.TERMINATED)
    two, waiting = await edge.deploy("two", replicas={"web": 20}, wait=True)
    later = await edge.update(two.id, replicas={"web": 30})
    assert later.deployment.phase is DeploymentPhase.PENDING_PLACEMENT
    await edge.succeeded((await edge.scale(two.id, web=2)).operation)
    await edge.phase(two.id, DeploymentPhase.READY)


async def test_wrong_wishes_are_refused_by_field_and_leave_nothing(edge) -> None:
    await edge.network(sites=2)
    await edge.version()
    missing = await edge.version("missing", a={"depends_on": ["x"]})
    cases = [
        ({"app_version_id": "appversion_none"}, NotFound, "input.appVersionId"),
        ({"app_version_id": missing}, InvalidState, "input.appVersionId"),
        ({"replicas": {"nothing": 1}}, InvalidInput, "input.replicas.nothing"),
        ({"replicas": {"web": -1}}, InvalidInput, "input.replicas.web"),
        ({"replicas": {"web": 100_000}}, InvalidInput, "input.replicas.web"),
        ({"sites": ["site_none"]}, NotFound, None),
        ({"policy": PlacementPolicy(min_sites=3)}, Unplaceable, "input.policy"),
    ]
    for fields, refusal, path in cases:
        with pytest.raises(refusal) as refused:
            await edge.deploy(**fields)
        if path is not None:
            assert refused.value.path == path
        assert refused.value.remedy
    for kind in ("Deployment", "Release", "Operation"):
        assert edge.view.count(kind) == 0
    deployment, _ = await edge.deploy()
    with pytest.raises(AlreadyExists):
        await edge.deploy()
    with pytest.raises(Conflict):
        await edge.update(deployment.id, expected_revision=1)
    with pytest.raises(NotFound):
        await edge.terminate("deployment_none")


async def test_a_repeated_request_is_answered_as_the_first_even_when_it_would_be_refused_by_now(edge, asking) -> None:
    await edge.network(sites=1)
    await edge.version()
    key = Idempotency(key="user:1", body_digest="a")
    asks = asking("deploy", idempotency=key)

    def remember(started, revision) -> bytes:
        return msgspec.json.encode({"id": started.deployment.id, "revision": revision})

    async def ask(request, **fields):
        return await edge.lifecycle.deploy(
            edge.wish(**fields), request, visible=lambda reader: reader, remember=remember
        )

    first = await ask(asks)
    again = await ask(asks)
    assert again.value is None
    assert msgspec.json.decode(again.replayed)["id"] == first.value.deployment.id
    refused_by_now = await ask(asks, sites=["site_gone"])
    assert refused_by_now.replayed == again.replayed
    with pytest.raises(IdempotencyMismatch):
        await ask(asking("deploy", idempotency=Idempotency(key="user:1", body_digest="b")))
    assert edge.view.count("Deployment") == 1


async def test_what_the_caller_may_not_see_is_not_there(edge, asking) -> None:
    await edge.network(sites=2)
    await edge.version()
    deployment, operation = await edge.deploy()
    await edge.succeeded(operation)

    class Blind:
        def __init__(self, reader) -> None:
            self.reader = reader

        def get(self, entity_id: str):
            found = self.reader.get(entity_id)
            return None if isinstance(found, Deployment) else found

        def __getattr__(self, name: str):
            return getattr(self.reader, name)

    lifecycle = edge.lifecycle
    for ask in (
        lambda: lifecycle.scale(deployment.id, {"web": 2}, asking(), visible=Blind),
        lambda: lifecycle.terminate(deployment.id, asking(), visible=Blind),
        lambda: lifecycle.operations.retry(operation.id, asking(), visible=Blind),
        lambda: lifecycle.operations.cancel(operation.id, asking(), visible=Blind),
    ):
        with pytest.raises(NotFound):
            await ask()


async def test_two_deployments_never_share_the_last_free_place(edges) -> None:
    async with edges(running=False) as edge:
        await edge.network(sites=1, nodes=1)
        await edge.version()
        wishes = [edge.deploy(f"d{number}", replicas={"web": 3}) for number in range(6)]
        answers = await asyncio.gather(*wishes, return_exceptions=True)
        made = [one for one in answers if not isinstance(one, BaseException)]
        refused = [one for one in answers if isinstance(one, BaseException)]
        assert len(made) == 2
        assert {type(one).__name__ for one in refused} <= {"Unplaceable", "CapacityGone"}
        reserved = sum(sum(one.assignments.values()) for one in each(edge.view, Release))
        assert reserved == 6


async def test_a_finished_change_tells_its_story(edge) -> None:
    await edge.network(sites=1)
    await edge.version()
    deployment, operation = await edge.deploy()
    await edge.succeeded(operation)
    await edge.phase(deployment.id, DeploymentPhase.READY)
    assert [one.reason for one in await edge.events(deployment.id)] == ["DeploymentAccepted", "DeploymentReady"]
    [release] = edge.releases(deployment.id)
    assert [one.reason for one in await edge.events(release.id)] == ["ReleaseReady"]
    assert [one.reason for one in await edge.events(operation.id)] == ["OperationSucceeded"]
    record = await edge.ledger.store.record("decision", edge.deployment(deployment.id).decision_id)
    assert record.subject_id == deployment.id
    assert release.phase is ReleasePhase.READY


async def test_of_two_that_scale_at_once_neither_is_lost(edges) -> None:
    async with edges(running=False) as edge:
        await edge.network(sites=2)
        await edge.version(web={}, db={})
        deployment, _ = await edge.deploy()
        for number in range(2, 6):
            await asyncio.gather(edge.scale(deployment.id, web=number), edge.scale(deployment.id, db=number - 1))
            assert edge.deployment(deployment.id).replicas == {"web": number, "db": number - 1}
        assert edge.deployment(deployment.id).revision_number == 9
