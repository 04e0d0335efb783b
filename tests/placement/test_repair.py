import itertools
import random

import pytest
from msgspec import structs

from graph.kinds import Component, Deployment, Site
from graph.kinds.geography import LatencyTarget, Place
from graph.kinds.policy import ComponentPolicy, Division, PlacementPolicy, SiteSelector, Term
from graph.refusal import InvalidInput
from placement.repair import Hit, Repair, repair
from placement.solve.model import Limits
from tests.placement.placement_graphs import Builder, amount

HEURISTIC = Limits(core_candidates=0, exact_candidates=0)


def ring(build: Builder, count: int, *, nodes: int = 1, step_ms: float = 2.0) -> list[Site]:
    """Sites in a ring, each so far from the next."""
    sites = [build.site(nodes=nodes) for _ in range(count)]
    for one, other in zip(sites, [*sites[1:], sites[0]], strict=True):
        build.link(one, other, step_ms)
    return sites


def near(*sites: Site, within_ms: float) -> list[LatencyTarget]:
    return [LatencyTarget(place=Place(site_id=one.id), within_ms=within_ms) for one in sites]


def running(build: Builder, component: Component, *sites: Site) -> Deployment:
    deployment = build.deployment()
    for site in sites:
        node = next(one for one in build.view.ids("Node", "site_id", site.id))
        build.release(component, site, {node: component.replicas}, deployment_id=deployment.id)
    return deployment


def without(policy: PlacementPolicy, *lost: Site) -> PlacementPolicy:
    sites = SiteSelector(excluded_site_ids=[one.id for one in lost])
    return PlacementPolicy(
        sites=sites,
        latency=policy.latency,
        min_sites=policy.min_sites,
        max_sites=policy.max_sites,
        max_moves=policy.max_moves,
        components=policy.components,
    )


def hit(
    build: Builder,
    deployment: Deployment,
    *components: Component,
    policy: PlacementPolicy,
    lost: tuple[Site, ...],
    priority: int = 0,
) -> Hit:
    problem = build.problem(*components, policy=without(policy, *lost), excluding_deployment_id=deployment.id)
    return Hit(deployment.id, problem, priority)


def placed(one: Repair) -> list[str]:
    return [site.site_id for site in one.verdict.placements]


def test_what_is_not_lost_stays_and_one_site_takes_the_place_of_the_lost_one():
    build = Builder()
    sites = ring(build, 6)
    component = build.component()
    policy = PlacementPolicy(latency=near(sites[0], sites[3], within_ms=2.5))
    deployment = running(build, component, sites[0], sites[3])
    found = repair([hit(build, deployment, component, policy=policy, lost=(sites[3],))])
    [one] = found.repairs
    assert (one.moves, one.least, one.proved) == (1, 1, True)
    assert sites[0].id in placed(one)
    assert len(placed(one)) == 2


def test_that_a_lost_site_takes_a_move_is_known_without_an_exact_search():
    build = Builder()
    sites = ring(build, 6)
    component = build.component()
    policy = PlacementPolicy(latency=near(sites[0], sites[3], within_ms=2.5))
    deployment = running(build, component, sites[0], sites[3])
    given = hit(build, deployment, component, policy=policy, lost=(sites[3],))
    [one] = repair([given], limits=HEURISTIC).repairs
    assert (one.moves, one.least, one.proved) == (1, 1, True)
    assert one.verdict.iterations == 0


def test_nothing_moves_when_what_is_left_does():
    build = Builder()
    sites = ring(build, 4)
    component = build.component()
    policy = PlacementPolicy(latency=near(sites[0], within_ms=4.5))
    deployment = running(build, component, sites[0], sites[1], sites[2])
    [one] = repair([hit(build, deployment, component, policy=policy, lost=(sites[1],))]).repairs
    assert placed(one) == [sites[0].id, sites[2].id]
    assert (one.moves, one.proved) == (0, True)


def test_more_moves_than_the_policy_allows_are_not_made():
    build = Builder()
    sites = ring(build, 4)
    component = build.component()
    policy = PlacementPolicy(min_sites=2, max_moves=0)
    deployment = running(build, component, sites[0], sites[1])
    found = repair([hit(build, deployment, component, policy=policy, lost=(sites[1],))])
    assert found.not_placed == (deployment.id,)
    assert not found.repairs[0].verdict.feasible


def test_the_policys_own_cost_decides_between_repairs_with_as_many_moves():
    build = Builder()
    sites = [build.site(price_per_core_hour=price) for price in (1.0, 1.0, 3.0, 2.0)]
    component = build.component()
    deployment = running(build, component, sites[0], sites[1])
    [one] = repair([hit(build, deployment, component, policy=PlacementPolicy(min_sites=2), lost=(sites[1],))]).repairs
    assert placed(one) == sorted([sites[0].id, sites[3].id])


def test_two_deployments_do_not_count_on_the_same_room():
    build = Builder()
    sites = [build.site() for _ in range(3)]  # 4 cores each
    component = build.component(resources=amount(3000))
    policy = PlacementPolicy()
    first, second = (running(build, component, site) for site in sites[:2])
    spare = build.site(node={"capacity": amount(4000)})
    hits = [hit(build, one, component, policy=policy, lost=(sites[0], sites[1])) for one in (first, second)]
    found = repair(hits)
    assert sorted(site for one in found.repairs for site in placed(one)) == sorted([sites[2].id, spare.id])


def test_the_higher_priority_has_the_last_room():
    build = Builder()
    lost, last = build.site(nodes=2), build.site()
    component = build.component(resources=amount(3000))
    first, second = running(build, component, lost), running(build, component, lost)
    for preferred, other in ((first, second), (second, first)):
        hits = [
            hit(build, preferred, component, policy=PlacementPolicy(), lost=(lost,), priority=5),
            hit(build, other, component, policy=PlacementPolicy(), lost=(lost,), priority=1),
        ]
        found = repair(hits)
        assert found.not_placed == (other.id,)
        assert [placed(one) for one in found.repairs if one.id == preferred.id] == [[last.id]]


def test_one_that_was_decided_first_makes_way_for_one_that_has_no_other_place():
    build = Builder()
    lost = build.site(nodes=2)
    anywhere, only = build.site(price_per_core_hour=9.0), build.site(price_per_core_hour=1.0)
    build.link(lost, only, 1.0)
    build.link(lost, anywhere, 50.0)
    large, small = build.component(resources=amount(3500)), build.component(resources=amount(3000))
    one, other = running(build, large, lost), running(build, small, lost)
    hits = [
        hit(build, one, large, policy=PlacementPolicy(), lost=(lost,)),
        hit(build, other, small, policy=PlacementPolicy(latency=near(only, within_ms=1.0)), lost=(lost,)),
    ]
    found = repair(hits)
    assert not found.not_placed
    assert {each.id: placed(each) for each in found.repairs} == {one.id: [anywhere.id], other.id: [only.id]}


def near_both(build: Builder, *, nodes: int = 1) -> tuple[list[Site], tuple[Site, ...]]:
    """Two places and a lost site, which nothing may run at; then a site near both places, and one near each alone."""
    lost, first, second = (build.site() for _ in range(3))
    both, one, other = (build.site(nodes=nodes) for _ in range(3))
    for place, site, latency_ms in ((first, both, 1.0), (second, both, 1.0), (first, one, 2.0), (second, other, 2.0)):
        build.link(place, site, latency_ms)
    return [lost, first, second], (both, one, other)


@pytest.mark.parametrize("priority", [0, 5])
def test_one_that_was_decided_first_makes_way_for_one_that_would_move_more_but_not_for_a_lower_priority(priority):
    build = Builder()
    gone, (both, one, other) = near_both(build)
    lost, *places = gone
    large, small = build.component(resources=amount(3500)), build.component(resources=amount(3000))
    first, second = running(build, large, lost), running(build, small, lost)
    hits = [
        hit(
            build,
            first,
            large,
            policy=PlacementPolicy(latency=near(places[0], within_ms=2.5)),
            lost=tuple(gone),
            priority=priority,
        ),
        hit(build, second, small, policy=PlacementPolicy(latency=near(*places, within_ms=2.5)), lost=tuple(gone)),
    ]
    found = repair(hits)
    where = {each.id: placed(each) for each in found.repairs}
    if priority:
        assert where == {first.id: [both.id], second.id: sorted([one.id, other.id])}
    else:
        assert where == {first.id: [one.id], second.id: [both.id]}
        assert (found.moves, found.least) == (2, 2)


def test_the_fewest_moves_are_proved_also_of_those_that_share_room_where_there_is_enough():
    build = Builder()
    gone, (both, one, other) = near_both(build, nodes=4)
    lost, *places = gone
    component = build.component(resources=amount(1000))
    policy = PlacementPolicy(latency=near(*places, within_ms=2.5))
    hits = [
        hit(build, deployment, component, policy=policy, lost=(*gone, both))
        for deployment in [running(build, component, lost) for _ in range(3)]
    ]
    found = repair(hits)
    assert [(placed(each), each.moves, each.least) for each in found.repairs] == [
        (sorted([one.id, other.id]), 2, 2)
    ] * 3


def test_what_has_no_place_says_whether_it_would_have_one_without_the_others():
    build = Builder()
    lost, _ = build.site(nodes=2), build.site()
    small, large = build.component(resources=amount(3000)), build.component(resources=amount(9000))
    first, second = running(build, small, lost), running(build, small, lost)
    hits = [
        hit(build, one, component, policy=PlacementPolicy(), lost=(lost,), priority=priority)
        for one, component, priority in ((first, small, 1), (second, small, 0))
    ]
    hits.append(Hit("too large", build.problem(large)))
    alone = {one.id: (one.verdict.feasible, one.alone) for one in repair(hits).repairs}
    assert alone == {first.id: (True, True), second.id: (False, True), "too large": (False, False)}


def test_what_gets_nodes_anew_takes_the_room_of_the_new_ones():
    build = Builder()
    site = build.site(nodes=3)
    drained, *others = build.view.ids("Node", "site_id", site.id)
    component = build.component(resources=amount(3000))
    first, second = running(build, component, site), running(build, component, site)
    build.change(build.view.get(drained), schedulable=False)
    hits = [
        Hit(
            one.id,
            build.problem(component, excluding_deployment_id=one.id),
            renewed=frozenset([site.id]),
            nodes={(component.id, drained): 1},
        )
        for one in (first, second)
    ]
    found = repair(hits)
    nodes = [node for one in found.repairs for at in one.verdict.placements for node in at.components[0].assignments]
    assert sorted(nodes) == sorted(others)
    assert found.moves == 0
    third = running(build, component, site)
    again = [
        Hit(
            one.id,
            build.problem(component, excluding_deployment_id=one.id),
            renewed=frozenset([site.id]),
            nodes={(component.id, drained): 1},
        )
        for one in (first, second, third)
    ]
    assert len(repair(again).not_placed) == 1


def test_all_are_decided_as_one_batch_when_one_after_the_other_leaves_some_without_a_place():
    build = Builder()
    lost = build.site(nodes=4)
    cheap, middle, dear = (build.site(price_per_core_hour=price) for price in (1.0, 2.0, 9.0))
    component = build.component(resources=amount(3000))
    there = [running(build, component, lost) for _ in range(3)]
    # The third takes the place of the first, which takes that of the second, which has another.
    hits = [
        Hit(
            one.id,
            build.problem(
                component,
                policy=PlacementPolicy(sites=SiteSelector(site_ids=[site.id for site in sites])),
                excluding_deployment_id=one.id,
            ),
        )
        for one, sites in zip(there, ((cheap, middle), (middle, dear), (cheap,)), strict=True)
    ]
    found = repair(hits)
    assert [placed(one) for one in found.repairs] == [[middle.id], [dear.id], [cheap.id]]


@pytest.mark.parametrize("total", [3, 4])
def test_a_total_is_divided_anew_over_what_is_left_and_stays_where_it_can(total):
    build = Builder()
    sites = [build.site() for _ in range(4)]
    component = build.component(replicas=2)
    deployment = running(build, component, sites[0], sites[1])
    policy = PlacementPolicy(division=Division(), max_sites=2)
    options = {"excluding_deployment_id": deployment.id, "replicas": {component.name: total}}
    problem = build.problem(component, policy=policy, **options)
    [one] = repair([Hit(deployment.id, problem)]).repairs
    assert (one.moves, placed(one)) == (0, [sites[0].id, sites[1].id])
    excluded = PlacementPolicy(division=Division(), max_sites=2, sites=SiteSelector(excluded_site_ids=[sites[0].id]))
    [one] = repair([Hit(deployment.id, build.problem(component, policy=excluded, **options))]).repairs
    assert one.verdict.feasible
    assert sites[1].id in placed(one)
    assert sum(at.components[0].replicas for at in one.verdict.placements) == total


def test_problems_of_different_revisions_are_refused():
    build = Builder()
    build.site()
    component = build.component()
    first = build.problem(component)
    build.site()
    with pytest.raises(InvalidInput, match="revision"):
        repair([Hit("one", first), Hit("two", build.problem(component))])


@pytest.mark.parametrize("limits", [None, HEURISTIC], ids=["exact", "heuristic"])
@pytest.mark.parametrize("seed", range(12))
def test_no_repair_moves_more_than_the_best_of_all_choices(seed, limits):
    chance = random.Random(seed)
    build = Builder()
    count = chance.randrange(4, 7)
    sites = ring(build, count, step_ms=2.0)
    component = build.component()
    targets = chance.sample(sites, chance.randrange(1, 4))
    policy = PlacementPolicy(
        latency=near(*targets, within_ms=2.5),
        min_sites=chance.randrange(1, 3),
        max_sites=chance.choice((None, 3)),
    )
    start = build.decide(component, policy=policy)
    if not start.feasible:
        return
    here = [one for one in sites if any(one.id == each.site_id for each in start.placements)]
    deployment = running(build, component, *here)
    lost = chance.choice(here)
    [one] = repair([hit(build, deployment, component, policy=policy, lost=(lost,))], limits=limits).repairs
    left = [each for each in range(count) if sites[each] is not lost]

    def served(chosen: tuple[int, ...]) -> bool:
        apart = [min((at - sites.index(target)) % count for at in chosen) for target in targets]
        back = [min((sites.index(target) - at) % count for at in chosen) for target in targets]
        return all(min(there, again) <= 1 for there, again in zip(apart, back, strict=True))

    most = policy.max_sites or count
    fewest = min(
        (
            sum(sites[at] not in here for at in chosen)
            for size in range(policy.min_sites, most + 1)
            for chosen in itertools.combinations(left, size)
            if served(chosen)
        ),
        default=None,
    )
    assert one.verdict.feasible is (fewest is not None)
    if fewest is not None:
        assert one.moves == fewest
        assert one.least <= fewest
        assert one.proved or limits is HEURISTIC


@pytest.mark.parametrize("seed", range(8))
def test_units_that_serve_each_other_move_no_more_than_they_must(seed):
    chance = random.Random(seed)
    build = Builder()
    count = 5
    sites = ring(build, count)
    front, back = build.component(name="front"), build.component(name="back")
    targets = chance.sample(sites, 2)
    policy = PlacementPolicy(
        latency=near(*targets, within_ms=2.5),
        components=[ComponentPolicy(component="back", apart=True, serves=["front"], within_ms=2.5)],
    )
    places = {name: set(chance.sample(range(count), chance.randrange(1, 3))) for name in ("front", "back")}
    deployment = build.deployment()
    for component in (front, back):
        for at in sorted(places[component.name]):
            node = next(iter(build.view.ids("Node", "site_id", sites[at].id)))
            build.release(component, sites[at], {node: 1}, deployment_id=deployment.id)
    lost = chance.choice(sorted(places["front"] | places["back"]))
    [one] = repair([hit(build, deployment, front, back, policy=policy, lost=(sites[lost],))]).repairs
    left = [at for at in range(count) if at != lost]
    subsets = [set(some) for size in (1, 2, 3, 4) for some in itertools.combinations(left, size)]

    def by(at: int, chosen: set[int]) -> bool:
        return any(min((at - each) % count, (each - at) % count) <= 1 for each in chosen)

    fewest = min(
        len(fronts - places["front"]) + len(backs - places["back"])
        for fronts in subsets
        if all(by(sites.index(target), fronts) for target in targets)
        for backs in subsets
        if all(by(at, backs) for at in fronts)
    )
    assert one.moves == fewest
    assert one.least == fewest


def test_of_units_that_do_not_fit_together_the_one_that_may_goes_elsewhere():
    build = Builder()
    lost, shared, other = build.site(nodes=1), build.site(nodes=1, labels={"for": "db"}), build.site(nodes=1)
    other = build.change(other, price_per_core_hour=9.0)
    web, db = (build.component(name=name, resources=amount(3000)) for name in ("web", "db"))
    own = ComponentPolicy(component="db", apart=True, sites=SiteSelector(labels="for=db"))
    deployment = running(build, web, lost)
    one = hit(build, deployment, web, db, policy=PlacementPolicy(components=[own]), lost=(lost,))
    for limits in (Limits(), HEURISTIC):
        found = repair([one], limits=limits)
        [mended] = found.repairs
        assert sorted(placed(mended)) == sorted([shared.id, other.id])
        assert mended.verdict.feasible is (mended.moves > 0)
        assert found.moves == 2


def test_several_new_sites_that_serve_all_together_are_no_more_moves_than_there_are_of_them():
    # Both of web are lost. No site near what stays of db serves all places, but two do; the site that serves the most is
    # none of these, and with it there are three.
    build = Builder()
    old, older, left, right, middle, hub = (build.site() for _ in range(6))
    places = [build.site(nodes=0, cluster=False) for _ in range(6)]
    for site, served in ((old, places), (left, places[:3]), (right, places[3:]), (middle, places[1:5])):
        build.link(site, hub, 5.0)
        for one in served:
            build.link(site, one, 1.0)
    web, db = build.component(name="web"), build.component(name="db")
    policy = PlacementPolicy(
        latency=near(*places, within_ms=2.0),
        min_sites=2,
        components=[ComponentPolicy(component="db", apart=True, serves=["web"], within_ms=6.0)],
    )
    deployment = running(build, web, old, older)
    [node] = build.view.ids("Node", "site_id", hub.id)
    build.release(db, hub, {node: 1}, deployment_id=deployment.id)
    for limits in (None, HEURISTIC):
        given = hit(build, deployment, web, db, policy=policy, lost=(old, older))
        [one] = repair([given], limits=limits).repairs
        assert one.least <= 2
        if limits is None:
            assert (one.moves, one.proved) == (2, True)
            assert placed(one) == [left.id, right.id, hub.id]


def test_what_is_found_only_after_many_sites_are_crowded_leaves_where_it_is_what_can_stay():
    # db lost its site, and where web is there is no room for it, so both move to one site. At most sites both do not fit,
    # which is found out site by site, more often than a repair tries. The cache would be cheaper elsewhere, and stays.
    build = Builder()
    web, db, cache = (build.component(name=name) for name in ("web", "db", "cache"))
    lost, front, store = (build.site(node={"capacity": amount(1000)}, price_per_core_hour=9.0) for _ in range(3))
    build.link(lost, front, 0.5)
    cheap = build.site(node={"capacity": amount(1000)}, price_per_core_hour=0.5)
    for _ in range(8):
        build.site(node={"capacity": amount(1500)}, price_per_core_hour=1.0)
    roomy = build.site(node={"capacity": amount(2000, 2 << 30)}, price_per_core_hour=2.0)
    without_cheap = SiteSelector(excluded_site_ids=[cheap.id])
    policy = PlacementPolicy(
        objective=[[Term.PRICE]],
        components=[
            ComponentPolicy(component="db", apart=True, serves=["web"], within_ms=1.0, sites=without_cheap),
            ComponentPolicy(component="cache", apart=True, sites=SiteSelector(site_ids=[store.id, cheap.id])),
        ],
    )
    deployment = build.deployment()
    for component, site in ((web, front), (db, lost), (cache, store)):
        [node] = build.view.ids("Node", "site_id", site.id)
        build.release(component, site, {node: 1}, deployment_id=deployment.id)
    problem = build.problem(
        web,
        db,
        cache,
        policy=structs.replace(policy, sites=SiteSelector(excluded_site_ids=[lost.id])),
        excluding_deployment_id=deployment.id,
    )
    [one] = repair([Hit(deployment.id, problem)]).repairs
    assert (one.moves, placed(one)) == (2, [store.id, roomy.id])
