"""A selector means the same wherever it stands: each part restricts, and what is given must all hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from placement_graphs import Builder, at

from graph.kinds import Site, SiteRole, Tenant, Tier
from graph.kinds.geography import Circle
from graph.kinds.policy import PlacementPolicy, SiteSelector
from graph.selectors import matches
from graph.spatial import distance_km, distances_km
from graph.values import Position

BOX = [at(0, 0), at(2, 0), at(2, 2), at(0, 2), at(0, 0)]


def world() -> tuple[Builder, list[Site]]:
    build = Builder()
    country = build.make(type(build.region), name="country")
    city = build.make(type(build.region), name="city", parent_id=country.id)
    build.site(role=SiteRole.TRANSIT, nodes=0, labels={"zone": "a"}, position=at(1, 1))
    build.site(tenant_id=build.make(Tenant, name="other").id, labels={"zone": "a"}, position=at(1, 1))
    sites = [
        build.site(
            nodes=0,
            region_id=(build.region, country, city)[n % 3].id,
            tier=list(Tier)[n % 4],
            labels={} if n % 5 == 0 else {"zone": "ab"[n % 2]},
            position=None if n == 7 else at(n / 4, n / 8),
        )
        for n in range(12)
    ]
    return build, sites


BUILD, SITES = world()
COMPONENT = BUILD.component()
REGION_OF = {one.id: one for one in map(BUILD.view.get, BUILD.view.ids("Region")) if one is not None}


def rows(**fields: Any) -> list[int]:
    """The numbers of the sites that a selector selects."""
    problem = BUILD.problem(COMPONENT, policy=PlacementPolicy(preferences=[SiteSelector(**fields)]))
    assert [one.id for one in problem.sites] == [one.id for one in SITES]
    rank = problem.words.preference
    assert rank is not None
    return np.flatnonzero(rank == 0).tolist()


def country_id() -> str:
    return next(one for one, region in REGION_OF.items() if getattr(region, "name", "") == "country")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, list(range(12))),
        ({"tiers": ["METRO", "DISTRICT"]}, [2, 3, 6, 7, 10, 11]),
        ({"labels": "zone=a"}, [2, 4, 6, 8]),
        ({"labels": "!zone"}, [0, 5, 10]),
        ({"polygon": [BOX]}, [0, 1, 2, 3, 4, 5, 6, 8]),
        ({"polygon": [BOX, [at(0.4, 0.1), at(1.1, 0.1), at(1.1, 1), at(0.4, 1)]]}, [0, 1, 5, 6, 8]),
        ({"circle": Circle(centre=at(1, 0.5), radius_km=32)}, [3, 4, 5]),
        ({"circle": Circle(centre=at(1, 0.5), radius_km=20_100)}, [0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11]),
    ],
)
def test_each_part_of_a_selector_restricts(fields: dict[str, Any], expected: list[int]) -> None:
    assert rows(**fields) == expected


def test_regions_count_with_all_below_them_and_ids_are_those_given() -> None:
    assert rows(region_ids=[country_id()]) == [n for n in range(12) if n % 3]
    assert rows(site_ids=[SITES[9].id, SITES[2].id, SITES[9].id]) == [2, 9]
    assert rows(excluded_site_ids=[SITES[n].id for n in range(11)]) == [11]


@settings(max_examples=60, deadline=None)
@given(
    listed=st.sets(st.integers(0, 11), max_size=6),
    excluded=st.sets(st.integers(0, 11), max_size=6),
    tiers=st.sets(st.sampled_from(list(Tier)), max_size=3),
    labels=st.sampled_from(["", "zone", "zone!=a", "zone in (a,b)"]),
    boxed=st.booleans(),
    radius=st.one_of(st.none(), st.floats(1, 300)),
    regional=st.booleans(),
)
def test_what_is_given_must_all_hold(
    listed: set[int],
    excluded: set[int],
    tiers: set[Tier],
    labels: str,
    boxed: bool,
    radius: float | None,
    regional: bool,
) -> None:
    centre = at(1, 0.5)

    def selects(n: int, one: Site) -> bool:
        placed = one.position
        return (
            (not listed or n in listed)
            and n not in excluded
            and (not tiers or one.tier in tiers)
            and matches(labels, one.labels)
            and (not boxed or (placed is not None and 0 <= placed.longitude <= 2 and 0 <= placed.latitude <= 2))
            and (radius is None or (placed is not None and distance_km(centre, placed) <= radius))
            and (not regional or n % 3 > 0)
        )

    fields: dict[str, Any] = {
        "site_ids": [SITES[n].id for n in sorted(listed)],
        "excluded_site_ids": [SITES[n].id for n in sorted(excluded)],
        "tiers": sorted(one.name for one in tiers),
        "labels": labels or None,
        "polygon": [BOX] if boxed else [],
        "circle": None if radius is None else Circle(centre=centre, radius_km=radius),
        "region_ids": [country_id()] if regional else [],
    }
    assert rows(**fields) == [n for n, one in enumerate(SITES) if selects(n, one)]


@given(
    st.lists(st.tuples(st.floats(-180, 180), st.floats(-90, 90)), min_size=1, max_size=5),
    st.tuples(st.floats(-180, 180), st.floats(-90, 90)),
)
def test_distances_of_many_are_those_of_each(points: list[tuple[float, float]], centre: tuple[float, float]) -> None:
    found = distances_km(Position(*centre), np.array(points))
    expected = [distance_km(Position(*centre), Position(*one)) for one in points]
    assert found == pytest.approx(expected, abs=1e-6)
