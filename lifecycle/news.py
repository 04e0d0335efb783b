"""What of a change is news to whoever works on releases: a place answers again, somebody spoke, a connection is another.

Functions of one change, so that the doorbell is rung for what a commit says and for nothing else.
"""

from __future__ import annotations

from graph.change import Change
from graph.kinds import Cluster, Deployment, Node, Release, Site
from graph.values import HealthStatus


def reach_of(value: object) -> tuple[object, ...] | None:
    """What of a cluster says how it is reached, and how often it may be called."""
    return (value.endpoint, value.calls_per_second) if isinstance(value, Cluster) else None


def fenced(change: Change) -> bool:
    """Whether somebody has said that nothing runs at a site or node any more."""
    before, after = change.before, change.after
    return (
        isinstance(before, Site | Node)
        and isinstance(after, Site | Node)
        and before.fence is None
        and after.fence is not None
    )


def resumed(change: Change) -> bool:
    """Whether a deployment is not paused any more."""
    before, after = change.before, change.after
    return isinstance(before, Deployment) and isinstance(after, Deployment) and before.paused and not after.paused


def is_another(change: Change) -> bool:
    """Whether what a cluster's connection depends on is another: what was left unanswered was another connection's."""
    before, after = change.before, change.after
    return (
        isinstance(before, Cluster)
        and isinstance(after, Cluster)
        and (before.driver, before.endpoint, before.credentials_id, before.configuration)
        != (after.driver, after.endpoint, after.credentials_id, after.configuration)
    )


def was_seen(change: Change) -> bool:
    """Whether an observation of a release is newer than what was known of it."""
    before, after = change.before, change.after
    if not isinstance(before, Release) or not isinstance(after, Release) or after.observed is None:
        return False
    return before.observed is None or after.observed.version > before.observed.version


def came_back(change: Change) -> bool:
    """Whether a site or cluster that was down answers again."""
    before, after = change.before, change.after
    return (
        isinstance(before, Site | Cluster)
        and isinstance(after, Site | Cluster)
        and before.health.status is HealthStatus.DOWN
        and after.health.status is not HealthStatus.DOWN
    )


def reached_again(change: Change) -> list[str]:
    """The sites that a cluster found away until now; for those whose health it writes, `came_back` tells."""
    before, after = change.before, change.after
    if not isinstance(before, Cluster) or not isinstance(after, Cluster) or before.findings is after.findings:
        return []
    away = {one.of for one in after.findings if one.away}
    return [one.of for one in before.findings if one.away and one.of not in away]
