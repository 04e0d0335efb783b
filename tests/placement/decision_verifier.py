"""Whether a decision keeps its policy, word by word, in plain Python over the graph's entities.

Nothing of the engine's columns, masks or packing is used here, so that what both get wrong would have to be wrong twice.
Latency is by networkx; bandwidth on the way of least latency takes graphs in which that way is one alone.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, reduce
from itertools import product

import networkx as nx
from polygon_verifier import is_inside

from graph.kinds import (
    AppVersion,
    Cluster,
    Component,
    Deployment,
    Link,
    LinkState,
    Node,
    NodeStatus,
    Region,
    Release,
    Site,
    SiteRole,
)
from graph.kinds.policy import (
    AffinityScope,
    AppAffinity,
    ComponentPolicy,
    PlacementPolicy,
    SiteGroup,
    SiteReach,
    SiteSelector,
    Spread,
    SpreadBy,
    Toleration,
    TolerationOperator,
)
from graph.selectors import matches
from graph.spatial import distance_km
from graph.values import HealthStatus, Position, Resources, Taint, TaintEffect
from graph.view import View, each, get_as
from placement.decision import Decision

INFINITE = math.inf
SLACK = 1e-9


@dataclass(frozen=True)
class Wish:
    """What was asked for, and of which graph."""

    view: View
    components: Sequence[Component]
    policy: PlacementPolicy
    replicas: Mapping[str, int] = field(default_factory=dict)
    deployment_id: str | None = None

    @cached_property
    def sites(self) -> dict[str, Site]:
        return {one.id: one for one in each(self.view, Site)}

    @cached_property
    def compute(self) -> list[str]:
        return sorted(one.id for one in self.sites.values() if one.role is SiteRole.COMPUTE)

    @cached_property
    def said(self) -> dict[str, ComponentPolicy]:
        return {one.component: one for one in self.policy.components}

    def wanted(self, component: Component) -> int:
        return self.replicas.get(component.name, component.replicas)

    def price_of(self, component: Component, site_id: str) -> float:
        """Price units an hour of one replica at a site: cores, memory and accelerators; storage has no price."""
        site, needs = self.sites[site_id], component.resources
        models = {one.model: one.price_per_hour for one in site.accelerator_prices}
        return (
            needs.cpu_millicores / 1000 * site.price_per_core_hour
            + needs.memory_bytes / 2**30 * site.price_per_gib_hour
            + sum(one.count * models.get(one.model, 0.0) for one in needs.accelerators)
        )

    # ---- units

    @cached_property
    def units(self) -> list[list[Component]]:
        """The rest of the app first, then each component apart."""
        apart = [one for one in self.components if one.name in self.said and self.said[one.name].apart]
        rest = [one for one in self.components if one not in apart]
        return ([rest] if rest else []) + [[one] for one in apart]

    def limits_of(self, unit: int) -> tuple[int, int | None]:
        first, apart = self.units[unit][0], self.said.get(self.units[unit][0].name)
        if apart is None or not apart.apart:
            return self.policy.min_sites, self.policy.max_sites
        least, most = apart.min_sites, apart.max_sites
        if unit == 0:
            least = max(least, self.policy.min_sites)
            most = min((one for one in (most, self.policy.max_sites) if one is not None), default=None)
        assert first.name == apart.component
        return least, most

    # ---- the network

    @cached_property
    def network(self) -> nx.Graph:
        graph = nx.Graph()
        graph.add_nodes_from(self.sites)
        for link in each(self.view, Link):
            if link.state is LinkState.UP:
                known = graph.get_edge_data(link.from_site_id, link.to_site_id)
                if known is None or link.latency_ms < known["weight"]:
                    free = None if link.bandwidth_mbps is None else max(0.0, link.bandwidth_mbps - link.reserved_mbps)
                    graph.add_edge(link.from_site_id, link.to_site_id, weight=link.latency_ms, free=free)
        return graph

    @cached_property
    def ways(self) -> dict[str, dict[str, tuple[float, float]]]:
        """From each site to each: milliseconds, and what is free on the way; nan: a link does not say."""
        found: dict[str, dict[str, tuple[float, float]]] = {}
        for source in self.sites:
            lengths, paths = nx.single_source_dijkstra(self.network, source)
            found[source] = {}
            for end, path in paths.items():
                free = [self.network.edges[a, b]["free"] for a, b in itertools.pairwise(path)]
                width = math.nan if None in free else min(free, default=INFINITE)
                found[source][end] = lengths[end], width
        return found

    def between(self, a: str, b: str) -> tuple[float, float]:
        return self.ways[a].get(b, (INFINITE, math.nan))

    def from_site(self, users_at: str, site_id: str) -> tuple[float, float]:
        ms, width = self.between(users_at, site_id)
        return 0.15 + ms, width

    def from_position(self, position: Position, site_id: str) -> tuple[float, float]:
        near = sorted(
            (distance_km(position, one.position), one.id) for one in self.sites.values() if one.position is not None
        )[:3]
        best = (INFINITE, math.nan)
        for km, vertex in near:
            if km <= near[0][0] + 50:
                ms, width = self.between(vertex, site_id)
                best = min(best, (km * 1.4 * 0.005 + 0.15 + ms, width), key=lambda one: one[0])
        return best

    # ---- places

    @cached_property
    def places(self) -> list[Place]:
        found = []
        for one in self.policy.latency:
            place, demand = one.place, one.demand
            if place.site_id is not None:
                reach = {
                    site: (0.15 + ms, width)
                    for site in self.compute
                    for ms, width in [self.between(place.site_id, site)]
                }
                found.append(Place(reach, 1.0 if demand is None else demand, one.within_ms, one.min_bandwidth_mbps))
                continue
            position = place.position
            if place.region_id is not None:
                region = get_as(self.view, Region, place.region_id)
                assert region is not None
                position = region.centre
                demand = (region.demand or 1.0) if demand is None else demand
            assert position is not None
            reach = {site: self.from_position(position, site) for site in self.compute}
            found.append(Place(reach, 1.0 if demand is None else demand, one.within_ms, one.min_bandwidth_mbps))
        return found + self._covered()

    def _covered(self) -> list[Place]:
        tightest: dict[tuple[str, bool], float] = {}
        for one in self.policy.coverage:
            for region in self._users():
                inside = not (one.region_ids or one.circle or one.polygon)
                inside |= bool(set(one.region_ids) & set(self.above(region.id)))
                if one.circle is not None:
                    inside |= distance_km(one.circle.centre, region.centre) <= one.circle.radius_km
                if one.polygon:
                    inside |= is_inside(one.polygon, region.centre)
                if inside:
                    limit = one.within_ms if one.within_ms is not None else one.within_km
                    assert limit is not None
                    key = region.id, one.within_ms is None
                    tightest[key] = min(limit, tightest.get(key, INFINITE))
        found = []
        for (region_id, by_distance), limit in tightest.items():
            region = get_as(self.view, Region, region_id)
            assert region is not None
            assert region.centre is not None
            reach = {site: self.from_position(region.centre, site) for site in self.compute}
            place = Place(reach, region.demand or 1.0, INFINITE if by_distance else limit, None)
            if by_distance:
                place.near = {
                    site
                    for site in self.compute
                    if (position := self.sites[site].position) is not None
                    and distance_km(region.centre, position) <= limit
                }
            found.append(place)
        return found

    def _users(self) -> list[Region]:
        regions = [one for one in each(self.view, Region) if one.centre is not None]
        parents = {above for one in regions for above in self.above(one.id)[1:]}
        return [one for one in regions if one.id not in parents]

    def above(self, region_id: str | None) -> list[str]:
        """The region and those that it lies in."""
        found = []
        while region_id is not None:
            found.append(region_id)
            region = get_as(self.view, Region, region_id)
            region_id = None if region is None else region.parent_id
        return found

    # ---- words of one site

    def selects(self, selector: SiteSelector, site: Site) -> bool:
        return (
            (not selector.site_ids or site.id in selector.site_ids)
            and site.id not in selector.excluded_site_ids
            and (not selector.region_ids or bool(set(selector.region_ids) & set(self.above(site.region_id))))
            and (not selector.tiers or site.tier.name in selector.tiers)
            and matches(selector.labels or "", site.labels)
            and (
                selector.circle is None
                or (
                    site.position is not None
                    and distance_km(selector.circle.centre, site.position) <= selector.circle.radius_km
                )
            )
            and (not selector.polygon or (site.position is not None and is_inside(selector.polygon, site.position)))
        )

    def site_passes(self, unit: int, site: Site) -> bool:
        """Every word about one site, but for the room on its nodes."""
        policy, component = self.policy, self.units[unit][0]
        own = self.said.get(component.name)
        return (
            site.role is SiteRole.COMPUTE
            and site.schedulable
            and site.health.status is not HealthStatus.DOWN
            and any(one.schedulable for one in each(self.view, Cluster, "site_ids", site.id))
            and self.selects(policy.sites, site)
            and (own is None or not own.apart or self.selects(own.sites, site))
            and (not policy.groups or any(self._in_group(one, site) for one in policy.groups))
            and (not policy.preferences or any(self.selects(one, site) for one in policy.preferences))
            and (
                not policy.residency_region_ids
                or bool(set(policy.residency_region_ids) & set(self.above(site.region_id)))
            )
            and all(self.domain(one, site) is not None for one in policy.spread)
            and all(self._reaches(one, site) for one in policy.near)
            and all(self._together(one, site) for one in policy.affinity)
            and not any(self._together(one, site) for one in policy.anti_affinity)
            and (unit > 0 or not self.places or any(one.in_reach(site.id) for one in self.places))
        )

    def _in_group(self, group: SiteGroup, site: Site) -> bool:
        if group.sites is not None:
            return self.selects(group.sites, site)
        return any(self._in_group(one, site) for one in (*group.all_of, *group.any_of))

    def _reaches(self, wanted: SiteReach, site: Site) -> bool:
        ms, width = self.between(wanted.site_id, site.id)
        least = wanted.min_bandwidth_mbps
        within = INFINITE if wanted.within_ms is None else wanted.within_ms
        return ms <= within + SLACK and ms < INFINITE and (least is None or width >= least)

    def _together(self, wanted: AppAffinity, site: Site) -> bool:
        for one in each(self.view, Deployment):
            version = get_as(self.view, AppVersion, one.app_version_id)
            named = one.id in wanted.deployment_ids or (version is not None and version.app_id in wanted.app_ids)
            named |= bool(wanted.labels) and matches(wanted.labels or "", one.labels)
            if not named or one.id == self.deployment_id:
                continue
            for release in each(self.view, Release, "deployment_id", one.id):
                other = self.sites[release.site_id]
                if other.id == site.id or (wanted.scope is AffinityScope.REGION and other.region_id == site.region_id):
                    return True
        return False

    def domain(self, spread: Spread, site: Site) -> str | None:
        if spread.by is SpreadBy.SITE:
            return site.id
        if spread.by is SpreadBy.LABEL:
            return site.labels.get(spread.label or "")
        if spread.level is None:
            return site.region_id
        for above in self.above(site.region_id):
            region = get_as(self.view, Region, above)
            if region is not None and region.level.name == spread.level:
                return above
        return None

    # ---- nodes

    def free(self, node: Node) -> Resources:
        used = node.foreign_use
        for release in each(self.view, Release, "site_id", node.site_id):
            if release.deployment_id != self.deployment_id:
                used = used.plus(release.resources.times(release.assignments.get(node.id, 0)))
        return node.usable.minus(used)

    def others_on(self, node: Node) -> list[Release]:
        return [
            one
            for one in each(self.view, Release, "site_id", node.site_id)
            if one.deployment_id != self.deployment_id and one.assignments.get(node.id, 0)
        ]

    def node_takes(self, component: Component, node: Node) -> bool:
        """Every word about one node, but for its room."""
        said = self.said.get(component.name)
        taken = any(
            own.dedicated_nodes and own.component == other.name
            for release in self.others_on(node)
            if (deployment := get_as(self.view, Deployment, release.deployment_id)) is not None
            and (other := get_as(self.view, Component, release.component_id)) is not None
            for own in deployment.policy.components
        )
        return (
            node.schedulable
            and node.status is not NodeStatus.NOT_READY
            and all(self._tolerates(one) for one in node.taints)
            and (not component.architectures or node.arch in component.architectures)
            and matches(component.node_selector or "", node.labels)
            and not taken
            and (
                said is None
                or (
                    matches(said.node_labels or "", node.labels) and not (said.dedicated_nodes and self.others_on(node))
                )
            )
        )

    def _tolerates(self, taint: Taint) -> bool:
        return taint.effect is TaintEffect.PREFER_NO_SCHEDULE or any(
            _matches(one, taint) for one in self.policy.tolerations
        )

    def room(self, component: Component, site_id: str) -> int:
        """For how many replicas of one component there is room when it is alone at the site."""
        said, total = self.said.get(component.name), 0
        for node in each(self.view, Node, "site_id", site_id):
            if self.node_takes(component, node):
                fit = _times(self.free(node), component.resources)
                total += min(fit, 1) if said is not None and said.one_per_node else fit
        return total

    def go_together(self, unit: Sequence[Component], site_id: str) -> bool:
        """Whether there is a way to give all replicas nodes such that each is beside those that its component goes with."""
        names = {one.name for one in unit}
        beside = {name for one in names & {*self.said} for name in self.said[one].pod_affinity}
        if not beside:
            return True
        components = [one for one in self.components if one.name in names | beside]
        nodes = list(each(self.view, Node, "site_id", site_id))

        def ways(component: Component) -> Iterator[tuple[int, ...]]:
            yield from (
                counts
                for counts in product(range(self.wanted(component) + 1), repeat=len(nodes))
                if sum(counts) == self.wanted(component)
                and all(
                    not count or self.node_takes(component, node) for count, node in zip(counts, nodes, strict=True)
                )
            )

        for chosen in product(*(list(ways(one)) for one in components)):
            by_name = {one.name: counts for one, counts in zip(components, chosen, strict=True)}
            used = [
                [one.resources.times(counts[at]) for one, counts in zip(components, chosen, strict=True)]
                for at in range(len(nodes))
            ]
            if all(
                self.free(node).covers(reduce(Resources.plus, amounts))
                for node, amounts in zip(nodes, used, strict=True)
            ) and all(
                not by_name[said.component][at] or by_name[other][at]
                for said in self.policy.components
                for other in said.pod_affinity
                if said.component in by_name
                for at in range(len(nodes))
            ):
                return True
        return False

    # ---- the choice as a whole

    def group_kept(self, group: SiteGroup, chosen: set[str]) -> bool:
        """A group at the top or in `allOf`: all that it selects."""
        if group.sites is not None:
            selected = {one for one in self.compute if self.selects(group.sites, self.sites[one])}
            return bool(selected) and selected <= chosen
        if group.all_of:
            return all(self.group_kept(one, chosen) for one in group.all_of)
        return any(self._one_kept(one, chosen) for one in group.any_of)

    def _one_kept(self, group: SiteGroup, chosen: set[str]) -> bool:
        """A group in `anyOf`: any one site that it selects."""
        if group.sites is not None:
            return any(self.selects(group.sites, self.sites[one]) for one in chosen)
        return self.group_kept(group, chosen)

    def broken(self, chosen: Sequence[set[str]]) -> list[str]:
        """Which words the sites of each unit, replicas aside, do not keep."""
        policy, first, wrong = self.policy, chosen[0], []
        for at, sites in enumerate(chosen):
            least, most = self.limits_of(at)
            if len(sites) < least:
                wrong.append("min_sites")
            if most is not None and len(sites) > most:
                wrong.append("max_sites")
            wrong += ["site" for one in sites if not self.site_passes(at, self.sites[one])]
        wrong += ["pinned" for one in policy.pinned_site_ids if one not in first]
        wrong += ["groups" for one in policy.groups if not self.group_kept(one, first)]
        wrong += ["place" for one in self.places if not any(one.in_reach(site) for site in first)]
        for spread in policy.spread:
            each_domain: dict[str | None, int] = defaultdict(int)
            for site in first:
                each_domain[self.domain(spread, self.sites[site])] += 1
            if len(each_domain) < spread.min_domains or len(each_domain) > (spread.max_domains or INFINITE):
                wrong.append("domains")
            if max(each_domain.values(), default=0) > (spread.max_sites_each or INFINITE):
                wrong.append("each domain")
        unit_of = {one.name: at for at, unit in enumerate(self.units) for one in unit}
        for own in (one for one in policy.components if one.apart):
            mine = chosen[unit_of[own.component]]
            for other in own.serves:
                for site in chosen[unit_of[other]]:
                    if not any(self._serves(own, site, server) for server in mine):
                        wrong.append("serves")
            wrong += ["never_with" for other in own.never_with if mine & chosen[unit_of[other]]]
        if policy.max_moves is not None and self.runs and self.moves(chosen) > policy.max_moves:
            wrong.append("moves")
        return wrong

    def _serves(self, own: ComponentPolicy, client: str, server: str) -> bool:
        ms, width = self.between(client, server)
        assert own.within_ms is not None
        return ms <= own.within_ms + SLACK and (own.min_bandwidth_mbps is None or width >= own.min_bandwidth_mbps)

    @cached_property
    def runs(self) -> set[tuple[str, str]]:
        """Names of components and sites that run now."""
        found = set()
        for one in each(self.view, Release, "deployment_id", self.deployment_id or ""):
            component = get_as(self.view, Component, one.component_id)
            if one.wanted and component is not None and one.replicas:
                found.add((component.name, one.site_id))
        return found

    def moves(self, chosen: Sequence[set[str]]) -> int:
        return sum(
            (component.name, site) not in self.runs
            for unit, sites in zip(self.units, chosen, strict=True)
            for component in unit
            for site in sites
        )


@dataclass
class Place:
    """Users, and how far each site is from them: milliseconds, and what is free on the way."""

    reach: dict[str, tuple[float, float]]
    demand: float
    within_ms: float
    min_mbps: float | None
    near: set[str] | None = None
    """With a limit by distance: the sites within it."""

    def in_reach(self, site: str) -> bool:
        ms, width = self.reach[site]
        if self.near is not None:
            return site in self.near
        return ms <= self.within_ms + SLACK and (self.min_mbps is None or width >= self.min_mbps)


def verify_words(wish: Wish, decision: Decision) -> list[set[str]]:
    """Asserts that a feasible decision keeps every word; the sites of each unit."""
    assert decision.feasible
    policy = wish.policy
    listed = [one.site_id for one in decision.placements]
    assert listed == sorted(set(listed))
    counts: dict[str, dict[str, int]] = {one.id: {} for one in wish.components}
    for placement in decision.placements:
        assert placement.components
        _verify_nodes(wish, placement.site_id, {one.component_id: one.assignments for one in placement.components})
        for one in placement.components:
            counts[one.component_id][placement.site_id] = one.replicas
            if list(wish.view.ids("Node", "site_id", placement.site_id)):
                assert sum(one.assignments.values()) == one.replicas
    chosen = []
    for unit in wish.units:
        sites = set(counts[unit[0].id])
        for component in unit:
            assert set(counts[component.id]) == sites
            _verify_counts(wish, component, counts[component.id])
        if policy.division is not None and any(wish.wanted(one) for one in unit):
            assert all(any(counts[one.id][site] for one in unit) for site in sites)
        chosen.append(sites)
    assert wish.broken(chosen) == []
    price = sum(
        count * wish.price_of(component, site)
        for component in wish.components
        for site, count in counts[component.id].items()
    )
    assert abs(price - decision.objective.price_per_hour) <= 1e-9 * max(1.0, price)
    assert policy.max_price_per_hour is None or price <= policy.max_price_per_hour + SLACK
    assert decision.objective.sites == len(listed)
    if wish.runs:
        moved = {(one.name, site) for one in wish.components for site, count in counts[one.id].items() if count}
        if policy.division is None:
            moved = {(one.name, site) for one in wish.components for site in counts[one.id]}
        assert decision.objective.moves == len(moved - wish.runs)
    return chosen


def _verify_counts(wish: Wish, component: Component, counts: Mapping[str, int]) -> None:
    division, wanted = wish.policy.division, wish.wanted(component)
    if division is None:
        assert all(one == wanted for one in counts.values())
        return
    assert sum(counts.values()) == wanted
    if wanted:
        assert all(one >= division.min_each for one in counts.values())
    assert division.max_each is None or all(one <= division.max_each for one in counts.values())


def _verify_nodes(wish: Wish, site_id: str, assigned: Mapping[str, Mapping[str, int]]) -> None:
    used: dict[str, Resources] = {}
    by_id = {one.id: one for one in wish.components}
    on_node: dict[str, list[Component]] = defaultdict(list)
    for component_id, assignments in assigned.items():
        component = by_id[component_id]
        said = wish.said.get(component.name)
        for node_id, count in assignments.items():
            node = get_as(wish.view, Node, node_id)
            assert node is not None
            assert node.site_id == site_id
            assert wish.node_takes(component, node)
            assert count > 0
            assert said is None or not said.one_per_node or count == 1
            used[node_id] = used.get(node_id, Resources()).plus(component.resources.times(count))
            on_node[node_id].append(component)
    for node_id, amounts in used.items():
        node = get_as(wish.view, Node, node_id)
        assert node is not None
        assert wish.free(node).covers(amounts)
        alone = [one for one in on_node[node_id] if one.name in wish.said and wish.said[one.name].dedicated_nodes]
        assert not alone or len(on_node[node_id]) == 1
        names = {one.name for one in on_node[node_id]}
        assert not any(names & {*wish.said[one].pod_anti_affinity} for one in names if one in wish.said)
        assert all({*wish.said[one].pod_affinity} <= names for one in names if one in wish.said)


def _matches(toleration: Toleration, taint: Taint) -> bool:
    return (
        toleration.effect in (None, taint.effect)
        and (toleration.key is None or toleration.key == taint.key)
        and (toleration.operator is TolerationOperator.EXISTS or toleration.value == taint.value)
    )


def _times(free: Resources, needed: Resources) -> int:
    fit = 0
    while fit < 10_000 and free.covers(needed.times(fit + 1)):
        fit += 1
    return fit


def subsets(sites: Iterable[str]) -> list[set[str]]:
    """All of them, the empty one as well."""
    found: list[set[str]] = [set()]
    for one in sites:
        found += [before | {one} for before in found]
    return found
