"""The drainer: sees drains through, deployment by deployment, and ends them when nothing more can move.

All that it needs is in the graph: the operation, the cordon, the releases at the target. A restart goes on where it was; a
deployment that could not be moved is then tried once more.
"""

from __future__ import annotations

import asyncio
from functools import partial

import structlog

from drivers.clock import Clock
from graph.change import Commit
from graph.kinds import AppVersion, Deployment, Operation, OperationKind, OperationStatus, Release, Site
from graph.ledger import Ledger
from graph.refusal import CapacityGone, Refusal, Unavailable
from graph.view import each, get_as
from lifecycle.bell import ring_or_sleep
from lifecycle.components import components_of
from lifecycle.drain import move_deployment, record_drain, standing
from lifecycle.indulgence import blemished
from lifecycle.placing import Placing, without
from lifecycle.releases import sites_of
from lifecycle.requests import own_request
from lifecycle.settings import LifecycleSettings
from lifecycle.unplaceable import Unplaceable

log = structlog.get_logger(__name__)


class Drainer:
    """Moves work away from what is drained. A `Follower` of the view."""

    def __init__(self, ledger: Ledger, placing: Placing, *, settings: LifecycleSettings, clock: Clock) -> None:
        self._ledger = ledger
        self._placing = placing
        self._settings = settings
        self._clock = clock
        self._stuck: dict[str, dict[str, str]] = {}
        """By operation: why deployments cannot go elsewhere."""
        self._bell = asyncio.Event()

    async def run(self) -> None:
        """Works until it is cancelled."""
        end = self._ledger.view.follow(self)
        try:
            while True:
                self._bell.clear()
                for operation in self._drains():
                    await self._drain(operation)
                await ring_or_sleep(self._bell, self._clock, self._settings.resync_s)
                await self._clock.sleep(self._settings.bookkeeping_s)
        finally:
            end()

    def applied(self, commit: Commit) -> None:
        """Rings when a drain began or ended, or a release changed while there is one."""
        draining = self._ledger.view.count("Operation", "kind", OperationKind.DRAIN.name) > 0
        for change in commit.changes:
            value = change.value
            drain = isinstance(value, Operation) and value.kind is OperationKind.DRAIN
            if drain or (draining and isinstance(value, Release)):
                self._bell.set()
                return

    def reloaded(self) -> None:
        """Everything may differ."""
        self._bell.set()

    def _drains(self) -> list[Operation]:
        found = [one for one in each(self._ledger.view, Operation, "kind", OperationKind.DRAIN.name) if _under_way(one)]
        for gone in self._stuck.keys() - {one.id for one in found}:
            del self._stuck[gone]
        return found

    async def _drain(self, operation: Operation) -> None:
        stuck = self._stuck.setdefault(operation.id, {})
        try:
            for deployment_id in standing(self._ledger.view, operation).to_move:
                if deployment_id not in stuck:
                    reason = await self._move(operation, deployment_id)
                    if reason is not None:
                        stuck[deployment_id] = reason
            await self._ledger.commit(
                partial(record_drain, operation_id=operation.id, stuck=dict(stuck)), own_request("lifecycle.drain")
            )
        except Unavailable:
            self._bell.set()
            await self._clock.sleep(self._settings.backoff_base_s)

    async def _move(self, operation: Operation, deployment_id: str) -> str | None:
        """Begins to move a deployment; gives the reason when it cannot go elsewhere."""
        reason = "its place was taken while it was being moved"
        for _ in range(self._settings.placement_attempts):
            view = self._ledger.view
            deployment = get_as(view, Deployment, deployment_id)
            version = get_as(view, AppVersion, deployment.app_version_id) if deployment is not None else None
            if deployment is None or version is None:
                return None
            policy, stay_at = deployment.policy, sites_of(view, deployment_id)
            if get_as(view, Site, operation.subject_id) is not None:
                policy, stay_at = without(policy, operation.subject_id or ""), []
            try:
                chosen = await self._placing.choose(
                    view,
                    components=components_of(view, version),
                    policy=policy,
                    replicas=deployment.replicas,
                    tenant_id=deployment.tenant_id,
                    excluding_deployment_id=deployment.id,
                    stay_at=stay_at,
                    indulging=blemished(view, deployment_id, leave_out=[operation.subject_id or ""]),
                )
                if not chosen.decision.feasible:
                    return Unplaceable(chosen.decision).message
                moved = await self._ledger.commit(
                    partial(
                        move_deployment,
                        operation_id=operation.id,
                        deployment_id=deployment_id,
                        chosen=chosen,
                        generation=deployment.generation,
                    ),
                    own_request("lifecycle.move"),
                )
                if moved.value:
                    return None
                reason = "it changed while it was being moved"
            except CapacityGone as gone:
                reason = gone.message
            except Unavailable:
                raise
            except Refusal as refusal:
                return refusal.message
        return reason


def _under_way(operation: Operation) -> bool:
    return operation.status is OperationStatus.RUNNING
