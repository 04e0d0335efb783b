"""Operations: cancel and retry, whatever kind of change they are of."""

from __future__ import annotations

from typing import Any

import msgspec
import strawberry

from access.permissions import Permission, declare_root
from access.rights import check_write_of
from graph.change import decode_entity
from graph.entity import Entity
from graph.kinds import Deployment, Operation
from graph.refusal import NotFound
from resolvers.answers import request_of, verb
from resolvers.context import Context
from resolvers.mutations.deployment_inputs import begun_fields, deadline_input, key_input
from resolvers.mutations.deployments import PLACING, Kept, begun, deadline_of, remember_begun, sight
from resolvers.records import filed_entity
from schema.results import Payload, payload_type, result_union
from schema.vocabulary import Member, input_type


async def _operation(context: Context, operation_id: str) -> Operation:
    found: Entity | None = context.view.get(operation_id) or await filed_entity(context, operation_id)
    if not isinstance(found, Operation):
        raise NotFound("Operation", operation_id, path="input.id")
    check_write_of(context.viewer, found, path="input.id")
    return found


async def cancel_one(context: Context, given: Any) -> Payload:
    """Takes back what an operation does. Raises a refusal."""
    operation = await _operation(context, given.id)
    request = request_of(context, "cancelOperation", given, tenant_id=operation.tenant_id)
    committed = await context.services.lifecycle.operations.cancel(
        operation.id, request, visible=sight(context), remember=_remember_cancelled
    )
    if committed.replayed is None:
        cancelled, deployment = committed.value
        return Payload(
            "CancelOperationPayload", operation=cancelled, deployment=deployment, revision=committed.revision
        )
    kept = msgspec.json.decode(committed.replayed, type=Kept)
    return Payload(
        "CancelOperationPayload",
        operation=decode_entity("Operation", kept.operation),
        deployment=kept.shown,
        revision=kept.revision,
    )


def _remember_cancelled(cancelled: tuple[Operation, Deployment | None], revision: int) -> bytes:
    operation, deployment = cancelled
    return msgspec.json.encode({"deployment": deployment, "operation": operation, "revision": revision})


async def retry_one(context: Context, given: Any) -> Payload:
    """Starts again what an operation gave up on. Raises a refusal."""
    operation = await _operation(context, given.id)
    request = request_of(context, "retryOperation", given, tenant_id=operation.tenant_id)
    committed = await context.services.lifecycle.operations.retry(
        operation.id, request, visible=sight(context), deadline_s=deadline_of(given), remember=remember_begun
    )
    return begun("RetryOperationPayload", committed)


def operation_mutations() -> dict[str, Member]:
    """The mutations of this module."""
    key, deadline = key_input(), deadline_input()
    operation_id: dict[str, Member] = {"id": ("ID", strawberry.field(description="The operation."))}
    input_type("CancelOperationInput", {**operation_id, **key}, description="Which operation.")
    input_type("RetryOperationInput", {**operation_id, **deadline, **key}, description="Which operation.")
    operation = {"operation": ("Operation", strawberry.field(description="What sees it through."))}
    payload_type("RetryOperationPayload", begun_fields(), description="What was begun.")
    result_union("RetryOperationResult", "RetryOperationPayload", PLACING)
    payload_type(
        "CancelOperationPayload",
        {
            **operation,
            "deployment": (
                "Optional[Deployment]",
                strawberry.field(description="The deployment as it is wanted now, when the operation works on one."),
            ),
        },
        description="What is taken back.",
    )
    result_union("CancelOperationResult", "CancelOperationPayload", PLACING)
    for action in ("cancelOperation", "retryOperation"):
        declare_root("Mutation", action, Permission.WRITE_WORKLOADS)
    retry = "Starts an operation's quarantined releases again."
    return {
        "cancel_operation": (
            None,
            verb("cancelOperation", cancel_one, description="Takes back what an operation does."),
        ),
        "retry_operation": (None, verb("retryOperation", retry_one, description=retry)),
    }
