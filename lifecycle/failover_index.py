"""Which deployments a change concerns: found by what changed, never by looking at all of them.

What runs at a site, on a node or through a control plane is in the graph's own indexes. More are kept here, from commits, of
deployments whose failover is not OFF alone: those whose policy measures ways over links (`lifecycle.failover_ways`), those
that say something of regions (`lifecycle.failover_regions`), and those that run everywhere, by what their selectors ask of a
site (`lifecycle.wanting`), so that a site that is new or has changed finds who may want it. Links, regions and what releases
have left (`lifecycle.freed_room`) are looked at together, when it is asked for: they change by the score, or concern much
at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from graph.change import Change
from graph.kinds import (
    Cluster,
    Deployment,
    Displacement,
    DisplacementState,
    FailoverMode,
    Link,
    LossKind,
    Node,
    Region,
    Release,
    Site,
)
from graph.paths import Network, network_of
from graph.view import Reader, each, get_as
from lifecycle.failover_regions import Regions
from lifecycle.failover_room import left_on, may_lack_room, may_take_more, offered
from lifecycle.failover_ways import Ways
from lifecycle.freed_room import FreedRoom, woken
from lifecycle.wanting import Wanting
from placement.conditions import is_down, is_not_ready


class Concerned:
    """Deployments by what concerns them. Fed with every change, in order."""

    def __init__(self, reader: Reader, network: Callable[[], Network] | None = None) -> None:
        """`network` gives that of all that the reader shows, as it is now; None: it is made anew each time."""
        self._reader = reader
        self._watched: set[str] = set()
        self._ways = Ways(reader, network or (lambda: network_of(reader)))
        self._regions = Regions(reader)
        self._everywhere = Wanting(reader)
        self._displaced = Wanting(reader)
        """Those that may come to have nowhere to go: what is left while that is being decided is noted for them."""
        self._lacking: set[str] = set()
        """Those that lack room where they run."""
        self._freed = FreedRoom(reader)

    def reload(self) -> list[str]:
        """Reads all deployments anew; gives those whose failover is not OFF, or was not."""
        self._watched.clear()
        self._ways.clear()
        self._regions.clear()
        self._everywhere.clear()
        self._displaced.clear()
        self._lacking.clear()
        self._freed.clear()
        found = []
        for deployment in each(self._reader, Deployment):
            self._learn(deployment.id, deployment)
            self._learn_displaced(deployment.id, deployment)
            if deployment.id in self._watched or deployment.displacement is not None:
                found.append(deployment.id)
        return found

    def is_watched(self, deployment_id: str) -> bool:
        """Whether anything is done about what a deployment loses."""
        return deployment_id in self._watched

    def of(self, change: Change) -> Iterator[tuple[str, bool]]:
        """Ids of deployments that a change may concern; whether by their policy, and not only by what is away.

        Whom links concern is told by `by_ways`, whom regions concern by `by_regions`, who waited for room by `by_room`.
        """
        before, after = change.before, change.after
        if change.kind == "Deployment":
            yield from self._of_deployment(change)
        elif isinstance(before, Release) or isinstance(after, Release):
            yield from self._of_release(before, after)
        elif isinstance(before, Site) or isinstance(after, Site):
            yield from self._of_site(change.id, before, after)
        elif isinstance(before, Node) or isinstance(after, Node):
            yield from self._of_node(change.id, before, after)
        elif isinstance(before, Cluster) or isinstance(after, Cluster):
            yield from self._of_cluster(change.id, before, after)

    def note_link(self, change: Change) -> bool:
        """Takes in a change of a link; whether `by_ways` may find somebody by it."""
        before, after = change.before, change.after
        return self._ways.note(before if isinstance(before, Link) else None, after if isinstance(after, Link) else None)

    def by_ways(self) -> Iterator[str]:
        """Ids of deployments that the links which have changed since the last time may concern, by their policy."""
        return self._ways.take()

    def note_region(self, change: Change) -> bool:
        """Takes in a change of a region; whether `by_regions` may find somebody by it."""
        before, after = change.before, change.after
        was = before if isinstance(before, Region) else None
        return self._regions.note(was, after if isinstance(after, Region) else None)

    def by_regions(self) -> Iterator[str]:
        """Ids of deployments that the regions which have changed since the last time may concern, by their policy."""
        return self._regions.take()

    def note_release(self, change: Change) -> bool:
        """Takes in a change of a release; whether `by_room` may find somebody by it."""
        return bool(self._everywhere or self._displaced or self._lacking) and self._freed.note(change)

    def by_room(self) -> Iterator[str]:
        """Ids of deployments that may have use for the room which releases have left at some sites.

        While `has_room` there are further sites.
        """
        freed = self._freed.take()
        for site_id in freed:
            yield from self._of_what_left(site_id)
        yield from woken(self._reader, freed, self._waiting_at)

    @property
    def has_room(self) -> bool:
        """Whether `by_room` may find somebody."""
        return bool(self._freed)

    def _waiting_at(self, site: Site) -> list[str]:
        """Those that might run at a site and are not to stay there: all that run everywhere, and what has nowhere to go."""
        wanting = {*self._everywhere.at(site), *filter(self._is_stuck, self._displaced.at(site))}
        return sorted(wanting - self._staying_at(site.id)) if wanting else []

    def _is_stuck(self, deployment_id: str) -> bool:
        deployment = get_as(self._reader, Deployment, deployment_id)
        stands = deployment.displacement if deployment is not None else None
        return stands is not None and stands.state is DisplacementState.STUCK

    # By what changed

    def _of_deployment(self, change: Change) -> Iterator[tuple[str, bool]]:
        before = change.before if isinstance(change.before, Deployment) else None
        after = change.after if isinstance(change.after, Deployment) else None
        self._learn_displaced(change.id, after)
        if before is not None and after is not None and _asked(before) == _asked(after):
            return
        self._learn(change.id, after)
        if after is not None and (change.id in self._watched or after.displacement is not None):
            yield change.id, True

    def _of_release(self, before: object, after: object) -> Iterator[tuple[str, bool]]:
        some = after if isinstance(after, Release) else before
        if not isinstance(some, Release):
            return
        if some.deployment_id in self._watched and _stays(before) != _stays(after):
            yield some.deployment_id, False

    def _of_what_left(self, site_id: str) -> Iterator[str]:
        """Those that lacked room at a site which something has left."""
        for deployment_id in self._at("site_id", site_id) if self._lacking else ():
            deployment = get_as(self._reader, Deployment, deployment_id)
            if deployment is not None and _lacks_room(deployment.displacement, site_id):
                yield deployment_id

    def _of_site(self, site_id: str, before: object, after: object) -> Iterator[tuple[str, bool]]:
        was, now = _site(before), _site(after)
        if was == now:
            return
        policy = was is None or now is None or was[1:] != now[1:]
        yield from ((one, policy) for one in self._at("site_id", site_id))
        if not isinstance(after, Site):
            return
        if policy:
            yield from ((one, True) for one in self._everywhere.at(after))
        elif not is_down(after):
            staying = self._staying_at(site_id)
            yield from ((one, True) for one in self._everywhere.at(after) if one not in staying)

    def _of_node(self, node_id: str, before: object, after: object) -> Iterator[tuple[str, bool]]:
        was, now = _node(before), _node(after)
        if was == now and _room(before) == _room(after):
            return
        policy = was is None or now is None or was[1:] != now[1:]
        if was != now:
            yield from ((one, policy) for one in self._at("assignments", node_id))
        node = after if isinstance(after, Node) else before
        if not isinstance(node, Node):
            return
        if not isinstance(before, Node) or not isinstance(after, Node) or policy:
            yield from self._of_room(node.site_id)
            return
        if not offered(after).covers(offered(before)) and may_lack_room(self._reader, after):
            yield from ((one, True) for one in self._at("assignments", node_id))
        if not offered(before).covers(offered(after)):
            yield from ((one, True) for one in self._of_what_left(after.site_id))
            yield from self._of_room(after.site_id, by=(before, after))
        elif before.status is not after.status and not is_not_ready(after):
            yield from ((one, True) for one in self._of_what_left(after.site_id))
            yield from self._of_room(after.site_id)

    def _of_cluster(self, cluster_id: str, before: object, after: object) -> Iterator[tuple[str, bool]]:
        was, now = _cluster(before), _cluster(after)
        if was == now:
            return
        if was is None or now is None or was.whole != now.whole:
            yield from ((one, False) for one in self._at("cluster_id", cluster_id))
            sites = frozenset[str]() if now is None else now.serves
        else:
            sites = (was.serves ^ now.serves) | (was.away ^ now.away)
            for site_id in sorted(sites):
                yield from ((one, False) for one in self._through(cluster_id, site_id))
        if isinstance(after, Cluster) and now is not None and not is_down(after):
            for site_id in sorted(sites & now.serves):
                yield from self._of_room(site_id)

    def _of_room(self, site_id: str, *, by: tuple[Node, Node] | None = None) -> Iterator[tuple[str, bool]]:
        """Those that might want a site which may have room now, and are not to stay there; `by` what a node offers alone."""
        site = get_as(self._reader, Site, site_id)
        if site is not None and self._everywhere:
            staying = self._staying_at(site_id)
            wanting = (one for one in self._everywhere.at(site) if one not in staying)
            left = None if by is None else left_on(self._reader, *by)
            yield from ((one, True) for one in wanting if left is None or may_take_more(self._reader, *left, one))

    # The indexes

    def _at(self, field: str, value: str) -> list[str]:
        found = {one.deployment_id for one in each(self._reader, Release, field, value)}
        return sorted(found & self._watched)

    def _through(self, cluster_id: str, site_id: str) -> list[str]:
        here = each(self._reader, Release, "site_id", site_id)
        return sorted({one.deployment_id for one in here if one.cluster_id == cluster_id} & self._watched)

    def _staying_at(self, site_id: str) -> set[str]:
        """Those that are to stay at a site: what is only still to be removed there may be wanted there again."""
        return {one.deployment_id for one in each(self._reader, Release, "site_id", site_id) if _stays(one) is not None}

    def _learn_displaced(self, deployment_id: str, deployment: Deployment | None) -> None:
        self._displaced.forget(deployment_id)
        self._lacking.discard(deployment_id)
        stands = deployment.displacement if deployment is not None else None
        if deployment is None or stands is None:
            return
        self._displaced.learn(deployment_id, deployment.policy)
        kinds = {one.kind for one in stands.losses} | {one.kind for one in stands.more}
        if LossKind.CAPACITY in kinds:
            self._lacking.add(deployment_id)

    def _learn(self, deployment_id: str, deployment: Deployment | None) -> None:
        self._watched.discard(deployment_id)
        self._ways.forget(deployment_id)
        self._regions.forget(deployment_id)
        self._everywhere.forget(deployment_id)
        if deployment is None or deployment.failover.mode is FailoverMode.OFF:
            return
        self._watched.add(deployment_id)
        self._ways.learn(deployment)
        self._regions.learn(deployment)
        if deployment.policy.everywhere:
            self._everywhere.learn(deployment_id, deployment.policy)


def _asked(one: Deployment) -> tuple[object, ...]:
    """What of a deployment decides whether it may stay."""
    return one.policy, one.failover, one.app_version_id, one.replicas, one.paused, one.stopped, one.phase.name in _OVER


_OVER = frozenset({"TERMINATING", "TERMINATED", "PENDING_PLACEMENT"})


def _stays(release: object) -> tuple[object, ...] | None:
    if not isinstance(release, Release) or not release.stays:
        return None
    return release.site_id, release.cluster_id, release.assignments, release.replicas


def _lacks_room(displacement: Displacement | None, site_id: str) -> bool:
    """Whether a site may have no room for all that runs there: of very many such sites it is not kept which they are."""
    if displacement is None:
        return False
    here = any(one.kind is LossKind.CAPACITY and one.subject_id == site_id for one in displacement.losses)
    return here or any(one.kind is LossKind.CAPACITY for one in displacement.more)


def _site(site: object) -> tuple[object, ...] | None:
    """What of a site matters: first that it is away, then all that policies ask of it."""
    if not isinstance(site, Site):
        return None
    asked = (site.labels, site.region_id, site.tier, site.role, site.position, site.capacity, site.schedulable)
    return (is_down(site), site.fence), asked


def _node(node: object) -> tuple[object, ...] | None:
    if not isinstance(node, Node):
        return None
    asked = (node.labels, node.taints, node.arch, node.site_id, node.cluster_id)
    return (node.status, node.fence), asked, node.schedulable


def _room(node: object) -> tuple[object, ...] | None:
    return (node.usable, node.foreign_use) if isinstance(node, Node) else None


class _Cluster(NamedTuple):
    """What of a cluster matters: of all its sites, and of some."""

    whole: tuple[bool, bool]
    serves: frozenset[str]
    away: frozenset[str]
    """Sites that it finds away."""


def _cluster(cluster: object) -> _Cluster | None:
    if not isinstance(cluster, Cluster):
        return None
    away = frozenset(one.of for one in cluster.findings if one.away)
    return _Cluster((is_down(cluster), cluster.schedulable), frozenset(cluster.site_ids), away)
