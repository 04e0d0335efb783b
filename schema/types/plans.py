"""Plans as the schema shows them: what would be done, deployment by deployment, and what a kept plan is for.

What a step says is the step's own data (`lifecycle.plans_steps`); here ids become entities, and costs that follow from what
others use are told in steps to those who may not see that.
"""

from __future__ import annotations

from typing import Any

import strawberry

from access.permissions import declare_value_types
from access.viewer import SYSTEM_ID
from graph.entity import Entity
from graph.kinds import AppVersion, Deployment, Plan, PlanCost, PlanKind, Profile, Site
from graph.kinds.what_if import Change
from graph.view import get_as
from lifecycle.plans_kept import PlanReason
from lifecycle.plans_moving import MovePlan
from lifecycle.plans_steps import Planned, PlanOutcome, total_of, without_use
from placement.decision import Decision
from schema.connections import PageInfo
from schema.entities import LabelPair, field_of
from schema.types.actors import Actor
from schema.vocabulary import Member, enum_type, input_type, object_type, resolver_field, struct_type, value_field

UNSET = strawberry.UNSET
COST = "null where it is not known: of a drain, and of what cannot stay as it is"
_GONE = "null when it is gone, or you may not see it"

value_field(
    PlanCost,
    "total",
    lambda cost, info: total_of(cost),
    returns="float",
    description="All terms together.",
)


class ShownStep:
    """A step of a plan, and where it stands among the steps."""

    def __init__(self, cursor: str, planned: Planned) -> None:
        self.cursor = cursor
        self.planned = planned
        self.step = planned.step


class StepPage:
    """A page of a plan's steps."""

    def __init__(self, steps: list[tuple[str, Planned]], *, total: int, more: bool, after: str | None) -> None:
        self._steps = steps
        self.nodes = [ShownStep(cursor, one) for cursor, one in steps]
        self.total_count = total
        self._more = more
        self._after = after

    @property
    def page_info(self) -> PageInfo:
        """What lies around the page."""
        first = self._steps[0][0] if self._steps else None
        last = self._steps[-1][0] if self._steps else None
        return PageInfo(self._more, self._after is not None, first, last)


class ShownMovePlan:
    """A plan of moves with the page of it that was asked for."""

    def __init__(self, plan: MovePlan, *, after: str | None) -> None:
        self.plan = plan
        self.kind = plan.kind
        self.revision = plan.revision
        self.feasible = not plan.stuck
        self.what_if = list(plan.changes)
        self.moves = plan.moves
        self.stuck = plan.stuck
        listed = [(one.step.deployment_id or "", one) for one in plan.steps]
        self.steps = StepPage(listed, total=plan.total, more=plan.more, after=after)


def shown_cost(cost: PlanCost | None, info: Any) -> PlanCost | None:
    """A cost as the viewer may see it."""
    return cost if cost is None or info.context.view.may_see_use() else without_use(cost)


def _sites(ids: list[str], info: Any) -> list[Site]:
    return [found for one in ids if (found := get_as(info.context.view, Site, one)) is not None]


def _plain(kind: str, text: str) -> Member:
    return kind, strawberry.field(description=text)


def _answered(function: Any, kind: str, text: str) -> Member:
    return None, resolver_field(function, returns=kind, description=text)


def _deployment(one: ShownStep, info: Any) -> Deployment | None:
    return get_as(info.context.view, Deployment, one.step.deployment_id)


def _decision(one: ShownStep, info: Any) -> Decision | None:
    return one.planned.decision


def _reason_message(reason: PlanReason, info: Any) -> str:
    return reason.figures if reason.figures is not None and info.context.view.may_see_use() else reason.message


def _reason_deployment(reason: PlanReason, info: Any) -> Deployment | None:
    return get_as(info.context.view, Deployment, reason.deployment_id)


def _subject(plan: ShownMovePlan, info: Any) -> Entity | None:
    found: Entity | None = info.context.view.get(plan.plan.subject_id) if plan.plan.subject_id else None
    return found


def define_kept_plans() -> None:
    """Defines the types of plans of moves and of kept plans' steps."""
    cost = struct_type(PlanCost)
    changes = f"list[{struct_type(Change)}]"
    object_type(
        "PlanStep",
        {
            "cursor": _plain("str", "Give it as `after` to go on from here."),
            "outcome": _answered(lambda one, info: one.step.outcome, enum_type(PlanOutcome), "What is done with it."),
            "name": _answered(lambda one, info: one.step.name, "str", "The deployment's name."),
            "deployment": _answered(
                _deployment, "Optional[Deployment]", f"The deployment; null while it is not there, {_GONE[5:]}."
            ),
            "before": _answered(
                lambda one, info: _sites(one.step.before, info), "list[Site]", "The sites where it is, by id."
            ),
            "after": _answered(
                lambda one, info: _sites(one.planned.sites_after, info),
                "list[Site]",
                "The sites where it would be, by id.",
            ),
            "moves": _answered(
                lambda one, info: one.step.moves, "int", "Sites of a component that it would newly run at."
            ),
            "why": _answered(lambda one, info: one.step.why, "Optional[str]", "Why it stays, or cannot go."),
            "cost_before": _answered(
                lambda one, info: shown_cost(one.step.cost_before, info),
                f"Optional[{cost}]",
                f"What it costs where it is; {COST}.",
            ),
            "cost_after": _answered(
                lambda one, info: shown_cost(one.step.cost_after, info),
                f"Optional[{cost}]",
                "What it would cost, the price of its moves included; null where it is not known.",
            ),
            "decision": _answered(
                _decision,
                "Optional[PlacementPlan]",
                "The decision with its reasons; null when there is none.",
            ),
        },
        description="What a plan would do with one deployment.",
    )
    object_type(
        "PlanStepPage",
        {
            "nodes": _plain("list[PlanStep]", "The steps of the page, by the deployment's id."),
            "page_info": _plain("PageInfo", "What lies around the page."),
            "total_count": _plain("int", "How many there are."),
        },
        description="A page of a plan's steps.",
    )
    object_type(
        "MovePlan",
        {
            "kind": _plain(enum_type(PlanKind), "DRAIN or REBALANCE."),
            "subject": _answered(_subject, "Optional[Entity]", "What would be drained; null of a rebalance."),
            "revision": _plain("BigInt", "The revision of the graph that it was made at."),
            "what_if": _plain(changes, "What was supposed of the graph."),
            "feasible": _plain("bool", "Whether nothing of this page is stuck."),
            "moves": _plain("int", "Sites of a component that would be new to it, over this page."),
            "stuck": _plain("int", "Deployments of this page that should go and cannot."),
            "cost_before": _answered(
                lambda one, info: shown_cost(one.plan.cost_before, info),
                f"Optional[{cost}]",
                f"What this page's deployments cost where they are; {COST}.",
            ),
            "cost_after": _answered(
                lambda one, info: shown_cost(one.plan.cost_after, info),
                f"Optional[{cost}]",
                "What they would cost, the price of the moves included; null where it is not known.",
            ),
            "steps": _plain("PlanStepPage", "What would be done, deployment by deployment."),
        },
        description="What a drain or a rebalance would do; nothing is changed.",
    )
    object_type(
        "PlanReason",
        {
            "code": _plain(
                "str",
                "One word for programs: `EXPIRED`, `APPLIED`, `DEPLOYMENT_GONE`, `DEPLOYMENT_CHANGED`, "
                "`APP_VERSION_CHANGED`, `SITE_GONE`, `CAPACITY_GONE`, `POLICY_BROKEN`, `ONLY_SUPPOSED` or `REFUSED`.",
            ),
            "message": _answered(_reason_message, "str", "The reason in words."),
            "deployment": _answered(
                _reason_deployment,
                "Optional[Deployment]",
                f"The deployment that it is about, if it is about one; {_GONE}.",
            ),
        },
        description="Why a plan cannot be applied any more.",
    )
    input_type(
        "PlanDrainInput",
        {"id": ("ID", strawberry.field(description="A site or node."))},
        description="Which place or machine would be emptied.",
    )
    input_type(
        "PlanRebalanceInput",
        {
            "tenant_id": ("ID", strawberry.field(description="The tenant whose deployments are looked at.")),
            "deployment_ids": _optional("list[ID]", "These; none: all that the labels select."),
            "labels": _optional("str", "A label selector of deployments, in Kubernetes syntax; none: all."),
            "move_penalty": _optional("float", "What a move costs, instead of each policy's own `weights.moves`."),
            "max_moves": _optional("int", "The most moves over all deployments; none: no bound."),
        },
        description="Which deployments are looked at, and what a move costs.",
    )
    declare_value_types("PlanStep", "PlanStepPage", "MovePlan", "PlanReason")


def _optional(kind: str, text: str) -> Member:
    return f"Optional[{kind}]", strawberry.field(description=text, default=UNSET)


# What a kept plan has beyond its own fields; its steps and operations are read from the store (resolvers/queries/plans.py).


@field_of(Plan, returns="Actor", description="Who made it.")
def author(plan: Plan, info: Any) -> Actor:
    """By id; the system where none was written."""
    return Actor(plan.author or SYSTEM_ID)


@field_of(
    Plan,
    returns="Optional[Entity]",
    description=f"The site or node that is drained, or the deployment that is placed anew; {_GONE}.",
)
def subject(plan: Plan, info: Any) -> Entity | None:
    """As the viewer sees it."""
    found: Entity | None = info.context.view.get(plan.subject_id) if plan.subject_id else None
    return found


@field_of(
    Plan,
    returns="Optional[AppVersion]",
    description=f"With DEPLOYMENT: what is to run; {_GONE}.",
    instead_of="app_version_id",
)
def app_version(plan: Plan, info: Any) -> AppVersion | None:
    """As the viewer sees it."""
    return get_as(info.context.view, AppVersion, plan.app_version_id)


@field_of(
    Plan,
    returns="Optional[Profile]",
    description=f"With DEPLOYMENT: the profile of its version that it is to run with; {_GONE}.",
    instead_of="profile_id",
)
def profile(plan: Plan, info: Any) -> Profile | None:
    """As the viewer sees it."""
    return get_as(info.context.view, Profile, plan.profile_id)


@field_of(Plan, returns="list[Label]", description="With DEPLOYMENT: the deployment's labels.")
def deployment_labels(plan: Plan, info: Any) -> list[LabelPair]:
    """As pairs."""
    return [LabelPair(key, value) for key, value in plan.deployment_labels.items()]


@field_of(Plan, returns="Optional[PlanCost]", description=f"What its deployments cost where they are; {COST}.")
def cost_before(plan: Plan, info: Any) -> PlanCost | None:
    """As far as the viewer may see it."""
    return shown_cost(plan.cost_before, info)


@field_of(
    Plan,
    returns="Optional[PlanCost]",
    description="What they would cost, the price of the moves included; null where it is not known.",
)
def cost_after(plan: Plan, info: Any) -> PlanCost | None:
    """As far as the viewer may see it."""
    return shown_cost(plan.cost_after, info)
