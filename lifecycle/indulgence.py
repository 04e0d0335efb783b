"""What a deployment already runs on, looked at as if it were in order.

Placement refuses sites that are down or cordoned, and rightly so for new work. A change of a deployment that is there is
another matter: a site that is away for a moment keeps its release and gets the newest generation when it returns, and a
cordon keeps new work away but not what runs there. So its own sites, their clusters and, while they are away, their nodes
are shown to placement without these blemishes. Drains leave their target out of this. So does failover what was lost; it
also looks at the deployment's own nodes so, for a cordon or a NO_SCHEDULE taint moves nothing that runs.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import msgspec

from graph.change import Change, Commit
from graph.entity import Entity
from graph.kinds import Cluster, Node, NodeStatus, Release, Site
from graph.values import UNKNOWN_HEALTH, HealthStatus
from graph.view import Reader, each, get_as
from lifecycle.releases import releases_of


class Blemished(NamedTuple):
    """What of a deployment's own infrastructure placement would refuse."""

    sites: frozenset[str]
    clusters: frozenset[str]
    nodes: frozenset[str] = frozenset()
    """Single machines; those that are away with their site are not among them."""

    def __bool__(self) -> bool:
        return bool(self.sites or self.clusters or self.nodes)


NONE = Blemished(frozenset(), frozenset())


def blemished(
    reader: Reader, deployment_id: str, *, leave_out: Collection[str] = (), with_nodes: bool = False
) -> Blemished:
    """The sites where a deployment is to stay, and their clusters, that are down or cordoned.

    A site none of whose nodes is ready is as good as down: that it is away is believed a little after that they are.
    with_nodes: single nodes count instead: those that it has reserved which are not ready, cordoned or tainted.
    """
    sites, clusters, nodes = set(), set(), set()
    for release in releases_of(reader, deployment_id):
        if not release.stays or release.site_id in leave_out:
            continue
        site = get_as(reader, Site, release.site_id)
        if site is not None and (_refused(site) or (not with_nodes and _has_lost_its_nodes(reader, release))):
            sites.add(site.id)
        cluster = get_as(reader, Cluster, release.cluster_id)
        if cluster is not None and _refused(cluster):
            clusters.add(cluster.id)
        for node_id in release.assignments if with_nodes else ():
            node = get_as(reader, Node, node_id)
            if node is not None and node_id not in leave_out and _keeps_off(node):
                nodes.add(node_id)
    return Blemished(frozenset(sites), frozenset(clusters), frozenset(nodes))


class Indulgent:
    """A reader that shows some sites and clusters, and the nodes that are away with them, as if they were in order."""

    def __init__(self, reader: Reader, what: Blemished) -> None:
        self._reader = reader
        self._what = what
        self._dark: dict[str, bool] = {}
        """By site, whether none of its nodes is ready."""

    @property
    def revision(self) -> int:
        """The revision that is read."""
        return self._reader.revision

    @property
    def epoch(self) -> str:
        """The graph's epoch."""
        return self._reader.epoch

    def get(self, entity_id: str) -> Entity | None:
        """The entity with this id, in order."""
        return self._in_order(self._reader.get(entity_id))

    def find(self, kind: str, name: str, scope: str = "") -> Entity | None:
        """The entity of a named kind by its name within a scope, in order."""
        return self._in_order(self._reader.find(kind, name, scope))

    def find_external(self, system: str, external_id: str, tenant_id: str | None = None) -> Entity | None:
        """The entity that has this external id, in order."""
        return self._in_order(self._reader.find_external(system, external_id, tenant_id))

    def ids(self, kind: str, field: str | None = None, value: str | None = None) -> Sequence[str]:
        """Ids as the reader below has them."""
        return self._reader.ids(kind, field, value)

    def ids_by_name(self, kind: str) -> Sequence[str]:
        """All ids of a named kind, ordered by name, then id."""
        return self._reader.ids_by_name(kind)

    def count(self, kind: str, field: str | None = None, value: str | None = None) -> int:
        """How many `ids` would give."""
        return self._reader.count(kind, field, value)

    def changes(self) -> Commit:
        """What differs from the reader below, as a commit that was never made."""
        what, reader = self._what, self._reader
        ids = dict.fromkeys((*sorted(what.sites), *sorted(what.clusters), *sorted(what.nodes)))
        for site_id in what.sites:
            ids.update(dict.fromkeys(reader.ids("Node", "site_id", site_id)))
        for cluster_id in what.clusters:
            ids.update(dict.fromkeys(reader.ids("Node", "cluster_id", cluster_id)))
        both = [(before, after) for one in ids if (before := reader.get(one)) is not None and (after := self.get(one))]
        changes = [Change(one.SPEC.name, one.id, one, after) for one, after in both if after is not one]
        return Commit(revision=self.revision, draft_id="", at=0, author="", action="lifecycle.indulge", changes=changes)

    def _in_order(self, found: Entity | None) -> Entity | None:
        if isinstance(found, Site) and found.id in self._what.sites:
            return msgspec.structs.replace(found, health=UNKNOWN_HEALTH, schedulable=True)
        if isinstance(found, Cluster) and found.id in self._what.clusters:
            return msgspec.structs.replace(found, health=UNKNOWN_HEALTH, schedulable=True)
        if isinstance(found, Node) and found.id in self._what.nodes:
            return msgspec.structs.replace(
                found, status=NodeStatus.UNKNOWN, status_reason=None, schedulable=True, taints=[]
            )
        if isinstance(found, Node) and found.status is NodeStatus.NOT_READY and self._away(found):
            return msgspec.structs.replace(found, status=NodeStatus.UNKNOWN, status_reason=None)
        return found

    def _away(self, node: Node) -> bool:
        """Whether the node is away with its site or cluster, and not by itself."""
        if node.site_id in self._what.sites:
            site = get_as(self._reader, Site, node.site_id)
            if site is not None and site.health.status is HealthStatus.DOWN:
                return True
            if node.site_id not in self._dark:
                self._dark[node.site_id] = _is_dark(self._reader, node.site_id)
            return self._dark[node.site_id]
        return node.cluster_id in self._what.clusters


def indulged(reader: Reader, what: Blemished) -> Reader:
    """A reader that shows those as if they were in order: the reader itself, which is quicker, where there are none."""
    return Indulgent(reader, what) if what else reader


def _is_dark(reader: Reader, site_id: str) -> bool:
    return all(one.status is NodeStatus.NOT_READY for one in each(reader, Node, "site_id", site_id))


def _has_lost_its_nodes(reader: Reader, release: Release) -> bool:
    """Whether no node of its site is ready; its own are looked at first, for they are few."""
    own = [get_as(reader, Node, one) for one in release.assignments]
    if not own or any(one is None or one.status is not NodeStatus.NOT_READY for one in own):
        return False
    return _is_dark(reader, release.site_id)


def _keeps_off(node: Node) -> bool:
    return not node.schedulable or node.status is NodeStatus.NOT_READY or bool(node.taints)


def _refused(thing: Site | Cluster) -> bool:
    return not thing.schedulable or thing.health.status is HealthStatus.DOWN
