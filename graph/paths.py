"""Ways through the network: shortest paths and what is within reach.

Links that are up are edges in both directions; TRANSIT sites are routed through like any other. Between the same two sites
the best of parallel links counts. What a reader may not see is as if it were not there: neither shown nor used as a
shortcut, for a total that only a hidden link explains would show the link.

Links are kept as columns that follow the commits, and searches run in scipy's Dijkstra over them: 2 ms for what is within
reach and 8 ms for a path at 10,000 sites and 20,000 links, so a read may do it between two commits. Ties are broken by
searching again among the tied edges alone for the next metric, and at last by ids: a path is a function of the graph, not
of the order in which it was learned.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from graph.change import Commit
from graph.kinds import Link, LinkState, Site
from graph.refusal import NotFound
from graph.view import Reader, each, get_as

Floats: TypeAlias = NDArray[np.float64]
Rows: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]

KEPT_NETWORKS = 8
"""How many networks are kept: one for each set of private links and sites that readers were found to see."""


class PathMetric(enum.Enum):
    """What a path makes least."""

    LATENCY = "LATENCY"
    """The sum of the links' latencies."""
    COST = "COST"
    """The sum of the links' costs."""
    HOPS = "HOPS"
    """The number of links."""


class Path(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A way from one site to another over links that are up."""

    site_ids: list[str]
    """From the first to the last, both included."""
    link_ids: list[str]
    """One fewer than the sites."""
    latency_ms: float
    cost: float
    """Sum of the links' cost, price units an hour."""
    hops: int
    bottleneck_mbps: float | None
    """The least free bandwidth on the way, Mbit/s; None when a link on it states none, for unknown is not unlimited."""


class Reached(msgspec.Struct, frozen=True, gc=False):
    """A site within reach, and the least latency to it in milliseconds, one way."""

    site_id: str
    latency_ms: float


_ORDER = {
    PathMetric.LATENCY: (PathMetric.LATENCY, PathMetric.HOPS),
    PathMetric.COST: (PathMetric.COST, PathMetric.LATENCY, PathMetric.HOPS),
    PathMetric.HOPS: (PathMetric.HOPS, PathMetric.LATENCY),
}
"""What breaks ties. Hops are in each, so that what is left has no cycles of weight zero."""


@dataclass(frozen=True, slots=True)
class Network:
    """Links as arcs, two a link, ordered by (from, to, link id): an immutable value that searches run on."""

    site_ids: list[str]
    """By row, ascending: all sites of the graph. Those that are not seen have no arcs."""
    row_of: dict[str, int]
    link_ids: list[str]
    """By link row, ascending."""
    tail: Rows
    head: Rows
    link: Rows
    """The link row of each arc."""
    latency: Floats
    cost: Floats
    free_mbps: Floats
    """What is free of each link, by link row: its bandwidth less what is reserved; not a number where none is stated."""

    def weights(self, metric: PathMetric) -> Floats:
        """Each arc's weight in a metric."""
        if metric is PathMetric.LATENCY:
            return self.latency
        return self.cost if metric is PathMetric.COST else np.ones(len(self.tail))

    def matrix(self, weights: Floats, among: Mask | None = None) -> csr_array:
        """The sparse matrix of the least weight between each two sites, of all arcs or of some."""
        return _least(self.tail, self.head, weights, among, size=len(self.site_ids))


class LinkGraph:
    """The network, kept current by commits. A `Follower` of the view whose links it knows.

    Every question names the reader that asks. What has no tenant is taken as seen and what has one is asked for; then the
    answer itself is checked, so that a reader that sees less than that is answered from its own lists instead. For a reader
    of another state of the graph, such as a what-if, make a LinkGraph of that reader.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._stale = True
        self._columns = _columns_of(reader=None)
        self._private: list[str] = []
        self._networks: dict[frozenset[str], Network] = {}

    def applied(self, commit: Commit) -> None:
        """Notes what the commit changes of the network; other changes cost nothing."""
        if self._stale:
            return
        other_widths = False
        for change in commit.changes:
            if change.kind == "Link":
                if change.before is None or not isinstance(change.after, Link):
                    self._stale = True
                    return
                other_ways, other_width = self._columns.takes(change.after)
                other_widths |= other_width
                if other_ways:
                    self._networks.clear()
            elif change.kind == "Site" and (change.before is None or change.after is None):
                self._stale = True
                return
        if other_widths and self._networks:
            # Networks that were handed out stay as they were.
            free = self._columns.free.copy()
            self._networks = {hidden: replace(one, free_mbps=free) for hidden, one in self._networks.items()}

    def reloaded(self) -> None:
        """Everything may differ."""
        self._stale = True

    def shortest_path(
        self, reader: Reader, from_site_id: str, to_site_id: str, *, minimize: PathMetric = PathMetric.LATENCY
    ) -> Path | None:
        """The best way between two sites among what `reader` sees, or None when there is none.

        Ties go to fewer hops (to less latency first, when cost or hops are made least), then to smaller ids. Raises NotFound
        for an end that the reader does not see; its path is `from` or `to`.
        """
        _seen_site(reader, from_site_id, path="from")
        _seen_site(reader, to_site_id, path="to")
        way = _way(self.network(reader), from_site_id, to_site_id, minimize=minimize)
        if way is not None and not _sees(reader, (*way[0], *way[1])):
            way = _way(network_of(reader), from_site_id, to_site_id, minimize=minimize)
        return None if way is None else _described(reader, *way)

    def reachable(self, reader: Reader, from_site_id: str, *, within_ms: float, first: int) -> list[Reached]:
        """At most `first` other sites within a latency, nearest first, ties by id, among what `reader` sees.

        Raises NotFound (path `from`) for a start that the reader does not see.
        """
        _seen_site(reader, from_site_id, path="from")
        if first <= 0 or not within_ms >= 0:
            return []
        network = self.network(reader)
        found, used = _within(network, from_site_id, within_ms=within_ms, first=first)
        if not _sees(reader, used):
            found, _ = _within(network_of(reader), from_site_id, within_ms=within_ms, first=first)
        return found

    def beside(self, reader: Reader) -> LinkGraph:
        """One of a reader that shows this one's graph with changes, which `applied` then tells it: a cheap copy."""
        self._know()
        other = LinkGraph(reader)
        other._stale = False
        other._columns = self._columns.copy()
        other._private = list(self._private)
        other._networks = dict(self._networks)
        return other

    def network(self, reader: Reader, *, tenant_id: str | None = None) -> Network:
        """The network that the reader sees, on the rule that what has no tenant is seen by everyone.

        With a tenant also without what is private to others, whatever else the reader sees.
        """
        self._know()
        hidden = frozenset(one for one in self._private if not _may_use(reader.get(one), tenant_id))
        found = self._networks.pop(hidden, None)
        if found is None:
            found = self._columns.network(hidden)
            while len(self._networks) >= KEPT_NETWORKS:
                del self._networks[next(iter(self._networks))]
        self._networks[hidden] = found
        return found

    def _know(self) -> None:
        """Reads all links when it is not known what became of them."""
        if self._stale:
            self._columns = _columns_of(self._reader)
            self._private = [site.id for site in each(self._reader, Site) if site.tenant_id is not None]
            self._private += [link.id for link in each(self._reader, Link) if link.tenant_id is not None]
            self._networks.clear()
            self._stale = False


def _way(network: Network, start: str, end: str, *, minimize: PathMetric) -> tuple[list[str], list[str]] | None:
    """The sites and the links of the best path."""
    origin, target = network.row_of.get(start), network.row_of.get(end)
    if origin is None or target is None:
        return None
    arcs = _best_arcs(network, origin, target, minimize=minimize)
    if arcs is None:
        return None
    sites = [start, *(network.site_ids[row] for row in network.head[arcs])]
    return sites, [network.link_ids[row] for row in network.link[arcs]]


def _described(reader: Reader, site_ids: list[str], link_ids: list[str]) -> Path:
    links = [link for one in link_ids if (link := get_as(reader, Link, one)) is not None]
    free = [max(0.0, link.bandwidth_mbps - link.reserved_mbps) for link in links if link.bandwidth_mbps is not None]
    return Path(
        site_ids=site_ids,
        link_ids=link_ids,
        latency_ms=sum(link.latency_ms for link in links),
        cost=sum(link.cost for link in links),
        hops=len(link_ids),
        bottleneck_mbps=min(free) if free and len(free) == len(link_ids) else None,
    )


def network_of(reader: Reader) -> Network:
    """The network of all sites and links that a reader lists."""
    return _columns_of(reader).network(frozenset())


@dataclass(slots=True)
class _Columns:
    """All links, by ascending id, as columns in which a link that changes is overwritten."""

    site_ids: list[str]
    row_of: dict[str, int]
    link_ids: list[str]
    link_row: dict[str, int]
    a: Rows
    b: Rows
    latency: Floats
    cost: Floats
    up: Mask
    free: Floats
    """Mbit/s, not a number where no bandwidth is stated."""
    order: Rows
    """All arcs, two a link: first those from `a` to `b`, then the others; ordered by (from, to, link)."""

    def copy(self) -> _Columns:
        """A copy whose links change by themselves."""
        return replace(
            self, latency=self.latency.copy(), cost=self.cost.copy(), up=self.up.copy(), free=self.free.copy()
        )

    def takes(self, link: Link) -> tuple[bool, bool]:
        """Takes in a changed link; whether ways differ by it, and whether what is free on them does."""
        row = self.link_row.get(link.id)
        if row is None:
            return False, False
        up = link.state is LinkState.UP
        same = (self.latency[row], self.cost[row], self.up[row]) == (link.latency_ms, link.cost, up)
        self.latency[row], self.cost[row], self.up[row] = link.latency_ms, link.cost, up
        free, before = _free(link), self.free[row]
        self.free[row] = free
        return not same, not (free == before or (np.isnan(free) and np.isnan(before)))

    def network(self, hidden: frozenset[str]) -> Network:
        """The links that are up, without those hidden and those of hidden sites, as a value of its own."""
        used = self.up
        if hidden:
            used = used.copy()
            used[[self.link_row[one] for one in hidden if one in self.link_row]] = False
            unseen = np.zeros(len(self.site_ids), dtype=bool)
            unseen[[self.row_of[one] for one in hidden if one in self.row_of]] = True
            used &= ~(unseen[self.a] | unseen[self.b])
        order = self.order
        if not used.all():
            order = order[used[order % max(1, len(used))]]
        link = order % max(1, len(used))
        turned = order >= len(used)
        a, b = self.a[link], self.b[link]
        return Network(
            site_ids=self.site_ids,
            row_of=self.row_of,
            link_ids=self.link_ids,
            tail=np.where(turned, b, a),
            head=np.where(turned, a, b),
            link=link,
            latency=self.latency[link],
            cost=self.cost[link],
            free_mbps=self.free.copy(),
        )


def _columns_of(reader: Reader | None) -> _Columns:
    site_ids = [] if reader is None else list(reader.ids("Site"))
    row_of = {one: row for row, one in enumerate(site_ids)}
    links = [] if reader is None else list(each(reader, Link))
    links = [one for one in links if one.from_site_id in row_of and one.to_site_id in row_of]
    a = np.array([row_of[one.from_site_id] for one in links], dtype=np.int64)
    b = np.array([row_of[one.to_site_id] for one in links], dtype=np.int64)
    rows = np.arange(len(links))
    return _Columns(
        site_ids=site_ids,
        row_of=row_of,
        link_ids=[one.id for one in links],
        link_row={one.id: row for row, one in enumerate(links)},
        a=a,
        b=b,
        order=np.lexsort((np.r_[rows, rows], np.r_[b, a], np.r_[a, b])),
        latency=np.array([one.latency_ms for one in links], dtype=np.float64),
        cost=np.array([one.cost for one in links], dtype=np.float64),
        up=np.array([one.state is LinkState.UP for one in links], dtype=bool),
        free=np.array([_free(one) for one in links], dtype=np.float64),
    )


def _free(link: Link) -> float:
    """Mbit/s; not a number where no bandwidth is stated, for unknown is not unlimited."""
    return np.nan if link.bandwidth_mbps is None else max(0.0, link.bandwidth_mbps - link.reserved_mbps)


def _least(tail: Rows, head: Rows, weights: Floats, among: Mask | None, *, size: int) -> csr_array:
    """Arcs that are ordered by (tail, head) as a matrix that has the least of parallel ones.

    Built from its three arrays, since conversion from coordinates would add parallel arcs up. Explicit zeros stay edges.
    """
    if among is not None:
        tail, head, weights = tail[among], head[among], weights[among]
    if len(tail):
        starts = np.flatnonzero(np.r_[True, (tail[1:] != tail[:-1]) | (head[1:] != head[:-1])])
        weights = np.minimum.reduceat(weights, starts)
        tail, head = tail[starts], head[starts]
    pointers = np.zeros(size + 1, dtype=np.int32)
    np.cumsum(np.bincount(tail, minlength=size), out=pointers[1:])
    return csr_array((weights, head.astype(np.int32), pointers), shape=(size, size))


def _best_arcs(network: Network, origin: int, target: int, *, minimize: PathMetric) -> Rows | None:
    """The arcs of the best path in order, or None when there is none."""
    among: Mask = np.ones(len(network.tail), dtype=bool)
    distance: Floats = np.empty(0)
    for metric in _ORDER[minimize]:
        weights = network.weights(metric)
        distance = dijkstra(network.matrix(weights, among), directed=True, indices=[origin])[0]
        if not np.isfinite(distance[target]):
            return None
        reached = np.isfinite(distance[network.tail])
        # The sum is the very one that the search made, so equality is exact.
        among = among & reached & (distance[network.tail] + weights == distance[network.head])
    # What is left are arcs of best paths alone, each of which is one hop farther: walking back cannot go round.
    arcs = np.flatnonzero(among)
    arcs = arcs[np.lexsort((network.link[arcs], network.tail[arcs], network.head[arcs]))]
    heads = network.head[arcs]
    walked: list[int] = []
    at = target
    while at != origin:
        arc = int(arcs[np.searchsorted(heads, at)])
        walked.append(arc)
        at = int(network.tail[arc])
    return np.array(walked[::-1], dtype=np.int64)


def _within(network: Network, start: str, *, within_ms: float, first: int) -> tuple[list[Reached], list[str]]:
    """The sites within reach, and the ids of all sites and links that the ways to them use."""
    origin = network.row_of.get(start)
    if origin is None:
        return [], []
    distances, predecessors = dijkstra(
        network.matrix(network.latency), directed=True, indices=[origin], limit=within_ms, return_predecessors=True
    )
    distance, before = distances[0], predecessors[0]
    rows = np.flatnonzero(distance <= within_ms)
    rows = rows[rows != origin]
    # Rows ascend by id, so a stable sort breaks ties by id.
    rows = rows[np.argsort(distance[rows], kind="stable")][:first]
    found = [Reached(network.site_ids[row], float(distance[row])) for row in rows.tolist()]
    used: dict[str, None] = {}
    for row in rows.tolist():
        at = row
        while at != origin and network.site_ids[at] not in used:
            used[network.site_ids[at]] = None
            previous = int(before[at])
            link = _link_between(network, previous, at)
            used[network.link_ids[link]] = None
            at = previous
    return found, list(used)


def _link_between(network: Network, tail: int, head: int) -> int:
    """The row of the quickest link between two neighbours; the first by id among equals."""
    low, high = np.searchsorted(network.tail, [tail, tail + 1])
    low += np.searchsorted(network.head[low:high], head)
    high = low + np.searchsorted(network.head[low:high], head + 1)
    return int(network.link[low + int(np.argmin(network.latency[low:high]))])


def _may_use(entity: object, tenant_id: str | None) -> bool:
    if not isinstance(entity, Site | Link):
        return False
    return tenant_id is None or entity.tenant_id is None or entity.tenant_id == tenant_id


def _seen_site(reader: Reader, site_id: str, *, path: str) -> None:
    if get_as(reader, Site, site_id) is None:
        raise NotFound("Site", site_id, path=path)


def _sees(reader: Reader, ids: Sequence[str]) -> bool:
    return all(reader.get(one) is not None for one in ids)
