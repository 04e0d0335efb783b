"""What if: the graph as it would be with some changes, for plans to decide on and for nothing else.

The changes are laid over the view as an edit that is never committed, by the same checks as a real change. So a copy costs
what it changes, and what could not be written cannot be supposed either. Seeing a thing is enough to suppose it otherwise,
for nothing is written; what the asker does not see is as if it were not there. Nodes that are added get ids that are made
from their site and their number: the same question has the same answer.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from graph.edit import Edit
from graph.identifiers import CROCKFORD
from graph.kinds import Cluster, Link, LinkState, Node, NodeStatus, Region, Site, SiteRole
from graph.kinds.what_if import (
    CapacityChange,
    Change,
    Cordoning,
    DemandChange,
    LinkChange,
    NodesAdded,
    PriceChange,
    SiteLost,
)
from graph.refusal import InvalidInput, LimitExceeded, NotFound
from graph.spatial import regions_below
from graph.spelling import camel
from graph.values import NO_RESOURCES, Accelerator, Health, HealthStatus, Resources
from graph.view import Reader, View, each, get_as

MAX_CHANGES = 100
"""Changes of one question."""
MAX_TOUCHED = 100_000
"""Entities that they may touch, all together."""
LOST = Health(status=HealthStatus.DOWN, reasons=["it is supposed to be lost"])
NOBODY = 1e-9
"""Demand of a region without users: 0 would be one that states none, whose users count as 1."""
_LARGEST = 2**53 - 1
_IDS = 2**80


def supposed(
    view: View, changes: Sequence[Change], *, visible: Callable[[Reader], Reader], path: str = "whatIf"
) -> Edit:
    """The view with the changes over it, in their order. It goes on following the view where it is not changed.

    Raises InvalidInput, NotFound or LimitExceeded that name the change and its field.
    """
    if len(changes) > MAX_CHANGES:
        raise LimitExceeded(
            f"at most {MAX_CHANGES} changes are supposed at once, not {len(changes)}",
            remedy="name several sites, nodes or regions in one change",
            path=path,
        )
    edit = Edit(view, at=view.at, max_changes=MAX_TOUCHED)
    seen = visible(edit)
    for at, change in enumerate(changes):
        name, value = _the_one(change, path=f"{path}[{at}]")
        _LAY[name](edit, seen, value, f"{path}[{at}].{camel(name)}")
    return edit


def _the_one(change: Change, *, path: str) -> tuple[str, Any]:
    given = [(name, value) for name in change.__struct_fields__ if (value := getattr(change, name)) is not None]
    if len(given) != 1:
        names = ", ".join(camel(one) for one in change.__struct_fields__)
        found = f"has {' and '.join(camel(name) for name, _ in given)}" if given else "is empty"
        raise InvalidInput(
            f"a change is exactly one of {names}; this one {found}",
            remedy="write each as a change of its own",
            path=path,
        )
    return given[0]


def _site_lost(edit: Edit, seen: Reader, change: SiteLost, path: str) -> None:
    site = _site(edit, seen, change.site_id, path=f"{path}.siteId")
    edit.replace(site, path=path, health=LOST)
    if not change.with_links:
        return
    for field in ("from_site_id", "to_site_id"):
        for link_id in list(seen.ids("Link", field, site.id)):
            link = get_as(edit, Link, link_id)
            if link is not None:
                edit.replace(link, path=path, state=LinkState.DOWN)


def _link(edit: Edit, seen: Reader, change: LinkChange, path: str) -> None:
    if change.state is None and change.latency_ms is None:
        raise InvalidInput("nothing of the link is changed", remedy="give state or latencyMs", path=path)
    if get_as(seen, Link, change.link_id) is None:
        raise NotFound("Link", change.link_id, path=f"{path}.linkId")
    link = get_as(edit, Link, change.link_id)
    assert link is not None, "it was seen"
    fields: dict[str, Any] = {"state": change.state, "latency_ms": change.latency_ms}
    edit.replace(link, path=path, **{name: value for name, value in fields.items() if value is not None})


def _price(edit: Edit, seen: Reader, change: PriceChange, path: str) -> None:
    given = {
        name: getattr(change, name) for name in ("price_per_core_hour", "price_per_gib_hour", "accelerator_prices")
    }
    fields: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if not fields:
        raise InvalidInput(
            "no price is changed", remedy="give pricePerCoreHour, pricePerGibHour or acceleratorPrices", path=path
        )
    site = _site(edit, seen, change.site_id, path=f"{path}.siteId")
    edit.replace(site, path=path, **fields)


def _demand(edit: Edit, seen: Reader, change: DemandChange, path: str) -> None:
    ids: dict[str, None] = {}
    if change.region_ids:
        for at, region_id in enumerate(change.region_ids):
            ids.update(dict.fromkeys(regions_below(seen, region_id, path=f"{path}.regionIds[{at}]")))
    else:
        ids = dict.fromkeys(seen.ids("Region"))
    for region_id in ids:
        region = get_as(edit, Region, region_id)
        # A place where none is stated counts as 1, and so it is scaled as 1.
        if region is not None and (region.demand or region.centre is not None):
            edit.replace(region, path=path, demand=(region.demand or 1.0) * change.factor or NOBODY)


def _capacity(edit: Edit, seen: Reader, change: CapacityChange, path: str) -> None:
    if not change.site_ids and not change.node_ids:
        raise InvalidInput("no site and no node is named", remedy="give siteIds or nodeIds", path=path)
    nodes: dict[str, None] = {}
    for at, site_id in enumerate(dict.fromkeys(change.site_ids)):
        site = _site(edit, seen, site_id, path=f"{path}.siteIds[{at}]")
        nodes.update(dict.fromkeys(seen.ids("Node", "site_id", site.id)))
        if site.capacity is not None:
            edit.replace(site, path=path, capacity=_scaled(site.capacity, change.factor))
    for at, node_id in enumerate(change.node_ids):
        if get_as(seen, Node, node_id) is None:
            raise NotFound("Node", node_id, path=f"{path}.nodeIds[{at}]")
        nodes[node_id] = None
    for node_id in nodes:
        node = get_as(edit, Node, node_id)
        if node is not None:
            edit.replace(node, path=path, allocatable=_scaled(node.usable, change.factor))


def _nodes_added(edit: Edit, seen: Reader, change: NodesAdded, path: str) -> None:
    site = _site(edit, seen, change.site_id, path=f"{path}.siteId")
    if site.role is not SiteRole.COMPUTE:
        raise InvalidInput(
            f"site {site.name!r} is only routed through: nothing can run there",
            remedy="name a site with role COMPUTE",
            path=f"{path}.siteId",
        )
    like = _model(edit, seen, site, change, path=path)
    cluster_id = change.cluster_id or (like.cluster_id if like is not None else None) or _first_cluster(seen, site)
    if cluster_id is None:
        raise InvalidInput(
            f"no cluster serves site {site.name!r}, and a node under none is given no work",
            remedy="name one in clusterId",
            path=f"{path}.clusterId",
        )
    if get_as(seen, Cluster, cluster_id) is None:
        raise NotFound("Cluster", cluster_id, path=f"{path}.clusterId")
    first = sum(1 for _ in each(edit, Node, "site_id", site.id))
    fields: dict[str, Any] = {"capacity": change.capacity or NO_RESOURCES}
    if like is not None:
        fields |= {"arch": like.arch, "labels": like.labels, "taints": like.taints}
        if change.capacity is None:
            fields |= {"capacity": like.capacity, "allocatable": like.allocatable}
    for at in range(first, first + change.count):
        edit.create(
            Node,
            path=path,
            id=_node_id(site.id, at),
            name=f"what-if-{site.id}-{at}",
            site_id=site.id,
            cluster_id=cluster_id,
            status=NodeStatus.READY,
            tenant_id=site.tenant_id,
            **fields,
        )


def _cordon(edit: Edit, seen: Reader, change: Cordoning, path: str) -> None:
    found = edit.get(change.entity_id) if seen.get(change.entity_id) is not None else None
    if not isinstance(found, Site | Node | Cluster):
        raise NotFound("Site, Node or Cluster", change.entity_id, path=f"{path}.entityId")
    edit.replace(found, path=path, schedulable=change.schedulable)


_LAY: dict[str, Callable[[Edit, Reader, Any, str], None]] = {
    "site_lost": _site_lost,
    "link": _link,
    "price": _price,
    "demand": _demand,
    "capacity": _capacity,
    "nodes_added": _nodes_added,
    "cordon": _cordon,
}


def _site(edit: Edit, seen: Reader, site_id: str, *, path: str) -> Site:
    """The whole value of a site that the asker sees."""
    site = get_as(edit, Site, site_id) if get_as(seen, Site, site_id) is not None else None
    if site is None:
        raise NotFound("Site", site_id, path=path)
    return site


def _model(edit: Edit, seen: Reader, site: Site, change: NodesAdded, *, path: str) -> Node | None:
    """What the added nodes are like; None when their capacity is given and no other."""
    if change.like_node_id is not None:
        found = get_as(seen, Node, change.like_node_id)
        if found is None:
            raise NotFound("Node", change.like_node_id, path=f"{path}.likeNodeId")
        return found
    first = next(iter(each(seen, Node, "site_id", site.id)), None)
    if first is None and change.capacity is None:
        raise InvalidInput(
            f"site {site.name!r} has no node that the new ones could be like",
            remedy="give capacity or likeNodeId",
            path=f"{path}.capacity",
        )
    return first


def _first_cluster(seen: Reader, site: Site) -> str | None:
    return next(iter(seen.ids("Cluster", "site_ids", site.id)), None)


def _node_id(site_id: str, at: int) -> str:
    """An id of its own that sorts behind every one that is made in earnest, so that ties go to what there is."""
    number = int.from_bytes(hashlib.sha256(f"{site_id} {at}".encode()).digest(), "big") % _IDS
    tail = "".join(CROCKFORD[number >> shift & 31] for shift in range(75, -1, -5))
    return f"node_7ZZZZZZZZZ{tail}"


def _scaled(resources: Resources, factor: float) -> Resources:
    """So many times as much of everything, rounded down."""

    def times(amount: int) -> int:
        return min(math.floor(amount * factor), _LARGEST)

    return msgspec.structs.replace(
        resources,
        cpu_millicores=times(resources.cpu_millicores),
        memory_bytes=times(resources.memory_bytes),
        storage_bytes=times(resources.storage_bytes),
        accelerators=[Accelerator(one.model, min(times(one.count), 1_024)) for one in resources.accelerators],
    )
