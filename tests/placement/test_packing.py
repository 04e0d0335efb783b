"""All sites packed at once are packed as each would be by itself, one replica after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.selectors import LabelSelector
from placement.arrays import Ints, Mask
from placement.bins import Bins, some_used
from placement.filling import Taken, filled
from placement.needs import ComponentNeed
from placement.packing import pack
from placement.room import room

RESOURCES = ("cpu_millicores", "memory_bytes", "storage_bytes", "a100")


def component(need: Sequence[int], replicas: int, **fields: object) -> ComponentNeed:
    name = f"c{'-'.join(map(str, need))}x{replicas}"
    return ComponentNeed(
        id=name,
        name=name,
        replicas=replicas,
        need=np.array(need, dtype=np.int64),
        architectures=(),
        node_selector=LabelSelector(),
        **fields,  # type: ignore[arg-type]  # a case's fields, by name
    )


def bins_from(sites: Sequence[Sequence[Sequence[Sequence[int]]]], unplaced: Ints | None = None) -> Bins:
    """Bins of sites, each of groups, each of nodes, each of what is free of each resource."""
    free = [node for site in sites for group in site for node in group]
    group_site = [at for at, site in enumerate(sites) for group in site if group]
    sizes = [len(group) for site in sites for group in site if group]
    group = np.repeat(np.arange(len(sizes)), sizes)
    site = np.array(group_site, dtype=np.int64)[group]
    amounts = np.asfortranarray(np.array(free, dtype=np.int64).reshape(-1, len(RESOURCES)))
    never = np.zeros(len(free), dtype=bool)
    unplaced = np.zeros((len(sites), len(RESOURCES)), dtype=np.int64) if unplaced is None else unplaced
    return Bins(
        resources=RESOURCES,
        site=site,
        group=group,
        starts=np.concatenate(([0], np.cumsum(sizes, dtype=np.int64))),
        node=np.arange(len(free)),
        node_ids=[f"node_{at}" for at in range(len(free))],
        free=amounts,
        usable=amounts + 1,
        cordoned=never,
        not_ready=never,
        tainted=never,
        arch=np.zeros(len(free), dtype=np.int64),
        archs=("amd64",),
        other_archs=(),
        other_labels=(),
        group_site=np.array(group_site, dtype=np.int64),
        group_cluster=tuple(f"cluster_{at}" for at in range(len(sizes))),
        withheld=np.zeros(len(sites), dtype=np.int64),
        unplaced=unplaced,
        unsure=some_used(unplaced),
        first=np.searchsorted(site, np.arange(len(sites) + 1)),
        typical=amounts.mean(axis=0) if len(free) else np.ones(len(RESOURCES)),
    )


def first_fit(nodes: list[list[int]], asked: Sequence[tuple[ComponentNeed, int, Sequence[bool]]]) -> list[list[int]]:
    """The oracle: replicas one by one into the first node that takes them, by component and node."""
    held = [[0] * len(nodes) for _ in asked]
    for at, (one, count, may) in enumerate(asked):
        for _ in range(count):
            for node, left in enumerate(nodes):
                others = [n for n in range(len(asked)) if n != at and held[n][node]]
                shut = any(one.alone or asked[n][0].alone for n in others)
                full = one.most_per_node is not None and held[at][node] >= one.most_per_node
                if (
                    may[node]
                    and not shut
                    and not full
                    and all(have >= need for have, need in zip(left, one.need, strict=True))
                ):
                    held[at][node] += 1
                    nodes[node] = [have - int(need) for have, need in zip(left, one.need, strict=True)]
                    break
    return held


NODE = st.tuples(st.integers(0, 9), st.integers(0, 9), st.just(9), st.sampled_from([0, 0, 0, 2])).map(list)
SITES = st.lists(st.lists(st.lists(NODE, max_size=7), min_size=1, max_size=2), min_size=1, max_size=5)
NEED = st.tuples(st.integers(1, 5), st.integers(1, 5), st.just(0), st.sampled_from([0, 0, 0, 1]))
COMPONENTS = st.lists(
    st.builds(
        component,
        NEED,
        st.integers(0, 6),
        most_per_node=st.sampled_from([None, None, 1, 2]),
        alone=st.sampled_from([False, False, False, True]),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda one: one.id,
)


def masks_of(data: st.DataObject, bins: Bins, components: Sequence[ComponentNeed]) -> list[Mask]:
    size = len(bins.site)
    share = data.draw(st.sampled_from([0, 1, 4]))
    return [
        np.array(data.draw(st.lists(st.integers(0, 4), min_size=size, max_size=size)), dtype=np.int64) >= share
        for _ in components
    ]


@settings(max_examples=150, deadline=None)
@given(SITES, COMPONENTS, st.data())
def test_every_group_is_filled_as_first_fit_fills_it(
    sites: list[list[list[list[int]]]], components: list[ComponentNeed], data: st.DataObject
) -> None:
    bins = bins_from(sites)
    eligible = masks_of(data, bins, components)
    groups = len(bins.group_site)
    wanted = np.repeat(np.array([[one.replicas] for one in components], dtype=np.int64), groups, axis=1)
    taken = Taken(len(components), len(bins.site))
    missing = filled(bins, components, eligible, wanted, order=list(range(len(components))), taken=taken)
    for group in range(groups):
        here = slice(int(bins.starts[group]), int(bins.starts[group + 1]))
        oracle = first_fit(
            bins.free[here].tolist(),
            [(one, one.replicas, eligible[at][here].tolist()) for at, one in enumerate(components)],
        )
        for at, held in enumerate(oracle):
            assert taken.of(at, here.start, here.stop).tolist() == held
            assert missing[at, group] == components[at].replicas - sum(held)


@settings(max_examples=200, deadline=None)
@given(SITES, COMPONENTS, st.data())
def test_what_is_packed_keeps_every_limit(
    sites: list[list[list[list[int]]]], components: list[ComponentNeed], data: st.DataObject
) -> None:
    bins = bins_from(sites)
    eligible = masks_of(data, bins, components)
    count = len(sites)
    wanted = st.lists(st.integers(0, 5), min_size=count, max_size=count)
    replicas = np.array([data.draw(wanted) for _ in components], dtype=np.int64)
    packing = pack(bins, components, eligible=eligible, sites=count, replicas=replicas)
    take = packing.take
    assert (take >= 0).all()
    assert not any((take[at] > 0)[~mask].any() for at, mask in enumerate(eligible))
    used = sum(take[at][:, None] * one.need for at, one in enumerate(components))
    assert (used <= bins.free).all()
    for at, one in enumerate(components):
        if one.most_per_node is not None:
            assert (take[at] <= one.most_per_node).all()
        if one.alone:
            assert not ((take[at] > 0) & (np.delete(take, at, axis=0) > 0).any(axis=0)).any()
    for site in range(count):
        group = int(packing.group[site])
        here = slice(int(bins.starts[group]), int(bins.starts[group + 1])) if group >= 0 else slice(0, 0)
        placed = [int(one[here].sum()) for one in take]
        assert placed == packing.placed[:, site].tolist()
        if packing.fits[site]:
            assert placed == replicas[:, site].tolist() or not replicas[:, site].any()
        if len(components) == 1 and not packing.fits[site]:
            # One component is packed exactly: there is no group in which it all fits.
            for one in np.flatnonzero(bins.group_site == site).tolist():
                there = slice(int(bins.starts[one]), int(bins.starts[one + 1]))
                [held] = first_fit(
                    bins.free[there].tolist(), [(components[0], int(replicas[0, site]), eligible[0][there].tolist())]
                )
                assert sum(held) < replicas[0, site]


@settings(max_examples=100, deadline=None)
@given(SITES, COMPONENTS, st.data())
def test_sites_are_packed_the_same_whether_all_or_some_are_asked_for(
    sites: list[list[list[list[int]]]], components: list[ComponentNeed], data: st.DataObject
) -> None:
    bins = bins_from(sites)
    eligible = masks_of(data, bins, components)
    among = np.array(data.draw(st.lists(st.booleans(), min_size=len(sites), max_size=len(sites))))
    whole = pack(bins, components, eligible=eligible, sites=len(sites))
    some = pack(bins, components, eligible=eligible, sites=len(sites), among=among)
    np.testing.assert_array_equal(some.fits, whole.fits & among)
    np.testing.assert_array_equal(some.placed[:, among], whole.placed[:, among])


def test_what_is_in_use_on_no_particular_node_is_not_free() -> None:
    one = component((2, 1, 0, 0), 2)
    nodes = [[[[4, 9, 9, 0], [4, 9, 9, 0]]]] * 2
    unplaced = np.array([[0, 0, 0, 0], [5, 0, 0, 0]])
    packing = pack(bins_from(nodes, unplaced), [one], eligible=[np.ones(4, dtype=bool)], sites=2)
    assert packing.fits.tolist() == [True, False]
    assert packing.free[:, 0].tolist() == [8, 3]
    assert [packing.free_at(site)[0] for site in (0, 1)] == [8, 3]


def test_what_others_use_of_what_is_not_asked_for_keeps_nothing_away() -> None:
    one = component((2, 1, 0, 0), 2)
    bins = bins_from([[[[4, 9, 9, 0]]]] * 3, np.array([[0, 0, 20, 0], [1, 0, 20, 0], [0, 8, 0, 1]]))
    everything = [np.ones(3, dtype=bool)]
    assert pack(bins, [one], eligible=everything, sites=3).fits.tolist() == [True, False, False]
    assert room(bins, [one], eligible=everything).tolist() == [[2, 1, 1]]


@settings(max_examples=100, deadline=None)
@given(SITES, COMPONENTS, st.data())
def test_what_is_in_use_on_no_particular_node_is_taken_off_what_the_nodes_that_may_be_used_have(
    sites: list[list[list[list[int]]]], components: list[ComponentNeed], data: st.DataObject
) -> None:
    used = np.array([data.draw(st.tuples(*[st.integers(0, 3)] * len(RESOURCES))) for _ in sites], dtype=np.int64)
    bins, free = bins_from(sites, used), bins_from(sites)
    eligible = masks_of(data, bins, components)
    fits = pack(bins, components, eligible=eligible, sites=len(sites)).fits
    needed = sum(one.need * one.replicas for one in components)
    for site, packed in enumerate(pack(free, components, eligible=eligible, sites=len(sites)).fits.tolist()):
        here = bins.of_site(site)
        may = np.logical_or.reduce(eligible)[here]
        left = bins.free[here][may].sum(axis=0) - used[site]
        assert fits[site] == (packed and bool(((left >= needed) | (needed == 0)).all()))


def test_another_order_is_tried_where_first_fit_fails() -> None:
    # Largest first puts the 6 into the 10, the 5s then into 4 and 9: only one fits.
    components = [component((6, 1, 0, 0), 1), component((5, 2, 0, 0), 2)]
    packing = pack(
        bins_from([[[[10, 9, 9, 0], [6, 9, 9, 0]]]]), components, eligible=[np.ones(2, dtype=bool)] * 2, sites=1
    )
    assert packing.fits.tolist() == [True]
    assert packing.take.tolist() == [[0, 1], [2, 0]]


@settings(max_examples=150, deadline=None)
@given(SITES, COMPONENTS, st.data())
def test_there_is_room_for_as_many_as_fit_and_not_for_one_more(
    sites: list[list[list[list[int]]]], components: list[ComponentNeed], data: st.DataObject
) -> None:
    bins = bins_from(sites)
    eligible = masks_of(data, bins, components)
    found = room(bins, components, eligible=eligible)
    for at, one in enumerate(components):
        for more, fits in ((0, True), (1, False)):
            packing = pack(bins, [one], eligible=[eligible[at]], sites=len(sites), replicas=(found[at] + more)[None, :])
            assert (packing.fits == fits).all()


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_components_that_keep_away_share_no_bin_whoever_says_so(
    data: st.DataObject,
) -> None:
    nodes = data.draw(st.lists(st.tuples(*[st.integers(0, 4)] * 2), min_size=1, max_size=4))
    wants = [data.draw(st.tuples(st.integers(1, 2), st.integers(1, 3))) for _ in range(2)]
    needs = [component((cpu, 1, 0, 0), count) for cpu, count in wants]
    needs = [replace(one, name=name) for one, name in zip(needs, "ab", strict=True)]
    bins = bins_from([[[(cpu, memory, 0, 0) for cpu, memory in nodes]]])
    may = [np.array(data.draw(st.lists(st.booleans(), min_size=len(nodes), max_size=len(nodes)))) for _ in needs]
    found = []
    for said in (0, 1):
        told = [replace(one, away_from=frozenset("ab"[1 - at])) if at == said else one for at, one in enumerate(needs)]
        packing = pack(bins, told, eligible=may, sites=1)
        assert not ((packing.take[0] > 0) & (packing.take[1] > 0)).any()
        found.append(bool(packing.fits[0]))

    def fits(owner: Sequence[int]) -> bool:
        return all(
            sum(
                min(cpu // one.need[0], memory)
                for (cpu, memory), whose, usable in zip(nodes, owner, may[at], strict=True)
                if whose == at and usable
            )
            >= one.replicas
            for at, one in enumerate(needs)
        )

    exists = any(fits(owner) for owner in product((0, 1), repeat=len(nodes)))
    assert found[0] == found[1]
    assert exists or not found[0]


def all_ways(fit: Sequence[int], count: int) -> list[tuple[int, ...]]:
    """Every way to give so many replicas to nodes that take some each."""
    return [one for one in product(*(range(min(most, count) + 1) for most in fit)) if sum(one) == count]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_components_that_share_nodes_are_packed_just_when_there_is_a_way(data: st.DataObject) -> None:
    nodes = data.draw(st.lists(st.tuples(*[st.integers(0, 6)] * 2), min_size=1, max_size=4))
    count = data.draw(st.integers(2, 3))
    beside = [frozenset("abc"[other] for other in range(at) if data.draw(st.booleans())) for at in range(count)]
    needs = [
        replace(
            component((data.draw(st.integers(1, 3)), data.draw(st.integers(0, 2)), 0, 0), data.draw(st.integers(0, 3))),
            id="cba"[at],
            name="abc"[at],
            beside=beside[at],
            most_per_node=data.draw(st.sampled_from([None, None, 1])),
        )
        for at in range(count)
    ]
    may = [np.array(data.draw(st.lists(st.booleans(), min_size=len(nodes), max_size=len(nodes)))) for _ in needs]
    packing = pack(bins_from([[[(cpu, memory, 0, 0) for cpu, memory in nodes]]]), needs, eligible=may, sites=1)

    def kept(chosen: Sequence[Sequence[int]]) -> bool:
        return all(
            sum(one.need[resource] * counts[at] for one, counts in zip(needs, chosen, strict=True)) <= have
            for at, node in enumerate(nodes)
            for resource, have in enumerate(node)
        ) and all(
            not counts[at] or chosen["abc".index(other)][at]
            for one, counts in zip(needs, chosen, strict=True)
            for other in one.beside
            for at in range(len(nodes))
        )

    ways = [
        all_ways([(one.most_per_node or 9) * int(usable) for usable in mine], one.replicas)
        for one, mine in zip(needs, may, strict=True)
    ]
    if any(one.beside for one in needs):
        assert bool(packing.fits[0]) == any(kept(one) for one in product(*ways))
    if packing.fits[0]:
        assert kept(packing.take.tolist())
        assert packing.take.sum(axis=1).tolist() == [one.replicas for one in needs]


def test_what_others_go_with_is_spread_so_that_all_of_them_have_room() -> None:
    # All eight go onto the first node, where nothing that goes with them has room.
    db = replace(component((1, 1, 0, 0), 8), name="db")
    web = replace(component((5, 1, 0, 0), 8), name="web", beside=frozenset({"db"}))
    packing = pack(bins_from([[[[9, 9, 0, 0]] * 8]]), [web, db], eligible=[np.ones(8, dtype=bool)] * 2, sites=1)
    assert packing.fits.tolist() == [True]
    assert packing.take.tolist() == [[1] * 8, [1] * 8]


def test_a_search_for_nodes_to_share_ends_where_there_are_none_to_be_found() -> None:
    rng = np.random.default_rng(7)
    nodes = [[int(one), int(other), 0, 0] for one, other in rng.integers(5, 40, (60, 2))]
    names = "abcdef"
    needs = [
        replace(component((3 + at, 11 - at, 0, 0), 34), name=name, beside=frozenset(names[:at][-1:]))
        for at, name in enumerate(names)
    ]
    packing = pack(bins_from([[nodes]] * 30), needs, eligible=[np.ones(1800, dtype=bool)] * 6, sites=30)
    assert not packing.fits.any()
