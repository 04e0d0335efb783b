"""What a tenant may place on: its sites, their clusters and their bins, apart from any policy.

Hardly any of it differs from one decision to the next, so it is worked out when sites, nodes or clusters come, go or change
hands, and kept while they do not. An `Outlook` is a value; `Outlooks` keeps the newest of them, and the masks of label
selectors, for one projection. Not for several threads at once: problems are made on one. What it gives is for any thread.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from graph.paths import Network
from graph.selectors import LabelSelector, ids_matching
from graph.view import Reader
from placement.arrays import Ints, Mask
from placement.bin_layout import Layout, layout_of
from placement.clusters import ClusterState, Serving, cluster_state, serving_of
from placement.inventory import Inventory
from placement.kept import Kept, Shelf
from placement.latencies import Latencies
from placement.latency import EntryPoints, Target
from placement.searches import Searches
from placement.sites import SiteColumns
from placement.visibility import Visible, visible_to


@dataclass(frozen=True, slots=True)
class Outlook:
    """What one tenant may place on."""

    inventory: Inventory
    visible: Visible
    rows: Ints
    """The inventory's rows of the COMPUTE sites that are seen, ascending: the sites that are looked at."""
    sites: SiteColumns
    """Their columns."""
    transit_sites: int
    clusters: ClusterState
    layout: Layout


class Outlooks:
    """The outlooks of a projection's inventory, for those who ask."""

    def __init__(self, shelf: Shelf | None = None) -> None:
        """shelf: where all is kept; one of the usual size when not given."""
        self.shelf = Shelf() if shelf is None else shelf
        self._visible = Kept(self.shelf)
        self._rows = Kept(self.shelf)
        self._sites = Kept(self.shelf)
        self._serving = Kept(self.shelf)
        self._clusters = Kept(self.shelf)
        self._layouts = Kept(self.shelf)
        self._node_labels = Kept(self.shelf, most=64)
        self._site_labels = Kept(self.shelf, most=64)
        self._in_network = Kept(self.shelf)
        self._entry_points = Kept(self.shelf)
        self._latencies = Kept(self.shelf)
        self._searches = Searches(self.shelf)

    def reloaded(self) -> None:
        """Everything may differ."""
        self.shelf.clear()
        self._searches.clear()

    def of(
        self,
        inventory: Inventory,
        reader: Reader,
        *,
        tenant_id: str | None,
        lists_all: bool,
        drivers: Collection[str] | None,
    ) -> Outlook:
        """What `reader` shows and `tenant_id` may use; `lists_all` when the inventory was made from that very reader.

        drivers: those that can be called; None for any.
        """
        visible = visible_to(inventory, reader, tenant_id=tenant_id, lists_all=lists_all, kept=self._visible)
        sites, clusters, nodes = inventory.sites, inventory.clusters, inventory.nodes
        rows: Ints = self._rows.get(
            (visible, sites.structure), lambda: np.flatnonzero(visible.sites & sites.compute).astype(np.int64)
        )
        serving: Serving = self._serving.get(
            (visible, rows, nodes.structure, clusters.structure), lambda: serving_of(inventory, visible, rows=rows)
        )
        can = None if drivers is None else frozenset(drivers)
        state: ClusterState = self._clusters.get(
            (serving, clusters, can), lambda: cluster_state(inventory, serving, drivers=can)
        )
        layout: Layout = self._layouts.get(
            (visible, rows, nodes.structure, state, sites.structure),
            lambda: layout_of(inventory, visible, rows=rows, state=state, shelf=self.shelf),
        )
        return Outlook(
            inventory=inventory,
            visible=visible,
            rows=rows,
            sites=self._sites.get((sites, rows), lambda: sites.at(rows)),
            transit_sites=int(np.count_nonzero(visible.sites)) - len(rows),
            clusters=state,
            layout=layout,
        )

    def nodes_matching(self, inventory: Inventory, reader: Reader, selector: LabelSelector) -> Mask | None:
        """(nodes,) of the inventory: whose labels match; None for a selector that asks for nothing.

        `reader` is the one that the inventory is made from. A stated capacity, whose labels nobody knows, matches nothing.
        """
        if not selector.requirements:
            return None
        nodes = inventory.nodes

        def make() -> Mask:
            matched = np.zeros(len(nodes.ids), dtype=bool)
            slots = [
                slot for one in ids_matching(reader, "Node", selector) if (slot := nodes.slot_of.get(one)) is not None
            ]
            rows = nodes.row_of_slot[slots]
            matched[rows[rows >= 0]] = True
            return matched

        return self._node_labels.get((nodes.labels, str(selector)), make)

    def sites_matching(self, inventory: Inventory, reader: Reader, selector: LabelSelector) -> Mask:
        """(sites,) of the inventory: whose labels match. `reader` is the one that the inventory is made from."""
        sites = inventory.sites

        def make() -> Mask:
            matched = np.zeros(len(sites.sites), dtype=bool)
            row_of = sites.row_of
            matched[[row for one in ids_matching(reader, "Site", selector) if (row := row_of.get(one)) is not None]] = (
                True
            )
            return matched

        return self._site_labels.get((sites.labels, str(selector)), make)

    def latencies(
        self,
        outlook: Outlook,
        network: Network,
        targets: Sequence[Target],
        *,
        near_by: Callable[[], Sequence[Ints | None]] | None = None,
    ) -> Latencies:
        """Latencies between places and the sites that are looked at, to be searched for when they are first asked for.

        near_by: gives for each place whose reach is a distance the sites within it, and None for the others.
        """
        sites, visible = outlook.inventory.sites, outlook.visible
        to_network: Ints = self._in_network.get((sites.row_of, network.site_ids), lambda: _rows_in(network, sites))
        points: EntryPoints = self._entry_points.get(
            (sites.structure, visible, to_network),
            lambda: EntryPoints(sites.degrees, sites.row_of, to_network, seen=visible.sites),
        )
        rows: Ints = self._in_network.get((to_network, outlook.rows), lambda: to_network[outlook.rows])

        def make() -> Latencies:
            return Latencies(tuple(targets), points, network, rows, self._searches, near_by=near_by)

        if near_by is not None:
            return make()
        return self._latencies.get((_Places(targets), points, network, rows), make)


class _Places(tuple[Target, ...]):
    """Places as what something is kept by: hundreds are told apart by some of them, and then compared."""

    __slots__ = ()

    def __hash__(self) -> int:
        return hash((len(self), *self[::_EVERY]))


_EVERY = 16


def _rows_in(network: Network, sites: SiteColumns) -> Ints:
    """The row in a network of each site of the inventory, -1 where it has none."""
    ids = sites.ids
    if network.site_ids == ids:
        return np.arange(len(ids))
    return np.array([network.row_of.get(one, -1) for one in ids], dtype=np.int64)
