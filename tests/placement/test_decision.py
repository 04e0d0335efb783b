"""Decisions as a whole: what is chosen holds by an independent check, what is refused would pass without its rules."""

from __future__ import annotations

import itertools
from pathlib import Path

import msgspec
import networkx as nx
import numpy as np
import pytest
from hash_seeds import printed_by_each
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from placement_graphs import GIB, Builder, amount, at

from graph.kinds import Cluster, Component, Link, LinkState, Node, NodeStatus, Site, SiteRole, Tier
from graph.kinds.policy import LatencyTarget, Place, PlacementPolicy, ScoreWeights, SiteSelector
from graph.selectors import matches
from graph.spatial import distance_km
from graph.values import Health, HealthStatus, Resources, Taint, TaintEffect
from graph.view import View, each
from placement.decision import Decision
from placement.engine import decide
from placement.rules import RULES, SiteRule
from placement.screening import screen
from placement.verification import verify

booleans = st.sampled_from([True, True, True, False])
nodes_strategy = st.fixed_dictionaries(
    {},
    optional={
        "schedulable": booleans,
        "status": st.sampled_from(NodeStatus),
        "arch": st.sampled_from(["amd64", "arm64"]),
        "labels": st.sampled_from([{"disk": "ssd"}, {"disk": "hdd"}, {}]),
        "taints": st.sampled_from([[], [], [Taint("a", "", TaintEffect.NO_SCHEDULE)]]),
        "capacity": st.sampled_from([amount(1000, GIB), amount(3000, 8 * GIB, a100=1), amount(8000, 32 * GIB)]),
        "foreign_use": st.sampled_from([amount(0, 0), amount(1200, GIB)]),
    },
)
sites_strategy = st.tuples(
    st.fixed_dictionaries(
        {"position": st.sampled_from([at(x, y) for x in (0, 2, 4) for y in (0, 2)])},
        optional={
            "schedulable": booleans,
            "tier": st.sampled_from(Tier),
            "labels": st.sampled_from([{"zone": "west"}, {"zone": "east"}]),
            "health": st.sampled_from([Health(), Health(status=HealthStatus.DOWN)]),
            "capacity": st.just(amount(3000, 8 * GIB)),
            "role": st.sampled_from([SiteRole.COMPUTE, SiteRole.COMPUTE, SiteRole.TRANSIT]),
            "price_per_core_hour": st.sampled_from([0.1, 0.5]),
        },
    ),
    st.lists(nodes_strategy, max_size=3),
    st.sampled_from(["one", "one", "none", "cordoned", "two"]),
)
links_strategy = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 6), st.sampled_from([0.5, 1.0, 2.0, 4.0]), booleans), max_size=10
)
component_strategy = st.fixed_dictionaries(
    {"resources": st.sampled_from([amount(500, GIB), amount(1000, 2 * GIB), amount(500, GIB, a100=1)])},
    optional={
        "replicas": st.integers(1, 4),
        "architectures": st.sampled_from([[], ["amd64"], ["arm64", "amd64"]]),
        "node_selector": st.sampled_from([None, "disk=ssd", "!disk"]),
    },
)
policy_strategy = st.builds(
    PlacementPolicy,
    sites=st.builds(
        SiteSelector,
        tiers=st.sampled_from([[], [], ["METRO", "DISTRICT"]]),
        labels=st.sampled_from([None, None, "zone=west", "zone!=west"]),
    ),
    latency=st.lists(
        st.builds(
            LatencyTarget,
            place=st.builds(Place, position=st.sampled_from([at(0, 1), at(4, 0), at(2, 3)])),
            within_ms=st.sampled_from([2.0, 3.0, 6.0]),
        ),
        max_size=3,
    ),
    min_sites=st.sampled_from([1, 1, 2]),
    max_sites=st.sampled_from([None, None, 2, 3]),
    everywhere=st.sampled_from([False, False, True]),
)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Builder, list[Component], PlacementPolicy]:
    build = Builder()
    sites = []
    for fields, nodes, clusters in draw(st.lists(sites_strategy, max_size=7)):
        site = build.site(nodes=0, cluster=False, **fields)
        sites.append(site)
        under = []
        if clusters != "none":
            under.append(build.cluster(site, schedulable=clusters != "cordoned").id)
        if clusters == "two":
            under.append(build.cluster(site).id)
        for n, node in enumerate(nodes):
            build.node(site, cluster_id=under[n % len(under)] if under else None, **node)
    for a, b, latency, up in draw(links_strategy):
        if a != b and max(a, b) < len(sites):
            build.link(sites[a], sites[b], latency, state=LinkState.UP if up else LinkState.DOWN)
    components = [build.component(**one) for one in draw(st.lists(component_strategy, min_size=1, max_size=3))]
    return build, components, draw(policy_strategy)


def latency_oracle(view: View, position: object, site_id: str) -> float:
    """The design's sentence, by networkx."""
    graph = nx.MultiGraph()
    graph.add_nodes_from(view.ids("Site"))
    for link in each(view, Link):
        if link.state is LinkState.UP:
            graph.add_edge(link.from_site_id, link.to_site_id, weight=link.latency_ms)
    near = sorted(
        (distance_km(position, site.position), site.id)  # type: ignore[arg-type]  # each site has a position
        for site in each(view, Site)
        if site.position is not None
    )[:3]
    best = float("inf")
    for km, vertex in near:
        if km > near[0][0] + 50:
            continue
        try:
            way = nx.dijkstra_path_length(graph, vertex, site_id)
        except nx.NetworkXNoPath:
            continue
        best = min(best, km * 1.4 * 0.005 + 0.15 + way)
    return best


def check(view: View, components: list[Component], policy: PlacementPolicy, decision: Decision) -> None:
    """Every rule, written out once more without the engine's columns."""
    chosen = [one.site_id for one in decision.placements]
    assert chosen == sorted(set(chosen))
    assert policy.min_sites <= len(chosen) <= (policy.max_sites or len(chosen))
    for placement in decision.placements:
        site = view.get(placement.site_id)
        assert isinstance(site, Site)
        assert site.role is SiteRole.COMPUTE
        assert site.schedulable
        assert site.health.status is not HealthStatus.DOWN
        assert not policy.sites.tiers or site.tier.name in policy.sites.tiers
        assert matches(policy.sites.labels or "", site.labels)
        (cluster_id,) = {one.cluster_id for one in placement.components}
        cluster = view.get(cluster_id or "")
        assert isinstance(cluster, Cluster)
        assert cluster.schedulable
        assert site.id in cluster.site_ids
        nodes = list(each(view, Node, "site_id", site.id))
        used: dict[str, Resources] = {}
        assert [one.component_id for one in placement.components] == [one.id for one in components]
        for placed, component in zip(placement.components, components, strict=True):
            assert placed.replicas == component.replicas
            if nodes:
                assert sum(placed.assignments.values()) == placed.replicas
            for node_id, replicas in placed.assignments.items():
                node = view.get(node_id)
                assert isinstance(node, Node)
                assert node.site_id == site.id
                assert node.cluster_id == cluster_id
                assert node.schedulable
                assert node.status is not NodeStatus.NOT_READY
                assert not node.taints
                assert not component.architectures or node.arch in component.architectures
                assert matches(component.node_selector or "", node.labels)
                used[node_id] = used.get(node_id, Resources()).plus(component.resources.times(replicas))
            if not nodes:
                assert placed.assignments == {}
                used[""] = used.get("", Resources()).plus(component.resources.times(placed.replicas))
        for node_id, amounts in used.items():
            node = view.get(node_id)
            free = node.usable.minus(node.foreign_use) if isinstance(node, Node) else site.capacity
            assert free is not None
            assert free.covers(amounts)
    for target in policy.latency:
        assert min(latency_oracle(view, target.place.position, one) for one in chosen) <= target.within_ms + 1e-9


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(cases())
def test_a_feasible_decision_satisfies_every_rule_and_a_refused_site_passes_without_its_rules(
    case: tuple[Builder, list[Component], PlacementPolicy],
) -> None:
    build, components, policy = case
    problem = build.problem(*components, policy=policy)
    decision = decide(problem).whole()
    compute = [one.id for one in each(build.view, Site) if one.role is SiteRole.COMPUTE]
    listed = [one.site_id for one in decision.refusals]
    assert sorted([*listed, *(one.site_id for one in decision.placements)]) == compute
    assert decision.looked_at == len(compute)
    if decision.feasible:
        check(build.view, components, policy, decision)
        verify(build.view, decision, components=components)
    else:
        assert decision.placements == []
        assert decision.conflicts
    decisions: dict[tuple[str, ...], Decision] = {}
    for refusal in decision.refusals:
        assert refusal.reasons
        named = tuple(one.rule for one in refusal.reasons)
        if named == ("not_needed",):
            continue
        assert "not_needed" not in named
        if named not in decisions:
            decisions[named] = decide(problem, rules=[one for one in RULES if one.name not in named]).whole()
        left = next((one for one in decisions[named].refusals if one.site_id == refusal.site_id), None)
        assert left is None or [one.rule for one in left.reasons] == ["not_needed"]
    for rule in RULES:
        # A rule of sites refuses whatever the others say; rules of nodes may only do so together.
        if isinstance(rule, SiteRule):
            [alone] = screen([problem], [rule])
            said = [any(one.rule == rule.name for one in refusal.reasons) for refusal in decision.refusals]
            refused = {problem.sites[row].id for row in np.flatnonzero(~alone.passed)}
            assert refused == {one.site_id for one, by in zip(decision.refusals, said, strict=True) if by}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(cases())
def test_no_choice_with_fewer_sites_serves_every_place(
    case: tuple[Builder, list[Component], PlacementPolicy],
) -> None:
    build, components, policy = case
    policy = msgspec.structs.replace(policy, min_sites=1, max_sites=None, everywhere=False)
    decision = build.decide(*components, policy=policy)
    passing = [one.site_id for one in decision.placements] + [
        one.site_id for one in decision.refusals if [reason.rule for reason in one.reasons] == ["not_needed"]
    ]
    served = {
        site: [latency_oracle(build.view, one.place.position, site) <= one.within_ms for one in policy.latency]
        for site in passing
    }

    def covers(sites: tuple[str, ...]) -> bool:
        return all(any(served[site][n] for site in sites) for n in range(len(policy.latency)))

    sizes = [
        size
        for size in range(1, len(passing) + 1)
        if any(covers(one) for one in itertools.combinations(sorted(passing), size))
    ]
    assert decision.feasible is bool(sizes)
    if sizes:
        assert len(decision.placements) == sizes[0]


def test_a_site_that_is_not_needed_says_what_it_was_weighed_against(build: Builder) -> None:
    first, twin, dearer = (build.site(price_per_core_hour=price) for price in (0.1, 0.1, 0.9))
    decision = build.decide(build.component())
    assert [one.site_id for one in decision.placements] == [first.id]
    said = {one.site_id: one.reasons[0] for one in decision.refusals}
    assert said[twin.id].need == said[twin.id].have
    assert "ties go to the smaller id" in said[twin.id].message
    assert float(said[dearer.id].have) > float(said[dearer.id].need)
    assert "ties" not in said[dearer.id].message


def test_a_site_that_can_take_no_chosen_sites_place_is_weighed_besides_them(build: Builder) -> None:
    lesser, middle, other = (build.site(position=at(longitude, 0)) for longitude in (0, 5, 10))
    build.link(lesser, middle, 4.0)
    build.link(middle, other, 4.0)
    targets = [LatencyTarget(place=Place(position=at(longitude, 0)), within_ms=5.0) for longitude in (0, 10)]
    decision = build.decide(build.component(), policy=PlacementPolicy(latency=targets, weights=ScoreWeights(latency=0)))
    assert [one.site_id for one in decision.placements] == [middle.id]
    (reason,) = next(one.reasons for one in decision.refusals if one.site_id == lesser.id)
    assert (float(reason.need), float(reason.have)) == (1.0, 2.0)
    assert "besides them the cost of sites" in reason.message


def test_a_decision_is_json_and_back(build: Builder) -> None:
    a, b = build.site(position=at(0, 0)), build.site(position=at(9, 0), schedulable=False)
    build.link(a, b, 1.0)
    target = LatencyTarget(place=Place(name="Zürich", position=at(0, 0)), within_ms=1.0)
    for policy in (PlacementPolicy(latency=[target]), PlacementPolicy(min_sites=5)):
        decision = build.decide(build.component(), policy=policy)
        assert msgspec.json.decode(msgspec.json.encode(decision), type=Decision) == decision


def test_five_cities_are_served_by_few_sites_and_each_refusal_says_why(build: Builder) -> None:
    cities = [at(13.4, 52.5), at(10.0, 53.5), at(8.7, 50.1), at(11.6, 48.1), at(6.9, 50.9)]
    sites = [build.site(position=one) for one in cities]
    for a, b in itertools.pairwise(sites):
        build.link(a, b, 3.0)
    policy = PlacementPolicy(latency=[LatencyTarget(place=Place(position=one), within_ms=8.0) for one in cities])
    decision = build.decide(build.component(), policy=policy)
    assert decision.feasible
    assert [one.site_id for one in decision.placements] == [sites[2].id]
    assert len(decision.placements[0].serves) == 5
    assert decision.objective.worst_latency_ms == pytest.approx(6.15)
    assert decision.proven
    assert {one.reasons[0].rule for one in decision.refusals} == {"not_needed"}


def test_a_place_that_cannot_be_served_is_told_with_the_nearest_miss(build: Builder) -> None:
    near = build.site(position=at(0, 0), schedulable=False)
    nearer = build.site(position=at(0, 0), node={"capacity": amount(100)})
    far = build.site(position=at(1, 0))
    build.link(near, far, 9.0)
    build.link(nearer, near, 1.0)
    policy = PlacementPolicy(
        latency=[
            LatencyTarget(place=Place(name="Here", site_id=near.id), within_ms=5.0),
            LatencyTarget(place=Place(name="There", site_id=far.id), within_ms=5.0),
        ]
    )
    decision = build.decide(build.component(), policy=policy)
    assert not decision.feasible
    assert decision.placements == []
    assert [(one.rule, one.need, one.have, one.unit) for one in decision.conflicts] == [("latency", "2", "1", "places")]
    (unmet,) = decision.unmet
    assert (unmet.place, unmet.site_id, unmet.latency_ms) == ("Here", far.id, pytest.approx(9.15))
    assert [(one.site_id, one.rules) for one in unmet.nearer] == [(near.id, ["cordon"]), (nearer.id, ["capacity"])]
    assert "9.15 ms away" in unmet.message


def test_too_few_sites_allowed_names_the_places_left_out(build: Builder) -> None:
    sites = [build.site(position=at(10 * n, 0)) for n in range(3)]
    policy = PlacementPolicy(
        max_sites=2, latency=[LatencyTarget(place=Place(name=f"p{n}", site_id=one.id), within_ms=1.0)
                              for n, one in enumerate(sites)],
    )  # fmt: skip
    decision = build.decide(build.component(), policy=policy)
    assert not decision.feasible
    (conflict,) = decision.conflicts
    assert (conflict.rule, conflict.need, conflict.have, conflict.unit) == ("max_sites", "3", "2", "sites")
    assert [one.place for one in decision.unmet] == ["p2"]


def test_where_every_site_is_to_be_chosen_there_is_nothing_to_search(
    build: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("placement.solve.core.exact")
    sites = [build.site(price_per_core_hour=one) for one in (0.5, 0.1, 0.3)]
    listed = SiteSelector(site_ids=[one.id for one in sites[:2]])
    decision = build.decide(build.component(), policy=PlacementPolicy(everywhere=True, sites=listed))
    assert [one.site_id for one in decision.placements] == [one.id for one in sites[:2]]
    assert (decision.proven, decision.bound_kind, decision.gap) == (True, "EXACT", 0.0)
    assert [one.cost for one in decision.objective.tiers] == [one.bound for one in decision.objective.tiers]


def test_what_is_said_alike_of_many_sites_is_said_of_each(build: Builder) -> None:
    sites = [build.site() for _ in range(4)]
    build.change(sites[3], schedulable=False)
    policy = PlacementPolicy(sites=SiteSelector(site_ids=[sites[0].id], excluded_site_ids=[sites[2].id]))
    refusals = build.decide(build.component(), policy=policy).refusals
    said = {one.site_id: [reason.rule for reason in one.reasons] for one in refusals}
    assert said == {
        sites[1].id: ["listed"],
        sites[2].id: ["listed", "excluded"],
        sites[3].id: ["listed", "cordon"],
    }


def test_min_sites_adds_the_best_others_and_everywhere_takes_all(build: Builder) -> None:
    prices = [0.5, 0.1, 0.3, 0.9]
    sites = [build.site(price_per_core_hour=one) for one in prices]
    component = build.component()

    def chosen(**policy: object) -> list[str]:
        decision = build.decide(component, policy=PlacementPolicy(**policy))  # type: ignore[arg-type]  # a case's fields, by name
        return [one.site_id for one in decision.placements]

    assert chosen() == [sites[1].id]
    assert chosen(min_sites=2) == [sites[1].id, sites[2].id]
    assert chosen(everywhere=True) == [one.id for one in sites]
    assert chosen(everywhere=True, max_sites=3) == [one.id for one in sites[:3]]
    decision = build.decide(component, policy=PlacementPolicy(min_sites=5))
    assert [(one.rule, one.need, one.have) for one in decision.conflicts] == [("min_sites", "5", "4")]


def test_the_use_of_the_deployment_that_is_placed_anew_does_not_count(build: Builder) -> None:
    site = build.site()
    component = build.component(resources=amount(3000))
    release = build.release(component, site, {next(iter(build.view.ids("Node"))): 1})
    assert not build.decide(component).feasible
    assert build.decide(component, excluding_deployment_id=release.deployment_id).feasible


def test_several_components_are_packed_where_any_order_fits(build: Builder) -> None:
    # First fit decreasing by CPU alone would put the two large ones on different nodes and have no room for the rest.
    site = build.site(nodes=0)
    under = build.cluster(site).id
    for cpu in (1000, 900):
        build.node(site, cluster_id=under, capacity=amount(cpu, 64 * GIB))
    components = [build.component(resources=amount(cpu)) for cpu in (600, 500, 400, 400)]
    decision = build.decide(*components)
    assert decision.feasible
    verify(build.view, decision, components=components)


def test_ordinary_work_is_kept_off_nodes_with_accelerators_while_others_have_room(build: Builder) -> None:
    site = build.site(nodes=0)
    under = build.cluster(site).id
    special = build.node(site, cluster_id=under, capacity=amount(4000, 16 * GIB, a100=1))
    plain = build.node(site, cluster_id=under, capacity=amount(4000, 16 * GIB))
    decision = build.decide(build.component(resources=amount(1000), replicas=5))
    assert decision.placements[0].components[0].assignments == {plain.id: 4, special.id: 1}


SCRIPT = """
import sys
sys.path[:0] = [{tests!r}, {root!r}]
import hashlib, msgspec
from placement_graphs import GIB, Builder, amount, at
from graph.kinds.policy import LatencyTarget, Place, PlacementPolicy
build = Builder()
sites = [build.site(nodes=1 + n % 3, position=at(n % 6, n % 5), labels={{f"l{{n % 4}}": "x"}}) for n in range(40)]
for n in range(60):
    build.link(sites[n % 40], sites[(n * 7 + 1) % 40], 1.0 + n % 3)
policy = PlacementPolicy(min_sites=2, latency=[
    LatencyTarget(place=Place(position=at(x, y)), within_ms=4.0) for x in range(5) for y in range(0, 5, 2)])
components = [build.component(resources=amount(700 + 300 * n), replicas=2) for n in range(3)]
print(hashlib.sha256(msgspec.json.encode(build.decide(*components, policy=policy))).hexdigest())
"""


def test_the_same_problem_has_the_same_decision_whatever_the_seed_of_hashes() -> None:
    here = Path(__file__).parent
    script = SCRIPT.format(tests=str(here), root=str(here.parents[1]))
    answers = printed_by_each(script)
    assert len(answers) == 1
