"""Kept plans of deployments that were scaled since by what is measured: nobody asked for anything else, and they stand."""

from __future__ import annotations

from typing import Any

import pytest

from graph.kinds import DisplacementState, FailoverMode, FailoverPolicy, Plan
from graph.kinds.policy import PlacementPolicy, SiteSelector
from graph.view import Reader, get_as
from lifecycle.plans import Wanted
from lifecycle.plans_kept import Applied, PlanOutdated
from lifecycle.plans_rebalance import Rebalancing
from lifecycle.plans_supposed import Suppositions
from lifecyclekit.edge import Edge, asking, everything
from lifecyclekit.scaling import Loop

TWO = PlacementPolicy(min_sites=2, max_sites=2)


def anybody(reader: Reader, plan: Plan) -> None:
    """Nobody is refused."""


async def kept(edge: Edge, **wanted: Any) -> Plan:
    committed = await edge.lifecycle.plans.keep(
        Wanted(**wanted), asking("createPlan"), visible=everything, allowed=anybody
    )
    plan: Plan = committed.value
    return plan


async def applied(edge: Edge, plan: Plan) -> Applied:
    given = asking("applyPlan")
    value: Applied = (await edge.lifecycle.plans.apply(plan.id, given, visible=everything, allowed=anybody)).value
    return value


async def running(edge: Edge, name: str = "shop", *, sites: int = 4, **fields: Any) -> tuple[str, list[str]]:
    """One that runs at two sites of some, and which."""
    if not edge.site_ids:
        await edge.network(sites=sites)
        await edge.version()
    deployment, operation = await edge.deploy(name, **{"policy": TWO, **fields})
    await edge.succeeded(operation)
    return deployment.id, sorted(one.site_id for one in edge.releases(deployment.id))


def name_of(edge: Edge, site_id: str) -> str:
    return f"s{edge.site_ids.index(site_id)}"


def replicas(edge: Edge, deployment_id: str) -> dict[str, int]:
    staying = (one for one in edge.releases(deployment_id) if one.stays)
    return {one.site_id: one.replicas for one in staying}


async def scaled(edge: Edge, deployment_id: str, site_id: str, **configuration: Any) -> None:
    """The loop gives a site three replicas."""
    loop = Loop(edge)
    await loop.policy(deployment_id)
    before = edge.lifecycle.connections.get(edge.cluster_ids[0])
    load = {"site": name_of(edge, site_id), "requestsPerSecond": [[0, 300]], "cpuMillicoresPerRequest": 5}
    await edge.configure(loads=[load, {"site": "", "requestsPerSecond": [[0, 100]]}], **configuration)
    await edge.until(lambda: edge.lifecycle.connections.get(edge.cluster_ids[0]) not in (None, before))
    for _ in range(20):
        await loop.round()
        if replicas(edge, deployment_id)[site_id] == 3:
            return
    raise AssertionError(f"it was not scaled: {replicas(edge, deployment_id)}")


async def begun(edge: Edge, plan: Plan, deployment_id: str) -> dict[str, int]:
    """The replicas of a deployment by site, once a plan was applied and seen through."""
    await edge.succeeded((await applied(edge, plan)).operations[0])
    return replicas(edge, deployment_id)


async def stands(edge: Edge, plan: Plan, deployment_id: str, site_id: str) -> dict[str, int]:
    """The replicas of a deployment by site, once a plan was applied although the loop has scaled it at one of them."""
    await scaled(edge, deployment_id, site_id)
    now = await begun(edge, plan, deployment_id)
    assert now[site_id] == 3, "the loop's number stays"
    return now


async def test_a_proposal_stands_when_only_the_loop_has_scaled(edge) -> None:
    failover = FailoverPolicy(mode=FailoverMode.PROPOSE, toleration_seconds=0)
    deployment_id, (lost, other) = await running(edge, failover=failover)
    away = [name_of(edge, lost)]
    await edge.configure(awaySites=away)

    def proposed() -> Plan | None:
        told = edge.deployment(deployment_id).displacement
        if told is None or told.state is not DisplacementState.PROPOSED:
            return None
        return get_as(edge.view, Plan, told.plan_id)

    plan = await edge.until(proposed, what="a proposal")
    await scaled(edge, deployment_id, other, awaySites=away)
    assert get_as(edge.view, Plan, plan.id) is not None, "whoever looks at it may apply it"
    told = edge.deployment(deployment_id).displacement
    assert (told.plan_id, told.plan_generation) == (plan.id, edge.deployment(deployment_id).generation)
    now = await begun(edge, plan, deployment_id)
    assert now.pop(other) == 3, "the loop's number stays"
    assert list(now.values()) == [1]
    assert lost not in now


async def test_a_drain_stands_when_only_the_loop_has_scaled(edge) -> None:
    first, (home, other) = await running(edge, "first")
    second, _ = await running(edge, "second", policy=PlacementPolicy(max_sites=1, sites=SiteSelector(site_ids=[home])))
    await edge.change(lambda edit: edit.replace(edit.get(second), policy=PlacementPolicy(max_sites=1)))
    plan = await kept(edge, drain_id=home)
    assert plan.step_count == 2
    assert home not in await stands(edge, plan, first, other)
    assert home not in replicas(edge, second)


async def test_a_rebalance_stands_when_only_the_loop_has_scaled(edge) -> None:
    deployment_id, (dear, other) = await running(edge)
    await edge.change(lambda edit: edit.replace(edit.get(dear), price_per_core_hour=20.0))
    plan = await kept(edge, rebalancing=Rebalancing(tenant_id=edge.tenant_id))
    assert plan.moves == 1
    assert dear not in await stands(edge, plan, deployment_id, other)


async def test_a_plan_in_a_deployments_place_stands_when_only_the_loop_has_scaled(edge) -> None:
    deployment_id, (home, other) = await running(edge)
    policy = PlacementPolicy(min_sites=2, max_sites=2, sites=SiteSelector(excluded_site_ids=[home]))
    plan = await kept(edge, wish=edge.wish("shop", policy=policy), replaces=deployment_id)
    assert home not in await stands(edge, plan, deployment_id, other)


async def test_what_is_scaled_while_a_plan_is_looked_at_is_looked_at_again(edge, monkeypatch) -> None:
    deployment_id, (home, other) = await running(edge)
    plan = await kept(edge, drain_id=home)
    looked = Suppositions.not_come_true
    times = []

    async def scaled_meanwhile(*given: Any, **named: Any) -> Any:
        times.append(1)
        if len(times) == 1:
            await scaled(edge, deployment_id, other)
        return await looked(*given, **named)

    monkeypatch.setattr(Suppositions, "not_come_true", scaled_meanwhile)
    now = await begun(edge, plan, deployment_id)
    assert len(times) == 2
    assert (home in now, now[other]) == (False, 3)


@pytest.mark.parametrize("what", ["asked", "moved"])
async def test_a_plan_is_refused_when_more_than_the_loop_has_changed_it(edge, what: str) -> None:
    deployment_id, (home, other) = await running(edge)
    plan = await kept(edge, drain_id=home)
    await scaled(edge, deployment_id, other)
    if what == "asked":
        await edge.update(deployment_id, policy=PlacementPolicy(min_sites=2, max_sites=3))
    else:
        await edge.succeeded(await edge.drain(other))
    await edge.until(lambda: edge.deployment(deployment_id).operation_id is None, what="the end of it")
    with pytest.raises(PlanOutdated) as refusal:
        await applied(edge, plan)
    assert "DEPLOYMENT_CHANGED" in {one.code for one in refusal.value.reasons}


async def test_a_plan_is_refused_when_what_the_loop_wants_by_now_has_no_room_there(edge) -> None:
    deployment_id, (home, other) = await running(edge, sites=3)
    plan = await kept(edge, drain_id=home)
    [there] = set(edge.site_ids) - {home, other}
    await scaled(edge, deployment_id, other)
    _, operation = await edge.deploy("large", sites=[there], replicas={"web": 16})
    await edge.succeeded(operation)
    with pytest.raises(PlanOutdated) as refusal:
        await applied(edge, plan)
    assert {one.code for one in refusal.value.reasons} == {"CAPACITY_GONE"}
