"""What each owner's objects take of the nodes: what strangers take is told to every owner, and only when it changed.

It is counted as objects come and go, for two owners may have ten thousand each on the same cluster, and each of them
observes it all the time.
"""

from __future__ import annotations

import msgspec

from drivers.simulated.objects import SimulatedObject
from graph.values import Resources


class _Share(msgspec.Struct, frozen=True):
    """What one object takes: so much on each of these nodes, one of them for each replica."""

    owner: str
    cpu_millicores: int
    memory_bytes: int
    node_ids: tuple[str, ...]


class Owners:
    """What is taken of nodes by owner; what is nobody's has the owner ''."""

    def __init__(self) -> None:
        self._shares: dict[str, _Share] = {}
        """By the object's name."""
        self._taken: dict[str, dict[str, tuple[int, int]]] = {}
        """(millicores, bytes) by node by owner."""
        self._changed: dict[str, int] = {}
        """The version at which what an owner takes last changed."""

    def note(self, one: SimulatedObject, *, version: int) -> None:
        """Takes in an object that came, or is another now."""
        share = _Share(
            one.owner,
            one.resources.cpu_millicores,
            one.resources.memory_bytes,
            tuple(each.node_id for each in one.instances if each.node_id is not None),
        )
        if self._shares.get(one.name) != share:
            self.drop(one.name, version=version)
            self._shares[one.name] = share
            self._take(share, times=1, version=version)

    def drop(self, name: str, *, version: int) -> None:
        """Takes in that an object went."""
        share = self._shares.pop(name, None)
        if share is not None:
            self._take(share, times=-1, version=version)

    def foreign_use(self, *, owner: str, since: int) -> dict[str, Resources] | None:
        """By node id what is not the owner's takes; None when nothing of that changed after the version."""
        others = [each for each in self._taken if each != owner]
        if since >= 0 and all(self._changed[each] <= since for each in others):
            return None
        found: dict[str, tuple[int, int]] = {}
        for each in others:
            for node_id, (cpu, memory) in self._taken[each].items():
                held = found.get(node_id, (0, 0))
                found[node_id] = (held[0] + cpu, held[1] + memory)
        return {node_id: Resources(cpu_millicores=cpu, memory_bytes=memory) for node_id, (cpu, memory) in found.items()}

    def _take(self, share: _Share, *, times: int, version: int) -> None:
        taken = self._taken.setdefault(share.owner, {})
        self._changed[share.owner] = version
        for node_id in share.node_ids:
            cpu, memory = taken.get(node_id, (0, 0))
            left = (cpu + times * share.cpu_millicores, memory + times * share.memory_bytes)
            if left == (0, 0):
                taken.pop(node_id, None)
            else:
                taken[node_id] = left
