"""What is scaled by a process now: each scaled component at each site of its share, and why some are left alone.

Found from the policies, never from all releases: a round costs as much as there are scaled deployments' releases, whatever
else is in the graph.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from graph.kinds import GIVEN_UP, Component, Deployment, DeploymentPhase, Release, ScalingPolicy, SiteScaling
from graph.view import Reader, each, get_as
from lifecycle.share import Share

NOT_SCALED = {
    DeploymentPhase.PENDING_PLACEMENT: "its deployment waits to be placed",
    DeploymentPhase.PAUSED: "its deployment is paused",
    DeploymentPhase.STOPPED: "its deployment is stopped",
    DeploymentPhase.TERMINATING: "its deployment is being terminated",
    DeploymentPhase.TERMINATED: "its deployment has been terminated",
}
"""Why deployments in some phases are not scaled. What waits for approval is beside what runs, which goes on being scaled."""


class Target(NamedTuple):
    """A scaled component at one site."""

    policy: ScalingPolicy
    deployment: Deployment
    component: Component
    release: Release
    standing: SiteScaling | None
    held: str | None
    """Why it is left alone; None: it is scaled."""

    @property
    def key(self) -> tuple[str, str]:
        """The policy's id and the site's."""
        return self.policy.id, self.release.site_id


def targets_of(reader: Reader, share: Share) -> Iterator[Target]:
    """What is scaled at the sites of a share."""
    for policy in each(reader, ScalingPolicy):
        deployment = get_as(reader, Deployment, policy.deployment_id)
        if deployment is None:
            continue
        standings = {one.site_id: one for one in each(reader, SiteScaling, "policy_id", policy.id)}
        for release in each(reader, Release, "deployment_id", deployment.id):
            component = get_as(reader, Component, release.component_id)
            if component is None or component.name != policy.component or not share.holds(release.site_id):
                continue
            if release.wanted and release.retires_after is None and not release.standby:
                why = held(deployment, release, component)
                yield Target(policy, deployment, component, release, standings.get(release.site_id), why)


def left_behind(reader: Reader, share: Share) -> list[SiteScaling]:
    """Standings at sites of a share where the component is not any more."""
    found = []
    for policy in each(reader, ScalingPolicy):
        here = None
        for one in each(reader, SiteScaling, "policy_id", policy.id):
            if not share.holds(one.site_id):
                continue
            here = _sites(reader, policy) if here is None else here
            if one.site_id not in here:
                found.append(one)
    return found


def held(deployment: Deployment, release: Release, component: Component) -> str | None:
    """Why a component is not scaled at a site now; None when it is."""
    if deployment.paused:
        return NOT_SCALED[DeploymentPhase.PAUSED]
    if deployment.stopped or release.stopped:
        return NOT_SCALED[DeploymentPhase.STOPPED]
    why = NOT_SCALED.get(deployment.phase)
    if why is not None:
        return why
    if deployment.policy.division is not None:
        return "its replicas are totals that are divided over its sites"
    if any((one.site_id, one.component) == (release.site_id, component.name) for one in deployment.adjustments):
        return "somebody gave the site a number of its own"
    if release.phase in GIVEN_UP:
        return f"its release is {release.phase.name.lower()}"
    if not release.replicas:
        return "somebody set it to no replicas"
    return None


def _sites(reader: Reader, policy: ScalingPolicy) -> set[str]:
    found = set()
    for release in each(reader, Release, "deployment_id", policy.deployment_id):
        component = get_as(reader, Component, release.component_id)
        if component is not None and component.name == policy.component and release.wanted:
            found.add(release.site_id)
    return found
