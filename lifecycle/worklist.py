"""What is to be looked at next: releases that rang, in turn over clusters and sites, within bounds.

A doorbell in memory: it may ring twice, or for nothing, or be lost in a restart, and only time is lost. Each site has a
queue of its own, so that one that is slow or away holds up nobody else. It holds ids and due times alone; whether there is
anything to do is asked of the graph when an id is taken.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Container
from typing import NamedTuple

from lifecycle.backoff import Breakers
from lifecycle.settings import LifecycleSettings


class Entry(NamedTuple):
    """A release that rang, and where its work goes."""

    release_id: str
    site_id: str
    cluster_id: str

    @property
    def way(self) -> str:
        """The way to its site: how one cluster answers there says nothing of another, which may be another tenant's."""
        return way(self.cluster_id, self.site_id)


def way(cluster_id: str, site_id: str) -> str:
    """The key of a site as one cluster reaches it, for breakers and limits."""
    return f"{cluster_id} {site_id}"


class Taken(NamedTuple):
    """What may be looked at now, and what the breaker of the way to its site keeps back."""

    ready: list[Entry]
    parked: list[Entry]


class Worklist:
    """Ids of releases in queues by cluster and site; not thread-safe, one event loop owns it."""

    def __init__(self, settings: LifecycleSettings, breakers: Breakers) -> None:
        self._settings = settings
        self._breakers = breakers
        self._queues: dict[str, dict[str, deque[Entry]]] = {}
        """By cluster, then by site; a site with nothing queued has no queue."""
        self._queued: set[str] = set()
        self._timed: list[tuple[float, int, Entry]] = []
        self._due: dict[str, float] = {}
        """When each id on the clock is due; a time on the heap that is not this one is void."""
        self._ticket = 0
        self._running: dict[str, Entry] = {}
        self._again: dict[str, float] = {}
        """Ids that rang while they were being worked on, with the time at which they are due."""
        self._on_way: dict[str, int] = {}
        self._at_cluster: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._queued) + len(self._due)

    @property
    def running(self) -> int:
        """How many are being worked on."""
        return len(self._running)

    def ring(self, entry: Entry, *, due: float = 0.0, now: float = 0.0) -> None:
        """Has the release looked at: at once, or when it is due by the monotonic clock.

        The earlier of two times holds; for one that is being worked on the last one does, for it knows more.
        """
        release_id = entry.release_id
        if release_id in self._running:
            self._again[release_id] = due
        elif release_id in self._queued:
            return
        elif due <= now:
            self._due.pop(release_id, None)
            self._enqueue(entry)
        elif due < self._due.get(release_id, float("inf")):
            self._due[release_id] = due
            self._ticket += 1
            heapq.heappush(self._timed, (due, self._ticket, entry))

    def next_due(self) -> float | None:
        """When the next one on the clock is due."""
        while self._timed and self._due.get(self._timed[0][2].release_id) != self._timed[0][0]:
            heapq.heappop(self._timed)
        return self._timed[0][0] if self._timed else None

    def take(self, *, now: float, connected: Container[str], wants: Callable[[Entry], bool], limit: int) -> Taken:
        """Takes what may begin now, sites in turn; those that are taken count as running until `finished`.

        `wants` says whether there is anything to do for it; ids without are dropped.
        """
        self._clock_in(now)
        taken = Taken([], [])
        room = min(limit, self._settings.concurrency - len(self._running))
        for cluster_id in list(self._queues):
            if cluster_id not in connected:
                continue
            sites = self._queues[cluster_id]
            free = min(room, self._settings.concurrency_per_cluster - self._at_cluster.get(cluster_id, 0))
            for site_id in list(sites):
                if free <= 0:
                    break
                begun = self._take_site(sites, site_id, now=now, wants=wants, free=free, taken=taken)
                free -= begun
                room -= begun
            if not sites:
                del self._queues[cluster_id]
            else:
                # The next round begins with another cluster.
                self._queues[cluster_id] = self._queues.pop(cluster_id)
        return taken

    def finished(self, release_id: str, *, now: float) -> None:
        """The work on a taken release has ended; it is looked at again if it rang meanwhile."""
        entry = self._running.pop(release_id, None)
        if entry is None:
            return
        self._on_way[entry.way] -= 1
        self._at_cluster[entry.cluster_id] -= 1
        if not self._on_way[entry.way]:
            del self._on_way[entry.way]
        due = self._again.pop(release_id, None)
        if due is not None:
            self.ring(entry, due=due, now=now)

    def _take_site(
        self,
        sites: dict[str, deque[Entry]],
        site_id: str,
        *,
        now: float,
        wants: Callable[[Entry], bool],
        free: int,
        taken: Taken,
    ) -> int:
        queue = sites[site_id]
        begun = 0
        while queue and begun < free:
            entry = queue[0]
            if self._on_way.get(entry.way, 0) >= self._settings.concurrency_per_site:
                break
            if not wants(entry):
                self._queued.discard(entry.release_id)
                queue.popleft()
                continue
            if not self._breakers.admit(entry.way, now=now):
                self._park(queue, entry.way, now=now, wants=wants, taken=taken)
                break
            self._queued.discard(queue.popleft().release_id)
            self._running[entry.release_id] = entry
            self._on_way[entry.way] = self._on_way.get(entry.way, 0) + 1
            self._at_cluster[entry.cluster_id] = self._at_cluster.get(entry.cluster_id, 0) + 1
            taken.ready.append(entry)
            begun += 1
        if queue:
            # To the end of its cluster's sites: the others come first in the next round.
            sites[site_id] = sites.pop(site_id)
        else:
            del sites[site_id]
        return begun

    def _park(
        self, queue: deque[Entry], way_id: str, *, now: float, wants: Callable[[Entry], bool], taken: Taken
    ) -> None:
        """The site is left alone: its releases wait on the clock until the breaker lets one through."""
        due = max(self._breakers.opens_at(way_id), now + 0.001)
        while queue:
            entry = queue.popleft()
            self._queued.discard(entry.release_id)
            if wants(entry):
                taken.parked.append(entry)
                self.ring(entry, due=due, now=now)

    def _enqueue(self, entry: Entry) -> None:
        self._queued.add(entry.release_id)
        self._queues.setdefault(entry.cluster_id, {}).setdefault(entry.site_id, deque()).append(entry)

    def _clock_in(self, now: float) -> None:
        while (due := self.next_due()) is not None and due <= now:
            _, _, entry = heapq.heappop(self._timed)
            del self._due[entry.release_id]
            if entry.release_id not in self._queued:
                self._enqueue(entry)
