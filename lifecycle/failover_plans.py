"""Plans of failover: what would be done with a deployment that cannot stay, kept for somebody to apply, or to look at.

One plan is of one deployment, so that what becomes outdated or is over with one touches no other. It goes when its reason
does, and another takes its place when it has expired and the reason has not.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from graph.edit import Edit
from graph.kinds import Deployment, DisplacementState, FailoverMode, Loss, Plan, PlanKind, UnlistedLosses
from graph.view import Reader, get_as
from lifecycle.deployments import Chosen
from lifecycle.events import AUTHOR
from lifecycle.failing_over import drop_plan, put
from lifecycle.leaving import movable
from lifecycle.losses import losses_of
from lifecycle.losses_kept import displaced, unlisted_of_policy
from lifecycle.plans_kept import NewPlan, keep_plan
from lifecycle.plans_moving import places_now
from lifecycle.plans_steps import Planned, PlanOutcome, places_of, planned, revisions_of
from lifecycle.releases import sites_of
from lifecycle.settings import LifecycleSettings


def failover_step(reader: Reader, deployment: Deployment, chosen: Chosen, *, why: str) -> Planned:
    """What would be done with a deployment, as a step of a plan. `reader` sees everything."""
    components, _ = movable(reader, deployment)
    return planned(
        chosen,
        outcome=PlanOutcome.MOVES,
        name=deployment.name,
        deployment_id=deployment.id,
        generation=deployment.generation,
        components=revisions_of(components),
        before=sites_of(reader, deployment.id),
        moves=len(places_of(chosen.decision) - places_now(reader, deployment.id)),
        why=why,
    )


def keep_failover(
    edit: Edit, step: Planned, *, due: Sequence[Loss], revision: int, settings: LifecycleSettings
) -> Plan | None:
    """Keeps the plan of one deployment, as its policy has it, in the place of an earlier one. `due` is what it puts right.

    None when the deployment has changed since, stays, or something of that is over.
    """
    deployment = get_as(edit, Deployment, step.step.deployment_id)
    if deployment is None or deployment.displacement is None or deployment.generation != step.step.generation:
        return None
    state = {
        FailoverMode.PROPOSE: DisplacementState.PROPOSED,
        FailoverMode.REPORT: DisplacementState.REPORTED,
    }.get(deployment.failover.mode)
    if state is None:
        return None
    planned_for = {one.what for one in due}
    unlisted: list[UnlistedLosses] = []
    known = deployment.displacement.losses
    if deployment.displacement.more:
        unlisted = unlisted_of_policy(deployment.displacement)
        known = losses_of(edit, deployment, standing=None, at=edit.at, settings=settings)
    losses = [msgspec.structs.replace(one, planned=one.what in planned_for) for one in known]
    if sum(one.planned for one in losses) < len(planned_for):
        return None
    drop_plan(edit, deployment.displacement)
    new = NewPlan(
        kind=PlanKind.FAILOVER,
        tenant_id=deployment.tenant_id,
        steps=[step],
        revision=revision,
        feasible=True,
        lasts_ms=int(settings.failover_plan_s * 1000),
        author=AUTHOR,
        fields={"subject_id": deployment.id},
    )
    plan = keep_plan(edit, new, allowed=_anybody)
    moves = f"{step.step.moves} move{'' if step.step.moves == 1 else 's'} would put it right"
    # Of what only placement tells all is put right: it was decided by the whole policy.
    unlisted = [msgspec.structs.replace(one, planned=True) for one in unlisted]
    after = displaced(state, losses, unlisted, why=moves, plan_id=plan.id, plan_generation=deployment.generation)
    put(edit, deployment, after)
    return plan


def _anybody(reader: Reader, plan: Plan) -> None:
    """It is made by the system, in the name of the policy that somebody who may has set."""
