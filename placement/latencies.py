"""Latency between the places of a policy and the sites that are looked at, without a table of both.

What a decision needs are the pairs in reach, which are few: they are a sparse matrix. Explanations ask for more, of few
places or sites: how far is it to the place that a site nearly reaches, which site is nearest to a place that none reaches.
Each of these is one search of the network, made when it is asked for. So are the pairs in reach: a problem is made on the
event loop, where a search of some milliseconds a place would hold everybody up, and decided in a thread.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from graph.paths import Network
from graph.spatial import estimated_latency_ms
from placement.arrays import Floats, Ints
from placement.compiled import Small
from placement.latency import Entries, EntryPoints, Target
from placement.neighbours import pairs_in
from placement.searches import Row, Searches, searched, with_places
from placement.solve.entries import Listed, matrix_of, nearest, put_by_column, taken, turned
from placement.stopping import Stop

AT_ONCE = 1 << 22
"""Entries of places, about, that are taken together: 48 MiB of them."""
_FIRST_GUESS = 3.0
"""How many times the estimate for a distance is searched first for the sites within it."""


@dataclass(frozen=True, slots=True)
class Latencies:
    """One-way milliseconds between places and sites. Sites are by the problem's rows, places by the order of the targets.

    All that it is made of are values, and `searches` is for all threads; what two ask for at the same time is searched for
    twice, to the same end.
    """

    targets: tuple[Target, ...]
    points: EntryPoints
    network: Network
    rows: Ints
    """(sites,): each site's row in the network; -1: none."""
    searches: Searches
    near_by: Callable[[], Sequence[Ints | None]] | None = None
    """For each place whose reach is a distance the sites within it, and None for the others; None: there are none such."""
    memo: _Memo = field(default_factory=lambda: _Memo(), compare=False)

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def nbytes_held(self) -> int:
        """Bytes of what was asked for already."""
        memo = self.memo
        found = sum(one.nbytes for one in memo.by_site or ()) + sum(one.nbytes for one in memo.closest or ())
        # Another thread may add some meanwhile: what there is is taken at once.
        return found + sum(one.nbytes for one in tuple(memo.rows.values()))

    @property
    def by_time(self) -> bool:
        """Whether a place has a limit of latency."""
        return any(one.within_km is None for one in self.targets)

    @property
    def by_distance(self) -> bool:
        """Whether a place has a limit of distance."""
        return self.near_by is not None

    @property
    def limits(self) -> Floats:
        """(targets,): the most latency for each, ms; infinite for those whose reach is a distance."""
        return np.array([one.within_ms for one in self.targets], dtype=np.float64)

    @property
    def places(self) -> tuple[Entries, ...]:
        """Where each place enters the network."""
        if self.memo.places is None:
            self.memo.places = tuple(self.points.of(self.targets, shelf=self.searches.shelf))
        return self.memo.places

    @property
    def pairs(self) -> csr_array:
        """(targets, sites): an explicit entry is in reach, by time or, where the place has a distance, by that; its ms.

        Made anew each time: what is kept is by site.
        """
        return matrix_of(turned(self.by_site, columns=len(self.targets)), columns=len(self.rows))

    @property
    def by_site(self) -> Listed:
        """`pairs` by site: of each the places that it is in reach of, ascending, and their ms."""
        return self.found()

    def found(self, stop: Stop | None = None) -> Listed:
        """The same. Raises Stopped when that is asked for before it is found."""
        if self.memo.by_site is None:
            self.memo.by_site = self._by_site(stop)
            self.searches.shelf.grew(self)
        return self.memo.by_site

    def to(self, sites: Ints) -> tuple[Ints, Floats]:
        """(targets,): of these sites the nearest that is in reach, and the latency; -1 and infinite without one.

        Of equal ones it is the first by row.
        """
        key, known = sites.tobytes(), self.memo.nearest
        if known is None or known[0] != key:
            known = self.memo.nearest = key, nearest(self.by_site, np.sort(sites), rows=len(self.targets))
        return known[1]

    def row(self, target: int) -> Floats:
        """(sites,): latency from one place to every site, whatever the limit; infinite where there is no way."""
        found = self.memo.rows.get(target)
        if found is None:
            found = self._at_sites(searched(self.searches.matrix(self.network), [self.places[target]])[0])
            self.memo.rows[target] = found
            self.searches.shelf.grew(self)
        return found

    def closest(self, site: int) -> tuple[int, float]:
        """The place with a limit of latency that the site comes closest to serving in time, and the latency.

        That is the one for which it is the least beyond the limit, or the most within. Infinite when it has a way to none;
        -1 when no place has such a limit.
        """
        if self.memo.closest is None:
            self.memo.closest = self._closest()
            self.searches.shelf.grew(self)
        targets, latency = self.memo.closest
        return int(targets[site]), float(latency[site])

    def within(self, target: int, limit: float) -> tuple[Ints, Floats]:
        """The sites within some milliseconds of a place, ascending, and their latency."""
        row = self._at_sites(searched(self.searches.matrix(self.network), [self.places[target]], limit=limit)[0])
        sites = np.flatnonzero(np.isfinite(row))
        return sites, row[sites]

    def between(self, sites: Ints, others: Ints, limit_ms: float) -> Listed:
        """(sites, others): explicit entries, which are 0, of each of some sites with those of others (ascending) that are
        within some milliseconds, itself included."""
        return pairs_in(self.searches.near(self.network, self.rows[sites], limit_ms), self.rows[others])

    def _by_site(self, stop: Stop | None) -> Listed:
        limits, places, network = self.limits, self.places, self.network
        near_by = [None] * len(limits) if self.near_by is None else self.near_by()
        reach = [
            limit if sites is None else _reach(self.searches, network, place, self.rows[sites], target)
            for limit, sites, place, target in zip(limits.tolist(), near_by, places, self.targets, strict=True)
        ]
        found = self.searches.rows(network, places, reach, stop=stop)
        for n, near in enumerate(near_by):
            if near is not None:
                keep = np.isin(found[n].sites, self.rows[near])
                found[n] = replace(found[n], sites=found[n].sites[keep], latency=found[n].latency[keep])
        return _by_site(found, limits.tolist(), _columns(self.rows, network), count=len(self.rows))

    def _at_sites(self, by_vertex: Floats) -> Floats:
        found = np.full(len(self.rows), np.inf)
        there = self.rows >= 0
        found[there] = by_vertex[self.rows[there]]
        return found

    def _closest(self) -> tuple[Ints, Floats]:
        limits = self.limits
        timed = np.flatnonzero(np.isfinite(limits))
        if not len(timed):
            return np.full(len(self.rows), -1, dtype=np.int64), np.full(len(self.rows), np.inf)
        offsets = limits[timed].max() - limits[timed]
        size = len(self.network.site_ids)
        matrix = with_places(
            self.searches.matrix(self.network), [self.places[one] for one in timed.tolist()], offsets=offsets.tolist()
        )
        distance, _, origin = dijkstra(
            matrix, indices=np.arange(size, size + len(timed)), min_only=True, return_predecessors=True
        )
        reached = np.isfinite(distance[:size])
        at = np.where(reached, origin[:size] - size, 0)
        latency = np.where(reached, distance[:size] - offsets[at], np.inf)
        there = self.rows >= 0
        targets = np.where(there, timed[at[self.rows]], timed[0])
        return targets, self._at_sites(latency)


@dataclass(slots=True)
class _Memo:
    """What was asked for already."""

    rows: dict[int, Floats] = field(default_factory=dict)
    closest: tuple[Ints, Floats] | None = None
    places: tuple[Entries, ...] | None = None
    by_site: Listed | None = None
    nearest: tuple[bytes, tuple[Ints, Floats]] | None = None
    """Of the sites that were asked about last."""


def _reach(searches: Searches, network: Network, place: Entries, wanted: Ints, target: Target) -> float:
    """A latency up to which all of some rows of the network are found that there is a way to, ms."""
    wanted = np.sort(wanted[wanted >= 0])
    limit = _FIRST_GUESS * estimated_latency_ms(target.within_km or 0.0) + 1.0
    while len(wanted) and limit < 1_000.0:
        [found] = searches.rows(network, [place], [limit])
        if np.isin(wanted, found.sites, assume_unique=True).all():
            return limit
        limit *= 4
    return np.inf if len(wanted) else 0.0


def _by_site(found: Sequence[Row], limits: Sequence[float], place: Small, *, count: int) -> Listed:
    """What each search found within its limit by site; what has no place among so many sites is left out.

    Thousands of places may be in reach of every site. Of so many some are taken at a time, once to count them and once to
    put them where they belong, so that nothing of the size of all is made but what is given back.
    """
    sizes = [len(one.sites) for one in found]
    if sum(sizes) <= AT_ONCE:
        return turned(_taken(found, limits, place), columns=count)
    cuts = np.flatnonzero(np.diff(np.cumsum(sizes) // AT_ONCE)) + 1
    slices = [slice(*both) for both in itertools.pairwise([0, *cuts.tolist(), len(found)])]
    start = np.zeros(count + 1, dtype=np.int64)
    for one in slices:
        start[1:] += np.bincount(_taken(found[one], limits[one], place).column, minlength=count)
    start = np.cumsum(start)
    free, target, latency = start[:-1].copy(), np.empty(start[-1], dtype=np.int32), np.empty(start[-1])
    for one in slices:
        put_by_column(_taken(found[one], limits[one], place), one.start, free, target, latency)
    return Listed(start, target, latency)


def _taken(found: Sequence[Row], limits: Sequence[float], place: Small) -> Listed:
    """What some searches found within their limits, one after the other."""
    size = sum(len(one.sites) for one in found)
    column, latency = np.empty(size + 1, dtype=np.int32), np.empty(size + 1)
    start = [0]
    for one, limit in zip(found, limits, strict=True):
        start.append(taken(one.sites, one.latency, limit, place, column, latency, start[-1]))
    return Listed(np.array(start, dtype=np.int64), column[: start[-1]], latency[: start[-1]])


def _columns(rows: Ints, network: Network) -> Small:
    """Of each vertex of the network its place in `rows`; -1: it is not among them."""
    place = np.full(len(network.site_ids), -1, dtype=np.int32)
    there = rows >= 0
    place[rows[there]] = np.flatnonzero(there)
    return place
