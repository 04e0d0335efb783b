"""Single points of failure: the links and sites whose loss alone cuts others off.

They are the bridges and the articulation points of the graph of links that are up; by the tree of its blocks it is known of
each at once how many sites are on its far side. Linear in the sites and links that are looked at, whose number is bounded:
a region of a large network is asked about, not all of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import networkx as nx

from graph.kinds import Link, LinkState
from graph.refusal import LimitExceeded
from graph.view import Reader, each

MAX_SITES = 2_000
"""The most sites that are looked at in one question."""
EXAMPLES = 20
"""How many of the sites that are cut off are named."""
Side = list[range]
"""Sites as parts of a walk."""


@dataclass(frozen=True, slots=True)
class WeakPoint:
    """A link or a site whose loss cuts others off."""

    site_id: str | None
    link_id: str | None
    cut_off: int
    """How many sites lose their way to the largest part that is left; itself is not among them."""
    examples: tuple[str, ...]
    """Some of these, at most 20, ascending."""


def weak_points(reader: Reader, site_ids: Sequence[str], *, path: str = "region") -> list[WeakPoint]:
    """What cuts off the most sites first; then by id, links before sites. Links to other sites than these do not count.

    Raises LimitExceeded for more than 2,000 sites.
    """
    if len(site_ids) > MAX_SITES:
        raise LimitExceeded(
            f"weak points are looked for among at most {MAX_SITES:,} sites, these are {len(site_ids):,}",
            remedy="name a smaller region",
            path=path,
        )
    graph, links = _graph(reader, site_ids)
    found = [*_bridges(graph, links), *_cut_sites(graph)]
    return sorted(found, key=lambda one: (-one.cut_off, one.link_id is None, one.link_id or one.site_id or ""))


def _graph(reader: Reader, site_ids: Sequence[str]) -> tuple[nx.Graph[str], dict[tuple[str, str], list[str]]]:
    """The graph of these sites over links that are up, and the links between each two, by their ids in order."""
    graph: nx.Graph[str] = nx.Graph()
    graph.add_nodes_from(sorted(site_ids))
    links: dict[tuple[str, str], list[str]] = {}
    for site_id in graph.nodes:
        for link in each(reader, Link, "from_site_id", site_id):
            if link.state is LinkState.UP and link.to_site_id in graph and link.to_site_id != site_id:
                low, high = sorted((site_id, link.to_site_id))
                links.setdefault((low, high), []).append(link.id)
    graph.add_edges_from(sorted(links))
    return graph, links


def _bridges(graph: nx.Graph[str], links: dict[tuple[str, str], list[str]]) -> Iterator[WeakPoint]:
    """Links without which their ends have no way to each other; of parallel ones none is."""
    bridges = {(min(one), max(one)) for one in nx.bridges(graph)}
    # What is between bridges holds together: a forest, in which each bridge has two sides.
    held = graph.copy()
    held.remove_edges_from(bridges)
    parts = [tuple(sorted(one)) for one in nx.connected_components(held)]
    part_of = {site: at for at, sites in enumerate(parts) for site in sites}
    forest: nx.Graph[Any] = nx.Graph()
    forest.add_nodes_from(range(len(parts)))
    forest.add_edges_from((part_of[low], part_of[high]) for low, high in bridges)
    sides = _Sides(forest, dict(enumerate(parts)))
    for low, high in sorted(bridges):
        if len(links[low, high]) == 1:
            both = sides.beyond(part_of[low], part_of[high]), sides.beyond(part_of[high], part_of[low])
            yield WeakPoint(None, links[low, high][0], *sides.told(min(both, key=_size)))


def _cut_sites(graph: nx.Graph[str]) -> Iterator[WeakPoint]:
    """Sites without which some of their neighbours have no way to each other."""
    blocks: list[list[Any]] = [sorted(one) for one in nx.biconnected_components(graph)]
    cuts: set[Any] = set(nx.articulation_points(graph))
    tree: nx.Graph[Any] = nx.Graph()
    held: dict[Any, tuple[str, ...]] = {one: (one,) for one in cuts}
    for at, sites in enumerate(blocks):
        # A site is a vertex by its id, a block by its number.
        held[at] = tuple(one for one in sites if one not in cuts)
        tree.add_node(at)
        tree.add_edges_from((at, one) for one in sites if one in cuts)
    sides = _Sides(tree, held)
    for site_id in sorted(cuts):
        beyond = [sides.beyond(site_id, block) for block in tree.neighbors(site_id)]
        largest = max(beyond, key=_size)
        left = [part for side in beyond if side is not largest for part in side]
        yield WeakPoint(site_id, None, *sides.told(left))


class _Sides:
    """The two sides of each edge of a forest, without a walk for each: a subtree is an interval of one walk."""

    def __init__(self, forest: nx.Graph[Any], held: dict[Any, tuple[str, ...]]) -> None:
        self._parent: dict[object, object] = {}
        self._begin: dict[object, int] = {}
        self._end: dict[object, int] = {}
        self._root: dict[object, object] = {}
        self._walked: list[str] = []
        for root in forest.nodes:
            if root not in self._begin:
                self._walk(forest, root, held)

    def _walk(self, forest: nx.Graph[Any], root: object, held: dict[Any, tuple[str, ...]]) -> None:
        self._root[root] = root
        for one, other, direction in nx.dfs_labeled_edges(forest, root):
            if direction == "forward":
                if one != other:
                    self._parent[other] = one
                self._root[other] = root
                self._begin[other] = len(self._walked)
                self._walked.extend(held[other])
            elif direction == "reverse":
                self._end[other] = len(self._walked)

    def beyond(self, here: object, there: object) -> Side:
        """The far side of the edge from `here` to `there`."""
        if self._parent.get(there) == here:
            return [range(self._begin[there], self._end[there])]
        root = self._root[here]
        return [range(self._begin[root], self._begin[here]), range(self._end[here], self._end[root])]

    def told(self, side: Side) -> tuple[int, tuple[str, ...]]:
        """How many sites are on a side, and some of them."""
        some = islice((self._walked[at] for part in side for at in part), EXAMPLES)
        return _size(side), tuple(sorted(some))


def _size(side: Side) -> int:
    return sum(len(part) for part in side)


__all__ = ["MAX_SITES", "WeakPoint", "weak_points"]
