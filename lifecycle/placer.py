"""The placer: tries deployments again that could not be placed, when the graph has changed.

Bounded twice: one decision at a time, and for each deployment a pause that doubles with every try that failed, so that a
network that keeps changing does not have the same hopeless question asked for ever.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial

import structlog

from drivers.clock import Clock
from graph.change import Commit
from graph.kinds import AppVersion, Deployment, DeploymentPhase
from graph.ledger import Ledger
from graph.refusal import CapacityGone, Refusal, Unavailable
from graph.view import each, get_as
from lifecycle.backoff import pause_s
from lifecycle.bell import ring_or_sleep
from lifecycle.components import components_of
from lifecycle.deployments import place_pending
from lifecycle.placing import Placing
from lifecycle.requests import own_request
from lifecycle.settings import LifecycleSettings

log = structlog.get_logger(__name__)
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
        if any(change.kind in MATTERS for change in commit.changes):
            self._changed_at = commit.revision
            if self._ledger.view.count("Deployment", "phase", DeploymentPhase.PENDING_PLACEMENT.name):
                self._bell.set()

    def reloaded(self) -> None:
        """Everything may have changed."""
        self._changed_at = self._ledger.view.revision
        self._bell.set()

    async def _round(self) -> float:
        """Tries what is due; says how many seconds may pass until the next look."""
        view = self._ledger.view
        pending = [one.id for one in each(view, Deployment, "phase", DeploymentPhase.PENDING_PLACEMENT.name)]
        for gone in self._tries.keys() - set(pending):
            del self._tries[gone]
        wait = self._settings.resync_s
        for deployment_id in pending:
            deployment = get_as(view, Deployment, deployment_id)
            if deployment is None or deployment.phase is not DeploymentPhase.PENDING_PLACEMENT:
                continue
            before = self._tries.get(deployment_id)
            now = self._clock.monotonic()
            if before is not None and before.generation == deployment.generation:
                if before.revision >= self._changed_at:
                    continue
                if now < before.not_before:
                    wait = min(wait, before.not_before - now)
                    continue
            failures = before.failures if before is not None and before.generation == deployment.generation else 0
            revision = view.revision
            if not await self._try(deployment):
                pause = pause_s(
                    failures + 1,
                    base_s=self._settings.pending_retry_s,
                    cap_s=self._settings.pending_retry_cap_s,
                    seed=self._settings.seed,
                    key=deployment_id,
                )
                until = self._clock.monotonic() + pause
                self._tries[deployment_id] = _Try(deployment.generation, failures + 1, revision, until)
                wait = min(wait, pause)
        return wait

    async def _try(self, deployment: Deployment) -> bool:
        """Places a deployment if it can be; says whether it no longer waits."""
        view = self._ledger.view
        version = get_as(view, AppVersion, deployment.app_version_id)
        if version is None:
            return False
        try:
            chosen = await self._placing.choose(
                view,
                components=components_of(view, version),
                policy=deployment.policy,
                replicas=deployment.replicas,
                tenant_id=deployment.tenant_id,
                excluding_deployment_id=deployment.id,
            )
            if not chosen.decision.feasible:
                return False
            change = partial(
                place_pending, deployment_id=deployment.id, chosen=chosen, generation=deployment.generation
            )
            return (await self._ledger.commit(change, own_request("lifecycle.place"))).value
        except (CapacityGone, Unavailable):
            return False
        except Refusal as refusal:
            log.info("placement.refused", deployment=deployment.id, reason=refusal.message)
            return False
