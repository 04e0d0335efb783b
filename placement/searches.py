"""Searches through the network from places and sites, kept while they hold.

A search ends at the latency that is asked for, so that what it finds and what it costs follow what is in reach and not the
size of the network. Its row is kept. When links change, only the rows that reach an end of a changed link are searched for
again: a way that is new, lost or longer within the limit passes such an end, within the limit.

Deciding threads ask for rows too, so what is kept is behind a lock; networks and rows are values. How much is kept is the
shelf's to say (`placement.kept`).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from graph.paths import Network
from placement.arrays import Floats, Ints
from placement.compiled import Bits, Words
from placement.kept import Entry, Shelf
from placement.latency import Entries
from placement.neighbours import Near, bits_of, words_for
from placement.stopping import Stop, look

CHUNK = 4
"""Searches that are made at once. The interpreter is held meanwhile, a millisecond for each at 10,000 sites."""
MOST_NETWORKS = 8
"""Networks of which something is kept."""
MOST_CHANGED = 64
"""With more changed links all rows are searched for again."""
_NOT_KNOWN = -1


@dataclass(frozen=True, slots=True)
class Row:
    """What one search found."""

    sites: Ints
    """Rows of the network in reach, ascending."""
    latency: Floats
    """To each, ms."""
    limit: float
    """Up to which latency was searched, ms."""


@dataclass(frozen=True, slots=True)
class _Near:
    """The bits of those within reach of sites: a value, but for rows of the table that are not in use."""

    place: Ints
    """(sites of the network + 1,): which row of the table, or `_NOT_KNOWN`; the last is for what is no site."""
    table: Bits
    """(rows, words): the first is of those that reach nobody."""
    size: int
    """Rows in use."""

    def and_more(self, sites: Sequence[int], bits: Sequence[Words]) -> _Near:
        """With more sites."""
        place, table, size = self.place.copy(), self.table, self.size + len(sites)
        if size > len(table):
            rows = max(size, min(2 * size, len(place)))
            table = np.empty((rows, table.shape[1]), dtype=np.uint64)
            table[: self.size] = self.table[: self.size]
        table[self.size : size] = bits
        place[sites] = np.arange(self.size, size)
        return _Near(place, table, size)


@dataclass(slots=True)
class _Known:
    network: Network
    matrix: csr_array
    rows: dict[Entries, Entry] = field(default_factory=dict)
    """Of each place the entry with its `Row`, which networks share in which it is the same."""
    near: dict[float, Entry] = field(default_factory=dict)
    """By limit the entry with a `_Near`."""


class Searches:
    """Rows by network and place."""

    def __init__(self, shelf: Shelf | None = None) -> None:
        """shelf: where they are kept; one of their own when not given."""
        self.shelf = Shelf() if shelf is None else shelf
        self._known: list[_Known] = []
        self._lock = threading.Lock()

    def clear(self) -> None:
        """Forgets everything."""
        with self._lock, self.shelf.lock:
            known, self._known = self._known, []
            for one in known:
                self._drop(one)

    def forgotten(self, entry: Entry) -> None:
        """A row or bits had to make room."""
        for known in self._known:
            if known.rows.get(entry.key) is entry:
                del known.rows[entry.key]
            elif known.near.get(entry.key) is entry:
                del known.near[entry.key]

    def rows(
        self,
        network: Network,
        places: Sequence[Entries],
        limits: Sequence[float],
        *,
        stop: Stop | None = None,
    ) -> list[Row]:
        """What is in reach of each place, up to at least its limit in ms. Raises Stopped when that is asked for."""
        known = self._of(network)
        found = self._rows(known, places)
        lacking: dict[Entries, float] = {}
        for place, row, limit in zip(places, found, limits, strict=True):
            if row is None or row.limit < limit:
                lacking[place] = max(limit, lacking.get(place, 0.0))
        if not lacking:
            return [row for row in found if row is not None]
        made = _searched(known.matrix, lacking, stop)
        with self.shelf.lock:
            for place, row in made.items():
                before = known.rows.get(place)
                known.rows[place] = entry = Entry(self, place, row, arrays=(row.sites, row.latency))
                self.shelf.put(entry)
                if before is not None:
                    self._let_go(before)
        found = [made.get(place, row) for place, row in zip(places, found, strict=True)]
        return [row for row in found if row is not None]

    def near(self, network: Network, sites: Ints, limit: float) -> Near:
        """Of each of some sites the bits of the network's sites that are within a limit in ms, itself included.

        sites: rows of the network; of -1 nothing is in reach.
        """
        known, shelf = self._of(network), self.shelf
        count = len(network.site_ids)
        near = self._near(known, limit) or _nobody_near(count)
        place: Ints = near.place[sites]
        if not len(place) or place.min() != _NOT_KNOWN:
            return Near(near.table, place)
        lacking = np.unique(sites[place == _NOT_KNOWN]).tolist()
        found = self.rows(network, [((one, 0.0),) for one in lacking], [limit] * len(lacking))
        bits = [bits_of(row.sites, row.latency, limit, count=count) for row in found]
        with shelf.lock:
            now = self._near(known, limit)
            if now is None or _NOT_KNOWN in now.place[sites[place != _NOT_KNOWN]]:
                # It was forgotten meanwhile. Rows that are not in use are another's to write to then, so it is copied.
                now = replace(near, table=near.table[: near.size])
            # Another thread may have found some of them as well: they are there twice then.
            near = now.and_more(lacking, bits)
            if limit in known.near:
                shelf.drop(known.near[limit])
            known.near[limit] = entry = Entry(self, limit, near, arrays=(near.place, near.table))
            shelf.put(entry)
        return Near(near.table, near.place[sites])

    def matrix(self, network: Network) -> csr_array:
        """The network's latencies as a sparse matrix."""
        return self._of(network).matrix

    def _rows(self, known: _Known, places: Sequence[Entries]) -> list[Row | None]:
        with self.shelf.lock:
            entries = [known.rows.get(place) for place in places]
            for one in entries:
                if one is not None:
                    self.shelf.use(one)
        return [None if one is None else one.value for one in entries]

    def _near(self, known: _Known, limit: float) -> _Near | None:
        with self.shelf.lock:
            entry = known.near.get(limit)
            if entry is None:
                return None
            self.shelf.use(entry)
            near: _Near = entry.value
            return near

    def _drop(self, gone: _Known) -> None:
        """Forgets what only this network has. Under the shelf's lock."""
        for entry in (*gone.rows.values(), *gone.near.values()):
            self._let_go(entry)

    def _let_go(self, entry: Entry) -> None:
        """Forgets what no network has any more. Under the shelf's lock."""
        if not any(one.rows.get(entry.key) is entry for one in self._known):
            self.shelf.drop(entry)

    def _of(self, network: Network) -> _Known:
        with self._lock:
            for at, one in enumerate(self._known):
                # A network in which only the bandwidth differs has the same ways.
                if one.network.latency is network.latency:
                    if at:
                        # As a new list: whoever goes through the old one, under the shelf's lock, misses none.
                        self._known = [one, *self._known[:at], *self._known[at + 1 :]]
                    return one
            known = _Known(network, network.matrix(network.latency))
            with self.shelf.lock:
                for one in self._known:
                    if _carried_over(one, known):
                        break
                self._known.insert(0, known)
                while len(self._known) > MOST_NETWORKS:
                    self._drop(self._known.pop())
            return known


def searched(matrix: csr_array, places: Sequence[Entries], *, limit: float = np.inf) -> Floats:
    """Least latency from places to all sites, ms: (places, sites), infinite beyond the limit or where there is no way."""
    size = matrix.shape[0]
    larger = with_places(matrix, places)
    found: Floats = dijkstra(larger, indices=np.arange(size, size + len(places)), limit=limit)
    return found[:, :size]


def with_places(matrix: csr_array, places: Sequence[Entries], *, offsets: Sequence[float] | None = None) -> csr_array:
    """A network's matrix with places as rows after its own; nothing leads into a place, so no way goes through one.

    offsets: what is added to each place's entries.
    """
    counts = [len(place) for place in places]
    heads = [row for place in places for row, _ in place]
    weights = [latency for place in places for _, latency in place]
    if offsets is not None:
        weights = (np.array(weights) + np.repeat(np.array(offsets), counts)).tolist()
    size = matrix.shape[0] + len(places)
    pointers = np.concatenate((matrix.indptr, matrix.indptr[-1] + np.cumsum(counts, dtype=matrix.indptr.dtype)))
    indices = np.concatenate((matrix.indices, np.array(heads, dtype=matrix.indices.dtype)))
    data = np.concatenate((matrix.data, np.array(weights, dtype=np.float64)))
    return csr_array((data, indices, pointers), shape=(size, size))


def _nobody_near(count: int) -> _Near:
    """Nothing is known of so many sites."""
    place = np.full(count + 1, _NOT_KNOWN, dtype=np.int64)
    place[-1] = 0
    return _Near(place, np.zeros((1, words_for(count)), dtype=np.uint64), 1)


def _searched(matrix: csr_array, lacking: dict[Entries, float], stop: Stop | None) -> dict[Entries, Row]:
    # Those with like limits together: a chunk is searched up to its largest.
    places = sorted(lacking, key=lambda place: lacking[place])
    made: dict[Entries, Row] = {}
    every = np.arange(matrix.shape[0])
    for start in range(0, len(places), CHUNK):
        look(stop)
        chunk = places[start : start + CHUNK]
        limit = lacking[chunk[-1]]
        found = searched(matrix, chunk, limit=limit)
        reached = np.isfinite(found)
        for at, place in enumerate(chunk):
            sites = np.flatnonzero(reached[at])
            # Rows of what is in reach of everybody have one array between them.
            sites = every if len(sites) == len(every) else sites
            made[place] = Row(sites=sites, latency=found[at, sites], limit=limit)
    return made


def _carried_over(old: _Known, new: _Known) -> bool:
    """Takes over the rows that hold in the newer network; whether the two are near enough for that."""
    before, after = old.network, new.network
    if before.site_ids is not after.site_ids or before.link_ids is not after.link_ids:
        return False
    links = len(after.link_ids)
    changed = np.flatnonzero(_by_link(before, links) != _by_link(after, links))
    if len(changed) > MOST_CHANGED:
        return False
    ends = np.zeros(len(after.site_ids), dtype=bool)
    for network in (before, after):
        ends[network.tail[np.isin(network.link, changed)]] = True
    kept = list(old.rows.items())
    if kept:
        sizes = np.array([len(one.value.sites) for _, one in kept])
        at_end = ends[np.concatenate([one.value.sites for _, one in kept])].astype(np.int64)
        before_each = np.concatenate(([0], np.cumsum(at_end)))
        bounds = np.concatenate(([0], np.cumsum(sizes)))
        touched = (before_each[bounds[1:]] - before_each[bounds[:-1]]) > 0
        new.rows.update(one for one, gone in zip(kept, touched.tolist(), strict=True) if not gone)
    return True


def _by_link(network: Network, links: int) -> Floats:
    """Latency by link; infinite for those that are not in the network."""
    found = np.full(links, np.inf)
    found[network.link] = network.latency
    return found
