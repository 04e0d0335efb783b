"""Failover: what cannot stay where it is goes elsewhere with the fewest moves, as each deployment's policy says.

What a change concerns is found by index (`lifecycle.failover_index`); of those it is written down what they have lost and
from when it counts (`lifecycle.failover_suspects`, `lifecycle.losses`). What counts by now (`lifecycle.failover_displaced`)
is decided together, as a drain's lots are, and then begun, proposed, or only told (`lifecycle.failover_settling`). All of it
is in the graph: who reacts is a matter of whose turn it is, and a process that takes over looks at everything once and goes
on from there. Only the pace of tries that found no place is kept in memory. Here is the loop that binds these.
"""

from __future__ import annotations

import asyncio

import structlog

from drivers.clock import Clock
from graph.change import Commit
from graph.ledger import Ledger
from graph.refusal import Refusal, Unavailable
from lifecycle.bell import ring_or_sleep
from lifecycle.failover_displaced import Displaced
from lifecycle.failover_holds import Holds
from lifecycle.failover_index import Concerned
from lifecycle.failover_settling import Settling
from lifecycle.failover_suspects import Suspects
from lifecycle.failover_targets import Targets
from lifecycle.placing import Placing
from lifecycle.placing_together import TOGETHER
from lifecycle.settings import LifecycleSettings
from lifecycle.turns import Turn

log = structlog.get_logger(__name__)
AGAIN = 512
"""How many sites, and how many deployments, are looked at again at once though nothing rang for them."""


class Failover:
    """Reacts to what deployments lose. A `Follower` of the view; one process's at a time."""

    def __init__(self, ledger: Ledger, placing: Placing, *, settings: LifecycleSettings, clock: Clock) -> None:
        self._ledger = ledger
        self._settings = settings
        self._clock = clock
        self._bell = asyncio.Event()
        self._concerned = Concerned(ledger.view, placing.network)
        self._holds = Holds(ledger, settings=settings)
        self._suspects = Suspects(ledger, placing, settings=settings)
        self._targets = Targets(ledger)
        self._displaced = Displaced(ledger, self._targets, settings=settings, clock=clock)
        self._settling = Settling(
            ledger,
            placing,
            settings=settings,
            displaced=self._displaced,
            targets=self._targets,
            holds=self._holds,
            ring=self._bell.set,
        )
        self._again_at = 0.0
        self._turn, self._turn_by_policy = Turn(ledger.view, "Deployment"), Turn(ledger.view, "Deployment")

    async def run(self) -> None:
        """Works until it is cancelled."""
        end = self._ledger.view.follow(self)
        self.reloaded()
        try:
            while True:
                self._bell.clear()
                began = self._clock.monotonic()
                wait = await self._round()
                took = self._clock.monotonic() - began
                await ring_or_sleep(self._bell, self._clock, wait)
                # A burst of changes is one reason to look, not many.
                await self._clock.sleep(max(self._settings.bookkeeping_s, took))
        finally:
            end()

    def applied(self, commit: Commit) -> None:
        """Notes what a commit concerns."""
        for change in commit.changes:
            if self._holds.take(change):
                self._bell.set()
            if self._displaced.take(change, revision=commit.revision):
                self._suspects.add(change.id, by_policy=False)
                self._bell.set()
            if change.kind == "Link" and self._concerned.note_link(change):
                self._bell.set()
            if change.kind == "Region" and self._concerned.note_region(change):
                self._bell.set()
            if change.kind == "Release" and self._concerned.note_release(change):
                self._bell.set()
            if change.kind in ("Node", "Release") and self._targets.changed(change):
                self._bell.set()
            for deployment_id, by_policy in self._concerned.of(change):
                self._suspect(deployment_id, by_policy)
                self._bell.set()
        if self._displaced.may_go_on(revision=commit.revision):
            self._bell.set()

    def reloaded(self) -> None:
        """Everything may differ: all deployments that are watched are looked at, and all sites."""
        self._holds.reload()
        self._suspects.reload(self._concerned.reload())
        self._displaced.reload()
        self._again_at = self._clock.monotonic() + self._settings.resync_s
        self._bell.set()

    async def _round(self) -> float:
        """Looks at what rang and does what is due; says how long until the next look, seconds."""
        self._look_again()
        concerned = self._concerned
        for deployment_id in (*concerned.by_ways(), *concerned.by_regions(), *concerned.by_room()):
            self._suspect(deployment_id, True)
        if concerned.has_room:
            self._bell.set()
        try:
            await self._holds.keep()
            await self._suspects.look()
            await self._targets.learn(self._displaced.open_plans())
            await self._settling.settle(self._displaced.due())
        except Refusal as refusal:
            # It is looked at again, behind the others: what is refused for some of them is no reason to end.
            if not isinstance(refusal, Unavailable):
                log.exception("failover.refused", reason=refusal.message)
            self._bell.set()
            await self._clock.sleep(self._settings.backoff_base_s)
        return self._displaced.next_look_s()

    def _suspect(self, deployment_id: str, by_policy: bool) -> None:
        """Something has changed of what concerns it: it is looked at, and tried at once."""
        self._displaced.try_at_once(deployment_id)
        self._suspects.add(deployment_id, by_policy=by_policy)

    def _look_again(self) -> None:
        """Once in a while some are looked at that nothing rang for, in turn: what an index missed is found all the same."""
        now = self._clock.monotonic()
        if now < self._again_at:
            return
        self._again_at = now + self._settings.resync_s
        self._holds.look_again(AGAIN)
        for most, turn, by_policy in ((AGAIN, self._turn, False), (TOGETHER, self._turn_by_policy, True)):
            for deployment_id in turn.take(most):
                if deployment_id in self._displaced or self._concerned.is_watched(deployment_id):
                    self._suspects.add(deployment_id, by_policy=by_policy)
