"""Which objects of a simulated cluster are on which node, and which have replicas that no node takes.

A scheduler asks who is on a node for every replica that it puts, and a cluster has ten thousand objects: it is kept as
objects come and go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from drivers.pod_terms import PodTerms
from drivers.simulated.objects import SimulatedObject


class Company:
    """Who is beside whom."""

    def __init__(self, objects: Mapping[str, SimulatedObject]) -> None:
        self._objects = objects
        self._waiting: dict[str, None] = {}
        self._on: dict[str, set[str]] = {}
        """Names of objects that have, or had, replicas on a node, by its id."""

    def add(self, one: SimulatedObject) -> None:
        """Takes in an object that came."""
        for each in one.instances:
            if each.node_id is not None:
                self._on.setdefault(each.node_id, set()).add(one.name)
        if any(each.waits is not None for each in one.instances):
            self._waiting[one.name] = None

    def drop(self, one: SimulatedObject) -> None:
        """Takes in that an object went."""
        self._waiting.pop(one.name, None)
        for each in one.instances:
            if each.node_id is not None:
                self.leave(one.name, each.node_id)

    def leave(self, name: str, node_id: str) -> None:
        """Takes in that an object has nothing on a node any more."""
        there = self._on.get(node_id)
        if there is not None:
            there.discard(name)
            if not there:
                del self._on[node_id]

    def waiting(self, *, owner: str) -> list[SimulatedObject]:
        """An owner's objects with replicas that no node takes, the longest wait first."""
        found = (self._objects[name] for name in self._waiting)
        return [one for one in found if one.owner == owner]

    def beside(self, name: str) -> Callable[[str], Iterator[PodTerms]]:
        """Gives the terms of the others that stay on a node, by its id."""

        def others(node_id: str) -> Iterator[PodTerms]:
            for other in sorted(self._on.get(node_id, ())):
                if other != name and self._objects[other].is_on(node_id):
                    yield self._objects[other].pods

        return others
