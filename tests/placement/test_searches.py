"""What searches of the network keep as bits: the same as what is searched for again, however much is forgotten."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from placement_graphs import Builder, at
from scipy.sparse.csgraph import dijkstra

from graph.kinds import LinkState
from graph.paths import LinkGraph, Network, network_of
from placement.kept import ENTRY_BYTES, Shelf
from placement.searches import MOST_NETWORKS, Searches

LINKS = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7), st.integers(1, 6), st.booleans()), max_size=20)
ASKED = st.lists(
    st.tuples(st.lists(st.integers(-1, 7), max_size=5), st.sampled_from((0.0, 1.0, 2.5, 4.0))), min_size=1, max_size=8
)


def _expected(network: Network, sites: list[int], limit: float) -> list[list[int]]:
    ways = dijkstra(network.matrix(network.latency))
    return [[] if one < 0 else np.flatnonzero(ways[one] <= limit).tolist() for one in sites]


@settings(max_examples=40, deadline=None)
@given(LINKS, ASKED, st.sampled_from((0, 3_000, 1 << 20)))
def test_bits_are_those_in_reach_whatever_was_asked_for_before(
    links: list[tuple[int, int, int, bool]], asked: list[tuple[list[int], float]], most_bytes: int
) -> None:
    build = Builder()
    made = [build.site(nodes=0, position=at(n, 0)) for n in range(8)]
    for a, b, latency, up in links:
        if a != b:
            build.link(made[a], made[b], float(latency), state=LinkState.UP if up else LinkState.DOWN)
    network, shelf = network_of(build.view), Shelf(most_bytes)
    kept = Searches(shelf)
    for sites, limit in asked:
        near = kept.near(network, np.array(sites, dtype=np.int64), limit)
        bits = np.unpackbits(near.table[near.row].view(np.uint8), axis=1, bitorder="little")
        assert [np.flatnonzero(row).tolist() for row in bits] == _expected(network, sites, limit)
        assert shelf.nbytes <= most_bytes


def test_rows_that_two_networks_have_are_counted_once_and_forgotten_with_the_last_of_them(build: Builder) -> None:
    made = [build.site(nodes=0) for _ in range(4)]
    near, far = build.link(made[0], made[1], 1.0), build.link(made[2], made[3], 1.0)
    graph, kept = LinkGraph(build.view), Searches()
    build.view.follow(graph)

    def ask() -> int:
        network = graph.network(build.view)
        rows = kept.rows(network, [((network.row_of[made[0].id], 0.0),)], [5.0])
        return rows[0].sites.nbytes + rows[0].latency.nbytes

    size = ask()
    assert kept.shelf.nbytes == size + ENTRY_BYTES
    build.change(far, latency_ms=2.0)
    ask()
    assert kept.shelf.nbytes == size + ENTRY_BYTES
    build.change(near, latency_ms=2.0)
    ask()
    assert kept.shelf.nbytes == 2 * (size + ENTRY_BYTES)
    for n in range(MOST_NETWORKS):
        build.change(far, latency_ms=3.0 + n)
        ask()
    assert kept.shelf.nbytes == size + ENTRY_BYTES
    kept.clear()
    assert kept.shelf.nbytes == 0
