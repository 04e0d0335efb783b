"""Near, inside and in a region: distances against the formula, and the index against a walk over all sites."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.change import Change, Commit
from graph.entity import Entity
from graph.kinds import Region, Site
from graph.refusal import InvalidInput, LimitExceeded, NotFound
from graph.spatial import (
    EARTH_RADIUS_KM,
    SiteIndex,
    distance_km,
    estimated_latency_ms,
    regions_below,
    sites_in_region,
)
from graph.values import Position
from graph.view import View

BERLIN = Position(longitude=13.405, latitude=52.52)
PARIS = Position(longitude=2.3522, latitude=48.8566)


def at(longitude: float, latitude: float) -> Position:
    return Position(longitude=longitude, latitude=latitude)


def view_of(positions: Sequence[Position | None]) -> View:
    view = View()
    view.load([Region(id="region_1", name="r")])
    view.load(
        Site(id=f"site_{n:03}", name=f"s{n}", region_id="region_1", position=one) for n, one in enumerate(positions)
    )
    view.loaded(revision=1, at=1, epoch="e", counters={})
    return view


class Without:
    """A reader to whom some ids are as if they were not there."""

    def __init__(self, view: View, hidden: set[str]) -> None:
        self._view, self._hidden = view, hidden
        self.revision, self.epoch = view.revision, view.epoch
        self.find, self.find_external, self.ids_by_name = view.find, view.find_external, view.ids_by_name
        self.ids, self.count = view.ids, view.count

    def get(self, entity_id: str) -> Entity | None:
        return None if entity_id in self._hidden else self._view.get(entity_id)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (BERLIN, BERLIN, 0.0),
        (BERLIN, PARIS, 877.46),
        (at(0, 0), at(0, 1), EARTH_RADIUS_KM * math.pi / 180),
        (at(0, 0), at(180, 0), EARTH_RADIUS_KM * math.pi),
        (at(179.5, 0), at(-179.5, 0), EARTH_RADIUS_KM * math.pi / 180),
        (at(77, 90), at(-12, 90), 0.0),
    ],
)
def test_distance_is_the_great_circle_on_the_mean_radius(a: Position, b: Position, expected: float) -> None:
    assert distance_km(a, b) == pytest.approx(expected, abs=0.01)
    assert distance_km(a, b) == distance_km(b, a)


def test_a_great_circle_of_1000_km_is_estimated_at_7_ms() -> None:
    assert estimated_latency_ms(1000) == pytest.approx(1000 * 1.4 * 5 / 1000)


positions = st.builds(
    at,
    st.floats(-180, 180).map(lambda n: round(n, 1)),
    st.floats(-90, 90).map(lambda n: round(n, 1)),
)


@settings(max_examples=200, deadline=None)
@given(
    sites=st.lists(st.none() | positions, max_size=40),
    centre=positions,
    first=st.integers(1, 12),
    within=st.none() | st.floats(0, 25_000),
    hidden=st.sets(st.integers(0, 39)),
)
def test_near_gives_what_a_walk_over_all_sites_gives(
    sites: list[Position | None], centre: Position, first: int, within: float | None, hidden: set[int]
) -> None:
    view = view_of(sites)
    reader = Without(view, {f"site_{n:03}" for n in hidden})
    walked = sorted(
        (distance_km(centre, one), f"site_{n:03}") for n, one in enumerate(sites) if one is not None and n not in hidden
    )
    walked = [one for one in walked if within is None or one[0] <= within][:first]
    found = SiteIndex(view).near(reader, centre, first=first, within_km=within)
    assert [one.distance_km for one in found] == pytest.approx([distance for distance, _ in walked], abs=1e-6)
    assert {one.site_id for one in found if one.distance_km < (found[-1].distance_km - 1e-6)} <= {
        site_id for _, site_id in walked
    }


def test_sites_at_the_same_place_are_ordered_by_id_and_the_cut_is_by_id_too() -> None:
    view = view_of([BERLIN] * 30)
    found = SiteIndex(view).near(view, BERLIN, first=3)
    assert [one.site_id for one in found] == ["site_000", "site_001", "site_002"]


def test_near_looks_past_what_the_reader_does_not_see() -> None:
    view = view_of([at(n / 10, 0) for n in range(60)])
    reader = Without(view, {f"site_{n:03}" for n in range(50)})
    found = SiteIndex(view).near(reader, at(0, 0), first=2)
    assert [one.site_id for one in found] == ["site_050", "site_051"]


SQUARE = [at(0, 0), at(10, 0), at(10, 10), at(0, 10)]
HOLE = [at(4, 4), at(6, 4), at(6, 6), at(4, 6)]


def test_inside_counts_the_edge_and_leaves_out_holes() -> None:
    view = view_of([at(1, 1), at(5, 5), at(10, 5), at(11, 5), None, at(4, 5)])
    index = SiteIndex(view)
    assert index.inside(view, [SQUARE]) == ["site_000", "site_001", "site_002", "site_005"]
    assert index.inside(view, [[*SQUARE, SQUARE[0]], HOLE]) == ["site_000", "site_002", "site_005"]
    assert index.inside(Without(view, {"site_000"}), [SQUARE, HOLE]) == ["site_002", "site_005"]


def test_edges_do_not_cross_the_antimeridian() -> None:
    view = view_of([at(0, 0), at(179, 0), at(-179, 0)])
    wide = [at(-170, -5), at(170, -5), at(170, 5), at(-170, 5)]
    assert SiteIndex(view).inside(view, [wide]) == ["site_000"]


@settings(max_examples=60, deadline=None)
@given(sites=st.lists(positions, max_size=30), ring=st.lists(positions, min_size=3, max_size=5))
def test_inside_gives_what_a_walk_over_all_sites_gives(sites: list[Position], ring: list[Position]) -> None:
    area = shapely.Polygon([(one.longitude, one.latitude) for one in ring])
    view = view_of(sites)
    if len(set(area.exterior.coords)) < 3 or not area.is_valid:
        with pytest.raises(InvalidInput):
            SiteIndex(view).inside(view, [ring])
        return
    walked = [f"site_{n:03}" for n, one in enumerate(sites) if area.covers(shapely.Point(one.longitude, one.latitude))]
    assert SiteIndex(view).inside(view, [ring]) == walked


@pytest.mark.parametrize(
    ("rings", "path", "message"),
    [
        ([], "polygon", "outline"),
        ([[at(0, 0), at(1, 1)]], "polygon[0]", "3 different points"),
        ([[at(0, 0), at(1, 1), at(0, 0)]], "polygon[0]", "3 different points"),
        ([SQUARE, [at(1, 1), at(1, 1), at(1, 1)]], "polygon[1]", "3 different points"),
        ([[at(0, 0), at(10, 10), at(10, 0), at(0, 10)]], "polygon", "Self-intersection"),
        ([HOLE, SQUARE], "polygon", "do not bound an area"),
        ([[at(0, 0), at(float("nan"), 1), at(1, 1)]], "polygon[0][1]", "within 180"),
        ([[at(0, 0), at(1, 91), at(1, 1)]], "polygon[0][1]", "within 180"),
    ],
)
def test_rings_that_bound_no_area_are_refused(rings: list[list[Position]], path: str, message: str) -> None:
    view = view_of([BERLIN])
    with pytest.raises(InvalidInput, match=message) as caught:
        SiteIndex(view).inside(view, rings)
    assert caught.value.path == path


def test_a_polygon_of_too_many_points_is_refused() -> None:
    ring = [at(math.cos(n / 2000), math.sin(n / 2000)) for n in range(10_001)]
    with pytest.raises(LimitExceeded):
        SiteIndex(view_of([])).inside(view_of([]), [ring])


def test_a_region_has_the_sites_of_all_regions_below_it() -> None:
    view = View()
    tree = {"eu": None, "de": "eu", "by": "de", "fr": "eu", "us": None}
    view.load(
        Region(id=f"region_{name}", name=name, parent_id=f"region_{up}" if up else None) for name, up in tree.items()
    )
    view.load(
        Site(id=f"site_{n}", name=f"s{n}", region_id=f"region_{region}")
        for n, region in enumerate(["by", "us", "eu", "fr", "de"])
    )
    view.loaded(revision=1, at=1, epoch="e", counters={})
    assert sites_in_region(view, "region_eu") == ["site_0", "site_2", "site_3", "site_4"]
    assert sites_in_region(view, "region_de") == ["site_0", "site_4"]
    assert sorted(regions_below(view, "region_de")) == ["region_by", "region_de"]
    with pytest.raises(NotFound):
        sites_in_region(view, "region_nowhere", path="region")


def test_the_index_follows_the_commits() -> None:
    view = view_of([BERLIN, PARIS])
    index = SiteIndex(view)
    view.follow(index)

    def nearest() -> str:
        return index.near(view, BERLIN, first=1)[0].site_id

    def change(before: Site | None, after: Site | None) -> None:
        one = after or before
        assert one is not None
        view.apply(
            Commit(
                revision=view.revision + 1,
                draft_id="d",
                at=1,
                author="a",
                action="t",
                changes=[Change("Site", one.id, before, after)],
            )
        )

    assert nearest() == "site_000"
    berlin = view.get("site_000")
    assert isinstance(berlin, Site)
    moved = Site(id="site_000", name="s0", region_id="region_1", position=at(100, 0))
    change(berlin, moved)
    assert nearest() == "site_001"
    change(None, new := Site(id="site_009", name="s9", region_id="region_1", position=BERLIN))
    assert nearest() == "site_009"
    change(new, None)
    assert nearest() == "site_001"
    view.become(view_of([None, None, BERLIN]))
    assert nearest() == "site_002"
