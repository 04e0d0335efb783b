"""Decisions keep every word of a policy, alone and in pairs, and are the best there are where all can be tried."""

from __future__ import annotations

from typing import Any

import brute_force
from decision_verifier import Wish, verify_words
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from placement_graphs import GIB, Builder, amount, at

from graph.kinds import Region, RegionLevel, Site, Tier
from graph.kinds.geography import Circle, Coverage, SiteReach
from graph.kinds.policy import (
    AffinityScope,
    AppAffinity,
    ComponentPolicy,
    LatencyTarget,
    Place,
    PlacementPolicy,
    ScoreWeights,
    SiteGroup,
    SiteSelector,
    Spread,
    SpreadBy,
    Term,
    Toleration,
    TolerationOperator,
)
from graph.refusal import InvalidInput
from graph.values import Taint, TaintEffect
from placement.decision import Decision, PlacementStatus

GPU = Taint("gpu", "yes", TaintEffect.NO_SCHEDULE)
PRICES = (0.1, 0.2, 0.35, 0.5)


class World:
    """Five to seven sites in two countries with districts, another app at some of them, and this one's deployment."""

    def __init__(self, draw: st.DrawFn, *, components: int, most: int = 7) -> None:
        self.build = build = Builder()
        self.countries = [build.make(Region, name=f"c{n}", level=RegionLevel.COUNTRY) for n in range(2)]
        self.districts = [
            build.make(
                Region,
                name=f"d{n}",
                level=RegionLevel.DISTRICT,
                parent_id=self.countries[n // 2].id,
                centre=at(2 * n, 0),
                demand=float(n),
            )
            for n in range(4)
        ]
        self.sites: list[Site] = []
        for n in range(draw(st.integers(3, most))):
            x = draw(st.integers(0, 7))
            node: dict[str, Any] = {
                "capacity": amount(draw(st.sampled_from([2000, 4000])), 16 * GIB),
                "labels": draw(st.sampled_from([{}, {"nic": "fast"}])),
                "taints": [GPU] if draw(st.integers(0, 4)) == 0 else [],
            }
            self.sites.append(
                build.site(
                    nodes=draw(st.integers(1, 2)),
                    node=node,
                    position=at(x, n % 2),
                    region_id=self.districts[x // 2].id,
                    tier=draw(st.sampled_from([Tier.METRO, Tier.DISTRICT])),
                    labels=draw(st.sampled_from([{"zone": "a"}, {"zone": "b"}, {"zone": "a", "rack": "r"}, {}])),
                    price_per_core_hour=draw(st.sampled_from(PRICES)),
                )
            )
        # No two ways are equally long, so that the way of least latency is one alone.
        for n, one in enumerate(self.sites[1:]):
            other = self.sites[draw(st.integers(0, n))]
            build.link(one, other, 1.0 + draw(st.integers(0, 3)) + 0.0137 * 2**n, bandwidth_mbps=100.0 * (1 + n % 3))
        self.components = [
            build.component(
                name=name,
                resources=amount(draw(st.sampled_from([500, 1000])), GIB),
                replicas=draw(st.integers(1, 3)),
            )
            for name in ("web", "db")[:components]
        ]
        other = build.component(name="other", resources=amount(200, GIB))
        self.other = build.deployment()
        for site in draw(st.lists(st.sampled_from(self.sites), max_size=2, unique_by=lambda one: one.id)):
            build.release(other, site, self.on_first_node(site), deployment_id=self.other.id)
        self.deployment = build.deployment()
        for site in draw(st.lists(st.sampled_from(self.sites), max_size=2, unique_by=lambda one: one.id)):
            for one in self.components:
                build.release(one, site, self.on_first_node(site), deployment_id=self.deployment.id)

    def on_first_node(self, site: Site) -> dict[str, int]:
        return {next(iter(self.build.view.ids("Node", "site_id", site.id))): 1}


def selectors(world: World) -> st.SearchStrategy[SiteSelector]:
    return st.one_of(
        st.builds(SiteSelector, labels=st.sampled_from(["zone=a", "zone=b", "zone", "!rack"])),
        st.builds(SiteSelector, tiers=st.sampled_from([["METRO"], ["DISTRICT"]])),
        st.builds(SiteSelector, region_ids=st.sampled_from([[one.id] for one in world.countries])),
        st.builds(SiteSelector, excluded_site_ids=st.sampled_from([[one.id] for one in world.sites])),
        st.builds(
            SiteSelector,
            site_ids=st.lists(st.sampled_from([one.id for one in world.sites]), min_size=1, max_size=3, unique=True),
        ),
        st.builds(
            SiteSelector,
            circle=st.builds(Circle, centre=st.builds(at, st.integers(0, 7), st.just(0)), radius_km=st.just(300.0)),
        ),
    )


def groups(world: World) -> st.SearchStrategy[SiteGroup]:
    leaf = st.builds(SiteGroup, sites=selectors(world))
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.builds(SiteGroup, any_of=st.lists(inner, min_size=1, max_size=3)),
            st.builds(SiteGroup, all_of=st.lists(inner, min_size=1, max_size=2)),
        ),
        max_leaves=4,
    )


def latencies(world: World) -> st.SearchStrategy[list[LatencyTarget]]:
    places = st.one_of(
        st.builds(Place, position=st.builds(at, st.integers(0, 7), st.integers(0, 1))),
        st.builds(Place, site_id=st.sampled_from([one.id for one in world.sites])),
        st.builds(Place, region_id=st.sampled_from([one.id for one in world.districts])),
    )
    target = st.builds(
        LatencyTarget,
        place=places,
        within_ms=st.sampled_from([3.0, 5.0, 8.0]),
        demand=st.sampled_from([None, 0.0, 5.0]),
        min_bandwidth_mbps=st.sampled_from([None, None, 150.0, 250.0]),
    )
    return st.lists(target, min_size=1, max_size=3)


def spreads() -> st.SearchStrategy[Spread]:
    numbers: dict[str, st.SearchStrategy[Any]] = {
        "min_domains": st.integers(1, 2),
        "max_domains": st.sampled_from([None, 2, 3]),
        "max_sites_each": st.sampled_from([None, 1, 2]),
    }
    return st.one_of(
        st.builds(Spread, by=st.just(SpreadBy.SITE), **numbers),
        st.builds(Spread, by=st.just(SpreadBy.REGION), level=st.sampled_from([None, "COUNTRY"]), **numbers),
        st.builds(Spread, by=st.just(SpreadBy.LABEL), label=st.just("zone"), **numbers),
    )


def of_others(world: World) -> st.SearchStrategy[list[AppAffinity]]:
    one = st.builds(AppAffinity, deployment_ids=st.just([world.other.id]), scope=st.sampled_from(list(AffinityScope)))
    return st.lists(one, min_size=1, max_size=1)


def words(world: World) -> dict[str, st.SearchStrategy[Any]]:
    """Each word of a policy that is about the app as a whole."""
    ids = [one.id for one in world.sites]
    return {
        "sites": selectors(world),
        "groups": st.lists(groups(world), min_size=1, max_size=2),
        "preferences": st.lists(selectors(world), min_size=1, max_size=3),
        "pinned_site_ids": st.lists(st.sampled_from(ids), min_size=1, max_size=2, unique=True),
        "latency": latencies(world),
        "coverage": st.lists(
            st.one_of(
                st.builds(Coverage, within_km=st.sampled_from([150.0, 300.0, 600.0])),
                st.builds(
                    Coverage,
                    within_ms=st.sampled_from([4.0, 7.0]),
                    region_ids=st.sampled_from([[one.id] for one in (*world.countries, *world.districts)]),
                ),
            ),
            min_size=1,
            max_size=2,
        ),
        "near": st.lists(
            st.builds(
                SiteReach,
                site_id=st.sampled_from(ids),
                within_ms=st.sampled_from([4.0, 8.0]),
                min_bandwidth_mbps=st.sampled_from([None, 150.0]),
            ),
            min_size=1,
            max_size=1,
        ),
        "residency_region_ids": st.sampled_from([[one.id] for one in world.countries]),
        "spread": st.lists(spreads(), min_size=1, max_size=2),
        "affinity": of_others(world),
        "anti_affinity": of_others(world),
        "tolerations": st.just([Toleration(key="gpu", operator=TolerationOperator.EXISTS)]),
        "min_sites": st.integers(2, 3),
        "max_sites": st.integers(1, 3),
        "everywhere": st.just(True),
        "max_price_per_hour": st.sampled_from([0.1, 0.4, 1.0]),
        "max_moves": st.integers(0, 2),
        "weights": st.builds(
            ScoreWeights, **{one: st.sampled_from([0.0, 1.0, 3.0]) for one in ("latency", "headroom", "price", "moves")}
        ),
        "objective": st.permutations([[Term.SITES], [Term.LATENCY], [Term.PRICE, Term.MOVES]]),
    }


def drawn(draw: st.DrawFn, world: World, *, most: int = 2, **more: Any) -> PlacementPolicy:
    known = words(world)
    names = draw(st.lists(st.sampled_from(sorted(known)), min_size=1, max_size=most, unique=True))
    return PlacementPolicy(**({name: draw(known[name]) for name in names} | more))


@st.composite
def one_unit(draw: st.DrawFn) -> tuple[World, PlacementPolicy]:
    world = World(draw, components=1)
    own: dict[str, Any] = draw(
        st.sampled_from([{}, {}, {"one_per_node": True}, {"dedicated_nodes": True}, {"node_labels": "nic=fast"}])
    )
    return world, drawn(draw, world, components=[ComponentPolicy(component="web", **own)] if own else [])


@st.composite
def two_units(draw: st.DrawFn) -> tuple[World, PlacementPolicy]:
    world = World(draw, components=2, most=5)
    near: dict[str, Any] = draw(
        st.fixed_dictionaries(
            {"component": st.just("db"), "apart": st.just(True)},
            optional={
                "sites": selectors(world),
                "min_sites": st.just(2),
                "never_with": st.just(["web"]),
                "one_per_node": st.just(True),
            },
        )
    )
    if draw(st.booleans()):
        near["serves"] = ["web"]
        near["within_ms"] = draw(st.sampled_from([1.5, 3.0, 6.0]))
        near["min_bandwidth_mbps"] = draw(st.sampled_from([None, 150.0]))
    own = [ComponentPolicy(**near, max_sites=draw(st.sampled_from([None, 2])))]
    if draw(st.integers(0, 3)) == 0:
        own.append(ComponentPolicy(component="web", apart=True))
    return world, drawn(draw, world, most=1, components=own)


def costs_of(decision: Decision, least: tuple[float, ...]) -> tuple[float, ...]:
    """Its costs by tier; groups of preference that have no sites of their own are no tiers."""
    found = tuple(round(one.cost, 6) for one in decision.objective.tiers)
    return (*[0.0] * (len(least) - len(found)), *found)


def wish_of(world: World, policy: PlacementPolicy) -> Wish:
    return Wish(world.build.view, world.components, policy, deployment_id=world.deployment.id)


def decided(world: World, policy: PlacementPolicy, **more: Any) -> Decision:
    return world.build.decide(*world.components, policy=policy, excluding_deployment_id=world.deployment.id, **more)


SMALL = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


@SMALL
@given(one_unit())
def test_two_words_together_are_kept_at_the_least_cost(case: tuple[World, PlacementPolicy]) -> None:
    world, policy = case
    wish = wish_of(world, policy)
    try:
        decision = decided(world, policy)
    except InvalidInput:
        event("contradicts itself")
        return
    least = brute_force.best(wish)
    event(f"feasible {least is not None}")
    assert decision.feasible is (least is not None)
    if least is None:
        assert decision.status is PlacementStatus.INFEASIBLE
        assert decision.conflicts
        return
    chosen = verify_words(wish, decision)
    assert costs_of(decision, least) == tuple(round(one, 6) for one in least)
    assert decision.proven
    assert tuple(round(one, 6) for one in brute_force.cost(wish, chosen)) == tuple(round(one, 6) for one in least)


@SMALL
@given(two_units())
def test_two_units_keep_each_others_words_at_the_least_cost(case: tuple[World, PlacementPolicy]) -> None:
    world, policy = case
    wish = wish_of(world, policy)
    try:
        decision = decided(world, policy)
    except InvalidInput:
        event("contradicts itself")
        return
    least = brute_force.best(wish)
    event(f"feasible {least is not None}")
    if decision.feasible:
        verify_words(wish, decision)
        assert least is not None
    elif decision.status is PlacementStatus.INFEASIBLE:
        assert least is None
    if least is not None and decision.proven and decision.feasible:
        assert costs_of(decision, least) == tuple(round(one, 6) for one in least)
