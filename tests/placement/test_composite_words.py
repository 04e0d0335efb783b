"""Totals and units apart as decisions: each word holds of what a site really has, and units that meet fit on its nodes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from decision_verifier import Wish, verify_words
from hypothesis import event, given
from hypothesis import strategies as st
from placement_graphs import GIB, Builder, amount, at
from test_decision_words import SMALL, World, decided, drawn, selectors, words

from graph.kinds import Component, Site
from graph.kinds.policy import (
    ComponentPolicy,
    Division,
    DivisionLevel,
    DivisionMode,
    LatencyTarget,
    Place,
    PlacementPolicy,
    RegionWeight,
    SiteSelector,
    SiteWeight,
    Spread,
    SpreadBy,
)
from graph.refusal import InvalidInput
from placement.decision import Decision


def counts(decision: Decision, component: Component) -> dict[str, int]:
    return {
        placement.site_id: one.replicas
        for placement in decision.placements
        for one in placement.components
        if one.component_id == component.id
    }


@st.composite
def divided(draw: st.DrawFn) -> tuple[World, PlacementPolicy, dict[str, int]]:
    world = World(draw, components=draw(st.integers(1, 2)), most=6)
    least = draw(st.sampled_from([0, 0, 1, 2]))
    mode = draw(st.sampled_from(list(DivisionMode)))
    weights = st.lists(st.builds(SiteWeight, sites=selectors(world), weight=st.integers(0, 3)), max_size=2)
    regions = st.sampled_from([one.id for one in (*world.countries, *world.districts)])
    weighed = st.builds(RegionWeight, region_ids=st.lists(regions, min_size=1, max_size=3), weight=st.integers(0, 3))
    named = draw(st.sampled_from([[], [], ["COUNTRY"], ["DISTRICT"], ["COUNTRY", "DISTRICT"]]))
    division = Division(
        mode=mode,
        levels=[DivisionLevel(level=one, weights=draw(st.lists(weighed, max_size=2))) for one in named],
        weights=draw(weights) if mode is DivisionMode.STATIC else [],
        min_each=least,
        max_each=draw(st.sampled_from([None, None, 3, 5])),
    )
    own: dict[str, Any] = {"division": division}
    if mode is DivisionMode.DEMAND:
        own["latency"] = draw(words(world)["latency"])
    policy = drawn(draw, world, **own)
    return world, policy, {one.name: draw(st.integers(0, 9)) for one in world.components}


@SMALL
@given(divided())
def test_a_divided_total_keeps_every_word(case: tuple[World, PlacementPolicy, dict[str, int]]) -> None:
    world, policy, replicas = case
    try:
        decision = decided(world, policy, replicas=replicas)
    except InvalidInput:
        event("contradicts itself")
        return
    event(f"feasible {decision.feasible}")
    if not decision.feasible:
        assert decision.conflicts
        assert decision.placements == []
        return
    wish = Wish(world.build.view, world.components, policy, replicas, deployment_id=world.deployment.id)
    if any(replicas.values()):
        verify_words(wish, decision)
        assert decision.objective.score == pytest.approx(sum(one.score for one in decision.placements))
    else:
        assert decision.placements == []


TWO_EACH = Division(min_each=2)


def test_a_least_that_not_all_sites_can_have_opens_fewer(build: Builder) -> None:
    sites = [build.site(price_per_core_hour=price) for price in (0.4, 0.1, 0.3, 0.2)]
    component = build.component()
    decision = build.decide(component, policy=PlacementPolicy(division=TWO_EACH), replicas={component.name: 5})
    assert counts(decision, component).keys() == {sites[1].id, sites[3].id}
    assert sorted(counts(decision, component).values()) == [2, 3]


def test_a_later_group_of_preference_has_its_least_only_when_the_earlier_have_no_room(build: Builder) -> None:
    first, second = build.site(), build.site()
    policy = PlacementPolicy(
        division=Division(min_each=1), preferences=[SiteSelector(site_ids=[one.id]) for one in (first, second)]
    )
    component = build.component()
    for total, expected in ((4, {first.id: 4}), (6, {first.id: 4, second.id: 2})):
        assert counts(build.decide(component, policy=policy, replicas={component.name: total}), component) == expected


def test_a_pinned_site_and_one_that_serves_a_place_have_a_part_of_a_total_that_others_would_get(build: Builder) -> None:
    heavy, pinned, far = (build.site(position=at(x, 0)) for x in (0, 1, 40))
    component = build.component()
    policy = PlacementPolicy(
        division=Division(
            weights=[
                SiteWeight(sites=SiteSelector(site_ids=[heavy.id]), weight=100),
                SiteWeight(sites=SiteSelector(), weight=1),
            ]
        ),
        pinned_site_ids=[pinned.id],
        latency=[LatencyTarget(place=Place(position=at(40, 0)), within_ms=1.0),
                 LatencyTarget(place=Place(position=at(0, 0)), within_ms=1.0)],
    )  # fmt: skip
    decision = build.decide(component, policy=PlacementPolicy(division=policy.division), replicas={component.name: 3})
    assert counts(decision, component) == {heavy.id: 3}
    # The pinned site is in reach of no place and refused: the decision says so, and nothing is placed.
    assert not build.decide(component, policy=policy, replicas={component.name: 3}).feasible
    build.link(heavy, pinned, 0.1)
    decision = build.decide(component, policy=policy, replicas={component.name: 3})
    assert counts(decision, component) == {heavy.id: 1, pinned.id: 1, far.id: 1}


def test_as_few_moves_as_asked_for_divide_over_what_runs(build: Builder) -> None:
    sites = [build.site() for _ in range(4)]
    component, deployment = build.component(), build.deployment()
    for one in sites[:2]:
        build.release(
            component, one, {next(iter(build.view.ids("Node", "site_id", one.id))): 1}, deployment_id=deployment.id
        )
    for moves, open_sites in ((0, 2), (1, 3), (9, 4)):
        decision = build.decide(
            component,
            policy=PlacementPolicy(division=Division(), max_moves=moves),
            replicas={component.name: 8},
            excluding_deployment_id=deployment.id,
        )
        found = counts(decision, component)
        assert len(found) == open_sites
        assert {one.id for one in sites[:2]} <= found.keys()


def test_a_price_holds_of_the_total_once_it_is_divided(build: Builder) -> None:
    cheap, dear = build.site(price_per_core_hour=0.1), build.site(price_per_core_hour=1.0)
    component = build.component()
    for most, expected in ((9.0, {cheap.id, dear.id}), (0.5, {cheap.id})):
        decision = build.decide(
            component,
            policy=PlacementPolicy(division=Division(), max_price_per_hour=most),
            replicas={component.name: 4},
        )
        assert counts(decision, component).keys() == expected
    decision = build.decide(
        component, policy=PlacementPolicy(division=Division(), max_price_per_hour=0.3), replicas={component.name: 4}
    )
    assert not decision.feasible
    assert "max_price_per_hour" in [one.rule for one in decision.conflicts]


def test_a_site_that_is_dear_but_needed_is_kept_when_the_dearest_is_left_out(build: Builder) -> None:
    near, between, dear = (
        build.site(position=at(x, 0), price_per_core_hour=p) for x, p in ((0, 0.1), (9, 0.3), (10, 0.5))
    )
    build.link(between, dear, 1.0)
    component = build.component()
    policy = PlacementPolicy(
        division=Division(mode=DivisionMode.DEMAND),
        latency=[LatencyTarget(place=Place(site_id=one.id), within_ms=2.0) for one in (near, dear)],
    )
    for most, far in ((3.0, dear), (1.5, between)):
        asked = msgspec.structs.replace(policy, max_price_per_hour=most)
        decision = build.decide(component, policy=asked, replicas={component.name: 6})
        assert counts(decision, component) == {near.id: 3, far.id: 3}


def test_a_component_apart_has_a_part_at_as_many_sites_as_it_is_to_have(build: Builder) -> None:
    sites = [build.site(position=at(x, 0), price_per_core_hour=0.1 + x) for x in range(3)]
    build.link(sites[0], sites[2], 1.0)
    web, db = build.component(name="web"), build.component(name="db")
    policy = PlacementPolicy(
        division=Division(mode=DivisionMode.DEMAND),
        latency=[LatencyTarget(place=Place(site_id=sites[2].id), within_ms=2.0)],
        components=[ComponentPolicy(component="db", apart=True, min_sites=2)],
    )
    decision = build.decide(web, db, policy=policy, replicas={"web": 4, "db": 4})
    assert sorted(counts(decision, db).values()) == [1, 3]


def test_spread_holds_of_a_total_that_could_be_everywhere(build: Builder) -> None:
    for zone in "aaabbc":
        build.site(labels={"zone": zone})
    spread = Spread(by=SpreadBy.LABEL, label="zone", max_sites_each=1, max_domains=2)
    component = build.component()
    decision = build.decide(
        component, policy=PlacementPolicy(division=Division(), spread=[spread]), replicas={component.name: 6}
    )
    assert sorted(counts(decision, component).values()) == [3, 3]


def test_components_of_a_total_that_crowd_each_other_take_what_fits(build: Builder) -> None:
    build.site(nodes=1)
    build.site(nodes=1)
    web, db = build.component(name="web"), build.component(name="db")
    decision = build.decide(web, db, policy=PlacementPolicy(division=Division()), replicas={"web": 4, "db": 4})
    assert sum(counts(decision, web).values()) == sum(counts(decision, db).values()) == 4


def test_totals_go_up_to_a_million_and_numbers_at_a_site_to_a_thousand(build: Builder) -> None:
    for _ in range(3):
        build.site(nodes=1, node={"capacity": amount(10**9, 10**6 * GIB)})
    component = build.component(resources=amount(1, 1))
    total = {component.name: 1_000_000}
    decision = build.decide(component, policy=PlacementPolicy(division=Division()), replicas=total)
    assert sorted(counts(decision, component).values()) == [333_333, 333_333, 333_334]
    for policy, count in ((PlacementPolicy(), 1_001), (PlacementPolicy(division=Division()), 1_000_001)):
        with pytest.raises(InvalidInput) as caught:
            build.problem(component, policy=policy, replicas={component.name: count})
        assert caught.value.path == f"input.replicas.{component.name}"


@pytest.mark.parametrize("pinned", [False, True])
def test_of_two_units_that_crowd_each_other_either_may_go_elsewhere(build: Builder, pinned: bool) -> None:
    small, other = build.site(labels={"for": "db"}), build.site(price_per_core_hour=9.0)
    web, db = (build.component(name=name, resources=amount(3000)) for name in ("web", "db"))
    own = SiteSelector(labels="for=db") if pinned else SiteSelector()
    policy = PlacementPolicy(components=[ComponentPolicy(component="db", apart=True, sites=own)])
    decision = build.decide(web, db, policy=policy)
    assert decision.feasible
    assert not decision.proven
    found = counts(decision, web).keys(), counts(decision, db).keys()
    assert found == (({other.id}, {small.id}) if pinned else ({small.id}, {other.id}))
    (refusal,) = [one for one in decision.refusals if one.components == (["web"] if pinned else ["db"])]
    assert [one.rule for one in refusal.reasons] == ["crowded"]


def test_units_that_cannot_be_at_one_site_and_have_no_other_say_so(build: Builder) -> None:
    site: Site = build.site()
    web, db = (build.component(name=name, resources=amount(3000)) for name in ("web", "db"))
    decision = build.decide(web, db, policy=PlacementPolicy(components=[ComponentPolicy(component="db", apart=True)]))
    assert not decision.feasible
    assert [one.rule for one in decision.conflicts] == ["crowded"]
    assert {one.site_id for one in decision.refusals} == {site.id}
    assert "crowded" in {reason.rule for one in decision.refusals for reason in one.reasons}
