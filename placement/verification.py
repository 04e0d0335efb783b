"""Whether what placement chose still fits at head.

Placement looks at thousands of sites before the store's lock is taken; by the time that the commit is written others may
have taken the last GPU. This runs under the lock, on the few nodes that were chosen and on nothing else, and refuses rather
than choose anew: whoever asked places again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from graph.kinds import Cluster, Component, Node, Site, SiteRole
from graph.kinds.policy import PlacementPolicy
from graph.refusal import CapacityGone, NotFound
from graph.values import NO_RESOURCES, Resources
from graph.view import Reader, get_as
from placement.affinity import itself_of
from placement.capacity import free_beside, free_on, nodes_of, site_use
from placement.conditions import cluster_problem, is_down, is_seen_by, node_problem
from placement.decision import ComponentPlacement, Decision, SitePlacement
from placement.verification_words import (
    goes_with_problem,
    keeps_apart_problem,
    node_word_problem,
    shared_node_problem,
)
from placement.wording import counted

NO_WORDS = PlacementPolicy()
"""A policy that restricts nothing."""
_REMEDY = "place again: another site or node may have room"
_UNITS = {"cpu_millicores": "millicores", "memory_bytes": "bytes of memory", "storage_bytes": "bytes of storage"}


def verify(
    reader: Reader,
    decision_or_placements: Decision | Sequence[SitePlacement],
    *,
    components: Sequence[Component],
    policy: PlacementPolicy = NO_WORDS,
    excluding_deployment_id: str | None = None,
    deployment_labels: Mapping[str, str] | None = None,
    drivers: Collection[str] | None = None,
) -> None:
    """Checks at head all that was chosen: sites, clusters, nodes, and that every replica fits on its node.

    `reader` is the head itself, with all tenants' releases; `policy` is the one that they were chosen by;
    `excluding_deployment_id` is the deployment that the placements replace, whose own use does not count;
    `deployment_labels` are those that the deployment is to have, None for those that it has; `drivers` are the drivers that
    can be called, None for any.

    Raises CapacityGone that names the site or node and what is needed, with what is there for those who may see what
    others use; NotFound for a component that `components` does not have. Cost: proportional to the nodes and releases of
    the chosen sites, and to the tenant's deployments.
    """
    placements = (
        decision_or_placements.placements if isinstance(decision_or_placements, Decision) else decision_or_placements
    )
    by_id = {one.id: one for one in components}
    for placement in placements:
        _verify_site(
            reader,
            placement,
            components=by_id,
            policy=policy,
            excluding_deployment_id=excluding_deployment_id,
            drivers=drivers,
        )
    if not components:
        return
    itself = itself_of(
        reader,
        components,
        deployment_id=excluding_deployment_id,
        tenant_id=components[0].tenant_id,
        labels=deployment_labels,
    )
    problem = goes_with_problem(reader, placements, policy=policy, itself=itself) or keeps_apart_problem(
        reader, placements, policy=policy, itself=itself
    )
    if problem is not None:
        raise _gone(problem)


def _verify_site(
    reader: Reader,
    placement: SitePlacement,
    *,
    components: Mapping[str, Component],
    policy: PlacementPolicy,
    excluding_deployment_id: str | None,
    drivers: Collection[str] | None,
) -> None:
    asked = [(_component(components, one), one) for one in placement.components]
    tenant_id = next((component.tenant_id for component, _ in asked), None)
    site = get_as(reader, Site, placement.site_id)
    if site is None or not is_seen_by(site, tenant_id):
        raise _gone(f"site {placement.site_id} is no longer there")
    if site.role is not SiteRole.COMPUTE:
        raise _gone(f"site {site.name!r} is a waypoint now: nothing runs there")
    if not site.schedulable:
        raise _gone(f"site {site.name!r} is cordoned")
    if is_down(site):
        raise _gone(f"site {site.name!r} is down")
    for cluster_id in dict.fromkeys(one.cluster_id for one in placement.components):
        _verify_cluster(reader, site, cluster_id, tenant_id=tenant_id, drivers=drivers)
    total = NO_RESOURCES
    by_node: dict[str, Resources] = {}
    nodes: dict[str, Node] = {}
    there = list(nodes_of(reader, site.id, tenant_id=tenant_id))
    for component, one in asked:
        total = total.plus(component.resources.times(one.replicas))
        if there and sum(one.assignments.values()) != one.replicas:
            raise _gone(f"site {site.name!r} has nodes now on which {component.name!r} has no place yet")
        for node_id, replicas in one.assignments.items():
            node = _verified_node(
                reader,
                site,
                node_id,
                component=component,
                policy=policy,
                cluster_id=one.cluster_id,
                tenant_id=tenant_id,
            )
            problem = node_word_problem(
                reader, node, component, one, policy=policy, deployment_id=excluding_deployment_id
            )
            if problem is not None:
                raise _gone(f"node {node.name!r} of site {site.name!r} {problem}")
            nodes[node_id] = node
            needed = component.resources.times(replicas)
            by_node[node_id] = by_node.get(node_id, NO_RESOURCES).plus(needed)
    problem = shared_node_problem(reader, asked, policy=policy)
    if problem is not None:
        raise _gone(f"site {site.name!r}: {problem}")
    use = site_use(reader, site.id, there, excluding_deployment_id=excluding_deployment_id)
    for node_id, needed in by_node.items():
        node = nodes[node_id]
        _verify_fit(f"node {node.name!r} of site {site.name!r}", needed, free_on(node, use))
    free_in_all = free_beside(site, there, use)
    _verify_fit(f"site {site.name!r}", total, NO_RESOURCES if free_in_all is None else free_in_all)


def _verify_cluster(
    reader: Reader, site: Site, cluster_id: str | None, *, tenant_id: str | None, drivers: Collection[str] | None
) -> None:
    cluster = get_as(reader, Cluster, cluster_id)
    if cluster is None or not is_seen_by(cluster, tenant_id):
        raise _gone(f"site {site.name!r}: cluster {cluster_id} is no longer there")
    problem = cluster_problem(cluster, drivers)
    if problem is not None:
        raise _gone(f"cluster {cluster.name!r} of site {site.name!r} {problem}")
    if site.id not in cluster.site_ids and not any(
        node.cluster_id == cluster.id for node in nodes_of(reader, site.id, tenant_id=tenant_id)
    ):
        raise _gone(f"cluster {cluster.name!r} no longer serves site {site.name!r}")


def _verified_node(
    reader: Reader,
    site: Site,
    node_id: str,
    *,
    component: Component,
    policy: PlacementPolicy,
    cluster_id: str | None,
    tenant_id: str | None,
) -> Node:
    node = get_as(reader, Node, node_id)
    if node is None or node.site_id != site.id or not is_seen_by(node, tenant_id):
        raise _gone(f"node {node_id} is no longer at site {site.name!r}")
    if node.cluster_id is not None and node.cluster_id != cluster_id:
        raise _gone(f"node {node.name!r} of site {site.name!r} is part of another cluster now")
    problem = node_problem(node, component, policy.tolerations)
    if problem is not None:
        raise _gone(f"node {node.name!r} of site {site.name!r} {problem}")
    return node


def _verify_fit(where: str, needed: Resources, free: Resources) -> None:
    for field, unit in _UNITS.items():
        need, have = getattr(needed, field), getattr(free, field)
        if need > have:
            raise _short(where, f"{need} {unit}", have)
    counts = free.accelerator_counts()
    for model, need in needed.accelerator_counts().items():
        if need > counts.get(model, 0):
            raise _short(where, f"{counted(need, 'accelerator')} {model!r}", counts.get(model, 0))


def _component(components: Mapping[str, Component], placement: ComponentPlacement) -> Component:
    found = components.get(placement.component_id)
    if found is None:
        raise NotFound("Component", placement.component_id, remedy="place again: the app version has changed")
    return found


def _short(where: str, needed: str, have: int) -> CapacityGone:
    told = f"{where}: needs {needed}"
    return CapacityGone(f"{told}, less is free", figures=f"{told}, has {have} free", remedy=_REMEDY)


def _gone(message: str) -> CapacityGone:
    return CapacityGone(message, remedy=_REMEDY)
