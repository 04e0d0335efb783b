"""Each rule: which sites it refuses, with which need and have; and that it is named alone when it alone refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from placement_graphs import GIB, Builder, amount, at

from graph.kinds import NodeStatus, Region, SiteRole, Tenant, Tier
from graph.kinds.geography import Coverage
from graph.kinds.policy import LatencyTarget, Place, PlacementPolicy, SiteSelector
from graph.refusal import NotFound
from graph.values import Health, HealthStatus, Taint, TaintEffect
from placement.decision import Decision, Reason

DOWN = Health(status=HealthStatus.DOWN, reasons=["no answer for 40 s"])


def reasons_of(decision: Decision, site_id: str) -> list[Reason]:
    return next((one.reasons for one in decision.refusals if one.site_id == site_id), [])


def only(decision: Decision, site_id: str) -> Reason:
    found = reasons_of(decision, site_id)
    assert len(found) == 1, [one.rule for one in found]
    return found[0]


SiteCase = tuple[str, dict[str, Any], dict[str, Any], str, str, str]
SITE_CASES: list[SiteCase] = [
    # rule, fields of the refused site, fields of the policy's selector, need, have, a part of the message
    ("tier", {"tier": Tier.DISTRICT}, {"tiers": ["METRO", "REGIONAL"]}, "METRO or REGIONAL", "DISTRICT", "tier"),
    ("labels", {"labels": {"zone": "east"}}, {"labels": "zone=west"}, "zone=west", "zone=east", "labels"),
    ("labels", {"labels": {"zone": "west"}}, {"labels": "zone,gpu"}, "gpu", "no gpu", "labels"),
    ("labels", {"labels": {"old": "1"}}, {"labels": "!old"}, "!old", "old=1", "labels"),
    ("cordon", {"schedulable": False}, {}, "schedulable", "cordoned", "the site is cordoned"),
    ("health", {"health": DOWN}, {}, "not DOWN", "DOWN", "no answer for 40 s"),
]


@pytest.mark.parametrize(("rule", "fields", "selector", "need", "have", "message"), SITE_CASES)
def test_a_rule_of_sites_refuses_with_need_and_have(
    build: Builder, rule: str, fields: dict[str, Any], selector: dict[str, Any], need: str, have: str, message: str
) -> None:
    good = build.site(tier=Tier.METRO, labels={"zone": "west", "gpu": "a100"})
    bad = build.site(**({"tier": Tier.METRO, "labels": {"zone": "west", "gpu": "a100"}} | fields))
    decision = build.decide(build.component(), policy=PlacementPolicy(sites=SiteSelector(**selector)))
    assert [one.site_id for one in decision.placements] == [good.id]
    reason = only(decision, bad.id)
    assert (reason.rule, reason.need, reason.have, reason.unit) == (rule, need, have, "")
    assert message in reason.message


@pytest.mark.parametrize("status", [HealthStatus.UNKNOWN, HealthStatus.READY, HealthStatus.DEGRADED])
def test_a_site_that_is_not_down_is_given_work(build: Builder, status: HealthStatus) -> None:
    site = build.site(health=Health(status=status))
    assert [one.site_id for one in build.decide(build.component()).placements] == [site.id]


def test_listed_and_excluded_sites(build: Builder) -> None:
    one, two, three = build.site(), build.site(), build.site()
    component = build.component()
    policy = PlacementPolicy(sites=SiteSelector(site_ids=[one.id, two.id], excluded_site_ids=[one.id]))
    decision = build.decide(component, policy=policy)
    assert [placement.site_id for placement in decision.placements] == [two.id]
    assert only(decision, one.id).rule == "excluded"
    assert only(decision, three.id).rule == "listed"


def test_a_region_counts_with_all_below_it(build: Builder) -> None:
    country = build.make(type(build.region), name="country")
    city = build.make(type(build.region), name="city", parent_id=country.id)
    inside, outside = build.site(region_id=city.id), build.site()
    policy = PlacementPolicy(sites=SiteSelector(region_ids=[country.id]))
    decision = build.decide(build.component(), policy=policy)
    assert [one.site_id for one in decision.placements] == [inside.id]
    reason = only(decision, outside.id)
    assert (reason.rule, reason.need, reason.have) == ("region", "country", build.region.name)


def test_of_many_regions_a_reason_names_the_first(build: Builder) -> None:
    countries = [build.make(type(build.region), name=f"country {n}") for n in range(9)]
    inside, outside = build.site(region_id=countries[0].id), build.site()
    for given, told in ((7, "country 4 or 2 more"), (6, "country 4 or country 5")):
        policy = PlacementPolicy(residency_region_ids=[one.id for one in countries[:given]])
        decision = build.decide(build.component(), policy=policy)
        assert [one.site_id for one in decision.placements] == [inside.id]
        assert only(decision, outside.id).need.endswith(told)


NodeCase = tuple[str, dict[str, Any], dict[str, Any], str, str, str]
NODE_CASES: list[NodeCase] = [
    # rule, fields of the one node, fields of the component, need, have, unit
    ("node_cordoned", {"schedulable": False}, {}, "1", "0", "replicas"),
    ("node_not_ready", {"status": NodeStatus.NOT_READY}, {}, "1", "0", "replicas"),
    ("taint", {"taints": [Taint("gpu", "yes", TaintEffect.NO_SCHEDULE)]}, {}, "1", "0", "replicas"),
    ("taint", {"taints": [Taint("gpu", "", TaintEffect.NO_EXECUTE)]}, {}, "1", "0", "replicas"),
    ("architecture", {"arch": "amd64"}, {"architectures": ["arm64", "riscv64"]}, "arm64 or riscv64", "amd64", ""),
    ("node_selector", {"labels": {"disk": "hdd"}}, {"node_selector": "disk=ssd"}, "disk=ssd", "0 of 1 node", ""),
    ("capacity", {}, {"resources": amount(4001)}, "4001", "4000", "millicores"),
    ("capacity", {}, {"resources": amount(1, 17 * GIB)}, str(17 * GIB), str(16 * GIB), "bytes"),
    ("capacity", {}, {"resources": amount(1, 1, 101 * GIB)}, str(101 * GIB), str(100 * GIB), "bytes"),
    ("capacity", {}, {"resources": amount(1, a100=1)}, "1", "0", "a100"),
    ("capacity", {}, {"resources": amount(1500), "replicas": 3}, "4500", "4000", "millicores"),
    ("capacity", {"allocatable": amount(900, 16 * GIB)}, {}, "1000", "900", "millicores"),
    ("capacity", {"foreign_use": amount(3500)}, {}, "1000", "500", "millicores"),
    ("capacity", {"capacity": amount(4000, 16 * GIB, a100=1), "foreign_use": amount(0, 0, a100=1)},
     {"resources": amount(1, a100=1)}, "1", "0", "a100"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "node", "component", "need", "have", "unit"), NODE_CASES)
def test_a_rule_of_nodes_refuses_with_need_and_have(
    build: Builder, rule: str, node: dict[str, Any], component: dict[str, Any], need: str, have: str, unit: str
) -> None:
    site = build.site(node=node)
    decision = build.decide(build.component(**component))
    assert not decision.feasible
    assert decision.placements == []
    reason = only(decision, site.id)
    assert (reason.rule, reason.need, reason.have, reason.unit) == (rule, need, have, unit)
    assert [one.rule for one in decision.conflicts] == ["no_site"]


def test_a_taint_that_only_prefers_and_a_node_that_nothing_observed_keep_nothing_away(build: Builder) -> None:
    build.site(node={"taints": [Taint("old", "", TaintEffect.PREFER_NO_SCHEDULE)], "status": NodeStatus.UNKNOWN})
    assert build.decide(build.component()).feasible


def test_a_node_left_out_refuses_only_in_so_far_as_the_rest_has_no_room(build: Builder) -> None:
    site = build.site(nodes=1)
    build.node(site, schedulable=False)
    component = build.component(resources=amount(2000), replicas=2)
    assert build.decide(component).feasible
    decision = build.decide(component, replicas={component.name: 3})
    reason = only(decision, site.id)
    assert (reason.rule, reason.need, reason.have, reason.unit) == ("node_cordoned", "3", "2", "replicas")
    assert "1 of its 2 nodes is cordoned; what is left takes" in reason.message


def test_free_in_all_but_not_on_single_nodes_is_told_in_replicas(build: Builder) -> None:
    site = build.site(nodes=3)
    decision = build.decide(build.component(resources=amount(2500), replicas=4))
    reason = only(decision, site.id)
    assert (reason.rule, reason.need, reason.have, reason.unit) == ("capacity", "4", "3", "replicas")


def test_a_site_whose_storage_others_use_up_takes_what_needs_none(build: Builder) -> None:
    site = build.site()
    store = build.component(name="store", resources=amount(100, GIB, 80 * GIB))
    build.release(store, site, {}, replicas=2)  # on nodes that are not known: 160 GiB of 100
    assert build.decide(build.component()).feasible
    reason = only(build.decide(build.component(resources=amount(100, GIB, GIB))), site.id)
    assert (reason.rule, reason.need, reason.have, reason.unit) == ("capacity", str(GIB), "0", "bytes")


def test_where_too_little_is_left_in_all_it_is_told_for_how_many_replicas(build: Builder) -> None:
    site = build.site(nodes=2)
    build.node(site, schedulable=False)
    store = build.component(name="store", resources=amount(100, 30 * GIB))
    build.release(store, site, {}, replicas=1)  # on a node that is not known: 2 GiB are left beside the cordoned one
    found = reasons_of(build.decide(build.component(), replicas={"component_00014": 3}), site.id)
    assert [(one.rule, one.need, one.have, one.unit) for one in found] == [("node_cordoned", "3", "2", "replicas")]
    assert "takes 2 of 3 replicas" in found[0].message


def test_each_resource_that_is_short_has_its_reason_the_shortest_first(build: Builder) -> None:
    site = build.site(nodes=2, node={"capacity": amount(4000, 16 * GIB, a100=1)})
    component = build.component(resources=amount(9000, 40 * GIB, a100=8), replicas=1)
    found = reasons_of(build.decide(component), site.id)
    assert [(one.rule, one.unit, one.need, one.have) for one in found] == [
        ("capacity", "a100", "8", "2"),
        ("capacity", "bytes", str(40 * GIB), str(32 * GIB)),
        ("capacity", "millicores", "9000", "8000"),
    ]


def test_what_no_node_has_for_one_replica_is_told_beside_what_the_site_lacks(build: Builder) -> None:
    site = build.site(nodes=3, node={"capacity": amount(4000, 16 * GIB)})
    component = build.component(resources=amount(5000, 17 * GIB, a100=1), replicas=2)
    found = reasons_of(build.decide(component), site.id)
    assert [(one.unit, one.need, one.have) for one in found] == [
        ("a100", "2", "0"),
        ("millicores", "5000", "4000"),
        ("bytes", str(17 * GIB), str(16 * GIB)),
    ]
    assert "on one node" in found[1].message


def test_every_rule_that_stands_in_the_way_is_named(build: Builder) -> None:
    site = build.site(tier=Tier.METRO, schedulable=False, node={"arch": "arm64"}, cluster=False)
    policy = PlacementPolicy(sites=SiteSelector(tiers=["DISTRICT"]))
    decision = build.decide(build.component(architectures=["amd64"], resources=amount(9000)), policy=policy)
    rules = [one.rule for one in reasons_of(decision, site.id)]
    assert rules == ["tier", "cordon", "no_cluster", "architecture", "capacity"]


ClusterCase = tuple[str, Callable[[Builder], dict[str, Any]], set[str], list[str], str]


@pytest.mark.parametrize(
    ("fields", "rules", "message"),
    [
        ({"schedulable": False}, ["cordon", "no_cluster"], "is cordoned"),
        ({"health": DOWN}, ["no_cluster"], "is down"),
        ({"driver": "openstack"}, ["no_cluster"], "has driver 'openstack'"),
    ],
)
def test_a_cluster_that_cannot_be_called_is_no_cluster(
    build: Builder, fields: dict[str, Any], rules: list[str], message: str
) -> None:
    site = build.site(cluster=False, nodes=0, capacity=amount(8000, 64 * GIB))
    cluster = build.cluster(site, **fields)
    decision = build.decide(build.component(), drivers={"simulated"})
    found = reasons_of(decision, site.id)
    assert [one.rule for one in found] == rules
    assert message in found[-1].message
    second = build.cluster(site)
    decision = build.decide(build.component(), drivers={"simulated"})
    assert decision.placements[0].components[0].cluster_id == second.id != cluster.id


def test_a_site_without_a_cluster_is_refused(build: Builder) -> None:
    site = build.site(cluster=False)
    reason = only(build.decide(build.component()), site.id)
    assert (reason.rule, reason.message) == ("no_cluster", "no cluster serves it")


def test_all_components_of_a_site_go_through_one_cluster(build: Builder) -> None:
    site = build.site(nodes=1)
    build.node(site, cluster_id=build.cluster(site).id)
    big, small = build.component(resources=amount(3000)), build.component(resources=amount(2000))
    decision = build.decide(big, small)
    reason = only(decision, site.id)
    assert (reason.rule, reason.need, reason.have) == ("capacity", "1", "0")
    assert "one cluster" in reason.message


def test_the_second_cluster_is_taken_when_the_first_has_no_room(build: Builder) -> None:
    site = build.site(nodes=1)
    second = build.cluster(site)
    node = build.node(site, cluster_id=second.id, capacity=amount(8000, 16 * GIB))
    decision = build.decide(build.component(resources=amount(5000)))
    component = decision.placements[0].components[0]
    assert (component.cluster_id, component.assignments) == (second.id, {node.id: 1})


def test_nodes_under_a_cordoned_cluster_are_left_out_while_another_can_be_called(build: Builder) -> None:
    site = build.site(nodes=1)
    build.node(site, cluster_id=build.cluster(site, schedulable=False).id, capacity=amount(64000, 64 * GIB))
    reason = only(build.decide(build.component(resources=amount(5000))), site.id)
    assert (reason.rule, reason.need, reason.have) == ("capacity", "5000", "4000")
    assert "(1 more node is under a cluster that cannot be called)" in reason.message


def test_sites_without_nodes_count_by_their_stated_capacity(build: Builder) -> None:
    stated = build.site(nodes=0, capacity=amount(3000, 8 * GIB))
    unknown = build.site(nodes=0)
    component = build.component(resources=amount(1000), replicas=3)
    decision = build.decide(component)
    assert [one.site_id for one in decision.placements] == [stated.id]
    assert decision.placements[0].components[0].assignments == {}
    assert only(decision, unknown.id).message == "it has no nodes and states no capacity"
    assert not build.decide(component, replicas={component.name: 4}).feasible


@pytest.mark.parametrize(
    ("fields", "rule"), [({"architectures": ["amd64"]}, "architecture"), ({"node_selector": "gpu"}, "node_selector")]
)
def test_what_is_not_known_of_unobserved_nodes_is_not_taken_as_fitting(
    build: Builder, fields: dict[str, Any], rule: str
) -> None:
    site = build.site(nodes=0, capacity=amount(8000, 64 * GIB))
    assert only(build.decide(build.component(**fields)), site.id).rule == rule


def test_transit_sites_are_counted_and_never_listed(build: Builder) -> None:
    build.site(role=SiteRole.TRANSIT, nodes=0)
    site = build.site()
    decision = build.decide(build.component())
    assert (decision.looked_at, decision.transit_sites, decision.refusals) == (1, 1, [])
    assert [one.site_id for one in decision.placements] == [site.id]


def test_latency_is_the_way_to_the_nearest_vertex_and_then_over_links_that_are_up(build: Builder) -> None:
    near = build.site(position=at(0, 0), nodes=0, role=SiteRole.TRANSIT)
    mid = build.site(position=at(0, 10))
    far = build.site(position=at(0, 20))
    alone = build.site(position=at(0, 30))
    build.link(near, mid, 4.0)
    build.link(mid, far, 4.0)
    place = Place(name="Town", position=at(0, 1))
    policy = PlacementPolicy(latency=[LatencyTarget(place=place, within_ms=6.0)])
    decision = build.decide(build.component(), policy=policy)
    # 1 degree is 111.195 km: x 1.4 x 5 us/km, and 0.15 ms of access.
    expected = 111.195 * 1.4 * 0.005 + 0.15 + 4.0
    assert [one.site_id for one in decision.placements] == [mid.id]
    served = decision.placements[0].serves
    assert [(one.place, one.within_ms) for one in served] == [("Town", 6.0)]
    assert served[0].latency_ms == pytest.approx(expected, abs=1e-4)
    reason = only(decision, far.id)
    assert (reason.rule, reason.need, reason.unit) == ("latency", "6", "ms")
    assert float(reason.have) == pytest.approx(expected + 4.0, abs=1e-3)
    assert "from Town" in reason.message
    reason = only(decision, alone.id)
    assert (reason.need, reason.have, reason.unit) == ("a way over links that are up", "none", "")


def test_a_site_that_is_near_enough_and_has_no_way_to_the_place_is_told_of_the_way(build: Builder) -> None:
    town = build.make(Region, name="town", centre=at(0.0, 0.0))
    # Users enter at the nearest three, which no link leads on from.
    entries = [build.site(position=at(0.01 * n, 0.0)) for n in range(1, 4)]
    away = build.site(position=at(0.04, 0.0))
    component = build.component()
    coverage = [Coverage(region_ids=[town.id], within_km=50.0)]
    reason = only(build.decide(component, policy=PlacementPolicy(coverage=coverage)), away.id)
    assert (reason.rule, reason.need, reason.have) == ("distance", "a way over links that are up", "none")
    only_away = SiteSelector(excluded_site_ids=[one.id for one in entries])
    [unmet] = build.decide(component, policy=PlacementPolicy(sites=only_away, coverage=coverage)).unmet
    assert "a position and a way to it" in unmet.message
    assert unmet.site_id is None


def test_users_at_a_site_enter_there_and_users_of_a_region_at_its_centre(build: Builder) -> None:
    region = build.make(type(build.region), name="Coast", centre=at(5, 0))
    here, there = build.site(position=at(5, 0)), build.site(position=at(5, 1))
    build.link(here, there, 1.0)
    policy = PlacementPolicy(
        latency=[
            LatencyTarget(place=Place(site_id=there.id), within_ms=0.15),
            LatencyTarget(place=Place(region_id=region.id), within_ms=0.15),
        ]
    )
    decision = build.decide(build.component(), policy=policy)
    assert [[(one.place, one.latency_ms) for one in site.serves] for site in decision.placements] == [
        [("Coast", 0.15)],
        [(there.name, 0.15)],
    ]


def test_a_private_site_node_link_or_cluster_of_another_tenant_is_as_if_it_were_not_there(build: Builder) -> None:
    other = build.make(Tenant, name="other")
    build.site(tenant_id=other.id)
    private_nodes = build.site(nodes=0)
    build.node(private_nodes, tenant_id=other.id)
    private_cluster = build.site(cluster=False)
    build.cluster(private_cluster, tenant_id=other.id)
    mine = build.site(tenant_id=build.tenant.id)
    decision = build.decide(build.component())
    assert decision.looked_at == 3
    assert [one.site_id for one in decision.placements] == [mine.id]
    assert only(decision, private_nodes.id).message == "it has no nodes and states no capacity"
    assert only(decision, private_cluster.id).message == "no cluster serves it"


def test_a_private_link_of_another_tenant_is_no_shortcut_and_its_region_no_place(build: Builder) -> None:
    other = build.make(Tenant, name="other")
    a, b = build.site(position=at(0, 0)), build.site(position=at(50, 0))
    build.link(a, b, 9.0)
    build.link(a, b, 1.0, tenant_id=other.id)
    build.change(a, schedulable=False)
    policy = PlacementPolicy(latency=[LatencyTarget(place=Place(site_id=a.id), within_ms=20.0)])
    (served,) = build.decide(build.component(), policy=policy).placements[0].serves
    assert served.latency_ms == pytest.approx(9.15)
    (served,) = build.decide(build.component(), policy=policy, tenant_id=other.id).placements[0].serves
    assert served.latency_ms == pytest.approx(1.15)
    hidden = build.make(type(build.region), name="hidden", tenant_id=other.id, centre=at(0, 0))
    for policy in (
        PlacementPolicy(latency=[LatencyTarget(place=Place(region_id=hidden.id), within_ms=20.0)]),
        PlacementPolicy(sites=SiteSelector(region_ids=[hidden.id])),
    ):
        with pytest.raises(NotFound):
            build.decide(build.component(), policy=policy)
