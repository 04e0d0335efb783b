"""The projection that follows the commits says what one made anew says, whatever changes."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from placement_graphs import GIB, Builder, amount, at

from graph.change import Commit
from graph.edit import Edit
from graph.kinds import Cluster, InstanceStatus, Node, NodeStatus, ReleaseObserved, ReleasePhase, Site, Tenant
from graph.kinds.policy import LatencyTarget, Place, PlacementPolicy
from graph.refusal import Refusal
from graph.values import Health, HealthStatus, Taint, TaintEffect
from graph.view import View, each
from placement.engine import decide
from placement.inventory import Inventory, inventory_of
from placement.projection import Projection
from placement.shares import Shares

STEPS = (
    "cordon_node",
    "node_not_ready",
    "foreign_use",
    "accelerators",
    "new_arch",
    "new_node",
    "remove_node",
    "cordon_site",
    "site_down",
    "new_site",
    "cordon_cluster",
    "cluster_leaves",
    "reserve",
    "observe",
    "release_gone",
    "link_slower",
    "private_node",
    "private_site",
    "node_leaves_cluster",
    "taint",
    "relabel",
    "state_capacity",
    "remove_site",
    "new_cluster",
    "more_replicas",
    "step_of_work",
    "instance_changes",
)


def step(build: Builder, name: str, pick: int) -> None:
    view = build.view
    nodes, sites, clusters = list(each(view, Node)), list(each(view, Site)), list(each(view, Cluster))
    node, site, cluster = nodes[pick % len(nodes)], sites[pick % len(sites)], clusters[pick % len(clusters)]
    releases = view.ids("Release")
    release: Any = view.get(releases[pick % len(releases)]) if releases else None
    if name == "cordon_node":
        build.change(node, schedulable=not node.schedulable)
    elif name == "node_not_ready":
        build.change(node, status=NodeStatus.NOT_READY)
    elif name == "foreign_use":
        build.change(node, foreign_use=amount(pick * 100))
    elif name == "accelerators":
        build.change(node, capacity=amount(4000, 16 * GIB, **({"a100": pick % 3} if pick % 3 else {})))
    elif name == "new_arch":
        build.change(node, arch=f"arch{pick % 3}")
    elif name == "new_node":
        build.node(site)
    elif name == "remove_node" and len(nodes) > 1 and not view.ids("Release", "assignments", node.id):
        if not view.ids("Instance", "node_id", node.id):
            build.remove(node)
    elif name == "cordon_site":
        build.change(site, schedulable=not site.schedulable)
    elif name == "site_down":
        build.change(site, health=Health(status=HealthStatus.DOWN))
    elif name == "new_site":
        build.link(build.site(nodes=1, position=at(pick, 0)), site, 1.0)
    elif name == "cordon_cluster":
        build.change(cluster, schedulable=not cluster.schedulable)
    elif name == "cluster_leaves":
        build.change(cluster, site_ids=[])
    elif name == "reserve":
        component: Any = view.get(view.ids("Component")[0])
        build.release(component, site, {node.id: 1 + pick % 2})
    elif name == "observe" and release is not None:
        build.instance(release, node, status=list(InstanceStatus)[pick % 5])
    elif name == "release_gone" and release is not None:
        build.remove(release, cascade=True)
    elif name == "private_node":
        build.node(site, tenant_id=build.tenant.id if pick % 2 else other_tenant(build), cluster_id=cluster.id)
    elif name == "private_site":
        build.site(nodes=1, tenant_id=build.tenant.id if pick % 2 else other_tenant(build), position=at(0, pick))
    elif name == "node_leaves_cluster":
        build.change(node, cluster_id=None if pick % 2 else cluster.id)
    elif name == "taint":
        build.change(node, taints=[Taint("a", str(pick % 2), TaintEffect.NO_SCHEDULE)] if pick % 3 else [])
    elif name == "relabel":
        build.change(node, labels={"disk": ("ssd", "hdd")[pick % 2]})
    elif name == "state_capacity":
        build.change(site, capacity=amount(pick * 1000, 16 * GIB, a100=pick % 3) if pick % 4 else None)
    elif name == "remove_site" and len(sites) > 2:
        for one in clusters:
            build.change(one, site_ids=[known for known in one.site_ids if known != site.id])
        build.remove(site, cascade=True)
    elif name == "new_cluster":
        build.cluster(site)
    elif name == "more_replicas" and release is not None:
        build.change(release, replicas=pick, observed=ReleaseObserved(present=True, replicas=pick % 5))
    elif name == "step_of_work" and release is not None:
        build.change(release, phase=list(ReleasePhase)[pick % len(ReleasePhase)], message=str(pick))
    elif name == "instance_changes" and view.ids("Instance"):
        instance: Any = view.get(view.ids("Instance")[0])
        build.change(instance, status=list(InstanceStatus)[pick % 5], node_id=node.id if pick % 3 else None)
    elif name == "link_slower" and view.ids("Link"):
        link: Any = view.get(view.ids("Link")[0])
        build.change(link, latency_ms=float(1 + pick % 4))


def assert_same(kept: Inventory, fresh: Inventory) -> None:
    """All that two inventories say, whatever numbers they say it by."""
    for name in ("row_of", "compute", "schedulable", "down", "stated", "tier", "price", "degrees"):
        np.testing.assert_array_equal(getattr(kept.sites, name), getattr(fresh.sites, name), err_msg=name)
    assert list(kept.sites.sites) == list(fresh.sites.sites)
    assert list(kept.clusters.clusters) == list(fresh.clusters.clusters)
    for name in ("row_of", "cordoned", "down", "serves_site", "serves_cluster"):
        np.testing.assert_array_equal(getattr(kept.clusters, name), getattr(fresh.clusters, name), err_msg=name)
    mine, other = kept.nodes, fresh.nodes
    assert mine.ids == other.ids
    assert [mine.row(one) for one in mine.ids] == list(range(len(mine.ids)))
    for name in ("site", "first", "cluster", "stated", "accelerated", "cordoned", "not_ready", "tainted"):
        np.testing.assert_array_equal(getattr(mine, name), getattr(other, name), err_msg=name)
    for name in ("usable", "available", "used", "free"):
        np.testing.assert_array_equal(getattr(mine, name), getattr(other, name), err_msg=name)
    for codes, column, kept_in in (("archs", "arch", "nodes"), ("taint_sets", "taints", "nodes")):
        said = [
            [getattr(one, codes).values[code] if code >= 0 else None for code in getattr(one, column).tolist()]
            for one in (getattr(kept, kept_in), getattr(fresh, kept_in))
        ]
        assert said[0] == said[1], column
    for part in ("sites", "clusters", "nodes"):
        owners = [
            [one.tenants.values[code] for code in one.tenant] for one in (getattr(kept, part), getattr(fresh, part))
        ]
        assert owners[0] == owners[1], part
    for model in {*mine.accelerators, *other.accelerators}:
        for one, two in zip(mine.accelerator_columns(model), other.accelerator_columns(model), strict=True):
            np.testing.assert_array_equal(one, two, err_msg=model)
    np.testing.assert_array_equal(kept.use.unplaced, fresh.use.unplaced)
    assert kept.use.unplaced_accelerators == fresh.use.unplaced_accelerators


def other_tenant(build: Builder) -> str:
    found = build.view.find("Tenant", "other")
    return found.id if found is not None else build.make(Tenant, name="other").id


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 20), st.booleans()), max_size=12))
def test_what_is_kept_is_what_would_be_made_anew(steps: list[tuple[str, int, bool]]) -> None:
    build = Builder()
    a, b = build.site(nodes=2, position=at(0, 0)), build.site(nodes=1, position=at(1, 0))
    build.link(a, b, 1.0)
    component = build.component(resources=amount(1000, GIB, a100=1))
    plain = build.component(resources=amount(1500))
    projection = Projection(build.view)
    build.view.follow(projection)
    policy = PlacementPolicy(everywhere=True, latency=[LatencyTarget(place=Place(position=at(0, 0)), within_ms=4.0)])
    for name, pick, look in [*steps, ("cordon_node", 0, True)]:
        with contextlib.suppress(Refusal):  # such as a node of one tenant at a site of another
            step(build, name, pick)
        if not look:
            continue
        kept, fresh = projection.inventory(), inventory_of(build.view)
        assert kept.revision == fresh.revision
        assert_same(kept, fresh)
        for components in ((plain,), (component,)):
            for tenant_id in (None, other_tenant(build)):
                asked = {"policy": policy, "tenant_id": tenant_id}
                one = decide(build.problem(*components, projection=projection, **asked)).whole()
                assert one == decide(build.problem(*components, **asked)).whole()


def test_an_inventory_that_was_handed_out_stays_as_it_was() -> None:
    build = Builder()
    build.site(nodes=1)
    projection = Projection(build.view)
    build.view.follow(projection)
    before = projection.inventory()
    node = next(each(build.view, Node))
    build.change(node, schedulable=False)
    after = projection.inventory()
    assert (before.nodes.cordoned.tolist(), after.nodes.cordoned.tolist()) == ([False], [True])
    assert projection.inventory() is after


def test_what_changes_while_nobody_asks_is_taken_in_before_it_is_much(monkeypatch: pytest.MonkeyPatch) -> None:
    build = Builder()
    build.site(nodes=1)
    projection = Projection(build.view)
    build.view.follow(projection)
    before = projection.inventory()
    monkeypatch.setattr("placement.projection.MOST_NOTED", 3)
    site = next(each(build.view, Site))
    for _ in range(4):
        build.node(site)
    monkeypatch.delattr("placement.projection.brought_up")
    after = projection.inventory()
    assert after is not before
    assert len(after.nodes.ids) == 5


def test_the_steps_of_the_work_on_a_release_cost_the_next_decision_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    build = Builder()
    site = build.site(nodes=1)
    node = next(each(build.view, Node))
    release = build.release(build.component(), site, {node.id: 2})
    instance = build.instance(release, node, status=InstanceStatus.PENDING)
    projection = Projection(build.view)
    build.view.follow(projection)
    projection.inventory()
    asked: list[list[str]] = []
    worked_out = Shares.changed
    monkeypatch.setattr(
        Shares, "changed", lambda self, reader, ids: asked.append(list(ids)) or worked_out(self, reader, asked[-1])
    )
    for phase in ReleasePhase:
        release = build.change(release, phase=phase)
    release = build.change(release, observed=ReleaseObserved(present=True, replicas=2))
    instance = build.change(instance, status=InstanceStatus.RUNNING)
    projection.inventory()
    assert asked == [[]]
    build.change(release, observed=ReleaseObserved(present=True, replicas=3))
    build.change(instance, status=InstanceStatus.FAILED)
    projection.inventory()
    assert asked[1:] == [[release.id]]


def test_a_view_that_is_loaded_anew_is_projected_anew() -> None:
    build = Builder()
    build.site(nodes=2)
    projection = Projection(build.view)
    build.view.follow(projection)
    assert len(projection.inventory().nodes.ids) == 2
    empty = View()
    empty.loaded(revision=build.view.revision, at=1, epoch="other", counters={})
    build.view.become(empty)
    assert projection.inventory().nodes.ids == []


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 20)), max_size=6),
    st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 20)), max_size=6),
)
def test_a_projection_beside_another_is_that_of_the_changed_graph(
    before: list[tuple[str, int]], supposed: list[tuple[str, int]]
) -> None:
    build = Builder()
    a, b = build.site(nodes=2, position=at(0, 0)), build.site(nodes=1, position=at(1, 0))
    build.link(a, b, 1.0)
    component = build.component()
    projection = Projection(build.view)
    build.view.follow(projection)
    for name, pick in before:
        with contextlib.suppress(Refusal):
            step(build, name, pick)
    whatever, changed = projection.inventory(), Supposing(build)
    for name, pick in supposed:
        with contextlib.suppress(Refusal):
            step(changed, name, pick)
    policy = PlacementPolicy(everywhere=True, latency=[LatencyTarget(place=Place(position=at(0, 0)), within_ms=4.0)])
    beside = projection.beside(changed.edit, changed.commit())
    assert_same(beside.inventory(), inventory_of(changed.edit))
    asked: dict[str, Any] = {"policy": policy, "reader": changed.edit}
    assert decide(changed.problem(component, projection=beside, **asked)) == decide(changed.problem(component, **asked))
    # The graph itself is as it was.
    assert projection.inventory() is whatever
    assert_same(projection.inventory(), inventory_of(build.view))
    asked = {"policy": policy, "projection": projection}
    assert decide(build.problem(component, **asked)) == decide(build.problem(component, policy=policy))
    step(build, "foreign_use", 3)
    step(build, "link_slower", 3)
    assert_same(projection.inventory(), inventory_of(build.view))


class Supposing(Builder):
    """A builder whose changes are laid over another's graph and never committed."""

    def __init__(self, build: Builder) -> None:
        self.edit = Edit(build.view, at=build.ids)
        self.view = self.edit  # type: ignore[assignment]  # it is only read
        self.ids = build.ids + 10_000
        self.region, self.tenant, self.version = build.region, build.tenant, build.version

    def commit(self) -> Commit:
        return Commit(
            revision=self.edit.revision, draft_id="", at=0, author="", action="whatIf", changes=self.edit.changes
        )

    def _commit(self, edit: Edit) -> None:
        for one in edit.changes:
            self.edit.lay(one.before, one.after)
