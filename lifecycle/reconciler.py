"""The reconciler: compares what is wanted with what is there, release by release, and has drivers called.

It is level-triggered. The view's commits ring for the releases that they touch, a sweep rings for all that have something
to do (`lifecycle.rings`), and whatever is taken is compared anew at head, so a crash, a repeat or a lost ring only delays
it. A restart needs nothing but the graph. Every call is preceded by a committed claim, some of them a little ahead of a slot
(`lifecycle.slots`); while the store is away none is made.

Where several processes share a store each takes the releases of its own sites (`lifecycle.share`). That two of them meet
all the same is harmless: a claim is committed at the epoch that was seen, so one of them gets it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import structlog

from drivers.clock import Clock
from drivers.port import Applied, BackendUnreachable, DriverProblem, Permanent, Retryable, StaleGeneration, Unreachable
from graph.change import Commit
from graph.edit import Edit
from graph.kinds import Release, ReleasePhase, Site
from graph.ledger import Ledger
from graph.refusal import Unavailable
from graph.view import get_as
from lifecycle.apart import written_apart
from lifecycle.backoff import Breakers
from lifecycle.bell import ring_or_sleep
from lifecycle.calls import Connected, TimedOut, outcome_of
from lifecycle.drift import CLAIMED
from lifecycle.endpoints import Endpoints
from lifecycle.reports import WorkReports
from lifecycle.requests import own_request
from lifecycle.results import STORE_PAUSE_CAP_S, STORE_PAUSE_S, Results
from lifecycle.rings import Rings
from lifecycle.settings import LifecycleSettings
from lifecycle.share import Share
from lifecycle.slots import Slots
from lifecycle.todo import Action, Todo
from lifecycle.waiting import Waiting
from lifecycle.work import Claim, Outcome, Result, claim, park
from lifecycle.worklist import Entry, Worklist, way

log = structlog.get_logger(__name__)
MAX_CLAIMS = 128
PROBE_PAUSES = 2.0
"""A site that does not answer is probed at pauses that grow to so many times the longest after refusals. That it is back is
heard from who observes it: a probe is for a return that was missed, and a day of them comes to fewer than 300."""
LEAST_WAIT_S = 0.005


class Reconciler:
    """Keeps the releases of this process's share on their way to what is wanted. A `Follower` of the view."""

    def __init__(
        self,
        ledger: Ledger,
        clusters: Mapping[str, Connected],
        *,
        settings: LifecycleSettings,
        clock: Clock,
        share: Share | None = None,
        reports: WorkReports | None = None,
    ) -> None:
        self._ledger = ledger
        self._clusters = clusters
        self._settings = settings
        self._clock = clock
        self._share = share or Share()
        self._reports = reports or WorkReports()
        self._forget_all()

    def _forget_all(self) -> None:
        """A fresh start: whatever matters is in the graph."""
        settings = self._settings
        self._breakers = Breakers(
            after=settings.breaker_after,
            base_s=settings.backoff_base_s,
            cap_s=PROBE_PAUSES * settings.backoff_cap_s,
            seed=settings.seed,
        )
        self._endpoints = Endpoints(
            Breakers(
                after=settings.breaker_after,
                base_s=settings.backoff_base_s,
                cap_s=settings.reconnect_cap_s,
                seed=settings.seed,
            )
        )
        self._worklist = Worklist(settings, self._breakers, self._endpoints)
        self._slots = Slots(settings)
        self._bell = asyncio.Event()
        self._results = Results(self._ledger, settings=settings, clock=self._clock, on_written=self._written)
        self._waiting = Waiting()
        self._rings = Rings(
            self._ledger,
            self._worklist,
            breakers=self._breakers,
            endpoints=self._endpoints,
            waiting=self._waiting,
            share=self._share,
            settings=settings,
            clock=self._clock,
            bell=self._bell,
        )
        self._others: dict[str, tuple[int, float]] = {}
        """Claims of other processes: the epoch and when it was first seen here."""

    async def run(self) -> None:
        """Works until it is cancelled."""
        self._forget_all()
        ends = (self._ledger.view.follow(self), self._share.follow(self.reloaded))
        self._rings.reach()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._rings.sweep(), name="lifecycle-sweep")
                group.create_task(self._results.run(), name="lifecycle-results")
                group.create_task(self._dispatch(group), name="lifecycle-dispatch")
        finally:
            for end in ends:
                end()

    @property
    def running(self) -> int:
        """How many releases are claimed, with calls or results under way."""
        return self._worklist.running

    def applied(self, commit: Commit) -> None:
        """Rings for what a commit concerns."""
        for change in commit.changes:
            if change.kind == "Release" and change.after is None:
                self._others.pop(change.id, None)
        self._rings.applied(commit)

    def reloaded(self) -> None:
        """Has everything compared again."""
        self._rings.reloaded()

    def cluster_connected(self, cluster_id: str) -> None:
        """Has the releases of a cluster compared that was just connected to."""
        self._rings.cluster_connected(cluster_id)

    def cluster_heard(self, cluster_id: str) -> None:
        """Notes that whoever observes a cluster was answered."""
        self._endpoints.heard(self._worklist.endpoint_of(cluster_id), now=self._clock.monotonic())

    # Taking work

    async def _dispatch(self, group: asyncio.TaskGroup) -> None:
        while True:
            self._bell.clear()
            if not self._ledger.writable:
                await self._store_back()
            for one in self._slots.set_aside(self._heard_since, now=self._clock.monotonic()):
                self._worklist.set_aside(one.release.id)
            self._begin(group)
            began = self._clock.monotonic()
            taken = self._worklist.take(
                now=began, connected=self._clusters, wants=self._wants, limit=MAX_CLAIMS, ahead=self._slots.wanted
            )
            if not taken.ready and not taken.parked:
                await self._wait()
                continue
            ids = [entry.release_id for entry in taken.ready]
            try:
                claims = await self._claim(ids, parked=taken.parked)
            except Unavailable:
                for entry in taken.ready:
                    self._worklist.ring(entry, now=self._clock.monotonic())
                    self._not_called(entry.release_id, entry.cluster_id, entry.site_id)
                await self._clock.sleep(STORE_PAUSE_S)
                continue
            claimed = {one.release.id for one in claims}
            for entry in taken.ready:
                if entry.release_id not in claimed:
                    self._not_called(entry.release_id, entry.cluster_id, entry.site_id)
            now = self._clock.monotonic()
            for one in claims:
                self._reports.claimed(self._worklist.waited_s(one.release.id, now=now))
            self._slots.put(claims, took_s=now - began)

    async def _wait(self) -> None:
        now = self._clock.monotonic()
        due = self._worklist.next_due(now=now, connected=self._clusters)
        seconds = self._settings.resync_s if due is None else max(due - now, LEAST_WAIT_S)
        patient_until = self._slots.patient_until()
        if patient_until is not None:
            seconds = min(seconds, max(patient_until - now, LEAST_WAIT_S))
        await ring_or_sleep(self._bell, self._clock, seconds)

    async def _claim(self, ids: list[str], *, parked: list[Entry]) -> list[Claim]:
        view = self._ledger.view
        wanted = {one: release.epoch for one in ids if (release := get_as(view, Release, one)) is not None}
        waiting = {
            entry.release_id: f"site {self._site_name(entry.site_id)} does not answer"
            for entry in parked
            if (release := get_as(view, Release, entry.release_id)) is not None
            and release.phase is not ReleasePhase.WAITING_SITE
        }
        claims: list[Claim] = []

        async def write(some: Sequence[str]) -> None:
            def change(edit: Edit) -> list[Claim]:
                park(edit, {one: waiting[one] for one in some if one in waiting})
                own = {one: wanted[one] for one in some if one in wanted}
                return claim(edit, own, worker=self._share.worker)

            claims.extend((await self._ledger.commit(change, own_request("lifecycle.claim"))).value)

        # What cannot be claimed holds up no other: it is found again when all releases are looked at.
        await written_apart(
            list(dict.fromkeys([*waiting, *wanted])),
            write=write,
            refused=lambda one, refusal: log.warning("lifecycle.claim_refused", release=one, reason=refusal.message),
        )
        return claims

    def _wants(self, entry: Entry) -> bool:
        """Whether there is a step to take for a release now, as far as this process can see."""
        view = self._ledger.view
        release = get_as(view, Release, entry.release_id)
        if release is None or not self._share.holds(release.site_id):
            return False
        step = self._waiting.step(view, release, now_ms=self._ledger.now_ms())
        if step.action is Action.NOTHING:
            return False
        if step.action is Action.WAIT:
            self._await(release, step, entry)
            return (release.phase, release.error) != (ReleasePhase.WAITING_DEPENDENCY, step.reason)
        return not self._claimed_elsewhere(release, entry)

    def _await(self, release: Release, step: Todo, entry: Entry) -> None:
        """Notes what a release waits for, so that it is looked at again when that comes true."""
        if step.due_at is not None:
            # At the latest after any back-off, however far off the clocks are that wrote it.
            wait_s = min((step.due_at - self._ledger.now_ms()) / 1000, self._settings.backoff_cap_s)
            now = self._clock.monotonic()
            self._worklist.ring(entry, due=now + max(wait_s, LEAST_WAIT_S), now=now)
        self._waiting.note(self._ledger.view, release, step)

    def _claimed_elsewhere(self, release: Release, entry: Entry) -> bool:
        """Whether another process seems to work on it: its claim gets time to end, unless it is known not to be alive."""
        if release.phase not in CLAIMED or not self._ledger.store.shared or release.epoch == 0:
            return False
        if release.claimed_by == self._share.worker or self._share.is_gone(release.claimed_by):
            return False
        now = self._clock.monotonic()
        epoch, since = self._others.get(release.id, (-1, now))
        if epoch != release.epoch:
            since = now
            self._others[release.id] = (release.epoch, now)
        due = since + self._settings.takeover_s
        if now >= due:
            del self._others[release.id]
            return False
        self._worklist.ring(entry, due=due, now=now)
        return True

    def _site_name(self, site_id: str) -> str:
        site = get_as(self._ledger.view, Site, site_id)
        return site.name if site is not None else site_id

    def _begin(self, group: asyncio.TaskGroup) -> None:
        """Begins the calls for which there are slots; while the store is away none: what is wanted could not be told."""
        if not self._ledger.writable:
            return
        begun, dropped = self._slots.begin(self._holds, now=self._clock.monotonic())
        for one in begun:
            group.create_task(self._call(one, group), name=f"lifecycle-call-{one.release.id}")
        for one in dropped:
            self._not_called(one.release.id, one.cluster_id, one.release.site_id)

    def _heard_since(self, one: Claim, since: float) -> bool:
        return self._endpoints.heard_since(self._worklist.endpoint_taken(one.release.id), since)

    def _not_called(self, release_id: str, cluster_id: str, site_id: str) -> None:
        """No call comes of a release that was taken: was it to try a site or an endpoint that is left alone, another may."""
        self._breakers.released(way(cluster_id, site_id))
        self._endpoints.breakers.released(self._worklist.endpoint_taken(release_id))
        self._worklist.finished(release_id, now=self._clock.monotonic())

    def _holds(self, one: Claim) -> bool:
        """Whether a claim is still what is wanted; what has changed rang for itself and is claimed anew."""
        claimed = one.release
        release = get_as(self._ledger.view, Release, claimed.id)
        return release is not None and (release.epoch, release.generation, release.wanted) == (
            claimed.epoch,
            claimed.generation,
            claimed.wanted,
        )

    async def _call(self, one: Claim, group: asyncio.TaskGroup) -> None:
        key = way(one.cluster_id, one.release.site_id)
        began = self._clock.monotonic()
        outcome = await outcome_of(one, self._clusters, timeout_s=self._settings.call_timeout_s)
        self._learn(one, key, outcome, began=began)
        if isinstance(outcome, Applied):
            self._reports.applied(outcome.changed)
        elif isinstance(outcome, StaleGeneration):
            self._reports.fenced("generation")
        self._worklist.returned(one.release.id)
        self._slots.ended(one, took_s=self._clock.monotonic() - began)
        self._begin(group)
        await self._results.put(Result(one, outcome))
        self._bell.set()

    def _learn(self, one: Claim, key: str, outcome: Outcome, *, began: float) -> None:
        """What the end of a call tells of its site and of the endpoint behind which it is."""
        endpoint, now = self._worklist.endpoint_taken(one.release.id), self._clock.monotonic()
        observed = self._share.holds(one.cluster_id)
        if isinstance(outcome, BackendUnreachable) or (
            isinstance(outcome, TimedOut)
            and self._endpoints.is_silent(endpoint, key, began=began, now=now, observed=observed)
        ):
            self._breakers.released(key)
            self._endpoints.breakers.unanswered(endpoint, now=now)
        elif isinstance(outcome, Unreachable):
            # The endpoint answers others, or whether it is away is not known: it is the site that waits.
            self._breakers.unanswered(key, now=now)
            self._endpoints.breakers.released(endpoint)
        elif isinstance(outcome, DriverProblem) and not isinstance(outcome, Retryable | Permanent | StaleGeneration):
            self._breakers.released(key)
            self._endpoints.breakers.released(endpoint)
        else:
            self._endpoints.heard(endpoint, now=now)
            self._endpoints.breakers.answered(endpoint)
            if self._breakers.answered(key):
                self._rings.way_answers(one.cluster_id, one.release.site_id)

    def _written(self, results: Sequence[Result], late: int) -> None:
        for _ in range(late):
            self._reports.fenced("result")
        now = self._clock.monotonic()
        for result in results:
            self._worklist.finished(result.claim.release.id, now=now)
        self._bell.set()

    async def _store_back(self) -> None:
        """Asks the store, gently, until it answers: an embedded one is asked by nobody else."""
        pause = STORE_PAUSE_S
        while not self._ledger.writable:
            await self._clock.sleep(pause)
            pause = min(pause * 2, STORE_PAUSE_CAP_S)
            try:
                await self._ledger.commit(lambda edit: None, own_request("lifecycle.probe"))
            except Unavailable:
                continue
