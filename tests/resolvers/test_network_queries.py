"""Paths, reach and places through the schema; what they are founded on is tested in tests/graph."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import networkx
import pytest

from graph.edit import Edit
from graph.kinds import Link, LinkState, Region, Site
from graph.refusal import InvalidInput, NotFound
from graph.request import Request
from graph.spatial import distance_km
from graph.values import Position
from server.app import Application
from worldkit.running import application_in, ask, data

REQUEST = Request(author="t", action="t")
LINES = [(0, 1, 2.0), (1, 2, 2.0), (0, 2, 5.0), (2, 3, 1.0), (3, 4, 7.0), (1, 4, 30.0), (5, 6, 1.0)]


@pytest.fixture
async def application(tmp_path: Path) -> AsyncIterator[Application]:
    async with application_in(tmp_path) as made:
        yield made


async def network(application: Application) -> list[str]:
    def make(edit: Edit) -> list[str]:
        region = edit.create(Region, name="r")
        below = edit.create(Region, name="below", parent_id=region.id)
        sites = [
            edit.create(
                Site, name=f"s{n}", region_id=(below if n > 3 else region).id, position=Position(float(n), 50.0)
            )
            for n in range(7)
        ]
        for a, b, latency in LINES:
            edit.create(
                Link,
                from_site_id=sites[a].id,
                to_site_id=sites[b].id,
                latency_ms=latency,
                bandwidth_mbps=100.0,
                cost=1.0,
            )
        edit.create(Link, from_site_id=sites[0].id, to_site_id=sites[4].id, latency_ms=0.1, state=LinkState.DOWN)
        return [one.id for one in sites]

    made: list[str] = (await application.ledger.commit(make, REQUEST)).value
    return made


async def problem(application: Application, text: str, **variables: Any) -> Any:
    answer = await ask(application, text, variables)
    assert answer.errors, answer.data
    return answer.errors[0].original_error


async def test_a_path_is_the_best_by_its_metric_over_links_that_are_up(application: Application) -> None:
    sites = await network(application)
    graph = networkx.Graph()
    graph.add_weighted_edges_from(LINES)
    text = """query($a: ID!, $b: ID!, $by: PathMetric!) { path(from: $a, to: $b, minimize: $by) {
      latencyMs hops cost bottleneckMbps sites { id } links { id state } } }"""
    for a in range(7):
        for b in range(7):
            found = (await data(application, text, {"a": sites[a], "b": sites[b], "by": "LATENCY"}))["path"]
            if not networkx.has_path(graph, a, b):
                assert found is None
                continue
            assert found["latencyMs"] == pytest.approx(networkx.dijkstra_path_length(graph, a, b))
            assert [one["id"] for one in (found["sites"][0], found["sites"][-1])] == [sites[a], sites[b]]
            assert len(found["links"]) == found["hops"] == len(found["sites"]) - 1
            assert all(one["state"] == "UP" for one in found["links"])
    hops = (await data(application, text, {"a": sites[0], "b": sites[4], "by": "HOPS"}))["path"]
    assert hops["hops"] == 2


async def test_reach_is_nearest_first_and_bounded(application: Application) -> None:
    sites = await network(application)
    text = """query($a: ID!, $ms: Float!, $n: Int!) {
      reachable(from: $a, withinLatencyMs: $ms, first: $n) { latencyMs site { id } } }"""
    found = (await data(application, text, {"a": sites[0], "ms": 5.0, "n": 50}))["reachable"]
    reached = {one["site"]["id"]: one["latencyMs"] for one in found}
    assert reached.pop(sites[0], 0.0) == 0.0
    assert reached == {sites[1]: 2.0, sites[2]: 4.0, sites[3]: 5.0}
    assert [one["latencyMs"] for one in found] == sorted(one["latencyMs"] for one in found)
    assert len((await data(application, text, {"a": sites[0], "ms": 5.0, "n": 1}))["reachable"]) == 1
    own = "query($id: ID!) { site(id: $id) { reachable(withinLatencyMs: 5.0) { latencyMs site { id } } } }"
    assert (await data(application, own, {"id": sites[0]}))["site"]["reachable"] == found


async def test_sites_near_a_point_are_nearest_first(application: Application) -> None:
    sites = await network(application)
    text = """query($p: PositionInput!, $n: Int!, $km: Float) {
      sitesNear(position: $p, first: $n, withinKm: $km) { distanceKm site { id } } }"""
    here = {"longitude": 2.2, "latitude": 50.0}
    found = (await data(application, text, {"p": here, "n": 3}))["sitesNear"]
    assert [one["site"]["id"] for one in found] == [sites[2], sites[3], sites[1]]
    assert found[0]["distanceKm"] == pytest.approx(distance_km(Position(2.2, 50.0), Position(2.0, 50.0)))
    assert len((await data(application, text, {"p": here, "n": 9, "km": 20.0}))["sitesNear"]) == 1
    assert len((await data(application, text, {"p": here, "n": 9, "km": None}))["sitesNear"]) == 7


async def test_sites_in_a_region_or_a_polygon_are_a_connection(application: Application) -> None:
    sites = await network(application)
    text = """query($r: ID, $p: PolygonInput, $f: SiteFilter) { sitesIn(region: $r, polygon: $p, filter: $f) {
      totalCount nodes { id } } }"""
    region = application.ledger.view.find("Region", "r")
    below = application.ledger.view.find("Region", "below")
    assert region is not None
    assert below is not None
    assert (await data(application, text, {"r": region.id}))["sitesIn"]["totalCount"] == 7
    found = (await data(application, text, {"r": below.id, "p": None}))["sitesIn"]
    assert [one["id"] for one in found["nodes"]] == sites[4:]
    found = (await data(application, text, {"r": region.id, "f": {"name": {"eq": "s1"}}}))["sitesIn"]
    assert [one["id"] for one in found["nodes"]] == [sites[1]]
    ring = [
        {"longitude": x, "latitude": y} for x, y in ((0.5, 49.0), (3.0, 49.0), (3.0, 51.0), (0.5, 51.0), (0.5, 49.0))
    ]
    found = (await data(application, text, {"p": {"rings": [ring]}, "r": None}))["sitesIn"]
    assert [one["id"] for one in found["nodes"]] == sites[1:4], "the edge is inside"


@pytest.mark.parametrize(
    ("given", "remedy"),
    [
        ({}, "give the id of a region, or the rings of a polygon"),
        ({"r": "region_x", "p": {"rings": []}}, "leave one of them out"),
    ],
)
async def test_sites_in_neither_and_in_both_are_refused_with_what_to_do(
    application: Application, given: dict[str, Any], remedy: str
) -> None:
    text = "query($r: ID, $p: PolygonInput) { sitesIn(region: $r, polygon: $p) { totalCount } }"
    assert (await problem(application, text, **given)).remedy == remedy


@pytest.mark.parametrize(
    ("field", "kind", "path"),
    [
        ('path(from: "site_gone", to: "$0")', NotFound, "from"),
        ('path(from: "$0", to: "site_gone")', NotFound, "to"),
        ('reachable(from: "site_gone", withinLatencyMs: 1)', NotFound, "from"),
        ('reachable(from: "$0", withinLatencyMs: -1)', InvalidInput, "withinLatencyMs"),
        ('reachable(from: "$0", withinLatencyMs: 1, first: 501)', InvalidInput, "first"),
        ("sitesNear(position: {longitude: 181, latitude: 0})", InvalidInput, "position.longitude"),
        ("sitesNear(position: {longitude: 0, latitude: -91})", InvalidInput, "position.latitude"),
        ("sitesNear(position: {longitude: 0, latitude: 0}, withinKm: -1)", InvalidInput, "withinKm"),
        ("sitesNear(position: {longitude: 0, latitude: 0}, first: -1)", InvalidInput, "first"),
        ("sitesIn", InvalidInput, "region"),
        ('sitesIn(region: "region_gone")', NotFound, "region"),
        ('sitesIn(region: "x", polygon: {rings: []})', InvalidInput, "region"),
        ("sitesIn(region: null, polygon: null)", InvalidInput, "region"),
        ("sitesIn(polygon: {rings: []})", InvalidInput, "polygon.rings"),
        ("sitesIn(polygon: {rings: [[{longitude: 0, latitude: 0}]]})", InvalidInput, "polygon.rings[0]"),
        ("sitesIn(polygon: {rings: [[], []]})", InvalidInput, "polygon.rings[0]"),
        ("sitesIn(polygon: {rings: [[{longitude: 0, latitude: 0}, {longitude: 500, latitude: 0}]]})", InvalidInput,
         "polygon.rings[0][1].longitude"),
    ],
)  # fmt: skip
async def test_what_cannot_be_asked_is_refused_by_argument(
    application: Application, field: str, kind: type[Exception], path: str
) -> None:
    sites = await network(application)
    inner = {"path": "hops", "reac": "latencyMs", "site": "distanceKm"}[field[:4]]
    if field.startswith("sitesIn"):
        inner = "totalCount"
    refusal = await problem(application, f"{{ {field.replace('$0', sites[0])} {{ {inner} }} }}")
    assert type(refusal) is kind
    assert refusal.path == path


WEAK = """query Weak($region: ID, $first: Int! = 50) {
  weakPoints(region: $region, first: $first) {
    lookedAt total found { cutOff site { name } link { fromSite { name } toSite { name } } examples { name } } } }"""


async def test_single_points_of_failure_are_told_with_whom_they_cut_off(application: Application) -> None:
    ids = await network(application)
    found = (await data(application, WEAK))["weakPoints"]
    sites = {one["site"]["name"]: [each["name"] for each in one["examples"]] for one in found["found"] if one["site"]}
    links = {
        (one["link"]["fromSite"]["name"], one["link"]["toSite"]["name"]): one["cutOff"]
        for one in found["found"]
        if one["link"]
    }
    # The link between s0 and s4 is down; s5 and s6 are an island of two.
    assert (found["lookedAt"], found["total"]) == (7, len(sites) + len(links))
    assert (sites, links) == ({}, {("s5", "s6"): 1})
    regions = (await data(application, "{ regions { nodes { id name } } }"))["regions"]["nodes"]
    [region] = [one["id"] for one in regions if one["name"] == "below"]
    below = (await data(application, WEAK, {"region": region}))["weakPoints"]
    assert (below["lookedAt"], below["total"]) == (3, 1)
    assert len(ids) == 7


async def test_a_region_that_nobody_sees_has_no_weak_points_to_tell(application: Application) -> None:
    await network(application)
    assert isinstance(await problem(application, WEAK, region="region_none"), NotFound)
