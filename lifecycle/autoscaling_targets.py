"""What is scaled: a component at a site, and why some are left alone. `lifecycle.autoscaling_index` knows which."""

from __future__ import annotations

from typing import NamedTuple

from graph.kinds import GIVEN_UP, Component, Deployment, DeploymentPhase, Release, ScalingPolicy, SiteScaling

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
