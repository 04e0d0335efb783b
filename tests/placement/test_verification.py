"""The check at head: what was chosen is refused when it no longer holds, with need and have."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from placement_graphs import GIB, Builder, amount

from graph.kinds import Cluster, Node, NodeStatus, Site, SiteRole, Tenant
from graph.refusal import CapacityGone, NotFound
from graph.values import Health, HealthStatus, Taint, TaintEffect
from graph.view import each
from placement.verification import verify

DOWN = Health(status=HealthStatus.DOWN)


def test_what_was_just_decided_holds(build: Builder) -> None:
    build.site(nodes=2)
    build.site(nodes=0, capacity=amount(9000, 64 * GIB))
    components = [build.component(resources=amount(1500), replicas=2), build.component(resources=amount(500))]
    decision = build.decide(*components)
    verify(build.view, decision, components=components)
    verify(build.view, decision.placements, components=components, drivers={"simulated"})


def one_of(build: Builder, kind: type) -> object:
    return next(each(build.view, kind))


Change = Callable[[Builder], object]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: b.change(one_of(b, Node), schedulable=False), "node 'node_00007' of site 'site_00005' is cordoned"),
        (lambda b: b.change(one_of(b, Node), status=NodeStatus.NOT_READY), "is not ready"),
        (lambda b: b.change(one_of(b, Node), taints=[Taint("a", "b", TaintEffect.NO_EXECUTE)]), "a=b:NO_EXECUTE"),
        (lambda b: b.change(one_of(b, Node), labels={}), "does not match 'disk=ssd'"),
        (lambda b: b.change(one_of(b, Node), arch="arm64"), "is arm64"),
        (lambda b: b.change(one_of(b, Node), cluster_id=b.cluster(one_of(b, Site)).id), "another cluster"),
        (lambda b: b.change(one_of(b, Node), foreign_use=amount(3500)), "needs 1000 millicores, less is free"),
        (lambda b: b.remove(one_of(b, Node)), "no longer at site"),
        (lambda b: b.change(one_of(b, Site), schedulable=False), "site 'site_00005' is cordoned"),
        (lambda b: b.change(one_of(b, Site), health=DOWN), "is down"),
        (lambda b: b.change(one_of(b, Site), role=SiteRole.TRANSIT), "waypoint"),
        (lambda b: b.change(one_of(b, Cluster), schedulable=False), "cluster 'cluster_00006'"),
        (lambda b: b.change(one_of(b, Cluster), health=DOWN), "is down"),
    ],
)
def test_what_no_longer_holds_is_named(build: Builder, change: Change, message: str) -> None:
    build.site(node={"labels": {"disk": "ssd"}})
    component = build.component(architectures=["amd64"], node_selector="disk=ssd")
    decision = build.decide(component)
    change(build)
    with pytest.raises(CapacityGone) as caught:
        verify(build.view, decision, components=[component])
    assert message in caught.value.message
    assert caught.value.retryable
    assert caught.value.remedy


def test_the_last_accelerator_is_given_once(build: Builder) -> None:
    site = build.site(node={"capacity": amount(8000, 16 * GIB, a100=1)})
    component = build.component(resources=amount(100, GIB, a100=1))
    first, second = build.decide(component), build.decide(component)
    verify(build.view, first, components=[component])
    release = build.release(component, site, first.placements[0].components[0].assignments)
    with pytest.raises(CapacityGone, match="needs 1 accelerator 'a100', less is free") as caught:
        verify(build.view, second, components=[component])
    assert (caught.value.figures or "").endswith("needs 1 accelerator 'a100', has 0 free")
    verify(build.view, second, components=[component], excluding_deployment_id=release.deployment_id)


def test_components_on_one_node_are_summed(build: Builder) -> None:
    site = build.site()
    components = [build.component(resources=amount(1500)), build.component(resources=amount(1500))]
    decision = build.decide(*components)
    build.release(build.component(resources=amount(1200)), site, {one_of(build, Node).id: 1})  # type: ignore[attr-defined]  # a Node
    with pytest.raises(CapacityGone, match="needs 3000 millicores, less is free") as caught:
        verify(build.view, decision, components=components)
    assert (caught.value.figures or "").endswith("needs 3000 millicores, has 2800 free")


def test_a_site_and_a_cluster_that_are_gone_and_a_driver_that_cannot_be_called(build: Builder) -> None:
    site = build.site(nodes=0, capacity=amount(9000, 64 * GIB))
    component = build.component()
    decision = build.decide(component)
    with pytest.raises(CapacityGone, match="driver 'simulated'"):
        verify(build.view, decision, components=[component], drivers={"openstack"})
    cluster = one_of(build, Cluster)
    assert isinstance(cluster, Cluster)
    build.change(cluster, site_ids=[])
    with pytest.raises(CapacityGone, match="no longer serves"):
        verify(build.view, decision, components=[component])
    build.remove(cluster)
    with pytest.raises(CapacityGone, match="no longer there"):
        verify(build.view, decision, components=[component])
    build.remove(site)
    with pytest.raises(CapacityGone, match="no longer there"):
        verify(build.view, decision, components=[component])


def test_a_stated_capacity_gives_way_to_nodes_that_are_observed(build: Builder) -> None:
    site = build.site(nodes=0, capacity=amount(9000, 64 * GIB))
    component = build.component()
    decision = build.decide(component)
    build.node(site)
    with pytest.raises(CapacityGone, match="has nodes now"):
        verify(build.view, decision, components=[component])


def test_nodes_of_another_tenant_do_not_count_as_nodes_of_the_site(build: Builder) -> None:
    other = build.make(Tenant, name="other")
    site = build.site(nodes=0, capacity=amount(9000, 64 * GIB))
    build.node(site, tenant_id=other.id)
    component = build.component()
    verify(build.view, build.decide(component), components=[component])


def test_a_component_that_is_not_given_is_not_found(build: Builder) -> None:
    build.site()
    decision = build.decide(build.component())
    with pytest.raises(NotFound):
        verify(build.view, decision, components=[])
