"""Free capacity: allocatable - foreign use - max(observed, desired) of our releases.

Per node where nodes are observed, per site (`Site.capacity`) otherwise. What is desired of a release on a node is what it
reserved there; what is observed are its instances there. The greater counts, release by release: a replica that moves holds
both places until the old one is gone, and a release that is being removed keeps its reservation while it exists. Replicas
that are known to exist but not on which node count against their site's total.

Ask with a reader that sees all tenants' releases: what others use is used, whoever looks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from graph.kinds import Instance, InstanceStatus, Node, Release, Site
from graph.values import NO_RESOURCES, Resources
from graph.view import Reader, each, get_as
from placement.conditions import is_seen_by


def nodes_of(reader: Reader, site_id: str, *, tenant_id: str | None = None) -> Iterator[Node]:
    """The nodes of a site that a tenant may use, by ascending id."""
    return (node for node in each(reader, Node, "site_id", site_id) if is_seen_by(node, tenant_id))


def holds_resources(instance: Instance) -> bool:
    """Whether an instance takes up what it asked for: one that failed no longer does."""
    return instance.status is not InstanceStatus.FAILED


def replicas_of(release: Release) -> int:
    """Replicas that a release may have at its site: max(observed, desired)."""
    observed = release.observed
    return max(release.replicas, observed.replicas if observed is not None and observed.present else 0)


def placed_replicas(release: Release, seen: Mapping[str, int]) -> dict[str, int]:
    """Replicas that count on each node: max of those reserved and of those seen there, by node id."""
    placed = dict(release.assignments)
    for node_id, count in seen.items():
        placed[node_id] = max(count, placed.get(node_id, 0))
    return placed


def instances_by_node(reader: Reader, release_id: str) -> Counter[str]:
    """How many instances of a release are seen on each node, by node id."""
    return Counter(
        one.node_id
        for one in each(reader, Instance, "release_id", release_id)
        if one.node_id is not None and holds_resources(one)
    )


def node_use(reader: Reader, node_id: str, *, excluding_deployment_id: str | None = None) -> Resources:
    """What our releases take up on a node."""
    seen = Counter(one.release_id for one in each(reader, Instance, "node_id", node_id) if holds_resources(one))
    used = NO_RESOURCES
    for release_id in dict.fromkeys((*reader.ids("Release", "assignments", node_id), *seen)):
        release = get_as(reader, Release, release_id)
        if release is not None and release.deployment_id != (excluding_deployment_id or ""):
            used = used.plus(release.resources.times(max(release.assignments.get(node_id, 0), seen[release_id])))
    return used


def free_at_node(reader: Reader, node: Node, *, excluding_deployment_id: str | None = None) -> Resources:
    """What is free on a node for more of our work; never below zero."""
    used = node_use(reader, node.id, excluding_deployment_id=excluding_deployment_id)
    return node.usable.minus(node.foreign_use).minus(used)


class SiteUse(NamedTuple):
    """What our releases take up at a site."""

    by_node: Mapping[str, Resources]
    """On each of its nodes, by id; nothing where a node is missing."""
    on_no_node: Resources
    """On no particular node: all of it where nodes are not observed."""

    def on(self, node_id: str) -> Resources:
        """What is taken up on a node."""
        return self.by_node.get(node_id, NO_RESOURCES)


def site_use(
    reader: Reader, site_id: str, nodes: Sequence[Node], *, excluding_deployment_id: str | None = None
) -> SiteUse:
    """What our releases take up at a site, with each instance and release looked at once: of its nodes what `node_use` says.

    nodes: those of the site that count, none where they are not observed.
    """
    by_node: dict[str, Resources] = {}
    placed: Counter[str] = Counter()
    met: Counter[str] = Counter()
    for node in nodes:
        seen: Counter[str] = Counter()
        for one in each(reader, Instance, "node_id", node.id):
            met[one.release_id] += 1
            seen[one.release_id] += holds_resources(one)
        for release_id in dict.fromkeys((*reader.ids("Release", "assignments", node.id), *seen)):
            release = get_as(reader, Release, release_id)
            if release is None or release.deployment_id == (excluding_deployment_id or ""):
                continue
            count = max(release.assignments.get(node.id, 0), seen[release_id])
            if not count:
                continue
            placed[release_id] += count
            used = release.resources.times(count)
            by_node[node.id] = by_node[node.id].plus(used) if node.id in by_node else used
    here = {node.id for node in nodes}
    on_no_node = NO_RESOURCES
    for release in each(reader, Release, "site_id", site_id):
        if release.deployment_id == (excluding_deployment_id or ""):
            continue
        count = replicas_of(release)
        if nodes:
            known = met[release.id] == reader.count("Instance", "release_id", release.id)
            if known and release.assignments.keys() <= here:
                count -= placed[release.id]
            else:  # some are on nodes that do not count here, or on none
                count -= sum(placed_replicas(release, instances_by_node(reader, release.id)).values())
        if count > 0:
            on_no_node = on_no_node.plus(release.resources.times(count))
    return SiteUse(by_node, on_no_node)


def total_at_site(reader: Reader, site: Site, *, tenant_id: str | None = None) -> Resources | None:
    """What a site offers to all: the sum over its nodes, or its stated capacity; None when neither is known."""
    nodes = list(nodes_of(reader, site.id, tenant_id=tenant_id))
    if not nodes:
        return site.capacity
    total = NO_RESOURCES
    for node in nodes:
        total = total.plus(node.usable)
    return total


def free_at_site(
    reader: Reader, site: Site, *, tenant_id: str | None = None, excluding_deployment_id: str | None = None
) -> Resources | None:
    """What is free at a site for more of our work; None when neither nodes nor a capacity are known.

    A sum over nodes: that it covers a need does not say that the need fits on any one of them.
    """
    nodes = list(nodes_of(reader, site.id, tenant_id=tenant_id))
    use = site_use(reader, site.id, nodes, excluding_deployment_id=excluding_deployment_id)
    return free_beside(site, nodes, use)


def free_beside(site: Site, nodes: Sequence[Node], use: SiteUse) -> Resources | None:
    """The same, where the nodes of the site and what is used are known already."""
    free = site.capacity
    if nodes:
        free = NO_RESOURCES
        for node in nodes:
            free = free.plus(free_on(node, use))
    return None if free is None else free.minus(use.on_no_node)


def free_on(node: Node, use: SiteUse) -> Resources:
    """What `free_at_node` says of a node of the site."""
    return node.usable.minus(node.foreign_use).minus(use.on(node.id))
