"""The placer: places what waits for it, and tries again what could not be placed when the graph has changed.

What is due is decided together (`lifecycle.placing_together`), the highest priority first, so that a set of documents, or a
site that comes back, is not shared out in the order of ids. What finds no place says why, with the decision that found none,
and says it anew only when it is something else. Bounded twice: one lot at a time, and for each of them a pause that doubles
with every try that failed, so that a network that keeps changing does not have the same hopeless question asked for ever.
Room that releases leave at a site ends the pause of those that may have use for it there (`lifecycle.freed_room`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence, Set
from dataclasses import dataclass
from functools import partial

import structlog

from drivers.clock import Clock
from graph.change import Commit
from graph.kinds import AppVersion, Component, Deployment, DeploymentPhase
from graph.ledger import Ledger
from graph.refusal import CapacityGone, Refusal, Unavailable
from graph.view import each, get_as
from lifecycle.backoff import pause_s
from lifecycle.bell import ring_or_sleep
from lifecycle.components import components_of
from lifecycle.deployments import Chosen
from lifecycle.freed_room import FreedRoom, woken
from lifecycle.leaving import ranked
from lifecycle.pending import keep_waiting, place_pending
from lifecycle.placing import Placing
from lifecycle.placing_together import TOGETHER, Due, Found, placed_together
from lifecycle.priorities import priority_of
from lifecycle.requests import own_request
from lifecycle.settings import LifecycleSettings
from lifecycle.unplaceable import Unplaceable
from lifecycle.wanting import Wanting
from placement.decision import Decision

log = structlog.get_logger(__name__)
OTHERS_FIRST = "others that wait come first"
MATTERS = frozenset({"Site", "Node", "Link", "Cluster", "Region", "Release", "Deployment", "Component"})
"""Kinds whose changes can make room."""


@dataclass(slots=True)
class _Try:
    generation: int
    failures: int
    revision: int
    """Of the graph when it was last tried."""
    not_before: float


class Placer:
    """Places what waits to be placed. A `Follower` of the view."""

    def __init__(self, ledger: Ledger, placing: Placing, *, settings: LifecycleSettings, clock: Clock) -> None:
        self._ledger = ledger
        self._placing = placing
        self._settings = settings
        self._clock = clock
        self._tries: dict[str, _Try] = {}
        self._waiting = Wanting(ledger.view)
        """Those that were or are being tried, by the sites that they may want."""
        self._freed = FreedRoom(ledger.view)
        self._changed_at = 0
        self._bell = asyncio.Event()

    async def run(self) -> None:
        """Works until it is cancelled."""
        end = self._ledger.view.follow(self)
        self._changed_at = self._ledger.view.revision
        try:
            while True:
                self._bell.clear()
                wait = await self._round()
                await ring_or_sleep(self._bell, self._clock, wait)
                # A burst of changes is one reason to try, not many.
                await self._clock.sleep(self._settings.bookkeeping_s)
        finally:
            end()

    def applied(self, commit: Commit) -> None:
        """Notes that something changed that may make room."""
        if self._waiting:
            self._freed.applied(commit)
        if any(change.kind in MATTERS for change in commit.changes):
            self._changed_at = commit.revision
            if self._ledger.view.count("Deployment", "phase", DeploymentPhase.PENDING_PLACEMENT.name):
                self._bell.set()

    def reloaded(self) -> None:
        """Everything may have changed."""
        self._changed_at = self._ledger.view.revision
        self._bell.set()

    async def _round(self) -> float:
        """Tries what is due, those together that have a right to room before others; says how long until the next look."""
        view = self._ledger.view
        pending = [one.id for one in each(view, Deployment, "phase", DeploymentPhase.PENDING_PLACEMENT.name)]
        for gone in set(self._waiting) - set(pending):
            self._tries.pop(gone, None)
            self._waiting.forget(gone)
        for left_to in woken(view, self._freed.take(), self._waiting.at):
            if left_to in self._tries:
                self._tries[left_to].not_before = 0.0
        if self._freed:
            self._bell.set()
        wait = self._settings.resync_s
        due, early = set[str](), set[str]()
        for deployment_id in pending:
            pause = self._pause(deployment_id)
            if pause is None:
                due.add(deployment_id)
            elif pause > 0:
                early.add(deployment_id)
                wait = min(wait, pause)
        order = ranked(view, due | early)
        last = max((at for at, one in enumerate(order) if one in due), default=-1)
        # Who comes before one that is due is asked with it, or the room would be whose pause ends first.
        before = [one for one in order[: last + 1] if one in early][:TOGETHER]
        asked = [one for one in order if one in due or one in before]
        for at in range(0, len(asked), TOGETHER):
            wait = min(wait, await self._try(asked[at : at + TOGETHER], due))
        return wait

    def _pause(self, deployment_id: str) -> float | None:
        """How many seconds one is left alone: None: it is due; 0: until the graph changes."""
        deployment = get_as(self._ledger.view, Deployment, deployment_id)
        before = self._tries.get(deployment_id)
        if deployment is None or before is None or before.generation != deployment.generation:
            return None
        if before.revision >= self._changed_at:
            return 0.0
        left = before.not_before - self._clock.monotonic()
        return left if left > 0 else None

    async def _try(self, lot: Sequence[str], counted: Set[str]) -> float:
        """Places those of a lot that can be; says how many seconds until one of the others is tried again.

        counted: those for which it is a try of their own.
        """
        view, wait = self._ledger.view, self._settings.resync_s
        revision = view.revision
        due = [one for each_id in lot if (one := self._due(each_id)) is not None]
        for one in due:
            # Before it is decided: what comes free meanwhile is not missed.
            self._waiting.learn(one.deployment.id, one.policy)
        found = await placed_together(self._placing, view, due) if due else {}
        for one in due:
            deployment = one.deployment
            try:
                placed = await self._placed(deployment, found[deployment.id])
            except Unavailable:
                # That says nothing of its place: all that wait are asked about anew, though nothing else changes.
                await self._ledger.until_back()
                return self._settings.backoff_base_s
            if placed or deployment.id not in counted:
                continue
            before = self._tries.get(deployment.id)
            failures = before.failures if before is not None and before.generation == deployment.generation else 0
            pause = pause_s(
                failures + 1,
                base_s=self._settings.pending_retry_s,
                cap_s=self._settings.pending_retry_cap_s,
                seed=self._settings.seed,
                key=deployment.id,
            )
            until = self._clock.monotonic() + pause
            self._tries[deployment.id] = _Try(deployment.generation, failures + 1, revision, until)
            wait = min(wait, pause)
        return wait

    def _due(self, deployment_id: str) -> Due | None:
        """What is to be decided of one that still waits."""
        view = self._ledger.view
        deployment = get_as(view, Deployment, deployment_id)
        if deployment is None or deployment.phase is not DeploymentPhase.PENDING_PLACEMENT:
            return None
        version = get_as(view, AppVersion, deployment.app_version_id)
        components: list[Component] = []
        try:
            components = [] if version is None else components_of(view, version)
        except Refusal as refusal:
            log.info("placement.refused", deployment=deployment.id, reason=refusal.message)
        return Due(
            deployment=deployment,
            components=components,
            policy=deployment.policy,
            priority=priority_of(view, deployment),
        )

    async def _placed(self, deployment: Deployment, found: Found | Refusal) -> bool:
        """Places a deployment where it was decided; says whether it no longer waits. Raises Unavailable."""
        if isinstance(found, Refusal):
            log.info("placement.refused", deployment=deployment.id, reason=found.message)
            await self._told(deployment, f"it cannot be placed: {found.message}")
            return False
        if not found.chosen.decision.feasible:
            why = Unplaceable(found.chosen.decision).message
            await self._told(deployment, f"{why}; {OTHERS_FIRST}" if found.alone else why, found.chosen.decision)
            return False
        change = partial(
            place_pending, deployment_id=deployment.id, chosen=found.chosen, generation=deployment.generation
        )
        try:
            return (await self._ledger.commit(change, own_request("lifecycle.place"))).value
        except Unavailable:
            raise
        except CapacityGone:
            return False
        except Refusal as refusal:
            log.info("placement.refused", deployment=deployment.id, reason=refusal.message)
            return False

    async def _told(self, deployment: Deployment, why: str, decision: Decision | None = None) -> None:
        """Has a deployment say why it waits, when it does not say so already."""
        if deployment.message == why:
            return
        chosen: Chosen | None = None
        if decision is not None:
            # Its words for every site take too long for whoever holds the lock.
            chosen = await self._placing.told(partial(self._placing.filing, decision))
        change = partial(
            keep_waiting, deployment_id=deployment.id, why=why, chosen=chosen, generation=deployment.generation
        )
        try:
            await self._ledger.commit(change, own_request("lifecycle.wait"))
        except Refusal as problem:
            # It is tried again, and told then.
            log.info("placement.untold", deployment=deployment.id, reason=problem.message)
