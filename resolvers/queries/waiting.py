"""`waitFor`: an answer that comes when something has come about, or says what is missing when its time is over.

A plain query, so that a script with nothing but HTTP can wait. It is answered within what any query may take; who waits
for longer asks again, which loses nothing: the state is in the graph and not in the wait.

Each look costs the request's budget what it looks at, for a wait can be asked for again in every alias. What is left of the
budget is spread over what is left of the time; a wait that has none for another look ends as if its time were over.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec
import strawberry

from access.permissions import Permission, declare_root, declare_value_types
from graph.entity import kind_by_id
from graph.kinds import Deployment, Operation, Release, StatusReason
from graph.view import get_as
from lifecycle.awaited import WaitCondition, Waited, of_deployment, of_operation
from resolvers.context import Context
from resolvers.problems import RequestProblem
from resolvers.queries.records import operation_by_id
from schema.vocabulary import Member, enum_type, object_type, output, resolver_field

PAUSE_S = 0.05
"""Between two looks: however many commits there are, a wait looks twenty times a second at most."""
SHARE = 0.8
"""Of the time that a query may take: the rest is for its answer."""
DEFAULT_S = 5.0
WORK_A_LOOK = 200
"""Of a request's budget: some hundred microseconds."""
WORK_A_RELEASE = 20
"""Besides, where the releases themselves are looked at."""


class WaitedFor(msgspec.Struct, frozen=True, kw_only=True):
    """How a wait stood when it ended."""

    waited: Waited
    deployment_id: str | None
    operation: Operation | None


async def _stands(context: Context, id: str, condition: WaitCondition) -> WaitedFor:
    kind = kind_by_id(id)
    if kind is Operation.SPEC:
        operation = await operation_by_id(context, id)
        if not isinstance(operation, Operation):
            raise RequestProblem("NOT_FOUND", f"there is no operation {id!r}", remedy="check the id")
        waited = of_operation(context.view, operation, condition)
        return WaitedFor(waited=waited, deployment_id=operation.subject_id, operation=operation)
    if kind is not Deployment.SPEC:
        raise RequestProblem("BAD_USER_INPUT", f"{id!r} is the id of no deployment or operation", remedy="check the id")
    if condition is not WaitCondition.GONE and get_as(context.view, Deployment, id) is None:
        raise RequestProblem("NOT_FOUND", f"there is no deployment {id!r}", remedy="check the id")
    return WaitedFor(waited=of_deployment(context.view, id, condition), deployment_id=id, operation=None)


def _cost(context: Context, id: str, condition: WaitCondition) -> int:
    """What one look takes out of the budget."""
    if condition not in (WaitCondition.APPLIED, WaitCondition.QUIET):
        return WORK_A_LOOK
    operation = get_as(context.view, Operation, id)
    field, value = "deployment_id", id
    if operation is not None:
        applied = condition is WaitCondition.APPLIED
        field, value = ("operation_id", id) if applied else (field, operation.subject_id or "")
    return WORK_A_LOOK + WORK_A_RELEASE * context.view.count(Release.SPEC.name, field, value)


async def _wait(source: Any, info: Any, *, id: str, until: WaitCondition, timeout_seconds: float) -> WaitedFor:
    context: Context = info.context
    if timeout_seconds < 0:
        raise RequestProblem("BAD_USER_INPUT", "timeoutSeconds is below 0", remedy="give 0 or more")
    most = SHARE * context.services.execution_timeout_s
    deadline = time.monotonic() + min(timeout_seconds, most)
    ledger = context.services.ledger
    while True:
        revision = ledger.view.revision
        cost = _cost(context, id, until)
        context.work.spend(cost, path="waitFor")
        found = await _stands(context, id, until)
        rest = deadline - time.monotonic()
        if found.waited.ends or rest <= 0 or context.work.left < cost:
            return found
        pause = max(PAUSE_S, rest * cost / context.work.left)
        try:
            async with asyncio.timeout(rest):
                await ledger.feed.wait(revision)
        except TimeoutError:
            pass
        await asyncio.sleep(min(pause, max(deadline - time.monotonic(), 0)))
        if context.work.left < _cost(context, id, until):
            return found


def wait_queries() -> dict[str, Member]:
    """The root field of this module."""
    declare_root("Query", "waitFor", Permission.SIGNED_IN)
    plain = {
        "reached": ("bool", "Whether what was waited for has come about."),
        "over": ("bool", "Whether it cannot come about any more: the deployment is gone, or the operation has ended."),
        "summary": ("str", "How far it is, in one line."),
        "missing": (output(list[StatusReason]), "What is missing; at most ten."),
    }
    object_type(
        "WaitedFor",
        {
            **{
                name: (
                    None,
                    resolver_field(
                        lambda found, info, name=name: getattr(found.waited, name), returns=returns, description=text
                    ),
                )
                for name, (returns, text) in plain.items()
            },
            "deployment": (
                None,
                resolver_field(
                    lambda found, info: get_as(info.context.view, Deployment, found.deployment_id),
                    returns="Optional[Deployment]",
                    description="The deployment as it is now; null when it is gone.",
                ),
            ),
            "operation": (
                None,
                resolver_field(
                    lambda found, info: found.operation,
                    returns="Optional[Operation]",
                    description="The operation, where one was waited for.",
                ),
            ),
        },
        description="How a wait stood when it ended.",
    )
    declare_value_types("WaitedFor")
    field = resolver_field(
        _wait,
        returns="WaitedFor",
        description="Waits until a deployment or operation is as asked, and answers then, or when the time is over; ask "
        "again to wait for longer.",
        arguments={
            "id": ("ID", strawberry.UNSET, "A deployment or an operation."),
            "until": (enum_type(WaitCondition), WaitCondition.READY, "What is waited for."),
            "timeout_seconds": (
                "float",
                DEFAULT_S,
                "How long; 0 answers at once. At most four fifths of what a query may take (`execution_timeout_s`).",
            ),
        },
    )
    return {"wait_for": (None, field)}
