"""Change functions of kept plans: made, applied, deleted and expired, each at head.

A plan is applied on another graph than it was made on. Under the lock each decision is verified on the head as every other
is, and what it rests on must be as it was: what is asked for of the deployment and its sites, the version's components, the
plan itself. Numbers that the scaling loop gave since are no such thing: the same sites were decided anew with them. All
reasons against it are told together, and nothing is done unless all of it can be.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from graph.edit import Edit
from graph.kinds import (
    AppVersion,
    Component,
    Deployment,
    DriftPolicy,
    FailoverMode,
    FailoverPolicy,
    Operation,
    OperationKind,
    Plan,
    PlanKind,
    PlanStatus,
)
from graph.kinds.policy import PlacementPolicy
from graph.kinds.what_if import Change
from graph.refusal import AlreadyExists, CapacityGone, InvalidState, LimitExceeded, NotFound, Refusal
from graph.view import Reader, each, get_as
from lifecycle.deployments import Chosen, Visible, deploy, update_deployment
from lifecycle.drain import is_movable, move_deployment, start_drain
from lifecycle.events import tell
from lifecycle.failing_over import fail_over
from lifecycle.plans_moving import move_placed
from lifecycle.plans_steps import Planned, PlanOutcome, Step, by_turn, filed_step, sum_of
from lifecycle.portions import portions, weight_of_change
from lifecycle.releases import sites_of
from lifecycle.wishes import Adjustment, Wish
from placement.wording import counted

MAX_PLANS = 100
"""Plans that are kept of one tenant, or of those that belong to none."""
ENDED_KEPT_MS = 24 * 3_600_000
"""How long a plan is kept when it has expired, so that whoever comes late is told that: milliseconds."""
EXPIRED_A_COMMIT = 256
GOING = (PlanOutcome.PLACES, PlanOutcome.MOVES)
"""What is done when a plan is applied."""
Allowed = Callable[[Reader, Plan], None]
"""Raises unless the caller may write such a plan, by the rights that it has in that graph."""


class PlanReason(msgspec.Struct, frozen=True, kw_only=True):
    """Why a plan cannot be applied as it is."""

    code: str
    """One word for programs: EXPIRED, APPLIED, DEPLOYMENT_GONE, DEPLOYMENT_CHANGED, APP_VERSION_CHANGED, SITE_GONE,
    CAPACITY_GONE, POLICY_BROKEN, ONLY_SUPPOSED or REFUSED."""
    message: str
    figures: str | None = None
    """The message with what is free, for those who may see what every tenant uses."""
    deployment_id: str | None = None


class PlanOutdated(Refusal):
    """The graph has moved on too far for a plan; nothing of it was applied."""

    code = "PLAN_OUTDATED"

    def __init__(self, reasons: Sequence[PlanReason], *, path: str = "input.id") -> None:
        first, more = reasons[0].message, len(reasons) - 1
        super().__init__(
            f"the plan cannot be applied any more: {first}"
            + (f" (and {counted(more, 'other reason')})" if more else ""),
            remedy="plan it anew",
            path=path,
        )
        self.reasons = tuple(reasons)


@dataclass(frozen=True, kw_only=True, slots=True)
class NewPlan:
    """A plan as it is to be kept."""

    kind: PlanKind
    tenant_id: str | None
    steps: Sequence[Planned]
    revision: int
    feasible: bool
    lasts_ms: int
    author: str
    fields: dict[str, Any] = field(default_factory=dict)
    """Further fields of the Plan."""
    changes: Sequence[Change] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Applied:
    """What applying a plan began."""

    plan: Plan
    operations: list[Operation]
    deployments: list[Deployment]


def seen_plan(reader: Reader, plan_id: str, *, path: str = "input.id") -> Plan:
    """The plan, if the caller sees it. Raises NotFound."""
    found = get_as(reader, Plan, plan_id)
    if found is None:
        raise NotFound("Plan", plan_id, path=path)
    return found


def keep_plan(edit: Edit, new: NewPlan, *, allowed: Allowed) -> Plan:
    """Files the steps and makes the plan; where there are too many, expired ones of the same owner make room for one
    that somebody asks for.

    Raises LimitExceeded, and what `allowed` raises.
    """
    if new.kind is not PlanKind.FAILOVER:
        # Of those each deployment has one at most, and they go with their reasons.
        _make_room(edit, new.tenant_id)
    plan = edit.create(
        Plan,
        tenant_id=new.tenant_id,
        kind=new.kind,
        planned_at_revision=new.revision,
        what_if=list(new.changes),
        expires_at=edit.at + new.lasts_ms,
        author=new.author,
        feasible=new.feasible,
        step_count=len(new.steps),
        moves=sum(one.step.moves for one in new.steps),
        stuck=sum(one.step.outcome is PlanOutcome.STUCK for one in new.steps),
        cost_before=sum_of(one.step.cost_before for one in new.steps),
        cost_after=sum_of(one.step.cost_after for one in new.steps),
        **new.fields,
    )
    allowed(edit, plan)
    for step in new.steps:
        edit.file(filed_step(plan.id, step, tenant_id=plan.tenant_id, at_ms=edit.at))
    tell(
        edit, plan, "PlanKept", f"A {plan.kind.name} plan of {plan.step_count} deployments is kept.", author=new.author
    )
    return plan


def _make_room(edit: Edit, tenant_id: str | None) -> None:
    owned = () if tenant_id is None else ("tenant_id", tenant_id)
    theirs = [
        one for one in each(edit, Plan, *owned) if one.tenant_id == tenant_id and one.kind is not PlanKind.FAILOVER
    ]
    ended = sorted((one for one in theirs if one.expires_at <= edit.at), key=lambda one: one.expires_at)
    if len(theirs) - len(ended) >= MAX_PLANS:
        raise LimitExceeded(
            f"{MAX_PLANS} plans are kept already", remedy="delete one, or wait until one expires", path="input"
        )
    for one in ended[: max(len(theirs) + 1 - MAX_PLANS, 0)]:
        edit.delete(one)


def apply_plan(
    edit: Edit,
    plan_id: str,
    steps: Sequence[Planned],
    *,
    broken: Sequence[PlanReason],
    visible: Visible,
    allowed: Allowed,
    author: str,
) -> Applied:
    """Begins all that a plan says. `steps` are those filed under it; `broken` says of which the policy no longer holds.

    Raises NotFound, PlanOutdated, InvalidState, AlreadyExists, and what `allowed` raises.
    """
    plan = seen_plan(visible(edit), plan_id)
    allowed(edit, plan)
    if plan.status is PlanStatus.APPLIED:
        raise PlanOutdated([PlanReason(code="APPLIED", message="it has been applied already")])
    if plan.expires_at <= edit.at:
        raise PlanOutdated([PlanReason(code="EXPIRED", message="it has expired")])
    doing = [one for one in steps if one.chosen is not None and one.step.outcome in GOING]
    if not doing and plan.kind is not PlanKind.DRAIN:
        raise InvalidState("the plan has nothing that could be done", remedy="plan it anew", path="input.id")
    reasons = [*broken, *_changed(edit, plan, doing)]
    if reasons:
        raise PlanOutdated(reasons)
    for one in doing:
        deployment = get_as(edit, Deployment, one.step.deployment_id)
        if deployment is not None and deployment.generation != one.step.generation:
            raise CapacityGone(
                f"deployment {deployment.name!r} has been scaled meanwhile",
                remedy="nothing was done; ask again",
                path="input.id",
            )
    try:
        applied = _apply(edit, plan, doing, visible=visible, author=author)
    except Refusal as refusal:
        # What is wrong is in the plan: nothing else was given.
        refusal.path = "input.id"
        if isinstance(refusal, AlreadyExists):
            refusal.remedy = "plan it anew, under another name or in the place of the one that exists"
        raise
    after = edit.replace(
        plan,
        status=PlanStatus.APPLIED,
        applied_at=edit.at,
        operation_ids=[one.id for one in applied.operations],
    )
    tell(edit, after, "PlanApplied", f"{len(applied.operations)} operations were begun.", author=author)
    return Applied(plan=after, operations=applied.operations, deployments=applied.deployments)


def delete_plan(
    edit: Edit, plan_id: str, *, visible: Visible, allowed: Allowed, expected_revision: int | None = None
) -> Plan:
    """Deletes a plan; what it began goes on. Raises NotFound, Conflict, and what `allowed` raises."""
    plan = seen_plan(visible(edit), plan_id)
    allowed(edit, plan)
    edit.delete(plan, expected_revision=expected_revision)
    return plan


def is_over(plan: Plan, *, at: int) -> bool:
    """Whether a plan had expired ENDED_KEPT_MS before `at` (UTC ms), so that it is no longer kept."""
    return plan.expires_at + ENDED_KEPT_MS <= at


def drop_expired_plans(edit: Edit, *, now: int) -> list[str]:
    """Deletes plans that were over at `now` (UTC ms), EXPIRED_A_COMMIT or what a commit takes at most; gives their ids."""
    expired = [one for one in each(edit, Plan) if is_over(one, at=min(now, edit.at))][:EXPIRED_A_COMMIT]
    expired = next(portions(expired, weight=weight_of_change), [])
    for one in expired:
        edit.delete(one)
    return [one.id for one in expired]


def wish_of(plan: Plan) -> Wish:
    """What a plan for a deployment asks for."""
    return Wish(
        tenant_id=plan.tenant_id or "",
        name=plan.deployment_name or "",
        app_version_id=plan.app_version_id or "",
        policy=plan.policy or PlacementPolicy(),
        replicas=plan.replicas,
        profile_id=plan.profile_id,
        overrides=plan.overrides,
        failover=plan.failover or FailoverPolicy(),
        drift_policy=plan.drift_policy or DriftPolicy.CORRECT,
        requires_approval=plan.requires_approval,
        display_name=plan.deployment_display_name,
        labels=plan.deployment_labels,
    )


def is_as_planned(reader: Reader, plan: Plan, step: Step, deployment: Deployment) -> bool:
    """Whether all that a step rests on of its deployment is as it was, though its sites may have other numbers by now.

    Nobody has asked for anything of it since, and it is at the same sites: it was scaled by what is measured there.
    """
    if deployment.generation == step.generation:
        return True
    return deployment.asked_at <= plan.planned_at_revision and sites_of(reader, deployment.id) == step.before


def _changed(edit: Edit, plan: Plan, steps: Sequence[Planned]) -> list[PlanReason]:
    """What of the things that a plan rests on is not as it was."""
    reasons = []
    for one in steps:
        step = one.step
        if step.deployment_id is not None:
            deployment = get_as(edit, Deployment, step.deployment_id)
            if deployment is None:
                reasons.append(_reason("DEPLOYMENT_GONE", f"deployment {step.name!r} is gone", one))
                continue
            if not is_as_planned(edit, plan, step, deployment):
                said = f"deployment {step.name!r} is at generation {deployment.generation}, not {step.generation}"
                reasons.append(_reason("DEPLOYMENT_CHANGED", said, one))
                continue
        for component_id, revision in step.components.items():
            component = get_as(edit, Component, component_id)
            if component is None or component.revision != revision:
                said = f"the app version of deployment {step.name!r} has changed"
                reasons.append(_reason("APP_VERSION_CHANGED", said, one))
                break
    return reasons


@dataclass(frozen=True, kw_only=True, slots=True)
class _Begun:
    operations: list[Operation]
    deployments: list[Deployment]


def _apply(edit: Edit, plan: Plan, doing: Sequence[Planned], *, visible: Visible, author: str) -> _Begun:
    if plan.kind is PlanKind.DEPLOYMENT:
        return _deployed(edit, plan, doing[0], visible=visible, author=author)
    begun = _Begun(operations=[], deployments=[])
    reasons: list[PlanReason] = []
    drain: Operation | None = None
    if plan.kind is PlanKind.DRAIN:
        drain = start_drain(edit, plan.subject_id or "", visible=visible, author=author)
        begun.operations.append(drain)
    operations: dict[str | None, Operation] = {}
    deployments: dict[str | None, Deployment] = {}
    for one in by_turn(doing):
        chosen, deployment = one.chosen, get_as(edit, Deployment, one.step.deployment_id)
        version = get_as(edit, AppVersion, deployment.app_version_id) if deployment is not None else None
        if chosen is None or deployment is None or version is None or not is_movable(deployment):
            phase = "gone" if deployment is None or version is None else deployment.phase.name
            reasons.append(_reason("DEPLOYMENT_CHANGED", f"deployment {one.step.name!r} is {phase}", one))
            continue
        components = list(each(edit, Component, "app_version_id", version.id))
        try:
            if plan.kind is PlanKind.FAILOVER:
                operations[deployment.id] = _failed_over(edit, deployment, chosen, author=author)
            elif drain is not None:
                move_deployment(edit, drain.id, deployment.id, chosen, generation=deployment.generation)
            else:
                operations[deployment.id] = move_placed(edit, deployment, components, chosen, author=author)
        except CapacityGone as gone:
            reasons.append(_gone(gone, one))
            continue
        after = get_as(edit, Deployment, deployment.id)
        if after is not None:
            deployments[deployment.id] = after
    if reasons:
        raise PlanOutdated(reasons)
    asked = [one.step.deployment_id for one in doing]
    begun.operations.extend(operations[one] for one in asked if one in operations)
    begun.deployments.extend(deployments[one] for one in asked if one in deployments)
    return begun


def _deployed(edit: Edit, plan: Plan, one: Planned, *, visible: Visible, author: str) -> _Begun:
    wish, chosen = wish_of(plan), one.chosen
    assert chosen is not None, "only what can be done is done"
    try:
        if plan.subject_id is None:
            started = deploy(edit, wish, chosen, visible=visible, author=author)
        else:
            change = Adjustment(
                deployment_id=plan.subject_id,
                app_version_id=wish.app_version_id,
                policy=wish.policy,
                replicas=wish.replicas,
                # What a wish leaves out stays as the deployment has it.
                profile_id=wish.profile_id or msgspec.UNSET,
                overrides=wish.overrides or None,
                failover=plan.failover,
                drift_policy=plan.drift_policy,
                requires_approval=wish.requires_approval or None,
            )
            started = update_deployment(edit, change, chosen, visible=visible, author=author, kind=OperationKind.UPDATE)
    except CapacityGone as gone:
        raise PlanOutdated([_gone(gone, one)]) from None
    return _Begun(operations=[started.operation], deployments=[started.deployment])


def _failed_over(edit: Edit, deployment: Deployment, chosen: Chosen, *, author: str) -> Operation:
    if deployment.failover.mode is FailoverMode.REPORT:
        raise InvalidState(
            f"the failover policy of deployment {deployment.name!r} is to report only",
            remedy="set its mode to PROPOSE or APPLY, or migrate it",
            path="input.id",
        )
    operation = fail_over(edit, deployment.id, chosen, generation=deployment.generation, author=author)
    if operation is None:
        raise InvalidState(
            f"deployment {deployment.name!r} can stay where it is by now",
            remedy="nothing has to be done",
            path="input.id",
        )
    return operation


def _gone(gone: CapacityGone, one: Planned) -> PlanReason:
    return PlanReason(
        code="CAPACITY_GONE", message=gone.message, figures=gone.figures, deployment_id=one.step.deployment_id
    )


def _reason(code: str, message: str, one: Planned) -> PlanReason:
    return PlanReason(code=code, message=message, deployment_id=one.step.deployment_id)
