"""Latency between the places where users are and the sites.

The nearest vertices of the place by great circle x 1.4 x 5 us/km + 0.15 ms of access, then the path over links that are up.
Several vertices, since the nearest may be on a cable that leads the wrong way round: the nearest three, none of them more
than 50 km farther than the first. Users at a site enter there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graph.kinds import Region, Site
from graph.kinds.policy import LatencyTarget, Place
from graph.paths import Network
from graph.refusal import InvalidInput, NotFound
from graph.spatial import EARTH_RADIUS_KM, estimated_latency_ms, unit_vectors
from graph.values import Position
from graph.view import Reader, get_as
from placement.arrays import Floats, Ints, Mask
from placement.conditions import is_seen_by
from placement.inventory import Inventory

ACCESS_MS = 0.15
"""From a user to the first vertex of the network, added once."""
NEAREST_VERTICES = 3
"""At how many vertices at most a place may enter the network."""
FARTHER_KM = 50.0
"""How much farther than the nearest vertex another may be: a place does not reach past the network to a distant city."""


@dataclass(frozen=True, slots=True)
class Target:
    """A place to be served, resolved to a position or a site."""

    place: str
    """What it is called in reasons."""
    within_ms: float
    position: Position | None
    site_id: str | None
    demand: float = 1.0
    """The weight of its users."""
    within_km: float | None = None
    """Most distance by great circle; then `within_ms` is infinite."""
    min_bandwidth_mbps: float | None = None
    """Least free bandwidth on the way of least latency."""


def targets_of(
    reader: Reader, wanted: Sequence[LatencyTarget], *, tenant_id: str | None, path: str
) -> tuple[Target, ...]:
    """The targets of a policy with their ids resolved.

    Raises InvalidInput for a place that names none or several of position, site and region, or a region without a centre,
    and NotFound for a site or region that the reader does not see or that is private to another tenant.
    """
    return tuple(_target(reader, one, tenant_id=tenant_id, path=f"{path}[{n}]") for n, one in enumerate(wanted))


def _target(reader: Reader, wanted: LatencyTarget, *, tenant_id: str | None, path: str) -> Target:
    place = wanted.place
    if not 0 < wanted.within_ms <= 10_000:
        raise InvalidInput(
            "a latency is above 0 and at most 10,000 ms", remedy="give milliseconds, one way", path=f"{path}.withinMs"
        )
    named = [one for one in (place.position, place.site_id, place.region_id) if one is not None]
    if len(named) != 1:
        raise InvalidInput(
            "a place is exactly one of a position, a site and a region",
            remedy="give one of position, siteId and regionId",
            path=f"{path}.place",
        )
    if place.site_id is not None:
        site = get_as(reader, Site, place.site_id)
        if site is None or not is_seen_by(site, tenant_id):
            raise NotFound("Site", place.site_id, path=f"{path}.place.siteId")
        return _named(wanted, place.name or site.name, site_id=site.id)
    if place.region_id is not None:
        region = get_as(reader, Region, place.region_id)
        if region is None or not is_seen_by(region, tenant_id):
            raise NotFound("Region", place.region_id, path=f"{path}.place.regionId")
        if region.centre is None:
            raise InvalidInput(
                f"region {region.name!r} has no centre to measure from",
                remedy="give the region a centre, or name a position",
                path=f"{path}.place.regionId",
            )
        return _named(wanted, place.name or region.name, position=region.centre, demand=region.demand or 1.0)
    return _named(wanted, _name(place), position=place.position)


def _named(
    wanted: LatencyTarget,
    name: str,
    *,
    position: Position | None = None,
    site_id: str | None = None,
    demand: float = 1.0,
) -> Target:
    return Target(
        place=name,
        within_ms=wanted.within_ms,
        position=position,
        site_id=site_id,
        demand=demand if wanted.demand is None else wanted.demand,
        min_bandwidth_mbps=wanted.min_bandwidth_mbps,
    )


def _name(place: Place) -> str:
    assert place.position is not None
    return place.name or f"{place.position.latitude:.4f}, {place.position.longitude:.4f}"


def latencies(inventory: Inventory, network: Network, targets: Sequence[Target], *, seen: Mask) -> Floats:
    """(targets, all sites of the inventory): one-way milliseconds, infinite where there is no way.

    `seen` are the sites that the caller sees: no others are entered.
    """
    to_network, same = _in_network(inventory, network)
    found = network.latencies([_entries(inventory, one, seen=seen, to_network=to_network) for one in targets])
    if same:
        return found
    found = np.column_stack((found, np.full(len(targets), np.inf)))
    columns: Floats = found[:, to_network]
    return columns


def entries_of(inventory: Inventory, network: Network, target: Target, *, seen: Mask) -> list[tuple[int, float]]:
    """Where a place enters a network: pairs of a site's row in it and the milliseconds up to it."""
    to_network, _ = _in_network(inventory, network)
    return _entries(inventory, target, seen=seen, to_network=to_network)


def _in_network(inventory: Inventory, network: Network) -> tuple[Ints, bool]:
    """The row in a network of each site of the inventory, -1 where it has none; and whether both have the same rows."""
    ids = inventory.sites.row_of
    same = len(network.site_ids) == len(ids) and network.site_ids == list(ids)
    if same:
        return np.arange(len(ids)), True
    return np.array([network.row_of.get(one, -1) for one in ids], dtype=np.int64), False


def _entries(inventory: Inventory, target: Target, *, seen: Mask, to_network: Ints) -> list[tuple[int, float]]:
    if target.site_id is not None:
        row = inventory.sites.row_of.get(target.site_id)
        return [] if row is None or to_network[row] < 0 else [(int(to_network[row]), ACCESS_MS)]
    assert target.position is not None
    rows = np.flatnonzero(seen & (to_network >= 0) & ~np.isnan(inventory.sites.degrees[:, 0]))
    if not len(rows):
        return []
    at = unit_vectors(np.array([[target.position.longitude, target.position.latitude]]))[0]
    chord = np.linalg.norm(unit_vectors(inventory.sites.degrees[rows]) - at, axis=1)
    farthest = (
        np.partition(chord, NEAREST_VERTICES - 1)[NEAREST_VERTICES - 1] if len(rows) > NEAREST_VERTICES else np.inf
    )
    near = np.flatnonzero(chord <= farthest)
    near = near[np.argsort(chord[near], kind="stable")][:NEAREST_VERTICES]
    distance = 2 * EARTH_RADIUS_KM * np.arcsin(np.minimum(chord[near] / 2, 1.0))
    near = near[: int(np.count_nonzero(distance <= distance[0] + FARTHER_KM))]
    return [
        (int(to_network[row]), estimated_latency_ms(km) + ACCESS_MS)
        for row, km in zip(rows[near].tolist(), distance.tolist(), strict=False)
    ]
