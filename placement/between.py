"""Which sites reach which: for components that must be near each other.

Latency between two sites is that of the path over links that are up; a site reaches itself in no time. Rows are asked for of
the fewer of the two sides, each search bounded by the limit.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from placement.arrays import Floats, Ints
from placement.problem import Problem


def reach_between(
    problem: Problem, clients: Ints, servers: Ints, *, within_ms: float, min_bandwidth_mbps: float | None = None
) -> csr_array:
    """(clients, servers): latency in ms of the pairs in reach; explicit zeros are in reach."""
    network = problem.network
    assert network is not None, "a problem with components that serve others has its network"
    from_fewer = len(servers) < len(clients)
    sources, ends = (servers, clients) if from_fewer else (clients, servers)
    if not within_ms:
        return _same(clients, servers)
    vertex = np.array([network.row_of.get(one.id, -1) for one in problem.sites], dtype=np.int64)
    found = network.between(
        vertex[sources], vertex[ends], limit=within_ms, min_bandwidth_mbps=min_bandwidth_mbps
    )
    return csr_array(found.T) if from_fewer else found


def _same(clients: Ints, servers: Ints) -> csr_array:
    place = np.searchsorted(servers, clients)
    hit = place < len(servers)
    hit[hit] = servers[place[hit]] == clients[hit]
    rows = np.flatnonzero(hit)
    pointers = np.concatenate(([0], np.cumsum(hit))).astype(np.int32)
    zeros: Floats = np.zeros(len(rows))
    return csr_array((zeros, place[rows].astype(np.int32), pointers), shape=(len(clients), len(servers)))
