"""Plans made on suppositions: applied when these came true or do not matter, and else refused with what is not so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from graph.kinds import Link, LinkState, Plan, Region
from graph.kinds.policy import LatencyTarget, Place, PlacementPolicy, SiteSelector
from graph.kinds.what_if import (
    CapacityChange,
    Change,
    Cordoning,
    DemandChange,
    LinkChange,
    NodesAdded,
    PriceChange,
    SiteLost,
)
from graph.values import Health, HealthStatus
from lifecycle.plans import Wanted
from lifecycle.plans_kept import Applied, PlanOutdated
from lifecycle.plans_rebalance import Rebalancing
from lifecyclekit.edge import Edge, asking, everything

ONE = PlacementPolicy(max_sites=1)


def anybody(reader: Any, plan: Plan) -> None:
    """Nobody is refused."""


async def kept(edge: Edge, *changes: Change, **wanted: Any) -> Plan:
    committed = await edge.lifecycle.plans.keep(
        Wanted(changes=changes, **wanted), asking("createPlan"), visible=everything, allowed=anybody
    )
    plan: Plan = committed.value
    return plan


async def applied(edge: Edge, plan: Plan) -> Applied:
    committed = await edge.lifecycle.plans.apply(plan.id, asking("applyPlan"), visible=everything, allowed=anybody)
    value: Applied = committed.value
    return value


async def refused(edge: Edge, plan: Plan) -> list[str]:
    """What is told to be only supposed; nothing else is."""
    with pytest.raises(PlanOutdated) as refusal:
        await applied(edge, plan)
    assert {one.code for one in refusal.value.reasons} == {"ONLY_SUPPOSED"}
    return [one.message.partition(": ")[2] for one in refusal.value.reasons]


async def running(edge: Edge, name: str, site: str) -> str:
    """A deployment that runs at a site, under a policy that lets it go elsewhere."""
    held = PlacementPolicy(max_sites=1, sites=SiteSelector(site_ids=[site]))
    deployment, operation = await edge.deploy(name, policy=held)
    await edge.succeeded(operation)
    await edge.change(lambda edit: edit.replace(edit.get(deployment.id), policy=ONE))
    return deployment.id


def place(edge: Edge, at: int, *, within_ms: float = 3.0) -> PlacementPolicy:
    """Within reach of a site, and cheap rather than near."""
    target = LatencyTarget(place=Place(site_id=edge.site_ids[at]), within_ms=within_ms)
    return PlacementPolicy(max_sites=1, latency=[target])


async def world(edge: Edge) -> list[str]:
    """Three sites on a line, 1 ms apart, of which the first is the dearest; the ids of the links."""
    await edge.network(sites=3, nodes=1)
    await edge.version()
    first, second, third = edge.site_ids

    def make(edit: Any) -> list[str]:
        for site_id, price in zip(edge.site_ids, (9.0, 3.0, 6.0), strict=True):
            edit.replace(edit.get(site_id), price_per_core_hour=price)
        return [
            edit.create(Link, from_site_id=one, to_site_id=other, latency_ms=1.0).id
            for one, other in ((first, second), (second, third))
        ]

    links: list[str] = await edge.change(make)
    return links


Case = tuple[Callable[[Edge, list[str]], Change], Callable[[Edge, Any, list[str]], Any], str]


def changed(**fields: Any) -> Callable[[Edge, Any, list[str]], Any]:
    return lambda edge, edit, links: edit.replace(edit.get(edge.site_ids[1]), **fields)


DOWN = Health(status=HealthStatus.DOWN, reasons=["no answer"])
CASES: dict[str, Case] = {
    # what is supposed, how it comes true, and what is told as long as it has not; without it the second site is chosen
    "siteLost": (lambda e, _: Change(site_lost=SiteLost(site_id=e.site_ids[1])), changed(health=DOWN), "not lost"),
    "price": (
        lambda e, _: Change(price=PriceChange(site_id=e.site_ids[1], price_per_core_hour=99.0)),
        changed(price_per_core_hour=99.0),
        "costs 3 an hour, not 99",
    ),
    "cordon": (lambda e, _: Change(cordon=Cordoning(entity_id=e.site_ids[1])), changed(schedulable=False), "cordoned"),
    "link": (
        lambda e, links: Change(link=LinkChange(link_id=links[1], state=LinkState.DOWN)),
        lambda e, edit, links: edit.replace(edit.get(links[1]), state=LinkState.DOWN),
        "'s1' - 's2' is UP",
    ),
    "latency": (
        lambda e, links: Change(link=LinkChange(link_id=links[1], latency_ms=50.0)),
        lambda e, edit, links: edit.replace(edit.get(links[1]), latency_ms=50.0),
        "takes 1 ms, not 50",
    ),
    "capacity": (
        lambda e, _: Change(capacity=CapacityChange(factor=0.01, site_ids=[e.site_ids[1]])),
        lambda e, edit, links: [
            edit.replace(edit.get(one), schedulable=False) for one in edit.ids("Node", "site_id", e.site_ids[1])
        ],
        "0.01 times the capacity",
    ),
}


@pytest.mark.parametrize("what", CASES)
@pytest.mark.parametrize("true", [False, True])
async def test_a_plan_is_begun_only_when_what_it_supposes_is_so(
    edges: Callable[..., Any], what: str, true: bool
) -> None:
    # Without workers, for an observer would find the site well again.
    async with edges(running=False) as edge:
        links = await world(edge)
        suppose, come_true, told = CASES[what]
        plan = await kept(edge, suppose(edge, links), wish=edge.wish("later", policy=place(edge, 2)))
        [step] = await edge.lifecycle.plans.steps(plan.id)
        assert step.planned.sites_after == [edge.site_ids[2]]
        if true:
            await edge.change(lambda edit: come_true(edge, edit, links))
            assert (await applied(edge, plan)).operations
        else:
            [why] = await refused(edge, plan)
            assert told in why


async def test_what_makes_no_difference_need_not_come_true(edge: Edge) -> None:
    links = await world(edge)
    idle = [
        Change(site_lost=SiteLost(site_id=edge.site_ids[0], with_links=True)),
        Change(price=PriceChange(site_id=edge.site_ids[2], price_per_core_hour=7.0)),
        Change(demand=DemandChange(factor=3.0)),
        Change(nodes_added=NodesAdded(site_id=edge.site_ids[0])),
        Change(link=LinkChange(link_id=links[1], latency_ms=1.5)),
    ]
    plan = await kept(edge, *idle, wish=edge.wish("later", policy=place(edge, 2)))
    # Nor when the graph has moved on since, so that another site would be better by now.
    await edge.change(lambda edit: edit.replace(edit.get(edge.site_ids[1]), price_per_core_hour=5.0))
    await edge.succeeded((await applied(edge, plan)).operations[0])


async def test_a_better_site_since_is_not_taken_for_a_supposition(edge: Edge) -> None:
    await world(edge)
    idle = Change(price=PriceChange(site_id=edge.site_ids[0], price_per_core_hour=9.5))
    plan = await kept(edge, idle, wish=edge.wish("later", policy=place(edge, 2)))
    await edge.change(lambda edit: edit.replace(edit.get(edge.site_ids[2]), price_per_core_hour=0.1))
    await edge.succeeded((await applied(edge, plan)).operations[0])


async def test_a_failover_plan_waits_for_the_loss(edges: Callable[..., Any]) -> None:
    async with edges() as edge:
        await world(edge)
        home = edge.site_ids[1]
        deployment_id = await running(edge, "shop", home)
        # By id and with its own price of a move it is planned anew as it was planned.
        wanted = Rebalancing(tenant_id=edge.tenant_id, deployment_ids=[deployment_id], move_penalty=100.0)
        plan = await kept(edge, Change(site_lost=SiteLost(site_id=home)), rebalancing=wanted)
        assert plan.moves == 1
        assert await refused(edge, plan) == ["site 's1' is not lost"]
        assert {one.site_id for one in edge.releases(deployment_id)} == {home}
        drain = await kept(edge, Change(site_lost=SiteLost(site_id=edge.site_ids[2])), drain_id=home)
        [step] = await edge.lifecycle.plans.steps(drain.id)
        assert step.planned.sites_after == [edge.site_ids[0]]
        assert await refused(edge, drain) == ["site 's2' is not lost"]
        assert edge.view.get(home).schedulable


async def test_a_failover_plan_is_begun_when_the_site_is_lost(edges: Callable[..., Any]) -> None:
    async with edges() as edge:
        await world(edge)
        deployment_id = await running(edge, "shop", edge.site_ids[1])
        generation = edge.deployment(deployment_id).generation
    async with edges(running=False) as edge:
        again = edge.view
        [site_id] = [one for one in again.ids("Site") if again.get(one).name == "s1"]
        [tenant_id] = again.ids("Tenant")
        lost = Change(site_lost=SiteLost(site_id=site_id))
        plan = await kept(edge, lost, rebalancing=Rebalancing(tenant_id=tenant_id))
        await edge.change(lambda edit: edit.replace(edit.get(site_id), health=DOWN))
        begun = await applied(edge, plan)
        assert [one.generation for one in begun.deployments] == [generation + 1]


async def test_demand_that_was_only_supposed_is_told(edge: Edge) -> None:
    await world(edge)
    first, second, _ = edge.site_ids

    def regions(edit: Any) -> list[str]:
        made = [
            edit.create(Region, name=f"r{n}", centre=edit.get(site_id).position, demand=demand).id
            for n, (site_id, demand) in enumerate(((first, 1.0), (second, 2.0)))
        ]
        for one in edge.site_ids:
            edit.replace(edit.get(one), price_per_core_hour=1.0)
        return made

    ids = await edge.change(regions)
    policy = PlacementPolicy(
        max_sites=1,
        sites=SiteSelector(site_ids=[first, second]),
        latency=[LatencyTarget(place=Place(region_id=one), within_ms=50.0) for one in ids],
    )
    more = Change(demand=DemandChange(factor=100.0, region_ids=[ids[0]]))
    plan = await kept(edge, more, wish=edge.wish("later", policy=policy))
    [step] = await edge.lifecycle.plans.steps(plan.id)
    assert step.planned.sites_after == [first]
    assert await refused(edge, plan) == ["100 times as many users are supposed"]
    await edge.change(lambda edit: edit.replace(edit.get(ids[0]), demand=100.0))
    await edge.succeeded((await applied(edge, plan)).operations[0])
