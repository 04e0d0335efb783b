"""Everything that one decision looks at, as one immutable value.

`problem_from` is the only part that reads the graph: it resolves the policy's ids, selectors and places, and takes from the
inventory the columns of the sites that may be considered. What comes after is a function of the problem alone, in any
thread, and the same for a dry run. What the reader does not see, or what is private to another tenant, is not in it.

It is made between two commits, on the thread that applies them, and takes a few milliseconds. Whatever searches the network
is left to whoever decides: it needs nothing but the values that the problem holds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial

from graph.kinds import AppVersion, Component, Site, Tier
from graph.kinds.policy import PlacementPolicy
from graph.paths import LinkGraph
from graph.refusal import InvalidInput
from graph.selectors import LabelSelector, parse_selector
from graph.view import Reader, get_as
from placement.altered import altered
from placement.arrays import Floats, Ints
from placement.bins import Bins, bins_of
from placement.clusters import ClusterState
from placement.coverage import coverage_targets
from placement.current import current_replicas
from placement.inventory import inventory_of
from placement.latencies import Latencies
from placement.latency import Target, targets_of
from placement.needs import ComponentNeed, needed_in_all, needs_of
from placement.outlook import Outlooks
from placement.policy_checks import check_size
from placement.projection import Projection
from placement.sites import SiteColumns
from placement.words import PolicyWords, words_of

MAX_COMPONENTS = 64
"""The most components of one app version that are placed together."""
MAX_REPLICAS = 1_000
"""The most replicas of a component at one site."""
MAX_TOTAL = 1_000_000
"""The most replicas of a component in all, when they are divided over sites."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is to be placed, and the sites that are looked at. Arrays of sites are by ascending site id."""

    revision: int
    policy: PlacementPolicy
    components: tuple[ComponentNeed, ...]
    sites: Sequence[Site]
    """The COMPUTE sites that are looked at."""
    columns: SiteColumns
    """The same as columns."""
    transit_sites: int
    labels: LabelSelector
    targets: tuple[Target, ...]
    latency: Latencies
    """Between the targets and the sites."""
    clusters: ClusterState
    """Which clusters serve the sites, and which of them can be called."""
    needed: Floats
    """Of each resource in `bins.resources`: what all replicas of all components need together at a site."""
    bins: Bins
    words: PolicyWords
    """What the policy's words mean for these sites and components."""
    current: Mapping[str, Ints]
    """By component id: replicas that each site has now; empty when none runs anywhere."""
    salt: str
    """What decides ties of a division: the same for all versions of an app."""

    def __len__(self) -> int:
        return len(self.sites)


def problem_from(
    reader: Reader,
    *,
    components: Sequence[Component],
    policy: PlacementPolicy,
    replicas: Mapping[str, int],
    excluding_deployment_id: str | None = None,
    tenant_id: str | None = None,
    deployment_labels: Mapping[str, str] | None = None,
    latency: LinkGraph | None = None,
    projection: Projection | None = None,
    uses: Reader | None = None,
    drivers: Collection[str] | None = None,
    path: str = "input",
) -> Problem:
    """What is to be placed, and all that a decision on it looks at.

    reader: what the tenant may use.
    replicas: at each site by component name; the component's own number when absent.
    excluding_deployment_id: the deployment that is placed anew, whose own use does not count.
    tenant_id: whose private sites, clusters and nodes may be used; the components' tenant when not given.
    deployment_labels: those that the deployment is to have, by which others keep away from it; None: those that it has.
    latency: the network of the reader's graph.
    projection: the inventory and network of the whole graph that the reader shows a part of; without it both are made
        anew, which takes some 0.7 s at 100,000 nodes.
    uses: sees the releases of all tenants, when there is no projection; without it only the reader's count.
    drivers: those that can be called; None for any.
    path: the input field to name in refusals.

    Raises InvalidInput and NotFound that name the field of the policy, the component or the replicas that is wrong.
    """
    check_size(policy, path=f"{path}.policy")
    _check_counts(components, policy, replicas, path=path)
    selectors = [
        parse_selector(one.node_selector or "", path=f"{path}.components[{n}].nodeSelector")
        for n, one in enumerate(components)
    ]
    labels = parse_selector(policy.sites.labels or "", path=f"{path}.policy.sites.labels")
    tenant_id = tenant_id or components[0].tenant_id
    everything = projection.reader if projection is not None else (uses or reader)
    inventory = projection.inventory() if projection is not None else inventory_of(everything)
    outlooks = projection.outlooks if projection is not None else Outlooks()
    outlook = outlooks.of(inventory, reader, tenant_id=tenant_id, lists_all=everything is reader, drivers=drivers)
    visible, rows = outlook.visible, outlook.rows
    targets = (
        *targets_of(reader, policy.latency, tenant_id=tenant_id, path=f"{path}.policy.latency"),
        *coverage_targets(reader, policy.coverage, tenant_id=tenant_id, path=f"{path}.policy.coverage"),
    )
    graph = latency if latency is not None else (projection.links if projection is not None else LinkGraph(reader))
    network = cache(partial(graph.network, reader, tenant_id=tenant_id))
    words = words_of(
        reader,
        policy,
        inventory=inventory,
        visible=visible,
        rows=rows,
        components=components,
        replicas=replicas,
        targets=targets,
        network=network,
        nodes_matching=partial(outlooks.nodes_matching, inventory, everything),
        sites_matching=partial(outlooks.sites_matching, inventory, everything),
        uses=everything,
        tenant_id=tenant_id,
        excluding_deployment_id=excluding_deployment_id,
        deployment_labels=deployment_labels,
        claimants=None if projection is None else projection.claims.deployment_ids(),
        path=f"{path}.policy",
    )
    needs, models = needs_of(components, replicas=replicas, selectors=selectors)
    needs = tuple(
        altered(
            one,
            most_per_node=1 if said.one_per_node else None,
            alone=said.dedicated,
            away_from=said.away_from,
            beside=said.beside,
        )
        for one, said in zip(needs, words.components, strict=True)
    )
    sites = outlook.sites.sites
    return Problem(
        revision=reader.revision,
        policy=policy,
        components=needs,
        sites=sites,
        columns=outlook.sites,
        transit_sites=outlook.transit_sites,
        labels=labels,
        targets=targets,
        latency=outlooks.latencies(outlook, network(), targets, near_by=_near_by(targets, words)),
        clusters=outlook.clusters,
        needed=needed_in_all(needs),
        salt=version.app_id if (version := get_as(reader, AppVersion, components[0].app_version_id)) else "",
        current=current_replicas(everything, outlook.sites.row_of, needs, deployment_id=excluding_deployment_id),
        bins=bins_of(
            inventory,
            outlook.layout,
            rows=rows,
            models=models,
            needs=needs,
            selector_match=tuple(outlooks.nodes_matching(inventory, everything, one.node_selector) for one in needs),
            uses=everything,
            excluding_deployment_id=excluding_deployment_id,
        ),
        words=words,
    )


def _near_by(targets: Sequence[Target], words: PolicyWords) -> Callable[[], list[Ints | None]] | None:
    """Gives for places whose reach is a distance the sites within it; None when there are no such places."""
    allowed = words.allowed
    if allowed is None or all(one.within_km is None for one in targets):
        return None
    return lambda: [None if one.within_km is None else allowed.sites_of(n) for n, one in enumerate(targets)]


def check_replicas(
    replicas: Mapping[str, int], components: Sequence[Component], *, policy: PlacementPolicy, path: str
) -> None:
    """Raises InvalidInput for a component that there is not, or a number that cannot be.

    policy: with a division the numbers are totals, up to a million; else they are at each site.
    """
    names = {one.name for one in components}
    most, where = (MAX_REPLICAS, "at a site") if policy.division is None else (MAX_TOTAL, "in all")
    for name, count in replicas.items():
        if name not in names:
            raise InvalidInput(
                f"there is no component {name!r}",
                remedy=f"use one of {', '.join(sorted(names))}",
                path=f"{path}.{name}",
            )
        if not 0 <= count <= most:
            raise InvalidInput(
                f"{name!r} can have 0 to {most:,} replicas {where}, not {count:,}",
                remedy="give a number in that range",
                path=f"{path}.{name}",
            )


def _check_counts(
    components: Sequence[Component], policy: PlacementPolicy, replicas: Mapping[str, int], *, path: str
) -> None:
    if not components:
        raise InvalidInput("there is no component to place", remedy="add a component to the app version", path=path)
    if len(components) > MAX_COMPONENTS:
        raise InvalidInput(
            f"at most {MAX_COMPONENTS} components are placed together, this version has {len(components)}",
            remedy="split the app",
            path=path,
        )
    for one in components:
        if not one.resources.cpu_millicores or not one.resources.memory_bytes:
            raise InvalidInput(
                f"component {one.name!r} does not state the CPU and memory that a replica needs",
                remedy="state both: what is not known is never taken as nothing",
                path=f"{path}.components.{one.name}.resources",
            )
    check_replicas(replicas, components, policy=policy, path=f"{path}.replicas")
    if policy.min_sites < 1:
        raise InvalidInput("at least one site is asked for", remedy="give 1 or more", path=f"{path}.policy.minSites")
    if policy.max_sites is not None and policy.max_sites < policy.min_sites:
        raise InvalidInput(
            f"at least {policy.min_sites} sites and at most {policy.max_sites} cannot both be",
            remedy="raise maxSites or lower minSites",
            path=f"{path}.policy.maxSites",
        )
    tiers = [one.name for one in Tier]
    for n, tier in enumerate(policy.sites.tiers):
        if tier not in tiers:
            raise InvalidInput(
                f"there is no tier {tier!r}",
                remedy=f"name one of {', '.join(tiers)}",
                path=f"{path}.policy.sites.tiers[{n}]",
            )
