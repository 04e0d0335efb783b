"""Failover: what cannot stay where it is goes elsewhere with the fewest moves, as each deployment's policy says.

What a change concerns is found by index (`lifecycle.failover_index`); of those it is written down what they have lost and
from when it counts (`lifecycle.losses`). What counts is decided together, as a drain's lots are, and then begun, proposed,
or only told. All of it is in the graph: who reacts is a matter of whose turn it is, and a process that takes over looks at
everything once and goes on from there. Only the pace of tries that found no place is kept in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import structlog

from drivers.clock import Clock
from graph.change import Commit
from graph.edit import Edit
from graph.kinds import Deployment, DisplacementState, FailoverHold, FailoverMode, Loss, LossKind, Plan, PlanStatus
from graph.ledger import Ledger
from graph.refusal import Refusal, Unavailable
from graph.view import each, get_as
from lifecycle.apart import written_apart
from lifecycle.bell import ring_or_sleep
from lifecycle.deployments import Chosen
from lifecycle.failing_over import (
    FOLLOWED,
    Found,
    Stands,
    awaited_words,
    fail_over,
    note_all,
    old_copies,
    renewed_sites,
    renews,
    stand_all,
    weight_of,
    words_of,
)
from lifecycle.failover_index import Concerned
from lifecycle.failover_plans import failover_step, keep_failover
from lifecycle.failover_targets import Targets
from lifecycle.failover_tries import Tries
from lifecycle.indulgence import blemished
from lifecycle.leaving import Settled, movable, ranked, settled
from lifecycle.losses import due_now, found_away, left_out, losses_of, others_leave
from lifecycle.losses_kept import OF_PLACES, due_kept, due_of, unlisted_of_policy
from lifecycle.mass_loss import MOVES_HELD, WHOLE, Count, SitesLost, are_held, hold_of, keep_holds
from lifecycle.placing import Placing, without
from lifecycle.placing_together import TOGETHER, Due, standings
from lifecycle.plans_moving import places_now
from lifecycle.plans_steps import kept, places_of
from lifecycle.portions import portions
from lifecycle.priorities import priority_of
from lifecycle.requests import own_request
from lifecycle.settings import LifecycleSettings
from lifecycle.turns import Turn
from placement.decision import Decision
from placement.standing import Standing

log = structlog.get_logger(__name__)
REQUEST = own_request("lifecycle.failover")
MATTERS = frozenset({"Site", "Node", "Link", "Cluster", "Region", "Release", "FailoverHold", "Plan"})
"""Kinds whose changes may let what is stuck go on."""
AGAIN = 512
"""How many sites, and how many deployments, are looked at again at once though nothing rang for them."""
PLANNED = frozenset({DisplacementState.PROPOSED, DisplacementState.REPORTED})
STAYS = "what is left keeps its policy, and it waits for what was lost"
PAUSED = "it is paused"
OTHERS_LEAVE = "others are leaving its site, and it may have room there then"


class Failover:
    """Reacts to what deployments lose. A `Follower` of the view; one process's at a time."""

    def __init__(self, ledger: Ledger, placing: Placing, *, settings: LifecycleSettings, clock: Clock) -> None:
        self._ledger = ledger
        self._placing = placing
        self._settings = settings
        self._clock = clock
        self._concerned = Concerned(ledger.view, placing.network)
        self._sites = SitesLost(ledger.view)
        self._suspects: dict[str, bool] = {}
        """Deployments to look at; whether at how they stand by their policy, too."""
        self._displaced: dict[str, None] = {}
        self._tries = Tries(settings=settings, clock=clock)
        self._targets = Targets(ledger)
        self._changed_at = 0
        self._look_at_sites = True
        self._again_at = 0.0
        self._turn, self._turn_by_policy = Turn(ledger.view, "Deployment"), Turn(ledger.view, "Deployment")
        self._bell = asyncio.Event()

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
            if change.kind in MATTERS:
                self._changed_at = commit.revision
            if self._sites.take(change) or change.kind == "FailoverHold":
                self._look_at_sites = True
                self._bell.set()
            if change.kind == "Deployment":
                after = change.after
                if isinstance(after, Deployment) and after.displacement is not None:
                    self._displaced[change.id] = None
                    if after.displacement.plan_generation not in (None, after.generation):
                        # What was planned is of a deployment that it no longer is.
                        self._suspects.setdefault(change.id, False)
                        self._bell.set()
                else:
                    self._displaced.pop(change.id, None)
                    self._tries.forget(change.id)
            if change.kind == "FailoverHold":
                self._tries.clear()
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
        if self._displaced and self._changed_at == commit.revision:
            self._bell.set()

    def reloaded(self) -> None:
        """Everything may differ: all deployments that are watched are looked at, and all sites."""
        self._sites.reload()
        self._look_at_sites = True
        self._suspects = dict.fromkeys(self._concerned.reload(), True)
        self._tries.clear()
        self._again_at = self._clock.monotonic() + self._settings.resync_s
        view = self._ledger.view
        self._displaced = {one.id: None for one in each(view, Deployment) if one.displacement is not None}
        self._changed_at = view.revision
        self._bell.set()

    # A round

    async def _round(self) -> float:
        """Looks at what rang and does what is due; says how long until the next look, seconds."""
        self._look_again()
        concerned = self._concerned
        for deployment_id in (*concerned.by_ways(), *concerned.by_regions(), *concerned.by_room()):
            self._suspect(deployment_id, True)
        if concerned.has_room:
            self._bell.set()
        try:
            await self._keep_holds()
            while self._suspects:
                lot = {one: self._suspects.pop(one) for one in list(self._suspects)[:TOGETHER]}
                try:
                    await self._look_at(lot)
                except BaseException:
                    for one, by_policy in lot.items():  # not written down: to be looked at again
                        self._suspects[one] = by_policy or self._suspects.get(one, False)
                    raise
            await self._targets.learn(self._open_plans())
            await self._do(self._due())
        except Refusal as refusal:
            # It is looked at again, behind the others: what is refused for some of them is no reason to end.
            if not isinstance(refusal, Unavailable):
                log.exception("failover.refused", reason=refusal.message)
            self._bell.set()
            await self._clock.sleep(self._settings.backoff_base_s)
        return self._next_look()

    def _suspect(self, deployment_id: str, by_policy: bool) -> None:
        """Something has changed of what concerns it: it is looked at, and tried at once."""
        self._tries.forget(deployment_id)
        self._suspects[deployment_id] = by_policy or self._suspects.get(deployment_id, False)

    def _look_again(self) -> None:
        """Once in a while some are looked at that nothing rang for, in turn: what an index missed is found all the same."""
        now = self._clock.monotonic()
        if now < self._again_at:
            return
        self._again_at = now + self._settings.resync_s
        self._sites.look_again(AGAIN)
        self._look_at_sites = True
        for most, turn, by_policy in ((AGAIN, self._turn, False), (TOGETHER, self._turn_by_policy, True)):
            for deployment_id in turn.take(most):
                if deployment_id in self._displaced or self._concerned.is_watched(deployment_id):
                    self._suspects[deployment_id] = by_policy or self._suspects.get(deployment_id, False)

    async def _keep_holds(self) -> None:
        """Begins and ends holds; while there is one, or losses are young, the counts are looked at again."""
        if not self._look_at_sites:
            return
        self._look_at_sites = False
        view, counts = self._ledger.view, dict[str, Count]()
        begun = self._ledger.now_ms() - int(self._settings.mass_loss_window_s * 1000)
        scopes = [*self._sites.scopes(), *(one.region_id or WHOLE for one in each(view, FailoverHold))]
        for scope in dict.fromkeys(scopes):
            hold = hold_of(view, scope)
            since = begun if hold is None or hold.resumed_at is None else max(begun, hold.resumed_at)
            count = self._sites.count(scope, since=since)
            if hold is not None or count.at_once > self._settings.mass_loss_least:
                counts[scope] = count
        try:
            await written_apart(
                list(counts),
                write=lambda some: self._commit(
                    partial(keep_holds, counts={one: counts[one] for one in some}, settings=self._settings)
                ),
                refused=lambda scope, refusal: log.warning(
                    "failover.hold_refused", scope=scope, reason=refusal.message
                ),
            )
        except BaseException:
            self._look_at_sites = True
            raise

    async def _look_at(self, lot: dict[str, bool]) -> None:
        """Writes down of some deployments what they have lost."""
        view = self._ledger.view
        looked = {one: there for one in lot if (there := get_as(view, Deployment, one)) is not None}
        asked = [
            self._standing_due(one)
            for one in looked.values()
            if (lot[one.id] or unlisted_of_policy(one.displacement))
            and one.failover.mode is not FailoverMode.OFF
            and one.phase in FOLLOWED
        ]
        found: dict[str, Standing] = {}
        due = [one for one in asked if one is not None]
        if due:
            found = await standings(self._placing, view, due)
        told = [Found(one.id, one.generation, found.get(one.id)) for one in looked.values()]
        writing = [one for one in told if self._may_differ(looked[one.deployment_id], one.standing)]
        for some in portions(writing, weight=lambda one: weight_of(view, one.deployment_id, standing=one.standing)):
            await written_apart(
                some,
                write=lambda found: self._commit(partial(note_all, found=found, settings=self._settings)),
                refused=lambda one, refusal: log.warning(
                    "failover.not_noted", deployment=one.deployment_id, reason=refusal.message
                ),
            )

    def _may_differ(self, deployment: Deployment, standing: Standing | None) -> bool:
        """Whether there is anything to write of a deployment."""
        if deployment.displacement is not None or (standing is not None and not standing.holds):
            return True
        at = self._ledger.now_ms()
        return bool(losses_of(self._ledger.view, deployment, standing=standing, at=at, settings=self._settings))

    def _standing_due(self, deployment: Deployment) -> Due | None:
        """A deployment whose policy is held against where it runs, as if none of that were away."""
        view = self._ledger.view
        components, reason = movable(view, deployment)
        if reason is not None:
            return None
        return Due(
            deployment=deployment,
            components=components,
            policy=deployment.policy,
            priority=0,
            indulging=blemished(view, deployment.id, with_nodes=True),
        )

    # What is due

    def _due(self) -> list[str]:
        """Ids of the deployments that something is to be done about now."""
        now = self._ledger.now_ms()
        return [one for one in self._displaced if self._is_due(one, now=now)]

    def _is_due(self, deployment_id: str, *, now: int) -> bool:
        view = self._ledger.view
        deployment = get_as(view, Deployment, deployment_id)
        if deployment is None or deployment.displacement is None or deployment.phase not in FOLLOWED:
            return False
        due = due_kept(deployment.displacement, at=now)
        if not due:
            return False
        if deployment.displacement.state in PLANNED:
            plan = get_as(view, Plan, deployment.displacement.plan_id)
            if plan is not None and plan.status is not PlanStatus.OPEN:
                return False
            of_this = deployment.displacement.plan_generation == deployment.generation
            as_planned = of_this and all(one.planned for one in due)
            if plan is not None and plan.expires_at > now and as_planned and not self._targets.are_gone(view, plan.id):
                return False
        return self._tries.is_due(deployment, due, changed_at=self._changed_at)

    def _due_now(self, deployment: Deployment) -> list[Loss]:
        return due_now(self._ledger.view, deployment, at=self._ledger.now_ms(), settings=self._settings)

    def _open_plans(self) -> dict[str, None]:
        """Ids of the plans that wait for somebody, of what is followed here."""
        view = self._ledger.view
        displacements = (
            one.displacement for each in self._displaced if (one := get_as(view, Deployment, each)) is not None
        )
        return {
            one.plan_id: None
            for one in displacements
            if one is not None and one.state in PLANNED and one.plan_id is not None
        }

    def _next_look(self) -> float:
        """Seconds until something counts, or may be tried again."""
        view, now = self._ledger.view, self._ledger.now_ms()
        wait = self._settings.resync_s
        for deployment_id in self._displaced:
            deployment = get_as(view, Deployment, deployment_id)
            if deployment is None or deployment.displacement is None:
                continue
            stands = deployment.displacement
            counting = [one.due_at for one in stands.losses] + [one.due_at for one in stands.more]
            times = [due_at - now for due_at in counting if due_at > now]
            plan = get_as(view, Plan, deployment.displacement.plan_id)
            if plan is not None and plan.expires_at > now:
                times.append(plan.expires_at - now)
            wait = min([wait, *(one / 1000 for one in times)])
            again = self._tries.wait_s(deployment_id, changed_at=self._changed_at)
            wait = wait if again is None else min(wait, again)
        return max(wait, 0.001)

    async def _do(self, due: Sequence[str]) -> None:
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
            await self._keep_holds()
            await self._settle([one for one in order[at : at + TOGETHER] if self._stands_still(one) is None])

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
                self._bell.set()
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

    async def _settle(self, lot: Sequence[str]) -> None:
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
                write=lambda stands: self._commit(partial(stand_all, stands=stands)),
                refused=lambda one, refusal: log.warning(
                    "failover.not_told", deployment=one.deployment_id, reason=refusal.message
                ),
            )

    async def _commit(self, change: Callable[[Edit], object]) -> None:
        await self._ledger.commit(change, REQUEST)

    def _put_off(self, deployment_id: str, state: DisplacementState, why: str) -> Stands | None:
        """Notes when a deployment is looked at again; gives what is to be written of it, if anything is."""
        view = self._ledger.view
        deployment = get_as(view, Deployment, deployment_id)
        if deployment is None or deployment.displacement is None:
            return None
        due = due_kept(deployment.displacement, at=self._ledger.now_ms())
        self._tries.note(deployment, due, changed_at=self._changed_at)
        if (deployment.displacement.state, deployment.displacement.why) == (state, why):
            return None
        return Stands(deployment_id, state, why, deployment.generation)


def _of_places_alone(deployment: Deployment, due: Sequence[Loss]) -> bool:
    """Whether a deployment has lost places, and its policy asks for nothing besides."""
    return all(one.kind in OF_PLACES for one in due) and not unlisted_of_policy(deployment.displacement)


def _stuck(one: Settled) -> tuple[DisplacementState, str] | None:
    return None if one.begun or one.why is None else (DisplacementState.STUCK, one.why)
