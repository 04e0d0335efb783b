"""Single points of failure against the plain definition: take it away, and see who is cut off."""

from __future__ import annotations

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.kinds import Link, LinkState, Region, Site
from graph.refusal import LimitExceeded
from graph.view import Reader, View
from graph.weak_points import MAX_SITES, weak_points

Pairs = list[tuple[int, int, bool]]


def world(count: int, pairs: Pairs) -> tuple[Reader, list[str], dict[str, tuple[str, str]]]:
    """Sites, and links between them, each up or down."""
    ids = [f"site_{n:03}" for n in range(count)]
    sites = [Site(id=one, name=one, region_id="region_1") for one in ids]
    links = [
        Link(
            id=f"link_{n:03}",
            from_site_id=ids[one],
            to_site_id=ids[other],
            latency_ms=1.0,
            state=LinkState.UP if up else LinkState.DOWN,
        )
        for n, (one, other, up) in enumerate(pairs)
    ]
    view = View()
    view.load([Region(id="region_1", name="r"), *sites, *links])
    view.loaded(revision=1, at=1, epoch="e", counters={})
    ends = {one.id: (one.from_site_id, one.to_site_id) for one in links if one.state is LinkState.UP}
    return view, ids, ends


def cut_off(graph: nx.MultiGraph[str], around: set[str]) -> int:
    """How many of the sites around what was lost are not in the largest part of what is left of them."""
    sizes = [len(one) for one in nx.connected_components(graph) if one & around]
    return sum(sizes) - max(sizes, default=0)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(2, 9).flatmap(
        lambda count: st.tuples(
            st.just(count),
            st.lists(
                st.tuples(st.integers(0, count - 1), st.integers(0, count - 1), st.booleans()).filter(
                    lambda pair: pair[0] != pair[1]
                ),
                max_size=14,
            ),
        )
    )
)
def test_what_is_found_is_what_cuts_others_off(given_world: tuple[int, Pairs]) -> None:
    reader, ids, ends = world(*given_world)
    graph: nx.MultiGraph[str] = nx.MultiGraph()
    graph.add_nodes_from(ids)
    for link_id, (one, other) in ends.items():
        graph.add_edge(one, other, key=link_id)
    expected: dict[str, int] = {}
    for site_id in ids:
        left = graph.copy()
        left.remove_node(site_id)
        count = cut_off(left, set(graph.neighbors(site_id)))
        if count:
            expected[site_id] = count
    for link_id, pair in ends.items():
        left = graph.copy()
        left.remove_edge(*pair, key=link_id)
        count = cut_off(left, set(pair))
        if count:
            expected[link_id] = count
    found = weak_points(reader, ids)
    assert {one.link_id or one.site_id: one.cut_off for one in found} == expected
    assert [one.cut_off for one in found] == sorted(expected.values(), reverse=True)


def test_who_is_cut_off_is_named() -> None:
    reader, ids, _ = world(6, [(0, 1, True), (1, 2, True), (2, 0, True), (2, 3, True), (3, 4, True), (0, 5, True)])
    found = {one.site_id: one.examples for one in weak_points(reader, ids) if one.site_id}
    assert found == {ids[2]: (ids[3], ids[4]), ids[3]: (ids[4],), ids[0]: (ids[5],)}


def test_more_sites_than_a_request_bears_are_refused() -> None:
    reader, ids, _ = world(2, [])
    with pytest.raises(LimitExceeded) as refused:
        weak_points(reader, ids * MAX_SITES)
    assert refused.value.path == "region"
