"""What runs where replicas follow a load: beside the number that is wanted, what there is and how much of it is ready."""

from __future__ import annotations

from typing import Any

from graph.kinds import Component, Release, ScalingPolicy, SiteScaling
from graph.view import each, get_as
from schema.entities import field_of

WORK_A_RELEASE = 4
"""Of a request's budget: some two microseconds a release."""


@field_of(
    SiteScaling,
    returns="Optional[Release]",
    description="What runs of the component at the site; null when nothing is to.",
)
def release(standing: SiteScaling, info: Any) -> Release | None:
    """The one that stays, where another takes its place."""
    view = info.context.view
    policy = get_as(view, ScalingPolicy, standing.policy_id)
    if policy is None:
        return None
    ways = [("site_id", standing.site_id), ("deployment_id", policy.deployment_id)]
    count, field, value = min((view.count("Release", *way), *way) for way in ways)
    info.context.work.spend(WORK_A_RELEASE * count, path="release")
    found: Release | None = None
    for one in each(view, Release, field, value):
        if (one.deployment_id, one.site_id, one.wanted) != (policy.deployment_id, standing.site_id, True):
            continue
        component = get_as(view, Component, one.component_id)
        if (
            component is not None
            and component.name == policy.component
            and (found is None or one.retires_after is None)
        ):
            found = one
    return found
