"""The numbers that scaling policies gave to single sites, as whoever decides anew takes them along.

They are no part of what a person asked for: they are in no revision and in no adjustment. So a change of a deployment is
decided with them laid over the deployment's own numbers, and where a person gave a site a number that one counts. A decision
that was made before the loop gave a site another number is refused at head, and made anew.

A number that a person gives all sites would be laid over in the same way and do nothing, so it is refused where a policy
gives the numbers. None at all is another thing: it switches the component off, and its policy with it, until it has a
number again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from graph.kinds import Component, Deployment, ScalingPolicy, SiteReplicas, SiteScaling
from graph.kinds.policy import PlacementPolicy
from graph.refusal import CapacityGone, InvalidState
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
    reader: Reader,
    deployment_id: str | None,
    adjustments: Iterable[SiteReplicas],
    *,
    policy: PlacementPolicy,
    replicas: Mapping[str, int],
) -> list[SiteReplicas]:
    """The numbers at single sites by which a deployment is decided: a person's, and the loop's where there are none.

    `replicas` are the deployment's own: what has none of a component has none of the loop's either.
    """
    own = list(adjustments)
    if deployment_id is None or policy.division is not None:
        return own
    given = {(one.site_id, one.component) for one in own}
    scaled = scaled_replicas(reader, deployment_id)
    return own + [
        SiteReplicas(site_id=site_id, component=name, replicas=count)
        for (site_id, name), count in sorted(scaled.items())
        if (site_id, name) not in given and replicas.get(name) != 0
    ]


def check_scaled(reader: Reader, deployment: Deployment, decision: Decision, components: Sequence[Component]) -> None:
    """Raises CapacityGone when a decision has another number for a site than the loop gave it since."""
    scaled = with_scaled(reader, deployment.id, (), policy=deployment.policy, replicas=deployment.replicas)
    wanted = _by_site(scaled, deployment)
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


def check_not_followed(reader: Reader, wished: Deployment, named: Mapping[str, int], *, path: str) -> None:
    """Raises InvalidState when a number is given to all sites of a component whose policy gives them theirs.

    `wished` is the deployment as it is asked for so far. None of it, and a number after that, are nobody else's to give.
    """
    for policy in each(reader, ScalingPolicy, "deployment_id", wished.id):
        number = named.get(policy.component)
        if number is None or number == 0 or wished.replicas.get(policy.component) == 0:
            continue
        raise InvalidState(
            f"the replicas of {policy.component!r} follow the scaling policy {policy.name!r}, from {policy.min_replicas} to "
            f"{policy.max_replicas} at each site",
            remedy="change minReplicas and maxReplicas of the policy, give single sites a number of their own (adjustSite), "
            "or delete the policy; 0 replicas switch both off",
            path=f"{path}.{policy.component}",
        )


def _by_site(scaled: Iterable[SiteReplicas], deployment: Deployment) -> Mapping[str, Mapping[str, int]]:
    adjusted = {(one.site_id, one.component) for one in deployment.adjustments}
    found: dict[str, dict[str, int]] = {}
    for one in scaled:
        if (one.site_id, one.component) not in adjusted:
            found.setdefault(one.site_id, {})[one.component] = one.replicas
    return found
