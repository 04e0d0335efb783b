"""Several deployments packed together on the nodes of a site, and the counting that says when they cannot be."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.kinds.policy import ComponentPolicy, PlacementPolicy
from placement.batch import Asked, decide_together
from placement.batch_drafts import draft, searched
from placement.batch_jams import Jam, Jams, jammed, needs_as_much
from placement.batch_kinds import Kinds
from placement.batch_packing import Bundle, packed_exactly, packed_together
from placement.batch_prices import Prices
from placement.batch_room import SharedRoom
from placement.batch_sites import Sites
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


def ways(one: Bundle) -> list[tuple[int, ...]]:
    """Every way to give a bundle's replicas to nodes that it may use."""
    most = [int(usable) * (1 if one.apart else one.count) for usable in one.usable]
    return [found for found in itertools.product(*(range(each + 1) for each in most)) if sum(found) == one.count]


def fit(room: np.ndarray, bundles: list[Bundle]) -> bool:
    """The oracle: whether any way to have all bundles is within the room."""
    return any(
        (sum(one.need[:, None] * np.array(counts) for one, counts in zip(bundles, chosen, strict=True)) <= room).all()
        for chosen in itertools.product(*(ways(one) for one in bundles))
    )


small = st.integers(0, 5)
BUNDLES = st.lists(
    st.tuples(st.integers(1, 3), st.integers(0, 3), st.integers(1, 3), st.integers(1, 7), st.booleans()),
    min_size=1,
    max_size=3,
)


@settings(max_examples=60, deadline=None)
@given(nodes=st.lists(st.tuples(small, small), min_size=1, max_size=3), asked=BUNDLES)
def test_a_search_finds_a_way_or_proves_that_there_is_none(nodes, asked):
    room = free(*nodes)
    bundles = [
        bundle(cpu, other, count=count, usable=tuple(n for n in range(3) if mask >> n & 1), of=len(nodes), apart=apart)
        for cpu, other, count, mask, apart in asked
    ]
    found, proved = packed_exactly(room, bundles, nodes=1000)
    assert (found is not None) == fit(room, bundles)
    assert proved == (found is None)
    if found is None:
        kept = jammed(room, bundles, nodes=1000)
        assert kept
        assert not fit(room, [bundles[one] for one in kept])
        for one in kept:
            assert fit(room, [bundles[other] for other in kept if other != one])
        return
    used = sum(one.need[:, None] * counts for one, counts in zip(bundles, found, strict=True))
    assert (used <= room).all()
    for one, counts in zip(bundles, found, strict=True):
        assert counts.sum() == one.count
        assert not counts[~one.usable].any()
        assert not one.apart or counts.max() <= 1


@settings(max_examples=60, deadline=None)
@given(nodes=st.lists(st.tuples(small, small), min_size=1, max_size=3), asked=BUNDLES)
def test_what_needs_as_much_as_another_fits_nowhere_that_this_does_not(nodes, asked):
    room = free(*nodes)
    bundles = [
        bundle(cpu, other, count=count, usable=tuple(n for n in range(3) if mask >> n & 1), of=len(nodes), apart=apart)
        for cpu, other, count, mask, apart in asked
    ]
    for one, other in itertools.permutations(range(len(bundles)), 2):
        if needs_as_much(bundles[one], bundles[other]):
            rest = [each for n, each in enumerate(bundles) if n not in (one, other)]
            assert fit(room, [*rest, bundles[other]]) or not fit(room, [*rest, bundles[one]])


def test_of_a_jam_a_choice_takes_as_much_as_it_brings_there():
    jams = Jams()
    entries = ((3, 0, 2), (3, 1, 1), (4, 0, 2))
    assert jams.takes(entries)[0].tolist() == []
    jams.add(Jam(3, {0: 2, 1: 2, 2: 1}, 1))
    jams.add(Jam(4, {1: 1}, 0))
    jams.add(Jam(4, {0: 1}, 0))
    assert [one.tolist() for one in jams.takes(entries)] == [[0, 2], [1.0, 1.0]]
    assert jams.most.tolist() == [1.0, 0.0, 0.0]


def crowded_site():
    """A site of two nodes of 5 cores, and three components of which any two fit there and all three only when counted."""
    build = Builder()
    build.site(nodes=2, node={"capacity": amount(5000, 2**40)})
    components = [build.component(resources=amount(cores)) for cores in (4000, 3000, 3000)]
    room = SharedRoom([build.problem(one) for one in components])
    drafts = [draft(room, at) for at in range(3)]
    prices = Prices(room, drafts)
    known = [prices.known(at, searched(room, one)[0]) for at, one in enumerate(drafts)]
    return Sites(room, prices), prices, known


def test_what_is_proved_not_to_fit_is_room_that_has_a_price():
    sites, prices, known = crowded_site()
    penalties = np.full(3, 100.0)
    prices.kinds.capacity[:] = 1e9
    assert len(prices.chosen(known, penalties, nodes=10)) == 3
    assert sites.packed([entry for one in known for entry in one.entries]) is None
    assert len(prices.jams) == 1
    assert prices.jams[0].most == 2
    assert len(prices.chosen(known, penalties, nodes=10)) == 2
    priced = prices.priced(known, penalties)
    assert priced.jams[0] > 0
    assert priced.shares.sum() == pytest.approx(2)
    for at in range(3):
        assert prices.surcharge(at, priced)[0].tolist() == [pytest.approx(float(priced.jams[0]))]
    assert prices.fits(known[0], known[1:2])
    assert not prices.fits(known[0], known[1:])


def test_what_fits_at_a_site_is_told_by_component_and_node():
    sites, prices, known = crowded_site()
    found = sites.packed([entry for one in known[:2] for entry in one.entries])
    assert found is not None
    assert sorted(found) == [0, 1]
    assert [sum(counts.values()) for counts in found.values()] == [1, 1]
    assert not {*found[0]} & {*found[1]}
    assert not len(prices.jams)


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
