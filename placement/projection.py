"""The current inventory, kept by the commits.

A commit only notes what it touches; the next decision that is asked for brings the columns up to date: rows of nodes are
overwritten, taken out or put in, in a copy; those of sites, clusters and reservations are made anew, of which there are
fewer; and all is made anew when sites or clusters came or went. Inventories that were handed out before stay as they were.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from graph.change import Change, Commit
from graph.kinds import Node
from graph.paths import LinkGraph
from graph.view import Reader, get_as
from placement.inventory import (
    Inventory,
    cluster_columns,
    inventory_of,
    node_columns,
    site_columns,
    use_columns,
)

_USERS = frozenset({"Release", "Instance"})


class Projection:
    """The inventory and the network of a view. A `Follower` of that view, which sees all tenants' entities."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.links = LinkGraph(reader)
        self._inventory: Inventory | None = None
        self._nodes: dict[str, None] = {}
        self._nodes_differ = False
        self._sites = False
        self._clusters = False
        self._use = False

    def applied(self, commit: Commit) -> None:
        """Notes what the commit touches."""
        self.links.applied(commit)
        if self._inventory is not None:
            for change in commit.changes:
                self._note(change)

    def reloaded(self) -> None:
        """Everything may differ."""
        self.links.reloaded()
        self._inventory = None

    def inventory(self) -> Inventory:
        """The inventory at the reader's revision. Not from another thread than the one that applies commits."""
        found = self._inventory
        if found is None:
            found = inventory_of(self.reader)
        elif found.revision != self.reader.revision:
            found = self._brought_up(found)
        self._inventory = found
        self._nodes, self._nodes_differ = {}, False
        self._sites = self._clusters = self._use = False
        return found

    def _note(self, change: Change) -> None:
        came_or_went = change.before is None or change.after is None
        if change.kind in _USERS:
            self._use = True
        elif change.kind == "Node":
            self._nodes[change.id] = None
            self._nodes_differ |= came_or_went
        elif change.kind == "Site":
            if came_or_went:
                self._inventory = None
            self._sites = True
        elif change.kind == "Cluster":
            if came_or_went:
                self._inventory = None
            self._clusters = True

    def _brought_up(self, old: Inventory) -> Inventory:
        reader = self.reader
        sites = site_columns(reader) if self._sites else old.sites
        clusters = cluster_columns(reader, sites) if self._clusters else old.clusters
        nodes, archs = old.nodes, {one: at for at, one in enumerate(old.archs)}
        if self._nodes:
            changed = [one for node_id in sorted(self._nodes) if (one := get_as(reader, Node, node_id)) is not None]
            columns = node_columns(changed, sites=sites, clusters=clusters, archs=archs)
            if self._nodes_differ:
                nodes = nodes.merged(self._nodes, columns)
            else:
                rows = np.array([nodes.row_of[one] for one in columns.ids], dtype=np.int64)
                nodes = nodes.replaced(rows, columns)
        differs = self._use or self._nodes_differ
        use = use_columns(reader, sites=sites, nodes=nodes) if differs else old.use
        return replace(
            old, revision=reader.revision, sites=sites, clusters=clusters, nodes=nodes, use=use, archs=tuple(archs)
        )
