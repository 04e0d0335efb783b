"""Deployments whose words bind others: those that keep some away, and those that have nodes to themselves.

Such a word must hold against whoever comes later and has never heard of it. Few deployments have one, and every decision
asks for them, so they are kept by following the commits; without that all deployments are looked through.
"""

from __future__ import annotations

from collections.abc import Iterable

from graph.change import Commit
from graph.entity import Entity
from graph.kinds import Deployment
from graph.view import Reader, each


class Claims:
    """The ids of the deployments whose words bind others. A `Follower` of the view."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._ids: set[str] | None = None

    def applied(self, commit: Commit) -> None:
        """Takes in the deployments that the commit changes."""
        if self._ids is None:
            return
        for change in commit.changes:
            if change.kind == "Deployment":
                if _binds(change.after):
                    self._ids.add(change.id)
                else:
                    self._ids.discard(change.id)

    def reloaded(self) -> None:
        """Everything may differ."""
        self._ids = None

    def beside(self, reader: Reader) -> Claims:
        """Those of a reader that shows this one's graph with changes, which `applied` then tells it: a cheap copy."""
        other = Claims(reader)
        other._ids = set(self.deployment_ids())
        return other

    def deployment_ids(self) -> list[str]:
        """Ascending."""
        if self._ids is None:
            self._ids = set(binding(self._reader))
        return sorted(self._ids)


def binding(reader: Reader) -> Iterable[str]:
    """The ids of the deployments that a reader lists whose words bind others, ascending."""
    return (one.id for one in each(reader, Deployment) if _binds(one))


def _binds(entity: Entity | None) -> bool:
    if not isinstance(entity, Deployment):
        return False
    policy = entity.policy
    return bool(policy.anti_affinity) or any(one.dedicated_nodes for one in policy.components)
