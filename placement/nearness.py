"""What is in reach beyond plain latency: of a given site, of places by distance, and of places by free bandwidth.

Each is a search of the network or of positions, which takes milliseconds and holds the interpreter meanwhile. So a problem
has what is searched for, all of it values, and it is searched when a rule first asks, in whatever thread that is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

import numpy as np
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

from graph.kinds import Site
from graph.kinds.geography import SiteReach
from graph.paths import Network
from graph.refusal import InvalidInput
from graph.spatial import EARTH_RADIUS_KM, distances_km, unit_vectors
from placement.arrays import Floats, Ints, Mask
from placement.latency import EntryPoints, Target
from placement.reach import reach_from
from placement.selection import Ground, seen_site

T = TypeVar("T")


class Later(Generic[T]):
    """A value that is worked out when it is first asked for. Two threads that ask at once both work it out, to the same."""

    __slots__ = ("_found", "_make")

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._found: list[T] = []

    @property
    def value(self) -> T:
        """What it is."""
        if not self._found:
            self._found.append(self._make())
        return self._found[0]


@dataclass(frozen=True, slots=True)
class Near:
    """A site that every chosen site must be within reach of."""

    wanted: SiteReach
    site: Site
    reach: Later[tuple[Floats, Floats]]

    @property
    def latency(self) -> Floats:
        """(sites,): milliseconds, one way; infinite where there is no way."""
        return self.reach.value[0]

    @property
    def width(self) -> Floats:
        """(sites,): free Mbit/s on the way; infinite for the site itself, not a number where it is not known."""
        return self.reach.value[1]

    def too_far(self) -> Mask:
        """The sites that are too far."""
        return ~(self.latency <= (np.inf if self.wanted.within_ms is None else self.wanted.within_ms)) | np.isinf(
            self.latency
        )

    def too_narrow(self) -> Mask:
        """The sites to which the way has too little free, or none knows how much."""
        least = self.wanted.min_bandwidth_mbps
        return np.zeros(len(self.width), dtype=bool) if least is None else ~(self.width >= least)


@dataclass(frozen=True, slots=True)
class Allowed:
    """For places with a limit other than latency: the sites that keep it."""

    restricted: Mask
    """(targets,): whether the place has such a limit."""
    least: Floats
    """(targets,): the bandwidth that it needs, Mbit/s; negative where its limit is a distance, or it has none."""
    searched: Later[csr_array]

    @property
    def pairs(self) -> csr_array:
        """(targets, sites): for a distance the sites within it and the kilometres; for a bandwidth those that are in time
        and what is free on the way, Mbit/s, not a number where it is not known. Rows of other places are empty."""
        return self.searched.value

    def sites_of(self, target: int) -> Ints:
        """The sites that keep a restricted place's limit, ascending."""
        pairs = self.pairs
        here = slice(pairs.indptr[target], pairs.indptr[target + 1])
        keeping: Ints = pairs.indices[here][pairs.data[here] >= self.least[target]].astype(np.int64)
        return keeping

    def free_to(self, target: int, site: int) -> float:
        """What is free on the way from a place that needs bandwidth to a site in time, Mbit/s; not a number: not known."""
        pairs = self.pairs
        here = slice(pairs.indptr[target], pairs.indptr[target + 1])
        found = pairs.data[here][pairs.indices[here] == site]
        return float(found[0]) if len(found) else np.nan


def nears_of(
    ground: Ground, wanted: Sequence[SiteReach], network: Callable[[], Network], *, path: str
) -> tuple[Near, ...]:
    """How near the sites are to each of the given ones. Raises InvalidInput for a reach without a limit, and NotFound."""
    if not wanted:
        return ()
    links = network()
    rows = Later(partial(rows_in_network, ground, links))
    found = []
    for n, one in enumerate(wanted):
        where = f"{path}[{n}]"
        site = seen_site(ground, one.site_id, path=f"{where}.siteId")
        if one.within_ms is None and one.min_bandwidth_mbps is None:
            raise InvalidInput(
                "a reach is a latency, a bandwidth or both",
                remedy="give withinMs or minBandwidthMbps",
                path=where,
            )
        if one.within_ms is not None and not 0 < one.within_ms <= 10_000:
            raise InvalidInput(
                "a latency is above 0 and at most 10,000 ms",
                remedy="give milliseconds, one way",
                path=f"{where}.withinMs",
            )
        found.append(Near(one, site, Later(partial(_reach_of, links, site.id, rows))))
    return tuple(found)


def _reach_of(links: Network, site_id: str, rows: Later[Ints]) -> tuple[Floats, Floats]:
    row = links.row_of.get(site_id)
    reach = reach_from(links, [] if row is None else [(row, 0.0)])
    return _taken(reach.latency, rows.value, np.inf), _taken(reach.width, rows.value, np.nan)


def allowed_pairs(ground: Ground, targets: Sequence[Target], network: Callable[[], Network]) -> Allowed | None:
    """Which sites keep the limits of places that have others than latency; None when none has.

    Cost: for a distance what is within it; for a bandwidth a search within the place's latency.
    """
    restricted = np.array(
        [one.within_km is not None or one.min_bandwidth_mbps is not None for one in targets], dtype=bool
    )
    if not restricted.any():
        return None
    links = network() if any(one.min_bandwidth_mbps is not None for one in targets) else None
    least = np.array([-1.0 if (one := target.min_bandwidth_mbps) is None else one for target in targets])
    return Allowed(restricted, least, Later(partial(_searched, ground, targets, links)))


def _searched(ground: Ground, targets: Sequence[Target], links: Network | None) -> csr_array:
    rows: list[Ints] = [np.empty(0, dtype=np.int64)] * len(targets)
    values: list[Floats] = [np.empty(0)] * len(targets)
    _by_distance(ground, targets, rows, values)
    if links is not None:
        _by_bandwidth(ground, targets, links, rows, values)
    pointers = np.concatenate(([0], np.cumsum([len(one) for one in rows])))
    return csr_array((np.concatenate(values), np.concatenate(rows), pointers), shape=(len(targets), ground.size))


def rows_in_network(ground: Ground, network: Network) -> Ints:
    """(sites,): each site's row in a network; -1 where it has none."""
    ids = ground.inventory.sites.row_of
    if len(network.site_ids) == len(ids) and network.row_of.keys() == ids.keys():
        return ground.rows
    sites = ground.inventory.sites.sites
    return np.array([network.row_of.get(sites[row].id, -1) for row in ground.rows.tolist()], dtype=np.int64)


def _by_distance(ground: Ground, targets: Sequence[Target], rows: list[Ints], values: list[Floats]) -> None:
    wanted = [n for n, one in enumerate(targets) if one.within_km is not None and one.position is not None]
    degrees = ground.degrees
    placed = np.flatnonzero(~np.isnan(degrees[:, 0]))
    if not wanted or not len(placed):
        return
    tree = cKDTree(unit_vectors(degrees[placed]))
    for n in wanted:
        target = targets[n]
        assert target.position is not None
        assert target.within_km is not None
        centre = unit_vectors(np.array([[target.position.longitude, target.position.latitude]]))[0]
        # A little more than the chord, since the distance itself decides.
        angle = min(target.within_km / (2 * EARTH_RADIUS_KM), np.pi / 2)
        near = placed[sorted(tree.query_ball_point(centre, 2 * np.sin(angle) * (1 + 1e-9) + 1e-12))]
        distance = distances_km(target.position, degrees[near])
        within = distance <= target.within_km
        rows[n], values[n] = near[within].astype(np.int64), distance[within]


def _by_bandwidth(
    ground: Ground,
    targets: Sequence[Target],
    links: Network,
    rows: list[Ints],
    values: list[Floats],
) -> None:
    wanted = [n for n, one in enumerate(targets) if one.min_bandwidth_mbps is not None]
    at = rows_in_network(ground, links)
    sites = ground.inventory.sites
    everywhere = np.array([links.row_of.get(one, -1) for one in sites.row_of], dtype=np.int64)
    places = EntryPoints(sites.degrees, sites.row_of, everywhere, seen=ground.visible.sites)
    for n in wanted:
        target = targets[n]
        (entries,) = places.of([target])
        # A hair more than the limit: time is judged apart, by sums that are rounded in another order.
        reach = reach_from(links, entries, limit=target.within_ms + 1e-6)
        in_time = np.flatnonzero(np.isfinite(_taken(reach.latency, at, np.inf)))
        rows[n], values[n] = in_time.astype(np.int64), _taken(reach.width, at, np.nan)[in_time]


def _taken(column: Floats, rows: Ints, otherwise: float) -> Floats:
    return np.where(rows >= 0, column[rows], otherwise) if len(column) else np.full(len(rows), otherwise)
