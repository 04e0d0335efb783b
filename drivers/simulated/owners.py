"""Whose objects there are: what strangers take of the nodes is told to each owner, and is worked out only when it
changed.
"""

from __future__ import annotations

from drivers.simulated.objects import SimulatedObject
from graph.values import NO_RESOURCES, Resources


class Owners:
    """Objects by owner; those that are nobody's have the owner ''."""

    def __init__(self) -> None:
        self._objects: dict[str, dict[str, SimulatedObject]] = {}
        self._changed: dict[str, int] = {}
        """The version of an owner's last change."""

    def note(self, one: SimulatedObject, *, there: bool, version: int) -> None:
        """Takes in an object that came, or that went."""
        owned = self._objects.setdefault(one.owner, {})
        if there:
            owned[one.name] = one
        else:
            owned.pop(one.name, None)
        self._changed[one.owner] = version

    def foreign_use(self, *, owner: str, since: int) -> dict[str, Resources] | None:
        """By node id what is not the owner's takes; None when nothing of that changed after the version."""
        others = [each for each in self._objects if each != owner]
        if all(self._changed[each] <= since for each in others) and since >= 0:
            return None
        found: dict[str, Resources] = {}
        for each in others:
            for one in self._objects[each].values():
                replica = Resources(cpu_millicores=one.cpu_millicores, memory_bytes=one.memory_bytes)
                for instance in one.instances:
                    if instance.node_id is not None and replica != NO_RESOURCES:
                        found[instance.node_id] = found.get(instance.node_id, NO_RESOURCES).plus(replica)
        return found
