"""How the sites and nodes of a simulated cluster are, each with the version of its last change.

What changed after a version can so be told to any connection, whichever was there before, as with objects. Conditions
are made anew only when something can have changed: they are 100,000 in a large network. There is no task a site: a site
that nobody calls costs one hash a look, and only when outages are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from drivers.port import NO_ANSWER, Condition, Inventory
from drivers.simulated.faults import is_away
from drivers.simulated.settings import Behaviour, faults_at
from drivers.simulated.world import World
from graph.kinds import Node

READY = Condition(True)
AWAY = Condition(False, NO_ANSWER)
NODE_AWAY = Condition(False, "the node does not answer")
SITE_AWAY = Condition(False, "its site does not answer")


class Conditions:
    """Of one inventory: that of whoever observes the cluster."""

    def __init__(self, world: World, inventory: Inventory) -> None:
        self._world = world
        self._inventory = inventory
        self._stamp: int | None = None
        self.behaviour: Behaviour | None = None
        """How the cluster behaved at the last look."""
        self._sites: Mapping[str, str] = {}
        self._nodes: Mapping[str, tuple[str, str]] = {}
        self._told_sites = _Told()
        self._told_nodes = _Told()
        self.unseen: frozenset[str] = frozenset()
        """Sites that are away."""
        self.look_due = float("-inf")
        """When the sites are looked at again, in seconds of the monotonic clock."""

    def look(self, behaviour: Behaviour, *, now: float) -> None:
        """Reads the inventory when it changed and, when it is time, looks at each site: that is a call to it."""
        stamp = self._inventory.stamp
        changed = stamp != self._stamp or behaviour is not self.behaviour
        if stamp != self._stamp:
            self._stamp = stamp
            self._sites = dict(self._inventory.sites())
            self._nodes = dict(self._inventory.nodes())
        self.behaviour = behaviour
        if now >= self.look_due:
            self.look_due = now + behaviour.observe_every_ms / 1000
            if _has_outages(behaviour):
                for site in self._sites:
                    self._world.next_call(site)
                changed = True
        if not changed:
            return
        away_sites, away_nodes = frozenset(behaviour.away_sites), frozenset(behaviour.away_nodes)
        self.unseen = frozenset(
            site
            for site, name in self._sites.items()
            if site in away_sites or name in away_sites or self._in_outage(behaviour, site, name)
        )
        sites = {site: AWAY if site in self.unseen else READY for site in self._sites}
        nodes = {
            node: NODE_AWAY if node in away_nodes or name in away_nodes else SITE_AWAY if site in self.unseen else READY
            for node, (name, site) in self._nodes.items()
        }
        self._told_sites.update(sites, self._world.next_version)
        self._told_nodes.update(nodes, self._world.next_version)

    def sites(self, *, since: int) -> dict[str, Condition]:
        """Sites whose condition changed after a version; with -1 all of them."""
        return self._told_sites.since(since)

    def nodes(self, *, since: int) -> dict[str, Condition]:
        """Nodes whose condition changed after a version; with -1 all of them."""
        return self._told_nodes.since(since)

    def nodes_at(self, site_id: str) -> Sequence[Node]:
        """The nodes of a site as they are now; none: they are not known."""
        return self._inventory.nodes_at(site_id)

    def node_answers(self, node_id: str | None) -> bool:
        """Whether a node is not away by itself; one that is not known answers."""
        return self._told_nodes.now.get(node_id or "") != NODE_AWAY

    @property
    def some_node_is_away(self) -> bool:
        """Whether one may be away by itself."""
        return self.behaviour is not None and bool(self.behaviour.away_nodes)

    def _in_outage(self, behaviour: Behaviour, site_id: str, site: str) -> bool:
        faults = faults_at(behaviour, site_id=site_id, site=site)
        return is_away(faults, site, max(self._world.calls.get(site_id, 0) - 1, 0))


class _Told:
    """Conditions by id, in the order of their last change."""

    def __init__(self) -> None:
        self.now: dict[str, Condition] = {}
        self._versions: dict[str, int] = {}

    def update(self, now: dict[str, Condition], next_version: Callable[[], int]) -> None:
        changed = [key for key, condition in now.items() if self.now.get(key) != condition]
        gone = (
            [key for key in self._versions if key not in now] if len(now) < len(self._versions) + len(changed) else []
        )
        for key in gone:
            del self._versions[key]
        self.now = now
        if changed:
            version = next_version()
            for key in changed:
                self._versions.pop(key, None)
                self._versions[key] = version

    def since(self, version: int) -> dict[str, Condition]:
        if version < 0:
            return self.now
        found = {}
        for key in reversed(self._versions):
            if self._versions[key] <= version:
                break
            found[key] = self.now[key]
        return found


def _has_outages(behaviour: Behaviour) -> bool:
    return bool(behaviour.outage_rate) or any("outageRate" in own for own in behaviour.sites.values())
