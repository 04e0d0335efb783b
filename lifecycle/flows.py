"""Whose turn it is: work is taken in turn over operations, small ones sooner, and none waits for ever.

With one queue a change of ten releases would wait behind one of ten thousand. Here each operation is a flow with a virtual
time that advances by what is taken of it, faster for large ones, and the flow whose time is least comes next. A flow that
begins starts at the virtual time of them all, which goes on with every turn that anybody gets, as in weighted fair queueing:
nobody saves up turns, and newcomers without end starve nobody. What is for clusters that nothing may begin at has no turns
meanwhile: thousands of operations behind a control plane that is away would else be asked whenever another call ends.
"""

from __future__ import annotations

import heapq
from collections import deque
from typing import NamedTuple

SMALL = 32
"""An operation with at most so many releases waiting is small."""
SMALL_WEIGHT = 8.0
"""A small one gets so many turns for one of a large one."""


class Entry(NamedTuple):
    """A release that rang, where its work goes and what it is done for."""

    release_id: str
    site_id: str
    cluster_id: str
    flow: str = ""
    """The operation, as a rule."""

    @property
    def way(self) -> str:
        """The way to its site: how one cluster answers there says nothing of another, which may be another tenant's."""
        return way(self.cluster_id, self.site_id)


def way(cluster_id: str, site_id: str) -> str:
    """The key of a site as one cluster reaches it, for breakers and limits."""
    return f"{cluster_id} {site_id}"


def ends_of(way_id: str) -> tuple[str, str]:
    """The cluster and the site of such a key."""
    cluster_id, _, site_id = way_id.partition(" ")
    return cluster_id, site_id


class Flow:
    """What waits of one operation, in queues by cluster and site; a site with nothing queued has no queue."""

    def __init__(self, name: str, *, at: float) -> None:
        self.name = name
        self.at = at
        """Its virtual time."""
        self.queued = 0
        self.aside = False
        """Whether it has no turns, since nothing of it may begin."""
        self.clusters: dict[str, dict[str, deque[Entry]]] = {}

    @property
    def weight(self) -> float:
        """How many turns it gets for one of a large flow."""
        return SMALL_WEIGHT if self.queued <= SMALL else 1.0

    def put(self, entry: Entry) -> None:
        """Queues an entry."""
        self.clusters.setdefault(entry.cluster_id, {}).setdefault(entry.site_id, deque()).append(entry)
        self.queued += 1

    def pop(self, entry: Entry) -> None:
        """Takes out the first entry of its site, which it is."""
        sites = self.clusters[entry.cluster_id]
        queue = sites[entry.site_id]
        assert queue[0].release_id == entry.release_id, "only what comes first is taken"
        queue.popleft()
        self.queued -= 1
        if not queue:
            del sites[entry.site_id]
            if not sites:
                del self.clusters[entry.cluster_id]

    def first_of(self, cluster_id: str, site_id: str) -> Entry | None:
        """What comes first at a site."""
        queue = self.clusters.get(cluster_id, {}).get(site_id)
        return queue[0] if queue else None

    def last(self, cluster_id: str, site_id: str | None = None) -> None:
        """Puts a cluster, or a site of it, behind the others."""
        if cluster_id not in self.clusters:
            return
        sites = self.clusters[cluster_id]
        if site_id is None:
            self.clusters[cluster_id] = self.clusters.pop(cluster_id)
        elif site_id in sites:
            sites[site_id] = sites.pop(site_id)


class Flows:
    """All that waits, by operation."""

    def __init__(self) -> None:
        self._flows: dict[str, Flow] = {}
        self._heap: list[tuple[float, int, Flow]] = []
        """Flows that wait for a turn, by virtual time."""
        self._aside: dict[str, dict[str, Flow]] = {}
        """Flows without turns, by each cluster that something of them is for, and by name."""
        self._ticket = 0
        self._weights = 0.0
        """Of all flows together that have turns."""
        self._at = 0.0
        """The virtual time: it advances by one when every flow has had its turns once."""

    def put(self, entry: Entry) -> None:
        """Queues an entry in its flow."""
        flow = self._flows.get(entry.flow)
        if flow is None:
            flow = self._flows[entry.flow] = Flow(entry.flow, at=self._at)
            self._push(flow)
        else:
            self._restore(flow)
            self._weights -= flow.weight
        flow.put(entry)
        self._weights += flow.weight

    def pop(self, flow: Flow, entry: Entry) -> None:
        """Takes the first entry of a site out of its flow."""
        self._weights -= flow.weight
        flow.pop(entry)
        if flow.queued:
            self._weights += flow.weight

    def next(self) -> Flow | None:
        """The flow whose turn it is; it has none until it is put `back`."""
        return heapq.heappop(self._heap)[2] if self._heap else None

    def served(self, flow: Flow, *, weight: float) -> None:
        """Something of the flow was taken, when it had that weight."""
        self._at += 1 / max(self._weights, weight)
        flow.at += 1 / weight

    def back(self, flow: Flow) -> None:
        """Has the flow wait for its next turn; one of which nothing waits is forgotten."""
        if flow.queued:
            self._push(flow)
        else:
            self._flows.pop(flow.name, None)

    def set_aside(self, flow: Flow) -> None:
        """Gives a flow no turns until one of its clusters is brought back, or something more is put into it."""
        flow.aside = True
        self._weights -= flow.weight
        for cluster_id in flow.clusters:
            self._aside.setdefault(cluster_id, {})[flow.name] = flow

    def set_aside_for(self) -> list[str]:
        """The clusters for which flows were set aside."""
        return list(self._aside)

    def bring_back(self, cluster_id: str) -> None:
        """Gives turns again to the flows that were set aside for a cluster."""
        for flow in self._aside.pop(cluster_id, {}).values():
            self._restore(flow)

    def waiting(self) -> set[str]:
        """The clusters that something waits for."""
        return {cluster_id for flow in self._flows.values() for cluster_id in flow.clusters}

    def _restore(self, flow: Flow) -> None:
        if flow.aside:
            flow.aside, flow.at = False, max(flow.at, self._at)
            self._weights += flow.weight
            self._push(flow)

    def _push(self, flow: Flow) -> None:
        self._ticket += 1
        heapq.heappush(self._heap, (flow.at, self._ticket, flow))
