"""The current inventory, kept by the commits.

A commit only notes what it touches; the next decision that is asked for, or the thousandth note, brings the columns up to
date, at a cost that follows the change: rows are overwritten in copies of the columns that differ, nodes that come and go
are spliced in and out, and a release is taken out of the sums and put in again. Inventories that were handed out before stay
as they were.
"""

from __future__ import annotations

from graph.change import Change, Commit
from graph.kinds import Instance, Node, Release
from graph.paths import LinkGraph
from graph.view import Reader
from placement.claims import Claims
from placement.inventory import Inventory, Noted, brought_up, inventory_of
from placement.kept import MOST_BYTES, Shelf
from placement.outlook import Outlooks
from placement.shares import Shares, is_as_reserved, is_where_it_was, takes_as_much

MOST_NOTED = 1_000
"""Changes that are noted before the columns are brought up to date though nobody asks: else the first who does waits for all
of a long time. It takes some 5 ms."""


class Projection:
    """The inventory and the network of a view. A `Follower` of that view, which sees all tenants' entities."""

    def __init__(self, reader: Reader, *, kept_bytes: int = MOST_BYTES) -> None:
        """kept_bytes: what of all that decisions searched for is kept for later ones at most."""
        self.reader = reader
        self.links = LinkGraph(reader)
        self.outlooks = Outlooks(Shelf(kept_bytes))
        """What was worked out of the inventory for those who ask, kept while it holds and there is room."""
        self.claims = Claims(reader)
        """The deployments whose words bind others."""
        self._inventory: Inventory | None = None
        self._shares = Shares()
        self._noted = Noted()

    def applied(self, commit: Commit) -> None:
        """Notes what the commit touches."""
        self.links.applied(commit)
        self.claims.applied(commit)
        if self._inventory is not None:
            for change in commit.changes:
                self._note(change)
            if len(self._noted) > MOST_NOTED:
                self.inventory()

    def reloaded(self) -> None:
        """Everything may differ."""
        self.links.reloaded()
        self.claims.reloaded()
        self.outlooks.reloaded()
        self._inventory = None

    def inventory(self) -> Inventory:
        """The inventory at the reader's revision. Not from another thread than the one that applies commits."""
        found = self._inventory
        if found is None:
            self._shares = Shares.of(self.reader)
            found = inventory_of(self.reader, shares=self._shares)
            self._noted = Noted()
        elif self._noted or found.revision != self.reader.revision:
            found = brought_up(found, self.reader, self._noted, self._shares)
            self._noted = Noted()
        self._inventory = found
        return found

    def beside(self, reader: Reader, commit: Commit | None = None) -> Projection:
        """A projection of a reader that shows this one's graph with changes, such as a what-if: those of the commit.

        Takes as long as the changes do, and follows nothing; give it further changes by `applied`. What changes in the
        graph below meanwhile is not seen but by those.
        """
        other = Projection(reader)
        other._inventory = self.inventory()
        other._shares = self._shares.copy()
        other.links = self.links.beside(reader)
        other.outlooks = self.outlooks  # what it keeps is known by what it was made of
        other.claims = self.claims.beside(reader)
        if commit is not None:
            other.applied(commit)
        return other

    def _note(self, change: Change) -> None:
        noted = self._noted
        before, after = change.before, change.after
        if change.kind == "Release":
            if not (isinstance(before, Release) and isinstance(after, Release) and takes_as_much(before, after)):
                noted.releases[change.id] = None
        elif change.kind == "Instance":
            if isinstance(before, Instance) and isinstance(after, Instance) and is_where_it_was(before, after):
                return
            if before is None and isinstance(after, Instance) and is_as_reserved(self.reader, after.release_id):
                return  # what came takes up what was kept for it
            for one in (before, after):
                if isinstance(one, Instance):
                    noted.releases[one.release_id] = None
        elif change.kind == "Node":
            noted.nodes[change.id] = None
            noted.relabelled |= not (isinstance(before, Node) and isinstance(after, Node)) or (
                before.labels != after.labels
            )
        elif change.kind == "Site":
            noted.sites[change.id] = None
        elif change.kind == "Cluster":
            noted.clusters[change.id] = None
