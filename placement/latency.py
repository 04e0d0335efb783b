"""Latency between the places where users are and the sites.

The nearest vertices of the place by great circle x 1.4 x 5 us/km + 0.15 ms of access, then the path over links that are up.
Several vertices, since the nearest may be on a cable that leads the wrong way round: the nearest three, none of them more
than 50 km farther than the first. Users at a site enter there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import msgspec
import numpy as np
from scipy.spatial import cKDTree

from graph.identifiers import NAME_MAX_LENGTH
from graph.kinds import Region, Site
from graph.kinds.policy import LatencyTarget
from graph.refusal import InvalidInput, NotFound
from graph.spatial import EARTH_RADIUS_KM, estimated_latency_ms, unit_vectors
from graph.values import Position
from graph.view import Reader, get_as
from placement.arrays import Floats, Ints, Mask
from placement.conditions import is_seen_by
from placement.kept import Shelf
from placement.wording import shortened

Entries: TypeAlias = tuple[tuple[int, float], ...]
"""Where a place enters the network: pairs of a site's row in it and the milliseconds up to it."""
ACCESS_MS = 0.15
"""From a user to the first vertex of the network, added once."""
NEAREST_VERTICES = 3
"""At how many vertices at most a place may enter the network."""
PLACE_BYTES = 512
"""What a place counts for whose entries are kept."""
FARTHER_KM = 50.0
"""How much farther than the nearest vertex another may be: a place does not reach past the network to a distant city."""


class Target(msgspec.Struct, frozen=True, gc=False):
    """A place to be served, resolved to a position or a site. Of a policy there are hundreds, so it is quick to make."""

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
    return tuple(_target(reader, one, n, tenant_id=tenant_id, path=path) for n, one in enumerate(wanted))


def _target(reader: Reader, wanted: LatencyTarget, n: int, *, tenant_id: str | None, path: str) -> Target:
    place = wanted.place
    if not 0 < wanted.within_ms <= 10_000:
        raise InvalidInput(
            "a latency is above 0 and at most 10,000 ms",
            remedy="give milliseconds, one way",
            path=f"{path}[{n}].withinMs",
        )
    position, site_id, region_id = place.position, place.site_id, place.region_id
    if (position is not None) + (site_id is not None) + (region_id is not None) != 1:
        raise InvalidInput(
            "a place is exactly one of a position, a site and a region",
            remedy="give one of position, siteId and regionId",
            path=f"{path}[{n}].place",
        )
    if position is not None:
        return _named(wanted, place.name or _name(position), position=position)
    if site_id is not None:
        site = get_as(reader, Site, site_id)
        if site is None or not is_seen_by(site, tenant_id):
            raise NotFound("Site", site_id, path=f"{path}[{n}].place.siteId")
        return _named(wanted, place.name or site.name, site_id=site.id)
    region = get_as(reader, Region, region_id)
    if region is None or not is_seen_by(region, tenant_id):
        raise NotFound("Region", str(region_id), path=f"{path}[{n}].place.regionId")
    if region.centre is None:
        raise InvalidInput(
            f"region {region.name!r} has no centre to measure from",
            remedy="give the region a centre, or name a position",
            path=f"{path}[{n}].place.regionId",
        )
    return _named(wanted, place.name or region.name, position=region.centre, demand=region.demand or 1.0)


def _named(
    wanted: LatencyTarget,
    name: str,
    *,
    position: Position | None = None,
    site_id: str | None = None,
    demand: float = 1.0,
) -> Target:
    own = wanted.demand
    return Target(
        # A policy may call it what it likes, and it is said of every site that is too far from it.
        name if len(name) <= NAME_MAX_LENGTH else shortened(name, most=NAME_MAX_LENGTH),
        wanted.within_ms,
        position,
        site_id,
        demand if own is None else own,
        None,
        wanted.min_bandwidth_mbps,
    )


def _name(position: Position) -> str:
    return f"{position.latitude:.4f}, {position.longitude:.4f}"


class EntryPoints:
    """Where places enter a network: at the sites nearest to them that are seen, or at their own site."""

    def __init__(self, degrees: Floats, site_rows: dict[str, int], to_network: Ints, *, seen: Mask) -> None:
        """degrees, site_rows, to_network, seen: of all sites of the inventory; `to_network` is -1 where it has none."""
        self._site_rows, self._to_network = site_rows, to_network
        self._rows = np.flatnonzero(seen & (to_network >= 0) & ~np.isnan(degrees[:, 0]))
        self._vectors = unit_vectors(degrees[self._rows]) if len(self._rows) else np.empty((0, 3))
        self._tree: cKDTree | None = None
        self._found: dict[tuple[str | None, Position | None], Entries] = {}

    @property
    def nbytes_held(self) -> int:
        """Bytes of the index of positions, and what is counted for the places that were asked for."""
        index = self._rows.nbytes + self._vectors.nbytes
        return index * (1 if self._tree is None else 2) + PLACE_BYTES * len(self._found)

    def of(self, targets: Sequence[Target], *, shelf: Shelf | None = None) -> list[Entries]:
        """The entries of each place; none when there is nothing to enter at. shelf: where this may be kept."""
        found, known = self._found, len(self._found)
        listed = [
            entries if (entries := found.get((one.site_id, one.position))) is not None else self._add(one)
            for one in targets
        ]
        if shelf is not None and len(found) > known:
            shelf.grew(self)
        return listed

    def _add(self, target: Target) -> Entries:
        entries: Entries = ()
        if target.site_id is not None:
            row = self._site_rows.get(target.site_id)
            if row is not None and self._to_network[row] >= 0:
                entries = ((int(self._to_network[row]), ACCESS_MS),)
        elif target.position is not None and len(self._rows):
            entries = self._nearest(target.position)
        self._found[target.site_id, target.position] = entries
        return entries

    def _nearest(self, position: Position) -> Entries:
        if self._tree is None:
            self._tree = cKDTree(self._vectors)
        at = unit_vectors(np.array([[position.longitude, position.latitude]]))[0]
        count = min(NEAREST_VERTICES, len(self._rows))
        farthest = float(np.max(self._tree.query(at, k=count)[0]))
        # A hair more, so that of several that are as far the first by id is taken.
        near = np.array(sorted(self._tree.query_ball_point(at, farthest * (1 + 1e-9) + 1e-15)), dtype=np.int64)
        chord = np.linalg.norm(self._vectors[near] - at, axis=1)
        order = np.argsort(chord, kind="stable")[:count]
        near, chord = near[order], chord[order]
        distance = 2 * EARTH_RADIUS_KM * np.arcsin(np.minimum(chord / 2, 1.0))
        rows = self._to_network[self._rows[near]].tolist()
        return tuple(
            (row, estimated_latency_ms(km) + ACCESS_MS)
            for row, km in zip(rows, distance.tolist(), strict=True)
            if km <= distance[0] + FARTHER_KM
        )
