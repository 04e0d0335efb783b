"""Suppositions: what they change on the copy, what they refuse, and that the graph itself stays as it is."""

from __future__ import annotations

from typing import Any

import pytest

from graph.kinds import Cluster, Link, LinkState, Node, Region, Site, SiteRole
from graph.kinds.policy import Coverage, LatencyTarget, Place, PlacementPolicy, ScoreWeights, SiteSelector
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
from graph.refusal import InvalidInput, LimitExceeded, NotFound
from graph.values import HealthStatus, Position, Resources
from graph.view import each
from lifecycle.what_if import LOST, MAX_CHANGES, supposed
from lifecyclekit.edge import NEED, NODE, Edge, everything
from placement.coverage import coverage_targets

ONE = PlacementPolicy(max_sites=1)


async def world(edge: Edge, sites: int = 3) -> Edge:
    await edge.network(sites=sites)
    await edge.version()
    return edge


async def planned(edge: Edge, *changes: Change, **wish: Any) -> Any:
    wish.setdefault("policy", ONE)
    chosen = await edge.lifecycle.dry_runs.deployment(
        edge.wish("supposed", **wish), visible=everything, changes=changes
    )
    assert chosen.body is None, "what is only looked at has no words for every site"
    return chosen.decision.whole()


def sites_of(decision: Any) -> list[str]:
    return [one.site_id for one in decision.placements]


def refused(decision: Any, site_id: str) -> set[str]:
    [found] = [one for one in decision.refusals if one.site_id == site_id]
    return {one.rule for one in found.reasons}


async def test_a_lost_site_is_not_chosen_and_says_that_it_is_supposed(edge: Edge) -> None:
    await world(edge)
    [home] = sites_of(await planned(edge))
    after = await planned(edge, Change(site_lost=SiteLost(site_id=home)))
    assert sites_of(after) != [home]
    [reason] = next(one.reasons for one in after.refusals if one.site_id == home)
    assert (reason.rule, "supposed to be lost" in reason.message) == ("health", True)
    assert sites_of(await planned(edge)) == [home]


async def test_nothing_is_written_and_the_same_question_has_the_same_answer(edge: Edge) -> None:
    await world(edge)
    added = Change(nodes_added=NodesAdded(site_id=edge.site_ids[0], count=3))
    before = edge.view.count("Node"), edge.view.count("Plan")
    first = await planned(edge, added, replicas={"web": 20}, sites=[edge.site_ids[0]])
    again = await planned(edge, added, replicas={"web": 20}, sites=[edge.site_ids[0]])
    assert first.feasible
    assert (first.placements, first.refusals) == (again.placements, again.refusals)
    assert before == (edge.view.count("Node"), edge.view.count("Plan"))


async def test_nodes_that_are_added_make_room(edge: Edge) -> None:
    await world(edge, sites=1)
    [site] = edge.site_ids
    too_many = {"web": 2 * NODE.cpu_millicores // NEED.cpu_millicores + 1}
    assert not (await planned(edge, replicas=too_many)).feasible
    enough = await planned(edge, Change(nodes_added=NodesAdded(site_id=site)), replicas=too_many)
    assert enough.feasible
    tiny = Resources(cpu_millicores=10, memory_bytes=1)
    assert not (
        await planned(edge, Change(nodes_added=NodesAdded(site_id=site, capacity=tiny)), replicas=too_many)
    ).feasible


@pytest.mark.parametrize(("factor", "feasible"), [(0.0, False), (0.5, False), (1.0, True), (2.0, True)])
async def test_capacity_is_scaled(edge: Edge, factor: float, feasible: bool) -> None:
    await world(edge, sites=1)
    full = {"web": 2 * NODE.cpu_millicores // NEED.cpu_millicores}
    change = Change(capacity=CapacityChange(factor=factor, site_ids=edge.site_ids))
    assert (await planned(edge, change, replicas=full)).feasible is feasible
    nodes = list(edge.view.ids("Node", "site_id", edge.site_ids[0]))
    change = Change(capacity=CapacityChange(factor=factor, node_ids=nodes))
    assert (await planned(edge, change, replicas=full)).feasible is feasible


async def test_a_price_changes_what_is_best(edge: Edge) -> None:
    await world(edge)
    cheap = edge.site_ids[2]
    policy = PlacementPolicy(max_sites=1, weights=ScoreWeights(headroom=0.0, price=1.0))
    dear = [
        Change(price=PriceChange(site_id=one, price_per_core_hour=0.1 if one == cheap else 9.0))
        for one in edge.site_ids
    ]
    decision = await planned(edge, *dear, policy=policy)
    assert sites_of(decision) == [cheap]
    assert decision.objective.price_per_hour == pytest.approx(0.1 * NEED.cpu_millicores / 1000)


async def linked(edge: Edge) -> list[str]:
    """s0 - s1 - s2, each link of 5 ms."""
    await world(edge)
    pairs = zip(edge.site_ids, edge.site_ids[1:], strict=False)

    def make(edit: Any) -> list[str]:
        return [edit.create(Link, from_site_id=a, to_site_id=b, latency_ms=5.0).id for a, b in pairs]

    made: list[str] = await edge.change(make)
    return made


def near(edge: Edge, number: int, within: float) -> PlacementPolicy:
    place = Place(site_id=edge.site_ids[number])
    return PlacementPolicy(
        max_sites=1,
        latency=[LatencyTarget(place=place, within_ms=within)],
        sites=SiteSelector(site_ids=[edge.site_ids[0]]),
    )


async def test_links_are_lost_restored_and_slowed(edge: Edge) -> None:
    links = await linked(edge)
    policy = near(edge, 2, 12.0)
    assert (await planned(edge, policy=policy)).feasible
    down = Change(link=LinkChange(link_id=links[1], state=LinkState.DOWN))
    up = Change(link=LinkChange(link_id=links[1], state=LinkState.UP))
    slow = Change(link=LinkChange(link_id=links[0], latency_ms=7.5))
    assert not (await planned(edge, down, policy=policy)).feasible
    assert (await planned(edge, down, up, policy=policy)).feasible, "in their order"
    assert not (await planned(edge, slow, policy=policy)).feasible


async def test_a_lost_site_takes_its_links_with_it_when_asked_to(edge: Edge) -> None:
    await linked(edge)
    policy, middle = near(edge, 2, 12.0), edge.site_ids[1]
    assert (await planned(edge, Change(site_lost=SiteLost(site_id=middle)), policy=policy)).feasible
    cut = Change(site_lost=SiteLost(site_id=middle, with_links=True))
    assert not (await planned(edge, cut, policy=policy)).feasible


@pytest.mark.parametrize("kind", ["Site", "Node", "Cluster"])
async def test_cordons_are_supposed_and_taken_off(edge: Edge, kind: str) -> None:
    await world(edge, sites=1)
    ids = edge.view.ids(kind)
    on = [Change(cordon=Cordoning(entity_id=one)) for one in ids]
    off = [Change(cordon=Cordoning(entity_id=one, schedulable=True)) for one in ids]
    decision = await planned(edge, *on)
    assert not decision.feasible
    assert {"Site": "cordon", "Node": "node_cordoned", "Cluster": "no_cluster"}[kind] in refused(
        decision, edge.site_ids[0]
    ) | ({"no_cluster"} if "cordon" in refused(decision, edge.site_ids[0]) else set())
    assert (await planned(edge, *on, *off)).feasible


async def test_demand_is_scaled_for_regions_and_those_below(edge: Edge) -> None:
    await world(edge)
    coast = edge.view.ids("Region")[0]

    def make(edit: Any) -> tuple[str, str]:
        edit.replace(edit.get(coast), demand=3.0)
        below = edit.create(Region, name="bay", parent_id=coast, demand=10.0)
        other = edit.create(Region, name="hills", demand=7.0)
        return below.id, other.id

    below, other = await edge.change(make)
    some = supposed(edge.ledger.view, [Change(demand=DemandChange(factor=2, region_ids=[coast]))], visible=everything)
    assert [some.get(one).demand for one in (coast, below, other)] == [6.0, 20.0, 7.0]
    every = supposed(edge.ledger.view, [Change(demand=DemandChange(factor=0.5))], visible=everything)
    assert [every.get(one).demand for one in (coast, below, other)] == [1.5, 5.0, 3.5]
    assert [edge.view.get(one).demand for one in (coast, below, other)] == [3.0, 10.0, 7.0]


async def test_a_region_without_users_weighs_next_to_nothing_and_one_that_states_none_is_scaled_as_one(
    edge: Edge,
) -> None:
    await world(edge)

    def make(edit: Any) -> list[str]:
        centre = Position(longitude=1.0, latitude=2.0)
        stated = edit.create(Region, name="bay", centre=centre, demand=0.5)
        other = edit.create(Region, name="hills", centre=centre, demand=0.25)
        none = edit.create(Region, name="plain", centre=centre)
        return [stated.id, other.id, none.id]

    stated, other, none = await edge.change(make)
    coverage = [Coverage(within_km=10.0, region_ids=[stated, other, none])]

    def weights(*changes: Change) -> dict[str, float]:
        graph = supposed(edge.ledger.view, list(changes), visible=everything)
        return {one.place: one.demand for one in coverage_targets(graph, coverage, tenant_id=None, path="")}

    assert weights() == {"bay": 0.5, "hills": 0.25, "plain": 1.0}
    empty = weights(Change(demand=DemandChange(factor=0, region_ids=[stated])))
    assert 0 < empty["bay"] < 1e-6
    assert weights(Change(demand=DemandChange(factor=3, region_ids=[none])))["plain"] == 3.0
    assert weights(Change(demand=DemandChange(factor=2))) == {"bay": 1.0, "hills": 0.5, "plain": 2.0}
    assert edge.view.get(other).demand == 0.25


async def test_the_copy_goes_on_following_the_graph(edge: Edge) -> None:
    await world(edge)
    first, second, third = edge.site_ids
    copy = supposed(edge.ledger.view, [Change(site_lost=SiteLost(site_id=first))], visible=everything)
    await edge.change(lambda edit: edit.replace(edit.get(second), schedulable=False))
    assert copy.get(first).health.status is HealthStatus.DOWN
    assert not copy.get(second).schedulable
    assert copy.get(third).schedulable
    assert copy.revision == edge.view.revision


def wrong(site: str) -> list[tuple[Change, type[Exception], str]]:
    nodes = NodesAdded(site_id=site)
    return [
        (Change(), InvalidInput, "whatIf[0]"),
        (
            Change(site_lost=SiteLost(site_id=site), cordon=Cordoning(entity_id=site)),
            InvalidInput,
            "whatIf[0]",
        ),
        (Change(site_lost=SiteLost(site_id="site_gone")), NotFound, "whatIf[0].siteLost.siteId"),
        (Change(link=LinkChange(link_id="link_gone", latency_ms=1)), NotFound, "whatIf[0].link.linkId"),
        (Change(link=LinkChange(link_id="link_gone")), InvalidInput, "whatIf[0].link"),
        (Change(price=PriceChange(site_id="no", price_per_core_hour=1)), NotFound, "whatIf[0].price.siteId"),
        (Change(demand=DemandChange(factor=2, region_ids=["no"])), NotFound, "whatIf[0].demand.regionIds[0]"),
        (Change(capacity=CapacityChange(factor=2)), InvalidInput, "whatIf[0].capacity"),
        (Change(capacity=CapacityChange(factor=2, node_ids=[site])), NotFound, "whatIf[0].capacity.nodeIds[0]"),
        (Change(nodes_added=NodesAdded(site_id="no")), NotFound, "whatIf[0].nodesAdded.siteId"),
        (
            Change(nodes_added=NodesAdded(site_id=site, like_node_id="no")),
            NotFound,
            "whatIf[0].nodesAdded.likeNodeId",
        ),
        (
            Change(nodes_added=NodesAdded(site_id=site, cluster_id="no")),
            NotFound,
            "whatIf[0].nodesAdded.clusterId",
        ),
        (Change(cordon=Cordoning(entity_id="no")), NotFound, "whatIf[0].cordon.entityId"),
        (Change(nodes_added=nodes), InvalidInput, ""),
    ]


async def test_what_cannot_be_supposed_is_named(edge: Edge) -> None:
    await world(edge, sites=1)
    for change, kind, path in wrong(edge.site_ids[0])[:-1]:
        with pytest.raises(kind) as refusal:
            supposed(edge.ledger.view, [change], visible=everything)
        assert refusal.value.path == path, change
    with pytest.raises(LimitExceeded):
        supposed(edge.ledger.view, [Change()] * (MAX_CHANGES + 1), visible=everything)


async def test_nodes_need_a_site_that_runs_things_a_cluster_and_a_shape(edge: Edge) -> None:
    await world(edge, sites=1)

    def make(edit: Any) -> tuple[str, str]:
        region = edit.view_region if hasattr(edit, "view_region") else next(each(edit, Region)).id
        bare = edit.create(Site, name="bare", region_id=region).id
        return bare, edit.create(Site, name="way", region_id=region, role=SiteRole.TRANSIT).id

    bare, way = await edge.change(make)
    small = Resources(cpu_millicores=1000, memory_bytes=1 << 30)
    cluster = next(each(edge.view, Cluster)).id
    for given, path in (
        (NodesAdded(site_id=way), "siteId"),
        (NodesAdded(site_id=bare), "capacity"),
        (NodesAdded(site_id=bare, capacity=small), "clusterId"),
    ):
        with pytest.raises(InvalidInput) as refusal:
            supposed(edge.ledger.view, [Change(nodes_added=given)], visible=everything)
        assert refusal.value.path == f"whatIf[0].nodesAdded.{path}"
    whole = NodesAdded(site_id=bare, capacity=small, cluster_id=cluster, count=2)
    copy = supposed(edge.ledger.view, [Change(nodes_added=whole), Change(nodes_added=whole)], visible=everything)
    made = list(each(copy, Node, "site_id", bare))
    assert [one.capacity for one in made] == [small] * 4
    assert len({one.id for one in made}) == 4
    assert min(one.id for one in made) > max(edge.view.ids("Node")), "ties go to what there is"


LIKENESSES: dict[str, Any] = {
    "lost": lambda edge, links: (
        Change(site_lost=SiteLost(site_id=edge.site_ids[0], with_links=True)),
        lambda edit: [
            edit.replace(edit.get(edge.site_ids[0]), health=LOST),
            edit.replace(edit.get(links[0]), state=LinkState.DOWN),
        ],
    ),
    "slow": lambda edge, links: (
        Change(link=LinkChange(link_id=links[1], latency_ms=40.0)),
        lambda edit: edit.replace(edit.get(links[1]), latency_ms=40.0),
    ),
    "dear": lambda edge, links: (
        Change(price=PriceChange(site_id=edge.site_ids[1], price_per_core_hour=7.0)),
        lambda edit: edit.replace(edit.get(edge.site_ids[1]), price_per_core_hour=7.0),
    ),
    "small": lambda edge, links: (
        Change(capacity=CapacityChange(factor=0.5, node_ids=list(edge.view.ids("Node", "site_id", edge.site_ids[2])))),
        lambda edit: [
            edit.replace(node, allocatable=Resources(cpu_millicores=2_000, memory_bytes=4 << 30))
            for node in list(each(edit, Node, "site_id", edge.site_ids[2]))
        ],
    ),
    "cordoned": lambda edge, links: (
        Change(cordon=Cordoning(entity_id=edge.view.ids("Node", "site_id", edge.site_ids[1])[0])),
        lambda edit: edit.replace(edit.get(edit.ids("Node", "site_id", edge.site_ids[1])[0]), schedulable=False),
    ),
}


@pytest.mark.parametrize("name", LIKENESSES)
async def test_what_is_supposed_is_decided_as_if_it_were_so(edges: Any, name: str) -> None:
    # Without workers, for observers would write what they find.
    async with edges(running=False) as edge:
        links = await linked(edge)
        place = Place(site_id=edge.site_ids[2])
        policy = PlacementPolicy(everywhere=True, latency=[LatencyTarget(place=place, within_ms=30.0)])
        given: dict[str, Any] = {"policy": policy, "replicas": {"web": 7}}
        before = await planned(edge, **given)
        change, really = LIKENESSES[name](edge, links)
        told = await planned(edge, change, **given)
        await edge.change(really)
        so = await planned(edge, **given)
        assert (told.placements, told.refusals, told.objective) == (so.placements, so.refusals, so.objective)
        assert (so.placements, so.refusals) != (before.placements, before.refusals), "the control"
