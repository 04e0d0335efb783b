"""What a batch has at one site, packed on its nodes once more and together, with every answer kept.

The same components meet at the same site again and again while a batch is searched, so what was found of them is kept: how
they are laid out, or that they are not. What is proved not to fit together is told to the prices as a jam, so that neither
the relaxation nor an exact choice brings it there again.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from placement.arrays import Ints
from placement.batch_jams import Entry, Jam, jammed, needs_as_much
from placement.batch_packing import Bundle, packed_exactly, packed_together
from placement.batch_prices import Prices
from placement.batch_room import SharedRoom

NODES = 200
"""Of the search for a way to have all on the nodes of a site."""

Assigned = dict[int, dict[str, int]]
"""By component, numbered as in the prices: replicas by node id."""


class Sites:
    """The sites of a shared room, when nothing is taken of it."""

    def __init__(self, room: SharedRoom, prices: Prices) -> None:
        self._room, self._prices = room, prices
        self._site, self._free = room.spare()
        self._node_ids = room.problems[0].bins.node_ids
        self._components = [
            (at, n, component.replicas)
            for at, problem in enumerate(room.problems)
            for n, component in enumerate(problem.components)
        ]
        self._nodes: dict[int, Ints | None] = {}
        self._packed: dict[tuple[Entry, ...], Assigned | None] = {}
        self._may_fit: dict[tuple[Entry, ...], bool] = {}

    def row(self, at: int, site: int) -> int:
        """The row that a site is for a problem."""
        return int(self._room.row_of[at][site])

    def packed(self, entries: Sequence[Entry]) -> Assigned | None:
        """Some components on the nodes of the one site that they are at; None when no way was found."""
        key = tuple(sorted(entries))
        if key not in self._packed:
            self._packed[key] = self._anew(key)
        return self._packed[key]

    def may_fit(self, entries: Sequence[Entry]) -> bool:
        """Whether some components may be on the nodes of the one site that they are at: not where it is proved that they
        cannot, of which nothing is learnt."""
        key = tuple(sorted(entries))
        if self._packed.get(key) is not None:
            return True
        if key not in self._may_fit:
            nodes = self._nodes_of(entries[0][0])
            if nodes is None:
                return True
            free, bundles = self._free[:, nodes], self._bundles(nodes, key)
            fits = packed_together(free, bundles) is not None
            self._may_fit[key] = fits or not packed_exactly(free, bundles, nodes=NODES)[1]
        return self._may_fit[key]

    def _anew(self, entries: Sequence[Entry]) -> Assigned | None:
        where = entries[0][0]
        nodes = self._nodes_of(where)
        if nodes is None:
            return None
        free = self._free[:, nodes]
        bundles = self._bundles(nodes, entries)
        found = packed_together(free, bundles)
        if found is None:
            found, proved = packed_exactly(free, bundles, nodes=NODES)
            if proved:
                self._learn(where, free, nodes, entries, bundles)
        if found is None:
            return None
        names = [self._node_ids[node] for node in nodes.tolist()]
        return {
            component: {names[node]: int(counts[node]) for node in np.flatnonzero(counts).tolist()}
            for (_, component, _), counts in zip(entries, found, strict=True)
        }

    def _learn(self, where: int, free: Ints, nodes: Ints, entries: Sequence[Entry], bundles: Sequence[Bundle]) -> None:
        """Tells the prices of some that do not fit together, with all that needs as much as any of them."""
        some = jammed(free, bundles, nodes=NODES)
        if some is None:
            return
        members = {entries[one][1]: entries[one][2] for one in some}
        for component, (at, _, replicas) in enumerate(self._components):
            if component in members or self._room.row_of[at][where] < 0:
                continue
            other = self._bundle(nodes, component, replicas)
            if all(needs_as_much(other, bundles[one]) for one in some):
                members[component] = replicas
        self._prices.jams.add(Jam(where, members, len(some) - 1))

    def _bundles(self, nodes: Ints, entries: Sequence[Entry]) -> list[Bundle]:
        return [self._bundle(nodes, component, count) for _, component, count in entries]

    def _bundle(self, nodes: Ints, component: int, count: int) -> Bundle:
        at, own, _ = self._components[component]
        need = self._room.need_of(at, own).astype(np.int64)
        apart = self._room.problems[at].components[own].most_per_node == 1
        return Bundle(need, count, self._prices.kinds.usable(component)[nodes], apart)

    def _nodes_of(self, where: int) -> Ints | None:
        """The nodes of a site; None where they are not known, or not all under one cluster for all."""
        if where not in self._nodes:
            nodes = np.flatnonzero(self._site == where)
            known = len(nodes) > 0 and int(nodes[-1]) < len(self._node_ids)
            one_cluster = not any(
                rows[where] >= 0 and np.count_nonzero(problem.bins.group_site == rows[where]) > 1
                for problem, rows in zip(self._room.problems, self._room.row_of, strict=True)
            )
            self._nodes[where] = nodes if known and one_cluster else None
        return self._nodes[where]
