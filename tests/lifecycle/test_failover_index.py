"""Whom a change concerns, found by index: never fewer than placement would find, and hardly more."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import dijkstra

from graph.change import Change
from graph.kinds import (
    Displacement,
    DisplacementState,
    FailoverPolicy,
    Link,
    LinkState,
    Loss,
    LossKind,
    NodeStatus,
    Region,
    Site,
)
from graph.kinds.geography import Coverage, LatencyTarget, Place, SiteReach
from graph.kinds.policy import ComponentPolicy, PlacementPolicy, SiteSelector, Spread, SpreadBy
from graph.paths import network_of
from graph.values import Finding, Health, HealthStatus, Position
from lifecycle import failover_room
from lifecycle.failover_index import Concerned
from lifecyclekit.graphs import APPLY, deployed, down
from tests.placement.placement_graphs import GIB, Builder, amount


@pytest.fixture
def build() -> Builder:
    return Builder()


def concerned(build: Builder, entity: Any, **fields: Any) -> dict[str, bool]:
    """What a change of an entity concerns; the index knows the graph before it."""
    index = Concerned(build.view)
    index.reload()
    after = build.change(entity, **fields)
    change = Change(after.SPEC.name, after.id, entity, after)
    told: dict[str, bool] = {}
    for deployment_id, by_policy in index.of(change):
        told[deployment_id] = told.get(deployment_id, False) or by_policy
    if change.kind == "Link":
        index.note_link(change)
        told.update(dict.fromkeys(index.by_ways(), True))
    if change.kind == "Region":
        index.note_region(change)
        told.update(dict.fromkeys(index.by_regions(), True))
    return told


def test_a_site_that_goes_down_concerns_what_runs_there_and_nothing_else(build: Builder) -> None:
    site, other = build.site(), build.site()
    here, _, off = deployed(build, site), deployed(build, other), deployed(build, site, failover=FailoverPolicy())
    told = concerned(build, site, health=down(1))
    assert told == {here.id: False}
    assert off.id not in told


def test_a_cluster_that_goes_down_concerns_all_that_runs_through_it(build: Builder) -> None:
    west, east = build.site(cluster=False), build.site(cluster=False)
    cluster = build.cluster(west, east)
    here = [deployed(build, site).id for site in (west, east)]
    deployed(build, build.site())
    assert concerned(build, cluster, health=down(1)) == dict.fromkeys(here, False)


@pytest.mark.parametrize("change", ["finds", "leaves"])
def test_what_a_cluster_finds_or_serves_otherwise_concerns_what_runs_through_it_there(
    build: Builder, change: str
) -> None:
    west, east = build.site(cluster=False), build.site(cluster=False)
    away = Finding(of=west.id, away=True, words="no answer")
    cluster = build.cluster(west, east, findings=[away] if change == "finds" else [])
    here, _ = deployed(build, west), deployed(build, east)
    fields = {"findings": []} if change == "finds" else {"site_ids": [east.id]}
    assert concerned(build, cluster, **fields) == {here.id: False}


def test_a_site_that_a_cluster_serves_by_now_concerns_who_may_want_it_and_nobody_at_the_others(build: Builder) -> None:
    west, east, there = build.site(cluster=False), build.site(cluster=False), build.site()
    cluster = build.cluster(west)
    deployed(build, west)
    wants = deployed(build, there, policy=PlacementPolicy(everywhere=True, sites=SiteSelector(site_ids=[east.id])))
    deployed(build, there, policy=PlacementPolicy(everywhere=True, sites=SiteSelector(site_ids=[west.id])))
    assert concerned(build, cluster, site_ids=[west.id, east.id]) == {wants.id: True}


def test_a_label_concerns_what_runs_there_and_who_may_want_it(build: Builder) -> None:
    site, other = build.site(), build.site()
    west = PlacementPolicy(everywhere=True, sites=SiteSelector(labels="zone=west"))
    east = PlacementPolicy(everywhere=True, sites=SiteSelector(labels="zone in (east, north)"))
    here, wants = deployed(build, site), deployed(build, other, policy=west)
    deployed(build, other, policy=east)
    named = deployed(build, other, policy=PlacementPolicy(everywhere=True, sites=SiteSelector(site_ids=[site.id])))
    anywhere = deployed(build, other, policy=PlacementPolicy(everywhere=True))
    region = PlacementPolicy(everywhere=True, sites=SiteSelector(region_ids=[site.region_id]))
    inside = deployed(build, other, policy=region)
    told = concerned(build, site, labels={"zone": "west"})
    assert told == dict.fromkeys((here.id, wants.id, named.id, anywhere.id, inside.id), True)


# Links


def within(ms: float, *places: Site) -> PlacementPolicy:
    return PlacementPolicy(latency=[LatencyTarget(place=Place(site_id=one.id), within_ms=ms) for one in places])


def chain(build: Builder, *latencies: float) -> tuple[list[Site], list[Link]]:
    """Sites in a row, with the latency from each to the next."""
    sites = [build.site() for _ in range(len(latencies) + 1)]
    return sites, [build.link(*pair, ms) for pair, ms in zip(pairwise(sites), latencies, strict=True)]


def test_a_link_concerns_those_to_whom_a_way_over_it_may_be_short_enough(build: Builder) -> None:
    (a, b, c, d), (first, second, third) = chain(build, 2.0, 2.0, 2.0)
    across = deployed(build, a, policy=within(4.0, c))
    deployed(build, a, policy=within(1.9, c))
    beyond = deployed(build, b, policy=within(2.5, c))
    deployed(build, d)
    deployed(build, a, policy=within(4.0, c), failover=FailoverPolicy())
    assert concerned(build, second, state=LinkState.DOWN) == {across.id: True, beyond.id: True}
    assert concerned(build, first, latency_ms=1.0) == {}, "a shorter way takes nothing from who lacks nothing"
    assert concerned(build, third, latency_ms=3.0) == {}, "nobody's way is short enough that leads over it"


def test_a_link_that_is_better_concerns_who_lacks_something_and_who_runs_everywhere(build: Builder) -> None:
    (a, _, c), (_, second) = chain(build, 2.0, 2.0)
    lost = Displacement(
        state=DisplacementState.STUCK, losses=[Loss(kind=LossKind.LACKING, since=1, due_at=1, words="out of reach")]
    )
    lacking = deployed(build, a, policy=within(4.0, c), displacement=lost)
    deployed(build, a, policy=within(4.0, c))
    everywhere = PlacementPolicy(everywhere=True, near=[SiteReach(site_id=c.id, within_ms=1.5)])
    anywhere = deployed(build, c, policy=everywhere)
    assert concerned(build, second, latency_ms=1.0) == {lacking.id: True, anywhere.id: True}


@pytest.mark.parametrize(
    "fields", [{"bandwidth_mbps": 1_000.0}, {"bandwidth_mbps": 2_000.0, "reserved_mbps": 1.0}, {"latency_ms": 1.0}]
)
def test_what_is_free_on_a_link_concerns_those_who_ask_for_bandwidth(build: Builder, fields: dict[str, Any]) -> None:
    (a, _, c), (_, second) = chain(build, 2.0, 2.0)
    second = build.change(second, bandwidth_mbps=2_000.0)
    wide = PlacementPolicy(latency=[LatencyTarget(place=Place(site_id=c.id), within_ms=9.0, min_bandwidth_mbps=100.0)])
    asking = deployed(build, a, policy=wide)
    deployed(build, b := build.site(), policy=wide)
    assert b.id
    told = concerned(build, second, **fields)
    assert asking.id in told
    assert len(told) == 1


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        (PlacementPolicy(coverage=[Coverage(within_ms=3.0)]), True),
        (PlacementPolicy(coverage=[Coverage(within_km=300.0)]), False),
        (PlacementPolicy(latency=[LatencyTarget(place=Place(position=Position(0, 0)), within_ms=3.0)]), True),
        (PlacementPolicy(latency=[LatencyTarget(place=Place(position=Position(0, 0)), within_ms=1.0)]), False),
        (PlacementPolicy(components=[ComponentPolicy(component="web", serves=["db"], within_ms=3.0)]), True),
        (PlacementPolicy(components=[ComponentPolicy(component="web", serves=["db"], min_bandwidth_mbps=1.0)]), True),
        (PlacementPolicy(components=[ComponentPolicy(component="web")]), False),
    ],
)
def test_every_word_that_measures_ways_is_heeded(build: Builder, policy: PlacementPolicy, told: bool) -> None:
    (a, _), (link,) = chain(build, 2.0)
    one = deployed(build, a, policy=policy)
    assert concerned(build, link, state=LinkState.DOWN) == ({one.id: True} if told else {})


def test_links_are_asked_for_together_and_once(build: Builder) -> None:
    (a, _, c, d), links = chain(build, 2.0, 2.0, 2.0)
    both, near = deployed(build, a, policy=within(6.0, d)), deployed(build, c, policy=within(2.0, d))
    index = Concerned(build.view)
    index.reload()
    for link in (links[0], links[2]):
        after = build.change(link, state=LinkState.DOWN)
        assert index.note_link(Change("Link", link.id, link, after))
    # Each of the two alone would not show that the way led over both: the other is down by now.
    assert sorted(index.by_ways()) == sorted([both.id, near.id])
    assert list(index.by_ways()) == []
    again = build.change(build.view.get(links[1].id), cost=3.0)
    assert not index.note_link(Change("Link", links[1].id, links[1], again)), "a price is no way"


LENGTHS = st.sampled_from([1.0, 2.0, 3.0, 5.0])


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_whoever_loses_or_gains_a_place_by_links_is_found(data: st.DataObject) -> None:
    """Held against all shortest ways, before and after some links changed at once."""
    build = Builder()
    sites = [build.site() for _ in range(6)]
    pairs = [(a, b) for at, a in enumerate(sites) for b in sites[at + 1 :]]
    chosen = data.draw(st.lists(st.sampled_from(range(len(pairs))), min_size=3, max_size=9, unique=True))
    links = [build.link(*pairs[at], data.draw(LENGTHS)) for at in chosen]
    asked = [
        (
            data.draw(st.sampled_from(sites)),
            data.draw(st.sampled_from(sites)),
            data.draw(st.sampled_from([2.0, 4.0, 7.0])),
        )
        for _ in range(6)
    ]
    lost = Displacement(state=DisplacementState.STUCK, losses=[Loss(kind=LossKind.LACKING, since=1, due_at=1)])
    deployments = [
        deployed(build, at, policy=within(ms, to), displacement=data.draw(st.sampled_from([None, lost])))
        for at, to, ms in asked
    ]
    index = Concerned(build.view, lambda: network_of(build.view))
    index.reload()

    def in_reach() -> list[bool]:
        network = network_of(build.view)
        ms = dijkstra(network.matrix(network.latency), directed=True)
        return [ms[network.row_of[at.id], network.row_of[to.id]] <= bound for at, to, bound in asked]

    before = in_reach()
    for at in data.draw(st.lists(st.sampled_from(range(len(links))), min_size=1, max_size=4, unique=True)):
        fields = data.draw(st.sampled_from([{"state": LinkState.DOWN}, {"latency_ms": 9.0}, {"latency_ms": 0.5}]))
        index.note_link(Change("Link", links[at].id, links[at], build.change(links[at], **fields)))
    found = set(index.by_ways())
    for one, was, now in zip(deployments, before, in_reach(), strict=True):
        if was and not now:
            assert one.id in found
        if now and not was and one.displacement is not None:
            assert one.id in found


# Regions


def test_a_region_concerns_who_names_it_or_what_it_lies_in(build: Builder) -> None:
    country = build.make(Region, centre=Position(1, 1))
    other = build.make(Region, centre=Position(2, 2))
    city = build.make(Region, parent_id=country.id, centre=Position(3, 3))
    site = build.site(region_id=city.id)
    by_selector = deployed(build, site, policy=PlacementPolicy(sites=SiteSelector(region_ids=[country.id])))
    by_residency = deployed(build, site, policy=PlacementPolicy(residency_region_ids=[other.id]))
    of_place = deployed(
        build,
        site,
        policy=PlacementPolicy(latency=[LatencyTarget(place=Place(region_id=city.id), within_ms=5.0)]),
    )
    covers = deployed(build, site, policy=PlacementPolicy(coverage=[Coverage(region_ids=[country.id], within_km=9.0)]))
    all_over = deployed(build, site, policy=PlacementPolicy(coverage=[Coverage(within_km=9.0)]))
    deployed(build, site)
    at_home = {one.id: True for one in (by_selector, of_place, covers, all_over)}
    assert concerned(build, city, centre=Position(4, 4)) == at_home
    assert concerned(build, build.view.get(city.id), boundary=[]) == {}
    assert concerned(build, build.view.get(city.id), parent_id=other.id) == {**at_home, by_residency.id: True}


def test_a_region_concerns_who_counts_regions_and_runs_in_it(build: Builder) -> None:
    country, other = build.make(Region), build.make(Region)
    city = build.make(Region, parent_id=country.id)
    spread = PlacementPolicy(spread=[Spread(by=SpreadBy.REGION, level="COUNTRY", min_domains=1)])
    inside = deployed(build, build.site(region_id=city.id), policy=spread)
    deployed(build, build.site(region_id=other.id), policy=spread)
    deployed(build, build.site(region_id=city.id))
    assert concerned(build, country, centre=Position(1, 1)) == {}, "it counts regions, wherever their centres are"
    assert concerned(build, build.view.get(country.id), parent_id=other.id) == {inside.id: True}


def test_what_runs_in_regions_is_looked_up_once_for_all_that_changed(
    build: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    country, other = build.make(Region), build.make(Region)
    cities = [build.make(Region, parent_id=country.id) for _ in range(3)]
    spread = PlacementPolicy(spread=[Spread(by=SpreadBy.REGION, level="COUNTRY", min_domains=1)])
    inside = [deployed(build, build.site(region_id=one.id), policy=spread).id for one in cities]
    elsewhere = deployed(build, build.site(region_id=other.id), policy=spread)
    index = Concerned(build.view)
    index.reload()
    asked: list[tuple[str, ...]] = []
    ids = build.view.ids
    monkeypatch.setattr(build.view, "ids", lambda *given: asked.append(given) or ids(*given))
    for one in (*cities, country):
        assert index.note_region(Change("Region", one.id, one, build.change(one, level="CITY")))
    assert asked == [], "whoever commits does not wait for it"
    assert list(index.by_regions()) == sorted(inside)
    below = [given for given in asked if given[:2] == ("Region", "parent_id")]
    assert len(below) == len(set(below)) == 4
    assert list(index.by_regions()) == []
    moved = build.view.get(other.id)
    assert index.note_region(Change("Region", moved.id, moved, None))
    assert list(index.by_regions()) == [elsewhere.id]


# Nodes


def test_what_others_use_on_a_node_concerns_nobody_while_it_bears_what_runs_there(build: Builder) -> None:
    site = build.site(node={"capacity": amount(4_000, 16 * GIB)})
    one = deployed(build, site)
    [node_id] = build.view.ids("Node", "site_id", site.id)
    anywhere = deployed(build, build.site(), policy=PlacementPolicy(everywhere=True))
    node = build.view.get(node_id)
    assert concerned(build, node, foreign_use=amount(2_500, 2 * GIB)) == {}
    node = build.view.get(node_id)
    assert concerned(build, node, foreign_use=amount(3_500, 2 * GIB)) == {one.id: True}
    node = build.view.get(node_id)
    assert concerned(build, node, foreign_use=amount(3_400, 2 * GIB)) == {}, "it has room for nothing more"
    node = build.view.get(node_id)
    assert concerned(build, node, foreign_use=amount(1_000, 2 * GIB)) == {anywhere.id: True}
    node = build.view.get(node_id)
    assert concerned(build, node, foreign_use=amount(500, 2 * GIB)) == {}, (
        "it had room for all that is wanted of it before"
    )
    assert concerned(build, build.view.get(node_id), capacity=amount(1_200, 16 * GIB)) == {one.id: True}


def test_what_runs_on_a_node_that_changed_is_added_up_once_for_all_who_may_want_it(
    build: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = build.site(node={"capacity": amount(1_000, 16 * GIB)})
    wanting = {deployed(build, build.site(), policy=PlacementPolicy(everywhere=True)).id: True for _ in range(3)}
    [node_id] = build.view.ids("Node", "site_id", site.id)
    node = build.change(build.view.get(node_id), foreign_use=amount(1_000, 2 * GIB))
    asked = []
    node_use = failover_room.node_use
    monkeypatch.setattr(failover_room, "node_use", lambda *given: asked.append(given) or node_use(*given))
    assert concerned(build, node, foreign_use=amount(0, 2 * GIB)) == wanting
    assert len(asked) == 1


def test_room_that_is_back_concerns_who_lacked_it(build: Builder) -> None:
    site = build.site(node={"capacity": amount(1_000, GIB)})
    loss = Loss(kind=LossKind.CAPACITY, subject_id=site.id, since=1, due_at=1)
    lost = Displacement(state=DisplacementState.STUCK, losses=[loss])
    one = deployed(build, site, displacement=lost)
    deployed(build, site)
    [node_id] = build.view.ids("Node", "site_id", site.id)
    node = build.view.get(node_id)
    assert concerned(build, node, capacity=amount(2_000, 2 * GIB)) == {one.id: True}


def test_a_node_that_is_lost_concerns_what_runs_on_it_and_one_that_is_back_who_wants_its_site(build: Builder) -> None:
    site = build.site(nodes=2)
    one = deployed(build, site)
    anywhere = deployed(build, build.site(), policy=PlacementPolicy(everywhere=True))
    first, second = (build.view.get(each) for each in build.view.ids("Node", "site_id", site.id))
    assert concerned(build, first, status=NodeStatus.NOT_READY) == {one.id: False}
    assert concerned(build, second, status=NodeStatus.NOT_READY) == {}
    assert concerned(build, build.view.get(second.id), status=NodeStatus.READY) == {anywhere.id: True}


@pytest.mark.parametrize("retires_after", [None, 5])
def test_a_site_that_is_back_concerns_who_is_only_to_be_removed_there_and_wants_it(
    build: Builder, retires_after: int | None
) -> None:
    """It was to leave while the site was away, and by now is to run everywhere."""
    site = build.site()
    anywhere = deployed(build, site, policy=PlacementPolicy(everywhere=True))
    [release] = build.view.ids("Release", "deployment_id", anywhere.id)
    build.change(build.view.get(release), wanted=retires_after is not None, retires_after=retires_after)
    away = build.change(site, health=down(1))
    assert concerned(build, away, health=Health(status=HealthStatus.READY)) == {anywhere.id: True}
    [node_id] = build.view.ids("Node", "site_id", site.id)
    lost = build.change(build.view.get(node_id), status=NodeStatus.NOT_READY)
    assert concerned(build, lost, status=NodeStatus.READY) == {anywhere.id: True}


# Deployments and others


def test_a_change_that_changes_nothing_of_it_concerns_nobody(build: Builder) -> None:
    site = build.site()
    one = deployed(build, site)
    assert concerned(build, site, price_per_core_hour=3.0) == {}
    assert concerned(build, build.view.get(one.id), message="as before") == {}


def test_a_deployment_is_known_from_when_it_asks_for_it_until_it_does_no_longer(build: Builder) -> None:
    site = build.site()
    one = deployed(build, site, failover=FailoverPolicy())
    index = Concerned(build.view)
    assert index.reload() == []
    on = build.change(one, failover=APPLY)
    assert list(index.of(Change("Deployment", one.id, one, on))) == [(one.id, True)]
    assert index.is_watched(one.id)
    off = build.change(on, failover=FailoverPolicy())
    assert list(index.of(Change("Deployment", one.id, on, off))) == []
    assert not index.is_watched(one.id)
    again = build.change(off, failover=APPLY)
    list(index.of(Change("Deployment", one.id, off, again)))
    build.remove(again, cascade=True)
    assert list(index.of(Change("Deployment", one.id, again, None))) == []
    assert not index.is_watched(one.id)
