"""Coverage: which regions are places to be served, with which limit and demand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from placement_graphs import Builder, at

from graph.kinds import Region, Tenant
from graph.kinds.geography import Circle, Coverage
from graph.kinds.policy import PlacementPolicy
from graph.refusal import LimitExceeded
from graph.spatial import distance_km
from placement import coverage as module
from placement.coverage import coverage_targets


@pytest.fixture
def tree(build: Builder) -> dict[str, Region]:
    """A country with two cities, one of which has two districts, and an island that is part of nothing."""
    country = build.make(Region, name="country", centre=at(10, 50), demand=1000.0)
    city = build.make(Region, name="city", parent_id=country.id, centre=at(11, 50), demand=500.0)
    north = build.make(Region, name="north", parent_id=city.id, centre=at(11, 50.1), demand=300.0)
    south = build.make(Region, name="south", parent_id=city.id, centre=at(11, 49.9), demand=200.0)
    middle = build.make(Region, name="middle", parent_id=country.id)
    town = build.make(Region, name="town", parent_id=middle.id, centre=at(9, 50))
    island = build.make(Region, name="island", centre=at(-20, 30), demand=7.0)
    return {one.name: one for one in (country, city, north, south, middle, town, island)}


def places(build: Builder, *wanted: Coverage, tenant_id: str | None = None) -> list[str]:
    found = coverage_targets(build.view, wanted, tenant_id=tenant_id or build.tenant.id, path="coverage")
    return [one.place for one in found]


def test_regions_of_users_are_the_leaves_that_have_a_centre(build: Builder, tree: dict[str, Region]) -> None:
    assert places(build, Coverage(within_ms=5.0)) == ["north", "south", "town", "island"]


AREAS: list[tuple[dict[str, Any], list[str]]] = [
    ({"region_ids": ["country"]}, ["north", "south", "town"]),
    ({"region_ids": ["city"]}, ["north", "south"]),
    ({"region_ids": ["north", "island"]}, ["north", "island"]),
    ({"circle": Circle(centre=at(11, 50.1), radius_km=12)}, ["north"]),
    ({"polygon": [[at(8, 49), at(10, 49), at(10, 51), at(8, 51), at(8, 49)]]}, ["town"]),
    ({"region_ids": ["island"], "circle": Circle(centre=at(9, 50), radius_km=1)}, ["town", "island"]),
]


@pytest.mark.parametrize(("area", "expected"), AREAS)
def test_an_area_is_what_any_of_its_words_has(
    build: Builder, tree: dict[str, Region], area: dict[str, Any], expected: list[str]
) -> None:
    ids = [tree[one].id for one in area.get("region_ids", [])]
    assert places(build, Coverage(**(area | {"region_ids": ids}), within_ms=5.0)) == expected


def test_a_place_has_its_regions_demand_and_the_limit_in_its_unit(build: Builder, tree: dict[str, Region]) -> None:
    found = coverage_targets(
        build.view,
        [
            Coverage(region_ids=[tree["north"].id], within_ms=5.0),
            Coverage(region_ids=[tree["town"].id], within_km=80.0),
        ],
        tenant_id=None,
        path="coverage",
    )
    assert [(one.place, one.within_ms, one.within_km, one.demand) for one in found] == [
        ("north", 5.0, None, 300.0),
        ("town", np.inf, 80.0, 1.0),
    ]


def test_a_region_that_is_covered_twice_is_one_place_with_the_tightest_limit(
    build: Builder, tree: dict[str, Region]
) -> None:
    north = [tree["north"].id]
    found = coverage_targets(
        build.view,
        [
            Coverage(region_ids=[tree["city"].id], within_ms=9.0),
            Coverage(region_ids=north, within_ms=5.0),
            Coverage(region_ids=north, within_km=30.0),
        ],
        tenant_id=None,
        path="coverage",
    )
    assert [(one.place, one.within_ms, one.within_km) for one in found] == [
        ("north", 5.0, None),
        ("south", 9.0, None),
        ("north", np.inf, 30.0),
    ]


def test_another_tenants_region_is_no_place_and_hides_none(build: Builder, tree: dict[str, Region]) -> None:
    other = build.make(Tenant, name="other")
    build.make(Region, name="private", parent_id=tree["town"].id, centre=at(9, 50), tenant_id=other.id)
    assert places(build, Coverage(within_ms=5.0)) == ["north", "south", "town", "island"]
    theirs = places(build, Coverage(within_ms=5.0), tenant_id=other.id)
    assert theirs == ["north", "south", "island", "private"]


def test_places_of_coverage_are_bounded(
    build: Builder, tree: dict[str, Region], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_TARGETS", 3)
    with pytest.raises(LimitExceeded) as caught:
        places(build, Coverage(within_ms=5.0))
    assert caught.value.path == "coverage"


def test_what_is_within_a_distance_is_exactly_what_the_distance_says(build: Builder, tree: dict[str, Region]) -> None:
    town = tree["town"]
    assert town.centre is not None
    for step in range(30):
        build.site(position=at(9 + step * 0.07, 50 - step * 0.03), nodes=0)
    build.site(nodes=0)
    policy = PlacementPolicy(coverage=[Coverage(region_ids=[town.id, tree["island"].id], within_km=81.0)])
    problem = build.problem(build.component(), policy=policy)
    allowed = problem.words.allowed
    assert allowed is not None
    assert allowed.restricted.tolist() == [True, True]
    expected = [
        row
        for row, one in enumerate(problem.sites)
        if one.position is not None and distance_km(town.centre, one.position) <= 81.0
    ]
    assert 3 < len(expected) < 30
    assert allowed.sites_of(0).tolist() == expected
    assert allowed.sites_of(1).tolist() == []
