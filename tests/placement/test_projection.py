"""The projection that follows the commits says what one made anew says, whatever changes."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from placement_graphs import GIB, Builder, amount, at

from graph.kinds import Cluster, InstanceStatus, Node, NodeStatus, Site
from graph.kinds.policy import LatencyTarget, Place, PlacementPolicy
from graph.values import Health, HealthStatus
from graph.view import View, each
from placement.engine import decide
from placement.inventory import inventory_of
from placement.projection import Projection

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
    elif name == "link_slower":
        link: Any = view.get(view.ids("Link")[0])
        build.change(link, latency_ms=float(1 + pick % 4))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 20), st.booleans()), max_size=10))
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
        step(build, name, pick)
        if not look:
            continue
        kept, fresh = projection.inventory(), inventory_of(build.view)
        assert kept.revision == fresh.revision
        assert kept.nodes.ids == fresh.nodes.ids
        assert [kept.archs[one] for one in kept.nodes.arch] == [fresh.archs[one] for one in fresh.nodes.arch]
        for column in ("site", "cluster", "cordoned", "not_ready", "tainted", "private", "usable", "available"):
            assert np.array_equal(getattr(kept.nodes, column), getattr(fresh.nodes, column)), column
        assert kept.nodes.accelerators == fresh.nodes.accelerators
        for column in ("nodes", "unplaced", "sites"):
            assert np.array_equal(getattr(kept.use, column), getattr(fresh.use, column)), column
        for components in ((plain,), (component,)):
            one = decide(build.problem(*components, policy=policy, projection=projection))
            assert one == decide(build.problem(*components, policy=policy))


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
