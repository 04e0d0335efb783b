"""What the words of a policy mean for the sites and components of one problem: resolved, checked, as arrays.

A policy keeps ids, selectors and names. Here they become rows and masks, once for each problem, so that rules, division and
solver read arrays and never the graph. What contradicts itself is refused with the field that does, before anything is
decided: a policy that can be read in two ways would be obeyed in the wrong one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from graph.kinds import Component, Region
from graph.kinds.policy import DivisionMode, PlacementPolicy, SiteSelector
from graph.paths import Network
from graph.refusal import LimitExceeded
from graph.selectors import LabelSelector
from graph.view import Reader, View
from placement.affinity import Company, companies, itself_of, keeping_away
from placement.arrays import Floats, Ints, Mask
from placement.claims import binding
from placement.coverage import MAX_TARGETS
from placement.dedication import busy_nodes, taken_nodes
from placement.division_levels import Regions, idle, regions_of
from placement.division_weights import given_weights
from placement.domains import SpreadDomains, domains_of
from placement.groups import SiteGroups, groups_of
from placement.inventory import Inventory
from placement.latency import Target
from placement.nearness import Allowed, Near, allowed_pairs, nears_of
from placement.policy_checks import check_policy
from placement.selection import Ground, check_sites, in_regions, parts_of, selected
from placement.tolerations import check_tolerations, tolerated_nodes
from placement.units import ComponentWords, UnitWords, component_words, units_of
from placement.visibility import Visible


@dataclass(frozen=True, slots=True)
class PolicyWords:
    """A policy's words over the sites that are looked at. None and empty tuples: the policy does not say.

    Columns of (sites,) are by the problem's rows, columns of (nodes + 1,) by the inventory's rows of nodes, the last for
    what is no node.
    """

    selected: dict[str, Mask]
    """(sites,): what each part of `sites` that is given selects, by the name of its rule."""
    residency: Mask | None
    """(sites,): in the regions that nothing may leave."""
    preference: Ints | None
    """(sites,): the first group of `preferences` that has the site, from 0; -1: none has."""
    groups: SiteGroups | None
    pinned: Ints
    """Rows that are chosen in any case, ascending; of sites that are looked at."""
    near: tuple[Near, ...]
    spread: tuple[SpreadDomains, ...]
    affinity: tuple[Company, ...]
    anti_affinity: tuple[Company, ...]
    """The policy's own, then those of others whose policies keep this one away."""
    tolerated: Mask | None
    """(nodes + 1,): tainted nodes that may be used all the same."""
    taken: Mask | None
    """(nodes + 1,): nodes that others have to themselves."""
    busy: Mask | None
    """(nodes + 1,): nodes on which others run; only when a component wants nodes to itself."""
    components: tuple[ComponentWords, ...]
    """In the order of the problem's components."""
    units: tuple[UnitWords, ...]
    """The first is the one whose clients the places are."""
    weights: Ints | None
    """(sites,): what the policy itself weighs each site; 0: it has no part of a total. None when it weighs none."""
    regions: tuple[Regions, ...]
    """The regions of each level that a total is divided over first."""
    demand: Floats
    """(targets,): the weight of each place's users."""
    allowed: Allowed | None
    """Which sites keep the places' limits of distance and bandwidth; None when no place has any."""
    region_names: Mapping[str, str] = field(default_factory=dict)
    """By id, where the policy names regions: what those, and the regions of the sites, are called in reasons."""


def words_of(
    reader: Reader,
    policy: PlacementPolicy,
    *,
    inventory: Inventory,
    visible: Visible,
    rows: Ints,
    components: Sequence[Component],
    replicas: Mapping[str, int],
    targets: Sequence[Target],
    network: Callable[[], Network],
    nodes_matching: Callable[[LabelSelector], Mask | None],
    sites_matching: Callable[[LabelSelector], Mask],
    uses: Reader,
    tenant_id: str | None,
    excluding_deployment_id: str | None,
    deployment_labels: Mapping[str, str] | None = None,
    claimants: Iterable[str] | None = None,
    path: str = "input.policy",
) -> PolicyWords:
    """What a policy's words mean.

    reader: what the tenant may use; `inventory`, `visible` and `rows` are the sites that are looked at in it.
    targets: the places of `latency` and `coverage`.
    network: gives the network of the reader's graph; only called by words of bandwidth and `near`.
    nodes_matching: (nodes,) of the inventory that match a selector, None for one that asks for nothing.
    sites_matching: (sites,) of the inventory that match a selector.
    uses: sees all tenants' releases.
    excluding_deployment_id: the deployment that is placed anew.
    deployment_labels: those that the deployment is to have; None: those that it has in the graph.
    claimants: ids of deployments whose words bind others (`Claims`); without it all are looked through.
    path: of the policy, for refusals.

    Raises InvalidInput, LimitExceeded and NotFound that name the field.
    """
    ground = Ground(
        reader=reader,
        inventory=inventory,
        visible=visible,
        rows=rows,
        tenant_id=tenant_id,
        sites_matching=sites_matching,
    )
    check_policy(policy, components=components, replicas=replicas, path=path)
    check_tolerations(policy.tolerations, path=f"{path}.tolerations")
    if len(targets) > MAX_TARGETS:
        raise LimitExceeded(
            f"at most {MAX_TARGETS:,} places are served at once, these are {len(targets):,}",
            remedy="name fewer places, or cover a smaller area",
            path=f"{path}.coverage" if policy.coverage else f"{path}.latency",
        )
    itself = itself_of(
        uses, components, deployment_id=excluding_deployment_id, tenant_id=tenant_id, labels=deployment_labels
    )
    regions = _regions(ground, policy, path=f"{path}.division.levels")
    claims = list(binding(uses) if claimants is None else claimants)
    return PolicyWords(
        selected=parts_of(ground, policy.sites, path=f"{path}.sites"),
        residency=(
            in_regions(ground, policy.residency_region_ids, path=f"{path}.residencyRegionIds")
            if policy.residency_region_ids
            else None
        ),
        preference=_preference(ground, policy.preferences, path=f"{path}.preferences"),
        groups=groups_of(ground, policy.groups, path=f"{path}.groups"),
        pinned=_pinned(ground, policy, path=f"{path}.pinnedSiteIds"),
        near=nears_of(ground, policy.near, network, path=f"{path}.near"),
        spread=domains_of(ground, policy.spread, path=f"{path}.spread"),
        affinity=companies(ground, policy.affinity, itself=itself, staying=True, path=f"{path}.affinity"),
        anti_affinity=(
            *companies(ground, policy.anti_affinity, itself=itself, staying=False, path=f"{path}.antiAffinity"),
            *keeping_away(ground, claims, itself=itself, uses=uses),
        ),
        tolerated=tolerated_nodes(ground, policy.tolerations),
        taken=taken_nodes(inventory, uses, claims, excluding_deployment_id=excluding_deployment_id),
        busy=(
            busy_nodes(inventory, uses, excluding_deployment_id=excluding_deployment_id)
            if any(one.dedicated_nodes for one in policy.components)
            else None
        ),
        components=component_words(
            components, policy.components, nodes_matching=nodes_matching, path=f"{path}.components"
        ),
        units=units_of(ground, components, policy, path=f"{path}.components"),
        weights=_weights(ground, policy, regions, path=f"{path}.division.weights"),
        regions=regions,
        demand=np.array([one.demand for one in targets], dtype=np.float64),
        allowed=allowed_pairs(ground, targets, network),
        region_names=_region_names(ground, policy),
    )


def _preference(ground: Ground, preferences: Sequence[SiteSelector], *, path: str) -> Ints | None:
    if not preferences:
        return None
    rank = np.full(ground.size, -1, dtype=np.int64)
    for n, one in enumerate(preferences):
        rank[selected(ground, one, path=f"{path}[{n}]") & (rank < 0)] = n
    return rank


def _pinned(ground: Ground, policy: PlacementPolicy, *, path: str) -> Ints:
    if not policy.pinned_site_ids:
        return np.empty(0, dtype=np.int64)
    check_sites(ground, policy.pinned_site_ids, path=path, runs=True)
    return ground.rows_of(policy.pinned_site_ids)


def _region_names(ground: Ground, policy: PlacementPolicy) -> dict[str, str]:
    named = [*policy.sites.region_ids, *policy.residency_region_ids]
    if not named:
        return {}
    reader = ground.reader
    get = reader.lookup if isinstance(reader, View) else reader.get
    return {one: found.name for one in {*named, *ground.regions.values} if isinstance(found := get(one), Region)}


def _regions(ground: Ground, policy: PlacementPolicy, *, path: str) -> tuple[Regions, ...]:
    return () if policy.division is None else regions_of(ground, policy.division.levels, path=path)


def _weights(ground: Ground, policy: PlacementPolicy, regions: Sequence[Regions], *, path: str) -> Ints | None:
    division = policy.division
    if division is None:
        return None
    without = idle(regions, np.arange(ground.size))
    if division.mode is not DivisionMode.STATIC:
        return np.where(without, 0, 1) if without.any() else None
    masks = [selected(ground, one.sites, path=f"{path}[{n}].sites") for n, one in enumerate(division.weights)]
    given = given_weights(ground.size, selected=masks, weights=[one.weight for one in division.weights])
    return np.where(without, 0, given)
