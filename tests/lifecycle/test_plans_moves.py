"""Plans of moves: what a drain and a rebalance would do, with the fewest moves, on the graph and on supposed ones."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from graph.kinds import Link, PlanKind
from graph.kinds.policy import ComponentPolicy, LatencyTarget, Place, PlacementPolicy, ScoreWeights, SiteSelector, Term
from graph.kinds.what_if import Change, PriceChange, SiteLost
from graph.refusal import InvalidInput, NotFound
from lifecycle.plans_moving import MAX_STEPS, MovePlan
from lifecycle.plans_rebalance import Rebalancing
from lifecycle.plans_steps import PlanOutcome
from lifecyclekit.edge import NEED, NODE, Edge, everything

ONE = PlacementPolicy(max_sites=1)
BY_PRICE = PlacementPolicy(
    max_sites=1, weights=ScoreWeights(headroom=0.0, latency=0.0, price=1.0), objective=[[Term.PRICE, Term.MOVES]]
)


async def world(edge: Edge, sites: int = 3, **given: Any) -> None:
    await edge.network(sites=sites, **given)
    await edge.version()


async def placed(edge: Edge, name: str, site: str, **fields: Any) -> str:
    """A deployment that runs at a site, under a policy that lets it go elsewhere."""
    policy = fields.pop("policy", ONE)
    held = PlacementPolicy(max_sites=1, sites=SiteSelector(site_ids=[site]))
    deployment, operation = await edge.deploy(name, policy=held, **fields)
    await edge.succeeded(operation)
    await edge.change(lambda edit: edit.replace(edit.get(deployment.id), policy=policy))
    return deployment.id


async def drained(edge: Edge, target: str, *changes: Change, **page: Any) -> MovePlan:
    plan: MovePlan = await edge.lifecycle.dry_runs.drain(target, visible=everything, changes=changes, **page)
    return plan


async def rebalanced(edge: Edge, *changes: Change, **wanted: Any) -> MovePlan:
    asked = Rebalancing(tenant_id=edge.tenant_id, **wanted)
    plan: MovePlan = await edge.lifecycle.dry_runs.rebalance(asked, visible=everything, changes=changes)
    return plan


def told(plan: MovePlan) -> dict[str, tuple[PlanOutcome, list[str], int]]:
    return {one.step.name: (one.step.outcome, one.sites_after, one.step.moves) for one in plan.steps}


async def test_a_drain_says_where_each_deployment_would_go_and_does_nothing(edge: Edge) -> None:
    await world(edge)
    home, *others = edge.site_ids
    free = await placed(edge, "free", home)
    bound, operation = await edge.deploy("bound", sites=[home])
    await edge.succeeded(operation)
    before = edge.view.revision
    plan = await drained(edge, home)
    assert (plan.kind, plan.subject_id, plan.total, plan.more, plan.moves, plan.stuck) == (
        PlanKind.DRAIN,
        home,
        2,
        False,
        1,
        1,
    )
    by_id = {one.step.deployment_id: one for one in plan.steps}
    assert list(by_id) == sorted([free, bound.id])
    assert by_id[free].step.before == [home]
    assert set(by_id[free].sites_after) <= set(others)
    assert by_id[bound.id].step.outcome is PlanOutcome.STUCK
    assert "cannot be placed" in str(by_id[bound.id].step.why)
    assert by_id[bound.id].sites_after == [home]
    assert by_id[bound.id].decision is not None
    assert not by_id[bound.id].decision.feasible
    assert edge.view.revision == before
    assert edge.view.get(home).schedulable


async def test_what_is_planned_is_what_a_drain_does(edge: Edge) -> None:
    await world(edge, sites=4)
    home = edge.site_ids[0]
    ids = [await placed(edge, f"d{number}", home) for number in range(4)]
    plan = await drained(edge, home)
    await edge.succeeded(await edge.drain(home))
    for one in plan.steps:
        assert {each.site_id for each in edge.releases(one.step.deployment_id)} == set(one.sites_after)
    assert [one.step.deployment_id for one in plan.steps] == sorted(ids)


async def test_deployments_that_leave_do_not_count_on_the_same_room(edge: Edge) -> None:
    await world(edge, sites=2, nodes=1)
    home, other = edge.site_ids
    half = NODE.cpu_millicores // NEED.cpu_millicores // 2
    for name in ("a", "b"):
        await placed(edge, name, home, replicas={"web": half})
    _, operation = await edge.deploy("there", sites=[other], replicas={"web": half})
    await edge.succeeded(operation)
    plan = await drained(edge, home)
    assert sorted(one.step.outcome.name for one in plan.steps) == ["MOVES", "STUCK"]


async def test_a_deployment_of_several_sites_stays_at_the_others(edge: Edge) -> None:
    await world(edge, sites=5)
    deployment, operation = await edge.deploy(policy=PlacementPolicy(min_sites=3, max_sites=3))
    await edge.succeeded(operation)
    here = sorted({one.site_id for one in edge.releases(deployment.id)})
    plan = await drained(edge, here[1])
    [one] = plan.steps
    assert one.step.moves == 1
    assert set(here) - {here[1]} <= set(one.sites_after)
    assert len(one.sites_after) == 3


async def test_a_site_that_is_not_needed_any_more_is_left_without_a_move(edge: Edge) -> None:
    await world(edge, sites=4)
    deployment, operation = await edge.deploy(policy=PlacementPolicy(min_sites=2, max_sites=2))
    await edge.succeeded(operation)
    here = sorted({one.site_id for one in edge.releases(deployment.id)})
    await edge.change(lambda edit: edit.replace(edit.get(deployment.id), policy=PlacementPolicy()))
    [one] = (await drained(edge, here[0])).steps
    assert (one.step.moves, one.sites_after) == (0, here[1:])


async def test_a_drained_node_is_left_within_its_site(edge: Edge) -> None:
    await world(edge, sites=2, nodes=3)
    deployment, operation = await edge.deploy(policy=ONE, replicas={"web": 2})
    await edge.succeeded(operation)
    [release] = edge.releases(deployment.id)
    node_id = next(iter(release.assignments))
    [one] = (await drained(edge, node_id)).steps
    assert (one.step.outcome, one.step.moves, one.sites_after) == (PlanOutcome.MOVES, 0, [release.site_id])
    nodes = {node for at in one.decision.placements for each in at.components for node in each.assignments}
    assert node_id not in nodes


async def crowded(edge: Edge, *priorities: int, sites: int = 2) -> list[str]:
    """Deployments at the first site, by ascending id, with priorities; the second has room for one of them."""
    await world(edge, sites=sites, nodes=1)
    home, other = edge.site_ids[:2]
    half = NODE.cpu_millicores // NEED.cpu_millicores // 2
    await edge.change(lambda edit: edit.replace(edit.get(edge.tenant_id), max_priority=100))
    many = [
        await placed(
            edge,
            f"d{number}",
            home,
            replicas={"web": half if len(priorities) < 3 else 1},
            policy=msgspec.structs.replace(ONE, priority=priority),
        )
        for number, priority in enumerate(priorities)
    ]
    left = half if len(priorities) < 3 else 2 * half - 1
    _, operation = await edge.deploy("there", sites=[other], replicas={"web": left})
    await edge.succeeded(operation)
    return many


@pytest.mark.parametrize("first", [0, 1])
async def test_the_higher_priority_has_the_room_that_is_short_and_the_drain_does_as_planned(
    edge: Edge, first: int
) -> None:
    ids = await crowded(edge, *(10 * (at == first) for at in range(2)))
    home, other = edge.site_ids
    plan = await drained(edge, home)
    outcome = {one.step.deployment_id: one.step.outcome for one in plan.steps}
    assert outcome == {ids[first]: PlanOutcome.MOVES, ids[1 - first]: PlanOutcome.STUCK}
    [stuck] = [one.step for one in plan.steps if one.step.outcome is PlanOutcome.STUCK]
    assert str(stuck.why).endswith("others that leave with it come first")
    await edge.ended((await edge.drain(home)).id)
    assert {one.site_id for one in edge.releases(ids[first])} == {other}
    assert {one.site_id for one in edge.releases(ids[1 - first])} == {home}


async def test_every_page_tells_of_the_same_drain(edge: Edge) -> None:
    ids = await crowded(edge, 0, 0, 7)
    home = edge.site_ids[0]
    whole = told(await drained(edge, home))
    assert [name for name, (outcome, _, _) in whole.items() if outcome is PlanOutcome.MOVES] == ["d2"]
    pages = [told(await drained(edge, home, first=1, after=after)) for after in (None, ids[0], ids[1])]
    assert {name: step for page in pages for name, step in page.items()} == whole


async def test_two_that_leave_a_node_do_not_count_on_the_same_room_at_their_site(edge: Edge) -> None:
    await world(edge, sites=1, nodes=3)
    home = edge.site_ids[0]
    half = NODE.cpu_millicores // NEED.cpu_millicores // 2
    nodes = list(edge.view.ids("Node", "site_id", home))
    on = {}
    for node in nodes:  # half of each of the other nodes is taken
        await edge.change(
            lambda edit, mine=node: [
                edit.replace(edit.get(one), schedulable=one == mine) for one in edit.ids("Node", "site_id", home)
            ]
        )
        for number in range(2 if node == nodes[0] else 1):
            on[await placed(edge, f"{node}-{number}", home, replicas={"web": half})] = node
    await edge.change(
        lambda edit: [edit.replace(edit.get(one), schedulable=True) for one in edit.ids("Node", "site_id", home)]
    )
    plan = await drained(edge, nodes[0])
    assert [one.step.outcome for one in plan.steps] == [PlanOutcome.MOVES] * 2
    taken = [
        node
        for one in plan.steps
        for at in one.decision.placements
        for each in at.components
        for node in each.assignments
    ]
    assert sorted(taken) == sorted(nodes[1:])
    await edge.succeeded(await edge.drain(nodes[0]))
    assert not edge.view.ids("Release", "assignments", nodes[0])


async def test_a_drain_is_planned_page_by_page(edge: Edge) -> None:
    await world(edge)
    home = edge.site_ids[0]
    ids = sorted([await placed(edge, f"d{number}", home) for number in range(5)])
    first = await drained(edge, home, first=3)
    assert ([one.step.deployment_id for one in first.steps], first.more, first.total) == (ids[:3], True, 5)
    rest = await drained(edge, home, first=3, after=ids[2])
    assert ([one.step.deployment_id for one in rest.steps], rest.more, rest.total) == (ids[3:], False, 5)


async def test_a_failover_is_planned_before_the_site_is_lost(edge: Edge) -> None:
    await world(edge)
    home, second, third = edge.site_ids
    await placed(edge, "shop", home)
    lost = [Change(site_lost=SiteLost(site_id=one)) for one in (home, second)]
    [one] = (await drained(edge, home, *lost)).steps
    assert one.sites_after == [third]
    [one] = (await rebalanced(edge, *lost)).steps
    assert (one.step.outcome, one.sites_after, one.step.cost_before) == (PlanOutcome.MOVES, [third], None)
    assert (await rebalanced(edge)).moves == 0, "as long as it is there nothing moves"


@pytest.mark.parametrize("what", ["link", "tenant", "nothing"])
async def test_only_sites_and_nodes_are_drained(edge: Edge, what: str) -> None:
    await world(edge)
    pair = edge.site_ids[:2]
    link = await edge.change(
        lambda edit: edit.create(Link, from_site_id=pair[0], to_site_id=pair[1], latency_ms=1.0).id
    )
    target = {"link": link, "tenant": edge.tenant_id, "nothing": "site_gone"}[what]
    with pytest.raises(NotFound) as refusal:
        await drained(edge, target)
    assert refusal.value.path == "input.id"


@pytest.mark.parametrize("first", [0, -1, MAX_STEPS + 1])
async def test_pages_are_bounded(edge: Edge, first: int) -> None:
    await world(edge)
    with pytest.raises(InvalidInput):
        await drained(edge, edge.site_ids[0], first=first)
    with pytest.raises(InvalidInput):
        await rebalanced(edge, first=first)


# Rebalances


async def priced(edge: Edge, **prices: float) -> None:
    def change(edit: Any) -> None:
        for name, price in prices.items():
            edit.replace(edit.get(edge.site_ids[int(name[1:])]), price_per_core_hour=price)

    await edge.change(change)


@pytest.mark.parametrize(("penalty", "moves"), [(0.0, 1), (3.9, 1), (4.1, 0), (None, 1), (100.0, 0)])
async def test_a_move_is_made_when_it_gains_more_than_it_costs(edge: Edge, penalty: float | None, moves: int) -> None:
    # Half a core at 10 an hour costs 5, at 2 an hour 1.
    await world(edge)
    await placed(edge, "shop", edge.site_ids[0], policy=BY_PRICE)
    await priced(edge, s0=10.0, s1=2.0, s2=10.0)
    plan = await rebalanced(edge, move_penalty=penalty)
    [one] = plan.steps
    assert plan.moves == moves
    assert one.step.cost_before.price == pytest.approx(5.0)
    if moves:
        assert one.sites_after == [edge.site_ids[1]]
        assert one.step.cost_after.price == pytest.approx(1.0)
        assert one.step.cost_after.moves == pytest.approx(1.0 if penalty is None else penalty)
    else:
        assert one.step.cost_after == one.step.cost_before
    assert plan.cost_before.price == pytest.approx(5.0)


async def test_a_price_that_is_supposed_is_enough(edge: Edge) -> None:
    await world(edge)
    await placed(edge, "shop", edge.site_ids[0], policy=BY_PRICE)
    dear = Change(price=PriceChange(site_id=edge.site_ids[0], price_per_core_hour=10.0))
    assert (await rebalanced(edge, dear)).moves == 1
    assert (await rebalanced(edge)).moves == 0


async def test_what_gains_most_moves_first_when_moves_are_bounded(edge: Edge) -> None:
    await world(edge)
    for name, count in (("small", 1), ("large", 4)):
        await placed(edge, name, edge.site_ids[0], policy=BY_PRICE, replicas={"web": count})
    await priced(edge, s0=10.0, s1=2.0, s2=10.0)
    plan = await rebalanced(edge, move_penalty=0.0, max_moves=1)
    assert {name: outcome.name for name, (outcome, _, _) in told(plan).items()} == {"small": "STAYS", "large": "MOVES"}
    [small] = [one for one in plan.steps if one.step.name == "small"]
    assert "0 are left" in str(small.step.why)


async def test_two_do_not_take_the_same_room(edge: Edge) -> None:
    await world(edge, sites=2, nodes=1)
    most = NODE.cpu_millicores // NEED.cpu_millicores
    for name in ("a", "b"):
        await placed(edge, name, edge.site_ids[0], policy=BY_PRICE, replicas={"web": most // 2})
    _, operation = await edge.deploy("there", sites=[edge.site_ids[1]], replicas={"web": most // 2})
    await edge.succeeded(operation)
    await priced(edge, s0=10.0, s1=1.0)
    found = told(await rebalanced(edge, move_penalty=0.0))
    assert sorted(found[name][0].name for name in ("a", "b")) == ["MOVES", "STAYS"]
    assert found["there"][0] is PlanOutcome.STAYS


async def test_what_cannot_stay_is_repaired_with_the_fewest_moves(edge: Edge) -> None:
    await world(edge, sites=5)
    deployment, operation = await edge.deploy(policy=PlacementPolicy(min_sites=3, max_sites=3))
    await edge.succeeded(operation)
    here = sorted({one.site_id for one in edge.releases(deployment.id)})
    plan = await rebalanced(edge, Change(site_lost=SiteLost(site_id=here[0])), move_penalty=1000.0)
    [one] = plan.steps
    assert one.step.moves == 1
    assert set(here[1:]) <= set(one.sites_after)
    stuck = await rebalanced(edge, *(Change(site_lost=SiteLost(site_id=each)) for each in edge.site_ids))
    assert (stuck.stuck, stuck.moves) == (1, 0)


async def test_a_component_with_sites_of_its_own_stays_where_it_is(edge: Edge) -> None:
    await edge.network(sites=3)
    await edge.version(web={}, db={})
    policy = PlacementPolicy(
        min_sites=2, max_sites=2, components=[ComponentPolicy(component="db", apart=True, max_sites=1)]
    )
    _, operation = await edge.deploy(policy=policy)
    await edge.succeeded(operation)
    [one] = (await rebalanced(edge)).steps
    assert (one.step.outcome, one.step.moves) == (PlanOutcome.STAYS, 0)
    assert one.step.cost_before is not None


async def test_a_lost_site_is_repaired_with_the_higher_priority_first(edge: Edge) -> None:
    ids = await crowded(edge, 1, 2)
    plan = await rebalanced(edge, Change(site_lost=SiteLost(site_id=edge.site_ids[0])))
    outcome = {one.step.deployment_id: one.step.outcome for one in plan.steps if one.step.deployment_id in ids}
    assert outcome == {ids[0]: PlanOutcome.STUCK, ids[1]: PlanOutcome.MOVES}


async def test_a_cordon_moves_nothing(edge: Edge) -> None:
    await world(edge)
    await placed(edge, "shop", edge.site_ids[0])
    await edge.change(lambda edit: edit.replace(edit.get(edge.site_ids[0]), schedulable=False))
    assert (await rebalanced(edge)).moves == 0


async def test_latency_that_is_broken_by_now_is_repaired(edge: Edge) -> None:
    await world(edge)
    first, second, third = edge.site_ids
    links = await edge.change(
        lambda edit: [
            edit.create(Link, from_site_id=a, to_site_id=b, latency_ms=1.0).id
            for a, b in ((first, third), (second, third))
        ]
    )
    near = PlacementPolicy(
        max_sites=1,
        latency=[LatencyTarget(place=Place(site_id=third), within_ms=2.0)],
        sites=SiteSelector(site_ids=[first, second]),
    )
    await placed(edge, "shop", first, policy=near)
    assert (await rebalanced(edge)).moves == 0
    await edge.change(lambda edit: edit.replace(edit.get(links[0]), latency_ms=9.0))
    [one] = (await rebalanced(edge)).steps
    assert one.sites_after == [second]


async def test_deployments_are_chosen_by_id_by_label_or_all(edge: Edge) -> None:
    await world(edge)
    ids = [await placed(edge, name, edge.site_ids[0], labels={"team": name}) for name in ("a", "b", "c")]
    assert [one.step.name for one in (await rebalanced(edge)).steps] == ["a", "b", "c"]
    assert [one.step.name for one in (await rebalanced(edge, labels="team in (a,c)")).steps] == ["a", "c"]
    assert [one.step.name for one in (await rebalanced(edge, deployment_ids=ids[:2])).steps] == ["a", "b"]
    page = await rebalanced(edge, first=2)
    assert ([one.step.name for one in page.steps], page.more, page.total) == (["a", "b"], True, 3)
    assert [one.step.name for one in (await rebalanced(edge, first=2, after=ids[1])).steps] == ["c"]


@pytest.mark.parametrize(
    ("wanted", "kind", "path"),
    [
        ({"deployment_ids": ["deployment_gone"]}, NotFound, "input.deploymentIds[0]"),
        ({"deployment_ids": ["x"], "labels": "a=b"}, InvalidInput, "input.labels"),
        ({"labels": "a=="}, InvalidInput, None),
        ({"labels": "=="}, InvalidInput, "input.labels"),
        ({"move_penalty": -1.0}, InvalidInput, "input.movePenalty"),
        ({"max_moves": -1}, InvalidInput, "input.maxMoves"),
    ],
)
async def test_a_wrong_rebalance_is_named(
    edge: Edge, wanted: dict[str, Any], kind: type[Exception], path: str | None
) -> None:
    await world(edge)
    if path is None:
        assert (await rebalanced(edge, **wanted)).total == 0
        return
    with pytest.raises(kind) as refusal:
        await rebalanced(edge, **wanted)
    assert refusal.value.path == path
    assert "smaller" not in str(getattr(refusal.value, "remedy", None))
