"""What was chosen keeps the policy's words at head too: taints, features, nodes of one's own, and who keeps apart."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from placement_graphs import Builder, amount

from graph.kinds import Node, Site
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
    theirs = build.change(build.deployment(), policy=ALONE)
    return build.release(
        build.component(name="other", resources=amount(1)), site, {node.id: 1}, deployment_id=theirs.id
    )


def keep_away(scope: AffinityScope) -> Change:
    def change(build: Builder, site: Site, node: Node) -> object:
        wanted = AppAffinity(app_ids=[build.version.app_id], scope=scope)
        theirs = build.change(build.deployment(), policy=PlacementPolicy(anti_affinity=[wanted]))
        beside = site if scope is AffinityScope.SITE else build.site()
        return build.release(build.component(resources=amount(1)), beside, {}, replicas=1, deployment_id=theirs.id)

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
