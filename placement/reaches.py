"""Which sites of two units are within reach of each other, for the words about components that serve one another.

Narrowing asks of all sites of the one that serves, and the model afterwards of those that it kept; a search of the network
for each site of the other is what that costs, so it is made once.
"""

from __future__ import annotations

import numpy as np

from placement.arrays import Ints
from placement.problem import Problem
from placement.reach import reach_between
from placement.solve.entries import Listed, kept_columns, parts_of, turned
from placement.units import UnitWords


class Reaches:
    """Which sites of two units reach each other; of what was looked for once, some is not looked for again."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._known: dict[tuple[str, bytes], tuple[Ints, Listed]] = {}

    def __call__(self, clients: Ints, servers: Ints, words: UnitWords) -> Listed:
        """(clients, servers): explicit entries, which are 0, are in reach; both ascend. `words` are the servers'."""
        key = (words.name, clients.tobytes())
        if key in self._known:
            others, known = self._known[key]
            place = np.searchsorted(others, servers)
            if len(others) and np.array_equal(others.take(place, mode="clip"), servers):
                return kept_columns(known, place, columns=len(others))
        found = self._found(clients, servers, words)
        self._known[key] = servers, found
        return found

    def _found(self, clients: Ints, servers: Ints, words: UnitWords) -> Listed:
        # The search begins at the side that has fewer sites.
        assert words.within_ms is not None, "the caller has looked"
        problem = self._problem
        back = len(servers) < len(clients)
        sources, ends = (servers, clients) if back else (clients, servers)
        if words.min_bandwidth_mbps is None:
            found = problem.latency.between(sources, ends, words.within_ms)
        else:
            vertex = problem.latency.rows
            ways = reach_between(
                problem.latency.network,
                vertex[sources],
                vertex[ends],
                within_ms=words.within_ms,
                min_mbps=words.min_bandwidth_mbps,
            )
            start, column, latency = parts_of(ways)
            found = Listed(start, column, np.zeros(len(latency)))
        return turned(found, columns=len(ends)) if back else found
