"""The drainer: sees drains through, lot by lot, and ends them when nothing more can move.

What is to leave is decided together (`lifecycle.leaving`), so that those with a right to room have it and no two count on
the same. All that it needs is in the graph: the operation, the cordon, the releases at the target. A restart goes on where
it was, with those that are not on their way yet; a deployment that could not be moved is then tried once more. Those that
stay may be very many: they are told so in portions, and then the drain ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import structlog

from drivers.clock import Clock
from graph.change import Commit
from graph.kinds import Operation, OperationKind, OperationStatus, Release
from graph.ledger import Ledger
from graph.refusal import Refusal, Unavailable
from graph.view import each, get_as
from lifecycle.bell import ring_or_sleep
from lifecycle.deployments import Chosen
from lifecycle.drain import move_deployment, record_drain, standing, tell_stuck, try_again
from lifecycle.leaving import Settled, due_to_leave, ranked, settled
from lifecycle.placing import Placing
from lifecycle.placing_together import TOGETHER, Due
from lifecycle.portions import CHANGES_PER_COMMIT, portions
from lifecycle.requests import own_request
from lifecycle.settings import LifecycleSettings

log = structlog.get_logger(__name__)
REQUEST = own_request("lifecycle.drain")
TOLD_PER_COMMIT = CHANGES_PER_COMMIT
"""Deployments that stay are told so by an event each."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a drain beside what the graph says."""

    stuck: dict[str, str] = field(default_factory=dict)
    """Why deployments cannot go elsewhere, by id."""
    told: set[str] = field(default_factory=set)
    """Those of them that were told."""
    tried_again: set[str] = field(default_factory=set)
    """Those of which what was given up was begun anew, once."""


class Drainer:
    """Moves work away from what is drained. A `Follower` of the view."""

    def __init__(self, ledger: Ledger, placing: Placing, *, settings: LifecycleSettings, clock: Clock) -> None:
        self._ledger = ledger
        self._placing = placing
        self._settings = settings
        self._clock = clock
        self._known: dict[str, _Known] = {}
        """By operation."""
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
        for gone in self._known.keys() - {one.id for one in found}:
            del self._known[gone]
        return found

    async def _drain(self, operation: Operation) -> None:
        known = self._known.setdefault(operation.id, _Known())
        stuck = known.stuck
        looked_at: set[str] = set()
        try:
            while True:
                view = self._ledger.view
                now = get_as(view, Operation, operation.id)
                if now is None or not _under_way(now):
                    return
                found = standing(view, now)
                for one in found.to_try_again:
                    if one not in known.tried_again:
                        await self._try_again(operation, one)
                        known.tried_again.add(one)
                waiting = [one for one in found.to_move if one not in stuck and one not in looked_at]
                lot = ranked(view, waiting)[:TOGETHER]
                looked_at |= set(lot)
                became = await self._settled(now, lot)
                stuck.update((one, settled.why) for one, settled in became.items() if settled.why is not None)
                recorded = await self._ledger.commit(
                    partial(record_drain, operation_id=operation.id, stuck=dict(stuck), told=frozenset(known.told)),
                    REQUEST,
                )
                await self._tell(operation, recorded.value, known)
                if len(waiting) <= len(lot) and not recorded.value:
                    return
        except Unavailable:
            self._bell.set()
            await self._clock.sleep(self._settings.backoff_base_s)
        except Refusal as refusal:
            # Its own matter: other drains go on, and it is tried again when something changes.
            log.warning("drain.refused", operation=operation.id, reason=refusal.message)

    async def _try_again(self, operation: Operation, deployment_id: str) -> None:
        """Begins anew what was given up of a deployment. That it is refused is its own matter. Raises Unavailable."""
        change = partial(try_again, operation_id=operation.id, deployment_id=deployment_id)
        try:
            await self._ledger.commit(change, REQUEST)
        except Unavailable:
            raise
        except Refusal as refusal:
            log.warning("drain.not_tried_again", deployment=deployment_id, reason=refusal.message)

    async def _tell(self, operation: Operation, untold: Mapping[str, str], known: _Known) -> None:
        """Tells deployments that they stay, and why."""
        for some in portions(untold.items(), weight=lambda _: 1, limit=TOLD_PER_COMMIT):
            change = partial(tell_stuck, operation_id=operation.id, stuck=dict(some))
            await self._ledger.commit(change, REQUEST)
            known.told.update(one for one, _ in some)

    async def _settled(self, operation: Operation, lot: list[str]) -> dict[str, Settled]:
        """Decides a lot together and begins its moves; by id what became of each."""
        view = self._ledger.view

        async def begin(one: Due, chosen: Chosen) -> bool:
            change = partial(
                move_deployment,
                operation_id=operation.id,
                deployment_id=one.deployment.id,
                chosen=chosen,
                generation=one.deployment.generation,
            )
            return (await self._ledger.commit(change, own_request("lifecycle.move"))).value

        return await settled(
            lot,
            placing=self._placing,
            reader=view,
            whole=view,
            look=lambda one: due_to_leave(view, one, operation.subject_id or ""),
            begin=begin,
            attempts=self._settings.placement_attempts,
        )


def _under_way(operation: Operation) -> bool:
    return operation.status is OperationStatus.RUNNING
