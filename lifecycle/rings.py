"""Rings: who has a release looked at, and when.

A release that has changed rings for itself and for those that wait for it. A site, a cluster or the way between them that
answers again rings for all that is behind it, and has what was left alone there probed sooner. The sweep rings for whatever
has something to do. None of these says what is to be done: a ring may come twice, for nothing, or never, and only time is
lost, for the graph is asked whenever a release is taken (`lifecycle.reconciler`).
"""

from __future__ import annotations

import asyncio

from drivers.clock import Clock
from graph.change import Change, Commit
from graph.kinds import Cluster, Deployment, Release
from graph.ledger import Ledger
from graph.view import each, get_as
from lifecycle.backoff import SOONER, Breakers
from lifecycle.bell import ring_or_sleep
from lifecycle.endpoints import Endpoints
from lifecycle.flows import ends_of
from lifecycle.news import came_back, fenced, is_another, reach_of, reached_again, resumed, was_seen
from lifecycle.settings import LifecycleSettings
from lifecycle.share import Share
from lifecycle.todo import Action
from lifecycle.waiting import Waiting
from lifecycle.worklist import Entry, Worklist, way

SWEEP_STEP = 100
"""Releases that are compared without a turn for others: about a millisecond's."""
SWEEP_PAUSE_S = 0.002
"""After each of them, so that those who come meanwhile are not behind all of it."""
INFINITE = float("inf")


class Rings:
    """Rings for the releases of this process's share. A `Follower` of the view."""

    def __init__(
        self,
        ledger: Ledger,
        worklist: Worklist,
        *,
        breakers: Breakers,
        endpoints: Endpoints,
        waiting: Waiting,
        share: Share,
        settings: LifecycleSettings,
        clock: Clock,
        bell: asyncio.Event,
    ) -> None:
        """`bell` wakes whoever takes from the worklist."""
        self._ledger = ledger
        self._worklist = worklist
        self._breakers = breakers
        self._endpoints = endpoints
        self._waiting = waiting
        self._share = share
        self._settings = settings
        self._clock = clock
        self._bell = bell
        self._sweep_now = asyncio.Event()
        self._anew: set[str] = set()
        """Clusters that were changed so that they are connected to anew."""

    def applied(self, commit: Commit) -> None:
        """Rings for the releases that a commit touched, and for those of a site that came back."""
        # Once for all that it changes of clusters, for all there are are looked at.
        if any(one.kind == "Cluster" and reach_of(one.before) != reach_of(one.after) for one in commit.changes):
            self.reach()
        for change in commit.changes:
            if change.kind == "Release":
                self._release_changed(change)
            elif change.kind == "Site" and came_back(change):
                self._site_answers(change.id)
            elif change.kind == "Site" and change.after is None:
                self._forget_site(change.id)
            elif change.kind in ("Site", "Node") and fenced(change):
                field = "site_id" if change.kind == "Site" else "assignments"
                for release in list(each(self._ledger.view, Release, field, change.id)):
                    self._ring_single(release.deployment_id)
                    self._ring_freed(release)
            elif change.kind == "Deployment" and resumed(change):
                self._ring_all("deployment_id", change.id)
            elif change.kind == "Cluster":
                if is_another(change):
                    self._anew.add(change.id)
                if came_back(change):
                    self._cluster_speaks(change.id)
                for site_id in reached_again(change):
                    self.way_answers(change.id, site_id)

    def reloaded(self) -> None:
        """Has everything compared again."""
        self.reach()
        self._sweep_now.set()

    def cluster_connected(self, cluster_id: str) -> None:
        """Has the releases of a cluster compared that was just connected to."""
        if cluster_id in self._anew:
            self._anew.discard(cluster_id)
            self._cluster_speaks(cluster_id, share=0.0)
        self._ring_all("cluster_id", cluster_id)

    def way_answers(self, cluster_id: str, site_id: str) -> None:
        """A site was seen by one of its clusters, which speaks for its own releases alone."""
        self._breakers.answered(way(cluster_id, site_id))
        for release in each(self._ledger.view, Release, "site_id", site_id):
            if release.cluster_id == cluster_id:
                self._ring(release, at_once=True)

    def reach(self) -> None:
        """Notes at which endpoints clusters are, and the rates that those allow: this process's part of them."""
        rates: dict[str, float] = {}
        known: set[str] = set()
        for cluster in each(self._ledger.view, Cluster):
            # A tenant's own cluster says nothing of what others reach at the same address.
            endpoint = f"{cluster.tenant_id or ''} {cluster.endpoint or cluster.id}"
            self._worklist.reach(cluster.id, endpoint)
            own = cluster.calls_per_second
            rate = (self._settings.calls_per_s if own is None else own) or INFINITE
            rates[endpoint] = min(rate, rates.get(endpoint, INFINITE))
            known.add(cluster.id)
        # Of those that are gone nothing is kept: what was unanswered there, and where they were.
        self._anew &= known
        self._worklist.keep(known)
        self._endpoints.keep(rates)
        self._breakers.forget(lambda one: ends_of(one)[0] not in known)
        for endpoint, rate in rates.items():
            self._endpoints.limit(endpoint, rate * self._share.part if rate < INFINITE else 0.0)

    async def sweep(self) -> None:
        """Compares everything, and again after each pause, until it is cancelled: what nobody rang for is found."""
        while True:
            self._sweep_now.clear()
            view = self._ledger.view
            ids = list(view.ids("Release"))
            for start in range(0, len(ids), SWEEP_STEP):
                for release_id in ids[start : start + SWEEP_STEP]:
                    release = get_as(view, Release, release_id)
                    if release is None or not self._share.holds(release.site_id):
                        continue
                    step = self._waiting.step(view, release, now_ms=self._ledger.now_ms())
                    if step.action is not Action.NOTHING:
                        self._ring(release)
                await asyncio.sleep(SWEEP_PAUSE_S)
            await ring_or_sleep(self._sweep_now, self._clock, self._settings.resync_s)

    def _forget_site(self, site_id: str) -> None:
        self._breakers.forget(lambda one: ends_of(one)[1] == site_id)

    def _site_answers(self, site_id: str) -> None:
        """A site was seen: what waits for it is tried now, each only as it is wanted by now."""
        rung = self._ring_all("site_id", site_id)
        for cluster_id in {*self._ledger.view.ids("Cluster", "site_ids", site_id), *(one.cluster_id for one in rung)}:
            if cluster_id is not None:
                self._breakers.answered(way(cluster_id, site_id))

    def _cluster_speaks(self, cluster_id: str, *, share: float = SOONER) -> None:
        """A control plane answers again, or is another by now: what was left alone behind it is probed sooner."""
        now = self._clock.monotonic()
        self._endpoints.breakers.sooner(self._worklist.endpoint_of(cluster_id), now=now, share=share)
        sites: dict[str, bool] = {}
        for release in each(self._ledger.view, Release, "cluster_id", cluster_id):
            key = way(cluster_id, release.site_id)
            if key not in sites:
                sites[key] = self._breakers.sooner(key, now=now, share=share)
            if sites[key]:
                self._ring(release, at_once=True)
        self._bell.set()

    def _site_speaks(self, release: Release) -> None:
        """Something new was seen at a site: if it is left alone, for it leaves calls unanswered, it is probed sooner."""
        if release.cluster_id is None or not self._share.holds(release.site_id):
            return
        key = way(release.cluster_id, release.site_id)
        if not self._breakers.closed(key) and self._breakers.sooner(key, now=self._clock.monotonic()):
            for other in each(self._ledger.view, Release, "site_id", release.site_id):
                if other.cluster_id == release.cluster_id:
                    self._ring(other, at_once=True)

    def _ring_all(self, field: str, value: str) -> list[Release]:
        rung = list(each(self._ledger.view, Release, field, value))
        for release in rung:
            self._ring(release, at_once=True)
        return rung

    def _release_changed(self, change: Change) -> None:
        value = change.value
        assert isinstance(value, Release)
        self._ring_freed(value)
        if was_seen(change):
            self._site_speaks(value)
        if change.after is not None:
            self._ring(value)
        else:
            self._ring_single(value.deployment_id)

    def _ring_freed(self, release: Release) -> None:
        """What waited for a release that has changed, or is known to be gone, is looked at."""
        for waiting in self._waiting.freed(self._ledger.view, release):
            self._ring(waiting)

    def _ring_single(self, deployment_id: str) -> None:
        """A copy is gone, or known to be: what waits for that in a deployment that is single is looked at."""
        deployment = get_as(self._ledger.view, Deployment, deployment_id)
        if deployment is not None and deployment.failover.single:
            self._ring_all("deployment_id", deployment_id)

    def _ring(self, release: Release, *, at_once: bool = False) -> None:
        if release.cluster_id is None or not self._share.holds(release.site_id):
            return
        now = self._clock.monotonic()
        due = 0.0
        if release.due_at is not None and not at_once:
            # However far off the clocks are that wrote it: nothing is held for longer than any back-off would.
            wait = (release.due_at - self._ledger.now_ms()) / 1000
            due = now + min(wait, self._settings.backoff_cap_s)
        flow = release.operation_id or release.deployment_id
        self._worklist.ring(Entry(release.id, release.site_id, release.cluster_id, flow), due=due, now=now)
        self._bell.set()
