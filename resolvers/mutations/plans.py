"""Kept plans: `createPlan`, `applyPlan`, `deletePlan`.

To keep a plan takes what to do it takes, so that nobody prepares what he may not begin; all of it is asked again at head.
"""

from __future__ import annotations

from typing import Any

import msgspec
import strawberry

from access.permissions import Permission, declare_root
from access.rights import check_write, check_write_of
from access.viewer import at_head
from graph.change import decode_entity
from graph.kinds import Deployment, Plan, PlanKind
from graph.kinds.what_if import Change
from graph.ledger import system_clock_ms
from graph.view import Reader
from lifecycle.plans import DEFAULT_LASTS_S, LEAST_LASTS_S, MOST_LASTS_S, Wanted
from lifecycle.plans_drain import drain_target
from lifecycle.plans_kept import Allowed, Applied
from lifecycle.plans_rebalance import Rebalancing
from lifecycle.wishes import Wish
from resolvers.answers import entity_of, remember_entity, request_of, verb
from resolvers.context import Context
from resolvers.mutations.deployments import sight, wish_of
from resolvers.queries.plans import WHAT_IF, changes_of, rebalancing_of
from schema.inputs import IDEMPOTENCY, delete_input, fields_from
from schema.results import Payload, payload_type, result_union
from schema.vocabulary import Member, input_type, struct_input

UNSET = strawberry.UNSET
ERRORS = ("AlreadyExists", "InvalidState", "PlanOutdated")


def _value(given: Any, name: str) -> Any:
    value = getattr(given, name, UNSET)
    return None if value is UNSET else value


def _doing(context: Context) -> Allowed:
    """Asks whether the caller may do what a plan is for, by the rights that it has in the graph that is given."""

    def allowed(reader: Reader, plan: Plan) -> None:
        viewer = at_head(context.viewer, reader, at_ms=system_clock_ms())
        target = reader.get(plan.subject_id or "") if plan.kind is PlanKind.DRAIN else None
        if target is not None:
            check_write_of(viewer, target, path="input.id")
        elif plan.kind is PlanKind.DRAIN:
            check_write_of(viewer, plan, path="input.id")
        else:
            check_write(viewer, Deployment.SPEC, plan.tenant_id, path="input.id")

    return allowed


def _writing(context: Context) -> Allowed:
    def allowed(reader: Reader, plan: Plan) -> None:
        check_write_of(at_head(context.viewer, reader, at_ms=system_clock_ms()), plan, path="input.id")

    return allowed


def _wanted(context: Context, given: Any) -> tuple[Wanted, str | None]:
    """What is to be kept, and whose audit it belongs to. Raises a refusal."""
    fields = fields_from(
        Plan.SPEC, given, names=[Plan.SPEC.fields[one] for one in ("display_name", "labels")], patch=False
    )
    deployment, drain, rebalance = (_value(given, name) for name in ("deployment", "drain", "rebalance"))
    wish: Wish | None = None
    rebalancing: Rebalancing | None = None
    tenant_id: str | None = None
    if deployment is not None:
        wish = wish_of(context, deployment, path="input.deployment")
        tenant_id = wish.tenant_id
    if drain is not None:
        target = drain_target(context.view, drain.id, path="input.drain.id")
        check_write_of(context.viewer, target, path="input.drain.id")
        tenant_id = target.tenant_id
    if rebalance is not None:
        rebalancing = rebalancing_of(context, rebalance, path="input.rebalance")
        tenant_id = rebalancing.tenant_id
        check_write(context.viewer, Deployment.SPEC, tenant_id, path="input.rebalance.tenantId")
    lasts = _value(given, "expires_in_seconds")
    wanted = Wanted(
        wish=wish,
        replaces=_value(given, "replaces"),
        drain_id=drain.id if drain is not None else None,
        rebalancing=rebalancing,
        changes=changes_of(given.what_if, path="input.whatIf"),
        lasts_s=DEFAULT_LASTS_S if lasts is None else lasts,
        display_name=fields.get("display_name"),
        labels=fields.get("labels", {}),
    )
    return wanted, tenant_id


async def _create(context: Context, given: Any) -> Payload:
    wanted, tenant_id = _wanted(context, given)
    committed = await context.services.lifecycle.plans.keep(
        wanted,
        request_of(context, "createPlan", given, tenant_id=tenant_id),
        visible=sight(context),
        allowed=_doing(context),
        remember=remember_entity,
    )
    plan, revision = entity_of(committed, context.view)
    return Payload("CreatePlanPayload", plan=plan, revision=revision)


async def _apply(context: Context, given: Any) -> Payload:
    found = context.view.get(given.id)
    tenant_id = found.tenant_id if isinstance(found, Plan) else None
    if isinstance(found, Plan):
        _doing(context)(context.services.ledger.view, found)
    committed = await context.services.lifecycle.plans.apply(
        given.id,
        request_of(context, "applyPlan", given, tenant_id=tenant_id),
        visible=sight(context),
        allowed=_doing(context),
        remember=_remember_applied,
    )
    if committed.replayed is None:
        applied = committed.value
        return Payload(
            "ApplyPlanPayload",
            plan=applied.plan,
            operations=applied.operations,
            deployments=applied.deployments,
            revision=committed.revision,
        )
    kept = msgspec.json.decode(committed.replayed, type=_Kept)
    return Payload(
        "ApplyPlanPayload",
        plan=decode_entity("Plan", kept.plan),
        operations=[decode_entity("Operation", one) for one in kept.operations],
        deployments=[decode_entity("Deployment", one) for one in kept.deployments],
        revision=kept.revision,
    )


class _Kept(msgspec.Struct):
    plan: msgspec.Raw
    operations: list[msgspec.Raw]
    deployments: list[msgspec.Raw]
    revision: int


def _remember_applied(applied: Applied, revision: int) -> bytes:
    return msgspec.json.encode(
        {
            "plan": applied.plan,
            "operations": applied.operations,
            "deployments": applied.deployments,
            "revision": revision,
        }
    )


async def _delete(context: Context, given: Any) -> Payload:
    found = context.view.get(given.id)
    tenant_id = found.tenant_id if isinstance(found, Plan) else None
    committed = await context.services.lifecycle.plans.delete(
        given.id,
        request_of(context, "deletePlan", given, tenant_id=tenant_id),
        visible=sight(context),
        allowed=_writing(context),
        expected_revision=_value(given, "expected_revision"),
        remember=_remember_deleted,
    )
    revision = committed.revision
    if committed.replayed is not None:
        revision = msgspec.json.decode(committed.replayed)["revision"]
    return Payload("DeletePlanPayload", deleted_ids=[given.id], revision=revision)


def _remember_deleted(plan: Plan, revision: int) -> bytes:
    return msgspec.json.encode({"revision": revision})


def _optional(kind: str, text: str) -> Member:
    return f"Optional[{kind}]", strawberry.field(description=text, default=UNSET)


def plan_mutations() -> dict[str, Member]:
    """The mutations of this module."""
    key = {"idempotency_key": _optional("str", IDEMPOTENCY)}
    input_type(
        "CreatePlanInput",
        {
            "deployment": _optional("DeployInput", "A deployment, new or in another's place."),
            "replaces": _optional("ID", "With `deployment`: the deployment that is placed anew."),
            "drain": _optional("PlanDrainInput", "A drain."),
            "rebalance": _optional("PlanRebalanceInput", "A rebalance."),
            "what_if": _optional(f"list[{struct_input(Change)}]", WHAT_IF),
            "expires_in_seconds": _optional(
                "int",
                f"How long it can be applied, {LEAST_LASTS_S} to {MOST_LASTS_S} seconds. Default: {DEFAULT_LASTS_S}.",
            ),
            "display_name": _optional("str", "A name for people."),
            "labels": _optional("list[LabelInput]", "The plan's labels."),
            **key,
        },
        description="What is planned and kept: exactly one of `deployment`, `drain` and `rebalance`.",
    )
    input_type(
        "ApplyPlanInput",
        {"id": ("ID", strawberry.field(description="The plan.")), **key},
        description="Which plan to apply.",
    )
    delete_input(Plan.SPEC)
    plan = {"plan": ("Plan", strawberry.field(description="As it is now."))}
    payload_type("CreatePlanPayload", plan, description="The plan that is kept.")
    payload_type(
        "ApplyPlanPayload",
        {
            **plan,
            "operations": ("list[Operation]", strawberry.field(description="What sees it through.")),
            "deployments": (
                "list[Deployment]",
                strawberry.field(description="The deployments that were begun, as they are wanted now."),
            ),
        },
        description="What was begun.",
    )
    deleted = {"deleted_ids": ("list[ID]", strawberry.field(description="What was deleted."))}
    payload_type("DeletePlanPayload", deleted, description="What was deleted.")
    result_union("CreatePlanResult", "CreatePlanPayload", ("AlreadyExists", "InvalidState"))
    result_union("ApplyPlanResult", "ApplyPlanPayload", ERRORS)
    result_union("DeletePlanResult", "DeletePlanPayload", ("InUse", "Conflict", "InvalidState"))
    # A plan to drain takes the right to change infrastructure instead; what it takes is asked for each plan.
    declare_root("Mutation", "createPlan", Permission.READ_WORKLOADS)
    declare_root("Mutation", "applyPlan", Permission.READ_WORKLOADS)
    declare_root("Mutation", "deletePlan", Permission.READ_WORKLOADS)
    return {
        "create_plan": (
            None,
            verb(
                "createPlan",
                _create,
                description="Plans a deployment, a drain or a rebalance, and keeps the plan with its decisions: it can be "
                "applied until it expires.",
            ),
        ),
        "apply_plan": (
            None,
            verb(
                "applyPlan",
                _apply,
                description="Begins all that a plan says, or nothing when the graph has moved on too far since.",
            ),
        ),
        "delete_plan": (None, verb("deletePlan", _delete, description="Deletes a plan; what it began goes on.")),
    }
