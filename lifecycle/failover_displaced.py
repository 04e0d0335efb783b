"""The displaced: which deployments something is due for now, and when one of them next is.

That a deployment is displaced is in the graph, with what it has lost and from when that counts. Kept here is only which they
are, so that nobody looks through all deployments, and the pace of tries: one that found no place, or for which a plan waits
that still is as it was made, is left alone until something has changed that may matter to it.
"""

from __future__ import annotations

from collections.abc import Sequence

from drivers.clock import Clock
from graph.change import Change
from graph.kinds import Deployment, DisplacementState, Loss, Plan, PlanStatus, UnlistedLosses
from graph.ledger import Ledger
from graph.view import each, get_as
from lifecycle.failing_over import FOLLOWED
from lifecycle.failover_targets import Targets
from lifecycle.failover_tries import Tries
from lifecycle.losses_kept import due_kept
from lifecycle.settings import LifecycleSettings

MATTERS = frozenset({"Site", "Node", "Link", "Cluster", "Region", "Release", "FailoverHold", "Plan"})
"""Kinds whose changes may let what is stuck go on."""
PLANNED = frozenset({DisplacementState.PROPOSED, DisplacementState.REPORTED})


class Displaced:
    """The deployments that have lost something. Fed with changes, in order."""

    def __init__(self, ledger: Ledger, targets: Targets, *, settings: LifecycleSettings, clock: Clock) -> None:
        self._ledger = ledger
        self._targets = targets
        self._settings = settings
        self._ids: dict[str, None] = {}
        self._tries = Tries(settings=settings, clock=clock)
        self._changed_at = 0
        """The graph's revision at which something last changed that may let what is stuck go on."""

    def __contains__(self, deployment_id: str) -> bool:
        return deployment_id in self._ids

    def take(self, change: Change, *, revision: int) -> bool:
        """Takes in a change; whether it is one of a deployment for which something else is planned than it is by now."""
        if change.kind in MATTERS:
            self._changed_at = revision
        if change.kind == "FailoverHold":
            self._tries.clear()
        if change.kind != "Deployment":
            return False
        after = change.after
        if not isinstance(after, Deployment) or after.displacement is None:
            self._ids.pop(change.id, None)
            self._tries.forget(change.id)
            return False
        self._ids[change.id] = None
        return after.displacement.plan_generation not in (None, after.generation)

    def may_go_on(self, *, revision: int) -> bool:
        """Whether the commit at this revision may let one of them go on."""
        return bool(self._ids) and self._changed_at == revision

    def reload(self) -> None:
        """Everything may differ: all deployments are looked through, and all that are displaced are tried at once."""
        view = self._ledger.view
        self._tries.clear()
        self._ids = {one.id: None for one in each(view, Deployment) if one.displacement is not None}
        self._changed_at = view.revision

    def try_at_once(self, deployment_id: str) -> None:
        """Something has changed of what concerns it."""
        self._tries.forget(deployment_id)

    def tried(self, deployment: Deployment, due: Sequence[Loss | UnlistedLosses]) -> None:
        """Nothing could be done for it: it is tried again when something has changed, after a pause."""
        self._tries.note(deployment, due, changed_at=self._changed_at)

    def due(self) -> list[str]:
        """Ids of the deployments that something is to be done about now."""
        now = self._ledger.now_ms()
        return [one for one in self._ids if self._is_due(one, now=now)]

    def next_look_s(self) -> float:
        """Seconds until something counts, or may be tried again."""
        view, now = self._ledger.view, self._ledger.now_ms()
        wait = self._settings.resync_s
        for deployment_id in self._ids:
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

    def open_plans(self) -> dict[str, None]:
        """Ids of the plans that wait for somebody, of what is followed here."""
        view = self._ledger.view
        displacements = (one.displacement for each in self._ids if (one := get_as(view, Deployment, each)) is not None)
        return {
            one.plan_id: None
            for one in displacements
            if one is not None and one.state in PLANNED and one.plan_id is not None
        }

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
