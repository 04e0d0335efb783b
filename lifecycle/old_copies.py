"""Of what must never run twice: the old copy that is to be gone before the one that takes its place may start.

It is gone when its removal was seen, or when somebody has said so of a place that does not answer (`lifecycle.fencing`).
"""

from __future__ import annotations

from graph.kinds import Component, Deployment, Release
from graph.view import Reader, each, get_as
from lifecycle.known_gone import is_known_gone


def follows_old_copies(deployment: Deployment, release: Release) -> bool:
    """Whether a release may start only once the copies that it takes the place of are known to be gone."""
    if not deployment.failover.single or release.running_replicas == 0:
        return False
    there = release.applied_generation > 0 or (release.observed is not None and release.observed.present)
    return not there or release.awaits_old


def old_copy(reader: Reader, release: Release) -> Release | None:
    """Of a single deployment, what must be gone before a release that is not there yet may start; None: nothing."""
    deployment = get_as(reader, Deployment, release.deployment_id)
    if deployment is None or not follows_old_copies(deployment, release):
        return None
    mine = get_as(reader, Component, release.component_id)
    for other in each(reader, Release, "deployment_id", deployment.id):
        if other.id == release.id or other.stays:
            continue
        component = get_as(reader, Component, other.component_id)
        same = mine is not None and component is not None and component.name == mine.name
        if same and not is_known_gone(reader, other):
            return other
    return None
