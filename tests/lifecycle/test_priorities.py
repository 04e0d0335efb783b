"""Priorities: bounded by the tenant's, and what waits to be placed has room in their order."""

from __future__ import annotations

from collections.abc import Awaitable

import msgspec
import pytest

from graph.kinds import DeploymentPhase
from graph.kinds.policy import PlacementPolicy, SiteSelector
from graph.kinds.what_if import Change, SiteLost
from graph.refusal import LimitExceeded
from lifecycle.deployments import Chosen
from lifecycle.priorities import check_priority, priority_of
from lifecyclekit.edge import NEED, NODE, Edge, everything

ONE = PlacementPolicy(max_sites=1)


def at(priority: int) -> PlacementPolicy:
    return msgspec.structs.replace(ONE, priority=priority)


async def bound(edge: Edge, most: int) -> None:
    await edge.change(lambda edit: edit.replace(edit.get(edge.tenant_id), max_priority=most))


@pytest.mark.parametrize(
    ("most", "asked", "before", "refused"),
    [
        (0, 0, None, False),
        (0, -5, None, False),
        (0, 1, None, True),
        (9, 9, None, False),
        (9, 10, None, True),
        (-3, 0, None, True),
        (0, 5, 5, False),
        (0, 4, 5, False),
        (0, 6, 5, True),
    ],
)
async def test_a_policy_states_at_most_what_its_tenant_may_have(
    edge: Edge, most: int, asked: int, before: int | None, refused: bool
) -> None:
    await edge.network(sites=1)
    await bound(edge, most)
    given = {"tenant_id": edge.tenant_id, "before": None if before is None else at(before), "path": "input.policy"}
    if not refused:
        check_priority(edge.view, at(asked), **given)
        return
    with pytest.raises(LimitExceeded, match=f"priority {asked} is above {most}") as refusal:
        check_priority(edge.view, at(asked), **given)
    assert refusal.value.path == "input.policy.priority"


async def test_a_priority_above_the_bound_is_refused_whoever_gives_it(edge: Edge) -> None:
    await edge.network(sites=2)
    await edge.version()
    with pytest.raises(LimitExceeded):
        await edge.deploy(policy=at(1))
    deployment, operation = await edge.deploy(policy=at(0))
    await edge.succeeded(operation)
    with pytest.raises(LimitExceeded):
        await edge.update(deployment.id, policy=at(1))


@pytest.mark.parametrize("supposing", [False, True])
async def test_a_plan_is_bound_as_the_deployment_would_be_and_one_that_has_it_keeps_it(
    edge: Edge, supposing: bool
) -> None:
    await edge.network(sites=2)
    await edge.version()
    changes = [Change(site_lost=SiteLost(site_id=edge.site_ids[0]))] if supposing else []

    def plan(**more: object) -> Awaitable[Chosen]:
        wish = edge.wish("shop", policy=at(7))
        return edge.lifecycle.dry_runs.deployment(wish, visible=everything, changes=changes, **more)

    with pytest.raises(LimitExceeded, match="priority 7 is above 0"):
        await plan()
    await bound(edge, 7)
    deployment, operation = await edge.deploy(policy=at(7))
    await edge.succeeded(operation)
    await bound(edge, 0)
    assert (await plan(replaces=deployment.id)).decision.feasible


async def test_a_bound_that_was_lowered_counts_and_the_deployment_goes_on(edge: Edge) -> None:
    await edge.network(sites=2)
    await edge.version()
    await bound(edge, 50)
    deployment, operation = await edge.deploy(policy=at(40))
    await edge.succeeded(operation)
    assert priority_of(edge.view, edge.deployment(deployment.id)) == 40
    await bound(edge, 10)
    assert priority_of(edge.view, edge.deployment(deployment.id)) == 10
    await edge.succeeded((await edge.scale(deployment.id, web=2)).operation)
    assert edge.deployment(deployment.id).policy.priority == 40


async def test_what_waits_has_the_room_that_comes_by_priority_and_not_by_id(edge: Edge) -> None:
    await edge.network(sites=1, nodes=1)
    await edge.version()
    await bound(edge, 100)
    most = NODE.cpu_millicores // NEED.cpu_millicores
    [site] = edge.site_ids
    await edge.change(lambda edit: edit.replace(edit.get(site), schedulable=False))
    waiting = []
    for priority in (0, 30, 20):
        policy = PlacementPolicy(max_sites=1, priority=priority, sites=SiteSelector(site_ids=[site]))
        deployment, _ = await edge.deploy(f"p{priority}", wait=True, policy=policy, replicas={"web": most})
        waiting.append(deployment.id)
    await edge.change(lambda edit: edit.replace(edit.get(site), schedulable=True))
    await edge.phase(waiting[1], DeploymentPhase.READY)
    phases = [edge.deployment(one).phase for one in waiting]
    assert phases == [DeploymentPhase.PENDING_PLACEMENT, DeploymentPhase.READY, DeploymentPhase.PENDING_PLACEMENT]
