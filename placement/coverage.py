"""Coverage: the regions of users in an area, each of which is a place to be served.

Whoever covers an area does not want to list its districts, and a district that is added later is to be covered as well. The
regions of users are the leaves of the tree, among those with a centre: where a city's districts have centres they count and
the city does not, or its users would be counted twice.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely

from graph.kinds import Region
from graph.kinds.geography import Coverage
from graph.refusal import InvalidInput, LimitExceeded, NotFound
from graph.spatial import distances_km, polygon, regions_below
from graph.view import Reader, each, get_as
from placement.arrays import Floats
from placement.conditions import is_seen_by
from placement.latency import Target
from placement.selection import check_circle

MAX_TARGETS = 2_000
"""The most places of one policy, those of `latency` and of `coverage` together."""


def coverage_targets(
    reader: Reader, wanted: Sequence[Coverage], *, tenant_id: str | None, path: str
) -> tuple[Target, ...]:
    """The places of a policy's coverage, by coverage and then by region id.

    A region that several of them name with the same kind of limit is one place with the tightest. Its demand is the
    region's, 1 where it states none.

    Raises InvalidInput for a coverage without exactly one limit or with an area in which no region has a centre, NotFound
    for a region that is not seen, and LimitExceeded for more than 2,000 places.
    """
    if not wanted:
        return ()
    leaves = _regions_of_users(reader, tenant_id)
    centres = np.array([(one.centre.longitude, one.centre.latitude) for one in leaves if one.centre is not None])
    found: dict[tuple[str, bool], Target] = {}
    for n, one in enumerate(wanted):
        where = f"{path}[{n}]"
        by_distance = _check_limit(one, path=where)
        covered = _covered(reader, one, leaves, centres.reshape(-1, 2), tenant_id=tenant_id, path=where)
        if not covered:
            raise InvalidInput(
                "no region with a centre lies there: there would be nothing to cover",
                remedy="give the regions of users their centres, or name another area",
                path=where,
            )
        for region in covered:
            key = region.id, by_distance
            target = _target(region, one)
            before = found.get(key)
            if before is None or _limit(target) < _limit(before):
                found[key] = target
    if len(found) > MAX_TARGETS:
        raise LimitExceeded(
            f"at most {MAX_TARGETS:,} places are covered at once, these are {len(found):,}",
            remedy="cover a smaller area, or regions of a higher level",
            path=path,
        )
    return tuple(found.values())


def _check_limit(coverage: Coverage, *, path: str) -> bool:
    """Whether the limit is a distance. Raises InvalidInput."""
    ms, km = coverage.within_ms, coverage.within_km
    if (ms is None) == (km is None):
        raise InvalidInput("a coverage has exactly one of withinMs and withinKm", remedy="give one of them", path=path)
    if ms is not None and not 0 < ms <= 10_000:
        raise InvalidInput(
            "a latency is above 0 and at most 10,000 ms", remedy="give milliseconds, one way", path=f"{path}.withinMs"
        )
    if km is not None and not 0 < km <= 20_100:
        raise InvalidInput(
            "a distance is above 0 and at most 20,100 km", remedy="give kilometres", path=f"{path}.withinKm"
        )
    return km is not None


def _regions_of_users(reader: Reader, tenant_id: str | None) -> list[Region]:
    """The regions with a centre that have no region with a centre below them, by ascending id."""
    seen = [one for one in each(reader, Region) if is_seen_by(one, tenant_id)]
    parent_of = {one.id: one.parent_id for one in seen}
    above: set[str] = set()
    for one in seen:
        at = one.parent_id if one.centre is not None else None
        while at is not None and at not in above:
            above.add(at)
            at = parent_of.get(at)
    return [one for one in seen if one.centre is not None and one.id not in above]


def _covered(
    reader: Reader, coverage: Coverage, leaves: list[Region], centres: Floats, *, tenant_id: str | None, path: str
) -> list[Region]:
    everywhere = not (coverage.region_ids or coverage.polygon or coverage.circle)
    inside = np.full(len(leaves), everywhere)
    if coverage.region_ids:
        below: set[str] = set()
        for n, region_id in enumerate(coverage.region_ids):
            region = get_as(reader, Region, region_id)
            if region is None or not is_seen_by(region, tenant_id):
                raise NotFound("Region", region_id, path=f"{path}.regionIds[{n}]")
            below.update(regions_below(reader, region_id))
        inside |= np.fromiter((one.id in below for one in leaves), dtype=bool, count=len(leaves))
    if coverage.polygon:
        area = polygon(coverage.polygon, path=f"{path}.polygon")
        inside |= shapely.intersects_xy(area, centres[:, 0], centres[:, 1])
    if coverage.circle is not None:
        check_circle(coverage.circle, path=f"{path}.circle")
        inside |= distances_km(coverage.circle.centre, centres) <= coverage.circle.radius_km
    return [leaves[at] for at in np.flatnonzero(inside).tolist()]


def _target(region: Region, coverage: Coverage) -> Target:
    return Target(
        place=region.name,
        within_ms=np.inf if coverage.within_ms is None else coverage.within_ms,
        position=region.centre,
        site_id=None,
        demand=region.demand or 1.0,
        within_km=coverage.within_km,
    )


def _limit(target: Target) -> float:
    return target.within_ms if target.within_km is None else target.within_km
