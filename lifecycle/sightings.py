"""Change functions of observers: what of an observation differs from the graph, and how it is written.

Each runs at head as one commit of a bounded number of changes. All are fenced by the cluster's observer epoch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from drivers.port import Condition, Observation, ObservedRelease
from graph.edit import Edit
from graph.kinds import Cluster, Instance, InstanceStatus, Node, NodeStatus, Release, ReleasePhase, Site
from graph.refusal import Refusal
from graph.values import NO_RESOURCES, Finding, Health, HealthStatus, Resources
from graph.view import Reader, each, get_as
from lifecycle.events import tell
from lifecycle.fencing import end_fence
from lifecycle.health import among, cluster_health, counts_for, finding_of, site_health, with_finding
from lifecycle.losses import with_loss
from lifecycle.observation import differs, lose_sight, take_gone, take_in, was_seen
from lifecycle.settings import LifecycleSettings
from placement.conditions import is_down


class Deposed(Refusal):
    """Another observer has taken the cluster over."""

    code = "OBSERVER_DEPOSED"


class Sighting(NamedTuple):
    """What an observation has of one release that differs from the graph."""

    release_id: str
    seen: ObservedRelease | None
    """None: no object is there."""
    version: int
    """The version at which it is not there."""


def take_over(edit: Edit, cluster_id: str) -> int:
    """Makes whoever asks the cluster's observer and gives the new epoch. Raises Deposed when the cluster is gone."""
    cluster = get_as(edit, Cluster, cluster_id)
    if cluster is None:
        raise Deposed("the cluster is no more")
    return edit.replace(cluster, observer_epoch=cluster.observer_epoch + 1).observer_epoch


def check_epoch(reader: Reader, cluster_id: str, epoch: int) -> None:
    """Raises Deposed unless the observer of that epoch is the cluster's newest."""
    cluster = get_as(reader, Cluster, cluster_id)
    if cluster is None or cluster.observer_epoch != epoch:
        raise Deposed(f"observer {epoch} of cluster {cluster_id} is not its newest")


def sightings_of(reader: Reader, cluster_id: str, observation: Observation, *, since: int) -> list[Sighting]:
    """What of an observation would change the graph.

    `since` is the revision before the backend was asked: an object that a complete observation lacks is not missed when its
    release has changed after that, for it may have been made meanwhile.
    """
    found = []
    there = set()
    for one in observation.releases:
        if one.owner != cluster_id:
            continue
        there.add(one.name)
        release = _release_of(reader, cluster_id, one.name)
        if release is not None and differs(reader, release, one):
            found.append(Sighting(release.id, one, one.version))
    for name, version in observation.gone.items():
        release = _release_of(reader, cluster_id, name)
        if release is not None and _can_be_missed(release):
            found.append(Sighting(release.id, None, version))
    if observation.complete:
        for release in each(reader, Release, "cluster_id", cluster_id):
            if release.backend_name in there or release.site_id in observation.unseen_sites or release.revision > since:
                continue
            if _can_be_missed(release):
                found.append(Sighting(release.id, None, observation.cursor.version))
    return found


def is_unknown_of(reader: Reader, cluster_id: str, observation: Observation) -> bool:
    """Whether an observation tells of an object of this graph that no release stands for.

    Nobody may want it; or it was made for a release that another process committed, and this one has not read yet. What is
    told of it is told once, so whoever asks looks at everything again.
    """
    return any(
        one.owner == cluster_id and _release_of(reader, cluster_id, one.name) is None for one in observation.releases
    )


def lose_sight_of(edit: Edit, release_ids: Sequence[str], reason: str) -> bool:
    """Takes in that releases cannot be seen."""
    for release_id in release_ids:
        release = get_as(edit, Release, release_id)
        if release is not None:
            lose_sight(edit, release, reason)
    return True


def _release_of(reader: Reader, cluster_id: str, name: str) -> Release | None:
    for release in each(reader, Release, "backend_name", name):
        if release.cluster_id == cluster_id:
            return release
    return None


def _can_be_missed(release: Release) -> bool:
    """Whether it would change anything that no object is there for the release."""
    if not release.wanted:
        return release.applied_generation >= release.generation or (
            release.observed is not None and release.observed.present
        )
    return release.applied_generation > 0 or (release.observed is not None and release.observed.present)


def is_in_sight(reader: Reader, release: Release) -> bool:
    """Whether the graph still tells of the release as if it were seen."""
    return (
        release.phase in (ReleasePhase.READY, ReleasePhase.WAITING_READY, ReleasePhase.PENDING)
        or (release.unseen_since is None and was_seen(release))
        or any(one.status is not InstanceStatus.UNKNOWN for one in each(reader, Instance, "release_id", release.id))
    )


def write_sightings(edit: Edit, sightings: Sequence[Sighting], *, settings: LifecycleSettings) -> bool:
    """Takes in what was seen and what was missed."""
    for release_id, seen, version in sightings:
        release = get_as(edit, Release, release_id)
        if release is None:
            continue
        if seen is not None:
            take_in(edit, release, seen, settings=settings)
        else:
            take_gone(edit, release, version=version, settings=settings)
    return True


def weight_of(reader: Reader, sighting: Sighting) -> int:
    """About how many changes it takes to write a sighting: the release, and the events of its drift."""
    return (
        4
        + (len(sighting.seen.instances) if sighting.seen else 0)
        + reader.count("Instance", "release_id", sighting.release_id)
    )


def write_nodes(edit: Edit, cluster_id: str, nodes: Mapping[str, Condition]) -> bool:
    """Writes the status of a cluster's own nodes; what ran on one that does not answer is UNKNOWN."""
    for node_id, condition in nodes.items():
        node = get_as(edit, Node, node_id)
        if node is None or node.cluster_id != cluster_id:
            continue
        status = NodeStatus.READY if condition.ready else NodeStatus.NOT_READY
        lost = status is NodeStatus.NOT_READY and node.status is not status
        lost_at = with_loss(node.lost_at, edit.at) if lost else node.lost_at
        after = edit.replace(node, status=status, status_reason=condition.reason, lost_at=lost_at)
        if condition.ready:
            end_fence(edit, after)
        if status is not node.status and (not condition.ready or node.status is NodeStatus.NOT_READY):
            tell(
                edit,
                after,
                "NodeReady" if condition.ready else "NodeNotReady",
                f"Node {node.name} is ready." if condition.ready else f"Node {node.name}: {condition.reason}.",
                warning=not condition.ready,
            )
        if not condition.ready:
            for instance_id in list(edit.ids("Instance", "node_id", node_id)):
                _unknown(edit, instance_id, condition.reason)
    return True


def foreign_use_changed(reader: Reader, cluster_id: str, use: Mapping[str, Resources]) -> dict[str, Resources]:
    """By node of a cluster, what others use on it where the graph has it otherwise; `use` has all that is not nothing."""
    found = {}
    for node in each(reader, Node, "cluster_id", cluster_id):
        now = use.get(node.id, NO_RESOURCES)
        if now != node.foreign_use:
            found[node.id] = now
    return found


def write_foreign_use(edit: Edit, cluster_id: str, use: Mapping[str, Resources]) -> bool:
    """Writes what others use on a cluster's own nodes."""
    for node_id, now in use.items():
        node = get_as(edit, Node, node_id)
        if node is not None and node.cluster_id == cluster_id:
            edit.replace(node, foreign_use=now)
    return True


def _unknown(edit: Edit, instance_id: str, reason: str | None) -> None:
    instance = get_as(edit, Instance, instance_id)
    if instance is not None:
        edit.replace(instance, status=InstanceStatus.UNKNOWN, message=reason)


def write_sites(edit: Edit, cluster_id: str, sites: Mapping[str, Condition]) -> bool:
    """Writes the health of sites, and that of the cluster: whoever reports on its sites answers."""
    cluster = get_as(edit, Cluster, cluster_id)
    assert cluster is not None, "its epoch was checked"
    kept = cluster.findings
    for site_id, condition in sites.items():
        site = get_as(edit, Site, site_id)
        if site is None:
            continue
        here = list(each(edit, Node, "site_id", site_id))
        if counts_for(cluster, site):
            nodes = [node for node in here if node.cluster_id == cluster_id and counts_for(node, site)]
            names = _names_of_clusters(edit, site, here) | {cluster_id: cluster.name}
            own = _finding(cluster_id, condition, nodes)
            findings = with_finding(among(site.findings, names), cluster_id, own)
            _write_health(edit, site, site_health(site.health, findings, names=names, at=edit.at), findings)
        else:
            nodes = [node for node in here if node.cluster_id == cluster_id]
            kept = with_finding(kept, site_id, _finding(site_id, condition, nodes))
        site = get_as(edit, Site, site_id)
        if condition.ready and site is not None and counts_for(cluster, site) and not is_down(site):
            end_fence(edit, site)
    write_cluster(edit, cluster, Condition(True), findings=kept)
    return True


def _finding(thing_id: str, condition: Condition, nodes: Sequence[Node]) -> Finding | None:
    ready = sum(node.status is not NodeStatus.NOT_READY for node in nodes)
    return finding_of(thing_id, condition, nodes=len(nodes), nodes_ready=ready)


def _names_of_clusters(edit: Edit, site: Site, nodes: Sequence[Node]) -> dict[str, str]:
    """The names by id of the clusters that serve a site, by their own word or by a node there, and count for it."""
    ids = dict.fromkeys((*edit.ids("Cluster", "site_ids", site.id), *(node.cluster_id for node in nodes)))
    found = (get_as(edit, Cluster, one) for one in ids)
    return {one.id: one.name for one in found if one is not None and counts_for(one, site)}


def write_cluster(
    edit: Edit, cluster: Cluster, condition: Condition, *, findings: Sequence[Finding] | None = None
) -> None:
    """Writes the health of a cluster with what it found of sites whose health is not its to write.

    Tells of its loss and return.
    """
    given = cluster.findings if findings is None else findings
    sites = (get_as(edit, Site, one.of) for one in given if _serves(edit, cluster, one.of))
    names = {one.id: one.name for one in sites if one is not None}
    kept = among(given, names)
    _write_health(
        edit, cluster, cluster_health(cluster.health, condition, findings=kept, names=names, at=edit.at), kept
    )


def _serves(edit: Edit, cluster: Cluster, site_id: str) -> bool:
    return site_id in cluster.site_ids or any(
        node.cluster_id == cluster.id for node in each(edit, Node, "site_id", site_id)
    )


def _write_health(edit: Edit, entity: Site | Cluster, health: Health, findings: list[Finding]) -> None:
    """Writes a health with what it is made from, and tells of a loss and of a return."""
    was, now = entity.health.status, health.status
    lost = now is HealthStatus.DOWN and was is not now
    lost_at = with_loss(entity.lost_at, edit.at) if lost else entity.lost_at
    after = edit.replace(entity, health=health, findings=findings, lost_at=lost_at)
    if was is not now and HealthStatus.DOWN in (was, now):
        kind, down = entity.SPEC.name, now is HealthStatus.DOWN
        told = f"{kind} {entity.name} " + (f"is down: {'; '.join(health.reasons)}." if down else "answers again.")
        tell(edit, after, f"{kind}Down" if down else f"{kind}Back", told, warning=down)


def claim_orphan(edit: Edit, cluster_id: str, one: ObservedRelease) -> bool:
    """Writes down that an orphan is about to be removed; False when a release stands for it by now.

    Its name is not in the event: it has its tenant's and deployment's in it, and whoever sees the cluster sees the event.
    """
    cluster = get_as(edit, Cluster, cluster_id)
    if cluster is None or edit.count("Release", "backend_name", one.name):
        return False
    told = f"An object that nobody wants runs on cluster {cluster.name}; it is removed."
    tell(edit, cluster, "OrphanRemoved", told, warning=True)
    return True
