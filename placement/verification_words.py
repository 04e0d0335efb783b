"""Whether what was chosen still keeps the policy's words about nodes and about other deployments, at head.

Two that keep away from each other may be placed at the same time, each on a graph in which the other is not there yet, and
so may two that want the same node to themselves; and what one wants beside it may leave meanwhile. This looks at the chosen
nodes and at the tenant's deployments alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from graph.kinds import Component, Deployment, Node, Release, Site
from graph.kinds.policy import AffinityScope, ComponentPolicy, PlacementPolicy
from graph.selectors import matches
from graph.view import Reader, each, get_as
from placement.affinity import Itself, affinity_words, app_of, is_named, named
from placement.decision import ComponentPlacement, SitePlacement


def node_word_problem(
    reader: Reader,
    node: Node,
    component: Component,
    placed: ComponentPlacement,
    *,
    policy: PlacementPolicy,
    deployment_id: str | None,
) -> str | None:
    """Why a node cannot take a component by what policies say of single components; None when it can."""
    said = _said(policy, component.name)
    if said is not None and said.node_labels and not matches(said.node_labels, node.labels):
        return f"does not match {said.node_labels!r}, which the policy wants for {component.name!r}"
    if said is not None and said.one_per_node and placed.assignments.get(node.id, 0) > 1:
        return f"would have several replicas of {component.name!r}, which are on different nodes"
    alone = said is not None and said.dedicated_nodes
    for release_id in reader.ids("Release", "assignments", node.id):
        release = get_as(reader, Release, release_id)
        if release is not None and release.deployment_id != deployment_id:
            if alone:
                return f"runs something else, and {component.name!r} wants it to itself"
            if _wants_alone(reader, release):
                return "is for others alone"
    return None


def shared_node_problem(
    reader: Reader, placed: Sequence[tuple[Component, ComponentPlacement]], *, policy: PlacementPolicy
) -> str | None:
    """Which node of a site would have replicas of two components that the policy keeps off each other, or of one without
    another that it goes with; None: none has."""
    by_name = {component.name: one for component, one in placed}
    for said in policy.components:
        for other in said.pod_affinity if said.component in by_name else ():
            there = by_name[other].assignments if other in by_name else {}
            for node_id in sorted({*by_name[said.component].assignments} - {*there}):
                name = _name(reader, node_id)
                return (
                    f"node {name!r} would have replicas of {said.component!r} and none of {other!r}, which it goes with"
                )
        for other in said.pod_anti_affinity:
            if said.component not in by_name or other not in by_name:
                continue
            for node_id in sorted({*by_name[said.component].assignments} & {*by_name[other].assignments}):
                name = _name(reader, node_id)
                return f"node {name!r} would have replicas of {said.component!r} and {other!r}, which share none"
    return None


def goes_with_problem(
    reader: Reader, placements: Sequence[SitePlacement], *, policy: PlacementPolicy, itself: Itself
) -> str | None:
    """Which of the chosen sites lacks what the policy wants beside it; None when none does.

    Cost: proportional to the deployments that the policy names, and to their releases.
    """
    for wanted in policy.affinity:
        there = {
            release.site_id
            for other in named(reader, wanted, itself=itself)
            for release in each(reader, Release, "deployment_id", other.id)
            if release.stays
        }
        regions = {site.region_id for one in there if (site := get_as(reader, Site, one)) is not None}
        for placement in placements:
            site = get_as(reader, Site, placement.site_id)
            near = wanted.scope is AffinityScope.REGION and site is not None and site.region_id in regions
            if site is not None and not near and site.id not in there:
                where = "in the region of" if wanted.scope is AffinityScope.REGION else "at"
                return (
                    f"{affinity_words(reader, wanted)} no longer runs {where} site {site.name!r}, and it goes with that"
                )
    return None


def keeps_apart_problem(
    reader: Reader, placements: Sequence[SitePlacement], *, policy: PlacementPolicy, itself: Itself
) -> str | None:
    """Why what was chosen is too near another deployment of the tenant, by either's word; None when it is not.

    Cost: proportional to the tenant's deployments, and to the releases of those that are kept apart.
    """
    at = {one.site_id for one in placements}
    near = {site.region_id for one in at if (site := get_as(reader, Site, one)) is not None}
    for other, scope in _kept_apart(reader, policy, itself):
        for release in each(reader, Release, "deployment_id", other.id):
            site = get_as(reader, Site, release.site_id)
            by_region = scope is AffinityScope.REGION and site is not None and site.region_id in near
            if site is not None and (site.id in at or by_region):
                where = f"in the region of site {site.name!r}" if by_region else f"at site {site.name!r}"
                return f"a deployment that this one keeps apart from is {where} now"
    return None


def _kept_apart(reader: Reader, policy: PlacementPolicy, itself: Itself) -> Iterator[tuple[Deployment, AffinityScope]]:
    for other in each(reader, Deployment, "tenant_id", itself.tenant_id):
        if other.id == itself.id:
            continue
        if policy.anti_affinity:
            them = Itself(
                deployment=other,
                app_id=app_of(reader, other.app_version_id),
                tenant_id=other.tenant_id,
                labels=other.labels,
            )
            for one in policy.anti_affinity:
                if is_named(one, them):
                    yield other, one.scope
        for one in other.policy.anti_affinity:
            if is_named(one, itself):
                yield other, one.scope


def _wants_alone(reader: Reader, release: Release) -> bool:
    deployment = get_as(reader, Deployment, release.deployment_id)
    component = get_as(reader, Component, release.component_id)
    said = _said(deployment.policy, component.name) if deployment is not None and component is not None else None
    return said is not None and said.dedicated_nodes


def _name(reader: Reader, node_id: str) -> str:
    node = get_as(reader, Node, node_id)
    return node_id if node is None else node.name


def _said(policy: PlacementPolicy, component: str) -> ComponentPolicy | None:
    return next((one for one in policy.components if one.component == component), None)
