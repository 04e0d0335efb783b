"""Settling: what is done about deployments that something is due for, as each one's policy says.

Those that have a right to room come first, and a lot of them is decided together, as a drain's lots are. What is decided is
then begun, proposed or only told, each by a commit of its own that asks at head whether it still is as it was decided on. Of
the others it is written down why nothing is done about them: whoever looks at a deployment sees what it waits for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import structlog

from graph.kinds import Deployment, DisplacementState, FailoverMode, Loss, LossKind
from graph.ledger import Ledger
from graph.view import get_as
from lifecycle.apart import written_apart
from lifecycle.deployments import Chosen
from lifecycle.failing_over import (
    REQUEST,
    Stands,
    awaited_words,
    fail_over,
    old_copies,
    renewed_sites,
    renews,
    stand_all,
    weight_of,
    words_of,
)
from lifecycle.failover_displaced import Displaced
from lifecycle.failover_holds import Holds
from lifecycle.failover_plans import failover_step, keep_failover
from lifecycle.failover_targets import Targets
from lifecycle.indulgence import blemished
from lifecycle.leaving import Settled, movable, ranked, settled
from lifecycle.losses import due_now, found_away, left_out, others_leave
from lifecycle.losses_kept import OF_PLACES, due_kept, due_of, unlisted_of_policy
from lifecycle.mass_loss import MOVES_HELD, are_held
from lifecycle.placing import Placing, without
from lifecycle.placing_together import TOGETHER, Due
from lifecycle.plans_moving import places_now
from lifecycle.plans_steps import kept, places_of
from lifecycle.portions import portions
from lifecycle.priorities import priority_of
from lifecycle.settings import LifecycleSettings
from placement.decision import Decision

log = structlog.get_logger(__name__)
STAYS = "what is left keeps its policy, and it waits for what was lost"
PAUSED = "it is paused"
OTHERS_LEAVE = "others are leaving its site, and it may have room there then"


class Settling:
    """Does what policies say about the displaced."""

    def __init__(
        self,
        ledger: Ledger,
        placing: Placing,
        *,
        settings: LifecycleSettings,
        displaced: Displaced,
        targets: Targets,
        holds: Holds,
        ring: Callable[[], None],
    ) -> None:
        """`ring` has them looked at once more after this round."""
        self._ledger = ledger
        self._placing = placing
        self._settings = settings
        self._displaced = displaced
        self._targets = targets
        self._holds = holds
        self._ring = ring

    async def settle(self, due: Sequence[str]) -> None:
        """Does what policies say about some deployments, those first that have a right to room."""
        going: list[str] = []
        still: dict[str, tuple[DisplacementState, str]] = {}
        for deployment_id in due:
            state = self._stands_still(deployment_id)
            if state is None:
                going.append(deployment_id)
            else:
                still[deployment_id] = state
        await self._stand(still)
        order = self._one_a_site(ranked(self._ledger.view, going))
        for at in range(0, len(order), TOGETHER):
            # Deciding takes time, in which many more sites may have been lost.
            await self._holds.keep()
            await self._settle_lot([one for one in order[at : at + TOGETHER] if self._stands_still(one) is None])

    def _one_a_site(self, order: Sequence[str]) -> list[str]:
        """Of those that lack room at a site the first alone, the others in a later round: what it leaves may be enough for
        them, and a move never counts on room that others are to free.
        """
        view, taken, found = self._ledger.view, set[str | None](), list[str]()
        for deployment_id in order:
            deployment = get_as(view, Deployment, deployment_id)
            if deployment is None or deployment.displacement is None:
                continue
            due = due_of(deployment.displacement.losses, at=self._ledger.now_ms())
            lacking = {one.subject_id for one in due if one.kind is LossKind.CAPACITY}
            if lacking & taken:
                self._ring()
                continue
            taken |= lacking
            found.append(deployment_id)
        return found

    def _stands_still(self, deployment_id: str) -> tuple[DisplacementState, str] | None:
        """Why nothing is decided for a deployment now; None when it is."""
        view = self._ledger.view
        deployment = get_as(view, Deployment, deployment_id)
        if deployment is None or deployment.displacement is None:
            return None
        if deployment.paused:
            return DisplacementState.HELD, PAUSED
        due = self._due_now(deployment)
        if deployment.failover.mode is FailoverMode.APPLY and are_held(view, left_out(view, deployment, due)):
            return DisplacementState.HELD, MOVES_HELD
        awaited = old_copies(view, deployment, due)
        if awaited:
            return DisplacementState.AWAITING_OLD, awaited_words(view, awaited)
        if others_leave(view, deployment, due):
            return DisplacementState.WAITING, OTHERS_LEAVE
        return None

    def _due_now(self, deployment: Deployment) -> list[Loss]:
        return due_now(self._ledger.view, deployment, at=self._ledger.now_ms(), settings=self._settings)

    async def _settle_lot(self, lot: Sequence[str]) -> None:
        """Decides a lot together and does with each what its policy says."""
        view = self._ledger.view
        losses: dict[str, list[Loss]] = {}
        done: dict[str, tuple[DisplacementState, str]] = {}

        def look(deployment_id: str) -> Due | str | None:
            deployment = get_as(view, Deployment, deployment_id)
            if deployment is None or deployment.displacement is None:
                return None
            losses[deployment_id] = self._due_now(deployment)
            return self._moving_due(deployment, losses[deployment_id])

        async def begin(one: Due, chosen: Chosen) -> bool:
            deployment, due = one.deployment, losses[one.deployment.id]
            why = self._why_not(deployment, chosen.decision, due)
            if why is not None:
                done[deployment.id] = why
                return True
            if deployment.failover.mode is FailoverMode.APPLY:
                change = partial(
                    fail_over,
                    deployment_id=deployment.id,
                    chosen=chosen,
                    generation=deployment.generation,
                    settings=self._settings,
                )
                return (await self._ledger.commit(change, REQUEST)).value is not None
            return await self._plan(deployment, chosen, due)

        became = await settled(
            lot,
            placing=self._placing,
            reader=view,
            whole=view,
            look=look,
            begin=begin,
            attempts=self._settings.placement_attempts,
        )
        still: dict[str, tuple[DisplacementState, str]] = {}
        for deployment_id, one in became.items():
            # What is asked again at head may have become so meanwhile: a hold, a copy that is not known to be gone.
            state = done.get(deployment_id)
            if state is None and not one.begun:
                state = self._stands_still(deployment_id) or _stuck(one)
            if state is not None:
                still[deployment_id] = state
        await self._stand(still)

    def _moving_due(self, deployment: Deployment, due: Sequence[Loss]) -> Due | str:
        """A deployment that is to leave what it has lost."""
        view = self._ledger.view
        components, reason = movable(view, deployment)
        if reason is not None:
            return reason
        out = left_out(view, deployment, due)
        policy = deployment.policy
        if due and _of_places_alone(deployment, due):
            for one in found_away(view, deployment, out):
                policy = without(policy, one)
        return Due(
            deployment=deployment,
            components=components,
            policy=policy,
            priority=priority_of(view, deployment),
            indulging=blemished(view, deployment.id, leave_out=out, with_nodes=True),
            renewed=renewed_sites(view, deployment, due),
        )

    def _why_not(
        self, deployment: Deployment, decision: Decision, due: Sequence[Loss]
    ) -> tuple[DisplacementState, str] | None:
        """Why what was decided is not done: it gains nothing, or takes more moves than may be."""
        view = self._ledger.view
        now, then = places_now(view, deployment.id), places_of(decision)
        moves = len(then - now)
        away = _of_places_alone(deployment, due)
        renewed = renewed_sites(view, deployment, due)
        if not moves and (then == now or away) and not renews(view, deployment.id, decision, renewed):
            return DisplacementState.WAITING, STAYS
        most = deployment.failover.max_moves
        if most is not None and moves > most:
            return DisplacementState.STUCK, f"it takes {moves} moves, and its policy allows {most}"
        return None

    async def _plan(self, deployment: Deployment, chosen: Chosen, due: Sequence[Loss]) -> bool:
        view = self._ledger.view
        step = failover_step(view, deployment, chosen, why=words_of(due))
        [whole] = await self._placing.told(partial(kept, [step]))
        revision = chosen.decision.revision
        change = partial(keep_failover, step=whole, due=due, revision=revision, settings=self._settings)
        plan = (await self._ledger.commit(change, REQUEST)).value
        if plan is None:
            return False
        self._targets.note(plan.id, whole)
        return True

    async def _stand(self, still: Mapping[str, tuple[DisplacementState, str]]) -> None:
        """Writes down of deployments why nothing is done about them: of many at once, for a mass loss is of thousands."""
        told = [
            one for deployment_id, state in still.items() if (one := self._put_off(deployment_id, *state)) is not None
        ]
        for some in portions(told, weight=lambda one: weight_of(self._ledger.view, one.deployment_id)):
            await written_apart(
                some,
                write=self._tell,
                refused=lambda one, refusal: log.warning(
                    "failover.not_told", deployment=one.deployment_id, reason=refusal.message
                ),
            )

    async def _tell(self, stands: Sequence[Stands]) -> None:
        await self._ledger.commit(partial(stand_all, stands=stands), REQUEST)

    def _put_off(self, deployment_id: str, state: DisplacementState, why: str) -> Stands | None:
        """Notes when a deployment is looked at again; gives what is to be written of it, if anything is."""
        view = self._ledger.view
        deployment = get_as(view, Deployment, deployment_id)
        if deployment is None or deployment.displacement is None:
            return None
        due = due_kept(deployment.displacement, at=self._ledger.now_ms())
        self._displaced.tried(deployment, due)
        if (deployment.displacement.state, deployment.displacement.why) == (state, why):
            return None
        return Stands(deployment_id, state, why, deployment.generation)


def _of_places_alone(deployment: Deployment, due: Sequence[Loss]) -> bool:
    """Whether a deployment has lost places, and its policy asks for nothing besides."""
    return all(one.kind in OF_PLACES for one in due) and not unlisted_of_policy(deployment.displacement)


def _stuck(one: Settled) -> tuple[DisplacementState, str] | None:
    return None if one.begun or one.why is None else (DisplacementState.STUCK, one.why)
