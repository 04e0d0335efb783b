"""Kept plans of several moves are looked at as they were planned: together, each with those before it begun."""

from __future__ import annotations

import threading
from typing import Any

import msgspec
import pytest

from graph.kinds import Plan
from graph.kinds.policy import AppAffinity, PlacementPolicy, SiteSelector
from graph.view import Reader
from lifecycle import plans_drain, plans_recheck
from lifecycle.plans import Wanted
from lifecycle.plans_kept import PlanOutdated
from lifecycle.plans_steps import PlanOutcome
from lifecyclekit.edge import NEED, NODE, Edge, asking, everything

ONE = PlacementPolicy(max_sites=1)


def anybody(reader: Reader, plan: Plan) -> None:
    """Nobody is refused."""


async def running(edge: Edge, name: str, site: str, **fields: Any) -> str:
    held = PlacementPolicy(max_sites=1, sites=SiteSelector(site_ids=[site]))
    deployment, operation = await edge.deploy(name, policy=held, **fields)
    await edge.succeeded(operation)
    return str(deployment.id)


async def asked_for(edge: Edge, deployment_id: str, **words: Any) -> None:
    policy = msgspec.structs.replace(ONE, **words)
    await edge.change(lambda edit: edit.replace(edit.get(deployment_id), policy=policy))


async def kept_drain(edge: Edge, target_id: str) -> Plan:
    wanted = Wanted(drain_id=target_id)
    committed = await edge.lifecycle.plans.keep(wanted, asking("createPlan"), visible=everything, allowed=anybody)
    plan: Plan = committed.value
    return plan


async def apply(edge: Edge, plan: Plan) -> Any:
    given = asking("applyPlan")
    return (await edge.lifecycle.plans.apply(plan.id, given, visible=everything, allowed=anybody)).value


async def refused(edge: Edge, plan: Plan) -> list[tuple[str | None, str, str]]:
    with pytest.raises(PlanOutdated) as refusal:
        await apply(edge, plan)
    return [(one.deployment_id, one.code, one.message) for one in refusal.value.reasons]


def sites(edge: Edge, deployment_id: str) -> set[str]:
    return {one.site_id for one in edge.releases(deployment_id)}


async def follower_and_leader(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str, Plan, str]:
    """Two that leave a site, of which the one goes where the other is, which has the higher priority; where they go."""
    monkeypatch.setattr(plans_drain, "TOGETHER", 1)
    await edge.network(sites=3)
    await edge.version()
    await edge.change(lambda edit: edit.replace(edit.get(edge.tenant_id), max_priority=100))
    home = edge.site_ids[0]
    # Told first, as it has the smaller id, and decided last.
    follower, leader = [await running(edge, name, home) for name in ("follower", "leader")]
    assert follower < leader
    await asked_for(edge, leader, priority=100)
    await asked_for(edge, follower, affinity=[AppAffinity(deployment_ids=[leader])])
    plan = await kept_drain(edge, home)
    steps = [one.planned for one in await edge.lifecycle.plans.steps(plan.id)]
    assert [(one.step.deployment_id, one.step.outcome, one.step.turn) for one in steps] == [
        (follower, PlanOutcome.MOVES, 2),
        (leader, PlanOutcome.MOVES, 1),
    ]
    [there] = {site_id for one in steps for site_id in one.sites_after}
    return follower, leader, plan, there


async def test_why_a_plan_no_longer_stands_is_worded_beside_the_event_loop(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    await edge.network(sites=3)
    await edge.version()
    home = edge.site_ids[0]
    one = await running(edge, "one", home)
    await asked_for(edge, one)
    plan = await kept_drain(edge, home)
    [step] = await edge.lifecycle.plans.steps(plan.id)
    [there] = step.planned.sites_after
    await asked_for(edge, one, sites=SiteSelector(excluded_site_ids=[there]))
    threads = []
    word = plans_recheck.refusals_at

    def noted(*given: Any) -> Any:
        threads.append(threading.get_ident())
        return word(*given)

    monkeypatch.setattr(plans_recheck, "refusals_at", noted)
    told = await refused(edge, plan)
    assert {deployment for deployment, _, _ in told} == {one}
    assert threads
    assert threading.get_ident() not in threads


async def test_a_plan_stands_when_one_goes_where_another_goes_first(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower, leader, plan, there = await follower_and_leader(edge, monkeypatch)
    begun = await apply(edge, plan)
    assert [one.id for one in begun.deployments] == [follower, leader]
    [drain] = begun.operations
    await edge.succeeded(drain)
    assert sites(edge, follower) == sites(edge, leader) == {there}
    edge.check_books()


async def test_what_rests_on_a_move_that_is_refused_by_now_is_refused_with_it(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower, leader, plan, there = await follower_and_leader(edge, monkeypatch)
    await asked_for(edge, leader, sites=SiteSelector(excluded_site_ids=[there]), priority=100)
    found = await refused(edge, plan)
    assert [(one, code) for one, code, _ in found] == [(leader, "POLICY_BROKEN"), (follower, "POLICY_BROKEN")]
    assert "excludes it" in found[0][2]
    assert "leader" in found[1][2]
    assert edge.view.get(edge.site_ids[0]).schedulable


async def test_two_that_share_what_is_left_are_refused_by_what_the_second_lacks(edge: Edge) -> None:
    await edge.network(sites=2, nodes=1)
    await edge.version()
    home, other = edge.site_ids
    most = NODE.cpu_millicores // NEED.cpu_millicores
    ids = [await running(edge, name, home, replicas={"web": most // 4}) for name in ("one", "two")]
    for one in ids:
        await asked_for(edge, one)
    plan = await kept_drain(edge, home)
    await running(edge, "there", other, replicas={"web": most - most // 4})
    found = await refused(edge, plan)
    assert [(one, code) for one, code, _ in found] == [(ids[1], "CAPACITY_GONE")]
