"""Reach: latency and free bandwidth from a site to others, on the ways of least latency.

Bandwidth is that of the way that traffic takes, so it follows the least latency and, among equals, fewest hops and
smallest ids, as `path` has it. It is the least of what is free on the way's links: bandwidth less what is reserved. A link
that states none makes it unknown, which is not a number and never enough, for unknown is not unlimited.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from graph.kinds import Link
from graph.paths import Network
from graph.view import Reader, get_as
from placement.arrays import Floats, Ints

CHUNK = 64
"""Sources that are searched from at once: what bounds the memory."""
LEAST_MS = 12.0
"""A search goes at least so far, so that it need not be made again for a somewhat wider question."""
MOST_KEPT = 4_096
"""Rows that are kept of a network: some 50 MB at 10,000 sites."""


class FreeBandwidth:
    """Free bandwidth of a network's links in Mbit/s, not a number where it is not known; read as it is asked for."""

    def __init__(self, reader: Reader, network: Network) -> None:
        self._reader = reader
        self._ids = network.link_ids
        self._free = np.full(len(network.link_ids), np.nan)
        self._read = np.zeros(len(network.link_ids), dtype=bool)

    def of(self, links: Ints) -> Floats:
        """Of the links at these rows."""
        for row in np.unique(links[~self._read[links]]).tolist():
            link = get_as(self._reader, Link, self._ids[row])
            if link is not None and link.bandwidth_mbps is not None:
                self._free[row] = max(0.0, link.bandwidth_mbps - link.reserved_mbps)
            self._read[row] = True
        free: Floats = self._free[links]
        return free


@dataclass(frozen=True, slots=True)
class Reach:
    """From one place to all sites of a network."""

    latency: Floats
    """Milliseconds, one way; infinite where there is no way, or none within the limit."""
    width: Floats
    """Free Mbit/s on the way; infinite where it takes no link, not a number where it is not known or there is no way."""


def reach_from(
    network: Network, free: FreeBandwidth, entries: Sequence[tuple[int, float]], *, limit: float = np.inf
) -> Reach:
    """Latency and width to all sites from a place, given by where it enters: pairs of a site's row and the ms up to it.

    `limit`: most latency in ms. Of entries that are equally good the first counts.
    """
    size = len(network.site_ids)
    latency, width = np.full(size, np.inf), np.full(size, np.nan)
    for row, before in entries:
        if before > limit:
            continue
        distance, found = _from_site(network, free, row, limit=limit - before)
        total = distance + before
        better = total < latency
        latency[better], width[better] = total[better], found[better]
    latency[latency > limit] = np.inf
    return Reach(latency, width)


def reach_between(
    network: Network,
    sources: Ints,
    targets: Ints,
    *,
    within_ms: float,
    min_mbps: float | None = None,
    free: FreeBandwidth | None = None,
) -> csr_array:
    """(sources, targets): an explicit entry, zeros included, is a pair in reach and its latency in ms.

    `sources` and `targets` are rows of the network. With `min_mbps` the way has so much free, by `free`.
    """
    shape = (len(sources), len(targets))
    if not len(sources) or not len(targets):
        return csr_array(shape, dtype=np.float64)
    place = np.full(len(network.site_ids), -1, dtype=np.int32)
    place[targets] = np.arange(len(targets))
    neighbours = NEIGHBOURS.setdefault(network, Neighbours(network))
    parts = neighbours.of(sources, within_ms=within_ms)
    lengths = np.array([len(one) for one, _ in parts])
    rows, latency = np.concatenate([one for one, _ in parts]), np.concatenate([one for _, one in parts])
    column = place[rows]
    inside = (column >= 0) & (latency <= within_ms)
    source = np.repeat(np.arange(len(sources)), lengths)
    if min_mbps is not None and free is not None:
        for at, row in enumerate(sources.tolist()):
            mine = np.flatnonzero((source == at) & inside)
            width = _from_site(network, free, row, limit=within_ms)[1][rows[mine]]
            inside[mine[~(width >= min_mbps)]] = False
    counts = np.bincount(source[inside], minlength=len(sources))
    pointers = np.concatenate(([0], np.cumsum(counts))).astype(np.int32)
    return csr_array((latency[inside], column[inside], pointers), shape=shape)


class Neighbours:
    """The sites around each site of a network, with their latency, kept from one question to the next.

    A row is what one bounded search finds. Rows are small beside a matrix of all pairs, and of a network only those around
    sites that are ever chosen from are asked for.
    """

    def __init__(self, network: Network) -> None:
        self._matrix = network.matrix(network.latency)
        self._kept: dict[int, tuple[float, NDArray[np.int32], Floats]] = {}

    def of(self, sources: Ints, *, within_ms: float) -> list[tuple[NDArray[np.int32], Floats]]:
        """For each source the rows of sites within reach, ascending, and their latency in ms; some may be beyond it."""
        asked = sources.tolist()
        missing = [row for row in asked if (kept := self._kept.get(row)) is None or kept[0] < within_ms]
        limit = max(within_ms, LEAST_MS)
        while len(self._kept) + len(missing) > MOST_KEPT and self._kept:
            # The oldest first; a thread that reads meanwhile has its own reference.
            self._kept.pop(next(iter(self._kept)), None)
        found: dict[int, tuple[NDArray[np.int32], Floats]] = {}
        for start in range(0, len(missing), CHUNK):
            chunk = missing[start : start + CHUNK]
            latency = dijkstra(self._matrix, indices=chunk, limit=limit)
            for at, row in enumerate(chunk):
                near = np.flatnonzero(latency[at] <= limit).astype(np.int32)
                found[row] = near, latency[at][near]
                self._kept[row] = limit, *found[row]
        result = []
        for row in asked:
            one = found.get(row)
            if one is None:
                kept = self._kept.get(row)
                one = (kept[1], kept[2]) if kept is not None else self.of(np.array([row]), within_ms=within_ms)[0]
            result.append(one)
        return result


NEIGHBOURS: weakref.WeakKeyDictionary[Network, Neighbours] = weakref.WeakKeyDictionary()
"""By network, as long as it is in use."""


def _from_site(network: Network, free: FreeBandwidth, row: int, *, limit: float) -> tuple[Floats, Floats]:
    size = len(network.site_ids)
    tail, head = network.tail, network.head
    latency: Floats = dijkstra(network.matrix(network.latency), indices=[row], limit=limit)[0]
    # The sum is the very one that the search made, so equality is exact.
    tight = np.isfinite(latency[tail]) & (latency[tail] + network.latency == latency[head])
    hops = dijkstra(network.matrix(np.ones(len(tail)), tight), indices=[row])[0]
    arcs = np.flatnonzero(tight & np.isfinite(hops[tail]) & (hops[tail] + 1 == hops[head]))
    arcs = arcs[np.lexsort((network.link[arcs], tail[arcs], head[arcs]))]
    heads, first = np.unique(head[arcs], return_index=True)
    arcs = arcs[first]
    width = np.full(size, np.nan)
    width[row] = np.inf
    width[heads] = free.of(network.link[arcs])
    before = np.arange(size)
    before[heads] = tail[arcs]
    # Each step doubles how far back is looked: the least of a way of 1,000 links takes ten.
    while (before != before[before]).any():
        width = np.minimum(width, width[before])
        before = before[before]
    return latency, width
