"""Words of a policy that contradict themselves or name what is not there are refused with the field and the remedy; what
they mean otherwise is in the problem, as rows and masks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
from placement_graphs import Builder, at

from graph.kinds import SiteRole, Tenant
from graph.kinds.geography import Circle, Coverage, SiteReach
from graph.kinds.policy import (
    AppAffinity,
    ComponentPolicy,
    Division,
    DivisionLevel,
    DivisionMode,
    LatencyTarget,
    Place,
    PlacementPolicy,
    RegionWeight,
    SiteGroup,
    SiteSelector,
    SiteWeight,
    Spread,
    SpreadBy,
    Term,
    Toleration,
    TolerationOperator,
)
from graph.refusal import InvalidInput, LimitExceeded, NotFound, Refusal

P = PlacementPolicy
S = SiteSelector
C = ComponentPolicy
STATIC, DEMAND, ROOM = DivisionMode.STATIC, DivisionMode.DEMAND, DivisionMode.FREE_CAPACITY
HERE = LatencyTarget(place=Place(position=at(0, 0)), within_ms=5.0)
TRIANGLE = [at(0, 0), at(1, 0), at(1, 1), at(0, 0)]


def web(**fields: Any) -> PlacementPolicy:
    return P(components=[C(component="web", **fields)])


Case = tuple[Callable[[Builder], PlacementPolicy], type[Refusal], str, str]
CASES: list[Case] = [
    # policy, error, path below input.policy, a part of the message
    (lambda b: P(sites=S(polygon=[[at(0, 0), at(1, 1)]])), InvalidInput, "sites.polygon[0]", "3 different points"),
    (lambda b: P(sites=S(polygon=[[at(0, 95), *TRIANGLE]])), InvalidInput, "sites.polygon[0][0]", "within 90"),
    (
        lambda b: P(sites=S(circle=Circle(centre=at(0, 0), radius_km=float("nan")))),
        InvalidInput,
        "sites.circle.radiusKm",
        "above 0",
    ),
    (lambda b: P(preferences=[S(), S(site_ids=["x"])]), NotFound, "preferences[1].siteIds[0]", "no Site"),
    (lambda b: P(preferences=[S(tiers=["MOON"])]), InvalidInput, "preferences[0].tiers[0]", "no tier"),
    (lambda b: P(preferences=[S(labels="a b")]), InvalidInput, "preferences[0].labels", "column"),
    (lambda b: P(residency_region_ids=["region_x"]), NotFound, "residencyRegionIds[0]", "no Region"),
    (lambda b: P(pinned_site_ids=["site_x"]), NotFound, "pinnedSiteIds[0]", "no Site"),
    (
        lambda b: P(pinned_site_ids=[b.site(role=SiteRole.TRANSIT, nodes=0).id]),
        InvalidInput,
        "pinnedSiteIds[0]",
        "only routed through",
    ),
    (
        lambda b: P(pinned_site_ids=[b.site(tenant_id=b.make(Tenant, name="other").id).id]),
        NotFound,
        "pinnedSiteIds[0]",
        "no Site",
    ),
    (
        lambda b: P(pinned_site_ids=[s := b.site().id], sites=S(excluded_site_ids=[s])),
        InvalidInput,
        "pinnedSiteIds[0]",
        "excluded",
    ),
    (
        lambda b: P(pinned_site_ids=[b.site().id], sites=S(site_ids=[b.site().id])),
        InvalidInput,
        "pinnedSiteIds[0]",
        "none of those",
    ),
    (
        lambda b: P(pinned_site_ids=[b.site().id, b.site().id], max_sites=1),
        InvalidInput,
        "maxSites",
        "2 sites are chosen in any case",
    ),
    (lambda b: P(near=[SiteReach(site_id="site_x", within_ms=1.0)]), NotFound, "near[0].siteId", "no Site"),
    (lambda b: P(near=[SiteReach(site_id=b.site().id)]), InvalidInput, "near[0]", "a latency, a bandwidth"),
    (lambda b: P(coverage=[Coverage()]), InvalidInput, "coverage[0]", "exactly one of"),
    (lambda b: P(coverage=[Coverage(within_ms=1.0, within_km=1.0)]), InvalidInput, "coverage[0]", "exactly one of"),
    (lambda b: P(coverage=[Coverage(within_km=-1.0)]), InvalidInput, "coverage[0].withinKm", "above 0"),
    (lambda b: P(coverage=[Coverage(within_ms=9.0)]), InvalidInput, "coverage[0]", "no region with a centre"),
    (
        lambda b: P(coverage=[Coverage(within_ms=9.0, region_ids=["region_x"])]),
        NotFound,
        "coverage[0].regionIds[0]",
        "no Region",
    ),
    (lambda b: P(spread=[Spread(by=SpreadBy.LABEL)]), InvalidInput, "spread[0].label", "just when"),
    (lambda b: P(spread=[Spread(by=SpreadBy.SITE, label="rack")]), InvalidInput, "spread[0].label", "just when"),
    (lambda b: P(spread=[Spread(by=SpreadBy.LABEL, label="a b")]), InvalidInput, "spread[0].label", ""),
    (lambda b: P(spread=[Spread(by=SpreadBy.SITE, level="CITY")]), InvalidInput, "spread[0].level", "of regions"),
    (lambda b: P(spread=[Spread(by=SpreadBy.REGION, level="TOWN")]), InvalidInput, "spread[0].level", "no level"),
    (
        lambda b: P(spread=[Spread(by=SpreadBy.SITE, min_domains=3, max_domains=2)]),
        InvalidInput,
        "spread[0].maxDomains",
        "cannot both",
    ),
    (lambda b: P(spread=[Spread(by=SpreadBy.SITE, max_sites_each=0)]), InvalidInput, "spread[0].maxSitesEach", ""),
    (
        lambda b: P(max_sites=2, spread=[Spread(by=SpreadBy.REGION, min_domains=3)]),
        InvalidInput,
        "spread[0].minDomains",
        "at most 2",
    ),
    (
        lambda b: P(min_sites=5, spread=[Spread(by=SpreadBy.REGION, max_domains=2, max_sites_each=2)]),
        InvalidInput,
        "spread[0].maxSitesEach",
        "4 sites at most",
    ),
    (lambda b: P(affinity=[AppAffinity(labels="a b")]), InvalidInput, "affinity[0].labels", "column"),
    (lambda b: P(anti_affinity=[AppAffinity()]), InvalidInput, "antiAffinity[0]", "names deployments"),
    (lambda b: P(tolerations=[Toleration()]), InvalidInput, "tolerations[0].key", "EXISTS"),
    (
        lambda b: P(tolerations=[Toleration(key="a", operator=TolerationOperator.EXISTS, value="x")]),
        InvalidInput,
        "tolerations[0].value",
        "every value",
    ),
    (lambda b: P(components=[C(component="x")]), InvalidInput, "components[0].component", "no component 'x'"),
    (
        lambda b: P(components=[C(component="web"), C(component="web")]),
        InvalidInput,
        "components[1].component",
        "given twice",
    ),
    (lambda b: web(sites=S(tiers=["METRO"])), InvalidInput, "components[0].sites", "no sites of its own"),
    (lambda b: web(min_sites=2), InvalidInput, "components[0].minSites", "of its own"),
    (lambda b: web(max_sites=2), InvalidInput, "components[0].maxSites", "of its own"),
    (lambda b: web(serves=["db"], within_ms=1.0), InvalidInput, "components[0].serves", "of its own"),
    (lambda b: web(never_with=["db"]), InvalidInput, "components[0].neverWith", "of its own"),
    (lambda b: web(apart=True, min_sites=3, max_sites=2), InvalidInput, "components[0].maxSites", "cannot both"),
    (lambda b: web(apart=True, min_sites=0), InvalidInput, "components[0].minSites", "at least one"),
    (lambda b: web(apart=True, serves=["db"]), InvalidInput, "components[0].withinMs", "missing"),
    (lambda b: web(apart=True, within_ms=1.0), InvalidInput, "components[0].withinMs", "serves none"),
    (lambda b: web(apart=True, min_bandwidth_mbps=1.0), InvalidInput, "components[0].minBandwidthMbps", "serves none"),
    (lambda b: web(apart=True, serves=["x"], within_ms=1.0), InvalidInput, "components[0].serves[0]", "no component"),
    (lambda b: web(apart=True, serves=["web"], within_ms=1.0), InvalidInput, "components[0].serves[0]", "itself"),
    (lambda b: web(pod_anti_affinity=["web"]), InvalidInput, "components[0].podAntiAffinity[0]", "itself"),
    (lambda b: web(pod_anti_affinity=["x"]), InvalidInput, "components[0].podAntiAffinity[0]", "no component"),
    (lambda b: web(pod_affinity=["web"]), InvalidInput, "components[0].podAffinity[0]", "itself"),
    (lambda b: web(pod_affinity=["x"]), InvalidInput, "components[0].podAffinity[0]", "no component"),
    (
        lambda b: web(pod_affinity=["db"], pod_anti_affinity=["db"]),
        InvalidInput,
        "components[0].podAffinity[0]",
        "shares none",
    ),
    (
        lambda b: P(components=[C(component="db", pod_anti_affinity=["web"]), C(component="web", pod_affinity=["db"])]),
        InvalidInput,
        "components[1].podAffinity[0]",
        "shares none",
    ),
    (
        lambda b: web(pod_affinity=["db"], dedicated_nodes=True),
        InvalidInput,
        "components[0].podAffinity[0]",
        "of 'web' run nothing else",
    ),
    (
        lambda b: P(components=[C(component="db", dedicated_nodes=True), C(component="web", pod_affinity=["db"])]),
        InvalidInput,
        "components[1].podAffinity[0]",
        "of 'db' run nothing else",
    ),
    (lambda b: web(pod_affinity=["db"], apart=True), InvalidInput, "components[0].podAffinity[0]", "need not be at"),
    (
        lambda b: P(components=[C(component="db", apart=True), C(component="web", pod_affinity=["db"])]),
        InvalidInput,
        "components[1].podAffinity[0]",
        "need not be at its sites",
    ),
    (
        lambda b: P(
            components=[
                C(component="db", apart=True, serves=["web"], within_ms=1.0),
                C(component="web", pod_affinity=["db"]),
            ]
        ),
        InvalidInput,
        "components[1].podAffinity[0]",
        "need not be at its sites",
    ),
    (
        lambda b: P(
            components=[
                C(component="db", apart=True, serves=["api"], within_ms=0.0, never_with=["web"]),
                C(component="web", pod_affinity=["db"]),
            ]
        ),
        InvalidInput,
        "components[1].podAffinity[0]",
        "never at its sites",
    ),
    (
        lambda b: P(
            components=[
                C(component="api", pod_affinity=["web"]),
                C(component="web", pod_affinity=["db"]),
                C(component="db", pod_affinity=["web"]),
            ]
        ),
        InvalidInput,
        "components[1].podAffinity",
        "'db' and 'web' go with each other in a circle",
    ),
    (lambda b: web(apart=True, never_with=["web"]), InvalidInput, "components[0].neverWith[0]", "itself"),
    (
        lambda b: web(apart=True, serves=["db"], within_ms=0.0, never_with=["db"]),
        InvalidInput,
        "components[0].neverWith",
        "both cannot be",
    ),
    (
        lambda b: P(
            components=[
                C(component="web", apart=True, serves=["db"], within_ms=1.0),
                C(component="db", apart=True, serves=["api"], within_ms=1.0),
                C(component="api", apart=True, serves=["web"], within_ms=1.0),
            ]
        ),
        InvalidInput,
        "components[2].serves",
        "in a circle",
    ),
    (lambda b: web(node_labels="a b"), InvalidInput, "components[0].nodeLabels", "column"),
    (lambda b: web(apart=True, sites=S(site_ids=["x"])), NotFound, "components[0].sites.siteIds[0]", "no Site"),
    (
        lambda b: P(division=Division(mode=ROOM, weights=[SiteWeight(sites=S(), weight=1)])),
        InvalidInput,
        "division.weights",
        "STATIC",
    ),
    (
        lambda b: P(division=Division(weights=[SiteWeight(sites=S(), weight=0)])),
        InvalidInput,
        "division.weights",
        "all weights are 0",
    ),
    (
        lambda b: P(
            division=Division(
                levels=[DivisionLevel(level="COUNTRY", weights=[RegionWeight(region_ids=["x"], weight=0)])]
            )
        ),
        InvalidInput,
        "division.levels[0].weights",
        "all weights are 0",
    ),
    (lambda b: P(division=Division(mode=DEMAND)), InvalidInput, "division.mode", "takes places"),
    (lambda b: P(division=Division(min_each=3, max_each=2)), InvalidInput, "division.maxEach", "cannot both"),
    (lambda b: P(division=Division(max_each=0)), InvalidInput, "division.maxEach", "cannot both"),
    (lambda b: P(min_sites=3, division=Division(min_each=2)), InvalidInput, "division.minEach", "more than the 4"),
    (lambda b: P(max_sites=1, division=Division(max_each=3)), InvalidInput, "division.maxEach", "is less than the 4"),
    (
        lambda b: P(division=Division(weights=[SiteWeight(sites=S(site_ids=["x"]), weight=1)])),
        NotFound,
        "division.weights[0].sites.siteIds[0]",
        "no Site",
    ),
    (lambda b: P(objective=[[Term.SITES], []]), InvalidInput, "objective[1]", "without terms"),
    (
        lambda b: P(objective=[[Term.SITES], [Term.PRICE, Term.SITES]]),
        InvalidInput,
        "objective[1][1]",
        "counts twice",
    ),
    (lambda b: P(groups=[SiteGroup()]), InvalidInput, "groups[0]", "exactly one"),
]


@pytest.mark.parametrize(
    ("policy", "error", "path", "message"), CASES, ids=[f"{at}-{one[2]}" for at, one in enumerate(CASES)]
)
def test_a_word_that_cannot_be_kept_is_refused(
    build: Builder, policy: Callable[[Builder], PlacementPolicy], error: type[Refusal], path: str, message: str
) -> None:
    components = [build.component(name=one, replicas=4) for one in ("web", "db", "api")]
    build.site()
    with pytest.raises(error) as caught:
        build.problem(*components, policy=policy(build))
    assert caught.value.path == f"input.policy.{path}"
    assert message in caught.value.message
    assert caught.value.remedy


def test_a_policy_that_says_nothing_asks_nothing_of_anybody(build: Builder) -> None:
    build.site()
    words = build.problem(build.component()).words
    for name in ("residency", "preference", "groups", "tolerated", "taken", "busy", "weights", "allowed"):
        assert getattr(words, name) is None
    for name in ("near", "spread", "affinity", "anti_affinity"):
        assert getattr(words, name) == ()
    assert words.selected == {}
    assert len(words.pinned) == len(words.demand) == 0
    assert len(words.units) == 1


def test_preferences_pins_and_weights_are_rows_of_the_sites_looked_at(build: Builder) -> None:
    build.site(role=SiteRole.TRANSIT, nodes=0)
    a, b, c, d = (build.site(labels={"name": one}) for one in "abcd")
    policy = P(
        preferences=[S(site_ids=[c.id]), S(labels="name in (a,c)")],
        pinned_site_ids=[d.id, b.id, d.id],
        division=Division(
            weights=[SiteWeight(sites=S(site_ids=[a.id]), weight=7), SiteWeight(sites=S(labels="name!=d"), weight=2)]
        ),
    )
    problem = build.problem(build.component(), policy=policy)
    assert [one.id for one in problem.sites] == [a.id, b.id, c.id, d.id]
    words = problem.words
    assert words.preference is not None
    assert words.weights is not None
    assert words.preference.tolist() == [1, -1, 0, -1]
    assert words.pinned.tolist() == [1, 3]
    assert words.weights.tolist() == [7, 2, 2, 0]
    alike = build.problem(build.component(), policy=P(division=Division())).words.weights
    assert alike is not None
    assert alike.tolist() == [1, 1, 1, 1]


def test_demand_is_the_targets_own_or_the_regions_or_one(build: Builder) -> None:
    site = build.site()
    full = build.make(type(build.region), name="full", centre=at(0, 0), demand=30.0)
    empty = build.make(type(build.region), name="empty", centre=at(0, 0))
    places = [Place(region_id=full.id), Place(region_id=empty.id), Place(site_id=site.id)]
    targets = [LatencyTarget(place=one, within_ms=5.0) for one in places]
    targets.append(LatencyTarget(place=Place(region_id=full.id), within_ms=5.0, demand=0.0))
    policy = P(latency=targets, coverage=[Coverage(region_ids=[full.id], within_km=10.0)])
    assert build.problem(build.component(), policy=policy).words.demand.tolist() == [30.0, 1.0, 1.0, 0.0, 30.0]


def test_places_are_bounded(build: Builder) -> None:
    build.site()
    with pytest.raises(LimitExceeded) as caught:
        build.problem(build.component(), policy=P(latency=[HERE] * 2_001))
    assert caught.value.path == "input.policy.latency"


def test_what_is_said_of_components_is_in_their_order(build: Builder) -> None:
    fast, slow = build.site(node={"labels": {"nic": "sriov"}}), build.site()
    names = ["web", "db", "api"]
    components = [build.component(name=one) for one in names]
    policy = P(
        min_sites=2,
        components=[
            C(component="api", apart=True, serves=["web"], within_ms=3.0, max_sites=4, one_per_node=True),
            C(component="db", dedicated_nodes=True, node_labels="nic=sriov"),
        ],
    )
    words = build.problem(*components, policy=policy).words
    assert [one.one_per_node for one in words.components] == [False, False, True]
    assert [one.dedicated for one in words.components] == [False, True, False]
    having = words.components[1].has_features
    assert having is not None
    assert int(np.count_nonzero(having)) == 1
    assert [(one.components, one.min_sites, one.max_sites) for one in words.units] == [((0, 1), 2, None), ((2,), 1, 4)]
    api = words.units[1]
    assert (api.serves, api.within_ms, api.never_with) == ((0,), 3.0, ())
    assert (fast.id, slow.id) == tuple(one.id for one in build.problem(*components).sites)


def test_the_first_of_components_that_are_all_apart_is_the_one_that_places_are_clients_of(build: Builder) -> None:
    near, far = build.site(labels={"zone": "a"}), build.site()
    web, db = build.component(name="web"), build.component(name="db")
    policy = P(
        min_sites=2,
        max_sites=3,
        components=[
            C(component="db", apart=True, sites=S(labels="zone=a"), serves=["web"], within_ms=1.0, never_with=["web"]),
            C(component="web", apart=True, max_sites=5),
        ],
    )
    words = build.problem(web, db, policy=policy).words
    assert [one.name for one in words.units] == ["web", "db"]
    assert [(one.min_sites, one.max_sites) for one in words.units] == [(2, 3), (1, None)]
    assert [one.sites.tolist() for one in words.units] == [[True, True], [True, False]]
    assert (words.units[1].serves, words.units[1].never_with) == ((0,), (0,))
    assert near.id < far.id


def test_a_policy_that_is_kept_comes_back_as_it_was(build: Builder) -> None:
    policy = P(
        groups=[SiteGroup(any_of=[SiteGroup(sites=S(labels="a=b")), SiteGroup(all_of=[SiteGroup(sites=S())])])],
        coverage=[Coverage(polygon=[TRIANGLE], within_km=3.0)],
        spread=[Spread(by=SpreadBy.REGION, level="COUNTRY", max_sites_each=2)],
        objective=[[Term.PRICE], [Term.MOVES, Term.LATENCY]],
        components=[C(component="web", apart=True, serves=["db"], within_ms=0.0)],
        division=Division(weights=[SiteWeight(sites=S(), weight=3)]),
        max_moves=0,
    )
    assert msgspec.json.decode(msgspec.json.encode(policy), type=P) == policy
