"""A supposed graph with what placement needs of it: its inventory, its network, and decisions on it.

Decisions on the present graph share one projection that follows the commits. A supposed graph has one of its own beside it,
which differs by the changes; what changes in the graph below meanwhile is passed on to it, but for what the changes hide,
and so is what a plan lays over it decision by decision. So a question takes as long as its changes are many, however large
the graph is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from drivers.registry import DriverRegistry
from graph.change import Change as GraphChange
from graph.change import Commit
from graph.edit import Edit
from graph.entity import Entity
from graph.kinds.what_if import Change
from graph.view import View
from lifecycle.deployments import Visible
from lifecycle.placing import Placing
from lifecycle.what_if import supposed
from placement.projection import Projection


class SupposedGraph:
    """The view with changes over it, of which one asker sees a part. It follows the view while `open_on` is entered."""

    def __init__(self, edit: Edit, projection: Projection, *, visible: Visible, drivers: DriverRegistry) -> None:
        """`projection` is that of the view that the edit is made over."""
        self.edit = edit
        self.reader = visible(edit)
        """What the asker sees of it."""
        self._told: dict[str, Entity | None] = {}
        self._projection = projection.beside(edit, self._commit(self._known()))
        self.placing = Placing(self._projection, drivers, at_once=1, supposed=True)
        """Decides on this graph."""

    def laid(self) -> None:
        """Tells placement of what the edit has changed since it was told last."""
        changes = self._known()
        if changes:
            self._projection.applied(self._commit(changes))

    def applied(self, commit: Commit) -> None:
        """The view has taken a commit in: what the changes do not hide is another here too."""
        changes = [one for one in commit.changes if one.id not in self._told]
        if changes:
            self._projection.applied(self._commit(changes))

    def reloaded(self) -> None:
        """Everything below may differ."""
        self._projection.reloaded()

    def _known(self) -> list[GraphChange]:
        """What the edit holds that was not told yet."""
        new = [one for one in self.edit.changes if self._told.get(one.id, one.before) is not one.after]
        self._told.update((one.id, one.after) for one in new)
        return new

    def _commit(self, changes: list[GraphChange]) -> Commit:
        return Commit(
            revision=self.edit.revision, draft_id="", at=self.edit.at, author="", action="whatIf", changes=changes
        )


@contextlib.contextmanager
def open_on(
    view: View,
    projection: Projection,
    changes: Sequence[Change],
    *,
    visible: Visible,
    drivers: DriverRegistry,
    path: str = "whatIf",
) -> Iterator[SupposedGraph]:
    """The view, of which that is the projection, with changes over it: kept current until the context ends.

    Raises as `supposed`.
    """
    edit = supposed(view, changes, visible=visible, path=path)
    graph = SupposedGraph(edit, projection, visible=visible, drivers=drivers)
    end = view.follow(graph)
    try:
        yield graph
    finally:
        end()
