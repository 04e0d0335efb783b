"""Which deployments a change concerns: found by what changed, never by looking at all of them.

What runs at a site, on a node or through a control plane is in the graph's own indexes. More are kept here, from commits, of
deployments whose failover is not OFF alone: those whose policy measures ways over links (`lifecycle.failover_ways`), those
that say something of regions (`lifecycle.failover_regions`), and those that run everywhere, by what their selectors ask of a
site, so that a site that is new or has changed finds who may want it. Links and regions are looked at together, when it is
asked for: they change by the score, or concern much at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from graph.change import Change
from graph.kinds import Cluster, Deployment, Displacement, FailoverMode, Link, LossKind, Node, Region, Release, Site
from graph.kinds.policy import PlacementPolicy
from graph.paths import Network, network_of
from graph.refusal import Refusal
from graph.selectors import Operator, parse_selector
from graph.view import Reader, each, get_as
from lifecycle.failover_regions import Regions, regions_of_site
from lifecycle.failover_room import left_on, may_lack_room, may_take_more, offered
from lifecycle.failover_ways import Ways
from placement.conditions import is_down, is_not_ready

ANY = ("any", "")
Bucket = tuple[str, str]


class Concerned:
    """Deployments by what concerns them. Fed with every change, in order."""

    def __init__(self, reader: Reader, network: Callable[[], Network] | None = None) -> None:
        """`network` gives that of all that the reader shows, as it is now; None: it is made anew each time."""
        self._reader = reader
        self._watched: set[str] = set()
        self._ways = Ways(reader, network or (lambda: network_of(reader)))
        self._regions = Regions(reader)
        self._everywhere: defaultdict[Bucket, set[str]] = defaultdict(set)
        self._buckets: dict[str, tuple[Bucket, ...]] = {}

    def reload(self) -> list[str]:
        """Reads all deployments anew; gives those whose failover is not OFF, or was not."""
        self._watched.clear()
        self._ways.clear()
        self._regions.clear()
        self._everywhere.clear()
        self._buckets.clear()
        found = []
        for deployment in each(self._reader, Deployment):
            self._learn(deployment.id, deployment)
            if deployment.id in self._watched or deployment.displacement is not None:
                found.append(deployment.id)
        return found

    def is_watched(self, deployment_id: str) -> bool:
        """Whether anything is done about what a deployment loses."""
        return deployment_id in self._watched

    def of(self, change: Change) -> Iterator[tuple[str, bool]]:
        """Ids of deployments that a change may concern; whether by their policy, and not only by what is away.

        Whom links concern is told by `by_ways`, whom regions concern by `by_regions`.
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

    # By what changed

    def _of_deployment(self, change: Change) -> Iterator[tuple[str, bool]]:
        before = change.before if isinstance(change.before, Deployment) else None
        after = change.after if isinstance(change.after, Deployment) else None
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
        if after is None:
            yield from self._of_what_left(some.site_id)

    def _of_what_left(self, site_id: str) -> Iterator[tuple[str, bool]]:
        """Those that lacked room at a site which something has left."""
        for deployment_id in self._at("site_id", site_id):
            deployment = get_as(self._reader, Deployment, deployment_id)
            if deployment is not None and _lacks_room(deployment.displacement, site_id):
                yield deployment_id, True

    def _of_site(self, site_id: str, before: object, after: object) -> Iterator[tuple[str, bool]]:
        was, now = _site(before), _site(after)
        if was == now:
            return
        policy = was is None or now is None or was[1:] != now[1:]
        yield from ((one, policy) for one in self._at("site_id", site_id))
        if not isinstance(after, Site):
            return
        if policy:
            yield from ((one, True) for one in self._wanting(after))
        elif not is_down(after):
            staying = self._staying_at(site_id)
            yield from ((one, True) for one in self._wanting(after) if one not in staying)

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
            yield from self._of_what_left(after.site_id)
            yield from self._of_room(after.site_id, by=(before, after))
        elif before.status is not after.status and not is_not_ready(after):
            yield from self._of_what_left(after.site_id)
            yield from self._of_room(after.site_id)

    def _of_cluster(self, cluster_id: str, before: object, after: object) -> Iterator[tuple[str, bool]]:
        was, now = _cluster(before), _cluster(after)
        if was == now:
            return
        yield from ((one, False) for one in self._at("cluster_id", cluster_id))
        if isinstance(after, Cluster) and not is_down(after):
            for site_id in sorted(after.site_ids):
                yield from self._of_room(site_id)

    def _of_room(self, site_id: str, *, by: tuple[Node, Node] | None = None) -> Iterator[tuple[str, bool]]:
        """Those that might want a site which may have room now, and are not to stay there; `by` what a node offers alone."""
        site = get_as(self._reader, Site, site_id)
        if site is not None and self._buckets:
            staying = self._staying_at(site_id)
            wanting = (one for one in self._wanting(site) if one not in staying)
            left = None if by is None else left_on(self._reader, *by)
            yield from ((one, True) for one in wanting if left is None or may_take_more(self._reader, *left, one))

    # The indexes

    def _at(self, field: str, value: str) -> list[str]:
        found = {one.deployment_id for one in each(self._reader, Release, field, value)}
        return sorted(found & self._watched)

    def _staying_at(self, site_id: str) -> set[str]:
        """Those that are to stay at a site: what is only still to be removed there may be wanted there again."""
        return {one.deployment_id for one in each(self._reader, Release, "site_id", site_id) if _stays(one) is not None}

    def _wanting(self, site: Site) -> Iterator[str]:
        """Those that run everywhere and may want a site: their policy says whether they do."""
        found: set[str] = set()
        for bucket in self._of_what(site):
            found |= self._everywhere.get(bucket, set())
        yield from sorted(found)

    def _of_what(self, site: Site) -> Iterator[Bucket]:
        yield ANY
        yield "site", site.id
        yield from ((f"label {key}", value) for key, value in site.labels.items())
        yield from (("region", one) for one in regions_of_site(self._reader, site))

    def _learn(self, deployment_id: str, deployment: Deployment | None) -> None:
        self._watched.discard(deployment_id)
        self._ways.forget(deployment_id)
        self._regions.forget(deployment_id)
        for bucket in self._buckets.pop(deployment_id, ()):
            self._everywhere[bucket].discard(deployment_id)
        if deployment is None or deployment.failover.mode is FailoverMode.OFF:
            return
        self._watched.add(deployment_id)
        self._ways.learn(deployment)
        self._regions.learn(deployment)
        policy = deployment.policy
        if policy.everywhere:
            self._buckets[deployment_id] = tuple(_buckets(policy))
            for bucket in self._buckets[deployment_id]:
                self._everywhere[bucket].add(deployment_id)


def _buckets(policy: PlacementPolicy) -> Iterable[Bucket]:
    """What a site must have one of for the policy to select it; the narrowest of its words."""
    sites = policy.sites
    if sites.site_ids:
        return [("site", one) for one in sites.site_ids]
    try:
        asked = parse_selector(sites.labels or "", path="policy.sites.labels").requirements
    except Refusal:
        return [ANY]
    for one in asked:
        if one.operator is Operator.IN:
            return [(f"label {one.key}", value) for value in one.values]
    if sites.region_ids:
        return [("region", one) for one in sites.region_ids]
    return [ANY]


def _asked(one: Deployment) -> tuple[object, ...]:
    """What of a deployment decides whether it may stay."""
    return one.policy, one.failover, one.app_version_id, one.replicas, one.paused, one.stopped, one.phase.name in _OVER


_OVER = frozenset({"TERMINATING", "TERMINATED", "PENDING_PLACEMENT"})


def _stays(release: object) -> tuple[object, ...] | None:
    if not isinstance(release, Release) or not release.wanted or release.retires_after is not None:
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


def _cluster(cluster: object) -> tuple[object, ...] | None:
    if not isinstance(cluster, Cluster):
        return None
    away = tuple(one.of for one in cluster.findings if one.away)
    return is_down(cluster), away, cluster.site_ids, cluster.schedulable
