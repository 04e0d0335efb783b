"""What searches of the network keep as bits: the same as what is searched for again, however much is forgotten."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from placement_graphs import Builder, at
from scipy.sparse.csgraph import dijkstra

from graph.kinds import LinkState
from graph.paths import Network, network_of
from placement import searches as searching
from placement.searches import Searches

LINKS = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7), st.integers(1, 6), st.booleans()), max_size=20)
ASKED = st.lists(
    st.tuples(st.lists(st.integers(-1, 7), max_size=5), st.sampled_from((0.0, 1.0, 2.5, 4.0))), min_size=1, max_size=8
)


def _expected(network: Network, sites: list[int], limit: float) -> list[list[int]]:
    ways = dijkstra(network.matrix(network.latency))
    return [[] if one < 0 else np.flatnonzero(ways[one] <= limit).tolist() for one in sites]


@settings(max_examples=40, deadline=None)
@given(LINKS, ASKED, st.booleans())
def test_bits_are_those_in_reach_whatever_was_asked_for_before(
    links: list[tuple[int, int, int, bool]], asked: list[tuple[list[int], float]], forgetful: bool
) -> None:
    build = Builder()
    made = [build.site(nodes=0, position=at(n, 0)) for n in range(8)]
    for a, b, latency, up in links:
        if a != b:
            build.link(made[a], made[b], float(latency), state=LinkState.UP if up else LinkState.DOWN)
    network, kept = network_of(build.view), Searches()
    with pytest.MonkeyPatch.context() as patch:
        if forgetful:
            patch.setattr(searching, "MOST_BIT_BYTES", 0)
        for sites, limit in asked:
            near = kept.near(network, np.array(sites, dtype=np.int64), limit)
            bits = np.unpackbits(near.table[near.row].view(np.uint8), axis=1, bitorder="little")
            assert [np.flatnonzero(row).tolist() for row in bits] == _expected(network, sites, limit)
