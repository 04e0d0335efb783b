"""Reach: latency and free bandwidth from a site to others, on the ways of least latency.

Bandwidth is that of the way that traffic takes, so it follows the least latency and, among equals, fewest hops and
smallest ids, as `path` has it. It is the least of what is free on the way's links: bandwidth less what is reserved. A link
that states none makes it unknown, which is not a number and never enough, for unknown is not unlimited.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from graph.paths import Network
from placement.arrays import Floats, Ints

CHUNK = 4
"""Sources that are searched from at once: the interpreter is held meanwhile."""


@dataclass(frozen=True, slots=True)
class Reach:
    """From one place to all sites of a network."""

    latency: Floats
    """Milliseconds, one way; infinite where there is no way, or none within the limit."""
    width: Floats
    """Free Mbit/s on the way; infinite where it takes no link, not a number where it is not known or there is no way."""


def reach_from(network: Network, entries: Sequence[tuple[int, float]], *, limit: float = np.inf) -> Reach:
    """Latency and width to all sites from a place, given by where it enters: pairs of a site's row and the ms up to it.

    `limit`: most latency in ms. Of entries that are equally good the first counts.
    """
    size = len(network.site_ids)
    latency, width = np.full(size, np.inf), np.full(size, np.nan)
    for row, before in entries:
        if before > limit:
            continue
        distance, found = _from_site(network, row, limit=limit - before)
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
) -> csr_array:
    """(sources, targets): an explicit entry, zeros included, is a pair in reach and its latency in ms.

    `sources` and `targets` are rows of the network. With `min_mbps` the way has so much free.
    """
    pointers, columns, latencies = [0], [], []
    matrix = network.matrix(network.latency)
    for start in range(0, len(sources), CHUNK):
        chunk = sources[start : start + CHUNK]
        found = dijkstra(matrix, indices=chunk, limit=within_ms)[:, targets] if len(chunk) else np.empty((0, 0))
        for at, row in enumerate(chunk.tolist()):
            near = np.flatnonzero(found[at] <= within_ms)
            if min_mbps is not None:
                width = _from_site(network, row, limit=within_ms)[1][targets[near]]
                near = near[width >= min_mbps]
            columns.append(near)
            latencies.append(found[at][near])
            pointers.append(pointers[-1] + len(near))
    shape = (len(sources), len(targets))
    if not columns:
        return csr_array(shape, dtype=np.float64)
    return csr_array((np.concatenate(latencies), np.concatenate(columns), np.array(pointers)), shape=shape)


def _from_site(network: Network, row: int, *, limit: float) -> tuple[Floats, Floats]:
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
    width[heads] = network.free_mbps[network.link[arcs]]
    before = np.arange(size)
    before[heads] = tail[arcs]
    # Each step doubles how far back is looked: the least of a way of 1,000 links takes ten.
    while (before != before[before]).any():
        width = np.minimum(width, width[before])
        before = before[before]
    return latency, width
