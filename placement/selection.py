"""Which sites a selector selects, as a mask over the sites that are looked at.

One reading of a selector for all words that have one: the policy's own sites, groups, preferences, weights and components
apart. Ids are resolved here, so that a site, region or tier that is not there is refused with the field that names it, and
what is private to another tenant is as if it were not there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import shapely

from graph.kinds import Region, Site, SiteRole
from graph.kinds.geography import Circle
from graph.kinds.policy import SiteSelector
from graph.refusal import InvalidInput, NotFound
from graph.selectors import LabelSelector, ids_matching, parse_selector
from graph.spatial import Ring, distances_km, polygon, regions_below
from graph.values import Position
from graph.view import Reader, get_as
from placement.arrays import Floats, Ints, Mask
from placement.codes import Codes
from placement.conditions import is_seen_by
from placement.inventory import Inventory
from placement.sites import TIERS
from placement.visibility import Visible


@dataclass(frozen=True, slots=True)
class Ground:
    """What a policy's words are read against."""

    reader: Reader
    """What the tenant sees."""
    inventory: Inventory
    visible: Visible
    rows: Ints
    """The inventory's rows of the sites that are looked at, ascending."""
    tenant_id: str | None
    sites_matching: Callable[[LabelSelector], Mask] | None = None
    """(sites,) of the inventory: whose labels match; asked of the reader when not given."""

    @property
    def size(self) -> int:
        """How many sites are looked at."""
        return len(self.rows)

    @property
    def degrees(self) -> Floats:
        """(sites, 2): longitude and latitude, not a number where there is no position."""
        return self.inventory.sites.degrees[self.rows]

    @property
    def region(self) -> Ints:
        """(sites,): the number of each site's region."""
        return self.inventory.sites.region[self.rows]

    @property
    def regions(self) -> Codes[str]:
        """Ids of regions by number."""
        return self.inventory.sites.regions

    def rows_of(self, site_ids: Iterable[str]) -> Ints:
        """The sites among those looked at that have these ids, ascending, each once."""
        row_of = self.inventory.sites.row_of
        wanted = np.unique(np.array([row for one in site_ids if (row := row_of.get(one)) is not None], dtype=np.int64))
        at = np.searchsorted(self.rows, wanted)
        there = at < len(self.rows)
        there[there] = self.rows[at[there]] == wanted[there]
        return at[there].astype(np.int64)

    def mask_of(self, site_ids: Iterable[str]) -> Mask:
        """The same as a mask."""
        mask = np.zeros(self.size, dtype=bool)
        mask[self.rows_of(site_ids)] = True
        return mask


def selected(ground: Ground, selector: SiteSelector, *, path: str) -> Mask:
    """The sites that a selector selects; all when it says nothing.

    Raises InvalidInput, NotFound or LimitExceeded that name the selector's field.
    """
    mask = np.ones(ground.size, dtype=bool)
    for part in parts_of(ground, selector, path=path).values():
        mask &= part
    return mask


def parts_of(ground: Ground, selector: SiteSelector, *, path: str) -> dict[str, Mask]:
    """What each part of a selector that is given selects, by the name of the rule that it is as a part of the policy."""
    found: dict[str, Mask] = {}
    if selector.site_ids:
        check_sites(ground, selector.site_ids, path=f"{path}.siteIds", runs=True)
        found["listed"] = ground.mask_of(selector.site_ids)
    if selector.excluded_site_ids:
        check_sites(ground, selector.excluded_site_ids, path=f"{path}.excludedSiteIds", runs=False)
        found["excluded"] = ~ground.mask_of(selector.excluded_site_ids)
    if selector.region_ids:
        found["region"] = in_regions(ground, selector.region_ids, path=f"{path}.regionIds")
    if selector.tiers:
        found["tier"] = _in_tiers(ground, selector.tiers, path=f"{path}.tiers")
    if selector.labels:
        wanted = parse_selector(selector.labels, path=f"{path}.labels")
        if wanted.requirements:
            found["labels"] = (
                ground.mask_of(ids_matching(ground.reader, "Site", wanted))
                if ground.sites_matching is None
                else ground.sites_matching(wanted)[ground.rows]
            )
    if selector.polygon:
        found["polygon"] = inside_polygon(ground, selector.polygon, path=f"{path}.polygon")
    if selector.circle is not None:
        found["circle"] = inside_circle(ground, selector.circle, path=f"{path}.circle")
    return found


def check_sites(ground: Ground, site_ids: Sequence[str], *, path: str, runs: bool) -> None:
    """Raises NotFound for a site that is not seen and, when something is to run there, InvalidInput for a waypoint."""
    for n, site_id in enumerate(site_ids):
        site = seen_site(ground, site_id, path=f"{path}[{n}]")
        if runs and site.role is not SiteRole.COMPUTE:
            raise InvalidInput(
                f"site {site.name!r} is only routed through: nothing can run there",
                remedy="name sites with role COMPUTE",
                path=f"{path}[{n}]",
            )


def seen_site(ground: Ground, site_id: str, *, path: str) -> Site:
    """A site of any role. Raises NotFound."""
    row = ground.inventory.sites.row_of.get(site_id)
    if row is None or not ground.visible.sites[row]:
        raise NotFound("Site", site_id, path=path)
    return ground.inventory.sites.sites[row]


def seen_region(ground: Ground, region_id: str, *, path: str) -> Region:
    """A region. Raises NotFound."""
    region = get_as(ground.reader, Region, region_id)
    if region is None or not is_seen_by(region, ground.tenant_id):
        raise NotFound("Region", region_id, path=path)
    return region


def in_regions(ground: Ground, region_ids: Sequence[str], *, path: str) -> Mask:
    """The sites that lie in one of these regions or below. Raises NotFound."""
    wanted = np.zeros(len(ground.regions) + 1, dtype=bool)
    for n, region_id in enumerate(region_ids):
        seen_region(ground, region_id, path=f"{path}[{n}]")
        wanted[[ground.regions.get(one) for one in regions_below(ground.reader, region_id)]] = True
    wanted[-1] = False  # the last stands for regions without sites
    return wanted[ground.region]


def inside_polygon(ground: Ground, rings: Sequence[Ring], *, path: str) -> Mask:
    """The sites inside; its edge counts, and a site without a position is outside. Raises InvalidInput, LimitExceeded."""
    area, degrees = polygon(rings, path=path), ground.degrees
    placed = ~np.isnan(degrees[:, 0])
    mask = np.zeros(ground.size, dtype=bool)
    mask[placed] = shapely.intersects_xy(area, degrees[placed, 0], degrees[placed, 1])
    return mask


def inside_circle(ground: Ground, circle: Circle, *, path: str) -> Mask:
    """The sites inside; its edge counts, and a site without a position is outside. Raises InvalidInput."""
    check_circle(circle, path=path)
    inside: Mask = distances_km(circle.centre, ground.degrees) <= circle.radius_km
    return inside


def check_circle(circle: Circle, *, path: str) -> None:
    """Raises InvalidInput for a radius or a centre that none can be; written so that no number is refused too."""
    if not 0 < circle.radius_km <= 20_100:
        raise InvalidInput(
            "a radius is above 0 and at most 20,100 km", remedy="give kilometres", path=f"{path}.radiusKm"
        )
    check_position(circle.centre, path=f"{path}.centre")


def check_position(position: Position, *, path: str) -> None:
    """Raises InvalidInput for what is no point on the earth."""
    if not (abs(position.longitude) <= 180 and abs(position.latitude) <= 90):
        raise InvalidInput(
            "a longitude is within 180 and a latitude within 90 degrees of zero",
            remedy="give WGS84 degrees",
            path=path,
        )


def _in_tiers(ground: Ground, tiers: Sequence[str], *, path: str) -> Mask:
    for n, tier in enumerate(tiers):
        if tier not in TIERS:
            raise InvalidInput(
                f"there is no tier {tier!r}", remedy=f"name one of {', '.join(TIERS)}", path=f"{path}[{n}]"
            )
    wanted = np.array([one in tiers for one in TIERS], dtype=bool)
    return wanted[ground.inventory.sites.tier[ground.rows]]
