"""Latencies agree with a search by networkx of the same graph, however they are asked for and whatever was kept."""

from __future__ import annotations

import itertools
import math

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from placement_graphs import Builder, at

from graph.kinds import Link, LinkState, Site, SiteRole
from graph.kinds.policy import LatencyTarget, Place, PlacementPolicy
from graph.paths import Network, network_of
from graph.view import each
from placement.latencies import Latencies
from placement.latency import ACCESS_MS, EntryPoints, Target
from placement.outlook import Outlooks
from placement.projection import Projection
from placement.searches import Searches
from placement.solve.entries import Listed

LINKS = st.lists(
    st.tuples(st.integers(0, 7), st.integers(0, 7), st.integers(1, 6), st.booleans()), min_size=4, max_size=20
)
STEPS = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 6), st.booleans()), max_size=6)


def graph_of(links: list[tuple[int, int, int, bool]]) -> tuple[Builder, list[Site]]:
    build = Builder()
    sites = [
        build.site(nodes=0, position=at(n, 0), role=SiteRole.TRANSIT if n in (3, 6) else SiteRole.COMPUTE)
        for n in range(8)
    ]
    for a, b, latency, up in links:
        if a != b:
            build.link(sites[a], sites[b], float(latency), state=LinkState.UP if up else LinkState.DOWN)
    return build, sites


def oracle(build: Builder) -> dict[str, dict[str, float]]:
    graph = nx.Graph()
    graph.add_nodes_from(build.view.ids("Site"))
    for one in each(build.view, Link):
        if one.state is LinkState.UP:
            before = graph.get_edge_data(one.from_site_id, one.to_site_id, {"weight": math.inf})["weight"]
            graph.add_edge(one.from_site_id, one.to_site_id, weight=min(before, one.latency_ms))
    return dict(nx.all_pairs_dijkstra_path_length(graph))


def latencies(build: Builder, projection: Projection, targets: list[LatencyTarget]) -> tuple[list[str], Latencies]:
    problem = build.problem(build.component(), policy=PlacementPolicy(latency=targets), projection=projection)
    return [one.id for one in problem.sites], problem.latency


@settings(max_examples=80, deadline=None)
@given(LINKS, STEPS, st.lists(st.tuples(st.integers(0, 7), st.integers(1, 9)), min_size=1, max_size=6))
def test_every_question_has_the_answer_of_a_search(
    links: list[tuple[int, int, int, bool]], steps: list[tuple[int, int, bool]], wanted: list[tuple[int, int]]
) -> None:
    build, sites = graph_of(links)
    projection = Projection(build.view)
    build.view.follow(projection)
    targets = [
        LatencyTarget(place=Place(site_id=sites[at].id, name=str(n)), within_ms=float(ms))
        for n, (at, ms) in enumerate(wanted)
    ]
    for pick, latency, up in [(0, 1, True), *steps]:
        made = list(each(build.view, Link))
        if made:
            one = made[pick % len(made)]
            build.change(one, latency_ms=float(latency), state=LinkState.UP if up else LinkState.DOWN)
        ways = oracle(build)
        ids, found = latencies(build, projection, targets)
        table = np.array(
            [[ways[one.place.site_id or ""].get(site, math.inf) + ACCESS_MS for site in ids] for one in targets]
        )
        limits = np.array([one.within_ms for one in targets])[:, None]
        expected = np.where(table <= limits, table, math.inf)
        nearest, ms = found.to(np.arange(len(ids)))
        np.testing.assert_allclose(ms, expected.min(axis=1))
        for n, site in enumerate(nearest.tolist()):
            assert (site < 0) == np.isinf(ms[n])
            assert site < 0 or table[n, site] == pytest.approx(ms[n])
        dense = found.pairs.toarray()
        np.testing.assert_allclose(dense[dense > 0], table[dense > 0])
        assert found.pairs.nnz == int((table <= limits).sum())
        for n in range(len(targets)):
            np.testing.assert_allclose(found.row(n), table[n])
            reached, ms = found.within(n, 4.0)
            np.testing.assert_array_equal(reached, np.flatnonzero(table[n] <= 4.0))
            np.testing.assert_allclose(ms, table[n][reached])
        excess = table - limits
        for site in range(len(ids)):
            place, ms = found.closest(site)
            if np.isfinite(ms):
                assert ms == pytest.approx(table[place, site])
                assert excess[place, site] == pytest.approx(excess[:, site].min())
            else:
                assert not np.isfinite(table[:, site]).any()
        among = np.flatnonzero(np.arange(len(ids)) % 2 == 0)
        nearest, ms = found.to(among)
        np.testing.assert_allclose(ms, expected[:, among].min(axis=1, initial=math.inf))
        for n, site in enumerate(nearest.tolist()):
            assert (site < 0) == np.isinf(ms[n])
            assert site < 0 or (site in among and table[n, site] == pytest.approx(ms[n]))
        for others in (among, np.arange(len(ids))):
            between = found.between(np.arange(len(ids)), others, 3.0)
            for a, mine in enumerate(ids):
                reached = others[between.column[between.start[a] : between.start[a + 1]]].tolist()
                assert reached == [b for b in others if ways[mine].get(ids[b], math.inf) <= 3.0]


@settings(max_examples=80, deadline=None)
@given(LINKS, STEPS)
def test_rows_that_are_kept_are_those_that_would_be_searched_again(
    links: list[tuple[int, int, int, bool]], steps: list[tuple[int, int, bool]]
) -> None:
    build, _ = graph_of(links)
    projection, kept = Projection(build.view), Searches()
    build.view.follow(projection)
    places = [((row, 0.25 * row),) for row in range(8)] + [((0, 0.5), (5, 0.25)), ()]
    limits = [float(1 + n % 5) for n in range(len(places))]
    for pick, latency, up in [(0, 1, True), *steps]:
        made = list(each(build.view, Link))
        if made:
            one = made[pick % len(made)]
            build.change(one, latency_ms=float(latency), state=LinkState.UP if up else LinkState.DOWN)
        network: Network = projection.links.network(build.view)
        fresh = Searches().rows(network_of(build.view), places, limits)
        for mine, other, limit in zip(kept.rows(network, places, limits), fresh, limits, strict=True):
            within = mine.latency <= limit
            np.testing.assert_array_equal(mine.sites[within], other.sites[other.latency <= limit])
            np.testing.assert_allclose(mine.latency[within], other.latency[other.latency <= limit])


def test_a_place_enters_at_the_nearest_sites_and_of_those_as_near_at_the_first() -> None:
    degrees = np.array([[10.0, 50.0], [10.0, 50.0], [10.0, 50.0], [10.0, 50.0], [10.1, 50.0], [np.nan, np.nan]])
    rows = {f"site_{n}": n for n in range(6)}

    def entries(seen: list[bool], longitude: float = 10.0) -> list[int]:
        points = EntryPoints(degrees, rows, np.arange(6), seen=np.array(seen))
        target = Target("p", 5.0, at(longitude, 50.0), None)
        return [row for row, _ in points.of([target])[0]]

    assert entries([True] * 6) == [0, 1, 2]
    assert entries([False, True, True, False, True, True]) == [1, 2, 4]
    assert entries([False] * 5 + [True]) == []
    assert entries([True, False, False, False, True, True], longitude=18.0) == [4, 0]


def test_a_site_that_is_much_farther_than_the_nearest_is_not_entered() -> None:
    degrees = np.array([[10.0, 50.0], [14.0, 50.0]])
    points = EntryPoints(degrees, {"a": 0, "b": 1}, np.arange(2), seen=np.ones(2, dtype=bool))
    assert [row for row, _ in points.of([Target("p", 5.0, at(10.1, 50.0), None)])[0]] == [0]


def test_what_is_asked_again_is_kept_and_another_network_is_another_answer(build: Builder) -> None:
    a, b = build.site(nodes=0, position=at(0, 0)), build.site(nodes=0, position=at(5, 0))
    link = build.link(a, b, 2.0)
    projection, outlooks = Projection(build.view), Outlooks()
    build.view.follow(projection)
    targets = [Target("p", 5.0, None, a.id)]

    def ask() -> Latencies:
        inventory = projection.inventory()
        outlook = outlooks.of(inventory, build.view, tenant_id=None, lists_all=True, drivers=None)
        return outlooks.latencies(outlook, projection.links.network(build.view), targets)

    first = ask()
    assert ask() is first
    build.change(link, latency_ms=3.0)
    assert ask().to(np.array([1]))[1][0] == pytest.approx(3.0 + ACCESS_MS)
    assert first.to(np.array([1]))[1][0] == pytest.approx(2.0 + ACCESS_MS)


def test_no_way_leads_through_a_place(build: Builder) -> None:
    a, b, c = (build.site(nodes=0) for _ in range(3))
    build.link(b, c, 2.0)
    network = network_of(build.view)
    rows = [network.row_of[one.id] for one in (a, b)]
    # The first place touches two sites, yet is no way between them.
    both, one = Searches().rows(network, [((rows[0], 0.25), (rows[1], 0.5)), ((rows[0], 0.0),)], [np.inf, np.inf])
    assert both.latency.tolist() == [0.25, 0.5, 2.5]
    assert (one.sites.tolist(), one.latency.tolist()) == ([rows[0]], [0.0])


@pytest.mark.parametrize("at_once", [1, 7, 40])
def test_places_taken_some_at_a_time_are_as_all_at_once(
    build: Builder, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sites = [build.site(nodes=0, position=at(n, 0), role=SiteRole.COMPUTE) for n in range(9)]
    for one, other in itertools.pairwise(sites):
        build.link(one, other, 1.0)
    targets = [
        LatencyTarget(place=Place(site_id=one.id), within_ms=1.0 + n)
        for n, one in enumerate([*sites, *reversed(sites)])
    ]

    def found() -> Listed:
        return latencies(build, Projection(build.view), targets)[1].by_site

    whole = found()
    monkeypatch.setattr("placement.latencies.AT_ONCE", at_once)
    for part, expected in zip(found(), whole, strict=True):
        assert part.dtype == expected.dtype
        assert part.tolist() == expected.tolist()
    assert len(whole.column) > 40


def test_what_it_holds_may_be_asked_while_more_is_searched(build: Builder) -> None:
    site = build.site()
    target = LatencyTarget(place=Place(site_id=site.id), within_ms=1.0)
    _, found = latencies(build, Projection(build.view), [target, target])

    class Row:
        """While it is measured, what another thread searched for comes beside it."""

        @property
        def nbytes(self) -> int:
            found.row(1)
            return 8

    found.memo.rows[0] = Row()  # type: ignore[assignment]  # stands in for an array
    assert found.nbytes_held == 8
    assert found.nbytes_held > 8
