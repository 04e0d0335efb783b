"""Each rule of the policy's words: which sites it refuses with which need and have, and that it alone stands in the way."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import pytest
from placement_graphs import Builder, amount, at

from graph.kinds import App, AppVersion, Site, Tenant
from graph.kinds.geography import Circle, Coverage, SiteReach
from graph.kinds.policy import (
    AffinityScope,
    AppAffinity,
    ComponentPolicy,
    LatencyTarget,
    Place,
    PlacementPolicy,
    SiteGroup,
    SiteSelector,
    Spread,
    SpreadBy,
    Toleration,
    TolerationOperator,
)
from graph.values import Taint, TaintEffect
from placement.decision import Reason
from placement.problem import Problem
from placement.rules import RULES
from placement.screening import screen

GPU_TAINT = Taint("gpu", "yes", TaintEffect.NO_SCHEDULE)
SQUARE = [at(0, 40), at(10, 40), at(10, 50), at(0, 50), at(0, 40)]


def reasons(problem: Problem, site: Site) -> list[Reason]:
    """Why a site is refused; and that without the rules that are named it would have passed."""
    row = [one.id for one in problem.sites].index(site.id)
    [screening] = screen([problem], RULES)
    found = screening.reasons(row)
    named = {one.rule for one in found}
    assert screen([problem], [one for one in RULES if one.name not in named])[0].passed[row]
    assert bool(found) != bool(screening.passed[row])
    return found


def only(problem: Problem, site: Site) -> Reason:
    found = reasons(problem, site)
    assert len(found) == 1, [one.rule for one in found]
    return found[0]


def two_sites(build: Builder) -> tuple[Site, Site]:
    """One inside everything, in Austria, 5 ms from the other, which is outside."""
    inside = build.site(name="inside", position=at(5, 45), labels={"zone": "a", "rack": "r1"})
    outside = build.site(
        name="outside", position=at(20, 45), region_id=build.make(type(build.region), name="abroad").id
    )
    build.link(inside, outside, 5.0, bandwidth_mbps=1000.0, reserved_mbps=400.0)
    return inside, outside


Policy = Callable[[Builder, Site], PlacementPolicy]
CASES: dict[str, tuple[Policy, str, str, str, str]] = {
    # rule: policy, need, have, unit, a part of the message
    "polygon": (
        lambda b, s: PlacementPolicy(sites=SiteSelector(polygon=[SQUARE])),
        "inside the polygon",
        "longitude 20.0000, latitude 45.0000",
        "",
        "polygon",
    ),
    "circle": (
        lambda b, s: PlacementPolicy(sites=SiteSelector(circle=Circle(centre=at(5, 45), radius_km=500))),
        "500",
        "1177.",
        "km",
        "of the circle's centre",
    ),
    "residency": (
        lambda b, s: PlacementPolicy(residency_region_ids=[b.region.id]),
        "region",
        "abroad",
        "",
        "may not leave",
    ),
    "groups": (
        lambda b, s: PlacementPolicy(groups=[SiteGroup(sites=SiteSelector(labels="zone=a"))]),
        "selected by a group",
        "selected by none",
        "",
        "no group",
    ),
    "preferences": (
        lambda b, s: PlacementPolicy(preferences=[SiteSelector(labels="zone=a"), SiteSelector(labels="zone=b")]),
        "in a group of preference",
        "in none",
        "",
        "none of the 2 groups",
    ),
    "spread": (
        lambda b, s: PlacementPolicy(spread=[Spread(by=SpreadBy.LABEL, label="rack")]),
        "label rack",
        "no rack",
        "",
        "spread by label rack",
    ),
    "near": (
        lambda b, s: PlacementPolicy(near=[SiteReach(site_id=s.id, within_ms=4.5)]),
        "4.5",
        "5.000",
        "ms",
        "from site 'inside'",
    ),
    "latency": (
        lambda b, s: PlacementPolicy(latency=[LatencyTarget(place=Place(site_id=s.id, name="here"), within_ms=5.0)]),
        "5",
        "5.150",
        "ms",
        "from here",
    ),
    "distance": (
        lambda b, s: PlacementPolicy(coverage=[Coverage(region_ids=[b.region.id], within_km=100)]),
        "100",
        "1177.",
        "km",
        "from region",
    ),
}


@pytest.mark.parametrize("rule", CASES)
def test_a_word_refuses_the_site_outside_with_need_and_have(build: Builder, rule: str) -> None:
    inside, outside = two_sites(build)
    build.region = build.change(build.region, centre=at(5, 45))
    policy, need, have, unit, message = CASES[rule]
    problem = build.problem(build.component(), policy=policy(build, inside))
    assert reasons(problem, inside) == []
    reason = only(problem, outside)
    assert (reason.rule, reason.unit) == (rule, unit)
    assert reason.need.startswith(need)
    assert (reason.have or "").startswith(have)
    assert message in reason.message


@pytest.mark.parametrize(("one", "other"), list(combinations(sorted(set(CASES) - {"latency", "distance"}), 2)))
def test_two_words_name_both_their_rules(build: Builder, one: str, other: str) -> None:
    inside, outside = two_sites(build)
    words: dict[str, object] = {}
    for rule in (one, other):
        policy = CASES[rule][0](build, inside)
        for field in ("sites", "residency_region_ids", "groups", "preferences", "spread", "near"):
            if getattr(policy, field) != getattr(PlacementPolicy(), field):
                words[field] = getattr(policy, field)
    if {one, other} == {"polygon", "circle"}:
        words["sites"] = SiteSelector(polygon=[SQUARE], circle=Circle(centre=at(5, 45), radius_km=500))
    problem = build.problem(build.component(), policy=PlacementPolicy(**words))  # type: ignore[arg-type]  # by name
    assert reasons(problem, inside) == []
    assert {reason.rule for reason in reasons(problem, outside)} == {one, other}


def test_a_site_without_a_position_is_inside_nothing(build: Builder) -> None:
    placed, nowhere = build.site(position=at(5, 45)), build.site()
    sites = SiteSelector(polygon=[SQUARE], circle=Circle(centre=at(5, 45), radius_km=500))
    problem = build.problem(build.component(), policy=PlacementPolicy(sites=sites))
    assert reasons(problem, placed) == []
    assert [(one.rule, one.have) for one in reasons(problem, nowhere)] == [
        ("polygon", "no position"),
        ("circle", "no position"),
    ]


@pytest.mark.parametrize(
    ("reach", "need", "have", "unit"),
    [
        (SiteReach(site_id="", min_bandwidth_mbps=600.0), None, None, None),
        (SiteReach(site_id="", min_bandwidth_mbps=601.0), "601", "600", "Mbit/s"),
        (SiteReach(site_id="", within_ms=5.0, min_bandwidth_mbps=1.0), None, None, None),
    ],
)
def test_near_a_site_counts_what_is_free_on_the_way(
    build: Builder, reach: SiteReach, need: str | None, have: str | None, unit: str | None
) -> None:
    inside, outside = two_sites(build)
    wanted = SiteReach(site_id=inside.id, within_ms=reach.within_ms, min_bandwidth_mbps=reach.min_bandwidth_mbps)
    problem = build.problem(build.component(), policy=PlacementPolicy(near=[wanted]))
    if need is None:
        assert reasons(problem, outside) == []
    else:
        reason = only(problem, outside)
        assert (reason.rule, reason.need, reason.have, reason.unit) == ("near", need, have, unit)


def test_a_way_with_a_link_that_states_no_bandwidth_is_not_wide_enough(build: Builder) -> None:
    a, b, c = build.site(name="a"), build.site(), build.site()
    build.link(a, b, 1.0, bandwidth_mbps=100.0)
    build.link(b, c, 1.0)
    alone = build.site()
    problem = build.problem(
        build.component(), policy=PlacementPolicy(near=[SiteReach(site_id=a.id, min_bandwidth_mbps=10.0)])
    )
    assert reasons(problem, a) == []
    assert reasons(problem, b) == []
    assert (only(problem, c).have, only(problem, c).unit) == ("not known", "")
    assert only(problem, alone).have == "none"


def test_a_place_that_needs_bandwidth_refuses_what_is_near_and_narrow(build: Builder) -> None:
    here, wide, narrow, far = (build.site(name=one) for one in ("here", "wide", "narrow", "far"))
    build.link(here, wide, 1.0, bandwidth_mbps=500.0)
    build.link(here, narrow, 1.0, bandwidth_mbps=50.0)
    build.link(here, far, 30.0, bandwidth_mbps=500.0)
    target = LatencyTarget(place=Place(site_id=here.id), within_ms=5.0, min_bandwidth_mbps=100.0)
    problem = build.problem(build.component(), policy=PlacementPolicy(latency=[target]))
    assert reasons(problem, here) == []
    assert reasons(problem, wide) == []
    reason = only(problem, narrow)
    assert (reason.rule, reason.need, reason.have, reason.unit) == ("bandwidth", "100", "50", "Mbit/s")
    assert only(problem, far).rule == "latency"
    build.link(here, narrow, 0.5)
    reason = only(build.problem(build.component(), policy=PlacementPolicy(latency=[target])), narrow)
    assert (reason.rule, reason.have, reason.unit) == ("bandwidth", "not known", "")


def test_a_site_in_reach_of_no_place_is_refused_by_both_kinds_of_reach(build: Builder) -> None:
    inside, outside = two_sites(build)
    build.region = build.change(build.region, centre=at(5, 45))
    policy = PlacementPolicy(
        latency=[LatencyTarget(place=Place(site_id=inside.id), within_ms=1.0)],
        coverage=[Coverage(within_km=50)],
    )
    problem = build.problem(build.component(), policy=policy)
    assert [one.rule for one in reasons(problem, outside)] == ["latency", "distance"]


def test_affinity_wants_the_other_app_at_the_site_or_in_its_region(build: Builder) -> None:
    with_db, beside = build.site(), build.site()
    abroad = build.site(region_id=build.make(type(build.region), name="abroad").id)
    db = build.deployment()
    build.release(build.component(), with_db, {}, replicas=1, deployment_id=db.id)
    component = build.component()

    def problem(scope: AffinityScope) -> Problem:
        wanted = AppAffinity(deployment_ids=[db.id], scope=scope)
        return build.problem(component, policy=PlacementPolicy(affinity=[wanted]))

    assert reasons(problem(AffinityScope.SITE), with_db) == []
    reason = only(problem(AffinityScope.SITE), beside)
    assert (reason.rule, reason.need, reason.have) == ("affinity", f"{db.name!r} at the site", "not there")
    assert reasons(problem(AffinityScope.REGION), beside) == []
    assert only(problem(AffinityScope.REGION), abroad).rule == "affinity"


def test_every_affinity_has_its_own_company(build: Builder) -> None:
    both, one_only = build.site(), build.site()
    first, second = build.deployment(), build.deployment()
    component = build.component()
    for deployment, sites in ((first, (both, one_only)), (second, (both,))):
        for site in sites:
            build.release(component, site, {}, replicas=1, deployment_id=deployment.id)
    policy = PlacementPolicy(affinity=[AppAffinity(deployment_ids=[first.id]), AppAffinity(deployment_ids=[second.id])])
    problem = build.problem(component, policy=policy)
    assert reasons(problem, both) == []
    assert only(problem, one_only).need == f"{second.name!r} at the site"


def test_anti_affinity_goes_both_ways_and_names_who_is_there(build: Builder) -> None:
    taken, free = build.site(), build.site()
    other = build.deployment()
    component = build.component()
    build.release(component, taken, {}, replicas=1, deployment_id=other.id)
    problem = build.problem(component, policy=PlacementPolicy(anti_affinity=[AppAffinity(deployment_ids=[other.id])]))
    reason = only(problem, taken)
    assert (reason.rule, reason.have) == ("anti_affinity", repr(other.name))
    assert reasons(problem, free) == []
    assert reasons(build.problem(component), taken) == []
    build.change(other, policy=PlacementPolicy(anti_affinity=[AppAffinity(app_ids=[build.version.app_id])]))
    problem = build.problem(component)
    reason = only(problem, taken)
    assert (reason.rule, reason.have) == ("anti_affinity", repr(other.name))
    assert "whose policy keeps this one away" in reason.message
    assert reasons(problem, free) == []


TAINTED = {"taints": [GPU_TAINT]}
EXISTS, EQUAL = TolerationOperator.EXISTS, TolerationOperator.EQUAL


@pytest.mark.parametrize(
    ("toleration", "passes"),
    [
        (Toleration(operator=EXISTS), True),
        (Toleration(key="gpu", operator=EXISTS), True),
        (Toleration(key="gpu", value="yes"), True),
        (Toleration(key="gpu", value="yes", effect=TaintEffect.NO_SCHEDULE), True),
        (Toleration(key="gpu", value="no"), False),
        (Toleration(key="gpu"), False),
        (Toleration(key="disk", operator=EXISTS), False),
        (Toleration(key="gpu", operator=EXISTS, effect=TaintEffect.NO_EXECUTE), False),
    ],
)
def test_a_toleration_is_read_as_kubernetes_does(build: Builder, toleration: Toleration, passes: bool) -> None:
    site = build.site(node=TAINTED)
    problem = build.problem(build.component(), policy=PlacementPolicy(tolerations=[toleration]))
    if passes:
        assert reasons(problem, site) == []
    else:
        reason = only(problem, site)
        assert (reason.rule, reason.need, reason.have) == ("taint", "1", "0")
        assert "that the policy does not tolerate" in reason.message


def test_every_taint_of_a_node_has_to_be_tolerated(build: Builder) -> None:
    second = Taint("lost", "", TaintEffect.NO_EXECUTE)
    site = build.site(node={"taints": [GPU_TAINT, second]})
    gpu, lost = Toleration(key="gpu", operator=EXISTS), Toleration(key="lost", operator=EXISTS)
    component = build.component()
    assert only(build.problem(component, policy=PlacementPolicy(tolerations=[gpu])), site).rule == "taint"
    assert reasons(build.problem(component, policy=PlacementPolicy(tolerations=[gpu, lost])), site) == []


def test_features_are_labels_of_a_components_nodes(build: Builder) -> None:
    fast = build.site(node={"labels": {"nic": "sriov"}})
    slow, stated = build.site(), build.site(nodes=0, capacity=amount(8000, 2**34))
    component = build.component(name="web")
    policy = PlacementPolicy(components=[ComponentPolicy(component="web", node_labels="nic=sriov")])
    problem = build.problem(component, policy=policy)
    assert reasons(problem, fast) == []
    reason = only(problem, slow)
    assert (reason.rule, reason.need, reason.have) == ("features", "nic=sriov", "0 of 1 node")
    assert only(problem, stated).rule == "features"


def test_nodes_to_itself_are_those_that_run_nothing_else(build: Builder) -> None:
    busy, empty, stated = build.site(), build.site(), build.site(nodes=0, capacity=amount(8000, 2**34))
    node = next(one for one in build.view.ids("Node", "site_id", busy.id))
    component = build.component(name="web")
    release = build.release(component, busy, {node: 1})
    policy = PlacementPolicy(components=[ComponentPolicy(component="web", dedicated_nodes=True)])
    problem = build.problem(component, policy=policy)
    reason = only(problem, busy)
    assert (reason.rule, reason.need, reason.have, reason.unit) == ("dedicated", "1", "0", "replicas")
    assert reason.untold
    assert reasons(problem, empty) == []
    assert only(problem, stated).rule == "dedicated"
    own = build.problem(component, policy=policy, excluding_deployment_id=release.deployment_id)
    assert reasons(own, busy) == []


def test_nodes_that_another_tenant_has_to_itself_are_left_out_and_nobody_learns_whose(build: Builder) -> None:
    site = build.site()
    node = next(one for one in build.view.ids("Node", "site_id", site.id))
    policy = PlacementPolicy(components=[ComponentPolicy(component="db", dedicated_nodes=True)])
    mine, version = build.tenant, build.version
    build.tenant = build.make(Tenant, name="other")
    app = build.make(App, name="db", tenant_id=build.tenant.id)
    build.version = build.make(AppVersion, name="1", app_id=app.id, tenant_id=build.tenant.id)
    theirs = build.change(build.deployment(), name="secret-name", policy=policy)
    build.release(build.component(name="db"), site, {node: 1}, deployment_id=theirs.id)
    build.tenant, build.version = mine, version
    reason = only(build.problem(build.component(name="web")), site)
    assert reason.rule == "dedicated"
    assert "secret-name" not in reason.message + reason.untold
    assert theirs.id not in reason.message + reason.untold
    web = build.component(name="api")
    assert reasons(build.problem(web, excluding_deployment_id=theirs.id), site) == []
