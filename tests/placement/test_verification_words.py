"""What was chosen keeps the policy's words at head too: taints, features, nodes of one's own, and who keeps apart."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from placement_graphs import GIB, Builder, amount

from graph.kinds import Node, Region, Site
from graph.kinds.policy import (
    AffinityScope,
    AppAffinity,
    ComponentPolicy,
    PlacementPolicy,
    Toleration,
    TolerationOperator,
)
from graph.refusal import CapacityGone
from graph.values import Taint, TaintEffect
from placement.verification import verify

Change = Callable[[Builder, Site, Node], object]
WEB = ComponentPolicy(component="web", dedicated_nodes=True, node_labels="nic=sriov", one_per_node=True)
ALONE = PlacementPolicy(components=[ComponentPolicy(component="other", dedicated_nodes=True)])


def taint(build: Builder, site: Site, node: Node) -> object:
    return build.change(node, taints=[Taint("gpu", "", TaintEffect.NO_SCHEDULE)])


def relabel(build: Builder, site: Site, node: Node) -> object:
    return build.change(node, labels={"nic": "plain"})


def share(build: Builder, site: Site, node: Node) -> object:
    return build.release(build.component(resources=amount(1)), site, {node.id: 1})


def share_alone(build: Builder, site: Site, node: Node) -> object:
    other = build.component(name="other", resources=amount(1))
    theirs = build.change(build.deployment(), policy=ALONE)
    return build.release(other, site, {node.id: 1}, deployment_id=theirs.id)


def keep_away(scope: AffinityScope) -> Change:
    def change(build: Builder, site: Site, node: Node) -> object:
        wanted = AppAffinity(app_ids=[build.version.app_id], scope=scope)
        other = build.component(resources=amount(1))
        theirs = build.change(build.deployment(), policy=PlacementPolicy(anti_affinity=[wanted]))
        beside = site if scope is AffinityScope.SITE else build.site()
        return build.release(other, beside, {}, replicas=1, deployment_id=theirs.id)

    return change


@pytest.mark.parametrize(
    ("policy", "change", "message"),
    [
        (PlacementPolicy(), taint, "has taint gpu"),
        (PlacementPolicy(components=[WEB]), relabel, "does not match 'nic=sriov'"),
        (PlacementPolicy(components=[WEB]), share, "runs something else"),
        (PlacementPolicy(), share_alone, "is for others alone"),
        (PlacementPolicy(), keep_away(AffinityScope.SITE), "keeps apart from is at site"),
        (PlacementPolicy(), keep_away(AffinityScope.REGION), "keeps apart from is in the region"),
    ],
)
def test_a_word_that_no_longer_holds_at_head_refuses_the_commit(
    build: Builder, policy: PlacementPolicy, change: Change, message: str
) -> None:
    site = build.site(nodes=0)
    node = build.node(site, labels={"nic": "sriov"}, cluster_id=next(iter(build.view.ids("Cluster"))))
    web = build.component(name="web", resources=amount(100))
    placements = build.decide(web, policy=policy).placements
    assert [one.site_id for one in placements] == [site.id]
    verify(build.view, placements, components=[web], policy=policy)
    change(build, site, node)
    with pytest.raises(CapacityGone, match=message):
        verify(build.view, placements, components=[web], policy=policy)


DATABASE = AppAffinity(labels="role=db")


@pytest.mark.parametrize(
    ("leaves", "message"),
    [
        (lambda build, other, release: build.change(release, wanted=False), "no longer runs at site"),
        (lambda build, other, release: build.change(release, retires_after=2), "no longer runs at site"),
        (lambda build, other, release: build.remove(release), "what has labels role=db no longer runs"),
        (lambda build, other, release: build.change(other, labels={"role": "cache"}), "no longer runs at site"),
        (lambda build, other, release: build.change(build.site(), schedulable=False), None),
    ],
)
def test_what_is_wanted_beside_may_leave_between_decision_and_commit(build: Builder, leaves, message) -> None:
    site = build.site()
    build.site()
    web = build.component(resources=amount(100))
    other = build.change(build.deployment(), labels={"role": "db"})
    release = build.release(web, site, {}, replicas=1, deployment_id=other.id)
    policy = PlacementPolicy(affinity=[DATABASE])
    placements = build.decide(web, policy=policy).placements
    assert [one.site_id for one in placements] == [site.id]
    verify(build.view, placements, components=[web], policy=policy)
    leaves(build, other, release)
    if message is None:
        verify(build.view, placements, components=[web], policy=policy)
        return
    with pytest.raises(CapacityGone, match=message) as caught:
        verify(build.view, placements, components=[web], policy=policy)
    assert site.name in caught.value.message
    assert caught.value.remedy


def test_what_is_wanted_in_the_region_may_move_within_it_and_not_out_of_it(build: Builder) -> None:
    here, beside = build.site(), build.site()
    far = build.site(region_id=build.make(Region, name="far").id)
    web = build.component(resources=amount(100))
    other = build.change(build.deployment(), labels={"role": "db"})
    release = build.release(web, here, {}, replicas=1, deployment_id=other.id)
    policy = PlacementPolicy(affinity=[AppAffinity(deployment_ids=[other.id], scope=AffinityScope.REGION)])
    placements = build.decide(web, policy=policy).placements
    build.remove(release)
    moved = build.release(web, beside, {}, replicas=1, deployment_id=other.id)
    verify(build.view, placements, components=[web], policy=policy)
    build.remove(moved)
    build.release(web, far, {}, replicas=1, deployment_id=other.id)
    with pytest.raises(CapacityGone, match=f"'{other.name}' no longer runs in the region of site"):
        verify(build.view, placements, components=[web], policy=policy)


def test_each_of_several_that_are_wanted_beside_is_looked_for_and_oneself_is_no_company(build: Builder) -> None:
    site = build.site()
    web = build.component(resources=amount(100))
    first, second = build.deployment(), build.change(build.deployment(), labels={"role": "db"})
    build.release(web, site, {}, replicas=1, deployment_id=first.id)
    there = build.release(web, site, {}, replicas=1, deployment_id=second.id)
    policy = PlacementPolicy(affinity=[AppAffinity(deployment_ids=[first.id]), DATABASE])
    placements = build.decide(web, policy=policy).placements
    verify(build.view, placements, components=[web], policy=policy)
    with pytest.raises(CapacityGone, match="role=db"):
        verify(build.view, placements, components=[web], policy=policy, excluding_deployment_id=second.id)
    build.remove(there)
    with pytest.raises(CapacityGone, match="role=db"):
        verify(build.view, placements, components=[web], policy=policy)


@pytest.mark.parametrize("labels", [{"role": "db"}, {"role": "web"}, {}, None])
def test_the_labels_that_a_new_deployment_is_to_have_are_kept_away_from_at_head(build: Builder, labels) -> None:
    site = build.site()
    web = build.component(resources=amount(100))
    placements = build.decide(web).placements
    theirs = build.change(build.deployment(), policy=PlacementPolicy(anti_affinity=[DATABASE]))
    build.release(web, site, {}, replicas=1, deployment_id=theirs.id)
    if labels == {"role": "db"}:
        with pytest.raises(CapacityGone, match="keeps apart"):
            verify(build.view, placements, components=[web], deployment_labels=labels)
    else:
        verify(build.view, placements, components=[web], deployment_labels=labels)


def test_ones_own_word_keeps_others_away_at_head(build: Builder) -> None:
    site = build.site()
    web = build.component(resources=amount(100))
    theirs = build.change(build.deployment(), labels={"role": "db"})
    policy = PlacementPolicy(anti_affinity=[AppAffinity(labels="role=db")])
    placements = build.decide(web, policy=policy).placements
    build.release(web, site, {}, replicas=1, deployment_id=theirs.id)
    with pytest.raises(CapacityGone, match="keeps apart"):
        verify(build.view, placements, components=[web], policy=policy)
    verify(build.view, placements, components=[web], policy=policy, excluding_deployment_id=theirs.id)


def test_a_taint_that_is_tolerated_is_tolerated_at_head(build: Builder) -> None:
    site = build.site(node={"taints": [Taint("gpu", "", TaintEffect.NO_SCHEDULE)]})
    policy = PlacementPolicy(tolerations=[Toleration(key="gpu", operator=TolerationOperator.EXISTS)])
    web = build.component()
    placements = build.decide(web, policy=policy).placements
    assert [one.site_id for one in placements] == [site.id]
    verify(build.view, placements, components=[web], policy=policy)
    with pytest.raises(CapacityGone, match="has taint"):
        verify(build.view, placements, components=[web])


def test_replicas_that_are_on_different_nodes_are_packed_so(build: Builder) -> None:
    two = build.site(nodes=2)
    one = build.site(nodes=1)
    web = build.component(name="web", replicas=2)
    policy = PlacementPolicy(components=[ComponentPolicy(component="web", one_per_node=True)])
    decision = build.decide(web, policy=policy)
    assert [placement.site_id for placement in decision.placements] == [two.id]
    (placed,) = decision.placements[0].components
    assert sorted(placed.assignments.values()) == [1, 1]
    assert [(refusal.site_id, refusal.reasons[0].rule) for refusal in decision.refusals] == [(one.id, "capacity")]


@pytest.mark.parametrize("named", ["web", "db"])
def test_components_that_keep_off_each_others_nodes_are_packed_so(build: Builder, named: str) -> None:
    one, two = build.site(nodes=1), build.site(nodes=2)
    web, db = build.component(name="web", replicas=2), build.component(name="db")
    others = {"web": "db", "db": "web"}
    policy = PlacementPolicy(components=[ComponentPolicy(component=named, pod_anti_affinity=[others[named]])])
    decision = build.decide(web, db, policy=policy)
    (placed,) = decision.placements
    assert placed.site_id == two.id
    on_web, on_db = (set(component.assignments) for component in placed.components)
    assert on_web
    assert on_db
    assert not on_web & on_db
    (refusal,) = decision.refusals
    assert refusal.site_id == one.id
    assert [reason.rule for reason in refusal.reasons] == ["capacity"]
    assert "from which it keeps away" in refusal.reasons[0].message
    verify(build.view, decision.placements, components=[web, db], policy=policy)


def test_components_that_share_a_node_and_may_not_any_more_are_not_committed(build: Builder) -> None:
    build.site(nodes=1, node={"name": "first"})
    web, db = build.component(name="web"), build.component(name="db")
    placements = build.decide(web, db).placements
    verify(build.view, placements, components=[web, db])
    policy = PlacementPolicy(components=[ComponentPolicy(component="db", pod_anti_affinity=["web"])])
    with pytest.raises(CapacityGone, match="'first' would have replicas of 'db' and 'web', which share none"):
        verify(build.view, placements, components=[web, db], policy=policy)


def test_components_that_go_with_others_are_on_their_nodes(build: Builder) -> None:
    # Side by side both sites have room for both; on one node only the second.
    build.site(nodes=2, node={"capacity": amount(2000, 16 * GIB)}, price_per_core_hour=0.1)
    two = build.site(nodes=2, node={"capacity": amount(4000, 16 * GIB)}, price_per_core_hour=9.0)
    web, db = build.component(name="web", resources=amount(1500)), build.component(name="db", resources=amount(1000))
    policy = PlacementPolicy(components=[ComponentPolicy(component="web", pod_affinity=["db"])])
    decision = build.decide(web, db, policy=policy)
    (placed,) = decision.placements
    assert placed.site_id == two.id
    on_web, on_db = (set(component.assignments) for component in placed.components)
    assert on_web
    assert on_web <= on_db
    verify(build.view, decision.placements, components=[web, db], policy=policy)


def test_who_goes_with_another_is_told_what_there_is_no_room_for(build: Builder) -> None:
    build.site(nodes=2, node={"capacity": amount(2000, 16 * GIB)})
    web, db = build.component(name="web", resources=amount(1500)), build.component(name="db", resources=amount(1000))
    assert build.decide(web, db).feasible
    policy = PlacementPolicy(components=[ComponentPolicy(component="web", pod_affinity=["db"])])
    decision = build.decide(web, db, policy=policy)
    assert not decision.feasible
    (refusal,) = decision.refusals
    assert [reason.rule for reason in refusal.reasons] == ["capacity"]
    assert "that run a replica of 'db', which it goes with" in refusal.reasons[0].message


def test_what_shares_a_node_is_not_known_where_nodes_are_not_observed(build: Builder) -> None:
    build.site(nodes=0, capacity=amount(64_000, 64 * GIB))
    web, db = build.component(name="web"), build.component(name="db")
    assert build.decide(web, db).feasible
    policy = PlacementPolicy(components=[ComponentPolicy(component="web", pod_affinity=["db"])])
    (refusal,) = build.decide(web, db, policy=policy).refusals
    (reason,) = refusal.reasons
    assert reason.rule == "pod_affinity"
    assert "'web' runs on the nodes of 'db'" in reason.message


def test_a_component_without_the_one_that_it_goes_with_is_not_committed(build: Builder) -> None:
    build.site(nodes=2, node={"capacity": amount(2000, 16 * GIB)})
    web, db = build.component(name="web", resources=amount(1500)), build.component(name="db", resources=amount(1000))
    placements = build.decide(web, db).placements
    verify(build.view, placements, components=[web, db])
    policy = PlacementPolicy(components=[ComponentPolicy(component="web", pod_affinity=["db"])])
    with pytest.raises(CapacityGone, match="would have replicas of 'web' and none of 'db', which it goes with"):
        verify(build.view, placements, components=[web, db], policy=policy)


def test_components_with_sites_of_their_own_share_nodes_where_they_serve_each_other_at_the_same(build: Builder) -> None:
    build.site(nodes=2, node={"capacity": amount(2000, 16 * GIB)})
    wide = build.site(nodes=2, node={"capacity": amount(4000, 16 * GIB)}, price_per_core_hour=9.0)
    web, db = build.component(name="web", resources=amount(1500)), build.component(name="db", resources=amount(1000))
    said = [
        ComponentPolicy(component="db", apart=True, serves=["web"], within_ms=0.0),
        ComponentPolicy(component="web", pod_affinity=["db"]),
    ]
    decision = build.decide(web, db, policy=PlacementPolicy(components=said))
    (placed,) = decision.placements
    assert placed.site_id == wide.id
    on_web, on_db = (set(component.assignments) for component in placed.components)
    assert on_web <= on_db


def test_components_with_sites_of_their_own_keep_off_each_others_nodes_where_they_meet(build: Builder) -> None:
    build.site(nodes=1)
    two = build.site(nodes=2, price_per_core_hour=9.0)
    web, db = build.component(name="web"), build.component(name="db")
    said = ComponentPolicy(component="db", apart=True, serves=["web"], within_ms=0.0, pod_anti_affinity=["web"])
    decision = build.decide(web, db, policy=PlacementPolicy(components=[said]))
    (placed,) = decision.placements
    assert placed.site_id == two.id
    on_web, on_db = (set(component.assignments) for component in placed.components)
    assert not on_web & on_db
