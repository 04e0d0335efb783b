"""Filters on what has no value: `<field>IsNull` of references and objects, with and without an index to answer from."""

from __future__ import annotations

import random
from typing import Any

import pytest

from access.viewer import Grant, Viewer
from graph.entity import KINDS, ExternalId
from graph.kinds import Cluster, Link, Node, Region, Role, Site, Tenant, Tier
from graph.values import Position
from graph.view import View
from schema.nulls import HasNone
from schemakit.asking import data

TENANT, OTHER = "tenant_a", "tenant_b"


def network() -> View:
    """A small country: two sites that are private to a tenant, one place without a position, one root region."""
    view = View()
    view.load([Tenant(id=TENANT, name="a"), Tenant(id=OTHER, name="b")])
    view.load(
        [
            Region(id="region_0", name="top"),
            Region(id="region_1", name="east", parent_id="region_0", centre=Position(1.0, 2.0)),
            Region(id="region_2", name="hidden", tenant_id=OTHER),
            Region(id="region_3", name="below", parent_id="region_2"),
        ]
    )
    view.load(
        Site(
            id=f"site_{n}",
            name=f"s{n}",
            region_id="region_1",
            tier=Tier.METRO,
            tenant_id={1: TENANT, 2: OTHER}.get(n),
            position=Position(float(n), 0.0) if n != 3 else None,
            external=ExternalId("IMPORT:x", str(n)) if n > 1 else None,
        )
        for n in range(6)
    )
    view.load([Link(id="link_0", from_site_id="site_0", to_site_id="site_1", latency_ms=1.0, length_km=2.0)])
    view.load([Link(id="link_1", from_site_id="site_0", to_site_id="site_3", latency_ms=1.0)])
    view.loaded(revision=1, at=1, epoch="e", counters={})
    return view


async def names(view: View, kind: str, wanted: dict[str, Any], **more: Any) -> list[str]:
    key = "name" if KINDS[kind].named else "id"
    text = f"query($f: {kind}Filter) {{ found: {KINDS[kind].plural}(filter: $f) {{ nodes {{ {key} }} totalCount }} }}"
    found = (await data(view, text, f=wanted, **more))["found"]
    assert found["totalCount"] == len(found["nodes"])
    return sorted(one[key] for one in found["nodes"])


@pytest.mark.parametrize(
    ("kind", "wanted", "expected"),
    [
        ("Region", {"parentIsNull": True}, ["hidden", "top"]),
        ("Region", {"parentIsNull": False}, ["below", "east"]),
        ("Region", {"parentIsNull": None}, ["below", "east", "hidden", "top"]),
        ("Region", {"centreIsNull": False}, ["east"]),
        ("Region", {"tenantIsNull": False}, ["hidden"]),
        ("Site", {"tenantIsNull": False}, ["s1", "s2"]),
        ("Site", {"tenantIsNull": True}, ["s0", "s3", "s4", "s5"]),
        ("Site", {"not": {"tenantIsNull": True}}, ["s1", "s2"]),
        ("Site", {"tenant": TENANT, "tenantIsNull": True}, []),
        ("Site", {"positionIsNull": True}, ["s3"]),
        ("Site", {"positionIsNull": False, "tenantIsNull": True}, ["s0", "s4", "s5"]),
        ("Site", {"external": {"isNull": True}}, ["s0", "s1"]),
        ("Site", {"external": {"isNull": False, "system": "IMPORT:y"}}, []),
        ("Site", {"or": [{"positionIsNull": True}, {"external": {"isNull": True}}]}, ["s0", "s1", "s3"]),
        ("Site", {"displayName": {"isNull": False}}, []),
        ("Link", {"lengthKm": {"isNull": True}}, ["link_1"]),
        ("Link", {"lengthKm": {"isNull": False, "gt": 1}}, ["link_0"]),
        ("Link", {"lengthKm": {"isNull": True, "gt": 1}}, []),
    ],
)
async def test_what_has_no_value_can_be_asked_for(kind: str, wanted: dict[str, Any], expected: list[str]) -> None:
    assert await names(network(), kind, wanted) == expected


async def test_a_reference_to_what_the_caller_may_not_see_is_none_to_that_caller() -> None:
    member = Viewer(id="user_1", name="u", grants=frozenset({Grant(Role.VIEWER, TENANT)}))
    assert await names(network(), "Region", {"parentIsNull": True}, viewer=member) == ["below", "top"]
    assert await names(network(), "Region", {"parentIsNull": False}, viewer=member) == ["east"]
    assert await names(network(), "Site", {"tenantIsNull": False}, viewer=member) == ["s1"]


def nodes(*, clusters: int, held: float) -> View:
    """1,200 nodes of which a share is held by one of some clusters."""
    chance = random.Random(7)
    view = View()
    view.load([Region(id="region_0", name="r"), Site(id="site_0", name="s", region_id="region_0", tier=Tier.METRO)])
    view.load(Cluster(id=f"cluster_{n}", name=f"c{n}", driver="simulated") for n in range(clusters))
    view.load(
        Node(
            id=f"node_{n:04}",
            name=f"n{chance.randrange(10_000)}-{n}",
            site_id="site_0",
            cluster_id=f"cluster_{chance.randrange(clusters)}" if clusters and chance.random() < held else None,
        )
        for n in range(1_200)
    )
    view.loaded(revision=1, at=1, epoch="e", counters={})
    return view


@pytest.mark.parametrize("clusters", [0, 1, 7, 290, 500])
@pytest.mark.parametrize("held", [0.02, 0.98])
@pytest.mark.parametrize("flag", [True, False])
async def test_pages_are_the_same_with_the_index_and_without(clusters: int, held: float, flag: bool) -> None:
    view = nodes(clusters=clusters, held=held)
    every = [one for one in map(view.get, view.ids("Node")) if isinstance(one, Node)]
    expected = [one for one in every if (one.cluster_id is None) is flag]
    text = """query($f: NodeFilter, $after: String, $by: [NodeOrder!]) {
      found: nodes(filter: $f, first: 300, after: $after, orderBy: $by) {
        nodes { id } totalCount pageInfo { hasNextPage endCursor }
      }
    }"""
    for by, key in (("NAME", lambda one: (one.name, one.id)), ("ID", lambda one: one.id)):
        got: list[str] = []
        after = None
        while True:
            page = await data(view, text, f={"clusterIsNull": flag}, after=after, by=[{"field": by}])
            got += [one["id"] for one in page["found"]["nodes"]]
            assert page["found"]["totalCount"] == len(expected)
            after = page["found"]["pageInfo"]["endCursor"]
            if not page["found"]["pageInfo"]["hasNextPage"]:
                break
        assert got == [one.id for one in sorted(expected, key=key)]


@pytest.mark.parametrize(
    ("held", "wanted", "narrowed"), [(0.02, False, True), (0.98, True, True), (0.98, False, False), (0.02, True, False)]
)
def test_few_are_found_by_the_index_and_many_by_walking(held: float, wanted: bool, narrowed: bool) -> None:
    view = nodes(clusters=7, held=held)
    condition = HasNone(Node.SPEC.fields["cluster_id"], wanted=wanted, reader=view)
    found = condition.candidates(view, "Node")
    if not narrowed:
        assert found is None
        return
    assert found is not None
    assert list(found) == [one for one in view.ids("Node") if condition.holds(view.get(one))]  # type: ignore[arg-type]  # it is there
    assert len(found) < 60
