"""Dry runs: `planDeployment`, `planDrain`, `planRebalance`, on the graph or on a supposed one; and a kept plan's steps.

Nothing is written, so seeing a thing is enough to suppose it otherwise. A read field has no union: what a mutation would
answer as a typed error is an error of the request here, with the same code and the argument that is wrong.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any, TypeVar

import strawberry

from access.permissions import Permission, declare_root
from access.refusals import told
from graph.entity import Entity
from graph.kinds import Deployment, Plan
from graph.kinds.what_if import Change
from graph.refusal import InvalidInput, Refusal
from lifecycle.plans_moving import MAX_STEPS
from lifecycle.plans_rebalance import Rebalancing
from lifecycle.plans_steps import COLLECTION
from placement.decision import Decision
from resolvers.context import Context
from resolvers.input_paths import as_written
from resolvers.mutations.deployments import sight, wish_of
from resolvers.problems import RequestProblem
from resolvers.queries.records import operation_by_id
from schema.connections import id_cursor
from schema.entities import field_of
from schema.inputs import value_from
from schema.types.plans import ShownMovePlan, StepPage
from schema.vocabulary import Member, resolver_field, struct_input

UNSET = strawberry.UNSET
A = TypeVar("A")
PAGE = 25
PROBLEM = (
    "nothing is changed. What the mutation answers with a typed error is an error here, with the same code and the input "
    "field as `argument`."
)
WHAT_IF = "What is supposed of the graph, in this order; each is exactly one change."


def changes_of(value: Any, *, path: str = "whatIf") -> Sequence[Change]:
    """The changes that are supposed. Raises InvalidInput."""
    if value in (UNSET, None):
        return ()
    changes: Sequence[Change] = value_from(Plan.SPEC.fields["what_if"], value, path=path)
    return changes


def rebalancing_of(
    context: Context, given: Any, *, first: int = MAX_STEPS, after: str | None = None, path: str = "input"
) -> Rebalancing:
    """Which deployments are looked at. Raises NotFound or Forbidden for a tenant that the viewer may not read."""
    context.viewer.require(Permission.READ_WORKLOADS, given.tenant_id, path=f"{path}.tenantId")
    optional = {
        name: value
        for name in ("deployment_ids", "labels", "move_penalty", "max_moves")
        if (value := getattr(given, name)) not in (UNSET, None)
    }
    return Rebalancing(tenant_id=given.tenant_id, first=first, after=after, **optional)


async def _problems_told(context: Context, answer: Awaitable[A], *, given: Any = None) -> A:
    try:
        return await answer
    except Refusal as refusal:
        refusal.path = as_written(refusal.path, given)
        shown = told(refusal, context.view)
        raise RequestProblem(
            shown.code,
            shown.message,
            remedy=shown.remedy,
            retryable=shown.retryable,
            extensions={"argument": shown.path} if shown.path else {},
        ) from None


async def _deployment(source: Any, info: Any, *, input: Any, deployment: Any, what_if: Any, bound: bool) -> Decision:
    context: Context = info.context

    async def ask() -> Decision:
        chosen = await context.services.lifecycle.dry_runs.deployment(
            wish_of(context, input),
            visible=sight(context),
            replaces=None if deployment is UNSET else deployment,
            changes=changes_of(what_if),
            bound=bound,
        )
        return chosen.decision

    return await _problems_told(context, ask(), given=input)


async def _drain(source: Any, info: Any, *, input: Any, what_if: Any, first: int, after: Any) -> ShownMovePlan:
    context: Context = info.context

    async def ask() -> ShownMovePlan:
        position = id_cursor(Deployment.SPEC.prefix, None if after is UNSET else after)
        plan = await context.services.lifecycle.dry_runs.drain(
            input.id,
            visible=sight(context),
            changes=changes_of(what_if),
            first=_size(first),
            after=position,
        )
        return ShownMovePlan(plan, after=position)

    return await _problems_told(context, ask())


async def _rebalance(source: Any, info: Any, *, input: Any, what_if: Any, first: int, after: Any) -> ShownMovePlan:
    context: Context = info.context

    async def ask() -> ShownMovePlan:
        position = id_cursor(Deployment.SPEC.prefix, None if after is UNSET else after)
        wanted = rebalancing_of(context, input, first=_size(first), after=position)
        plan = await context.services.lifecycle.dry_runs.rebalance(
            wanted, visible=sight(context), changes=changes_of(what_if)
        )
        return ShownMovePlan(plan, after=position)

    return await _problems_told(context, ask())


def _size(first: int) -> int:
    if not 1 <= first <= MAX_STEPS:
        raise InvalidInput(
            f"first is {first}, a page of a plan has 1 to {MAX_STEPS} deployments",
            remedy=f"ask for 1 to {MAX_STEPS}, and follow the cursor",
            path="first",
        )
    return first


_PAGED: dict[str, tuple[str, Any, str]] = {
    "first": ("int", PAGE, f"Deployments of a page, at most {MAX_STEPS}."),
    "after": (
        "Optional[str]",
        UNSET,
        "After this cursor. A page of a drain of up to 1,000 deployments is of the whole drain; any other is planned as if "
        "those before it were left alone.",
    ),
}


@field_of(Plan, returns="PlanStepPage", description="What it would do, deployment by deployment.", arguments=_PAGED)
async def steps(plan: Plan, info: Any, *, first: int, after: Any) -> StepPage:
    """A page of the steps that are filed under a plan."""
    context: Context = info.context

    async def ask() -> StepPage:
        position = id_cursor(COLLECTION, None if after is UNSET else after)
        size = _size(first)
        found = await context.services.lifecycle.plans.steps(plan.id, first=size + 1, after=position)
        listed = [(one.id, one.planned) for one in found[:size]]
        return StepPage(listed, total=plan.step_count, more=len(found) > size, after=position)

    return await _problems_told(context, ask())


@field_of(
    Plan,
    returns="list[Operation]",
    description="What applying it began, running or ended, as long as it is kept.",
    instead_of="operation_ids",
)
async def operations(plan: Plan, info: Any) -> list[Entity]:
    """Those that the viewer sees, in the order in which they were begun."""
    found = [await operation_by_id(info.context, one) for one in plan.operation_ids]
    return [one for one in found if one is not None]


def plan_queries() -> dict[str, Member]:
    """The root fields of this module."""
    change = f"Optional[list[{struct_input(Change)}]]"
    what_if: dict[str, tuple[str, Any, str]] = {"what_if": (change, UNSET, WHAT_IF)}
    declare_root("Query", "planDeployment", Permission.WRITE_WORKLOADS)
    declare_root("Query", "planDrain", Permission.READ_WORKLOADS)
    declare_root("Query", "planRebalance", Permission.READ_WORKLOADS)
    return {
        "plan_deployment": (
            None,
            resolver_field(
                _deployment,
                returns="PlacementPlan",
                description=f"Where a deployment would run, why there, and why not elsewhere; {PROBLEM}",
                arguments={
                    "input": ("DeployInput", UNSET, "What is wanted."),
                    "deployment": (
                        "Optional[ID]",
                        UNSET,
                        "A deployment that it would replace, whose place then counts as free.",
                    ),
                    **what_if,
                    "bound": (
                        "bool",
                        False,
                        "Whether to compute a bound from the relaxation of the whole problem, where deciding has not "
                        "proved one as near: `gap`, `boundKind` and the tiers' `bound`. It takes seconds, and the bound "
                        "stays unknown where the problem is too large or a total is divided.",
                    ),
                },
            ),
        ),
        "plan_drain": (
            None,
            resolver_field(
                _drain,
                returns="MovePlan",
                description="What draining a site or node would do to the deployments there that you see: where each would "
                f"go with the fewest moves, or why it cannot; {PROBLEM}",
                arguments={"input": ("PlanDrainInput", UNSET, "What would be drained."), **what_if, **_PAGED},
            ),
        ),
        "plan_rebalance": (
            None,
            resolver_field(
                _rebalance,
                returns="MovePlan",
                description="Which deployments of a tenant would gain by being placed anew, when every move has its price; "
                f"what cannot stay where it is goes first; {PROBLEM}",
                arguments={"input": ("PlanRebalanceInput", UNSET, "Which are looked at."), **what_if, **_PAGED},
            ),
        ),
    }
