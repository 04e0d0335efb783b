"""The whole life of apps whose components have sites of their own: each keeps to its own, and every plan can be done."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from graph.kinds import Deployment, Link, Plan
from graph.kinds.policy import (
    ComponentPolicy,
    Division,
    LatencyTarget,
    Place,
    PlacementPolicy,
    ScoreWeights,
    SiteSelector,
    Term,
)
from graph.kinds.what_if import Change, SiteLost
from graph.view import each
from lifecycle.plans import Wanted
from lifecycle.plans_kept import Applied, PlanOutdated
from lifecycle.plans_moving import MovePlan
from lifecycle.plans_rebalance import Rebalancing
from lifecycle.plans_steps import PlanOutcome
from lifecyclekit.edge import Edge, asking, everything


def anybody(reader: Any, plan: Plan) -> None:
    """Nobody is refused."""


def policy_of(edge: Edge, *, within_ms: float = 2.0, never_with: bool = True, **fields: Any) -> PlacementPolicy:
    """`web` near the first site, `db` at none of the first two, within 5 ms of it."""
    first, rest = edge.site_ids[0], edge.site_ids[2:]
    db = ComponentPolicy(
        component="db",
        apart=True,
        sites=SiteSelector(site_ids=rest),
        serves=["web"],
        within_ms=5.0,
        never_with=["web"] if never_with else [],
        max_sites=1,
    )
    given: dict[str, Any] = {
        "latency": [LatencyTarget(place=Place(site_id=first), within_ms=within_ms)],
        "max_sites": 1,
        "components": [db],
    }
    return PlacementPolicy(**{**given, **fields})


async def world(edge: Edge, sites: int = 5) -> list[str]:
    """Sites on a line, 1.5 ms between neighbours; the ids of the links."""
    await edge.network(sites=sites)
    await edge.version(web={}, db={})
    pairs = list(zip(edge.site_ids, edge.site_ids[1:], strict=False))
    links: list[str] = await edge.change(
        lambda edit: [edit.create(Link, from_site_id=a, to_site_id=b, latency_ms=1.5).id for a, b in pairs]
    )
    return links


async def kept(edge: Edge, **wanted: Any) -> Plan:
    committed = await edge.lifecycle.plans.keep(
        Wanted(**wanted), asking("createPlan"), visible=everything, allowed=anybody
    )
    plan: Plan = committed.value
    return plan


async def applied(edge: Edge, plan: Plan) -> Applied:
    committed = await edge.lifecycle.plans.apply(plan.id, asking("applyPlan"), visible=everything, allowed=anybody)
    value: Applied = committed.value
    return value


async def rebalanced(edge: Edge, *changes: Change, **wanted: Any) -> MovePlan:
    asked = Rebalancing(tenant_id=edge.tenant_id, **wanted)
    plan: MovePlan = await edge.lifecycle.dry_runs.rebalance(asked, visible=everything, changes=changes)
    return plan


def places(edge: Edge, deployment_id: str) -> dict[str, list[str]]:
    """By component the names of the sites where it is to stay."""
    found: dict[str, list[str]] = {}
    for one in edge.releases(deployment_id):
        if one.stays:
            component, site = edge.view.get(one.component_id), edge.view.get(one.site_id)
            found.setdefault(component.name, []).append(site.name)
    return {name: sorted(sites) for name, sites in found.items()}


async def running(edge: Edge, **fields: Any) -> Deployment:
    deployment, operation = await edge.deploy(policy=policy_of(edge, **fields))
    await edge.succeeded(operation)
    return deployment


async def test_a_plan_of_components_apart_is_begun_as_it_was_planned(edge: Edge) -> None:
    await world(edge)
    plan = await kept(edge, wish=edge.wish("later", policy=policy_of(edge)))
    begun = await applied(edge, plan)
    await edge.succeeded(begun.operations[0])
    assert places(edge, begun.deployments[0].id) == {"web": ["s0"], "db": ["s2"]}


async def test_what_links_planned_sites_is_looked_at_again(edge: Edge) -> None:
    links = await world(edge)
    plan = await kept(edge, wish=edge.wish("later", policy=policy_of(edge)))
    await edge.change(lambda edit: edit.replace(edit.get(links[1]), latency_ms=30.0))
    with pytest.raises(PlanOutdated) as refusal:
        await applied(edge, plan)
    [reason] = refusal.value.reasons
    assert reason.code == "POLICY_BROKEN"
    assert "db within 5 ms of" in reason.message


async def test_a_planned_site_is_refused_for_the_component_that_it_is_for(edge: Edge) -> None:
    await world(edge)
    plan = await kept(edge, wish=edge.wish("later", policy=policy_of(edge)))
    await edge.change(lambda edit: edit.replace(edit.get(edge.site_ids[2]), schedulable=False))
    with pytest.raises(PlanOutdated) as refusal:
        await applied(edge, plan)
    [reason] = refusal.value.reasons
    assert reason.code == "POLICY_BROKEN"
    assert "'s2'" in reason.message
    assert "cordon" in reason.message


@pytest.mark.parametrize("component", ["web", "db"])
@pytest.mark.parametrize("objective", [[], [[Term.LATENCY], [Term.SITES]]])
async def test_scaling_leaves_every_component_where_it_is(
    edge: Edge, component: str, objective: list[list[Term]]
) -> None:
    await world(edge)
    deployment = await running(edge, within_ms=10.0, never_with=False, max_sites=None, objective=objective)
    before = places(edge, deployment.id)
    await edge.succeeded((await edge.scale(deployment.id, **{component: 2})).operation)
    assert places(edge, deployment.id) == before
    assert {one.replicas for one in edge.releases(deployment.id)} == {1, 2}


async def test_a_new_version_leaves_every_component_where_it_is(edge: Edge) -> None:
    await world(edge)
    deployment = await running(edge, within_ms=10.0, never_with=False, max_sites=None)
    before = places(edge, deployment.id)
    other = await edge.version("2", reference="shop:2", web={}, db={}, log={})
    await edge.succeeded((await edge.update(deployment.id, app_version_id=other)).operation)
    assert places(edge, deployment.id) == {**before, "log": before["web"]}


async def test_what_cannot_stay_as_a_whole_is_placed_anew(edge: Edge) -> None:
    await world(edge)
    deployment = await running(edge)
    await edge.change(
        lambda edit: [
            edit.replace(edit.get(one), schedulable=False) for one in edit.ids("Node", "site_id", edge.site_ids[2])
        ]
    )
    await edge.succeeded((await edge.scale(deployment.id, db=2)).operation)
    assert places(edge, deployment.id) == {"web": ["s0"], "db": ["s3"]}


async def test_a_total_that_grows_or_shrinks_stays_where_it_is(edge: Edge) -> None:
    await world(edge)
    deployment, operation = await edge.deploy(
        policy=policy_of(edge, latency=[], max_sites=2, division=Division()), replicas={"web": 4, "db": 2}
    )
    await edge.succeeded(operation)
    before = places(edge, deployment.id)
    assert len(before["web"]) == 2
    for total in (6, 2):
        await edge.succeeded((await edge.scale(deployment.id, web=total, db=2)).operation)
        assert places(edge, deployment.id) == before
    await edge.succeeded((await edge.scale(deployment.id, web=1, db=2)).operation)
    after = places(edge, deployment.id)
    assert after["db"] == before["db"]
    assert set(after["web"]) < set(before["web"])


async def test_a_rebalance_moves_nothing_where_nothing_has_changed(edge: Edge) -> None:
    await world(edge)
    await running(edge, within_ms=10.0, never_with=False, max_sites=None)
    [one] = (await rebalanced(edge)).steps
    assert (one.step.outcome, one.step.moves) == (PlanOutcome.STAYS, 0)
    assert one.step.cost_before is not None


@pytest.mark.parametrize("weight", [0.0, 1.0])
@pytest.mark.parametrize("lost", [0, 2])
async def test_a_lost_site_moves_only_what_ran_there(edge: Edge, lost: int, weight: float) -> None:
    await world(edge)
    deployment = await running(edge, weights=ScoreWeights(moves=weight))
    before = places(edge, deployment.id)
    gone = Change(site_lost=SiteLost(site_id=edge.site_ids[lost]))
    [one] = (await rebalanced(edge, gone)).steps
    assert (one.step.outcome, one.step.moves) == (PlanOutcome.MOVES, 1)
    plan = await kept(edge, rebalancing=Rebalancing(tenant_id=edge.tenant_id), changes=[gone])
    [one] = [each.planned for each in await edge.lifecycle.plans.steps(plan.id)]
    assert one.step.moves == 1
    stays = "db" if lost == 0 else "web"
    after: dict[str, list[str]] = {}
    for at in one.decision.placements:
        for placed in at.components:
            after.setdefault(edge.view.get(placed.component_id).name, []).append(edge.view.get(at.site_id).name)
    assert after[stays] == before[stays]
    assert after != before


@pytest.mark.parametrize("drained", [0, 2])
async def test_a_drain_is_planned_kept_and_done(edge: Edge, drained: int) -> None:
    await world(edge)
    deployment = await running(edge)
    before = places(edge, deployment.id)
    plan = await kept(edge, drain_id=edge.site_ids[drained])
    assert (plan.moves, plan.stuck) == (1, 0)
    await edge.succeeded((await applied(edge, plan)).operations[0])
    expected = {"web": ["s1"], "db": before["db"]} if drained == 0 else {"web": before["web"], "db": ["s3"]}
    assert places(edge, deployment.id) == expected


async def test_a_gain_of_one_component_is_planned_kept_and_done(edge: Edge) -> None:
    await world(edge)
    by_price = [[Term.PRICE, Term.MOVES]]
    deployment = await running(edge, weights=ScoreWeights(price=1.0, moves=0.1), objective=by_price)
    before = places(edge, deployment.id)

    def prices(edit: Any) -> None:
        for one in edge.site_ids:
            edit.replace(edit.get(one), price_per_core_hour=1.0 if edit.get(one).name == "s3" else 10.0)

    await edge.change(prices)
    plan = await kept(edge, rebalancing=Rebalancing(tenant_id=edge.tenant_id))
    assert (plan.moves, plan.stuck) == (1, 0)
    for operation in (await applied(edge, plan)).operations:
        await edge.succeeded(operation)
    assert places(edge, deployment.id) == {"web": before["web"], "db": ["s3"]}


async def test_one_that_gains_by_leaving_a_site_leaves_it(edge: Edge) -> None:
    await world(edge)
    deployment, operation = await edge.deploy(
        policy=PlacementPolicy(
            sites=SiteSelector(site_ids=edge.site_ids[:2]),
            min_sites=2,
            components=[ComponentPolicy(component="db", apart=True, min_sites=2)],
        )
    )
    await edge.succeeded(operation)
    fewer = PlacementPolicy(
        sites=SiteSelector(site_ids=edge.site_ids[:2]),
        min_sites=2,
        components=[ComponentPolicy(component="db", apart=True)],
        objective=[[Term.PRICE]],
    )
    await edge.change(lambda edit: edit.replace(edit.get(deployment.id), policy=fewer))
    await edge.change(lambda edit: [edit.replace(edit.get(one), price_per_core_hour=5.0) for one in edge.site_ids])
    [one] = (await rebalanced(edge)).steps
    assert one.step.outcome is PlanOutcome.MOVES
    assert len(one.sites_after) == 2


async def test_replacing_one_by_a_plan_is_begun_as_it_was_planned(edge: Edge) -> None:
    await world(edge)
    deployment = await running(edge)
    policy = msgspec.structs.replace(policy_of(edge), min_sites=1)
    plan = await kept(edge, wish=edge.wish("ignored", policy=policy, replicas={"db": 2}), replaces=deployment.id)
    for operation in (await applied(edge, plan)).operations:
        await edge.succeeded(operation)
    assert len(list(each(edge.view, Deployment))) == 1
