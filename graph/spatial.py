"""Where sites are: near a position, inside a polygon, in a region and all below it.

Distances are great circles on a sphere of the mean radius of the earth (IUGG R1), which is within 0.6 % of the WGS84
ellipsoid: less than the route factor by which cables are longer than that anyway. A site without a position is near
nothing and inside nothing.

The index is one array of unit vectors and a k-d tree over it. It follows the commits, and is made anew by the first
question after a site has moved, which takes some 10 ms for 10,000 sites. What a reader may not see is passed over, and the
search goes on for as many as were asked for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from graph.change import Commit
from graph.entity import Entity
from graph.kinds import Region, Site
from graph.refusal import InvalidInput, LimitExceeded, NotFound
from graph.values import Position
from graph.view import Reader, each, get_as

EARTH_RADIUS_KM = 6371.0088
"""Mean radius of the earth: R1 of GRS 80, (2a + b) / 3 (Moritz, Geodetic Reference System 1980)."""
FIBRE_MS_PER_KM = 0.005
"""5 us/km: light in glass of refractive index 1.5."""
ROUTE_FACTOR = 1.4
"""How much longer a cable is than the great circle between its ends."""
MAX_POLYGON_POINTS = 10_000

Vectors = NDArray[np.float64]
Ring = Sequence[Position]


class NearSite(msgspec.Struct, frozen=True, gc=False):
    """A site and how far it is, in kilometres along the great circle."""

    site_id: str
    distance_km: float


def distance_km(a: Position, b: Position) -> float:
    """The great-circle distance by the haversine formula, in kilometres."""
    latitude_a, latitude_b = math.radians(a.latitude), math.radians(b.latitude)
    half_latitude = (latitude_b - latitude_a) / 2
    half_longitude = math.radians(b.longitude - a.longitude) / 2
    chord = math.sin(half_latitude) ** 2 + math.cos(latitude_a) * math.cos(latitude_b) * math.sin(half_longitude) ** 2
    return 2 * EARTH_RADIUS_KM * math.asin(min(1.0, math.sqrt(chord)))


def distances_km(position: Position, degrees: Vectors) -> Vectors:
    """`distance_km` from a position to rows of (longitude, latitude) in degrees; not a number where a row is none."""
    radians = np.radians(degrees)
    latitude = math.radians(position.latitude)
    half_latitude = (radians[:, 1] - latitude) / 2
    half_longitude = (radians[:, 0] - math.radians(position.longitude)) / 2
    chord = np.sin(half_latitude) ** 2 + math.cos(latitude) * np.cos(radians[:, 1]) * np.sin(half_longitude) ** 2
    distance: Vectors = 2 * EARTH_RADIUS_KM * np.arcsin(np.minimum(1.0, np.sqrt(chord)))
    return distance


def line_latency_ms(length_km: float) -> float:
    """One-way latency of a line of this length, in milliseconds: 5 us/km."""
    return length_km * FIBRE_MS_PER_KM


def estimated_latency_ms(great_circle_km: float) -> float:
    """One-way latency of a line between points this far apart: great circle x 1.4 x 5 us/km."""
    return line_latency_ms(great_circle_km * ROUTE_FACTOR)


class SiteIndex:
    """The positions of sites, kept current by commits. A `Follower` of the view whose sites it knows."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._stale = True
        self._ids: list[str] = []
        self._degrees: Vectors = np.empty((0, 2))
        self._tree: cKDTree | None = None

    def applied(self, commit: Commit) -> None:
        """Notes whether a site came, went or moved."""
        if self._stale:
            return
        for change in commit.changes:
            if change.kind == "Site" and _position(change.before) != _position(change.after):
                self._stale = True
                return

    def reloaded(self) -> None:
        """Everything may differ."""
        self._stale = True

    def near(self, reader: Reader, position: Position, *, first: int, within_km: float | None = None) -> list[NearSite]:
        """At most `first` sites that `reader` sees, nearest first, ties by id; with a radius only those within it."""
        tree = self._current()
        if tree is None or first <= 0 or (within_km is not None and not within_km >= 0):
            return []
        centre = unit_vectors(np.array([[position.longitude, position.latitude]]))[0]
        reach = np.inf
        if within_km is not None and within_km < math.pi * EARTH_RADIUS_KM:
            # A little more than the chord, since the distance itself decides.
            reach = 2 * math.sin(within_km / (2 * EARTH_RADIUS_KM)) * (1 + 1e-9) + 1e-12
        asked = min(len(self._ids), max(8, first + 1))
        while True:
            # Rows without a neighbour within reach come back as one past the last.
            _, nearest = tree.query(centre, k=asked, distance_upper_bound=reach)
            rows = [int(row) for row in np.atleast_1d(nearest) if row < len(self._ids)]
            found = [
                NearSite(self._ids[row], distance_km(position, self._position(row)))
                for row in rows
                if reader.get(self._ids[row]) is not None
            ]
            found.sort(key=lambda one: (one.distance_km, one.site_id))
            if within_km is not None:
                found = [one for one in found if one.distance_km <= within_km]
            exhausted = asked == len(self._ids) or len(rows) < asked
            # One more than was asked for, and farther, so that a tie at the edge is broken by id and not by the tree.
            settled = len(found) > first and found[first].distance_km > found[first - 1].distance_km
            if exhausted or settled:
                return found[:first]
            asked = min(len(self._ids), asked * 4)

    def inside(self, reader: Reader, rings: Sequence[Ring], *, path: str = "polygon") -> list[str]:
        """The sites that `reader` sees inside a polygon, by ascending id; its edge counts as inside.

        `rings` and the errors are those of `polygon`.
        """
        area = polygon(rings, path=path)
        if self._current() is None:
            return []
        hit = shapely.intersects_xy(area, self._degrees[:, 0], self._degrees[:, 1])
        return [one for row in np.flatnonzero(hit) if reader.get(one := self._ids[row]) is not None]

    def _position(self, row: int) -> Position:
        longitude, latitude = self._degrees[row].tolist()
        return Position(longitude=longitude, latitude=latitude)

    def _current(self) -> cKDTree | None:
        if self._stale:
            placed = [(site.id, site.position) for site in each(self._reader, Site) if site.position is not None]
            self._ids = [one for one, _ in placed]
            self._degrees = np.array(
                [(where.longitude, where.latitude) for _, where in placed], dtype=np.float64
            ).reshape(-1, 2)
            self._tree = cKDTree(unit_vectors(self._degrees)) if placed else None
            self._stale = False
        return self._tree


def unit_vectors(degrees: Vectors) -> Vectors:
    """Points on the unit sphere for rows of (longitude, latitude) in degrees; shape (n, 2) gives (n, 3)."""
    radians = np.radians(degrees)
    longitude, latitude = radians[:, 0], radians[:, 1]
    level = np.cos(latitude)
    return np.column_stack((level * np.cos(longitude), level * np.sin(longitude), np.sin(latitude)))


def polygon(rings: Sequence[Ring], *, path: str = "polygon") -> shapely.Polygon:
    """A polygon in degrees from its outline and then its holes; a ring that is not closed is closed.

    Edges are straight in longitude and latitude and never cross the antimeridian: what does is cut there and asked for in
    two parts, as GeoJSON has it (RFC 7946, section 3.1.9). So a box from -170 to 170 is 340 degrees wide, and not 20.

    Raises InvalidInput for a ring of fewer than three corners, one that crosses itself or a hole outside the outline,
    LimitExceeded for more than 10,000 points.
    """
    if not rings:
        raise InvalidInput("a polygon has at least an outline", remedy="give a ring of at least 3 points", path=path)
    total = sum(len(ring) for ring in rings)
    if total > MAX_POLYGON_POINTS:
        raise LimitExceeded(
            f"a polygon has at most {MAX_POLYGON_POINTS:,} points, this one {total:,}", remedy="simplify it", path=path
        )
    outline, *holes = (_corners(ring, path=f"{path}[{n}]") for n, ring in enumerate(rings))
    area = shapely.Polygon(outline, holes)
    if not area.is_valid:
        raise InvalidInput(
            f"the rings do not bound an area: {shapely.is_valid_reason(area)}",
            remedy="give an outline that does not cross itself, then holes inside it that do not overlap",
            path=path,
        )
    shapely.prepare(area)
    return area


def _corners(ring: Ring, *, path: str) -> list[tuple[float, float]]:
    for n, one in enumerate(ring):
        # Written so that what is not a number is refused too.
        if not (abs(one.longitude) <= 180 and abs(one.latitude) <= 90):
            raise InvalidInput(
                "a longitude is within 180 and a latitude within 90 degrees of zero",
                remedy="give WGS84 degrees",
                path=f"{path}[{n}]",
            )
    corners = [(one.longitude, one.latitude) for one in ring]
    if len(set(corners)) < 3:
        raise InvalidInput(
            "a ring has at least 3 different points", remedy="give the corners of an area in order", path=path
        )
    return corners


def regions_below(reader: Reader, region_id: str, *, path: str = "regionId") -> list[str]:
    """The region and all that are part of it, itself first. Raises NotFound."""
    if get_as(reader, Region, region_id) is None:
        raise NotFound("Region", region_id, path=path)
    found = {region_id: None}
    waiting = [region_id]
    while waiting:
        for child in reader.ids("Region", "parent_id", waiting.pop()):
            if child not in found:
                found[child] = None
                waiting.append(child)
    return list(found)


def sites_in_region(reader: Reader, region_id: str, *, path: str = "regionId") -> list[str]:
    """The sites of a region and of all regions below it, by ascending id. Raises NotFound."""
    sites: list[str] = []
    for one in regions_below(reader, region_id, path=path):
        sites.extend(reader.ids("Site", "region_id", one))
    return sorted(sites)


def _position(entity: Entity | None) -> Position | None:
    return entity.position if isinstance(entity, Site) else None
