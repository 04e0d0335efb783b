"""Latency and free bandwidth between sites: those of the ways that `path` gives."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from placement_graphs import Builder

from graph.kinds import LinkState
from graph.paths import LinkGraph
from placement.reach import reach_between, reach_from


def network(seed: int) -> tuple[Builder, list[str]]:
    """A random network with ties in latency, parallel links, links that are down, and links that state no bandwidth."""
    draw, build = random.Random(seed), Builder()
    sites = [build.site(nodes=0, cluster=False) for _ in range(12)]
    for _ in range(26):
        a, b = draw.sample(sites, 2)
        build.link(
            a,
            b,
            float(draw.choice([0, 1, 1, 2, 3])),
            **({} if draw.random() < 0.15 else {"bandwidth_mbps": draw.randint(5, 9) * 100.0, "reserved_mbps": 100.0}),
            state=LinkState.DOWN if draw.random() < 0.1 else LinkState.UP,
        )
    return build, [one.id for one in sites]


@pytest.mark.parametrize("seed", range(12))
def test_reach_is_that_of_the_paths(seed: int) -> None:
    build, ids = network(seed)
    links = LinkGraph(build.view)
    found = links.network(build.view)
    for start in ids[:4]:
        reach = reach_from(found, [(found.row_of[start], 0.0)])
        for end in ids:
            path = links.shortest_path(build.view, start, end)
            row = found.row_of[end]
            if path is None:
                assert math.isinf(reach.latency[row])
                assert math.isnan(reach.width[row])
                continue
            assert reach.latency[row] == path.latency_ms
            if start == end:
                assert math.isinf(reach.width[row])
            elif path.bottleneck_mbps is None:
                assert math.isnan(reach.width[row])
            else:
                assert reach.width[row] == path.bottleneck_mbps


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("least", [None, 700.0])
def test_pairs_in_reach_are_those_within_the_limits(seed: int, least: float | None) -> None:
    build, ids = network(seed)
    links = LinkGraph(build.view)
    found = links.network(build.view)
    sources = np.array([found.row_of[one] for one in ids[:5]])
    targets = np.array([found.row_of[one] for one in ids[3:]])
    pairs = reach_between(found, sources, targets, within_ms=2.0, min_mbps=least)
    expected = {}
    for a, source in enumerate(sources):
        reach = reach_from(found, [(int(source), 0.0)], limit=2.0)
        for b, target in enumerate(targets):
            if reach.latency[target] <= 2.0 and (least is None or reach.width[target] >= least):
                expected[a, b] = reach.latency[target]
    coo = pairs.tocoo()
    assert dict(zip(zip(coo.row.tolist(), coo.col.tolist(), strict=True), coo.data.tolist(), strict=True)) == expected
    assert pairs.shape == (5, 9)


def test_a_place_is_reached_by_its_best_entry_within_the_limit(build: Builder) -> None:
    a, b, c = (build.site(nodes=0) for _ in range(3))
    build.link(a, b, 2.0, bandwidth_mbps=100.0)
    build.link(b, c, 2.0, bandwidth_mbps=50.0, reserved_mbps=20.0)
    found = LinkGraph(build.view).network(build.view)
    reach = reach_from(found, [(found.row_of[a.id], 1.0), (found.row_of[c.id], 4.0)], limit=4.5)
    assert [reach.latency[found.row_of[one.id]] for one in (a, b, c)] == [1.0, 3.0, 4.0]
    assert [reach.width[found.row_of[one.id]] for one in (a, b, c)] == [math.inf, 100.0, math.inf]


def test_nothing_between_nobody(build: Builder) -> None:
    build.site(nodes=0)
    found = LinkGraph(build.view).network(build.view)
    nobody = np.empty(0, dtype=np.int64)
    assert reach_between(found, nobody, np.array([0]), within_ms=1.0).shape == (0, 1)
    assert reach_between(found, np.array([0]), nobody, within_ms=1.0).nnz == 0
