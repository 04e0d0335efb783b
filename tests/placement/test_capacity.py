"""Free capacity: allocatable - foreign use - max(observed, desired); one by one as in bulk."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from placement_graphs import GIB, Builder, amount

from graph.kinds import InstanceStatus, Node, Release, ReleaseObserved, Site
from graph.values import Resources
from graph.view import View, each
from placement.capacity import (
    free_at_node,
    free_at_site,
    free_on,
    instances_by_node,
    node_use,
    nodes_of,
    placed_replicas,
    replicas_of,
    site_use,
)
from placement.inventory import amounts_of, inventory_of


def test_allocatable_less_foreign_use_less_what_is_reserved(build: Builder) -> None:
    site = build.site(nodes=0)
    node = build.node(
        site, capacity=amount(8000, 32 * GIB), allocatable=amount(7000, 30 * GIB), foreign_use=amount(500, 2 * GIB)
    )
    assert free_at_node(build.view, node) == amount(6500, 28 * GIB)
    release = build.release(build.component(resources=amount(1000, 4 * GIB)), site, {node.id: 2})
    assert free_at_node(build.view, node) == amount(4500, 20 * GIB)
    assert free_at_node(build.view, node, excluding_deployment_id=release.deployment_id) == amount(6500, 28 * GIB)


Case = tuple[int, list[InstanceStatus], int]


@pytest.mark.parametrize(
    ("reserved", "instances", "counted"),
    [
        (2, [], 2),
        (2, [InstanceStatus.RUNNING], 2),
        (1, [InstanceStatus.RUNNING, InstanceStatus.TERMINATING, InstanceStatus.UNKNOWN], 3),
        (0, [InstanceStatus.TERMINATING], 1),
        (1, [InstanceStatus.FAILED, InstanceStatus.FAILED], 1),
    ],
)
def test_the_greater_of_observed_and_desired_counts(
    build: Builder, reserved: int, instances: list[InstanceStatus], counted: int
) -> None:
    site = build.site(nodes=2)
    node, other = each(build.view, Node)
    release = build.release(
        build.component(resources=amount(100)), site, {node.id: reserved} if reserved else {other.id: 1}
    )
    for status in instances:
        build.instance(release, node, status=status)
    assert node_use(build.view, node.id).cpu_millicores == 100 * counted


def test_replicas_on_no_known_node_count_against_the_site(build: Builder) -> None:
    site = build.site(nodes=2)
    node = next(each(build.view, Node))
    observed = ReleaseObserved(present=True, replicas=5)
    build.release(build.component(resources=amount(1000)), site, {node.id: 2}, observed=observed)
    assert site_use(build.view, site.id, list(nodes_of(build.view, site.id))).on_no_node.cpu_millicores == 3000
    free = free_at_site(build.view, site)
    assert free is not None
    assert free.cpu_millicores == 8000 - 2000 - 3000
    # Two more of 2000 would each find a node, but not a place at the site.
    assert not build.decide(build.component(resources=amount(2000), replicas=2)).feasible
    assert build.decide(build.component(resources=amount(2000), replicas=1)).feasible


def test_a_site_without_nodes_is_counted_by_its_stated_capacity(build: Builder) -> None:
    site = build.site(nodes=0, capacity=amount(5000, 8 * GIB))
    release = build.release(
        build.component(resources=amount(1000, GIB)), site, {}, replicas=2, observed=ReleaseObserved(present=False)
    )
    assert free_at_site(build.view, site) == amount(3000, 6 * GIB)
    build.change(release, observed=ReleaseObserved(present=True, replicas=4))
    assert free_at_site(build.view, site) == amount(1000, 4 * GIB)
    assert free_at_site(build.view, build.site(nodes=0)) is None


releases_of_any_kind = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.lists(st.tuples(st.integers(0, 5), st.integers(1, 3)), max_size=3),
        st.integers(0, 4),
        st.integers(0, 4),
        st.lists(st.tuples(st.none() | st.integers(0, 5), st.sampled_from(InstanceStatus)), max_size=3),
    ),
    max_size=4,
)


def with_releases(releases: list[tuple[Any, ...]]) -> Builder:
    """Two sites with two nodes each and one of a stated capacity, with such releases."""
    build = Builder()
    sites = [build.site(nodes=2, node={"capacity": amount(4000, GIB, a100=3)}) for _ in range(2)]
    sites.append(build.site(nodes=0, capacity=amount(9000, GIB, a100=3)))
    nodes = list(each(build.view, Node))
    component = build.component(resources=amount(100, 10, 1, a100=1))
    for site, assigned, replicas, seen, instances in releases:
        # Assignments may be on nodes of other sites too: sums must agree on anything that the graph can say.
        made = build.release(
            component,
            sites[site],
            {nodes[n % len(nodes)].id: count for n, count in assigned},
            replicas=replicas,
            observed=ReleaseObserved(present=seen > 0, replicas=seen),
        )
        for n, status in instances:
            build.instance(made, None if n is None else nodes[n % len(nodes)], status=status)
    return build


def on_no_node(view: View, site_id: str, *, nodes_observed: bool, without: str | None = None) -> Resources:
    """What releases take up at a site and on none of its nodes, release by release."""
    used = Resources()
    for release in each(view, Release, "site_id", site_id):
        if release.deployment_id == without:
            continue
        placed = placed_replicas(release, instances_by_node(view, release.id)) if nodes_observed else {}
        count = replicas_of(release) - sum(placed.values())
        if count > 0:
            used = used.plus(release.resources.times(count))
    return used


@settings(max_examples=40, deadline=None)
@given(releases_of_any_kind)
def test_the_columns_say_what_the_sums_for_one_node_or_site_say(releases: list[tuple[Any, ...]]) -> None:
    view = with_releases(releases).view
    inventory = inventory_of(view)
    columns = inventory.nodes
    usable, free = columns.accelerator_columns("a100")
    for node in each(view, Node):
        row = columns.row_of[node.id]
        used = node_use(view, node.id)
        assert tuple(columns.used[:, row]) == amounts_of(used)
        assert tuple(columns.free[:, row]) == amounts_of(free_at_node(view, node))
        assert tuple(columns.available[:, row]) == amounts_of(node.usable.minus(node.foreign_use))
        assert usable[row] == node.usable.accelerator_counts().get("a100", 0)
        assert free[row] == free_at_node(view, node).accelerator_counts().get("a100", 0)
    for row, one in enumerate(each(view, Site)):
        unplaced = on_no_node(view, one.id, nodes_observed=True)
        assert tuple(inventory.use.unplaced[row]) == amounts_of(unplaced)
        models = inventory.use.unplaced_accelerators
        assert models.get("a100", {}).get(one.id, 0) == unplaced.accelerator_counts().get("a100", 0)
        stated = columns.row(one.id)
        assert (stated is None) == (one.capacity is None)
        if stated is not None:
            assert tuple(columns.used[:, stated]) == amounts_of(on_no_node(view, one.id, nodes_observed=False))


@settings(max_examples=60, deadline=None)
@given(releases_of_any_kind, st.none() | st.integers(0, 3))
def test_a_site_in_one_pass_is_as_its_nodes_one_by_one(releases: list[tuple[Any, ...]], left_out: int | None) -> None:
    build = with_releases(releases)
    view, made = build.view, list(each(build.view, Release))
    without = made[left_out].deployment_id if left_out is not None and left_out < len(made) else None
    for site in each(view, Site):
        nodes = list(nodes_of(view, site.id))
        use = site_use(view, site.id, nodes, excluding_deployment_id=without)
        free = site.capacity if not nodes else Resources()
        for node in nodes:
            assert use.on(node.id) == node_use(view, node.id, excluding_deployment_id=without)
            alone = free_at_node(view, node, excluding_deployment_id=without)
            assert free_on(node, use) == alone
            free = Resources() if free is None else free.plus(alone)
        elsewhere = on_no_node(view, site.id, nodes_observed=bool(nodes), without=without)
        assert use.on_no_node == elsewhere
        found = free_at_site(view, site, excluding_deployment_id=without)
        assert found == (None if free is None else free.minus(elsewhere))


@settings(max_examples=40, deadline=None)
@given(releases_of_any_kind, st.integers(0, 3), st.sampled_from([0, 1]))
def test_without_one_deployment_there_is_as_much_room_as_if_it_had_never_been(
    releases: list[tuple[Any, ...]], left_out: int, models: int
) -> None:
    build = with_releases(releases)
    made = list(each(build.view, Release))
    component = build.component(resources=amount(100, 10, 1, **({"a100": 1} if models else {})))
    if left_out >= len(made):
        return
    without = build.problem(component, excluding_deployment_id=made[left_out].deployment_id).bins
    build.remove(made[left_out], cascade=True)
    gone = build.problem(component).bins
    assert without.resources == gone.resources
    assert without.free.tolist() == gone.free.tolist()
    assert without.unplaced.tolist() == gone.unplaced.tolist()


def test_resources_of_nothing_cover_nothing() -> None:
    assert not Resources().covers(amount(1, 0))
