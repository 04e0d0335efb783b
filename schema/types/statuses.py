"""What is desired, applied and ready, as the API shows it, and what may be asked of a deployment now.

A deployment's counts are kept with it and cost nothing to read. Those of its sites are worked out from its releases when
they are asked for, which is charged as work.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import strawberry

from access.permissions import declare_value_types
from graph.kinds import Component, Counted, Deployment, DeploymentStatus, Release, Site, StatusReason
from graph.refusal import InvalidInput
from graph.view import each, get_as
from lifecycle.standings import ReleaseStatus, SiteStatus, in_words, sites_of, status_of_release
from lifecycle.verbs import Verb, refusal_of
from schema.connections import PAGE_SIZE, DefaultSize, Edge, PageInfo, id_cursor, page_info_type
from schema.entities import field_of
from schema.vocabulary import enum_type, object_type, output, resolver_field, value_field

UNSET = strawberry.UNSET
WORK_A_RELEASE = 20
"""Of a request's budget: some ten microseconds a release."""

value_field(
    DeploymentStatus,
    "summary",
    lambda status, info: in_words(status),
    returns="str",
    description="In one line: how many of the replicas are ready, how many of what is replaced still serve, and the first "
    "of the reasons.",
)

object_type(
    "ReleaseStatus",
    {
        "replicas": (output(Counted), strawberry.field(description="Its replicas.")),
        "ready": ("bool", strawberry.field(description="Whether all of it was observed as wanted and is seen now.")),
        "unseen_since": (
            "Optional[DateTime]",
            strawberry.field(
                description="Since when nobody sees it; what it runs is then unknown. Null while it is seen."
            ),
        ),
        "reason": (
            f"Optional[{output(StatusReason)}]",
            strawberry.field(description="Why it is not ready, or why nothing of it is to run; null when it is ready."),
        ),
    },
    description="How much of one release is as it should be.",
)
declare_value_types("ReleaseStatus")


@field_of(Release, returns="ReleaseStatus", description="What of it is desired, applied and ready, and why not all is.")
def status(release: Release, info: Any) -> ReleaseStatus:
    """By what was observed last."""
    deployment = get_as(info.context.view, Deployment, release.deployment_id)
    return status_of_release(release, paused=deployment is not None and deployment.paused)


def _site(found: SiteStatus, info: Any) -> Site | None:
    return get_as(info.context.view, Site, found.site_id)


object_type(
    "SiteStatus",
    {
        "site": (
            None,
            resolver_field(
                _site, returns="Optional[Site]", description="The site; null when it is gone, or you may not see it."
            ),
        ),
        "releases": (output(Counted), strawberry.field(description="Components there.")),
        "replicas": (output(Counted), strawberry.field(description="Replicas of all components there.")),
        "retiring_ready_replicas": (
            "int",
            strawberry.field(
                description="Replicas there that are seen to be ready, of releases that go once what replaces them is "
                "ready: they still serve. Not counted in `replicas`."
            ),
        ),
        "unseen_since": (
            "Optional[DateTime]",
            strawberry.field(description="Since when some of it there is not seen. Null while all of it is."),
        ),
        "reasons": (output(list[StatusReason]), strawberry.field(description="Why not all of it there is ready.")),
    },
    description="How much of a deployment is as it should be at one site.",
)
declare_value_types("SiteStatus")


class SiteStatusPage:
    """A page of a deployment's sites; its cursors are their ids."""

    def __init__(self, found: Sequence[SiteStatus], *, first: int, after: str | None) -> None:
        behind = [one for one in found if after is None or one.site_id > after]
        self.nodes = behind[:first]
        self.total_count = len(found)
        self._more = len(behind) > first
        self._before = len(behind) < len(found)

    @property
    def edges(self) -> list[Edge]:
        """The sites with their cursors."""
        return [Edge(one.site_id, one) for one in self.nodes]

    @property
    def page_info(self) -> PageInfo:
        """What lies around the page."""
        first, last = (self.nodes[0].site_id, self.nodes[-1].site_id) if self.nodes else (None, None)
        return PageInfo(self._more, self._before, first, last)


page_info_type()
object_type(
    "SiteStatusEdge",
    {
        "cursor": ("str", strawberry.field(description="Give it as `after` to go on from here.")),
        "node": ("SiteStatus", strawberry.field(description="The site's status.")),
    },
    description="A site's status in a page, with its cursor.",
)
object_type(
    "SiteStatusConnection",
    {
        "nodes": ("list[SiteStatus]", strawberry.field(description="The statuses of the page.")),
        "edges": ("list[SiteStatusEdge]", strawberry.field(description="The statuses with their cursors.")),
        "page_info": ("PageInfo", strawberry.field(description="What lies around the page.")),
        "total_count": ("int", strawberry.field(description="All sites that satisfy what is asked for.")),
    },
    description="A page of a deployment's sites.",
)
declare_value_types("SiteStatusEdge", "SiteStatusConnection")


def _is_ready(found: SiteStatus) -> bool:
    return found.releases.ready == found.releases.desired and not found.reasons


@field_of(
    Deployment,
    returns="SiteStatusConnection",
    description="What of it is desired, applied and ready at each of its sites, by site id.",
    arguments={
        "first": ("Optional[int]", PAGE_SIZE, "The first so many."),
        "after": ("Optional[str]", UNSET, "After this cursor."),
        "ready": ("Optional[bool]", None, "Only sites where all of it is ready, or only the others."),
    },
)
def site_statuses(
    deployment: Deployment, info: Any, *, first: int | None, after: Any, ready: bool | None
) -> SiteStatusPage:
    """Worked out from the releases that the viewer sees. Raises InvalidInput."""
    most = info.context.page_size_max
    size = min(PAGE_SIZE, most) if first is None or isinstance(first, DefaultSize) else first
    if not 0 <= size <= most:
        raise InvalidInput(
            f"first is {size}, a page has 0 to {most}",
            remedy=f"ask for 0 to {most}, and follow the cursor",
            path="first",
        )
    position = id_cursor(Site.SPEC.prefix, None if after is UNSET else after)
    releases = list(each(info.context.view, Release, "deployment_id", deployment.id))
    info.context.work.spend(WORK_A_RELEASE * len(releases), path="siteStatuses")
    components = {one.component_id: get_as(info.context.view, Component, one.component_id) for one in releases}
    names = {one.id: one.name for one in components.values() if one is not None}
    every = sites_of(releases, names=names, paused=deployment.paused)
    found = [one for one in every if ready is None or _is_ready(one) is ready]
    return SiteStatusPage(found, first=size, after=position)


enum_type(Verb)


@field_of(
    Deployment,
    returns="list[Verb]",
    description="What may be asked of it in the phase that it is in; whether you may ask for it is another matter.",
)
def possible_verbs(deployment: Deployment, info: Any) -> list[Verb]:
    """By the table in docs/lifecycle.md."""
    return [one for one in Verb if refusal_of(deployment, one) is None]
