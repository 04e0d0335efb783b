"""Kept plans: what a dry run came to, kept with its decisions filed under it, and done later.

To apply one, its policies are looked at again on the present graph, off the event loop as all placement is; then
everything is verified at head, and either all of it begins or nothing.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import structlog

from graph.change import Record
from graph.edit import Edit
from graph.kinds import Deployment, DriftPolicy, FailoverPolicy, Plan, PlanKind, PlanStatus
from graph.kinds.what_if import Change
from graph.ledger import Ledger
from graph.refusal import InvalidInput, InvalidState, LimitExceeded, Unavailable
from graph.request import Committed, Request
from graph.store import RecordPage, StoreProblem
from graph.view import Reader, get_as
from lifecycle.components import components_of
from lifecycle.decisions import Decisions, Remember
from lifecycle.deployments import Visible
from lifecycle.placing import Placing
from lifecycle.plans_drain import drain_target
from lifecycle.plans_dry_runs import DryRuns
from lifecycle.plans_kept import Allowed, Applied, NewPlan, PlanReason, apply_plan, delete_plan, keep_plan, seen_plan
from lifecycle.plans_moving import MAX_STEPS, places_now
from lifecycle.plans_rebalance import Rebalancing
from lifecycle.plans_recheck import Recheck
from lifecycle.plans_steps import (
    COLLECTION,
    Planned,
    PlanOutcome,
    cost_of,
    kept,
    places_of,
    planned,
    revisions_of,
    step_filed,
)
from lifecycle.plans_supposed import Suppositions
from lifecycle.releases import sites_of
from lifecycle.unplaceable import Unplaceable
from lifecycle.wishes import Wish, seen_version

log = structlog.get_logger(__name__)
DEFAULT_LASTS_S = 3_600
LEAST_LASTS_S = 60
MOST_LASTS_S = 7 * 86_400
STEPS_A_READ = 25
"""Steps that are read from the store at once: each may have a decision on thousands of sites."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What a plan is to be kept of: exactly one of `wish`, `drain_id` and `rebalancing`."""

    wish: Wish | None = None
    replaces: str | None = None
    """With `wish`: the deployment that it would replace."""
    drain_id: str | None = None
    rebalancing: Rebalancing | None = None
    changes: Sequence[Change] = ()
    lasts_s: int = DEFAULT_LASTS_S
    display_name: str | None = None
    labels: dict[str, str] = dataclasses.field(default_factory=dict)


class KeptStep(NamedTuple):
    """A step of a kept plan, under the id that pages go on from."""

    id: str
    planned: Planned


class Plans:
    """Keeps and applies what dry runs come to."""

    def __init__(self, ledger: Ledger, placing: Placing, decisions: Decisions, dry_runs: DryRuns) -> None:
        self._ledger = ledger
        self._decisions = decisions
        self._dry_runs = dry_runs
        self._placing = placing
        self._recheck = Recheck(placing, dry_runs)
        self._suppositions = Suppositions(ledger, dry_runs)

    async def keep(
        self,
        wanted: Wanted,
        request: Request,
        *,
        visible: Visible,
        allowed: Allowed,
        remember: Remember[Plan] | None = None,
    ) -> Committed[Plan]:
        """Makes a plan and keeps it until it expires.

        Raises NotFound, AlreadyExists, InvalidInput, InvalidState, LimitExceeded, what `allowed` raises, or what the
        ledger raises.
        """

        async def attempt() -> Callable[[Edit], Plan]:
            new = await self._new(wanted, visible=visible, author=request.author)
            new = dataclasses.replace(new, steps=await self._placing.told(partial(kept, new.steps)))
            return partial(keep_plan, new=new, allowed=allowed)

        return await self._decisions.commit(attempt, request, remember)

    async def apply(
        self,
        plan_id: str,
        request: Request,
        *,
        visible: Visible,
        allowed: Allowed,
        remember: Remember[Applied] | None = None,
    ) -> Committed[Applied]:
        """Begins what a plan says, all of it or nothing.

        Raises NotFound, PlanOutdated, InvalidState, AlreadyExists, what `allowed` raises, or what the ledger raises.
        """

        async def attempt() -> Callable[[Edit], Applied]:
            reader = visible(self._ledger.view)
            plan = seen_plan(reader, plan_id)
            steps: list[Planned] = []
            broken: list[PlanReason] = []
            if plan.status is PlanStatus.OPEN:
                steps = [one.planned for one in await self.steps(plan.id)]
                if len(steps) != plan.step_count:
                    raise InvalidState("its decisions are no longer kept", remedy="plan it anew", path="input.id")
                steps, broken = await self._recheck.of(self._ledger.view, plan, steps, visible=visible)
                broken += await self._suppositions.not_come_true(plan, steps, visible=visible)
                steps = await self._placing.told(partial(kept, steps))
            return partial(
                apply_plan,
                plan_id=plan_id,
                steps=steps,
                broken=broken,
                visible=visible,
                allowed=allowed,
                author=request.author,
            )

        return await self._decisions.commit(attempt, request, remember)

    async def delete(
        self,
        plan_id: str,
        request: Request,
        *,
        visible: Visible,
        allowed: Allowed,
        expected_revision: int | None = None,
        remember: Remember[Plan] | None = None,
    ) -> Committed[Plan]:
        """Deletes a plan and what is filed under it.

        Raises NotFound, Conflict, what `allowed` raises, or what the ledger raises.
        """
        change = partial(
            delete_plan, plan_id=plan_id, visible=visible, allowed=allowed, expected_revision=expected_revision
        )
        committed = await self._ledger.commit(change, request, remember=remember)
        try:
            await self._ledger.store.prune_subject(COLLECTION, plan_id)
        except StoreProblem as problem:
            # The plan is gone; the sweep finds what is left of it.
            log.info("plans.steps_left", plan=plan_id, reason=str(problem))
        return committed

    async def steps(self, plan_id: str, *, first: int = MAX_STEPS, after: str | None = None) -> list[KeptStep]:
        """The steps of a kept plan, in their order. Raises Unavailable."""
        found: list[KeptStep] = []
        while len(found) < first:
            limit = min(STEPS_A_READ, first - len(found))
            page = RecordPage(collection=COLLECTION, subject_id=plan_id, after_id=after, limit=limit, ascending=True)
            try:
                records = await self._ledger.store.records(page)
            except StoreProblem as problem:
                raise Unavailable(f"the store is away: {problem}", remedy="try again") from None
            decoded = await asyncio.to_thread(_decoded, records)
            found += [KeptStep(record.id, step) for record, step in zip(records, decoded, strict=True)]
            if len(records) < limit:
                break
            after = records[-1].id
        return found

    # How it is done

    async def _new(self, wanted: Wanted, *, visible: Visible, author: str) -> NewPlan:
        given = [one for one in (wanted.wish, wanted.drain_id, wanted.rebalancing) if one is not None]
        if len(given) != 1:
            raise InvalidInput(
                "a plan is for exactly one of deployment, drain and rebalance",
                remedy="give one of them",
                path="input",
            )
        if wanted.replaces is not None and wanted.wish is None:
            raise InvalidInput(
                "only a deployment takes another's place",
                remedy="leave it out, or give the deployment that is to replace it",
                path="input.replaces",
            )
        if not LEAST_LASTS_S <= wanted.lasts_s <= MOST_LASTS_S:
            raise InvalidInput(
                f"a plan lasts {LEAST_LASTS_S} s to {MOST_LASTS_S} s, not {wanted.lasts_s}",
                remedy="give a number in that range",
                path="input.expiresInSeconds",
            )
        common: dict[str, Any] = {"lasts_ms": wanted.lasts_s * 1_000, "author": author, "changes": wanted.changes}
        fields: dict[str, Any] = {"display_name": wanted.display_name, "labels": wanted.labels}
        if wanted.wish is not None:
            return await self._new_deployment(wanted, wanted.wish, common, fields, visible=visible)
        if wanted.drain_id is not None:
            plan = await self._dry_runs.drain(
                wanted.drain_id,
                visible=visible,
                changes=wanted.changes,
                path="input.drain",
                changes_path="input.whatIf",
            )
            target = drain_target(visible(self._ledger.view), wanted.drain_id, path="input.drain.id")
            tenant_id = target.tenant_id
        else:
            assert wanted.rebalancing is not None, "one of the three is given"
            fields |= {
                "move_penalty": wanted.rebalancing.move_penalty,
                "max_moves": wanted.rebalancing.max_moves,
            }
            plan = await self._dry_runs.rebalance(
                wanted.rebalancing,
                visible=visible,
                changes=wanted.changes,
                path="input.rebalance",
                changes_path="input.whatIf",
            )
            tenant_id = wanted.rebalancing.tenant_id
        if plan.more:
            raise LimitExceeded(
                f"one plan has at most {MAX_STEPS} deployments, this one would have {plan.total}",
                remedy="drain without a plan, or choose deployments by id or label",
                path="input",
            )
        return NewPlan(
            kind=plan.kind,
            tenant_id=tenant_id,
            steps=plan.steps,
            revision=plan.revision,
            feasible=not plan.stuck,
            fields={**fields, "subject_id": plan.subject_id},
            **common,
        )

    async def _new_deployment(
        self, wanted: Wanted, wish: Wish, common: dict[str, Any], fields: dict[str, Any], *, visible: Visible
    ) -> NewPlan:
        reader = visible(self._ledger.view)
        replaced = get_as(reader, Deployment, wanted.replaces)
        # Read before it is decided: what changes meanwhile is found to have changed when the plan is applied.
        rests_on = _rests_on(self._ledger.view, reader, wish, replaced)
        chosen = await self._dry_runs.deployment(
            wish,
            visible=visible,
            replaces=wanted.replaces,
            changes=wanted.changes,
            replaces_path="input.replaces",
            path="input.deployment",
            changes_path="input.whatIf",
        )
        decision = chosen.decision
        before = rests_on.pop("places")
        moves = len(places_of(decision) - before) if decision.feasible else 0
        if replaced is None:
            outcome = PlanOutcome.PLACES if decision.feasible else PlanOutcome.STUCK
        else:
            outcome = PlanOutcome.MOVES if decision.feasible else PlanOutcome.STUCK
        step = planned(
            chosen,
            outcome=outcome,
            moves=moves,
            why=None if decision.feasible else Unplaceable(decision).message,
            cost_after=cost_of(decision, wish.policy, moves=moves) if decision.feasible else None,
            **rests_on,
        )
        own: dict[str, Any] = {
            "subject_id": wanted.replaces,
            "deployment_name": replaced.name if replaced is not None else wish.name,
            "deployment_display_name": wish.display_name,
            "deployment_labels": wish.labels,
            "app_version_id": wish.app_version_id,
            "policy": wish.policy,
            "replicas": wish.replicas,
            "profile_id": wish.profile_id,
            "overrides": wish.overrides,
            "failover": wish.failover if wish.failover != FailoverPolicy() else None,
            "drift_policy": wish.drift_policy if wish.drift_policy is not DriftPolicy.CORRECT else None,
            "requires_approval": wish.requires_approval,
        }
        return NewPlan(
            kind=PlanKind.DEPLOYMENT,
            tenant_id=wish.tenant_id,
            steps=[step],
            revision=decision.revision,
            feasible=decision.feasible,
            fields={**fields, **own},
            **common,
        )


def _decoded(records: Sequence[Record]) -> list[Planned]:
    return [step_filed(one) for one in records]


def _rests_on(view: Reader, reader: Reader, wish: Wish, replaced: Deployment | None) -> dict[str, Any]:
    """What of the graph a plan for a deployment rests on, as fields of its step, and the `places` where it runs now."""
    version = seen_version(reader, wish.app_version_id, path="input.deployment.appVersionId")
    components = components_of(reader, version, path="input.deployment.appVersionId")
    found: dict[str, Any] = {"name": wish.name, "components": revisions_of(components), "places": frozenset()}
    if replaced is not None:
        found |= {
            "name": replaced.name,
            "deployment_id": replaced.id,
            "generation": replaced.generation,
            "before": sites_of(view, replaced.id),
            "places": places_now(view, replaced.id),
        }
    return found
