"""The numbers that scaling policies gave to single sites, as whoever decides anew takes them along.

They are no part of what a person asked for: they are in no revision and in no adjustment. So a change of a deployment is
decided with them laid over the deployment's own numbers, and where a person gave a site a number that one counts. A decision
that was made before the loop gave a site another number is refused at head, and made anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from graph.kinds import Component, Deployment, ScalingPolicy, SiteReplicas, SiteScaling
from graph.kinds.policy import PlacementPolicy
from graph.refusal import CapacityGone
from graph.view import Reader, each
from placement.decision import Decision

Address = tuple[str, str]
"""A site's id and a component's name."""


def scaled_replicas(reader: Reader, deployment_id: str) -> dict[Address, int]:
    """The numbers that the policies of a deployment gave to its sites."""
    found: dict[Address, int] = {}
    for policy in each(reader, ScalingPolicy, "deployment_id", deployment_id):
        for one in each(reader, SiteScaling, "policy_id", policy.id):
            if one.replicas is not None:
                found[one.site_id, policy.component] = one.replicas
    return found


def with_scaled(
    reader: Reader, deployment_id: str | None, adjustments: Iterable[SiteReplicas], *, policy: PlacementPolicy
) -> list[SiteReplicas]:
    """The numbers at single sites by which a deployment is decided: a person's, and the loop's where there are none."""
    own = list(adjustments)
    if deployment_id is None or policy.division is not None:
        return own
    given = {(one.site_id, one.component) for one in own}
    scaled = scaled_replicas(reader, deployment_id)
    return own + [
        SiteReplicas(site_id=site_id, component=name, replicas=count)
        for (site_id, name), count in sorted(scaled.items())
        if (site_id, name) not in given
    ]


def check_scaled(reader: Reader, deployment: Deployment, decision: Decision, components: Sequence[Component]) -> None:
    """Raises CapacityGone when a decision has another number for a site than the loop gave it since."""
    wanted = _by_site(with_scaled(reader, deployment.id, (), policy=deployment.policy), deployment)
    if not wanted:
        return
    names = {one.id: one.name for one in components}
    for site in decision.placements:
        numbers = wanted.get(site.site_id, {})
        for one in site.components:
            if numbers.get(names.get(one.component_id, ""), one.replicas) != one.replicas:
                raise CapacityGone(
                    f"deployment {deployment.name!r} has been scaled meanwhile",
                    remedy="nothing was done; ask again",
                    path="input.id",
                )


def _by_site(scaled: Iterable[SiteReplicas], deployment: Deployment) -> Mapping[str, Mapping[str, int]]:
    adjusted = {(one.site_id, one.component) for one in deployment.adjustments}
    found: dict[str, dict[str, int]] = {}
    for one in scaled:
        if (one.site_id, one.component) not in adjusted:
            found.setdefault(one.site_id, {})[one.component] = one.replicas
    return found
