"""Every word of a policy with every other: a table of words, and each pair of it decided on one small graph.

What is decided is held against the words one by one (decision_verifier, division_verifier), and against every choice that
there is (brute_force): a pair that can be kept is, at the least cost, and one that cannot be is said not to be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import brute_force
import pytest
from decision_verifier import Wish, verify_words
from division_verifier import divisible, verify_division
from placement_graphs import GIB, Builder, amount, at
from test_decision_words import costs_of

from graph.kinds import Component, Region, RegionLevel, Site, Tier
from graph.kinds.geography import Circle, Coverage, SiteReach
from graph.kinds.policy import (
    AffinityScope,
    AppAffinity,
    ComponentPolicy,
    Division,
    DivisionLevel,
    DivisionMode,
    LatencyTarget,
    Place,
    PlacementPolicy,
    RegionWeight,
    ScoreWeights,
    SiteGroup,
    SiteSelector,
    SiteWeight,
    Spread,
    SpreadBy,
    Term,
    Toleration,
    TolerationOperator,
)
from graph.refusal import InvalidInput
from graph.values import AcceleratorPrice, Taint, TaintEffect
from placement.decision import Decision, PlacementStatus

TOTAL = 6


class Row:
    """Five sites a to e in a row, 100 km and 2 ms apart, of three nodes each; a to c in one country, d and e in another.

    e is tainted, another app runs at c, this one's `web` at b. No two ways are equally long, nor two prices alike.
    """

    def __init__(self) -> None:
        self.build = build = Builder()
        self.countries = [build.make(Region, name=name, level=RegionLevel.COUNTRY) for name in ("west", "east")]
        self.sites: dict[str, Site] = {}
        self.areas: dict[str, Region] = {}
        for n, name in enumerate("abcde"):
            self.areas[name] = build.make(
                Region,
                name=f"around {name}",
                level=RegionLevel.DISTRICT,
                parent_id=self.countries[n // 3].id,
                centre=at(0.9 * n, 0.1),
                demand=1.0 + n,
            )
            self.sites[name] = build.site(
                name=name,
                position=at(0.9 * n, 0),
                region_id=self.areas[name].id,
                tier=Tier.METRO if name in "be" else Tier.DISTRICT,
                labels={"rack": "xyxyx"[n], "name": name},
                price_per_core_hour=0.1 * (n + 1) + 0.01 * n * n,
                price_per_gib_hour=0.002 * (5 - n) ** 2,
                accelerator_prices=[AcceleratorPrice("gpu", (0.31, 0.07, 0.23, 0.0, 0.17)[n])][: n != 3],
                nodes=0,
            )
            cluster = build.cluster(self.sites[name])
            for place in range(3):
                build.node(
                    self.sites[name],
                    cluster_id=cluster.id,
                    capacity=amount(4000, 16 * GIB, gpu=4),
                    labels={"nic": "fast"} if name in "bde" and place else {},
                    taints=[Taint("gpu", "yes", TaintEffect.NO_SCHEDULE)] if name == "e" else [],
                )
        for n, (one, other) in enumerate(zip("abcd", "bcde", strict=True)):
            bandwidth = 100.0 if one == "c" else 1000.0
            build.link(self.sites[one], self.sites[other], 2.0 + 0.0137 * 2**n, bandwidth_mbps=bandwidth)
        self.web = build.component(name="web", replicas=2)
        self.db = build.component(name="db", resources=amount(1000, 2 * GIB, gpu=1))
        other = build.component(name="other", resources=amount(100))
        self.other, self.own = build.deployment(), build.deployment()
        self.other = build.change(self.other, labels={"role": "primary", "team": "blue"})
        self.own = build.change(self.own, labels={"role": "primary"})
        self._run(other, "c", self.other.id)
        self._run(self.web, "b", self.own.id)

    @property
    def app_id(self) -> str:
        return self.build.version.app_id

    def _run(self, component: Component, name: str, deployment_id: str) -> None:
        node = next(iter(self.build.view.ids("Node", "site_id", self.sites[name].id)))
        self.build.release(component, self.sites[name], {node: 1}, deployment_id=deployment_id)

    def ids(self, names: str) -> list[str]:
        return [self.sites[one].id for one in names]

    def only(self, names: str) -> SiteSelector:
        return SiteSelector(site_ids=self.ids(names))

    def near(self, name: str, **fields: Any) -> LatencyTarget:
        return LatencyTarget(place=Place(site_id=self.sites[name].id), **{"within_ms": 3.0} | fields)


@cache
def row() -> Row:
    """The one graph of all pairs, which no decision changes."""
    return Row()


def box(low: float, high: float) -> list[list[Any]]:
    return [[at(low, -1), at(high, -1), at(high, 1), at(low, 1), at(low, -1)]]


WITH_HOLE = [*box(-0.5, 3.0), [at(1.5, -0.5), at(2.1, -0.5), at(2.1, 0.5), at(1.5, 0.5), at(1.5, -0.5)]]
GOES_WITH = ("podAffinity", "podAffinity the other way", "podAffinity of what is apart")
SERVES = {"db:apart": True, "db:serves": ["web"], "db:within_ms": 2.5}

Fields = Mapping[str, Any]
WORDS: dict[str, Callable[[Row], Fields]] = {
    # Fields of the policy; those of `sites` as "sites.…", those of what is said of a component as "its name:…".
    "siteIds": lambda row: {"sites.site_ids": row.ids("bcde")},
    "excludedSiteIds": lambda row: {"sites.excluded_site_ids": row.ids("a")},
    "regionIds": lambda row: {"sites.region_ids": [row.countries[0].id, row.areas["d"].id]},
    "tiers": lambda row: {"sites.tiers": ["DISTRICT"]},
    "labels": lambda row: {"sites.labels": "name notin (a)"},
    "polygon": lambda row: {"sites.polygon": WITH_HOLE},
    "circle": lambda row: {"sites.circle": Circle(centre=at(1.8, 0), radius_km=150.0)},
    "groups allOf": lambda row: {
        "groups": [SiteGroup(all_of=[SiteGroup(sites=row.only("b")), SiteGroup(sites=row.only("d"))])]
    },
    "groups anyOf": lambda row: {
        "groups": [SiteGroup(any_of=[SiteGroup(sites=row.only("c")), SiteGroup(sites=row.only("bd"))])]
    },
    "preferences": lambda row: {"preferences": [row.only("d"), row.only("bc"), SiteSelector(tiers=["METRO"])]},
    "pinnedSiteIds": lambda row: {"pinned_site_ids": row.ids("c")},
    "latency": lambda row: {"latency": [row.near("b", demand=5.0), row.near("d")]},
    "latency with bandwidth": lambda row: {"latency": [row.near("c", min_bandwidth_mbps=500.0), row.near("d")]},
    "coverage ms": lambda row: {"coverage": [Coverage(within_ms=3.5, region_ids=[row.countries[0].id])]},
    "coverage km": lambda row: {"coverage": [Coverage(within_km=120.0)]},
    "coverage of a polygon": lambda row: {"coverage": [Coverage(within_ms=3.5, polygon=box(0.5, 3.0))]},
    "coverage of a circle": lambda row: {
        "coverage": [Coverage(within_ms=3.5, circle=Circle(centre=at(0.9, 0), radius_km=120.0))]
    },
    "near": lambda row: {"near": [SiteReach(site_id=row.sites["c"].id, within_ms=3.0)]},
    "near with bandwidth": lambda row: {"near": [SiteReach(site_id=row.sites["a"].id, min_bandwidth_mbps=500.0)]},
    "residency": lambda row: {"residency_region_ids": [row.countries[0].id]},
    "spread min": lambda row: {"spread": [Spread(by=SpreadBy.REGION, level="COUNTRY", min_domains=2)]},
    "spread max": lambda row: {"spread": [Spread(by=SpreadBy.LABEL, label="rack", max_domains=1)]},
    "spread each": lambda row: {"spread": [Spread(by=SpreadBy.REGION, level="COUNTRY", max_sites_each=1)]},
    "spread over sites": lambda row: {"spread": [Spread(by=SpreadBy.SITE, min_domains=2)]},
    "affinity": lambda row: {"affinity": [AppAffinity(deployment_ids=[row.other.id])]},
    "affinity by labels": lambda row: {"affinity": [AppAffinity(labels="role=primary,team in (blue,red)")]},
    "affinity by app": lambda row: {"affinity": [AppAffinity(app_ids=[row.app_id])]},
    "affinity in a region": lambda row: {
        "affinity": [AppAffinity(deployment_ids=[row.other.id], scope=AffinityScope.REGION)]
    },
    "antiAffinity at a site": lambda row: {"anti_affinity": [AppAffinity(deployment_ids=[row.other.id])]},
    "antiAffinity by labels": lambda row: {"anti_affinity": [AppAffinity(labels="role")]},
    "antiAffinity by labels in a region": lambda row: {
        "anti_affinity": [AppAffinity(labels="team!=red", scope=AffinityScope.REGION)]
    },
    "antiAffinity": lambda row: {
        "anti_affinity": [AppAffinity(deployment_ids=[row.other.id], scope=AffinityScope.REGION)]
    },
    "tolerations": lambda row: {"tolerations": [Toleration(key="gpu", operator=TolerationOperator.EXISTS)]},
    "tolerations of a value": lambda row: {
        "tolerations": [Toleration(key="gpu", operator=TolerationOperator.EQUAL, value="yes")]
    },
    "division": lambda row: {"division": Division()},
    "division by weights": lambda row: {
        "division": Division(
            weights=[
                SiteWeight(sites=row.only("b"), weight=3),
                SiteWeight(sites=row.only("e"), weight=0),
                SiteWeight(sites=SiteSelector(), weight=1),
            ]
        )
    },
    "division with bounds": lambda row: {"division": Division(min_each=2, max_each=3)},
    "division by room": lambda row: {"division": Division(mode=DivisionMode.FREE_CAPACITY)},
    "division by demand": lambda row: {
        "division": Division(mode=DivisionMode.DEMAND),
        "latency": [row.near("a"), row.near("d", demand=4.0)],
    },
    "division over levels": lambda row: {
        "division": Division(
            levels=[
                DivisionLevel(
                    level="COUNTRY",
                    weights=[RegionWeight(region_ids=[one.id], weight=2 - n) for n, one in enumerate(row.countries)],
                )
            ]
        )
    },
    "minSites": lambda row: {"min_sites": 2},
    "maxSites": lambda row: {"max_sites": 2},
    "everywhere": lambda row: {"everywhere": True},
    "maxPricePerHour": lambda row: {"max_price_per_hour": 2.0},
    "maxMoves": lambda row: {"max_moves": 1},
    "priority": lambda row: {"priority": -5},
    "weights": lambda row: {"weights": ScoreWeights(latency=3.0, headroom=0.0, price=5.0, moves=0.0)},
    "objective": lambda row: {"objective": [[Term.PRICE], [Term.LATENCY], [Term.SITES, Term.MOVES]]},
    "onePerNode": lambda row: {"web:one_per_node": True},
    "dedicatedNodes": lambda row: {"web:dedicated_nodes": True},
    "podAntiAffinity": lambda row: {"web:pod_anti_affinity": ["db"], "db:pod_anti_affinity": []},
    "podAffinity": lambda row: {"web:pod_affinity": ["db"], "db:pod_affinity": []},
    "podAffinity the other way": lambda row: {"db:pod_affinity": ["web"], "web:pod_affinity": []},
    "podAffinity of what is apart": lambda row: {
        "db:apart": True,
        "db:serves": ["web"],
        "db:within_ms": 0.0,
        "web:pod_affinity": ["db"],
    },
    "nodeLabels": lambda row: {"web:node_labels": "nic=fast"},
    "apart": lambda row: {"db:apart": True},
    "apart sites": lambda row: {"db:apart": True, "db:sites": SiteSelector(labels="rack=x")},
    "apart minSites": lambda row: {"db:apart": True, "db:min_sites": 2},
    "apart maxSites": lambda row: {"db:apart": True, "db:max_sites": 1},
    "serves": lambda row: SERVES,
    "serves with bandwidth": lambda row: {**SERVES, "db:min_bandwidth_mbps": 500.0},
    "neverWith": lambda row: {"db:apart": True, "db:never_with": ["web"]},
    "dedicated nodes of another": lambda row: {"db:dedicated_nodes": True},
    "node labels of another": lambda row: {"db:node_labels": "nic=fast"},
}


APART = ("apart", "apart sites", "apart minSites", "apart maxSites", "serves", "serves with bandwidth", "neverWith")
ALONE = ("dedicatedNodes", "dedicated nodes of another")
CONTRADICTIONS = {
    ("apart minSites", "apart maxSites"),
    *(tuple(sorted((one, other), key=list(WORDS).index)) for one in GOES_WITH for other in ALONE),
    *(("podAntiAffinity", one) for one in GOES_WITH),
    *((one, other) for one in GOES_WITH[:2] for other in APART),
    ("podAffinity of what is apart", "neverWith"),
    # Two replicas of web on different nodes, and one of db.
    ("onePerNode", "podAffinity"),
    ("onePerNode", "podAffinity of what is apart"),
}


def policy_of(fields: Fields) -> PlacementPolicy:
    """The policy of fields that are named as in the table."""
    sites: dict[str, Any] = {}
    said: dict[str, dict[str, Any]] = {}
    top: dict[str, Any] = {}
    for name, value in fields.items():
        if name.startswith("sites."):
            sites[name.removeprefix("sites.")] = value
        elif ":" in name:
            component, _, field = name.partition(":")
            said.setdefault(component, {})[field] = value
        else:
            top[name] = value
    components = [ComponentPolicy(component=name, **one) for name, one in said.items()]
    return PlacementPolicy(sites=SiteSelector(**sites), components=components, **top)


def pairs_of(first: str) -> list[str]:
    """The later words of the table that can be said together with this one."""
    names = list(WORDS)
    mine = WORDS[first](row())
    later = [(name, WORDS[name](row())) for name in names[names.index(first) + 1 :]]
    return [name for name, fields in later if all(mine[one] == fields[one] for one in set(mine) & set(fields))]


def hold(fields: Fields) -> Decision | None:
    """Decides what the fields say and asserts that it is kept; None where it contradicts itself."""
    world, policy = row(), policy_of(fields)
    components = [world.web]
    if any(name.startswith("db:") for name in fields):
        components.append(world.db)
    replicas = {} if policy.division is None else {one.name: TOTAL for one in components}
    wish = Wish(world.build.view, components, policy, replicas, deployment_id=world.own.id)
    try:
        decision = world.build.decide(
            *components, policy=policy, excluding_deployment_id=world.own.id, replicas=replicas
        )
    except InvalidInput:
        return None
    if policy.division is None:
        least = brute_force.best(wish)
        assert decision.feasible is (least is not None)
        if least is not None:
            assert decision.proven
            assert costs_of(decision, least) == pytest.approx(least, abs=2e-6)
    elif len(components) == 1:
        assert decision.feasible is divisible(wish)
    if decision.feasible:
        verify_words(wish, decision)
    else:
        assert decision.status is PlacementStatus.INFEASIBLE
        assert decision.conflicts
    if decision.feasible and policy.division is not None and len(components) == 1:
        counts = {one.site_id: one.components[0].replicas for one in decision.placements}
        verify_division(wish, world.web, counts)
    return decision


@pytest.mark.parametrize("word", WORDS)
def test_a_word_is_kept_alone_and_with_each_of_the_others(word: str) -> None:
    mine, broken = WORDS[word](row()), {}
    for other in [word, *pairs_of(word)]:
        try:
            assert (hold({**mine, **WORDS[other](row())}) is None) is ((word, other) in CONTRADICTIONS)
        except AssertionError as wrong:
            broken[other] = wrong
    assert broken == {}
