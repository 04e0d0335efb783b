"""Several deployments packed together on the nodes of a site, and the counting that says when they cannot be."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.kinds.policy import ComponentPolicy, PlacementPolicy
from placement.batch import Asked, decide_together
from placement.batch_drafts import draft
from placement.batch_kinds import Kinds
from placement.batch_packing import Bundle, packed_together
from placement.batch_room import SharedRoom
from tests.placement.placement_graphs import Builder, amount


def bundle(
    *need: int, count: int = 1, usable: tuple[int, ...] | None = None, of: int = 2, apart: bool = False
) -> Bundle:
    mask = np.ones(of, dtype=bool) if usable is None else np.isin(np.arange(of), usable)
    return Bundle(np.array(need, dtype=np.int64), count, mask, apart)


def free(*nodes: tuple[int, ...]) -> np.ndarray:
    return np.array(nodes, dtype=np.int64).T


def test_what_may_run_anywhere_leaves_the_node_that_another_needs():
    found = packed_together(free((4, 1), (4, 0)), [bundle(4, 0), bundle(4, 1)])
    assert [one.tolist() for one in found] == [[0, 1], [1, 0]]


def test_replicas_that_are_apart_are_on_different_nodes():
    nodes = free((9,), (3,))
    assert [one.tolist() for one in packed_together(nodes, [bundle(3, count=2, apart=True)])] == [[1, 1]]
    assert packed_together(nodes, [bundle(3, count=3, apart=True)]) is None


def test_what_does_not_fit_together_is_told():
    assert packed_together(free((4,), (4,)), [bundle(3), bundle(3), bundle(2)]) is None


amounts = st.integers(0, 6)


@settings(max_examples=60, deadline=None)
@given(
    nodes=st.lists(st.tuples(amounts, amounts), min_size=1, max_size=5),
    asked=st.lists(
        st.tuples(st.integers(1, 4), amounts, st.integers(1, 4), st.integers(1, 31), st.booleans()),
        min_size=1,
        max_size=4,
    ),
)
def test_what_is_packed_fits(nodes, asked):
    room = free(*nodes)
    bundles = [
        bundle(cpu, other, count=count, usable=tuple(n for n in range(5) if mask >> n & 1), of=len(nodes), apart=apart)
        for cpu, other, count, mask, apart in asked
    ]
    found = packed_together(room, bundles)
    if found is None:
        return
    used = sum(one.need[:, None] * counts for one, counts in zip(bundles, found, strict=True))
    assert (used <= room).all()
    for one, counts in zip(bundles, found, strict=True):
        assert counts.sum() == one.count
        assert not counts[~one.usable].any()
        assert not one.apart or counts.max() <= 1


@settings(max_examples=25, deadline=None)
@given(
    nodes=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    asked=st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4), st.booleans()), min_size=1, max_size=4),
)
def test_whatever_fits_on_nodes_is_let_through_by_every_way_of_counting(nodes, asked):
    build = Builder()
    site = build.site(nodes=0, cluster=False)
    cluster = build.cluster(site)
    for cores in nodes:
        build.node(site, cluster_id=cluster.id, capacity=amount(1000 * cores, 2**40))
    problems = []
    for cores, replicas, apart in asked:
        component = build.component(resources=amount(1000 * cores), replicas=replicas)
        words = [ComponentPolicy(component=component.name, one_per_node=True)] if apart else []
        problems.append((component, PlacementPolicy(components=words)))
    room = SharedRoom([build.problem(component, policy=policy) for component, policy in problems])
    kinds = Kinds(room, [draft(room, at) for at in range(len(problems))])
    takes = kinds.takes(np.arange(len(asked)), np.array([replicas for _, replicas, _ in asked]))
    bundles = [bundle(cores, count=count, of=len(nodes), apart=apart) for cores, count, apart in asked]
    for some in itertools.chain.from_iterable(
        itertools.combinations(range(len(asked)), size) for size in range(1, len(asked) + 1)
    ):
        if packed_together(free(*((one,) for one in nodes)), [bundles[one] for one in some]) is not None:
            assert (takes[:, list(some)].sum(axis=1) <= kinds.capacity[:, 0] + 1e-9).all()


@pytest.mark.parametrize(("cores", "most"), [(15, 1), (16, 2)])
def test_what_comes_in_lots_is_counted_in_lots(cores, most):
    build = Builder()
    build.site(node={"capacity": amount(1000 * cores, 2**40)})
    components = [build.component(replicas=8) for _ in range(3)]
    room = SharedRoom([build.problem(one) for one in components])
    kinds = Kinds(room, [draft(room, at) for at in range(3)])
    takes = kinds.takes(np.arange(3), np.array([8, 8, 8]))
    least = (kinds.capacity[:, 0] / np.maximum(takes[:, 0], 1e-9)).min()
    assert int(least + 1e-9) == most
    assert float(least) == pytest.approx(most), "the relaxation has no part of a lot"


def test_a_batch_changes_nodes_of_what_it_chose_so_that_more_have_a_place():
    build = Builder()
    site = build.site(nodes=0, cluster=False)
    cluster = build.cluster(site)
    plain, fast = (
        build.node(site, cluster_id=cluster.id, labels={"disk": disk}, capacity=amount(4000, 2**40))
        for disk in ("hdd", "ssd")
    )
    anywhere = build.component(resources=amount(3000))
    picky = build.component(resources=amount(3000), node_selector="disk=ssd")
    found = decide_together([Asked("a", build.problem(anywhere)), Asked("b", build.problem(picky))])
    nodes = {name: list(one.placements[0].components[0].assignments) for name, one in found.placed.items()}
    assert nodes == {"a": [plain.id], "b": [fast.id]}
