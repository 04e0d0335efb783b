"""Paths against networkx as the oracle; what is hidden never shortens a path; the graph follows the commits."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.change import Commit
from graph.edit import Edit
from graph.entity import Entity
from graph.kinds import Link, LinkState, Region, Site, SiteRole, Tenant
from graph.paths import LinkGraph, PathMetric
from graph.refusal import NotFound
from graph.view import View

SITES = 9


def site(n: int, **fields: object) -> Site:
    return Site(id=f"site_{n:03}", name=f"s{n}", region_id="region_1", **fields)  # type: ignore[arg-type]  # fields of the kind, by name


def link(n: int, a: int, b: int, latency_ms: float, **fields: object) -> Link:
    ends = {"from_site_id": f"site_{a:03}", "to_site_id": f"site_{b:03}"}
    return Link(id=f"link_{n:03}", latency_ms=latency_ms, **ends, **fields)  # type: ignore[arg-type]  # fields of the kind, by name


def view_of(*entities: Entity) -> View:
    view = View()
    view.load([Region(id="region_1", name="r"), *entities])
    view.loaded(revision=1, at=1, epoch="e", counters={})
    return view


class Without:
    """A reader to whom some ids are as if they were not there."""

    def __init__(self, view: View, hidden: set[str]) -> None:
        self._view, self._hidden = view, hidden
        self.revision, self.epoch = view.revision, view.epoch
        self.find, self.find_external = view.find, view.find_external

    def get(self, entity_id: str) -> Entity | None:
        return None if entity_id in self._hidden else self._view.get(entity_id)

    def ids(self, kind: str, field: str | None = None, value: str | None = None) -> Sequence[str]:
        return [one for one in self._view.ids(kind, field, value) if one not in self._hidden]

    def ids_by_name(self, kind: str) -> Sequence[str]:
        return [one for one in self._view.ids_by_name(kind) if one not in self._hidden]

    def count(self, kind: str, field: str | None = None, value: str | None = None) -> int:
        return len(self.ids(kind, field, value))


# Quarters add up exactly, so that ties are ties.
weights = st.integers(0, 8).map(lambda n: n / 4)
link_lists = st.lists(
    st.tuples(st.integers(0, SITES - 1), st.integers(0, SITES - 1), weights, weights, st.booleans()), max_size=24
).map(lambda rows: [row for row in rows if row[0] != row[1]])


def links_of(rows: list[tuple[int, int, float, float, bool]]) -> list[Link]:
    return [
        link(n, a, b, latency, cost=cost, state=LinkState.UP if up else LinkState.DOWN)
        for n, (a, b, latency, cost, up) in enumerate(rows)
    ]


def oracle(links: Sequence[Link], hidden: set[str]) -> nx.MultiGraph:
    graph = nx.MultiGraph()
    graph.add_nodes_from(one for n in range(SITES) if (one := f"site_{n:03}") not in hidden)
    for one in links:
        ends = {one.from_site_id, one.to_site_id}
        if one.state is LinkState.UP and one.id not in hidden and not ends & hidden:
            graph.add_edge(one.from_site_id, one.to_site_id, key=one.id, LATENCY=one.latency_ms, COST=one.cost, HOPS=1)
    return graph


def lexicographic(graph: nx.MultiGraph, start: str, end: str, order: Sequence[str]) -> tuple[float, ...] | None:
    """The least tuple of sums over all simple paths."""
    if start == end:
        return (0.0,) * len(order)
    totals = [
        tuple(sum(graph.edges[edge][metric] for edge in path) for metric in order)
        for path in nx.all_simple_edge_paths(graph, start, end)
    ]
    return min(totals, default=None)


@settings(max_examples=150, deadline=None)
@given(rows=link_lists, hidden=st.sets(st.integers(1, SITES - 1), max_size=2), hidden_links=st.sets(st.integers(0, 23)))
def test_a_path_is_the_oracles_among_what_the_reader_sees(
    rows: list[tuple[int, int, float, float, bool]], hidden: set[int], hidden_links: set[int]
) -> None:
    links = links_of(rows)
    view = view_of(*(site(n) for n in range(SITES)), *links)
    unseen = {f"site_{n:03}" for n in hidden} | {f"link_{n:03}" for n in hidden_links}
    reader = Without(view, unseen)
    graph = oracle(links, unseen)
    paths = LinkGraph(view)
    end = next(one for n in range(SITES - 1, -1, -1) if (one := f"site_{n:03}") not in unseen)
    for metric in PathMetric:
        found = paths.shortest_path(reader, "site_000", end, minimize=metric)
        expected = nx.has_path(graph, "site_000", end)
        assert (found is not None) is expected
        if found is None:
            continue
        best = nx.shortest_path_length(graph, "site_000", end, weight=metric.value)
        assert {"LATENCY": found.latency_ms, "COST": found.cost, "HOPS": found.hops}[metric.value] == best
        assert len(found.link_ids) == len(found.site_ids) - 1 == found.hops
        assert not unseen & {*found.site_ids, *found.link_ids}
        used = [view.get(one) for one in found.link_ids]
        for (a, b), one in zip(itertools.pairwise(found.site_ids), used, strict=True):
            assert isinstance(one, Link)
            assert one.state is LinkState.UP
            assert {a, b} == {one.from_site_id, one.to_site_id}
        assert found.latency_ms == sum(one.latency_ms for one in used if isinstance(one, Link))


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), weights, weights, st.just(True)), max_size=9))
def test_ties_go_to_the_next_metric(rows: list[tuple[int, int, float, float, bool]]) -> None:
    links = links_of([row for row in rows if row[0] != row[1]])
    view = view_of(*(site(n) for n in range(SITES)), *links)
    graph = oracle(links, set())
    orders = {
        PathMetric.LATENCY: ("LATENCY", "HOPS"),
        PathMetric.COST: ("COST", "LATENCY", "HOPS"),
        PathMetric.HOPS: ("HOPS", "LATENCY"),
    }
    for metric, order in orders.items():
        found = LinkGraph(view).shortest_path(view, "site_000", "site_004", minimize=metric)
        best = lexicographic(graph, "site_000", "site_004", order)
        if found is None:
            assert best is None
            continue
        totals = {"LATENCY": found.latency_ms, "COST": found.cost, "HOPS": found.hops}
        assert tuple(totals[one] for one in order) == best


@settings(max_examples=150, deadline=None)
@given(rows=link_lists, within=weights, hidden_links=st.sets(st.integers(0, 23)), first=st.integers(1, 12))
def test_what_is_within_reach_is_the_oracles_nearest_first(
    rows: list[tuple[int, int, float, float, bool]], within: float, hidden_links: set[int], first: int
) -> None:
    links = links_of(rows)
    view = view_of(*(site(n) for n in range(SITES)), *links)
    unseen = {f"link_{n:03}" for n in hidden_links}
    found = LinkGraph(view).reachable(Without(view, unseen), "site_000", within_ms=within, first=first)
    lengths = nx.single_source_dijkstra_path_length(oracle(links, unseen), "site_000", within, weight="LATENCY")
    expected = sorted((length, one) for one, length in lengths.items() if one != "site_000")
    assert [(one.latency_ms, one.site_id) for one in found] == expected[:first]


def test_parallel_links_count_by_the_best_of_the_metric_that_is_made_least() -> None:
    view = view_of(
        site(1),
        site(2),
        link(1, 1, 2, 5.0, cost=1.0, bandwidth_mbps=100.0),
        link(2, 2, 1, 2.0, cost=9.0, bandwidth_mbps=40.0, reserved_mbps=15.0),
        link(3, 1, 2, 2.0, cost=9.0),
        link(4, 1, 2, 1.0, cost=0.5, state=LinkState.DOWN),
    )
    paths = LinkGraph(view)
    quickest = paths.shortest_path(view, "site_001", "site_002")
    cheapest = paths.shortest_path(view, "site_001", "site_002", minimize=PathMetric.COST)
    assert quickest is not None
    assert cheapest is not None
    assert (quickest.link_ids, quickest.latency_ms, quickest.bottleneck_mbps) == (["link_002"], 2.0, 25.0)
    assert (cheapest.link_ids, cheapest.cost, cheapest.bottleneck_mbps) == (["link_001"], 1.0, 100.0)


def test_the_bottleneck_is_unknown_when_one_link_does_not_state_its_bandwidth() -> None:
    view = view_of(site(1), site(2), site(3), link(1, 1, 2, 1.0, bandwidth_mbps=10.0), link(2, 2, 3, 1.0))
    found = LinkGraph(view).shortest_path(view, "site_001", "site_003")
    assert found is not None
    assert (found.hops, found.bottleneck_mbps) == (2, None)


def test_transit_sites_are_routed_through() -> None:
    view = view_of(site(1), site(2, role=SiteRole.TRANSIT), site(3), link(1, 1, 2, 1.0), link(2, 2, 3, 1.5))
    found = LinkGraph(view).shortest_path(view, "site_001", "site_003")
    assert found is not None
    assert (found.site_ids, found.latency_ms) == (["site_001", "site_002", "site_003"], 2.5)


def test_a_path_to_itself_is_empty_and_an_end_that_is_not_seen_is_not_found() -> None:
    view = view_of(site(1), site(2), link(1, 1, 2, 1.0))
    paths = LinkGraph(view)
    found = paths.shortest_path(view, "site_001", "site_001")
    assert found is not None
    assert (found.site_ids, found.link_ids, found.latency_ms, found.hops) == (["site_001"], [], 0, 0)
    hidden = Without(view, {"site_002"})
    for end, path in ((("site_001", "site_002"), "to"), (("site_002", "site_001"), "from"), (("x", "y"), "from")):
        with pytest.raises(NotFound) as caught:
            paths.shortest_path(hidden, *end)
        assert caught.value.path == path
    with pytest.raises(NotFound):
        paths.reachable(hidden, "site_002", within_ms=1.0, first=5)


def test_a_private_link_or_site_of_another_tenant_is_no_shortcut() -> None:
    view = view_of(
        Tenant(id="tenant_1", name="other"),
        site(1),
        site(2),
        site(3, tenant_id="tenant_1"),
        link(1, 1, 2, 9.0),
        link(2, 1, 2, 1.0, tenant_id="tenant_1"),
        link(3, 1, 3, 0.1),
        link(4, 3, 2, 0.1),
    )
    paths = LinkGraph(view)
    mine, theirs = Without(view, {"link_002", "site_003", "link_003", "link_004"}), Without(view, {"site_003"})
    for reader, expected in ((mine, 9.0), (theirs, 1.0), (view, 0.2), (mine, 9.0)):
        found = paths.shortest_path(reader, "site_001", "site_002")
        assert found is not None
        assert found.latency_ms == pytest.approx(expected)
    assert [one.site_id for one in paths.reachable(mine, "site_001", within_ms=5.0, first=9)] == []
    assert [one.site_id for one in paths.reachable(view, "site_001", within_ms=5.0, first=9)] == [
        "site_003",
        "site_002",
    ]


def commit(view: View, edit: Edit) -> None:
    view.apply(
        Commit(
            revision=view.revision + 1,
            draft_id=f"d{view.revision}",
            at=edit.at,
            author="a",
            action="t",
            changes=edit.changes,
            counters=edit.raised_counters,
        )
    )


def test_paths_follow_the_commits() -> None:
    view = view_of(site(1), site(2), site(3), link(1, 1, 2, 1.0), link(2, 2, 3, 1.0), link(3, 1, 3, 5.0))
    paths = LinkGraph(view)
    view.follow(paths)

    def latency() -> float | None:
        found = paths.shortest_path(view, "site_001", "site_003")
        return None if found is None else found.latency_ms

    assert latency() == 2.0
    changes = [
        ("link_002", {"latency_ms": 2.5}, 3.5),
        ("link_002", {"state": LinkState.DOWN}, 5.0),
        ("link_003", {"latency_ms": 4.0}, 4.0),
        ("link_003", {"state": LinkState.DOWN}, None),
        ("link_002", {"state": LinkState.UP, "latency_ms": 1.5}, 2.5),
    ]
    for link_id, fields, expected in changes:
        edit = Edit(view, at=10)
        one = view.get(link_id)
        assert one is not None
        edit.replace(one, **fields)
        commit(view, edit)
        assert latency() == expected
    edit = Edit(view, at=11)
    edit.create(Link, from_site_id="site_001", to_site_id="site_003", latency_ms=0.25)
    commit(view, edit)
    assert latency() == 0.25
    edit = Edit(view, at=12)
    gone = view.get("site_002")
    assert gone is not None
    edit.delete(gone, cascade=True)
    commit(view, edit)
    assert latency() == 0.25
    other = view_of(site(1), site(3), link(1, 1, 3, 7.0))
    view.become(other)
    assert latency() == 7.0
