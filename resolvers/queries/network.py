"""Paths, reach and places: questions to the graph of links and to the map."""

from __future__ import annotations

from typing import Any

import msgspec
import strawberry

from access.permissions import Permission, declare_root, declare_value_types
from graph.conditions import Among
from graph.entity import Entity
from graph.kinds import Site
from graph.paths import Path, PathMetric
from graph.refusal import InvalidInput
from graph.spatial import sites_in_region
from graph.values import Position
from graph.weak_points import WeakPoint, weak_points
from resolvers.context import Context
from schema.connections import connection_arguments, connection_type, resolve_connection
from schema.entities import field_of
from schema.vocabulary import Member, enum_type, given, input_type, object_type, resolver_field

UNSET = strawberry.UNSET
MAX_REACHED = 500


class ReachableSite(msgspec.Struct, frozen=True):
    """A site within reach."""

    site_id: str
    latency_ms: float


class WeakPoints(msgspec.Struct, frozen=True):
    """Single points of failure, and among how many sites."""

    looked_at: int
    total: int
    found: list[WeakPoint]


class NearbySite(msgspec.Struct, frozen=True):
    """A site near a point."""

    site_id: str
    distance_km: float


def _one_of(name: str) -> Any:
    """Resolves to the entity whose id is in that attribute, if there is one."""

    def resolve(holder: Any, info: Any) -> Entity | None:
        entity_id = getattr(holder, name)
        found: Entity | None = None if entity_id is None else info.context.view.get(entity_id)
        return found

    return resolve


def _each(name: str) -> Any:
    """Resolves to the entities whose ids are in that attribute, those that are there."""

    def resolve(holder: Any, info: Any) -> list[Entity]:
        view = info.context.view
        return [found for one in getattr(holder, name) if (found := view.get(one)) is not None]

    return resolve


def _limit(first: Any, *, most: int = MAX_REACHED) -> int:
    if not 0 <= first <= most:
        raise InvalidInput(f"first is {first}, it may be 0 to {most}", remedy="ask for fewer", path="first")
    return int(first)


def _walk(context: Context, *, path: str) -> None:
    """Pays for a walk over the whole network, which is what a path or a reach may take."""
    context.work.spend(context.view.count("Site") + context.view.count("Link"), path=path)


def _path(source: Any, info: Any, *, from_: str, to: str, minimize: PathMetric) -> Path | None:
    context: Context = info.context
    _walk(context, path="to")
    return context.services.links.shortest_path(context.view, from_, to, minimize=minimize)


def _reachable(source: Any, info: Any, *, from_: str, within_latency_ms: float, first: int) -> list[ReachableSite]:
    context: Context = info.context
    if not 0 <= within_latency_ms <= 10_000:
        raise InvalidInput("withinLatencyMs is 0 to 10000", remedy="give milliseconds", path="withinLatencyMs")
    _walk(context, path="withinLatencyMs")
    found = context.services.links.reachable(context.view, from_, within_ms=within_latency_ms, first=_limit(first))
    return [ReachableSite(one.site_id, one.latency_ms) for one in found]


def _site_reachable(site: Site, info: Any, *, within_latency_ms: float, first: int) -> list[ReachableSite]:
    return _reachable(site, info, from_=site.id, within_latency_ms=within_latency_ms, first=first)


def _sites_near(source: Any, info: Any, *, position: Any, first: int, within_km: Any) -> list[NearbySite]:
    context: Context = info.context
    centre = position_from(position, path="position")
    radius = None if within_km is UNSET else within_km
    if radius is not None and not 0 <= radius <= 20_100:
        raise InvalidInput("withinKm is a distance on the earth, 0 to 20100", remedy="give kilometres", path="withinKm")
    found = context.services.places.near(context.view, centre, first=_limit(first), within_km=radius)
    return [NearbySite(one.site_id, one.distance_km) for one in found]


def _weak_points(source: Any, info: Any, *, region: Any, first: int) -> WeakPoints:
    context: Context = info.context
    view = context.view
    ids = view.ids("Site") if region is UNSET or region is None else sites_in_region(view, region, path="region")
    context.work.spend(len(ids), path="region")
    found = weak_points(view, list(ids))
    return WeakPoints(looked_at=len(ids), total=len(found), found=found[: _limit(first)])


def position_from(given_position: Any, *, path: str) -> Position:
    """A position out of an input. Raises InvalidInput outside of the earth."""
    longitude, latitude = given_position.longitude, given_position.latitude
    for name, value, most in (("longitude", longitude, 180), ("latitude", latitude, 90)):
        if not -most <= value <= most:
            raise InvalidInput(
                f"{name} is {value}, it is -{most} to {most}", remedy="give WGS84 degrees", path=f"{path}.{name}"
            )
    return Position(longitude=longitude, latitude=latitude)


def network_queries() -> dict[str, Member]:
    """The root fields of this module and the types that they answer with."""
    site = (None, resolver_field(_one_of("site_id"), returns="Site", description="The site."))
    object_type(
        "ReachableSite",
        {
            "site": site,
            "latency_ms": ("float", strawberry.field(description="Least latency to it, one way, milliseconds.")),
        },
        description="A site within reach over links that are up.",
    )
    object_type(
        "NearbySite",
        {"site": site, "distance_km": ("float", strawberry.field(description="Kilometres along the great circle."))},
        description="A site near a point.",
    )
    object_type(
        "WeakPoint",
        {
            "site": (
                None,
                resolver_field(_one_of("site_id"), returns="Optional[Site]", description="The site, if it is one."),
            ),
            "link": (
                None,
                resolver_field(_one_of("link_id"), returns="Optional[Link]", description="The link, if it is one."),
            ),
            "cut_off": (
                "int",
                strawberry.field(
                    description="How many sites lose their way to the largest part that is left; itself does not count."
                ),
            ),
            "examples": (
                None,
                resolver_field(
                    _each("examples"), returns="list[Site]", description="Some of these, at most 20, by id."
                ),
            ),
        },
        description="A link or site whose loss alone cuts others off.",
    )
    object_type(
        "WeakPoints",
        {
            "looked_at": ("int", strawberry.field(description="How many sites were looked at.")),
            "total": ("int", strawberry.field(description="How many single points of failure there are.")),
            "found": ("list[WeakPoint]", strawberry.field(description="Those that cut off the most sites first.")),
        },
        description="Single points of failure of a network over links that are up.",
    )
    object_type(
        "Path",
        {
            "sites": (
                None,
                resolver_field(_each("site_ids"), returns="list[Site]", description="From the first to the last."),
            ),
            "links": (
                None,
                resolver_field(
                    _each("link_ids"), returns="list[Link]", description="The links between them, in order."
                ),
            ),
            "latency_ms": ("float", strawberry.field(description="Sum of the latencies, one way, milliseconds.")),
            "cost": ("float", strawberry.field(description="Sum of the costs, price units an hour.")),
            "hops": ("int", strawberry.field(description="How many links.")),
            "bottleneck_mbps": (
                "Optional[float]",
                strawberry.field(description="Least free bandwidth on the way, Mbit/s; null when a link states none."),
            ),
        },
        description="A way from one site to another over links that are up, TRANSIT sites included.",
    )
    input_type(
        "PolygonInput",
        {
            "rings": (
                f"list[list[{given(Position)}]]",
                strawberry.field(description="Closed rings: the outline, then holes."),
            )
        },
        description="An area on the earth.",
    )
    declare_value_types("ReachableSite", "NearbySite", "WeakPoint", "WeakPoints", "Path", "PageInfo", "Label", "Count")
    for name in ("path", "reachable", "sitesNear", "sitesIn", "weakPoints"):
        declare_root("Query", name, Permission.READ_INFRASTRUCTURE)
    reach = {
        "within_latency_ms": ("float", UNSET, "At most so many milliseconds, one way."),
        "first": ("int", 50, "At most so many, nearest first; up to 500."),
    }
    field_of(
        Site,
        returns="list[ReachableSite]",
        description="Sites that this one reaches over links that are up, nearest first.",
        arguments=reach,
    )(_named(_site_reachable, "reachable"))
    from_site = ("ID", UNSET, "The site to begin at.")
    return {
        "path": (
            None,
            resolver_field(
                _path,
                returns="Optional[Path]",
                description="The best path between two sites over links that are up; null when there is none. A site that "
                "there is not, or that you may not see, is the error NOT_FOUND.",
                arguments={
                    "from_": from_site,
                    "to": ("ID", UNSET, "The site to end at."),
                    "minimize": (enum_type(PathMetric), PathMetric.LATENCY, "What the path makes least."),
                },
            ),
        ),
        "reachable": (
            None,
            resolver_field(
                _reachable,
                returns="list[ReachableSite]",
                description="Sites reached from one over links that are up, nearest first. A site to begin at that "
                "there is not, or that you may not see, is the error NOT_FOUND.",
                arguments={"from_": from_site, **reach},
            ),
        ),
        "weak_points": (
            None,
            resolver_field(
                _weak_points,
                returns="WeakPoints",
                description="Links and sites whose loss alone cuts others off: bridges and articulation points over "
                "links that are up, TRANSIT sites included. Among at most 2,000 sites: in a larger network name a region; "
                "links that leave it do not count.",
                arguments={
                    "region": ("Optional[ID]", None, "Only sites in this region or in regions below it."),
                    "first": ("int", 50, "At most so many; up to 500."),
                },
            ),
        ),
        "sites_near": (
            None,
            resolver_field(
                _sites_near,
                returns="list[NearbySite]",
                description="Sites near a point, nearest first.",
                arguments={
                    "position": (given(Position), UNSET, "The point."),
                    "first": ("int", 20, "At most so many; up to 500."),
                    "within_km": ("Optional[float]", UNSET, "At most so many kilometres away."),
                },
            ),
        ),
        "sites_in": (None, _sites_in_field()),
    }


def _named(function: Any, name: str) -> Any:
    function.__name__ = name
    return function


def _sites_in_field() -> Any:
    def resolve(source: Any, info: Any, *, region: Any, polygon: Any, **arguments: Any) -> Any:
        context: Context = info.context
        by_region, by_polygon = (one is not UNSET and one is not None for one in (region, polygon))
        if by_region == by_polygon:
            remedy = "leave one of them out" if by_region else "give the id of a region, or the rings of a polygon"
            raise InvalidInput("give a region or a polygon, one of them", remedy=remedy, path="region")
        if by_region:
            ids = sites_in_region(context.view, region, path="region")
        else:
            rings = [
                [position_from(point, path=f"polygon.rings[{at}][{nth}]") for nth, point in enumerate(ring)]
                for at, ring in enumerate(polygon.rings)
            ]
            ids = context.services.places.inside(context.view, rings, path="polygon.rings")
        members = frozenset(ids)
        within = Among(lambda _, __: ids, lambda entity: entity.id in members)
        return resolve_connection(context, Site.SPEC, arguments, within=within)

    return resolver_field(
        resolve,
        returns=connection_type(Site.SPEC),
        description="The sites in a region, those of regions below it included, or in a polygon.",
        arguments={
            "region": ("Optional[ID]", UNSET, "The region."),
            "polygon": ("Optional[PolygonInput]", UNSET, "The polygon; its edge is inside."),
            **connection_arguments(Site.SPEC),
        },
    )
