"""Fields of sites, links, clusters and nodes that follow from others."""

from __future__ import annotations

from typing import Any

import msgspec
import strawberry

from access.permissions import declare_value_types
from graph.kinds import Cluster, FailoverHold, Link, LinkState, Node, Site
from graph.values import NO_RESOURCES, Resources
from graph.view import each
from placement.capacity import free_at_node, free_at_site, total_at_site
from schema.entities import field_of
from schema.types.actors import Actor
from schema.vocabulary import enum_type, object_type, struct_type

UNSET = strawberry.UNSET


class SiteResources(msgspec.Struct, frozen=True):
    """What a site has, what is free of it, and what deployments that the viewer sees ask for."""

    total: Resources | None
    free: Resources | None
    reserved: Resources


object_type(
    "SiteResources",
    {
        "total": (
            f"Optional[{struct_type(Resources)}]",
            strawberry.field(description="What its nodes may use, or its stated capacity; null when neither is known."),
        ),
        "free": (
            f"Optional[{struct_type(Resources)}]",
            strawberry.field(
                description="What is free for more; null when neither is known, and where all tenants share the site "
                "to whoever may not read the workloads of all: it would tell what others use."
            ),
        ),
        "reserved": (
            struct_type(Resources),
            strawberry.field(description="What the deployments that you may see ask for here."),
        ),
    },
    description="What a site has, what is free, and what is asked for by deployments.",
)
declare_value_types("SiteResources")


@field_of(
    Site,
    returns="SiteResources",
    description="What the site has, what is free, and what is asked for by deployments.",
)
def resources(site: Site, info: Any) -> SiteResources:
    """Summed over the site's nodes and releases."""
    view = info.context.view
    reserved = NO_RESOURCES
    for release_id in view.ids("Release", "site_id", site.id):
        release = view.get(release_id)
        if release is not None:
            reserved = reserved.plus(release.resources.times(release.replicas))
    free = free_at_site(view, site) if view.may_see_use(site.tenant_id) else None
    return SiteResources(total_at_site(view, site), free, reserved)


@field_of(
    Site,
    returns="list[Link]",
    description="The links that end here.",
    arguments={"state": (f"Optional[{enum_type(LinkState)}]", UNSET, "Only those in this state.")},
)
def links(site: Site, info: Any, *, state: Any) -> list[Link]:
    """Links of both ends, by ascending id."""
    view = info.context.view
    ends = (*each(view, Link, "from_site_id", site.id), *each(view, Link, "to_site_id", site.id))
    found = {one.id: one for one in ends if state in (UNSET, None) or one.state is state}
    return [found[one] for one in sorted(found)]


@field_of(
    Node,
    returns=f"Optional[{struct_type(Resources)}]",
    description="What is free for more work; null, where all tenants share the node, to whoever may not read the workloads "
    "of all: it would tell what others use.",
)
def free(node: Node, info: Any) -> Resources | None:
    """Allocatable less foreign use and our releases."""
    view = info.context.view
    return free_at_node(view, node) if view.may_see_use(node.tenant_id) else None


@field_of(
    Cluster,
    returns="JSON",
    description="What its driver is set to; empty unless you may change infrastructure.",
)
def configuration(cluster: Cluster, info: Any) -> Any:
    """Blanked by the view for those who may not see it."""
    shown = info.context.view.shown(cluster)
    return shown.configuration if isinstance(shown, Cluster) else {}


@field_of(FailoverHold, returns="Optional[Actor]", description="Who had moves go on; null while they are held.")
def resumed_by(hold: FailoverHold, info: Any) -> Actor | None:
    """By id."""
    return None if hold.resumed_by is None else Actor(hold.resumed_by)
