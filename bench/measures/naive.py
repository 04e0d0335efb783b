"""The same decision as it is commonly written: loops over a networkx graph, sites and nodes, for an app of one unit.

It asks the same of every site (residency, architecture, room on its nodes), takes the latencies from Dijkstra's search of
networkx, one a place and no further than its limit, and chooses by the same greedy rule: again and again the site that
costs least for each place that it newly serves. It is no straw man: what each site would serve is kept up, not counted
anew.
"""

from __future__ import annotations

import networkx as nx

from bench.worlds.apps import AppToPlace
from bench.worlds.fibre import FibreWorld
from graph.kinds import Component, Node
from placement.problem import Problem
from placement.scores.latency import SCALE_MS

Served = dict[int, float]
"""By place, what serving it costs."""


class Naive:
    """A world as objects."""

    def __init__(self, world: FibreWorld) -> None:
        self.sites = world.sites
        self.parent = {one.id: one.parent_id for one in world.regions.values()}
        self.nodes: dict[str, list[Node]] = {one.id: [] for one in world.sites}
        for node in world.nodes:
            self.nodes[node.site_id].append(node)
        self.graph: nx.Graph[int | str] = nx.Graph()
        self.graph.add_nodes_from(range(len(world.sites)))
        row = {one.id: at for at, one in enumerate(world.sites)}
        for link in world.links:
            self.graph.add_edge(row[link.from_site_id], row[link.to_site_id], weight=link.latency_ms)

    def candidates(self, app: AppToPlace) -> list[int]:
        """The sites that pass every rule but that of places."""
        wanted = set(app.policy.residency_region_ids)
        found = []
        for at, site in enumerate(self.sites):
            region: str | None = site.region_id
            while wanted and region is not None and region not in wanted:
                region = self.parent[region]
            if wanted and region is None:
                continue
            if all(self._room(site.id, one) >= one.replicas for one in app.components):
                found.append(at)
        return found

    def reach(self, app: AppToPlace, problem: Problem) -> list[dict[int, float]]:
        """By place: the sites within its latency. `problem` says where places enter the network."""
        found = []
        for place, target in zip(problem.latency.places, app.policy.latency, strict=True):
            self.graph.add_node("place")
            self.graph.add_edges_from(("place", row, {"weight": up_to}) for row, up_to in place)
            distance = nx.single_source_dijkstra_path_length(self.graph, "place", cutoff=target.within_ms)
            self.graph.remove_node("place")
            found.append({site: ms for site, ms in distance.items() if isinstance(site, int)})
        return found

    def decide(self, app: AppToPlace, problem: Problem) -> tuple[list[int], list[int], float]:
        """The chosen sites, all that might have been, and the cost; the sites are empty when there is no choice."""
        passed = set(self.candidates(app))
        weights, share = app.policy.weights, [one.demand or 0.0 for one in app.policy.latency]
        serves: dict[int, Served] = {}
        for place, sites in enumerate(self.reach(app, problem)):
            for site, ms in sites.items():
                if site in passed:
                    cost = ms / SCALE_MS * weights.latency * share[place] / sum(share)
                    serves.setdefault(site, {})[place] = cost
        cores = sum(one.resources.cpu_millicores * one.replicas for one in app.components) / 1000
        own = {
            site: weights.sites + weights.price * cores * (self.sites[site].price_per_core_hour or 0.0)
            for site in serves
        }
        return self._cover(serves, own, places=len(share))

    def _cover(
        self, serves: dict[int, Served], own: dict[int, float], *, places: int
    ) -> tuple[list[int], list[int], float]:
        by_place: list[list[int]] = [[] for _ in range(places)]
        for site, each in serves.items():
            for place in each:
                by_place[place].append(site)
        count = {site: len(each) for site, each in serves.items()}
        price = {site: sum(each.values()) for site, each in serves.items()}
        waiting, chosen = set(range(places)), list[int]()
        while waiting:
            useful = [site for site in serves if count[site]]
            if not useful:
                return [], sorted(serves), 0.0
            best = min(useful, key=lambda site: ((own[site] + price[site]) / count[site], site))
            chosen.append(best)
            for place in serves[best]:
                if place in waiting:
                    waiting.remove(place)
                    for site in by_place[place]:
                        count[site] -= 1
                        price[site] -= serves[site][place]
        cost = sum(own[site] for site in chosen)
        cost += sum(min(serves[site][place] for site in chosen if place in serves[site]) for place in range(places))
        return sorted(chosen), sorted(serves), cost

    def _room(self, site_id: str, component: Component) -> int:
        """How many replicas its nodes hold."""
        need, room = component.resources, 0
        for node in self.nodes[site_id]:
            if component.architectures and node.arch not in component.architectures:
                continue
            have, used = node.capacity, node.foreign_use
            fits = (have.cpu_millicores - used.cpu_millicores) // need.cpu_millicores
            fits = min(fits, (have.memory_bytes - used.memory_bytes) // need.memory_bytes)
            if need.storage_bytes:
                fits = min(fits, (have.storage_bytes - used.storage_bytes) // need.storage_bytes)
            room += max(0, fits)
        return room
