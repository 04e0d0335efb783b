"""What is to be looked at next: releases that rang, in turn over operations, clusters and sites, within bounds.

A doorbell in memory: it may ring twice, or for nothing, or be lost in a restart, and only time is lost. Each site has a
queue of its own, so that one that is slow or away holds up nobody else. It holds ids and due times alone; whether there is
anything to do is asked of the graph when an id is taken.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Container, Iterator
from functools import cache, partial
from typing import NamedTuple

from lifecycle.backoff import Breakers
from lifecycle.endpoints import Endpoints
from lifecycle.flows import Entry, Flow, Flows, way
from lifecycle.settings import LifecycleSettings

__all__ = ["Entry", "Taken", "Worklist", "way"]
UNWRITTEN = 2
"""So many releases may be worked on for one call at once: what is more waits for results to be written."""


class Taken(NamedTuple):
    """What may be looked at now, and what the breaker of the way to its site keeps back."""

    ready: list[Entry]
    parked: list[Entry]


class Worklist:
    """Ids of releases in queues by operation, cluster and site; not thread-safe, one event loop owns it."""

    def __init__(self, settings: LifecycleSettings, breakers: Breakers, endpoints: Endpoints) -> None:
        self._settings = settings
        self._breakers = breakers
        self._endpoints = endpoints
        self._endpoint_of: dict[str, str] = {}
        """By cluster."""
        self._flows = Flows()
        self._queued: set[str] = set()
        self._timed: list[tuple[float, int, Entry]] = []
        self._due: dict[str, float] = {}
        """When each id on the clock is due; a time on the heap that is not this one is void."""
        self._ticket = 0
        self._running: dict[str, Entry] = {}
        """What was taken and whose result is not written yet."""
        self._calling: dict[str, Entry] = {}
        """Those of them whose call has not ended: these are what is bounded."""
        self._aside: set[str] = set()
        """Those of them that count no more for what is bounded overall."""
        self._taken_at: dict[str, str] = {}
        """The endpoints of those that are being worked on, as they were when they were taken."""
        self._ahead = 0
        """How many of those may be taken although there is no slot for their call yet."""
        self._again: dict[str, tuple[float, Entry]] = {}
        """Ids that rang while they were being worked on, with the time at which they are due."""
        self._rung_at: dict[str, float] = {}
        """Since when each id that is queued or running might have begun."""
        self._on_way: dict[str, int] = {}
        self._at_cluster: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._queued) + len(self._due)

    @property
    def running(self) -> int:
        """How many are being worked on."""
        return len(self._running)

    def reach(self, cluster_id: str, endpoint: str) -> None:
        """Notes at which endpoint a cluster is."""
        self._endpoint_of[cluster_id] = endpoint

    def keep(self, cluster_ids: Container[str]) -> None:
        """Forgets where clusters are that are not among these: they are gone."""
        self._endpoint_of = {one: endpoint for one, endpoint in self._endpoint_of.items() if one in cluster_ids}

    def endpoint_of(self, cluster_id: str) -> str:
        """The endpoint of a cluster; its id while none was noted."""
        return self._endpoint_of.get(cluster_id, cluster_id)

    def endpoint_taken(self, release_id: str) -> str:
        """The endpoint that a release which is being worked on was taken for; its cluster may be at another by now."""
        return self._taken_at[release_id]

    def ring(self, entry: Entry, *, due: float = 0.0, now: float = 0.0) -> None:
        """Has the release looked at: at once, or when it is due by the monotonic clock.

        The earlier of two times holds; for one that is being worked on the last one does, for it knows more.
        """
        release_id = entry.release_id
        if release_id in self._running:
            self._again[release_id] = (due, entry)
        elif release_id in self._queued:
            return
        elif due <= now:
            self._due.pop(release_id, None)
            self._enqueue(entry, now=now)
        elif due < self._due.get(release_id, float("inf")):
            self._due[release_id] = due
            self._ticket += 1
            heapq.heappush(self._timed, (due, self._ticket, entry))

    def next_due(self, *, now: float, connected: Container[str]) -> float | None:
        """When something may begin that may not now: the next one on the clock, or an endpoint that is waited for.

        What waits for a cluster that is not connected begins when that is, and rings then.
        """
        found = [] if (timed := self._next_timed()) is None else [timed]
        for cluster_id in self._flows.waiting():
            if cluster_id not in connected:
                continue
            at = self._endpoints.next_at(self.endpoint_of(cluster_id), now=now)
            if at is not None:
                found.append(at)
        return min(found, default=None)

    def take(
        self,
        *,
        now: float,
        connected: Container[str],
        wants: Callable[[Entry], bool],
        limit: int,
        ahead: int = 0,
    ) -> Taken:
        """Takes what may begin now, operations and sites in turn; those that are taken count as running until `finished`.

        `wants` says whether there is anything to do for it; ids without are dropped. `ahead`: so many more than may be
        called at once are taken, overall and of a cluster; of a site none.
        """
        self._ahead = ahead
        self._clock_in(now)
        taken = Taken([], [])
        concurrency = self._settings.concurrency
        # The next call begins while the result of the last one is written; but what is not written is bounded too.
        calling = len(self._calling) - len(self._aside)
        room = concurrency + ahead - calling
        if calling >= concurrency and 2 * room < ahead:
            return taken  # no slot waits for it: several share a claim a little later
        room = min(limit, room, UNWRITTEN * concurrency + ahead - len(self._running) + len(self._aside))
        if room <= 0:
            return taken
        for cluster_id in self._flows.set_aside_for():
            if self._may_begin(cluster_id, connected=connected, now=now):
                self._flows.bring_back(cluster_id)
        turns = _Turns(self, self._flows, now=now, connected=connected, wants=wants, parked=taken.parked)
        begun: dict[Flow, Iterator[Entry]] = {}
        passed: list[Flow] = []
        while room > 0 and (flow := self._flows.next()) is not None:
            weight = flow.weight
            entry = next(begun.setdefault(flow, turns.of(flow)), None)
            if entry is None:
                passed.append(flow)
                continue
            taken.ready.append(entry)
            room -= 1
            self._flows.served(flow, weight=weight)
            self._flows.back(flow)
        turns.close()
        may = cache(partial(self._may_begin, connected=connected, now=now))
        for flow in passed:
            if flow.queued and not any(may(one) for one in flow.clusters):
                self._flows.set_aside(flow)
            else:
                self._flows.back(flow)
        return taken

    def set_aside(self, release_id: str) -> None:
        """The call for a taken release, which has not ended, counts no more for what is bounded overall."""
        if release_id in self._calling:
            self._aside.add(release_id)

    def returned(self, release_id: str) -> None:
        """The call for a taken release has ended: another one may begin, while its result is still to be written."""
        entry = self._calling.pop(release_id, None)
        if entry is None:
            return
        self._aside.discard(release_id)
        self._on_way[entry.way] -= 1
        self._at_cluster[entry.cluster_id] -= 1
        if not self._on_way[entry.way]:
            del self._on_way[entry.way]
        if not self._at_cluster[entry.cluster_id]:
            del self._at_cluster[entry.cluster_id]

    def finished(self, release_id: str, *, now: float) -> None:
        """The work on a taken release has ended; it is looked at again if it rang meanwhile."""
        entry = self._running.pop(release_id, None)
        if entry is None:
            return
        self.returned(release_id)
        del self._taken_at[release_id]
        self._rung_at.pop(release_id, None)
        again = self._again.pop(release_id, None)
        if again is not None:
            self.ring(again[1], due=again[0], now=now)

    def waited_s(self, release_id: str, *, now: float) -> float:
        """How long a release that is being worked on could have begun before now."""
        return now - self._rung_at.get(release_id, now)

    # What turns ask

    def cluster_room(self, cluster_id: str) -> int:
        """How many releases of a cluster may be taken besides those whose call has not ended."""
        most = self._settings.concurrency_per_cluster
        return most + min(self._ahead, most) - self._at_cluster.get(cluster_id, 0)

    def way_is_full(self, way_id: str) -> bool:
        """Whether as many calls as may be are on the way to a site."""
        return self._on_way.get(way_id, 0) >= self._settings.concurrency_per_site

    def admit(self, entry: Entry, *, now: float) -> bool:
        """Whether the breaker of the way to its site lets it through."""
        return self._breakers.admit(entry.way, now=now)

    def endpoint_room(self, cluster_id: str, *, now: float) -> int:
        """How many calls may begin at the endpoint of a cluster."""
        return self._endpoints.room(self.endpoint_of(cluster_id), now=now, most=self.cluster_room(cluster_id))

    def endpoint_begun(self, cluster_id: str, calls: int) -> None:
        """So many of them begin."""
        self._endpoints.begun(self.endpoint_of(cluster_id), calls)

    def begin(self, entry: Entry) -> None:
        """An entry that was taken out is worked on from now on."""
        self._running[entry.release_id] = self._calling[entry.release_id] = entry
        self._taken_at[entry.release_id] = self.endpoint_of(entry.cluster_id)
        self._on_way[entry.way] = self._on_way.get(entry.way, 0) + 1
        self._at_cluster[entry.cluster_id] = self._at_cluster.get(entry.cluster_id, 0) + 1

    def take_out(self, entry: Entry) -> None:
        """An entry is not queued any more: what rings for it from now on, be it while it is asked about, counts."""
        self._queued.discard(entry.release_id)

    def drop(self, entry: Entry) -> None:
        """There is nothing to do now for an entry that was taken out."""
        if entry.release_id not in self._queued:
            self._rung_at.pop(entry.release_id, None)

    def put_off(self, entry: Entry, *, now: float) -> None:
        """The site is left alone: an entry waits on the clock until the breaker lets one through."""
        self.ring(entry, due=max(self._breakers.next_at(entry.way, now=now), now + 0.001), now=now)

    # Inside

    def _may_begin(self, cluster_id: str, *, connected: Container[str], now: float) -> bool:
        """Whether anything may begin at a cluster, as far as that is not a matter of how many calls are under way."""
        if cluster_id not in connected:
            return False
        at = self._endpoints.next_at(self.endpoint_of(cluster_id), now=now)
        return at is None or at <= now

    def _next_timed(self) -> float | None:
        while self._timed and self._due.get(self._timed[0][2].release_id) != self._timed[0][0]:
            heapq.heappop(self._timed)
        return self._timed[0][0] if self._timed else None

    def _enqueue(self, entry: Entry, *, now: float) -> None:
        self._queued.add(entry.release_id)
        self._rung_at[entry.release_id] = now
        self._flows.put(entry)

    def _clock_in(self, now: float) -> None:
        while (due := self._next_timed()) is not None and due <= now:
            _, _, entry = heapq.heappop(self._timed)
            del self._due[entry.release_id]
            if entry.release_id not in self._queued:
                self._enqueue(entry, now=now)


class _Turns:
    """One round of taking: what each endpoint has room for is asked once, and shared by all flows."""

    def __init__(
        self,
        worklist: Worklist,
        flows: Flows,
        *,
        now: float,
        connected: Container[str],
        wants: Callable[[Entry], bool],
        parked: list[Entry],
    ) -> None:
        self._worklist = worklist
        self._flows = flows
        self._now = now
        self._connected = connected
        self._wants = wants
        self._parked = parked
        self._room: dict[str, int] = {}
        """What is left of each endpoint's room."""
        self._begun: dict[str, int] = {}
        """Calls that began by endpoint, with a cluster of it."""
        self._cluster: dict[str, str] = {}

    def of(self, flow: Flow) -> Iterator[Entry]:
        """What of a flow may begin, one by one: clusters in turn, and the sites of each, as long as there is anything."""
        going = True
        while going:
            going = False
            turns = deque((one, self._at(flow, one)) for one in list(flow.clusters) if one in self._connected)
            while turns:
                cluster_id, sites = turns.popleft()
                entry = next(sites, None)
                flow.last(cluster_id)
                if entry is not None:
                    going = True
                    turns.append((cluster_id, sites))
                    yield entry

    def _at(self, flow: Flow, cluster_id: str) -> Iterator[Entry]:
        """What of a flow may begin at a cluster: one of each site."""
        for site_id in list(flow.clusters.get(cluster_id, ())):
            if self._left(cluster_id) <= 0:
                return
            entry = self._take(flow, cluster_id, site_id)
            if entry is not None:
                flow.last(cluster_id, site_id)
                yield entry

    def close(self) -> None:
        """Tells endpoints what began of what they had room for."""
        for endpoint, cluster_id in self._cluster.items():
            self._worklist.endpoint_begun(cluster_id, self._begun.get(endpoint, 0))

    def _left(self, cluster_id: str) -> int:
        endpoint = self._worklist.endpoint_of(cluster_id)
        if endpoint not in self._room:
            self._room[endpoint] = self._worklist.endpoint_room(cluster_id, now=self._now)
            if self._room[endpoint]:
                self._cluster[endpoint] = cluster_id
        return min(self._room[endpoint], self._worklist.cluster_room(cluster_id))

    def _take(self, flow: Flow, cluster_id: str, site_id: str) -> Entry | None:
        while (entry := flow.first_of(cluster_id, site_id)) is not None:
            if self._worklist.way_is_full(entry.way):
                return None
            self._pop(flow, entry)
            if not self._wants(entry):
                self._worklist.drop(entry)
                continue
            if not self._worklist.admit(entry, now=self._now):
                self._park(flow, entry)
                return None
            self._worklist.begin(entry)
            endpoint = self._worklist.endpoint_of(cluster_id)
            self._room[endpoint] -= 1
            self._begun[endpoint] = self._begun.get(endpoint, 0) + 1
            return entry
        return None

    def _park(self, flow: Flow, first: Entry) -> None:
        entry: Entry | None = first
        while entry is not None:
            if entry is first or self._wants(entry):
                self._parked.append(entry)
                self._worklist.put_off(entry, now=self._now)
            else:
                self._worklist.drop(entry)
            entry = flow.first_of(first.cluster_id, first.site_id)
            if entry is not None:
                self._pop(flow, entry)

    def _pop(self, flow: Flow, entry: Entry) -> None:
        self._flows.pop(flow, entry)
        self._worklist.take_out(entry)
