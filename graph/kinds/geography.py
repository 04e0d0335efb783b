"""Places where users are and how far from them an app may be: words of the placement policy."""

from __future__ import annotations

from typing import Annotated

import msgspec

from graph.entity import doc
from graph.values import Demand, Position

Milliseconds = Annotated[float, msgspec.Meta(gt=0, le=10_000)]
Kilometres = Annotated[float, msgspec.Meta(gt=0, le=20_100)]
Megabits = Annotated[float, msgspec.Meta(gt=0, le=1e9)]


class Circle(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A circle on the earth."""

    centre: Annotated[Position, doc("Its centre.")]
    radius_km: Annotated[Kilometres, doc("Its radius, by great circle, in kilometres.")]


class Place(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Where users are: exactly one of a position, a site and a region's centre."""

    name: Annotated[str | None, doc("What to call it in reasons, which have at most 253 characters of it.")] = None
    position: Annotated[Position | None, doc("A point.")] = None
    site_id: Annotated[str | None, doc("A site, TRANSIT ones included.")] = None
    region_id: Annotated[str | None, doc("A region that has a centre.")] = None


class LatencyTarget(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A place that must have an open site within reach."""

    place: Annotated[Place, doc("Where the users are.")]
    within_ms: Annotated[float, msgspec.Meta(gt=0, le=10_000, description="Most latency, one way, in milliseconds.")]
    demand: Annotated[
        Demand | None, doc("Weight of its users, at most 10^12; none: a region's own demand, else 1.")
    ] = None
    min_bandwidth_mbps: Annotated[Megabits | None, doc("Least free bandwidth on the way of least latency, Mbit/s.")] = (
        None
    )


class Coverage(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Every region of users in an area must have an open site within reach: exactly one of `withinMs` and `withinKm`.

    The regions of users are those with a centre that have no region with a centre below them, in `regionIds` and below or
    inside the polygon or circle; without any of the three, all.
    """

    region_ids: Annotated[list[str], msgspec.Meta(max_length=1_000, description="These regions and those below.")] = []
    polygon: Annotated[
        list[list[Position]], doc("Closed rings: the outline first, then holes, straight in longitude and latitude.")
    ] = []
    circle: Annotated[Circle | None, doc("A circle.")] = None
    within_ms: Annotated[Milliseconds | None, doc("Most latency from the region's centre, one way, ms.")] = None
    within_km: Annotated[Kilometres | None, doc("Most distance from the region's centre, great circle, km.")] = None


class SiteReach(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """How near every chosen site must be to a given one."""

    site_id: Annotated[str, doc("The site, TRANSIT ones included.")]
    within_ms: Annotated[Milliseconds | None, doc("Most latency, one way, ms.")] = None
    min_bandwidth_mbps: Annotated[Megabits | None, doc("Least free bandwidth on the way of least latency, Mbit/s.")] = (
        None
    )
