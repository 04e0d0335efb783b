"""Why deployments cannot stay as they are: what of the graph says so, and from when it counts.

What is lost (a site, a control plane, a node) is read from the graph whenever it is asked for; what a policy says of where
it runs takes placement to find out, and is handed in. Both are functions of the graph, so it does not matter who asks.

A loss counts when it has lasted for the deployment's toleration. What has been lost often within the hour is waited for
longer each time: a site that flaps would else be left and come back to for ever.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from graph.kinds import (
    Cluster,
    Deployment,
    Loss,
    LossKind,
    Node,
    NodeStatus,
    Release,
    Site,
)
from graph.taints import is_tolerated, taint_text
from graph.values import TaintEffect
from graph.view import Reader, each, get_as
from lifecycle.blocked import going
from lifecycle.losses_kept import OF_PLACES, ORDER, Begun, Planned, due_of, unlisted_since
from lifecycle.releases import releases_of
from lifecycle.serving import serving_of
from lifecycle.settings import LifecycleSettings
from placement.conditions import is_down
from placement.standing import Standing

HOUR_MS = 3_600_000
MOST_TIMES = 16
"""Times of losses that are kept of a place."""
AWAY = frozenset({LossKind.SITE_DOWN, LossKind.CLUSTER_DOWN, LossKind.NODE_NOT_READY})
"""Places that do not answer: what ran there may run on."""
ROOM = frozenset({"capacity"})
"""The rules that ask for room alone."""


def with_loss(times: Sequence[int], at: int) -> list[int]:
    """When a place was lost, with once more at `at` (UTC ms)."""
    return [*(one for one in times if one > at - HOUR_MS), at][-MOST_TIMES:]


def is_lost(reader: Reader, site: Site) -> bool:
    """Whether nobody reaches a site: it is down, or all control planes that serve it are."""
    if is_down(site):
        return True
    serving = serving_of(reader, site.id)
    return bool(serving) and all(is_down(one) for one in serving)


def lost_since(reader: Reader, site: Site) -> int:
    """Since when a lost site is lost, UTC ms."""
    if is_down(site):
        return site.health.observed_at or 0
    return max((one.health.observed_at or 0 for one in serving_of(reader, site.id)), default=0)


def staying(reader: Reader, deployment_id: str) -> list[Release]:
    """The releases that a deployment is to keep."""
    return [one for one in releases_of(reader, deployment_id) if one.stays]


def losses_of(
    reader: Reader,
    deployment: Deployment,
    *,
    standing: Standing | None,
    at: int,
    settings: LifecycleSettings,
) -> list[Loss]:
    """Why a deployment cannot stay as it is, at `at` (UTC ms), by kind and subject; empty when it can.

    standing: how it stands by its policy; None: as was found last. What is known already is so since then.
    """
    stood = deployment.displacement
    known = stood.losses if stood is not None else []
    begun = Begun({one.what: one.since for one in known}, unlisted_since(stood), at)
    found = [_counted(one, deployment, begun, settings) for one in _places(reader, deployment)]
    if standing is None:
        found += [_renewed(one, deployment, settings) for one in known if one.kind not in OF_PLACES]
    else:
        found += _of_policy(reader, deployment, standing, begun=begun, settings=settings)
    planned = Planned.of(stood)
    told = (msgspec.structs.replace(one, planned=planned.has(one)) for one in found)
    return sorted(told, key=lambda one: (ORDER[one.kind], one.subject_id or ""))


def due_now(reader: Reader, deployment: Deployment, *, at: int, settings: LifecycleSettings) -> list[Loss]:
    """What a deployment has lost that counts by now; also what is not kept one by one, as far as the graph says it."""
    if deployment.displacement is None:
        return []
    if not deployment.displacement.more:
        return due_of(deployment.displacement.losses, at=at)
    return due_of(losses_of(reader, deployment, standing=None, at=at, settings=settings), at=at)


def planned_of(reader: Reader, deployment: Deployment) -> list[Loss]:
    """Those that the plan which was made puts right; all of them where that was not written down."""
    stood = deployment.displacement
    if stood is None:
        return []
    found = [one for one in stood.losses if one.planned]
    if any(one.planned for one in stood.more):
        planned, listed = Planned.of(stood), {one.what for one in stood.losses}
        begun = Begun({}, unlisted_since(stood), 0)
        rest = (_loss(one, since=_since(one, begun), due_at=_since(one, begun)) for one in _places(reader, deployment))
        found += [one for one in rest if one.what not in listed and planned.has(one)]
    return found or list(stood.losses)


def left_out(reader: Reader, deployment: Deployment, losses: Collection[Loss]) -> list[str]:
    """Ids of sites and nodes that a deployment is to leave for these losses.

    One that runs everywhere has nowhere else to run: it waits for sites that are away.
    """
    found: list[str] = []
    for one in losses:
        if one.subject_id is None:
            continue
        if one.kind in (LossKind.NODE_NOT_READY, LossKind.NODE_TAINTED):
            found.append(one.subject_id)
        elif deployment.policy.everywhere:
            continue
        elif one.kind is LossKind.SITE_DOWN:
            found.append(one.subject_id)
        elif one.kind is LossKind.CLUSTER_DOWN:
            found += [
                release.site_id for release in staying(reader, deployment.id) if release.cluster_id == one.subject_id
            ]
    return sorted(set(found))


def others_leave(reader: Reader, deployment: Deployment, losses: Iterable[Loss]) -> bool:
    """Whether a deployment lacks room at a site that others are about to leave: until they have, nobody knows how much.

    Nobody waits for those that are paused: when they leave is for who paused them to say.
    """
    for loss in losses:
        if loss.kind is not LossKind.CAPACITY:
            continue
        here = each(reader, Release, "site_id", loss.subject_id)
        others = (one for one in here if one.deployment_id != deployment.id and not one.left_behind)
        if any(not _is_paused(reader, one) for one in going(reader, others)):
            return True
    return False


def _is_paused(reader: Reader, release: Release) -> bool:
    deployment = get_as(reader, Deployment, release.deployment_id)
    return deployment is not None and deployment.paused


def found_away(reader: Reader, deployment: Deployment, site_ids: Collection[str]) -> list[str]:
    """Of some sites those that only the private clusters of a deployment find away: to everybody else they are in order."""
    found = set()
    for one in staying(reader, deployment.id):
        cluster = get_as(reader, Cluster, one.cluster_id)
        if cluster is not None and one.site_id in site_ids:
            found |= {each.of for each in cluster.findings if each.away and each.of == one.site_id}
    return sorted(found)


class _Place(NamedTuple):
    """A place that was lost."""

    kind: LossKind
    thing: Site | Cluster | Node
    words: str
    since: int | None
    """UTC ms; None: nothing tells."""

    @property
    def what(self) -> tuple[LossKind, str | None]:
        return self.kind, self.thing.id


def _since(one: _Place, begun: Begun) -> int:
    return begun.by(one.what) if one.since is None else one.since


def _loss(one: _Place, *, since: int, due_at: int) -> Loss:
    return Loss(kind=one.kind, subject_id=one.thing.id, since=since, due_at=due_at, words=one.words)


def _counted(one: _Place, deployment: Deployment, begun: Begun, settings: LifecycleSettings) -> Loss:
    since = min(_since(one, begun), begun.at)
    return _loss(one, since=since, due_at=since + wait_ms(deployment, one.thing.lost_at, at=since, settings=settings))


def _renewed(one: Loss, deployment: Deployment, settings: LifecycleSettings) -> Loss:
    """What was found earlier, by the toleration that the deployment has now."""
    return msgspec.structs.replace(one, due_at=one.since + wait_ms(deployment, (), at=one.since, settings=settings))


def _places(reader: Reader, deployment: Deployment) -> Iterator[_Place]:
    """The places that a deployment has lost, each once."""
    found = set[tuple[LossKind, str | None]]()
    for release in staying(reader, deployment.id):
        for one in _places_of(reader, deployment, release):
            if one.what not in found:
                found.add(one.what)
                yield one


def _places_of(reader: Reader, deployment: Deployment, release: Release) -> Iterator[_Place]:
    site = get_as(reader, Site, release.site_id)
    cluster = get_as(reader, Cluster, release.cluster_id)
    if site is None:
        return
    if is_down(site):
        yield _Place(LossKind.SITE_DOWN, site, f"site {site.name} is down", site.health.observed_at)
        return
    if cluster is not None and is_down(cluster):
        yield _Place(LossKind.CLUSTER_DOWN, cluster, f"cluster {cluster.name} is down", cluster.health.observed_at)
        return
    if cluster is not None and any(one.away and one.of == site.id for one in cluster.findings):
        yield _Place(LossKind.SITE_DOWN, site, f"cluster {cluster.name} finds site {site.name} away", None)
        return
    for node_id in release.assignments:
        node = get_as(reader, Node, node_id)
        if node is None:
            continue
        if node.status is NodeStatus.NOT_READY:
            since = node.lost_at[-1] if node.lost_at else None
            yield _Place(LossKind.NODE_NOT_READY, node, f"node {node.name} of site {site.name} is not ready", since)
        elif (taint := _evicts(node, deployment)) is not None:
            yield _Place(LossKind.NODE_TAINTED, node, f"node {node.name} of site {site.name} has taint {taint}", None)


def _evicts(node: Node, deployment: Deployment) -> str | None:
    """The NO_EXECUTE taint of a node that a deployment does not tolerate, in words."""
    for taint in node.taints:
        if taint.effect is TaintEffect.NO_EXECUTE and not is_tolerated(taint, deployment.policy.tolerations):
            return taint_text(taint)
    return None


def _of_policy(
    reader: Reader,
    deployment: Deployment,
    standing: Standing,
    *,
    begun: Begun,
    settings: LifecycleSettings,
) -> list[Loss]:
    def loss(kind: LossKind, site_id: str | None, words: str) -> Loss:
        since = begun.by((kind, site_id))
        due_at = since + wait_ms(deployment, (), at=since, settings=settings)
        return Loss(kind=kind, subject_id=site_id, since=since, due_at=due_at, words=words)

    def name(site_id: str) -> str:
        site = get_as(reader, Site, site_id)
        return site.name if site is not None else site_id

    here = {one.site_id for one in staying(reader, deployment.id)}
    found = []
    for one in standing.refused:
        if one.site_id not in here:
            continue
        if set(one.rules) <= ROOM:
            words = f"site {name(one.site_id)} no longer has room for all that runs there"
            found.append(loss(LossKind.CAPACITY, one.site_id, words))
        else:
            words = f"its policy refuses site {name(one.site_id)} by now: {', '.join(one.rules)}"
            found.append(loss(LossKind.POLICY, one.site_id, words))
    found += [
        loss(LossKind.SITE_JOINED, site_id, f"site {name(site_id)} matches its policy and does not run it")
        for site_id in standing.joined
    ]
    if standing.lacking and not found:
        found.append(loss(LossKind.LACKING, None, "where it runs its policy is no longer kept as a whole"))
    return found


def wait_ms(deployment: Deployment, lost_at: Sequence[int], *, at: int, settings: LifecycleSettings) -> int:
    """How long a loss is waited out that began at `at` (UTC ms), of a place that was lost at these times."""
    wait_s = max(float(deployment.failover.toleration_seconds), settings.failover_settle_s)
    times = sum(at - HOUR_MS < one <= at for one in lost_at)
    more = times - settings.flaps_an_hour
    if more > 0:
        longer = max(wait_s, settings.flap_wait_s) * 2.0 ** min(more, 30)
        wait_s = max(wait_s, min(longer, settings.flap_wait_cap_s))
    return int(wait_s * 1000)
